package keeper

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
)

// The reasons of ends that nobody saw.
const (
	reasonReboot = "ContainerVanishedError: the machine was restarted"
	reasonStart  = "ContainerVanishedError: the keeper was killed while it started the container"
	reasonUnseen = "ContainerVanishedError: the keeper was restarted while the container ran, so its exit code is not known"
)

// adoptAll takes over what an earlier keeper started. Nothing else runs yet. Those whose start was cut short come last,
// when it is known which processes belong to the others.
func (k *keeper) adoptAll(records []record) {
	for _, rec := range records {
		if rec.PID != 0 {
			k.adopt(rec)
		}
	}
	for _, rec := range records {
		if rec.PID == 0 {
			k.adopt(rec)
		}
	}
}

// killForgotten kills what is in cgroups of earlier keepers that no record names: the journal was lost, and with it all
// that could be told of these processes. Those of a keeper that still lives, because the directory was removed under it
// and made anew, are its own business. The name of a cgroup tells who made it (see cgroups.path).
func (k *keeper) killForgotten() {
	known := map[string]bool{}
	for _, c := range k.containers {
		known[c.cgroup] = true
	}
	for _, path := range k.cgroups.list() {
		if known[path] || k.leftovers[path] || removeCgroup(path) {
			continue
		}
		parts := strings.Split(filepath.Base(path), ".")
		maker, err := strconv.Atoi(parts[max(0, len(parts)-2)])
		if err != nil {
			continue
		}
		if p, err := readProc(maker); err == nil && !p.dead() {
			continue
		}
		k.log.Warn("processes that the journal does not know are killed", "cgroup", path)
		if err := killCgroup(path); err != nil {
			k.log.Error("they were not killed", "cgroup", path, "error", err)
		}
		k.leftovers[path] = true
	}
}

// adopt takes over one container.
func (k *keeper) adopt(rec record) {
	c := &container{
		boot: rec.Boot, started: make(chan struct{}), mark: rec.mark(), pid: rec.PID, ticks: rec.Ticks, cgroup: rec.Cgroup,
		status: driver.Status{ID: rec.ID, State: driver.Starting},
	}
	close(c.started)
	if rec.Spec != nil {
		c.spec = *rec.Spec
	}
	c.spec.ID = rec.ID
	if rec.Status != nil {
		c.status = *rec.Status
	}
	k.containers[rec.ID] = c
	log := k.oldLog(rec.ID)
	if c.status.State == driver.Exited {
		c.ended, c.out = true, &output{log: log}
		k.clearLater(c) // the earlier keeper may not have come to it
		return
	}
	if pidfd, ok := k.alive(rec); ok {
		k.readopt(c, rec.Pipe, log, pidfd)
		return
	}
	c.out = &output{log: log}
	reason := reasonUnseen
	if rec.Boot != k.boot {
		reason, c.cgroup = reasonReboot, ""
	} else if rec.PID == 0 {
		reason = reasonStart
		k.killStarted(c)
	}
	k.vanished(c, reason)
}

// oldLog finds the log that an earlier keeper wrote.
func (k *keeper) oldLog(id string) rotated {
	log := rotated{dir: k.logs, id: id}
	names, err := k.logs.list()
	if err != nil {
		k.log.Error("old logs are lost", "error", err)
	}
	for _, name := range names {
		log.found(name)
	}
	if err := log.resume(); err != nil {
		k.log.Warn("the end of an old log cannot be read", "container", id, "error", err)
	}
	return log
}

// alive opens the main process of a record, if it still is that process.
func (k *keeper) alive(rec record) (pidfd int, ok bool) {
	if rec.Boot != k.boot || rec.PID == 0 {
		return -1, false
	}
	fd, err := unix.PidfdOpen(rec.PID, unix.PIDFD_NONBLOCK)
	if err != nil {
		return -1, false
	}
	// Looked at only now that the descriptor holds it: it cannot be exchanged any more.
	if p, err := readProc(rec.PID); err != nil || p.ticks != rec.Ticks || p.dead() {
		_ = unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// readopt watches over a process that is not a child.
func (k *keeper) readopt(c *container, pipe uint64, log rotated, pidfd int) {
	k.sessions[c.pid] = c
	members, err := k.members(c)
	if err == nil {
		pids := []int{c.pid}
		for _, p := range members {
			pids = append(pids, p.pid)
		}
		c.out, err = findOutput(pids, pipe, log)
	}
	if err != nil {
		k.log.Warn("the output of a container is lost", "container", c.spec.ID, "error", err)
		c.out = &output{log: log}
	} else {
		k.work.Go(c.out.copy)
	}
	file := os.NewFile(uintptr(pidfd), "pidfd")
	k.work.Go(func() { k.untilDead(c, file) })
}

// untilDead waits for the end of a process that is not a child, or of the keeper.
func (k *keeper) untilDead(c *container, pidfd *os.File) {
	stop := make(chan struct{})
	k.work.Go(func() {
		select {
		case <-k.quit:
			_ = pidfd.SetReadDeadline(time.Unix(1, 0))
		case <-stop:
		}
	})
	raw, err := pidfd.SyscallConn()
	if err == nil {
		err = raw.Read(func(fd uintptr) bool {
			n, _ := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, 0)
			return n > 0
		})
	}
	close(stop)
	_ = pidfd.Close()
	if err != nil {
		return
	}
	k.mu.Lock()
	c.ended = true
	members, err := k.members(c)
	if err == nil && c.cgroup == "" {
		for _, p := range members {
			_ = unix.Kill(p.pid, unix.SIGKILL)
		}
	}
	k.mu.Unlock()
	k.finish(c, nil)
}

// killStarted kills a process that was started by a keeper which was killed before it could note so; nobody knows of it.
// Without a cgroup it is known as the leader of a session that init has inherited, with the very same command and
// an environment of the same mark.
func (k *keeper) killStarted(c *container) {
	if c.spec.Runtime != nil {
		c.spec.Runtime.killLaunched()
		return
	}
	if c.cgroup != "" {
		return // what is in it is killed as what is left of the container
	}
	procs, err := readProcs()
	if err != nil {
		return
	}
	for _, p := range procs {
		stray := p.pid == p.session && p.ppid == 1 && k.sessions[p.session] == nil && !p.dead()
		if stray && slices.Equal(c.spec.Argv, commandOf(p.pid)) && markOf(environOf(p.pid)) == c.mark {
			_ = unix.Kill(-p.pid, unix.SIGKILL)
		}
	}
}

// vanished notes that a container ended and nobody saw how.
func (k *keeper) vanished(c *container, reason string) {
	c.ended = true
	c.status.State, c.status.ExitedAt, c.status.Reason = driver.Exited, time.Now(), reason
	k.mu.Lock()
	defer k.mu.Unlock()
	status := c.status
	if err := k.note(record{ID: c.spec.ID, Status: &status}); err != nil {
		k.log.Error("the journal is incomplete", "error", err)
	}
	k.clear(c)
}
