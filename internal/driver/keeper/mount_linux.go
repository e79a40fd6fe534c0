package keeper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// maxMountOptions is what mount(2) takes: a page of the smallest size, with its end.
const maxMountOptions = 4095

// inMountNamespace calls a function on a thread that has a copy of the mount namespace for itself. What the function
// forks has it too; when the function returns, the thread ends, and the namespace with the last process in it.
func inMountNamespace(do func() (int, error)) (pid int, err error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: so the thread ends with the goroutine
		if err = unix.Unshare(unix.CLONE_NEWNS); err != nil {
			err = fmt.Errorf("make a mount namespace: %w", err)
			return
		}
		if err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
			err = fmt.Errorf("make the mounts private: %w", err)
			return
		}
		pid, err = do()
	}()
	<-done
	return pid, err
}

// mount mounts the overlay. What is written into it need not survive a crash of the machine, for no container does; so
// the kernel is told not to sync it, which costs most when it is unmounted.
func (o *Overlay) mount() error {
	lower, err := o.lower()
	if err != nil {
		return err
	}
	options := "lowerdir=" + lower + ",upperdir=" + escape(o.Upper) + ",workdir=" + escape(o.Work)
	if len(options) > maxMountOptions {
		return fmt.Errorf("mount %d layers: their names are too long", len(o.Lower))
	}
	err = unix.Mount("overlay", o.Target, "overlay", 0, options+",volatile")
	if errors.Is(err, unix.EINVAL) { // before Linux 5.10
		err = unix.Mount("overlay", o.Target, "overlay", 0, options)
	}
	if err != nil {
		return fmt.Errorf("mount the layers at %s: %w", o.Target, err)
	}
	return nil
}

// lower names the layers as the kernel wants them, highest first. If that gets too long, they are named by short links in
// a directory beside the upper one, relative to the working directory of this thread, which is the thread's own.
func (o *Overlay) lower() (string, error) {
	paths := make([]string, 0, len(o.Lower))
	for _, path := range slices.Backward(o.Lower) {
		paths = append(paths, escape(path))
	}
	const others = 1 << 10 // room for the other options
	all := strings.Join(paths, ":")
	if len(all) < maxMountOptions-others {
		return all, nil
	}
	dir := filepath.Join(filepath.Dir(o.Upper), "l")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	if err := unix.Chdir(dir); err != nil {
		return "", err
	}
	for i := range paths {
		paths[i] = strconv.Itoa(i)
		if err := os.Symlink(o.Lower[len(o.Lower)-1-i], paths[i]); err != nil && !errors.Is(err, os.ErrExist) {
			return "", err
		}
	}
	return strings.Join(paths, ":"), nil
}

// escape protects what separates options and layers.
func escape(path string) string {
	return strings.NewReplacer(`\`, `\\`, `:`, `\:`, `,`, `\,`).Replace(path)
}
