package oci

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/image"
	"github.com/maitred/maitred/internal/network"
)

// Start implements driver.Driver. What a start that failed has made of the container is removed; of the task's sandbox
// it stays, until Release.
func (d *Driver) Start(ctx context.Context, spec driver.Spec) (driver.Status, error) {
	if !idPattern.MatchString(spec.ID) || (spec.Sandbox.Task != "" && !idPattern.MatchString(spec.Sandbox.Task)) {
		return driver.Status{}, cannotCreate("%q of task %q is no id: 1 to 150 letters, digits, _, . and -", spec.ID, spec.Sandbox.Task)
	}
	defer d.turns.take(spec.ID)()
	if status, known, err := d.started(ctx, spec.ID); known || err != nil {
		return status, err
	}
	order, err := d.prepare(ctx, &spec)
	var status driver.Status
	if err == nil {
		status, err = d.link.Start(ctx, order)
		if _, failed := errors.AsType[*driver.Failure](err); !failed {
			return status, err // it runs, or nobody knows: then everything stays, for another Start or Remove
		}
	}
	if e := d.discard(context.WithoutCancel(ctx), spec.ID); e != nil {
		d.log.Warn("a container that was not started left something behind", "container", spec.ID, "error", e)
	}
	return status, err
}

// started looks whether a container was started before. Normally its directory says at once that it was not.
func (d *Driver) started(ctx context.Context, id string) (driver.Status, bool, error) {
	err := os.Mkdir(d.bundle(id), 0o700)
	if err == nil {
		return driver.Status{}, false, nil
	}
	if !errors.Is(err, os.ErrExist) {
		return driver.Status{}, false, cannotCreate("%w", err)
	}
	all, err := d.link.List(ctx)
	if err != nil {
		return driver.Status{}, false, err
	}
	for _, s := range all {
		if s.ID != id {
			continue
		}
		// It may be starting: then the keeper's answer to the same start waits for it.
		s, err := d.link.Start(ctx, keeper.Spec{ID: id})
		return s, true, err
	}
	if err := d.discard(ctx, id); err != nil {
		return driver.Status{}, false, cannotCreate("remove what was half made before: %w", err)
	}
	if err := os.Mkdir(d.bundle(id), 0o700); err != nil {
		return driver.Status{}, false, cannotCreate("%w", err)
	}
	return driver.Status{}, false, nil
}

// prepare makes all that a container needs and says what the keeper is to run. If it is called off, the keeper has heard
// nothing of the container.
func (d *Driver) prepare(ctx context.Context, spec *driver.Spec) (order keeper.Spec, err error) {
	pull := keeper.Pulled{StartedAt: time.Now()}
	img, err := d.pull(ctx, spec)
	if err != nil {
		return order, err
	}
	if pull.Image = img.Digest; img.Pulled {
		pull.StoppedAt = time.Now()
	} else {
		pull.StartedAt = time.Time{}
	}
	box, err := d.enter(ctx, spec)
	if err != nil {
		return order, err
	}
	b, err := d.blueprint(ctx, spec, &img, box)
	if err != nil {
		return order, err
	}
	config, err := configure(b)
	if err != nil {
		return order, cannotCreate("%w", err)
	}
	note := noted(config)
	binds := lend(config, b.volumes, d.bundle(spec.ID))
	if err := d.furnish(spec.ID, note, config); err != nil {
		return order, cannotCreate("%w", err)
	}
	d.mu.Lock()
	d.cgroups[spec.ID] = b.cgroup
	d.mu.Unlock()
	order = keeper.Spec{ID: spec.ID, StopSignal: spec.StopSignal, Runtime: d.runtime(b, img.Layers, pull)}
	order.Runtime.Binds = binds
	if order.StopSignal == "" {
		order.StopSignal = img.Config.StopSignal
	}
	return order, nil
}

// pull makes the image be here.
func (d *Driver) pull(ctx context.Context, spec *driver.Spec) (image.Image, error) {
	req := image.Request{Ref: spec.Definition.Image, Digest: spec.Digest, Holder: spec.ID}
	if spec.Registry != nil {
		req.Login = &image.Login{Username: spec.Registry.Username, Password: spec.Registry.Password}
	}
	img, err := d.cfg.Images.Pull(ctx, req)
	if err != nil && ctx.Err() == nil {
		err = &driver.Failure{Name: "CannotPullContainerError", Err: err}
	}
	return img, err
}

// blueprint resolves everything that the configuration of a container says.
func (d *Driver) blueprint(ctx context.Context, spec *driver.Spec, img *image.Image, box *sandbox) (*blueprint, error) {
	c := &spec.Definition
	b := &blueprint{
		spec: *spec, image: img.Config, args: arguments(c, &img.Config), host: d.host,
		rootfs: filepath.Join(d.bundle(spec.ID), "rootfs"), cgroup: filepath.Join(box.cgroup, spec.ID),
		netns: box.netns, address: box.address, pidns: box.pidns, ipcns: box.ipcns, shm: box.shm,
	}
	if len(b.args) == 0 {
		return nil, cannotStart("there is no command: neither the definition nor the image %s has one", c.Image)
	}
	b.foreign = runs32(img.Layers, b.args[0])
	if c.Linux != nil && c.Linux.Init {
		b.init = d.cfg.Init
	}
	user := c.User
	if user == "" {
		user = img.Config.User
	}
	var err error
	if user != "" || len(img.Layers) > 0 {
		if b.user, err = resolveUser(user, img.Layers); err != nil {
			return nil, cannotStart("%w", err)
		}
	}
	if err := d.connectNetwork(ctx, b); err != nil {
		return nil, err
	}
	if b.volumes, err = d.volumesFor(spec, img); err != nil {
		return nil, err
	}
	if b.devices, err = d.findDevices(c); err != nil {
		return nil, cannotCreate("%w", err)
	}
	b.files, err = d.files(b)
	return b, err
}

// connectNetwork gives a container of mode bridge its own network, and each container its hostname: that of a network of
// its own or of its task, else the machine's.
func (d *Driver) connectNetwork(ctx context.Context, b *blueprint) error {
	c := &b.spec.Definition
	mode := d.mode(&b.spec)
	request := network.Request{ID: b.spec.ID, Mode: mode, Ports: b.spec.Bindings}
	if c.NoNetwork && mode == modeBridge {
		request = network.Request{ID: b.spec.ID, Mode: network.ModeNone}
	}
	if mode == modeBridge {
		end, err := d.publish(ctx, request)
		if err != nil {
			return cannotStart("network: %w", err)
		}
		b.netns = end.Path
		if end.Address.IsValid() {
			b.address = end.Address.Addr().String()
		}
	}
	switch {
	case c.Hostname != "":
		b.hostname = c.Hostname
	case b.netns == "":
	case b.spec.Sandbox.Attachment != nil:
		b.hostname = ecsHostname(b.address)
	default:
		sum := sha256.Sum256([]byte(b.spec.ID))
		b.hostname = hex.EncodeToString(sum[:6])
	}
	return nil
}

// publish makes a container's network. A host port that is taken may still be that of a container that has ended and
// was not removed yet.
func (d *Driver) publish(ctx context.Context, r network.Request) (network.Endpoint, error) {
	end, err := d.cfg.Network.Make(ctx, r)
	if !errors.Is(err, network.ErrPortInUse) {
		return end, err
	}
	all, listErr := d.List(ctx)
	if listErr != nil {
		return end, listErr
	}
	for _, s := range all {
		if s.State == driver.Exited {
			if err := d.cfg.Network.Release(ctx, s.ID); err != nil {
				return end, err
			}
		}
	}
	return d.cfg.Network.Make(ctx, r)
}

// The files of a container's configuration: whole for the runtime as long as the container lives, and without what may
// be secret for as long as anybody asks what it was.
const (
	configFile = "config.json"
	noteFile   = "note.json"
)

// furnish makes a container's directories and writes its configuration and what others want to know of it.
func (d *Driver) furnish(id string, note, config *specs.Spec) error {
	text, err := json.Marshal(config)
	if err != nil {
		return err
	}
	noteText, err := json.Marshal(note)
	if err != nil {
		return err
	}
	for _, dir := range []string{
		filepath.Join(d.bundle(id), "rootfs"), d.layer(id), filepath.Join(d.layer(id), "upper"), filepath.Join(d.layer(id), "work"),
	} {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) { //nolint:gosec // upper is the container's /
			return err
		}
	}
	return errors.Join(
		os.WriteFile(filepath.Join(d.bundle(id), noteFile), noteText, 0o600),
		os.WriteFile(filepath.Join(d.bundle(id), configFile), text, 0o600),
	)
}

// noted is what others want to know of a container when it may have ended: its volumes, address, task and cgroup.
func noted(config *specs.Spec) *specs.Spec {
	note := &specs.Spec{Version: config.Version, Mounts: config.Mounts, Annotations: config.Annotations}
	if config.Linux != nil {
		note.Linux = &specs.Linux{CgroupsPath: config.Linux.CgroupsPath}
	}
	return note
}

// runtime is what the keeper is to run.
func (d *Driver) runtime(b *blueprint, layers []string, pull keeper.Pulled) *keeper.Runtime {
	id := b.spec.ID
	bundle := d.bundle(id)
	r := &keeper.Runtime{
		PIDFile: filepath.Join(bundle, "pid"), Log: filepath.Join(bundle, "log"), Pulled: pull,
		Cgroups: d.groups.dirs(b.cgroup), Memory: d.groups.of("memory", b.cgroup),
		State:       []string{filepath.Join(d.states(), id)},
		Config:      filepath.Join(bundle, configFile),
		Files:       []string{bundle, d.layer(id)},
		Interactive: b.spec.Definition.Interactive,
		Root: &keeper.Overlay{
			Target: b.rootfs, Lower: layers,
			Upper: filepath.Join(d.layer(id), "upper"), Work: filepath.Join(d.layer(id), "work"),
		},
	}
	r.Argv = []string{
		d.cfg.Runtime, "--root", d.states(), "--log", r.Log, "--log-format", "json",
		"run", "--detach", "--bundle", bundle, "--pid-file", r.PIDFile,
	}
	if b.spec.Definition.Terminal {
		r.Terminal = filepath.Join(bundle, "tty")
		r.Argv = append(r.Argv, "--console-socket", r.Terminal)
	}
	r.Argv = append(r.Argv, id)
	return r
}

// readNote reads what is known of a container, ended or not. One that an earlier version started has no note.
func readNote(bundle string) (*specs.Spec, error) {
	note, err := readSpec(filepath.Join(bundle, noteFile))
	if errors.Is(err, os.ErrNotExist) {
		return readSpec(filepath.Join(bundle, configFile))
	}
	return note, err
}

// readSpec reads a configuration.
func readSpec(path string) (*specs.Spec, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var s specs.Spec
	if err := json.Unmarshal(text, &s); err != nil {
		return nil, fmt.Errorf("read the configuration %s: %w", path, err)
	}
	return &s, nil
}
