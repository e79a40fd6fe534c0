package agent

import (
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
)

// TestUnlockWithCopies: a child between fork and exec has copies of all descriptors, also of the lock's. They do not keep a
// directory locked that was unlocked.
func TestUnlockWithCopies(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	unlock, err := lockDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	child := copyOf(t, filepath.Join(dir, "agent.lock"))
	defer func() { _ = syscall.Close(child) }()
	unlock()
	again, err := lockDir(dir)
	if err != nil {
		t.Fatalf("an agent that follows another one: %v", err)
	}
	again()
}

// copyOf duplicates the descriptor of an open file.
func copyOf(t *testing.T, path string) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip("the descriptors are not told here")
	}
	for _, e := range all {
		if name, err := os.Readlink("/proc/self/fd/" + e.Name()); err == nil && name == path {
			fd, _ := strconv.Atoi(e.Name())
			other, err := syscall.Dup(fd)
			if err != nil {
				t.Fatal(err)
			}
			return other
		}
	}
	t.Fatalf("%s is not open", path)
	return -1
}
