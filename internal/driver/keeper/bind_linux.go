package keeper

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// mount mounts what the container is made of. The binds are copied before anything is mounted, so that one of a directory
// that has the others in it shows none of them.
func (r *Runtime) mount() error {
	var trees []int
	defer func() {
		for _, fd := range trees {
			_ = unix.Close(fd)
		}
	}()
	for _, b := range r.Binds {
		fd, err := b.open()
		if err != nil {
			return cannotCreate("mount %s: %w", b.Source, err)
		}
		trees = append(trees, fd)
	}
	if r.Root != nil {
		if err := r.Root.mount(); err != nil {
			return err
		}
	}
	for i, b := range r.Binds {
		if err := b.attach(trees[i]); err != nil {
			return cannotCreate("mount %s: %w", b.Source, err)
		}
	}
	return nil
}

// open gives the file or directory, with what is mounted in it, as a mount that is nowhere yet.
func (b *Bind) open() (fd int, err error) {
	plain, err := OpenPlain(b.Source)
	if err != nil {
		return -1, err
	}
	defer func() { _ = unix.Close(plain) }()
	return unix.OpenTree(plain, "", unix.OPEN_TREE_CLONE|unix.OPEN_TREE_CLOEXEC|unix.AT_EMPTY_PATH|unix.AT_RECURSIVE)
}

// attach mounts it at its target, which is made: a directory for one, else a file.
func (b *Bind) attach(fd int) error {
	var st unix.Stat_t
	err := unix.Fstat(fd, &st)
	switch {
	case err != nil:
	case st.Mode&unix.S_IFMT == unix.S_IFDIR:
		err = os.Mkdir(b.Target, 0o700)
	default:
		err = os.WriteFile(b.Target, nil, 0o600)
	}
	if err != nil {
		return err
	}
	return unix.MoveMount(fd, "", unix.AT_FDCWD, b.Target, unix.MOVE_MOUNT_F_EMPTY_PATH)
}

// OpenPlain opens a file or directory by its absolute path, to look at it or to mount it (O_PATH). It follows no symbolic
// link, wherever in the path: so it is what has this path, and not what somebody makes the path lead to. The descriptor
// is the caller's to close.
func OpenPlain(path string) (fd int, err error) {
	if !filepath.IsAbs(path) {
		return -1, errors.New("it is no absolute path")
	}
	return OpenPlainAt(unix.AT_FDCWD, path)
}

// OpenPlainAt is OpenPlain for a path that begins at an open directory.
func OpenPlainAt(dir int, path string) (fd int, err error) {
	fd, err = unix.Openat2(dir, path, &unix.OpenHow{Flags: unix.O_PATH | unix.O_CLOEXEC, Resolve: unix.RESOLVE_NO_SYMLINKS})
	if errors.Is(err, unix.ELOOP) {
		err = errors.New("there is a symbolic link in it now, which is not followed")
	}
	return fd, err
}
