package docker

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// killExec kills the process group of an exec: the runtime makes its process the leader of one. The pid is the daemon's;
// that it means the same here is seen by the container's id in the process's cgroup.
func killExec(pid int, container string) error {
	handle, err := unix.PidfdOpen(pid, 0) // from here on, the pid is nobody else's while its cgroup can be read
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", pid, err)
	}
	defer func() { _ = unix.Close(handle) }()
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil {
		return nil // it has ended
	}
	if !strings.Contains(string(groups), container) {
		return fmt.Errorf("process %d here is not the container's: Docker's processes are not this machine's", pid)
	}
	if err := unix.PidfdSendSignal(handle, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("kill process %d: %w", pid, err)
	}
	_ = unix.Kill(-pid, unix.SIGKILL) // what it has started
	return nil
}
