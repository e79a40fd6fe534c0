package docker

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/opencontainers/cgroups"
	"github.com/opencontainers/cgroups/manager"
	"golang.org/x/sys/unix"
)

// roofs are the cgroups of tasks, each a common roof over the cgroups of a task's containers.
type roofs struct {
	systemd bool
	base    string // of their names: maitred-01234567
}

// openRoofs looks whether the cgroups that the daemon makes are this machine's and this process may make some, and says
// why not.
func openRoofs(of daemon, base string) (*roofs, error) {
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil {
		return nil, err
	}
	host, _ := os.Hostname()
	switch {
	case os.Geteuid() != 0:
		return nil, errors.New("maitred does not run as root")
	case of.rootless:
		return nil, errors.New("Docker runs without root")
	case of.kernel != unix.ByteSliceToString(kernel.Release[:]) || of.host != host:
		return nil, errors.New("Docker's cgroups are not this machine's")
	case of.cgroupDriver != "cgroupfs" && of.cgroupDriver != "systemd":
		return nil, fmt.Errorf("Docker's cgroup driver is %q", of.cgroupDriver)
	}
	return &roofs{systemd: of.cgroupDriver == "systemd", base: base}, nil
}

// parent is what Docker calls a container's cgroup parent: a path, or the name of a slice.
func (r *roofs) parent(task string) string {
	if r.systemd {
		return r.base + "-" + strings.ReplaceAll(task, "-", "_") + ".slice"
	}
	return "/" + r.base + "/" + task
}

func (r *roofs) manager(task string, limits *cgroups.Resources) (cgroups.Manager, error) {
	limits.SkipDevices = true
	group := &cgroups.Cgroup{Resources: limits, Systemd: r.systemd}
	if r.systemd {
		group.Name, group.Parent = r.parent(task), r.base+".slice"
	} else {
		group.Path = r.parent(task)
	}
	return manager.New(group)
}

// raise makes the roof of a task, or sets its limits anew: CPU units and MiB, 0 for none.
func (r *roofs) raise(task string, cpu, memory int) error {
	limits := &cgroups.Resources{Memory: int64(memory) * mebibyte}
	if cpu > 0 {
		period, most := quota(cpu)
		limits.CpuPeriod, limits.CpuQuota, limits.CpuShares = uint64(period), most, uint64(shares(cpu))
	}
	m, err := r.manager(task, limits)
	if err == nil {
		err = m.Apply(-1)
	}
	if err == nil {
		err = m.Set(limits)
	}
	if err != nil {
		return fmt.Errorf("make a cgroup with the limits of the task: %w", err)
	}
	return nil
}

// raze removes the roof of a task; it fails while something runs below it.
func (r *roofs) raze(task string) error {
	m, err := r.manager(task, &cgroups.Resources{})
	if err == nil {
		err = m.Destroy()
	}
	if err != nil {
		return fmt.Errorf("remove the cgroup of the task: %w", err)
	}
	return nil
}

// list tells the tasks that have a roof.
func (r *roofs) list() []string {
	pattern := filepath.Join(cgroupRoot, "*", r.base, "*", "cgroup.procs")
	if cgroups.IsCgroup2UnifiedMode() {
		pattern = filepath.Join(cgroupRoot, r.base, "*", "cgroup.procs")
	}
	if r.systemd {
		pattern = strings.ReplaceAll(pattern, r.base, filepath.Join("maitred.slice", r.base+".slice"))
	}
	found, _ := filepath.Glob(pattern)
	tasks := make([]string, 0, len(found))
	for _, path := range found {
		name := filepath.Base(filepath.Dir(path))
		if r.systemd {
			name = strings.TrimSuffix(strings.TrimPrefix(name, r.base+"-"), ".slice")
		}
		tasks = append(tasks, name)
	}
	slices.Sort(tasks)
	return slices.Compact(tasks)
}
