//go:build linux

package oci_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/oci"
	"github.com/maitred/maitred/internal/model"
)

// ground is a directory of the machine of which a part is allowed to tasks, and a file in each of both.
type ground struct{ allowed, secret string }

// ground makes one, and a driver that holds to it. What is called after a path was allowed may change that path.
func (b *bench) ground(after func(path string)) ground {
	b.Helper()
	dir, err := filepath.EvalSymlinks(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	g := ground{filepath.Join(dir, "allowed"), filepath.Join(dir, "secret")}
	put(b, g.allowed+"/data/file", "allowed\n", 0o644)
	put(b, g.secret+"/file", "secret\n", 0o644)
	b.w.cfg.HostPath = func(path string) (string, error) {
		real, err := filepath.EvalSymlinks(path)
		if err == nil && !strings.HasPrefix(real, g.allowed) {
			err = errors.New("it is not allowed")
		}
		if err == nil && after != nil {
			after(real)
		}
		return real, err
	}
	b.reconnect()
	return g
}

// reconnect makes the driver of the configuration as it is now.
func (b *bench) reconnect() {
	b.Helper()
	d := b.w.connect(b.T)
	b.Cleanup(func() { _ = d.Close() })
	b.d = d
}

// mounting is a container that mounts a path of the machine and writes a file.
func (b *bench) mounting(id, path, file string) driver.Spec {
	spec := b.spec(id, model.ContainerDefinition{Command: []string{"read", file}, Mounts: []model.Mount{{Volume: "v", Path: "/host"}}})
	spec.Sandbox.Volumes = []model.Volume{{Name: "v", HostPath: path}}
	return spec
}

func hostPath(b *bench) {
	g := b.ground(nil)
	link := filepath.Join(g.secret, "link")
	if err := os.Symlink(g.allowed+"/data", link); err != nil {
		b.Fatal(err)
	}
	if got := b.run(b.mounting("a", link, "/host/file")); got != "allowed\n" {
		b.Errorf("the host's file is %q", got)
	}
	if got := b.run(b.mounting("b", link+"/file", "/host")); got != "allowed\n" {
		b.Errorf("the host's file, mounted alone, is %q", got)
	}
	if _, err := b.d.Start(b.ctx, b.mounting("c", g.secret, "/host/file")); err == nil || !strings.Contains(err.Error(), "not allowed") {
		b.Errorf("Start with a forbidden path = %v, want an error", err)
	}
}

// swapped has somebody put a link in the place of a directory at the two moments that count: after it was allowed, and
// when the runtime has begun.
func swapped(b *bench) {
	var g ground
	swap := func(path string) {
		if err := errors.Join(os.Rename(path, path+".old"), os.Symlink(g.secret, path)); err != nil {
			b.Error(err)
		}
	}
	g = b.ground(swap)
	_, err := b.d.Start(b.ctx, b.mounting("a", g.allowed+"/data", "/host/file"))
	failure, ok := errors.AsType[*driver.Failure](err)
	if !ok || failure.Name != "CannotCreateContainerError" || !strings.Contains(err.Error(), g.allowed+"/data") || !strings.Contains(err.Error(), "symbolic link") {
		b.Errorf("Start with a path that became a link = %v, want CannotCreateContainerError that says so", err)
	}
	runtime := b.w.cfg.Runtime
	if runtime == "" {
		if runtime, err = oci.FindRuntime(); err != nil {
			b.Fatal(err)
		}
	}
	g = b.ground(nil)
	b.w.cfg.Runtime = filepath.Join(g.secret, "runtime")
	put(b, b.w.cfg.Runtime, `#!/bin/sh
case "$*" in *" run "*) cd '`+g.allowed+`' && mv data old && ln -s '`+g.secret+`' data || exit 9 ;; esac
exec '`+runtime+`' "$@"
`, 0o755)
	b.reconnect()
	if got := b.run(b.mounting("b", g.allowed+"/data", "/host/file")); got != "allowed\n" {
		b.Errorf("swapped while the runtime begins, the file is %q, want that of the directory that was allowed", got)
	}
	if link, err := os.Readlink(g.allowed + "/data"); err != nil || link != g.secret {
		b.Errorf("the directory is a link to %q, %v: nothing was swapped", link, err)
	}
}

// swappedDevice has a link come into a device's path after it was allowed.
func swappedDevice(b *bench) {
	path := filepath.Join(b.TempDir(), "device")
	if err := os.Symlink("/dev/zero", path); err != nil {
		b.Fatal(err)
	}
	b.w.cfg.HostPath = func(path string) (string, error) { return path, nil }
	b.reconnect()
	_, err := b.d.Start(b.ctx, b.spec("a", model.ContainerDefinition{Command: []string{"sleep"}, Linux: &model.LinuxParameters{
		Devices: []model.Device{{HostPath: path, ContainerPath: "/dev/mine", Permissions: []string{"read"}}},
	}}))
	if err == nil || !strings.Contains(err.Error(), "symbolic link") {
		b.Errorf("Start with a device's path that became a link = %v, want an error", err)
	}
}

// lentOn mounts a path of the machine because another container does, and not what has come in its place.
func lentOn(b *bench) {
	g := b.ground(nil)
	if got := b.run(b.mounting("a", g.allowed+"/data", "/host/file")); got != "allowed\n" {
		b.Errorf("the host's file is %q", got)
	}
	from := func(id, of string) driver.Spec {
		spec := b.spec(id, model.ContainerDefinition{
			Command: []string{"read", "/host/file"}, VolumesFrom: []model.VolumeFrom{{Container: of, ReadOnly: true}},
		})
		spec.Peers = map[string]string{of: of}
		return spec
	}
	if got := b.run(from("b", "a")); got != "allowed\n" {
		b.Errorf("volumesFrom shows %q, want the host's file", got)
	}
	if got := b.run(from("c", "b")); got != "allowed\n" {
		b.Errorf("volumesFrom of volumesFrom shows %q, want the host's file", got)
	}
	if err := errors.Join(os.Rename(g.allowed+"/data", g.allowed+"/old"), os.Symlink(g.secret, g.allowed+"/data")); err != nil {
		b.Fatal(err)
	}
	if _, err := b.d.Start(b.ctx, from("d", "c")); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		b.Errorf("Start with the path of another that became a link = %v, want an error", err)
	}
}

// missingPath makes what is not there, and follows no link that comes in between.
func missingPath(b *bench) {
	g := b.ground(nil)
	b.w.cfg.HostPath = func(path string) (string, error) { return path, nil }
	b.reconnect()
	if got := b.run(b.mounting("a", g.allowed+"/new/er", "/host/file")); !strings.Contains(got, "no such file") {
		b.Errorf("a file in a new directory is %q", got)
	}
	if info, err := os.Stat(g.allowed + "/new/er"); err != nil || !info.IsDir() || info.Mode().Perm() != 0o755 {
		b.Errorf("what was not there is %v, %v, want a directory", info, err)
	}
	if err := os.Symlink(g.secret, g.allowed+"/link"); err != nil {
		b.Fatal(err)
	}
	if _, err := b.d.Start(b.ctx, b.mounting("b", g.allowed+"/link/made", "/host/file")); err == nil || !strings.Contains(err.Error(), "symbolic link") {
		b.Errorf("Start with a path through a link = %v, want an error", err)
	}
	if _, err := os.Lstat(g.secret + "/made"); !errors.Is(err, os.ErrNotExist) {
		b.Errorf("through a link a directory was made where none is allowed (%v)", err)
	}
}
