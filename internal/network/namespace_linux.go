package network

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"
)

// sysctls is where the settings of the calling thread's network namespace are.
const sysctls = "/proc/sys/net"

// settings of a new namespace. They hold for what is made in it afterwards, too.
var settings = []struct{ path, value, why string }{
	{"ipv4/ip_unprivileged_port_start", "0", "as Docker does, and ECS with it: any user of a container may listen on port 80"},
	{"ipv4/conf/default/arp_notify", "1", "neighbours that remember another MAC address learn this one at once"},
	{"ipv4/conf/all/accept_redirects", "0", "subnets share a bridge, but not a broadcast domain for the task"},
	{"ipv4/conf/default/accept_redirects", "0", "likewise"},
	{"ipv6/conf/default/disable_ipv6", "1", "only the loopback interface, which is there already, carries IPv6"},
}

// newNamespace makes a network namespace that the file holds, and opens it. Its loopback interface is up.
func newNamespace(path string) (*os.File, error) {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return nil, err
	}
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making a network namespace: %w", err)
		}
		for _, s := range settings {
			if err := setting(s.path, s.value); err != nil {
				return err
			}
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("holding a network namespace: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return os.Open(path)
}

// onThread runs f on an operating system thread that ends with it, so that whatever f does to its thread stays there.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread ends with the goroutine
		if unix.Gettid() == unix.Getpid() {
			// The first thread cannot end, and stands for the process in /proc. While this goroutine has it, f gets
			// another one.
			done <- onThread(f)
			runtime.UnlockOSThread()
			return
		}
		done <- f()
	}()
	return <-done
}

// setting writes a setting of the calling thread's network namespace. What the kernel does not know, for example with
// IPv6 left out, needs no setting.
func setting(path, value string) error {
	err := os.WriteFile(filepath.Join(sysctls, path), []byte(value), 0o600)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("setting net/%s to %s: %w", path, value, err)
	}
	return nil
}

// removeNamespace lets go of a namespace and removes its file.
func removeNamespace(path string) error {
	for {
		err := unix.Unmount(path, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break // nothing is mounted there (any more)
		}
		if err != nil {
			return fmt.Errorf("letting go of a network namespace: %w", err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// held says whether the file holds a namespace.
func held(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return false
	}
	defer func() { _ = f.Close() }()
	return isNamespace(f)
}

func isNamespace(f *os.File) bool {
	var fs unix.Statfs_t
	return unix.Fstatfs(int(f.Fd()), &fs) == nil && fs.Type == unix.NSFS_MAGIC
}
