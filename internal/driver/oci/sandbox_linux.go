package oci

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/network"
)

// sandbox is what the containers of a task share.
type sandbox struct {
	netns   string // a file; "" if they share no network of their own
	address string
	cgroup  string // the path that theirs are in
	pidns   string // a file of /proc; "" if they share none
	ipcns   string // likewise
	shm     string // a directory for /dev/shm; "" if each has its own
}

// task is the id of the task that a container belongs to; one that belongs to none is a task of its own.
func task(spec *driver.Spec) string {
	if spec.Sandbox.Task == "" {
		return spec.ID
	}
	return spec.Sandbox.Task
}

// mode is a task's network mode; bridge is what ECS takes where none is given.
func (d *Driver) mode(spec *driver.Spec) string {
	mode := spec.Sandbox.NetworkMode
	if mode == "" {
		mode = modeBridge
	}
	if mode == modeBridge && d.cfg.Network == nil {
		return modeHost
	}
	return mode
}

// enter makes the sandbox of a container's task, or finds it.
func (d *Driver) enter(ctx context.Context, spec *driver.Spec) (*sandbox, error) {
	id := task(spec)
	defer d.turns.take("task " + id)()
	d.mu.Lock()
	box := d.sandboxes[id]
	d.mu.Unlock()
	if box != nil {
		return box, nil
	}
	box, err := d.makeSandbox(ctx, id, spec)
	if err != nil {
		return nil, cannotInit("%w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sandboxes[id] = box
	return box, nil
}

// makeSandbox makes what the containers of a task share. Its directory is there before all else and tells Sandboxes that
// there is something; each step finds what it has made before.
func (d *Driver) makeSandbox(ctx context.Context, id string, spec *driver.Spec) (*sandbox, error) {
	s := &spec.Sandbox
	box := &sandbox{cgroup: d.parent}
	if s.Task != "" {
		if err := os.Mkdir(filepath.Join(d.tasks(), id), 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return nil, err
		}
	}
	if s.CPU > 0 || s.Memory > 0 {
		box.cgroup = d.taskCgroup(id)
		if err := d.groups.limit(box.cgroup, s.CPU, s.Memory); err != nil {
			return nil, err
		}
	}
	if err := d.makeNetwork(ctx, id, spec, box); err != nil {
		return nil, err
	}
	return box, d.makeNamespaces(ctx, id, s, box)
}

func (d *Driver) taskCgroup(id string) string { return filepath.Join(d.parent, "task-"+id) }

// makeNetwork makes the network that the containers of a task share, if they do.
func (d *Driver) makeNetwork(ctx context.Context, id string, spec *driver.Spec, box *sandbox) error {
	mode := d.mode(spec)
	if mode == modeHost || mode == modeBridge {
		return nil
	}
	if d.cfg.Network == nil {
		return fmt.Errorf("networkMode %s needs a network of the task's own, and none can be made on this machine: use host", mode)
	}
	end, err := d.cfg.Network.Make(ctx, network.Request{
		ID: id, Mode: mode, Attachment: spec.Sandbox.Attachment, Rules: spec.Sandbox.Rules,
	})
	if err != nil {
		return err
	}
	box.netns = end.Path
	if end.Address.IsValid() {
		box.address = end.Address.Addr().String()
	}
	return nil
}

// makeNamespaces makes the namespaces of processes and of their communication that the containers of a task share. A
// process of maitred holds them, and is the init process of the first one.
func (d *Driver) makeNamespaces(ctx context.Context, id string, s *driver.Sandbox, box *sandbox) error {
	var names []string
	if s.PIDMode == modeTask {
		names = append(names, "pid")
	}
	if s.IPCMode == modeTask {
		names = append(names, "ipc")
		box.shm = filepath.Join(d.tasks(), id, "shm")
		if err := os.Mkdir(box.shm, 0o700); err != nil && !errors.Is(err, os.ErrExist) {
			return err
		}
		if err := os.Chmod(box.shm, 0o777|os.ModeSticky); err != nil {
			return err
		}
	}
	if s.IPCMode == modeHost {
		box.shm = "/dev/shm"
	}
	if len(names) == 0 {
		return nil
	}
	pause, err := d.link.Start(ctx, keeper.Spec{
		ID: pausePrefix + id, Argv: []string{d.cfg.Init, initVerb, pauseFlag}, Dir: "/", Namespaces: names,
	})
	if err != nil {
		return fmt.Errorf("hold the task's namespaces: %w", err)
	}
	if pause.State != driver.Running {
		return errors.New("the process that holds the task's namespaces has ended")
	}
	for _, name := range names {
		path := "/proc/" + pause.RuntimeID + "/ns/" + name
		if name == "pid" {
			box.pidns = path
		} else {
			box.ipcns = path
		}
	}
	return nil
}

// Sandboxes implements driver.Driver.
func (d *Driver) Sandboxes(ctx context.Context) ([]string, error) {
	ids := map[string]bool{}
	for _, dir := range []string{d.tasks(), d.volumes("task")} {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		for _, e := range entries {
			ids[e.Name()] = true
		}
	}
	for _, name := range d.groups.children(d.parent) {
		if id, ok := strings.CutPrefix(name, "task-"); ok {
			ids[id] = true
		}
	}
	all, err := d.link.List(ctx)
	if err != nil {
		return nil, err
	}
	for _, s := range all {
		if id, ok := strings.CutPrefix(s.ID, pausePrefix); ok {
			ids[id] = true
		}
	}
	list := make([]string, 0, len(ids))
	for id := range ids {
		list = append(list, id)
	}
	slices.Sort(list)
	return list, nil
}

// Secure implements driver.Driver.
func (d *Driver) Secure(ctx context.Context, id string, rules []model.FirewallRule) error {
	if d.cfg.Network == nil || !slices.Contains(d.cfg.Network.List(), id) {
		return nil
	}
	return d.cfg.Network.Secure(ctx, id, rules)
}

// Release implements driver.Driver. Networks that ended containers of the task have of their own go too.
func (d *Driver) Release(ctx context.Context, id string) error {
	if !idPattern.MatchString(id) {
		return nil
	}
	defer d.turns.take("task " + id)()
	d.mu.Lock()
	delete(d.sandboxes, id)
	d.mu.Unlock()
	errs := []error{d.releasePause(ctx, id), d.groups.remove(d.taskCgroup(id))}
	if d.cfg.Network != nil {
		errs = append(errs, d.cfg.Network.Release(ctx, id), d.releaseNetworks(ctx, id))
	}
	errs = append(errs, os.RemoveAll(filepath.Join(d.volumes("task"), id)))
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("release task %s: %w", id, err)
	}
	return os.RemoveAll(filepath.Join(d.tasks(), id)) // last, for it tells that there is something
}

// releasePause ends the process that holds a task's namespaces. What else is in them is killed by that.
func (d *Driver) releasePause(ctx context.Context, id string) error {
	id = pausePrefix + id
	all, err := d.link.List(ctx)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(all, func(s driver.Status) bool { return s.ID == id }) {
		return nil
	}
	if err := d.Kill(ctx, id); err != nil {
		return err
	}
	if err := d.awaitEnd(ctx, id); err != nil {
		return err
	}
	return d.link.Remove(ctx, id)
}

// awaitEnd waits for the end of what the keeper keeps.
func (d *Driver) awaitEnd(ctx context.Context, id string) error {
	watch, cancel := context.WithCancel(ctx)
	defer cancel()
	ended := false
	err := d.link.Watch(watch, func(s driver.Status) {
		if s.ID == id && s.State == driver.Exited {
			ended = true
			cancel()
		}
	})
	if ended {
		return nil
	}
	return err
}

// releaseNetworks releases the networks of a task's ended containers.
func (d *Driver) releaseNetworks(ctx context.Context, id string) error {
	all, err := d.List(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, s := range all {
		if s.State != driver.Exited {
			continue
		}
		if c, err := readNote(d.bundle(s.ID)); err == nil && c.Annotations[noteTask] == id {
			errs = append(errs, d.cfg.Network.Release(ctx, s.ID))
		}
	}
	return errors.Join(errs...)
}

// sweep clears away what nobody knows any more: a driver that was killed in the middle of a start or of a removal left
// it, or the keeper's journal was lost. Sandboxes are the agent's to release.
func (d *Driver) sweep(ctx context.Context) error {
	all, err := d.link.List(ctx)
	if err != nil {
		return err
	}
	known := map[string]bool{}
	for _, s := range all {
		known[s.ID] = true
	}
	d.sweepCgroups(known)
	var errs []error
	for id := range d.strangers(known) {
		d.log.Info("what is left of a container that nobody knows is removed", "container", id)
		errs = append(errs, d.discard(ctx, id), os.RemoveAll(filepath.Join(d.states(), id)))
	}
	if err := errors.Join(errs...); err != nil {
		d.log.Warn("leftovers stay", "error", err)
	}
	return nil
}

// strangers are the containers that there is something of and that are not known.
func (d *Driver) strangers(known map[string]bool) map[string]bool {
	found := map[string]bool{}
	add := func(id string) {
		if !known[id] && idPattern.MatchString(id) {
			found[id] = true
		}
	}
	for _, dir := range []string{d.bundles(), d.layers(), d.states()} {
		entries, _ := os.ReadDir(dir) // made by New
		for _, e := range entries {
			add(e.Name())
		}
	}
	for _, id := range d.cfg.Images.Holders() {
		add(id)
	}
	return found
}

// sweepCgroups kills what runs in cgroups of containers that are not known, and removes them.
func (d *Driver) sweepCgroups(known map[string]bool) {
	sweep := func(parent string) {
		for _, name := range d.groups.children(parent) {
			if known[name] || strings.HasPrefix(name, "task-") {
				continue
			}
			path := filepath.Join(parent, name)
			if d.groups.remove(path) == nil {
				continue
			}
			d.log.Warn("processes of a container that nobody knows are killed", "cgroup", path)
			d.groups.kill(path)
			if err := d.groups.remove(path); err != nil && !errors.Is(err, unix.EBUSY) {
				d.log.Warn("a cgroup stays", "error", err) // until the next sweep
			}
		}
	}
	sweep(d.parent)
	for _, name := range d.groups.children(d.parent) {
		if strings.HasPrefix(name, "task-") {
			sweep(filepath.Join(d.parent, name))
		}
	}
}
