package keeper

import (
	"errors"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
)

// maxID bounds a container's id, which with a number becomes the name of a file.
const maxID = 200

// start runs a program, unless its id is known: then it waits for that one's start and tells its state.
func (k *keeper) start(spec *Spec) (driver.Status, error) {
	if spec == nil || spec.ID == "" || len(logName(spec.ID, 0)) > maxID {
		return driver.Status{}, cannotCreate("a container needs an id of 1 to %d bytes", maxID)
	}
	c, first, err := k.claim(spec)
	if err != nil {
		return driver.Status{}, err
	}
	if first {
		c.failed = k.launch(c)
		close(c.started)
	}
	<-c.started
	if c.failed != nil {
		return driver.Status{}, c.failed
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return c.status, nil
}

// claim finds a container by its id, or makes it. Before anything runs, the journal knows of it: so that a keeper that
// is killed in between leaves no id that could run twice.
func (k *keeper) claim(spec *Spec) (c *container, first bool, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if c := k.containers[spec.ID]; c != nil {
		return c, false, nil
	}
	if k.stopping {
		return nil, false, cannotCreate("the keeper is being stopped")
	}
	k.serial++
	c = &container{
		spec: *spec, boot: k.boot, started: make(chan struct{}),
		status: driver.Status{ID: spec.ID, State: driver.Starting},
	}
	if r := spec.Runtime; r == nil {
		c.cgroup = k.cgroups.path(spec.ID, k.serial)
	} else {
		c.status.Image, c.status.PullStartedAt, c.status.PullStoppedAt = r.Pulled.Image, r.Pulled.StartedAt, r.Pulled.StoppedAt
	}
	if err := k.note(record{ID: spec.ID, Boot: k.boot, Spec: spec, Cgroup: c.cgroup}); err != nil {
		return nil, false, cannotCreate("%s", err)
	}
	k.containers[spec.ID] = c
	return c, true, nil
}

// launch starts a claimed container. When that fails, nothing of it is left and its id is unknown again.
func (k *keeper) launch(c *container) error {
	spawn := k.spawn
	if c.spec.Runtime != nil {
		spawn = k.spawnRuntime
	}
	end, err := spawn(c)
	if err != nil {
		if c.spec.Runtime != nil {
			k.clearRuntime(c) // at once, for its id may be used again
		}
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.containers, c.spec.ID)
		_ = k.note(record{ID: c.spec.ID, Gone: true})
		if c.out != nil {
			_ = c.out.close()
		}
		k.clear(c)
		return err
	}
	k.work.Go(c.out.copy)
	if end != nil {
		k.finish(c, end)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.deferred {
		k.sweep()
	}
	return nil
}

// spawn executes a container's program. If it has ended at once, it returns how.
func (k *keeper) spawn(c *container) (*death, error) {
	p, err := prepare(&c.spec, c.spec.Argv)
	if err != nil {
		return nil, err
	}
	owner := os.Getuid()
	if p.Cred != nil {
		owner = p.Cred.UID
	}
	out, end, err := newOutput(rotated{dir: k.logs, id: c.spec.ID}, owner)
	if err != nil {
		return nil, cannotCreate("%s", err)
	}
	defer func() { _ = unix.Close(end) }()
	c.out = out
	if err := makeCgroup(c.cgroup); err != nil {
		return nil, cannotCreate("%s", err)
	}
	p.cgroup = c.cgroup
	if p.namespaces, err = namespaceFlags(c.spec.Namespaces); err != nil {
		return nil, cannotCreate("%s", err)
	}
	return k.fork(p, end, func(pid int) { k.running(c, pid) })
}

// fork executes a program and registers its pid with the keeper's mu held. Should the child have been reaped before its
// pid was known, it returns how it ended.
func (k *keeper) fork(p *program, out int, register func(pid int)) (*death, error) {
	k.mu.Lock()
	k.starting++
	k.mu.Unlock()
	pid, err := p.fork(k.null, out)
	k.mu.Lock()
	defer k.mu.Unlock()
	end, ended := k.early[pid]
	if k.starting--; k.starting == 0 {
		clear(k.early)
	}
	if err != nil {
		return nil, cannotStart("exec %q: %w", p.Argv[0], err)
	}
	register(pid)
	if !ended {
		return nil, nil
	}
	k.forget(pid)
	_ = unix.Kill(-pid, unix.SIGKILL) // as in reaped
	return &end, nil
}

// running notes that a container's program was executed.
func (k *keeper) running(c *container, pid int) {
	c.pid = pid
	if p, err := readProc(pid); err == nil {
		c.ticks = p.ticks
	}
	c.status.State, c.status.RuntimeID, c.status.StartedAt = driver.Running, strconv.Itoa(pid), time.Now()
	k.mains[pid], k.sessions[pid] = c, c
	status := c.status
	err := k.note(record{
		ID: c.spec.ID, PID: pid, Ticks: c.ticks, Pipe: c.out.inode, Status: &status,
	})
	if err != nil {
		k.log.Error("a container would be lost if the keeper were killed", "container", c.spec.ID, "error", err)
	}
	k.notify(c.status)
}

// forget lets go of a pid that is no child any more.
func (k *keeper) forget(pid int) {
	if c := k.mains[pid]; c != nil {
		delete(k.mains, pid)
		c.ended = true
	}
	if e := k.execs[pid]; e != nil {
		delete(k.execs, pid)
		delete(k.sessions, pid)
	}
}

// note writes into the journal, and rewrites it when it has become long. The keeper's mu is held.
func (k *keeper) note(rec record) error {
	if k.journal.bloated(len(k.containers)) {
		records := make([]record, 0, len(k.containers))
		for _, c := range k.containers {
			records = append(records, c.record())
		}
		if err := k.journal.rewrite(records); err != nil {
			k.log.Error("the journal was not rewritten", "error", err)
		}
	}
	return k.journal.add(rec)
}

// record is all that the journal is to tell of a container.
func (c *container) record() record {
	status := c.status
	rec := record{
		ID: c.spec.ID, Boot: c.boot, Spec: &c.spec, Mark: c.mark, PID: c.pid, Ticks: c.ticks, Cgroup: c.cgroup, Status: &status,
	}
	if c.out != nil {
		rec.Pipe = c.out.inode
	}
	return rec
}

var errNotRunning = errors.New("the container does not run")

// await waits for a container's start and returns it; nil if there is none, or it failed.
func (k *keeper) await(id string) *container {
	k.mu.Lock()
	c := k.containers[id]
	k.mu.Unlock()
	if c == nil {
		return nil
	}
	if <-c.started; c.failed != nil {
		return nil
	}
	return c
}
