package image

import (
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUnlockWithCopies: a child between fork and exec has copies of all descriptors, also of the lock's. They do not keep a
// store locked that was closed.
func TestUnlockWithCopies(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "lock")
	lock, err := lockDir(path)
	if err != nil {
		t.Fatal(err)
	}
	child, err := unix.Dup(int(lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(child) }()
	if err := unlock(lock); err != nil {
		t.Fatal(err)
	}
	again, err := lockDir(path)
	if err != nil {
		t.Fatalf("a store that follows another one: %v", err)
	}
	if err := unlock(again); err != nil {
		t.Error(err)
	}
}
