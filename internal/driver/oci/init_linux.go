package oci

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"golang.org/x/sys/unix"
)

// pauseFlag makes InitMain hold namespaces, and nothing else.
const pauseFlag = "--pause"

// InitMain is the verb init of the binary: the first process of a container that has linuxParameters.initProcessEnabled.
// It runs a command, passes signals on to it, reaps what it leaves behind, and ends as the command does. args are the
// words behind the verb: -- and the command, or --pause to hold the namespaces of a task until it is killed.
func InitMain(args []string, stderr io.Writer) int {
	signals := make(chan os.Signal, 64)
	signal.Notify(signals)
	if len(args) == 1 && args[0] == pauseFlag {
		for s := range signals {
			if s == unix.SIGCHLD {
				reap(-1)
			}
		}
	}
	if len(args) < 2 || args[0] != "--" {
		fmt.Fprintln(stderr, "usage: init -- COMMAND [ARGUMENT ...]")
		return 64
	}
	pid, err := spawn(args[1:])
	if err != nil {
		fmt.Fprintf(stderr, "exec %q: %v\n", args[1], err)
		return 127
	}
	for s := range signals {
		switch s {
		case unix.SIGCHLD:
			if code, ended := reap(pid); ended {
				return code
			}
		case unix.SIGURG: // the Go runtime's own
		default:
			if number, ok := s.(syscall.Signal); ok {
				_ = unix.Kill(pid, number) // should it have gone, its end is about to be seen
			}
		}
	}
	return 0 // not reached: nobody closes the channel
}

// spawn executes a command.
func spawn(argv []string) (int, error) {
	path, err := exec.LookPath(argv[0])
	if err != nil && !errors.Is(err, exec.ErrDot) {
		return 0, err
	}
	return syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Env: os.Environ(), Files: []uintptr{0, 1, 2},
	})
}

// reap takes leave of all children that have ended, and says how one of them did.
func reap(main int) (code int, ended bool) {
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		switch {
		case err == unix.EINTR:
			continue
		case err != nil || pid <= 0:
			return code, ended
		case pid != main:
			continue
		}
		code, ended = status.ExitStatus(), true
		if status.Signaled() {
			code = 128 + int(status.Signal())
		}
	}
}
