package keeper

import (
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
)

// death is the end of a child.
type death struct {
	status unix.WaitStatus
	cpu    time.Duration // of it and of the children that it waited for
	at     time.Time
}

// code is the exit code as a shell and Docker give it: 128 more than the signal for who was killed by one.
func (d *death) code() int {
	if d.status.Signaled() {
		return 128 + int(d.status.Signal())
	}
	return d.status.ExitStatus()
}

// reap takes leave of all children that have ended, and looks after what they left behind.
func (k *keeper) reap() {
	for {
		var status unix.WaitStatus
		var use unix.Rusage
		k.mu.Lock()
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, &use)
		if err == unix.EINTR {
			k.mu.Unlock()
			continue
		}
		if err != nil || pid <= 0 {
			break
		}
		c, d := k.reaped(pid, death{status, time.Duration(use.Utime.Nano() + use.Stime.Nano()), time.Now()})
		k.mu.Unlock()
		if c != nil {
			k.finish(c, d)
		}
	}
	k.sweep()
	k.retry()
	k.mu.Unlock()
}

// reaped notes the end of a child. It returns the container whose program that was, nil if it was another process.
func (k *keeper) reaped(pid int, d death) (*container, *death) {
	c, e := k.mains[pid], k.execs[pid]
	switch {
	case c != nil:
		c.cpu += d.cpu
	case e != nil:
		e.container.cpu += d.cpu
		e.end <- d
	case k.launches[pid] != nil:
		k.launches[pid] <- d
		delete(k.launches, pid)
		return nil, nil
	case k.starting > 0:
		k.early[pid] = d // perhaps a child whose pid its starter does not know yet
		return nil, nil
	default:
		return nil, nil
	}
	k.forget(pid)
	// The number cannot mean another group yet: as long as the group has members it is not given away, and after that
	// only when all other numbers have been used.
	_ = unix.Kill(-pid, unix.SIGKILL)
	return c, &d
}

// finish notes and tells the end of a container's program; nil is an end that nobody saw. What it wrote is in its log
// before anybody learns that it ended.
func (k *keeper) finish(c *container, d *death) {
	if c.out != nil {
		c.out.drain()
	}
	status := driver.Status{ExitedAt: time.Now(), Reason: reasonUnseen}
	if d != nil {
		code := d.code()
		status = driver.Status{ExitedAt: d.at, ExitCode: &code}
	}
	if r := c.spec.Runtime; r != nil && (d == nil || d.code() != 0) && r.outOfMemory() {
		status.Reason = reasonOOM
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	c.ended = true
	c.status.State, c.status.ExitedAt = driver.Exited, status.ExitedAt
	c.status.ExitCode, c.status.Reason = status.ExitCode, status.Reason
	status = c.status
	if err := k.note(record{ID: c.spec.ID, Status: &status}); err != nil {
		k.log.Error("an exit code would be lost if the keeper were killed", "container", c.spec.ID, "error", err)
	}
	k.clear(c)
	k.notify(c.status)
	if c.out != nil {
		c.out.wake()
	}
}

// clear kills what is left of an ended container. The keeper's mu is held.
func (k *keeper) clear(c *container) {
	for _, e := range k.execs {
		if e.container == c {
			_ = unix.Kill(-e.pid, unix.SIGKILL)
		}
	}
	k.clearLater(c)
	if c.cgroup == "" || removeCgroup(c.cgroup) {
		return
	}
	if err := killCgroup(c.cgroup); err != nil {
		k.log.Error("the rest of a container was not killed", "container", c.spec.ID, "error", err)
	}
	k.leftovers[c.cgroup] = true
}

// retry removes the cgroups whose last process has gone meanwhile. The keeper's mu is held.
func (k *keeper) retry() {
	for path := range k.leftovers {
		if removeCgroup(path) {
			delete(k.leftovers, path)
		}
	}
}

// sweep kills processes of ended containers that have no cgroup. The keeper's mu is held.
//
// Whatever a container leaves behind becomes the keeper's child when its parent ends. Killing it makes its own children
// the keeper's, and its end wakes the keeper again: so the whole tree goes, level by level.
func (k *keeper) sweep() {
	if k.cgroups.base != "" {
		return
	}
	k.deferred = false
	pids, err := children()
	if err != nil {
		k.log.Error("the keeper cannot see its children", "error", err)
		return
	}
	for _, pid := range pids {
		if k.mains[pid] != nil || k.execs[pid] != nil || k.launches[pid] != nil {
			continue
		}
		if p, err := readProc(pid); err == nil && !p.dead() && k.orphaned(p) {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// orphaned decides whether the container that a process belongs to has ended. Its session tells which one that is. A
// process that made itself a session of its own is known by its environment, if that is one container's only; else it
// is left alone as long as a container runs that could have started it, for a wrong guess would kill an innocent.
func (k *keeper) orphaned(p proc) bool {
	if c := k.sessions[p.session]; c != nil {
		return c.ended
	}
	environ := environOf(p.pid)
	var alike []*container
	possible := false
	for _, c := range k.containers {
		if c.status.State == driver.Starting {
			k.deferred = true // it may even be this one
			return false
		}
		if !c.ended && c.ticks <= p.ticks {
			possible = true
		}
		if c.ticks <= p.ticks && sameEnviron(c.spec.Env, environ) {
			alike = append(alike, c)
		}
	}
	if len(alike) == 1 {
		return alike[0].ended
	}
	return !possible
}

// sameEnviron compares environments, which shells and libraries reorder.
func sameEnviron(a, b []string) bool {
	if len(a) != len(b) {
		return false
	}
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
