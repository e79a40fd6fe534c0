package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// sandbox is what the containers of a task share, as it stands.
type sandbox struct {
	pause  string // the name of the container that holds the task's namespaces; "" if it needs none
	parent string // of the containers' cgroups; "" where the daemon chooses

	volumes bool // there are some that live as long as the task
}

// daemon is what is known of the daemon once and for all.
type daemon struct {
	arch, cgroupDriver, kernel, host string
	rootless                         bool
}

// shared says whether a task's containers share anything that has to be made.
func shared(s *driver.Sandbox) bool {
	return pauses(s) || s.CPU > 0 || s.Memory > 0 ||
		slices.ContainsFunc(s.Volumes, func(v model.Volume) bool { return v.HostPath == "" })
}

// pauses says whether a task needs a container that holds its namespaces.
func pauses(s *driver.Sandbox) bool {
	return s.NetworkMode == modeVPC || s.PIDMode == "task" || s.IPCMode == "task"
}

// enter gives a task's sandbox, made by who asks first.
func (d *Driver) enter(ctx context.Context, s *driver.Sandbox) (sandbox, error) {
	d.mu.Lock()
	made, ok := d.sandboxes[s.Task]
	d.mu.Unlock()
	if ok {
		return made, nil
	}
	made, err := d.sandboxFlights.do(ctx, s.Task, func(ctx context.Context) (sandbox, error) {
		if !shared(s) {
			return sandbox{}, nil
		}
		return d.makeSandbox(ctx, s)
	})
	if err != nil {
		return sandbox{}, failure(cannotPrepare, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sandboxes[s.Task] = made
	return made, nil
}

// makeSandbox makes of a sandbox what is not there yet.
func (d *Driver) makeSandbox(ctx context.Context, s *driver.Sandbox) (sandbox, error) {
	var made sandbox
	if s.Task == "" {
		return made, errors.New("a task that shares something needs an id")
	}
	if err := d.makeVolumes(ctx, *s); err != nil {
		return made, err
	}
	made.volumes = slices.ContainsFunc(s.Volumes, func(v model.Volume) bool { return v.HostPath == "" })
	if s.CPU > 0 || s.Memory > 0 {
		r, err := d.openedRoofs(ctx)
		switch {
		case err != nil:
			return made, err
		case r != nil:
			if err := r.raise(safeName(s.Task), s.CPU, s.Memory); err != nil {
				return made, err
			}
			made.parent = r.parent(safeName(s.Task))
		}
	}
	if !pauses(s) {
		return made, nil
	}
	made.pause = d.pauseName(s.Task)
	return made, d.makePause(ctx, s, made)
}

// about asks the daemon what it is, once.
func (d *Driver) about(ctx context.Context) (daemon, error) {
	return d.daemonFlights.do(ctx, "Docker's description of itself", func(ctx context.Context) (daemon, error) {
		d.mu.Lock()
		known := d.daemon
		d.mu.Unlock()
		if known != nil {
			return *known, nil
		}
		ctx, cancel := context.WithTimeout(ctx, d.limits.quick)
		defer cancel()
		said, err := d.client.Info(ctx, client.InfoOptions{})
		if err != nil {
			return daemon{}, fmt.Errorf("ask Docker about itself: %w", err)
		}
		v, err := d.client.ServerVersion(ctx, client.ServerVersionOptions{})
		if err != nil {
			return daemon{}, fmt.Errorf("ask Docker for its version: %w", err)
		}
		known = &daemon{
			arch: v.Arch, cgroupDriver: said.Info.CgroupDriver, kernel: said.Info.KernelVersion, host: said.Info.Name,
			rootless: slices.ContainsFunc(said.Info.SecurityOptions, func(o string) bool { return strings.Contains(o, "rootless") }),
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.daemon = known
		return *known, nil
	})
}

// openedRoofs gives the cgroups of tasks, nil where there can be none: then a task's limits bound each of its containers.
func (d *Driver) openedRoofs(ctx context.Context) (*roofs, error) {
	about, err := d.about(ctx)
	if err != nil {
		return nil, err
	}
	r, err := openRoofs(about, strings.TrimSuffix(d.prefix, "-"))
	if err != nil {
		d.roofless.Do(func() {
			d.log.Warn("the limits of a task bound each of its containers, not their sum", "why", err)
		})
		return nil, nil //nolint:nilerr // it is said, once, and can be lived with
	}
	return r, nil
}

func (d *Driver) pauseName(task string) string { return d.name(task) + ".pause" }

// makePause makes a task's pause container run, with the firewall of its network in force.
func (d *Driver) makePause(ctx context.Context, s *driver.Sandbox, in sandbox) error {
	var home lan
	options, err := d.pauseOptions(ctx, s, in)
	if err != nil {
		return err
	}
	mac := ""
	if s.NetworkMode == modeVPC {
		if s.Attachment == nil {
			return errors.New("networkMode awsvpc: the task has no network interface")
		}
		var address netip.Addr
		if home, address, err = d.lanOf(s.Attachment); err != nil {
			return err
		}
		mac = s.Attachment.MAC
		options.HostConfig.NetworkMode = container.NetworkMode(home.name)
		options.Config.Hostname = "ip-" + strings.ReplaceAll(s.Attachment.Address, ".", "-")
		options.Config.Labels[labelGateway] = home.gateway.String()
		if options.NetworkingConfig, err = endpoint(home, address, mac); err != nil {
			return err
		}
	}
	id, err := d.runPause(ctx, options, home, mac)
	if err != nil {
		return fmt.Errorf("start the container that holds the task's namespaces: %w", err)
	}
	if s.NetworkMode != modeVPC {
		return nil
	}
	return d.secureContainer(ctx, id, s.Rules)
}

// pauseOptions are a pause container in no network.
func (d *Driver) pauseOptions(ctx context.Context, s *driver.Sandbox, in sandbox) (client.ContainerCreateOptions, error) {
	image, _, err := d.pauseImageOf(ctx)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	host := &container.HostConfig{
		NetworkMode:    modeNone,
		RestartPolicy:  container.RestartPolicy{Name: container.RestartPolicyDisabled},
		Resources:      container.Resources{CgroupParent: in.parent, CPUShares: shares(0)},
		LogConfig:      container.LogConfig{Type: "none"},
		ReadonlyRootfs: true,
		CapDrop:        []string{"ALL"},
		SecurityOpt:    []string{noNewPrivileges},
	}
	if s.IPCMode == "task" {
		host.IpcMode = container.IPCModeShareable
	}
	return client.ContainerCreateOptions{
		Name: in.pause,
		Config: &container.Config{
			Image:       image,
			Labels:      map[string]string{labelScope: d.scope, labelTaskID: s.Task, labelSandbox: "pause"},
			Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
		},
		HostConfig: host,
	}, nil
}

// runPause creates a pause container, and what it needs and is not there, and starts it unless it runs.
func (d *Driver) runPause(ctx context.Context, o client.ContainerCreateOptions, home lan, mac string) (id string, err error) {
	for range 3 { // an image and a network may have been removed behind our back
		if home.name != "" {
			if err := d.makeLAN(ctx, home); err != nil {
				return "", err
			}
		}
		err = d.createPause(ctx, o, mac)
		switch {
		case noSuchImage(err):
			if err := d.importPause(ctx, o.Config.Image); err != nil {
				return "", err
			}
			continue
		case err != nil && !errdefs.IsConflict(err):
			return "", err
		}
		limited, cancel := context.WithTimeout(ctx, d.limits.start)
		_, err = d.client.ContainerStart(limited, o.Name, client.ContainerStartOptions{})
		cancel()
		if err == nil {
			return o.Name, nil
		}
		// One that was created and cannot be started holds an address that another one may have by now.
		if again := d.removePause(context.WithoutCancel(ctx), o.Name); again != nil {
			return "", errors.Join(err, again)
		}
		if home.name == "" || !strings.Contains(err.Error(), "network") || !strings.Contains(err.Error(), "not found") {
			return "", err
		}
		d.lose(home)
	}
	return "", err
}

func (d *Driver) createPause(ctx context.Context, o client.ContainerCreateOptions, mac string) error {
	ctx, cancel := context.WithTimeout(ctx, d.limits.create)
	defer cancel()
	return d.claim(ctx, o.Name, func(ctx context.Context) error { return d.createWithMAC(ctx, o, mac) })
}

// pauseImageOf is the pause image for the daemon's machine.
func (d *Driver) pauseImageOf(ctx context.Context) (name string, archive []byte, err error) {
	about, err := d.about(ctx)
	if err != nil {
		return "", nil, err
	}
	return pauseImage(about.arch)
}

// importPause makes the image of the pause program.
func (d *Driver) importPause(ctx context.Context, name string) error {
	_, archive, err := d.pauseImageOf(ctx)
	if err != nil {
		return err
	}
	_, err = d.pauseFlights.do(ctx, name, func(ctx context.Context) (struct{}, error) {
		return struct{}{}, importRoot(ctx, d.client, name, bytes.NewReader(archive), []string{`ENTRYPOINT ["/pause"]`})
	})
	if err != nil {
		return fmt.Errorf("make image %s: %w", name, err)
	}
	return nil
}

func (d *Driver) removePause(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, d.limits.remove)
	defer cancel()
	_, err := d.client.ContainerRemove(ctx, name, client.ContainerRemoveOptions{RemoveVolumes: true, Force: true})
	if err == nil || errdefs.IsNotFound(err) || removing(err) {
		return nil
	}
	return fmt.Errorf("remove container %s: %w", name, err)
}

// Secure implements driver.Driver.
func (d *Driver) Secure(ctx context.Context, task string, rules []model.FirewallRule) error {
	err := d.secureContainer(ctx, d.pauseName(task), rules)
	if errdefs.IsNotFound(err) {
		return nil
	}
	return err
}

// secureContainer sets the firewall of a pause container that has a network of its own.
func (d *Driver) secureContainer(ctx context.Context, name string, rules []model.FirewallRule) error {
	limited, cancel := context.WithTimeout(ctx, d.limits.quick)
	defer cancel()
	found, err := d.client.ContainerInspect(limited, name, client.ContainerInspectOptions{})
	if err != nil {
		return fmt.Errorf("inspect container %s: %w", name, err)
	}
	c := found.Container
	if c.Config == nil || c.State == nil || c.Config.Labels[labelGateway] == "" {
		return nil
	}
	gateway, err := netip.ParseAddr(c.Config.Labels[labelGateway])
	if err != nil {
		return fmt.Errorf("the gateway of container %s: %w", name, err)
	}
	if d.secure == nil {
		return errors.New("there is nobody who enforces the rules of security groups")
	}
	if c.State.Pid == 0 {
		return fmt.Errorf("container %s, which holds the task's network, does not run", name)
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", c.State.Pid))
	if err != nil || !strings.Contains(string(groups), c.ID) {
		return errors.New("the rules of security groups cannot be enforced: Docker's processes are not this machine's")
	}
	if err := d.secure(ctx, fmt.Sprintf("/proc/%d/ns/net", c.State.Pid), gateway, rules); err != nil {
		return fmt.Errorf("set the firewall of the task: %w", err)
	}
	return nil
}

// Sandboxes implements driver.Driver, in the order of the ids.
func (d *Driver) Sandboxes(ctx context.Context) ([]string, error) {
	limited, cancel := context.WithTimeout(ctx, d.limits.quick)
	defer cancel()
	pauses, err := d.client.ContainerList(limited, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", labelScope+"="+d.scope, labelSandbox),
	})
	if err != nil {
		return nil, fmt.Errorf("list containers: %w", err)
	}
	volumes, _, err := d.taskVolumes(ctx, "")
	if err != nil {
		return nil, err
	}
	r, err := d.openedRoofs(ctx)
	if err != nil {
		return nil, err
	}
	var tasks []string
	if r != nil {
		tasks = r.list()
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, task := range volumes {
		if d.lingering[task] == nil {
			tasks = append(tasks, task)
		}
	}
	for i := range pauses.Items {
		tasks = append(tasks, pauses.Items[i].Labels[labelTaskID])
	}
	slices.Sort(tasks)
	return slices.Compact(tasks), nil
}

// Release implements driver.Driver. The daemon keeps the volumes of containers that have not been removed: they go with
// the last of these.
func (d *Driver) Release(ctx context.Context, task string) error {
	d.mu.Lock()
	made, known := d.sandboxes[task]
	d.mu.Unlock()
	if !known || made.pause != "" {
		if err := d.removePause(ctx, d.pauseName(task)); err != nil {
			return err
		}
	}
	if !known || made.parent != "" {
		r, err := d.openedRoofs(ctx)
		if err == nil && r != nil {
			err = r.raze(safeName(task))
		}
		if err != nil {
			return err
		}
	}
	if !known || made.volumes {
		linger, err := d.removeVolumes(ctx, task)
		if err != nil {
			return err
		}
		if err := d.linger(ctx, task, linger); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.sandboxes, task)
	return nil
}

// linger notes which containers keep volumes of a released task, if any do.
func (d *Driver) linger(ctx context.Context, task string, inUse bool) error {
	var holders []container.Summary
	if inUse {
		var err error
		if holders, err = d.summaries(ctx, client.Filters{}.Add("label", labelTaskID+"="+task)); err != nil {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.lingering, task)
	for i := range holders {
		d.lingering[task] = append(d.lingering[task], holders[i].Labels[labelID])
	}
	return nil
}

// settle removes the volumes that a removed container has kept, unless another one of its task keeps them still.
func (d *Driver) settle(ctx context.Context, id string) error {
	d.mu.Lock()
	task := ""
	for of, ids := range d.lingering {
		if slices.Contains(ids, id) {
			task = of
		}
	}
	d.mu.Unlock()
	if task == "" {
		return nil
	}
	inUse, err := d.removeVolumes(ctx, task)
	if err != nil {
		return err
	}
	return d.linger(ctx, task, inUse)
}
