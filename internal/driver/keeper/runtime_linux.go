package keeper

import (
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
)

const (
	// runtimeTimeout bounds a runtime's command. It takes some 20 ms; what takes this long hangs.
	runtimeTimeout = 2 * time.Minute
	// terminalTimeout bounds the wait for the terminal of a container that has started.
	terminalTimeout = 10 * time.Second
	// clearTimeout bounds the wait of a removal for what an ended container leaves behind.
	clearTimeout = 10 * time.Second
	// reasonOOM is ECS's reason for a container that the kernel killed for its memory ("Stopped tasks error codes").
	reasonOOM = "OutOfMemoryError: Container killed due to memory usage"
)

// spawnRuntime starts a container by its runtime. If its first process has ended already, it returns how.
func (k *keeper) spawnRuntime(c *container) (*death, error) {
	r := c.spec.Runtime
	if len(r.Argv) == 0 || r.PIDFile == "" {
		return nil, cannotCreate("the runtime's command and pid file are missing")
	}
	if _, err := signalNumber(c.spec.StopSignal); err != nil {
		return nil, cannotStart("stop signal: %s", err)
	}
	stdio, err := k.openRuntime(c)
	if err != nil {
		return nil, cannotCreate("%s", err)
	}
	defer stdio.close()
	// From here until the container's pid is known, ends of children whose pid nobody knows are kept: one may be its own.
	k.mu.Lock()
	k.starting++
	k.mu.Unlock()
	pid, err := k.launchRuntime(r, stdio)
	if err == nil {
		err = stdio.receiveTerminal(k, c)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	end, ended := k.early[pid]
	if k.starting--; k.starting == 0 {
		clear(k.early)
	}
	if err != nil {
		return nil, err
	}
	k.running(c, pid)
	if !ended {
		return nil, nil
	}
	k.forget(pid)
	return &end, nil
}

// launchRuntime runs a runtime's command to its end and returns the pid of the container's first process.
func (k *keeper) launchRuntime(r *Runtime, stdio *runtimeStdio) (int, error) {
	end := make(chan death, 1)
	pid, err := inMountNamespace(func() (int, error) {
		if err := r.mount(); err != nil {
			return 0, err
		}
		return syscall.ForkExec(r.Argv[0], r.Argv, &syscall.ProcAttr{
			Dir: "/", Env: []string{"PATH=" + defaultPath},
			Files: []uintptr{uintptr(stdio.in), uintptr(stdio.out), uintptr(stdio.out)},
			Sys:   &syscall.SysProcAttr{Setsid: true},
		})
	})
	if _, named := errors.AsType[*driver.Failure](err); named {
		return 0, err
	}
	if err != nil {
		return 0, cannotStart("%s: %w", r.Argv[0], err)
	}
	k.mu.Lock()
	if d, ended := k.early[pid]; ended {
		end <- d
	} else {
		k.launches[pid] = end
	}
	k.mu.Unlock()
	d := awaitRuntime(pid, end)
	if d.code() != 0 {
		return 0, cannotStart("%s", r.why(d.code()))
	}
	content, err := os.ReadFile(r.PIDFile)
	if err != nil {
		return 0, cannotStart("the runtime did not tell the container's pid: %w", err)
	}
	pid, err = strconv.Atoi(strings.TrimSpace(string(content)))
	if err != nil || pid < 2 {
		return 0, cannotStart("the runtime told %q as the container's pid", content)
	}
	return pid, nil
}

// awaitRuntime waits for the end of a runtime's command, and makes it when that does not come.
func awaitRuntime(pid int, end <-chan death) death {
	timer := time.NewTimer(runtimeTimeout)
	defer timer.Stop()
	select {
	case d := <-end:
		return d
	case <-timer.C:
		_ = unix.Kill(-pid, unix.SIGKILL) // the end is still to come, so the pid is its own
		return <-end
	}
}

// why tells why a runtime failed, in its own words.
func (r *Runtime) why(code int) string {
	content, _ := os.ReadFile(r.Log) // without it, only the code is known
	if told := RuntimeError(content); told != "" {
		return told
	}
	return fmt.Sprintf("%s ended with code %d and did not say why", r.Argv[0], code)
}

// runtimeStdio are the descriptors that a runtime hands on to its container.
type runtimeStdio struct {
	in, out int
	null    bool // in is the keeper's, not to be closed
	console *net.UnixListener
	path    string // of console
}

// openRuntime makes what a container reads and writes.
func (k *keeper) openRuntime(c *container) (*runtimeStdio, error) {
	r := c.spec.Runtime
	s := &runtimeStdio{in: k.null, out: k.null, null: true}
	if r.Terminal != "" {
		err := s.listen(r.Terminal)
		return s, err
	}
	out, end, err := newOutput(rotated{dir: k.logs, id: c.spec.ID}, os.Getuid())
	if err != nil {
		return nil, err
	}
	c.out, s.out = out, end
	if !r.Interactive {
		return s, nil
	}
	if s.in, err = openEnded(); err != nil {
		s.close()
		return nil, err
	}
	s.null = false
	return s, nil
}

// openEnded makes a standard input on which nothing ever comes. Who has it, has both ends: so it needs no keeper.
func openEnded() (int, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return -1, fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { _, _ = unix.Close(fds[0]), unix.Close(fds[1]) }()
	return unix.Open("/proc/self/fd/"+strconv.Itoa(fds[0]), unix.O_RDWR|unix.O_CLOEXEC, 0)
}

// listen opens the socket on which a terminal comes.
func (s *runtimeStdio) listen(path string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return fmt.Errorf("listen for the terminal: %w", err)
	}
	s.console, s.path = l, path
	return nil
}

// receiveTerminal takes over the terminal of a container, which becomes its output.
func (s *runtimeStdio) receiveTerminal(k *keeper, c *container) error {
	if s.console == nil {
		return nil
	}
	master, err := s.accept()
	if err != nil {
		return cannotStart("the runtime did not hand over the terminal: %w", err)
	}
	if c.out, err = openOutput(master, rotated{dir: k.logs, id: c.spec.ID}); err != nil {
		return errors.Join(cannotStart("%w", err), master.Close())
	}
	return nil
}

// accept receives one descriptor.
func (s *runtimeStdio) accept() (*os.File, error) {
	deadline := time.Now().Add(terminalTimeout)
	_ = s.console.SetDeadline(deadline)
	conn, err := s.console.AcceptUnix()
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close() }()
	_ = conn.SetReadDeadline(deadline)
	name, oob := make([]byte, 4096), make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := conn.ReadMsgUnix(name, oob)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(oob[:n])
	if err != nil || len(messages) != 1 {
		return nil, fmt.Errorf("%d messages came, one was expected (%w)", len(messages), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return nil, fmt.Errorf("%d descriptors came, one was expected (%w)", len(fds), err)
	}
	unix.CloseOnExec(fds[0])
	if err := unix.SetNonblock(fds[0], true); err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), "terminal"), nil
}

// close closes what only the container needs.
func (s *runtimeStdio) close() {
	if s.console != nil {
		_ = s.console.Close()
		_ = os.Remove(s.path)
		return
	}
	_ = unix.Close(s.out)
	if !s.null {
		_ = unix.Close(s.in)
	}
}

// outOfMemory says whether the kernel killed a process of the container for its memory.
func (r *Runtime) outOfMemory() bool {
	if r.Memory == "" {
		return false
	}
	for _, name := range []string{"/memory.oom_control", "/memory.events"} {
		content, err := os.ReadFile(r.Memory + name)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(content)) {
			if n, ok := strings.CutPrefix(strings.TrimSpace(line), "oom_kill "); ok && n != "0" {
				return true
			}
		}
	}
	return false
}

// pids lists the processes of the container's cgroup. All hierarchies hold the same ones.
func (r *Runtime) pids() []int {
	var pids []int
	for _, dir := range r.Cgroups {
		pids = append(pids, cgroupPids(dir)...)
	}
	slices.Sort(pids)
	return slices.Compact(pids)
}

// killRounds is how often the processes of a cgroup without cgroup.kill are killed one by one. A killed one forks no more,
// so that even what multiplies fast ends after few rounds; and the limit of processes bounds it.
const killRounds = 20

// killAll kills all processes of the container's cgroup: at one stroke where one of its hierarchies is of version 2.
// Somebody may have paused the container: then they die when they go on.
func (r *Runtime) killAll() {
	defer r.thaw()
	for _, dir := range r.Cgroups {
		if len(cgroupPids(dir)) > 0 && killCgroup(dir) == nil {
			return
		}
	}
	for range killRounds {
		pids := r.pids()
		if len(pids) == 0 {
			return
		}
		for _, pid := range pids {
			_ = unix.Kill(pid, unix.SIGKILL)
		}
	}
}

// thaw lets a paused container's processes go on, down to the cgroups that it made itself. With version 2 nothing needs
// it: what is killed there dies though it is frozen.
func (r *Runtime) thaw() {
	for _, dir := range r.Cgroups {
		thawCgroups(dir)
	}
}

// thawCgroups thaws a cgroup with those in it, if it is one of the freezer's.
func thawCgroups(dir string) {
	file, err := os.OpenFile(dir+"/freezer.state", os.O_WRONLY, 0)
	if err != nil {
		return // the hierarchy of another controller, or gone
	}
	_, _ = file.WriteString("THAWED") // it may be gone by now
	_ = file.Close()
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		if e.IsDir() {
			thawCgroups(dir + "/" + e.Name())
		}
	}
}

// clear removes what an ended container leaves: its configuration, what still runs, then its cgroups and the runtime's
// state. It says whether all is gone; a cgroup stays as long as a killed process in it is not dead yet.
func (r *Runtime) clear() bool {
	gone := true
	if r.Config != "" {
		if err := os.Remove(r.Config); err != nil && !errors.Is(err, os.ErrNotExist) {
			gone = false
		}
	}
	for _, dir := range r.Cgroups {
		gone = removeCgroups(dir) && gone
	}
	if !gone {
		r.killAll()
		return false
	}
	for _, dir := range r.State {
		if err := os.RemoveAll(dir); err != nil {
			gone = false
		}
	}
	return gone
}

// removeCgroups removes a cgroup with those that the container made in it, and says whether it is gone.
func removeCgroups(dir string) bool {
	if removeCgroup(dir) {
		return true
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return errors.Is(err, os.ErrNotExist)
	}
	for _, e := range entries {
		if e.IsDir() {
			removeCgroups(dir + "/" + e.Name())
		}
	}
	return removeCgroup(dir)
}

// signal sends a signal to the container's first process: in a pid namespace of its own that is the init process, which
// passes it on if it wants to. Only SIGKILL goes to all, for there may be no such namespace.
func (r *Runtime) signal(pid int, number syscall.Signal) error {
	if err := unix.Kill(pid, number); err != nil && err != unix.ESRCH {
		return fmt.Errorf("send signal %d: %w", number, err)
	}
	if number == unix.SIGKILL {
		r.killAll()
	}
	return nil
}

// clearLater begins to clear an ended container. The keeper's mu is held, or nothing else runs yet.
func (k *keeper) clearLater(c *container) {
	if c.spec.Runtime == nil || c.cleared != nil {
		return
	}
	c.cleared = make(chan struct{})
	k.work.Go(func() {
		if k.clearRuntime(c) {
			close(c.cleared)
		}
	})
}

// clearRuntime removes what a runtime's container leaves behind. It tries again until that has succeeded or the keeper
// ends: what was killed takes a moment to die, and its end is not always told to the keeper.
func (k *keeper) clearRuntime(c *container) bool {
	for pause := time.Millisecond; !c.spec.Runtime.clear(); pause = min(2*pause, time.Second) {
		select {
		case <-k.quit:
			return false
		case <-time.After(pause):
		}
	}
	return true
}

// awaitCleared waits until nothing is left of an ended container.
func (k *keeper) awaitCleared(c *container) error {
	k.mu.Lock()
	cleared := c.cleared
	k.mu.Unlock()
	if cleared == nil {
		return nil
	}
	select {
	case <-cleared:
		return nil
	case <-time.After(clearTimeout):
		return fmt.Errorf("container %s: its cgroup or the runtime's state could not be removed yet", c.spec.ID)
	case <-k.quit:
		return errors.New("the keeper ends")
	}
}

// removeFiles removes the files of a runtime's ended container when all else of it is gone.
func (k *keeper) removeFiles(c *container) error {
	k.mu.Lock()
	ended := c.status.State == driver.Exited
	k.mu.Unlock()
	if c.spec.Runtime == nil || !ended {
		return nil
	}
	if err := k.awaitCleared(c); err != nil {
		return err
	}
	for _, dir := range c.spec.Runtime.Files {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("remove the files of container %s: %w", c.spec.ID, err)
		}
	}
	return nil
}

// killLaunched kills what a keeper that was killed in the middle of a start has left: the runtime's command with what it
// forked, so that it starts nothing more, and the container.
func (r *Runtime) killLaunched() {
	procs, err := readProcs()
	if err != nil {
		return
	}
	for _, p := range procs {
		if !p.dead() && slices.Equal(r.Argv, commandOf(p.pid)) {
			_ = unix.Kill(-p.session, unix.SIGKILL)
			_ = unix.Kill(p.pid, unix.SIGKILL)
		}
	}
	r.killAll()
}

// namespaceFlags gives the flags of clone(2) for new namespaces.
func namespaceFlags(names []string) (uintptr, error) {
	var flags uintptr
	for _, name := range names {
		switch name {
		case "pid":
			flags |= unix.CLONE_NEWPID
		case "ipc":
			flags |= unix.CLONE_NEWIPC
		default:
			return 0, fmt.Errorf("%q is no namespace that the keeper makes", name)
		}
	}
	return flags, nil
}
