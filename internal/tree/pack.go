//go:build unix

package tree

import (
	"archive/tar"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"syscall"

	"golang.org/x/sys/unix"
)

// Foreign says whether a directory is not to be looked into, though it is there: it is packed empty.
type Foreign func(dir *os.File) (bool, error)

// Source is what is packed.
type Source struct {
	Root    *os.Root
	Name    string  // below it: of a directory, with everything in it, or of anything else
	As      string  // what it is called in the archive; "" for "."
	Foreign Foreign // nil for nothing
}

// Pack writes an archive. Sockets are left out, for no archive knows them, and so is what vanishes meanwhile.
func Pack(ctx context.Context, w io.Writer, s Source) error {
	p := &packer{out: tar.NewWriter(w), root: s.Root, as: s.As, links: map[inode]string{}, foreign: s.Foreign}
	info, err := s.Root.Lstat(s.Name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		err = p.add(s.Name, path.Join(".", s.As), info)
	} else {
		err = p.directory(ctx, s.Name)
	}
	if err != nil {
		return err // without an end of the archive: whoever reads it shall see that it broke
	}
	return p.out.Close()
}

// packer is the state of one Pack.
type packer struct {
	out     *tar.Writer
	root    *os.Root
	as      string
	links   map[inode]string // the names of files that have several
	foreign Foreign
}

type inode struct{ device, number uint64 }

// directory packs a directory and everything in it.
func (p *packer) directory(ctx context.Context, name string) error {
	dir, err := p.root.OpenRoot(name)
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	p.root = dir
	return fs.WalkDir(dir.FS(), ".", func(name string, _ fs.DirEntry, err error) error {
		var info fs.FileInfo
		if err == nil {
			info, err = p.root.Lstat(name)
		}
		switch {
		case errors.Is(err, fs.ErrNotExist) && name != ".":
			return nil // it was there when its directory was read
		case err != nil:
			return about(name, err)
		case ctx.Err() != nil:
			return context.Cause(ctx)
		}
		if err := p.add(name, path.Join(".", p.as, name), info); err != nil {
			return about(name, err)
		}
		if !info.IsDir() {
			return nil
		}
		return p.enter(name)
	})
}

// enter gives fs.SkipDir for a directory that is not to be looked into.
func (p *packer) enter(name string) error {
	if p.foreign == nil {
		return nil
	}
	dir, err := p.root.Open(name)
	if errors.Is(err, fs.ErrNotExist) {
		return fs.SkipDir
	}
	if err != nil {
		return err
	}
	defer func() { _ = dir.Close() }()
	if other, err := p.foreign(dir); err != nil || !other {
		return err
	}
	return fs.SkipDir
}

// add packs one entry by the name that it gets.
func (p *packer) add(name, as string, info fs.FileInfo) error {
	h := header(as, info)
	switch info.Mode().Type() {
	case 0:
		return p.file(h, name)
	case fs.ModeDir:
		h.Typeflag = tar.TypeDir
		h.Name += "/"
	case fs.ModeSymlink:
		target, err := p.root.Readlink(name)
		if err != nil {
			return ifThere(err)
		}
		h.Typeflag, h.Linkname = tar.TypeSymlink, target
	case fs.ModeNamedPipe:
		h.Typeflag = tar.TypeFifo
	case fs.ModeDevice:
		h.Typeflag = tar.TypeBlock
	case fs.ModeDevice | fs.ModeCharDevice:
		h.Typeflag = tar.TypeChar
	default:
		return nil
	}
	return p.out.WriteHeader(h)
}

// ifThere takes it for nothing that something has vanished.
func ifThere(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// header is what an archive says of an entry, but for its type and content. Names of users mean nothing elsewhere, and
// are not looked up.
func header(name string, info fs.FileInfo) *tar.Header {
	h := &tar.Header{Name: name, ModTime: info.ModTime(), Mode: int64(info.Mode().Perm()), Format: tar.FormatPAX}
	for bit, value := range map[fs.FileMode]int64{fs.ModeSetuid: 0o4000, fs.ModeSetgid: 0o2000, fs.ModeSticky: 0o1000} {
		if info.Mode()&bit != 0 {
			h.Mode |= value
		}
	}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		h.Uid, h.Gid = int(st.Uid), int(st.Gid)
		if info.Mode()&fs.ModeDevice != 0 {
			h.Devmajor, h.Devminor = int64(unix.Major(uint64(st.Rdev))), int64(unix.Minor(uint64(st.Rdev))) //nolint:unconvert // not so elsewhere
		}
	}
	return h
}

// file packs a regular file: as long as it is when it is opened, whatever is added to it meanwhile. What has turned into
// something else since it was looked at is not read.
func (p *packer) file(h *tar.Header, name string) error {
	f, err := p.root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return ifThere(err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() {
		return err
	}
	h.Typeflag = tar.TypeReg
	if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
		node := inode{uint64(st.Dev), st.Ino} //nolint:unconvert // not so elsewhere
		if first, seen := p.links[node]; seen {
			h.Typeflag, h.Linkname = tar.TypeLink, first
			return p.out.WriteHeader(h)
		}
		p.links[node] = h.Name
	}
	h.Size = info.Size()
	if err := p.out.WriteHeader(h); err != nil {
		return err
	}
	n, err := io.Copy(p.out, io.LimitReader(f, h.Size))
	if err == nil && n < h.Size {
		err = errors.New("it became shorter while it was read")
	}
	return err
}
