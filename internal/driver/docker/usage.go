package docker

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/counters"
)

// running is a container that runs, by our id and by the daemon's.
type running struct{ id, runtimeID string }

// Usage implements driver.Driver. It reads the kernel's files: the daemon's own statistics take a second. Memory is what
// `docker stats` shows: without the page cache that the kernel would give up first.
func (d *Driver) Usage(ctx context.Context) (map[string]driver.Usage, error) {
	list, err := d.running(ctx)
	if err != nil {
		return nil, err
	}
	if err := d.findCgroups(ctx, list); err != nil {
		return nil, err
	}
	use := map[string]driver.Usage{}
	networks := counters.NewNamespaces()
	var failed error
	for _, r := range list {
		g := d.cgroup(r.runtimeID)
		u, err := g.usage()
		switch {
		case err == nil && u.CPU == 0 && u.Memory == 0: // it has ended, and Docker takes its time to notice
		case err == nil:
			if g.netns != "" {
				u.Network = networks.Of(g.pid, g.netns)
			}
			use[r.id] = u
		case !errors.Is(err, os.ErrNotExist): // else it has ended meanwhile
			failed = err
		}
	}
	if len(use) == 0 && failed != nil {
		return nil, fmt.Errorf("measure containers: %w", failed)
	}
	return use, nil
}

// running lists what runs. As long as somebody watches, that is known without the daemon, which takes a millisecond to say
// it.
func (d *Driver) running(ctx context.Context) ([]running, error) {
	if list, ok := d.watched(); ok {
		return list, nil
	}
	found, err := d.summaries(ctx, client.Filters{}.Add("status", string(container.StateRunning)))
	if err != nil {
		return nil, err
	}
	list := make([]running, len(found))
	for i := range found {
		list[i] = running{found[i].Labels[labelID], found[i].ID}
	}
	return list, nil
}

func (d *Driver) watched() (list []running, ok bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.watches) == 0 {
		return nil, false
	}
	for id, s := range d.alive {
		if s.State == driver.Running && s.RuntimeID != "" {
			list = append(list, running{id, s.RuntimeID})
		}
	}
	return list, true
}

func (d *Driver) cgroup(runtimeID string) cgroup {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.cgroups[runtimeID]
}

// findCgroups finds the cgroups of containers that it does not know, and forgets those of containers that do not run.
func (d *Driver) findCgroups(ctx context.Context, list []running) error {
	var fresh []string
	for _, r := range list {
		if g := d.cgroup(r.runtimeID); g.missing == nil && g.memory == "" {
			fresh = append(fresh, r.runtimeID)
		}
	}
	seen, err := d.inspectAll(ctx, fresh)
	if err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	known := map[string]cgroup{}
	for _, r := range list {
		if g, ok := d.cgroups[r.runtimeID]; ok {
			known[r.runtimeID] = g
		}
	}
	for _, c := range seen {
		if c != nil && c.State.Pid > 0 {
			known[c.ID] = findCgroup(c.State.Pid, c.ID)
		}
	}
	d.cgroups = known
	return nil
}

// cgroup is where the kernel tells of a container: two directories in version 1, the same one twice in version 2.
type cgroup struct {
	cpu, memory string
	disk        string // of version 1; "" if blkio is not there
	v2          bool
	missing     error // why there is none

	pid, netns string // of its first process; "" if its network is not known
}

const cgroupRoot = "/sys/fs/cgroup"

// findCgroup looks for the cgroup of a container's first process. The pid is the daemon's, and may mean another process
// here; the container's id is in the path if it does not.
func findCgroup(pid int, runtimeID string) cgroup {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return cgroup{missing: errors.New("Docker's processes are not this machine's")}
	}
	g := parseCgroup(string(text), runtimeID)
	if g.missing == nil {
		g.pid = counters.PID(pid)
		g.netns = counters.NamespaceOf(g.pid)
	}
	return g
}

// parseCgroup reads the lines NUMBER:CONTROLLERS:PATH of /proc/PID/cgroup.
func parseCgroup(text, runtimeID string) cgroup {
	var one, two cgroup
	for line := range strings.Lines(text) {
		part := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(part) != 3 || runtimeID == "" || !strings.Contains(part[2], runtimeID) {
			continue
		}
		if part[1] == "" {
			two = cgroup{cpu: filepath.Join(cgroupRoot, part[2]), v2: true}
			two.memory = two.cpu
		}
		for controller := range strings.SplitSeq(part[1], ",") {
			switch controller {
			case "memory":
				one.memory = filepath.Join(cgroupRoot, controller, part[2])
			case "cpuacct":
				one.cpu = filepath.Join(cgroupRoot, controller, part[2])
			case "blkio":
				one.disk = filepath.Join(cgroupRoot, controller, part[2])
			}
		}
	}
	switch {
	case one.memory != "" && one.cpu != "":
		return one
	case two.memory != "":
		return two
	}
	return cgroup{missing: errors.New("Docker's containers have no cgroups that can be seen from here")}
}

func (g cgroup) usage() (driver.Usage, error) {
	if g.missing != nil || g.memory == "" {
		return driver.Usage{}, g.missing
	}
	if g.v2 {
		return measure(
			file{filepath.Join(g.cpu, "cpu.stat"), "usage_usec"}, time.Microsecond,
			file{filepath.Join(g.memory, "memory.current"), ""},
			file{filepath.Join(g.memory, "memory.stat"), "inactive_file"},
			counters.Unified(g.cpu),
		)
	}
	return measure(
		file{filepath.Join(g.cpu, "cpuacct.usage"), ""}, time.Nanosecond,
		file{filepath.Join(g.memory, "memory.usage_in_bytes"), ""},
		file{filepath.Join(g.memory, "memory.stat"), "total_inactive_file"},
		counters.Blkio(g.disk),
	)
}

func measure(cpu file, unit time.Duration, memory, idle file, disk *driver.Disk) (driver.Usage, error) {
	ticks, err1 := cpu.read()
	used, err2 := memory.read()
	spare, err3 := idle.read()
	if err := errors.Join(err1, err2, err3); err != nil {
		return driver.Usage{}, err
	}
	return driver.Usage{CPU: unit * time.Duration(ticks), Memory: max(used-spare, 0), Disk: disk}, nil
}

// file is a number in one of the kernel's files: its only one, or the one of a line that begins with a key.
type file struct{ path, key string }

func (f file) read() (int64, error) {
	text, err := os.ReadFile(f.path)
	if err != nil {
		return 0, err
	}
	return number(string(text), f.key)
}

// number finds a number in "NUMBER\n", or in lines "KEY NUMBER\n".
func number(text, key string) (int64, error) {
	for line := range strings.Lines(text) {
		name, value, found := strings.Cut(strings.TrimSpace(line), " ")
		if key == "" && !found {
			return strconv.ParseInt(name, 10, 64)
		}
		if key != "" && name == key {
			return strconv.ParseInt(value, 10, 64)
		}
	}
	return 0, fmt.Errorf("there is no number %s", key)
}
