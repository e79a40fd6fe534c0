package keeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
)

// signal sends a signal to all processes of a container. To signal what is gone is no error.
func (k *keeper) signal(id, name string) error {
	c := k.await(id)
	if c == nil {
		return nil
	}
	if name == "" {
		name = c.spec.StopSignal
	}
	number, err := signalNumber(name)
	if err != nil {
		return err
	}
	return k.toAll(c, number)
}

// kill kills all processes of a container. To kill what is gone is no error.
func (k *keeper) kill(id string) error {
	c := k.await(id)
	if c == nil {
		return nil
	}
	return k.toAll(c, unix.SIGKILL)
}

// toAll sends a signal to all processes of a container: first and at one stroke to the process group of its program,
// then to those that have left it.
func (k *keeper) toAll(c *container, number syscall.Signal) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	// While ended is false the program is not reaped (or, adopted, not seen dead), so that its pid means nobody else.
	if c.ended || c.pid == 0 {
		return nil
	}
	if c.spec.Runtime != nil {
		return c.spec.Runtime.signal(c.pid, number)
	}
	if number == unix.SIGKILL && c.cgroup != "" {
		return killCgroup(c.cgroup)
	}
	if err := unix.Kill(-c.pid, number); err != nil && err != unix.ESRCH {
		return fmt.Errorf("send signal %d: %w", number, err)
	}
	members, err := k.members(c)
	if err != nil {
		return fmt.Errorf("find the container's processes: %w", err)
	}
	for _, p := range members {
		if number != unix.SIGKILL && k.execs[p.session] != nil {
			continue // a health check is nobody's to reload
		}
		if group, err := unix.Getpgid(p.pid); err == nil && group != c.pid {
			_ = unix.Kill(p.pid, number)
		}
	}
	return nil
}

// members lists the living processes of a running container. The keeper's mu is held.
func (k *keeper) members(c *container) ([]proc, error) {
	var procs []proc
	if c.cgroup == "" && c.spec.Runtime == nil {
		var err error
		if procs, err = readProcs(); err != nil {
			return nil, err
		}
	}
	return k.among(procs, c), nil
}

// among is members for who has looked at all processes of the machine already; without need for a container that has a
// cgroup.
func (k *keeper) among(procs []proc, c *container) []proc {
	if c.cgroup != "" {
		return readSome(cgroupPids(c.cgroup))
	}
	if c.spec.Runtime != nil {
		return readSome(c.spec.Runtime.pids())
	}
	return withDescendants(procs, func(p proc) bool { return p.pid == c.pid || k.sessions[p.session] == c })
}

// remove forgets an ended container and deletes its log.
func (k *keeper) remove(id string) error {
	c := k.await(id)
	if c == nil {
		return nil
	}
	if err := k.removeFiles(c); err != nil {
		return err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.containers[id] != c {
		return nil // somebody else removed it meanwhile
	}
	if c.status.State != driver.Exited {
		return fmt.Errorf("container %s runs: it must end before it is removed", id)
	}
	if err := k.note(record{ID: id, Gone: true}); err != nil {
		return err
	}
	delete(k.containers, id)
	if k.sessions[c.pid] == c {
		delete(k.sessions, c.pid)
	}
	k.retry()
	if c.out == nil {
		return nil
	}
	_ = c.out.close()
	return k.logs.remove(c.out.files())
}

// list tells the state of every container.
func (k *keeper) list() []driver.Status {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.statuses()
}

// statuses is list for who holds the keeper's mu; the order is by id.
func (k *keeper) statuses() []driver.Status {
	all := make([]driver.Status, 0, len(k.containers))
	for _, c := range k.containers {
		all = append(all, c.status)
	}
	slices.SortFunc(all, func(a, b driver.Status) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// logFiles names the files of a container's log, oldest first, after copying what it wrote until now. It says whether
// the container has ended, so that this is all.
func (k *keeper) logFiles(id string) (files []string, ended bool, err error) {
	c := k.await(id)
	if c == nil {
		return nil, false, fmt.Errorf("there is no container %s", id)
	}
	ended = k.exited(c)
	if c.out == nil {
		return nil, ended, nil
	}
	c.out.drain()
	return c.out.files(), ended, nil
}

func (k *keeper) exited(c *container) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return c.status.State == driver.Exited
}

// growth waits until there is more of a log than a follower knows, or its container has ended.
func (k *keeper) growth(ctx context.Context, req request) error {
	c := k.await(req.ID)
	if c == nil || c.out == nil {
		return nil // there is nothing to wait for
	}
	for {
		more, grows := c.out.beyond(req.File, req.Size)
		if more || k.exited(c) {
			return nil
		}
		select {
		case <-grows:
		case <-ctx.Done():
			return ctx.Err()
		case <-k.quit:
			return errors.New("the keeper is being stopped")
		}
	}
}
