package etcd

import (
	"syscall"
	"testing"
)

// TestUnlockWithCopies: a child between fork and exec has copies of all descriptors, also of the lock's. They do not keep a
// directory locked that was unlocked.
func TestUnlockWithCopies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	lock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	child, err := syscall.Dup(int(lock.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(child) }()
	if err := unlock(lock); err != nil {
		t.Fatal(err)
	}
	again, err := lockDir(dir)
	if err != nil {
		t.Fatalf("a member that follows another one: %v", err)
	}
	if err := unlock(again); err != nil {
		t.Error(err)
	}
}
