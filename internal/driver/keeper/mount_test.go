//go:build linux

package keeper

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/testneeds"
)

// TestMountNamespace has many functions run with mounts of their own: none ever runs on the process's first thread, and
// the process sees no mount.
func TestMountNamespace(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	own, err := os.Readlink("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 50 {
		all.Go(func() {
			_, err := inMountNamespace(func() (int, error) {
				inside, err := os.Readlink("/proc/thread-self/ns/mnt")
				if unix.Gettid() == unix.Getpid() || inside == own {
					return 0, errors.New("no thread of its own")
				}
				return 0, err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if after, err := os.Readlink("/proc/self/ns/mnt"); err != nil || after != own {
		t.Errorf("the process's mount namespace is %s, %v, want still %s", after, err, own)
	}
}

// TestManyLayers mounts more layers than their names would find room for.
func TestManyLayers(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	dir := t.TempDir()
	var layers []string
	for i := range 120 {
		layer := filepath.Join(dir, "a-directory-with-a-long-name,and:what-must-be-escaped", strconv.Itoa(i))
		if err := os.MkdirAll(layer, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(layer, "top"), []byte(strconv.Itoa(i)), 0o600); err != nil {
			t.Fatal(err)
		}
		layers = append(layers, layer)
	}
	for _, n := range []int{1, 2, 120} {
		got := ""
		err := ViewLayers(layers[:n], filepath.Join(dir, "view"), func(root string) error {
			text, err := os.ReadFile(filepath.Join(root, "top"))
			got = string(text)
			return err
		})
		if want := strconv.Itoa(n - 1); err != nil || got != want {
			t.Errorf("of %d layers the topmost is %q, %v, want %s", n, got, err, want)
		}
	}
}
