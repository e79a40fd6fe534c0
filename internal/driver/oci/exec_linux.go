package oci

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/keeper"
)

// execGrace is how long the output of a command that has ended is still copied, when something that it left behind keeps
// it open.
const execGrace = time.Second

// killTimeout is how long the runtime may take to end when its command was killed.
const killTimeout = 10 * time.Second

// endOfTransmission is what a person types (Ctrl-D) to end a terminal's input.
const endOfTransmission = 4

var errNotRunning = errors.New("the container does not run")

// Exec implements driver.Driver. The command has the container's environment, user and restrictions.
func (d *Driver) Exec(ctx context.Context, id string, e driver.Exec) (int, error) {
	if len(e.Command) == 0 {
		return 0, cannotStart("there is no command")
	}
	config, err := d.running(id)
	if err != nil {
		return 0, fmt.Errorf("exec in %s: %w", id, err)
	}
	// Beside the runtime's state of the container, because it goes with that, whoever is killed: the environment is in it.
	dir, err := os.MkdirTemp(filepath.Join(d.states(), id), "exec-")
	if errors.Is(err, os.ErrNotExist) {
		err = errNotRunning
	}
	if err != nil {
		return 0, fmt.Errorf("exec in %s: %w", id, err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	x := &execution{dir: dir, exec: e, deaf: d.crun}
	if err := x.describe(config.Process); err != nil {
		return 0, err
	}
	args := []string{
		"--root", d.states(), "--log", x.path("log"), "--log-format", "json",
		"exec", "--process", x.path("process.json"), "--pid-file", x.path("pid"), id,
	}
	// It is not killed by ctx itself: what it has started would live on.
	x.cmd = exec.CommandContext(context.WithoutCancel(ctx), d.cfg.Runtime, args...)
	x.cmd.Env = []string{"PATH=" + defaultPath}
	code, err := x.run(ctx)
	if err != nil && ctx.Err() == nil {
		if _, gone := d.running(id); gone != nil {
			err = gone
		}
		err = fmt.Errorf("exec in %s: %w", id, err)
	}
	return code, err
}

// running gives the configuration of a container, if it runs: as long as it does, the runtime's state of it is there.
func (d *Driver) running(id string) (*specs.Spec, error) {
	if !idPattern.MatchString(id) {
		return nil, errNotRunning
	}
	if _, err := os.Stat(filepath.Join(d.states(), id)); err != nil {
		return nil, errNotRunning
	}
	config, err := readSpec(filepath.Join(d.bundle(id), configFile))
	if errors.Is(err, os.ErrNotExist) {
		err = errNotRunning // it ended just now
	}
	return config, err
}

// execution is one command in a container.
type execution struct {
	dir  string
	exec driver.Exec
	cmd  *exec.Cmd
	deaf bool // the runtime does not hand on the sizes of its terminal
}

func (x *execution) path(name string) string { return filepath.Join(x.dir, name) }

// describe writes what the runtime is to run.
func (x *execution) describe(main *specs.Process) error {
	p := *main
	p.Args, p.Terminal = x.exec.Command, x.exec.Terminal
	if x.exec.Terminal {
		p.ConsoleSize = &specs.Box{Height: uint(x.exec.Size.Rows), Width: uint(x.exec.Size.Columns)}
	}
	text, err := json.Marshal(&p)
	if err != nil {
		return err
	}
	return os.WriteFile(x.path("process.json"), text, 0o600)
}

// run runs the runtime's command to its end. When ctx ends, the command in the container is killed.
func (x *execution) run(ctx context.Context) (int, error) {
	if x.exec.Terminal {
		return x.onTerminal(ctx)
	}
	if x.exec.Stdin != nil {
		// By a pipe of our own, for Wait would wait for a reader that has nothing more to say.
		in, err := x.cmd.StdinPipe()
		if err != nil {
			return 0, err
		}
		go func() { // ends with the reader, or when the command's end has closed the pipe
			_, _ = io.Copy(in, x.exec.Stdin)
			_ = in.Close()
		}()
	}
	x.cmd.Stdout, x.cmd.Stderr = x.exec.Stdout, x.exec.Stderr
	x.cmd.WaitDelay = execGrace
	if err := x.cmd.Start(); err != nil {
		return 0, err
	}
	return x.wait(ctx)
}

// wait waits for the end of the command, or makes it.
func (x *execution) wait(ctx context.Context) (int, error) {
	ended := make(chan error, 1)
	go func() { ended <- x.cmd.Wait() }()
	var err error
	select {
	case err = <-ended:
	case <-ctx.Done():
		err = x.kill(ended)
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return x.code(err)
}

// kill kills the command, which is the leader of a session, and waits for the runtime's end. Its pid may not be known
// yet.
func (x *execution) kill(ended <-chan error) error {
	hung := time.After(killTimeout)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if pid, err := x.pid(); err == nil {
			_ = unix.Kill(-pid, unix.SIGKILL)
			_ = unix.Kill(pid, unix.SIGKILL)
		}
		select {
		case err := <-ended:
			return err
		case <-hung:
			_ = x.cmd.Process.Kill()
		case <-tick.C:
		}
	}
}

// pid tells the command's.
func (x *execution) pid() (int, error) {
	text, err := os.ReadFile(x.path("pid"))
	if err != nil {
		return 0, err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err == nil && pid < 2 {
		err = fmt.Errorf("%d is no pid", pid)
	}
	return pid, err
}

// code tells how the command ended. That it could not be run, the runtime says in its log.
func (x *execution) code(err error) (int, error) {
	if err == nil || errors.Is(err, exec.ErrWaitDelay) {
		return 0, nil
	}
	failed, ok := errors.AsType[*exec.ExitError](err)
	if !ok {
		return 0, err
	}
	if _, noPID := x.pid(); noPID != nil {
		log, _ := os.ReadFile(x.path("log")) // without it, the code is all that is known
		return 0, fmt.Errorf("the runtime ended with code %d: %s", failed.ExitCode(), keeper.RuntimeError(log))
	}
	return failed.ExitCode(), nil
}

// onTerminal runs the command on a terminal: the runtime gets one of ours, and makes another in the container whose size
// follows.
func (x *execution) onTerminal(ctx context.Context) (int, error) {
	master, err := x.startOnTerminal()
	if err != nil {
		return 0, err
	}
	var copying sync.WaitGroup
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		if x.exec.Stdout == nil {
			x.exec.Stdout = io.Discard
		}
		_, _ = io.Copy(x.exec.Stdout, master) // ends with an error when the terminal is closed
	}()
	if x.exec.Stdin != nil {
		go func() { // ends with the reader, or when the terminal is closed
			_, _ = io.Copy(master, x.exec.Stdin)
			_, _ = master.Write([]byte{endOfTransmission})
		}()
	}
	stop := make(chan struct{})
	copying.Go(func() { x.resize(master, stop) })
	code, err := x.wait(ctx)
	close(stop)
	copying.Wait()
	select {
	case <-copied:
	case <-time.After(execGrace): // what the command left behind has the terminal open
	}
	_ = master.Close()
	<-copied
	return code, err
}

// startOnTerminal starts the runtime on a terminal of ours, which from the beginning changes nothing of what passes: all
// that is the business of the one in the container.
func (x *execution) startOnTerminal() (*os.File, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = slave.Close() }()
	_, err = term.MakeRaw(int(slave.Fd()))
	if err == nil {
		err = pty.Setsize(master, &pty.Winsize{Rows: x.exec.Size.Rows, Cols: x.exec.Size.Columns})
	}
	if err == nil {
		x.cmd.Stdin, x.cmd.Stdout, x.cmd.Stderr = slave, slave, slave
		x.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
		err = x.cmd.Start()
	}
	if err != nil {
		return nil, errors.Join(err, master.Close())
	}
	return master, nil
}

// resize makes the terminal's size follow.
func (x *execution) resize(master *os.File, stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case size, open := <-x.exec.Resize:
			if !open {
				<-stop
				return
			}
			if !x.deaf {
				_ = pty.Setsize(master, &pty.Winsize{Rows: size.Rows, Cols: size.Columns})
			} else if !x.resizeInside(size, stop) {
				return
			}
		}
	}
}

// resizeInside changes the size of the terminal in the container: crun (1.8) lets the command know that a size changed,
// and changes none. It waits for the command, and says whether that has not ended.
func (x *execution) resizeInside(size driver.Size, stop <-chan struct{}) bool {
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		if pid, err := x.pid(); err == nil {
			_ = setSize(pid, &unix.Winsize{Row: size.Rows, Col: size.Columns}) // it may have left its terminal
			return true
		}
		select {
		case <-stop:
			return false
		case <-tick.C:
		}
	}
}

// setSize changes the size of the terminal that is a process's input, output or error. The descriptor is copied, not
// opened by its path: what that would open, the process could choose.
func setSize(pid int, size *unix.Winsize) error {
	process, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(process) }()
	for _, number := range []int{0, 1, 2} {
		var fd int
		if fd, err = unix.PidfdGetfd(process, number, 0); err != nil {
			continue
		}
		err = unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, size)
		_ = unix.Close(fd)
		if err == nil {
			return nil
		}
	}
	return err
}
