package oci

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/maitred/maitred/internal/driver/keeper"
)

// create makes a volume that is not there yet. As with Docker, it begins as what the image has at the path where it is
// mounted first, its owner and mode included; so a program that is not root finds its own directory. It appears whole: a
// driver that is killed in between leaves a directory of another name, that goes with the task.
func (d *Driver) create(dir, path string, layers []string) error {
	defer d.turns.take("volume " + dir)()
	if _, err := os.Lstat(dir); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o700); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), ".new-")
	if err != nil {
		return err
	}
	err = os.Chmod(temp, 0o755) //nolint:gosec // the users of the container are the machine's others
	if err == nil {
		err = keeper.ViewLayers(layers, filepath.Join(d.cfg.RunDir, "view"), func(root string) error { return copyTree(root, path, temp) })
	}
	if err == nil {
		err = os.Rename(temp, dir)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("begin as the image's %s: %w", path, err), os.RemoveAll(temp))
	}
	return nil
}

// copyTree copies a directory of a root file system into another one that is empty. Links of the image that lead outside
// are not followed; what is not there, or is no directory, leaves it empty.
func copyTree(rootPath, path, target string) error {
	base, err := os.OpenRoot(rootPath)
	if err != nil {
		return err
	}
	defer func() { _ = base.Close() }()
	from, err := base.OpenRoot(relative(path))
	if err != nil {
		return nil //nolint:nilerr // the image has no directory there
	}
	defer func() { _ = from.Close() }()
	to, err := os.OpenRoot(target)
	if err != nil {
		return err
	}
	defer func() { _ = to.Close() }()
	return fs.WalkDir(from.FS(), ".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return copyOne(from, to, name, entry)
	})
}

// relative gives a path of a container as one below its root.
func relative(path string) string {
	path = strings.TrimPrefix(filepath.Clean("/"+path), "/")
	if path == "" {
		return "."
	}
	return path
}

// copyOne copies one entry with its owner and mode; devices, pipes and sockets are left out.
func copyOne(from, to *os.Root, name string, entry fs.DirEntry) error {
	info, err := entry.Info()
	if err != nil {
		return err
	}
	switch info.Mode().Type() {
	case fs.ModeDir:
		if name != "." {
			err = to.Mkdir(name, 0o700)
		}
	case fs.ModeSymlink:
		var link string
		if link, err = from.Readlink(name); err == nil {
			err = to.Symlink(link, name)
		}
	case 0:
		err = copyFile(from, to, name)
	default:
		return nil
	}
	if err != nil {
		return err
	}
	if owner, ok := info.Sys().(*syscall.Stat_t); ok {
		if err := to.Lchown(name, int(owner.Uid), int(owner.Gid)); err != nil {
			return err
		}
	}
	if info.Mode().Type() == fs.ModeSymlink {
		return nil
	}
	return to.Chmod(name, info.Mode()&(fs.ModePerm|fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky))
}

func copyFile(from, to *os.Root, name string) error {
	in, err := from.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := to.Create(name)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
