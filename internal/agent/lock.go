package agent

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// ErrInUse says that another agent runs with the same directory, and so as the same machine.
var ErrInUse = errors.New("another agent runs with this data directory")

// lockDir makes sure that no other agent uses a directory until it is unlocked: two of them would act for one machine,
// choose ports for the same tasks, and the first to end would tell that the machine is gone. The lock ends with the
// process, however that ends. Without a directory there is nothing to lock.
func lockDir(dir string) (unlock func(), err error) {
	if dir == "" {
		return func() {}, nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("agent: make the directory: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "agent.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("agent: open the lock: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		if errors.Is(err, syscall.EWOULDBLOCK) {
			err = ErrInUse
		}
		return nil, errors.Join(fmt.Errorf("agent: lock %s: %w", dir, err), f.Close())
	}
	return func() {
		// It is not left to closing: a child of this process that has yet to execute its program holds a copy.
		_ = syscall.Flock(int(f.Fd()), syscall.LOCK_UN)
		_ = f.Close()
	}, nil
}
