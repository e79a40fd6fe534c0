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
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			// The process's first thread must not have another namespace: it stands for the process in /proc, and it never
			// ends. While it is held here, another goroutine has another one.
			pid, err = inMountNamespace(do)
			runtime.UnlockOSThread()
			return
		}
		// Not unlocked, so that the thread ends with the goroutine.
		pid, err = privately(do)
	}()
	<-done
	return pid, err
}

// privately calls a function after this thread has got a mount namespace of its own.
func privately(do func() (int, error)) (int, error) {
	if err := unix.Unshare(unix.CLONE_NEWNS); err != nil {
		return 0, fmt.Errorf("make a mount namespace: %w", err)
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return 0, fmt.Errorf("make the mounts private: %w", err)
	}
	return do()
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

// ViewLayers calls a function with a directory in which all layers, lowest first, are seen upon each other, read-only;
// dir is made to mount them at. Only the calling of the function sees it.
func ViewLayers(layers []string, dir string, view func(root string) error) error {
	if len(layers) == 1 {
		return view(layers[0]) // overlayfs wants two at least
	}
	if len(layers) == 0 {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	var viewed error
	_, err := inMountNamespace(func() (int, error) {
		o := &Overlay{Target: dir, Lower: layers, Upper: filepath.Join(dir, "upper")}
		lower, err := o.lower()
		if err == nil {
			err = unix.Mount("overlay", dir, "overlay", unix.MS_RDONLY, "lowerdir="+lower)
		}
		if err == nil {
			viewed = view(dir)
		}
		return 0, err
	})
	return errors.Join(err, viewed)
}
