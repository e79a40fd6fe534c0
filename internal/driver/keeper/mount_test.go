//go:build linux

package keeper

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

// TestBinds mounts a directory, a directory that has the targets in it, and a file, in a namespace of their own; a path
// with a link in it is mounted by nobody.
func TestBinds(t *testing.T) {
	t.Parallel()
	testneeds.Root(t)
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	put := func(path, text string) {
		t.Helper()
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	put(dir+"/data/file", "text")
	if err := errors.Join(os.Mkdir(dir+"/run", 0o700), os.Symlink("data", dir+"/link")); err != nil {
		t.Fatal(err)
	}
	r := Runtime{Binds: []Bind{
		{Source: dir + "/data", Target: dir + "/run/data"}, {Source: dir, Target: dir + "/run/all"}, {Source: dir + "/data/file", Target: dir + "/run/file"},
	}}
	_, err = inMountNamespace(func() (int, error) {
		if err := r.mount(); err != nil {
			return 0, err
		}
		for _, path := range []string{"/run/data/file", "/run/all/data/file", "/run/file"} {
			if text, err := os.ReadFile(dir + path); err != nil || string(text) != "text" {
				t.Errorf("%s is %q, %v, want the file of the machine", path, text, err)
			}
		}
		if names, err := os.ReadDir(dir + "/run/all/run/data"); err != nil || len(names) != 0 {
			t.Errorf("the copy of all has %v, %v in a target, want nothing", names, err)
		}
		return 0, nil
	})
	if err != nil {
		t.Errorf("mount = %v", err)
	}
	if names, err := os.ReadDir(dir + "/run/data"); err != nil || len(names) != 0 {
		t.Errorf("outside the target has %v, %v, want nothing", names, err)
	}
	for path, want := range map[string]string{"/link": "symbolic link", "/link/file": "symbolic link", "/absent": "no such file"} {
		r.Binds = []Bind{{Source: dir + path, Target: dir + "/run/refused"}}
		_, err := inMountNamespace(func() (int, error) { return 0, r.mount() })
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir+path) {
			t.Errorf("mount of %s = %v, want %q", path, err, want)
		}
	}
	r.Binds = []Bind{{Source: "data", Target: dir + "/run/refused"}}
	if err := r.mount(); err == nil {
		t.Error("mount of a relative path = nil, want an error")
	}
}
