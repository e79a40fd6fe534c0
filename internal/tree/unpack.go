package tree

import (
	"archive/tar"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// Target is where an archive is unpacked.
type Target struct {
	Root *os.Root
	// As is what the entry "." is called there, which all others are below; "" for the root itself, which then stays as it
	// is.
	As string
	// Owners says that an entry belongs to whom the archive says. Else it belongs to the caller, and lends nobody's rights
	// (setuid, setgid).
	Owners bool
}

// Unpack reads an archive to its end and makes its entries below a root; it makes nothing outside, whatever the archive
// says and whatever symbolic links there are: then the error wraps ErrRefused, or is that of os.Root.
//
// A file or a link replaces another one at once, when it is complete. A directory is added to. After an error, what was
// unpacked before it is there.
func Unpack(ctx context.Context, r io.Reader, t Target) error {
	u := &unpacker{root: t.Root, as: t.As, owners: t.Owners}
	err := u.all(ctx, tar.NewReader(r))
	err = errors.Join(err, u.finish())
	if err == nil {
		err = u.left.Err()
	}
	return err
}

// unpacker is the state of one Unpack.
type unpacker struct {
	root   *os.Root
	as     string
	owners bool
	dirs   []directory // whose mode and time are set at the end: the one may forbid writing, the other changes by it
	left   LeftOutError
}

type directory struct {
	name     string
	mode     fs.FileMode
	uid, gid int
	modified time.Time
}

func (u *unpacker) all(ctx context.Context, archive *tar.Reader) error {
	for {
		h, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read the archive: %w", err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		name, err := Clean(h.Name)
		if err == nil {
			err = u.entry(path.Join(".", u.as, name), h, archive)
		}
		if err != nil {
			return about(h.Name, err)
		}
	}
}

// entry makes one entry.
func (u *unpacker) entry(name string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeXGlobalHeader:
		return nil
	case tar.TypeDir:
		return u.directory(name, h)
	case tar.TypeFifo, tar.TypeChar, tar.TypeBlock:
		u.left.Add(h.Name)
		return nil
	}
	if name == "." {
		return ErrWrongKind
	}
	return u.replace(name, func(temp string) error { return u.make(temp, h, content) })
}

// directory makes a directory, or keeps the one that is there. That which everything is unpacked into stays as it is.
func (u *unpacker) directory(name string, h *tar.Header) error {
	if name == "." {
		return nil
	}
	err := u.mkdir(name)
	if errors.Is(err, fs.ErrExist) {
		info, e := u.root.Lstat(name)
		if e == nil && !info.IsDir() {
			e = ErrWrongKind
		}
		err = e
	}
	if err != nil {
		return err
	}
	u.dirs = append(u.dirs, directory{name, u.mode(h), h.Uid, h.Gid, h.ModTime})
	return nil
}

// mkdir makes a directory, and those above it that the archive does not name.
func (u *unpacker) mkdir(name string) error {
	err := u.root.Mkdir(name, 0o700)
	if errors.Is(err, fs.ErrNotExist) {
		if err = u.root.MkdirAll(path.Dir(name), 0o755); err == nil {
			err = u.root.Mkdir(name, 0o700)
		}
	}
	return err
}

// mode is that of an entry.
func (u *unpacker) mode(h *tar.Header) fs.FileMode {
	mode := fs.FileMode(h.Mode).Perm() | h.FileInfo().Mode()&(special|fs.ModeSticky)
	if !u.owners {
		mode &^= special
	}
	return mode
}

// replace makes something under a name of its own, and then gives it its right one.
func (u *unpacker) replace(name string, create func(temp string) error) error {
	dir, base := path.Split(name)
	if info, err := u.root.Lstat(name); err == nil && info.IsDir() {
		return ErrWrongKind
	}
	temp := dir + ".maitred-" + strings.ToLower(rand.Text())
	err := create(temp)
	if errors.Is(err, fs.ErrNotExist) && dir != "" {
		if e := u.root.MkdirAll(path.Clean(dir), 0o755); e == nil {
			err = create(temp)
		}
	}
	if err == nil {
		err = u.root.Rename(temp, dir+base)
	}
	// Two names of one file are not renamed to each other, so one may be left even then.
	if e := u.root.Remove(temp); e != nil && !errors.Is(e, fs.ErrNotExist) && err == nil {
		err = e
	}
	return err
}

// make makes what is no directory, where nothing is.
func (u *unpacker) make(name string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return u.file(name, h, content)
	case tar.TypeLink:
		target, err := Clean(h.Linkname)
		if err != nil {
			return err
		}
		target = path.Join(u.as, target)
		err = u.root.Link(target, name)
		if _, gone := u.root.Lstat(target); errors.Is(err, fs.ErrNotExist) && gone != nil {
			err = fmt.Errorf("a hard link to %.200q, which is not there", h.Linkname)
		}
		return err
	case tar.TypeSymlink:
		err := u.root.Symlink(h.Linkname, name)
		if err == nil && u.owners {
			err = u.root.Lchown(name, h.Uid, h.Gid)
		}
		return err
	}
	return fmt.Errorf("entries of the type %q are not known", h.Typeflag)
}

// file makes a regular file. Owner and mode are set by its descriptor, in this order: a change of the owner takes setuid
// away.
func (u *unpacker) file(name string, h *tar.Header, content io.Reader) error {
	f, err := u.root.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, content)
	if err == nil && u.owners {
		err = f.Chown(h.Uid, h.Gid)
	}
	if err == nil {
		err = f.Chmod(u.mode(h))
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return u.root.Chtimes(name, time.Time{}, h.ModTime)
}

// finish sets modes and times of directories, those further down first.
func (u *unpacker) finish() error {
	var errs []error
	for _, d := range slices.Backward(u.dirs) {
		if err := u.settle(d); err != nil {
			errs = append(errs, about(d.name, err))
		}
	}
	return errors.Join(errs...)
}

// settle sets them by a descriptor of the directory, unless something else has taken its place.
func (u *unpacker) settle(d directory) error {
	info, err := u.root.Lstat(d.name)
	if err != nil || !info.IsDir() {
		return nil //nolint:nilerr // somebody has removed it meanwhile
	}
	f, err := u.root.Open(d.name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if u.owners {
		err = f.Chown(d.uid, d.gid)
	}
	if err == nil {
		err = u.root.Chtimes(d.name, time.Time{}, d.modified)
	}
	if err == nil {
		err = f.Chmod(d.mode)
	}
	return err
}
