package layer

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Unpack reads a tar archive, decompressed, to its end and makes its entries below dir, which is there and empty. It
// returns the bytes of the files. After an error what dir holds is of no use.
//
// As root, owners and devices are made as the layer says. Without, everything belongs to the caller, devices are left
// out, and opaque directories carry the mark of mounts with the option userxattr.
func Unpack(ctx context.Context, r io.Reader, dir string, o Options) (size int64, err error) {
	root, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, &os.PathError{Op: "open", Path: dir, Err: err}
	}
	u := &unpacker{root: root, parentFD: -1, times: map[string]time.Time{}, privileged: os.Geteuid() == 0, room: o.Room}
	defer u.close()
	archive := tar.NewReader(r)
	for {
		header, err := archive.Next()
		switch {
		case errors.Is(err, io.EOF):
			return u.size, u.finish()
		case err != nil:
			return 0, err
		case ctx.Err() != nil:
			return 0, context.Cause(ctx)
		}
		if err := u.entry(header, archive); err != nil {
			return 0, fmt.Errorf("entry %.200q: %w", header.Name, err)
		}
	}
}

// unpacker is the state of one Unpack.
type unpacker struct {
	root       int                  // the directory
	parent     string               // of the last entry, below root
	parentFD   int                  // of it; -1 when there is none
	stale      bool                 // something was removed since it was opened, maybe on its path
	times      map[string]time.Time // of directories; set at the end, for every new entry changes its directory's
	privileged bool
	size       int64
	room       func() error
	untilRoom  int64 // bytes until it is asked again
	buffer     [256 << 10]byte
}

func (u *unpacker) close() {
	u.forget()
	_ = unix.Close(u.root)
}

// forget lets go of the directory that is held open.
func (u *unpacker) forget() {
	if u.parentFD >= 0 {
		_ = unix.Close(u.parentFD)
	}
	u.parentFD, u.stale = -1, false
}

func (u *unpacker) entry(h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil
	}
	dir, base, w, err := place(h.Name)
	if err != nil || w == nothing {
		return err
	}
	at, err := u.directory(dir)
	if err != nil {
		return err
	}
	switch w {
	case opaque:
		return u.markOpaque(at, ".")
	case whiteout:
		return u.whiteout(at, base)
	default:
		return u.create(at, path.Join(dir, base), base, h, content)
	}
}

// create makes one entry with its attributes.
func (u *unpacker) create(at int, name, base string, h *tar.Header, content io.Reader) error {
	if h.Typeflag == tar.TypeDir {
		if err := u.mkdir(at, base); err != nil {
			return err
		}
		u.times[name] = h.ModTime
		return u.attributes(at, base, h)
	}
	if base == "." {
		return fmt.Errorf("%w: the layer's own directory is no directory", ErrRefused)
	}
	delete(u.times, name)
	err := u.make(at, base, h, content)
	if errors.Is(err, unix.EEXIST) {
		if err = u.remove(at, base); err == nil {
			err = u.make(at, base, h, content)
		}
	}
	if err != nil || h.Typeflag == tar.TypeLink {
		return err
	}
	if err := u.attributes(at, base, h); err != nil {
		if errors.Is(err, unix.ENOENT) && device(h) {
			return nil
		}
		return err
	}
	return utimes(at, base, h.ModTime)
}

// make makes what is no directory, where nothing is.
func (u *unpacker) make(at int, base string, h *tar.Header, content io.Reader) error {
	switch h.Typeflag {
	case tar.TypeReg, tar.TypeGNUSparse, tar.TypeCont:
		return u.file(at, base, content)
	case tar.TypeSymlink:
		return unix.Symlinkat(h.Linkname, at, base)
	case tar.TypeLink:
		return u.link(at, base, h.Linkname)
	case tar.TypeFifo:
		return unix.Mknodat(at, base, unix.S_IFIFO|0o600, 0)
	case tar.TypeChar, tar.TypeBlock:
		mode := uint32(unix.S_IFCHR | 0o600)
		if h.Typeflag == tar.TypeBlock {
			mode = unix.S_IFBLK | 0o600
		}
		err := unix.Mknodat(at, base, mode, int(unix.Mkdev(uint32(h.Devmajor), uint32(h.Devminor))))
		if errors.Is(err, unix.EPERM) {
			return nil // not for this user, or not in this user namespace: containers get their devices from the runtime
		}
		return err
	}
	return fmt.Errorf("%w: entries of the type %q", ErrRefused, h.Typeflag)
}

func device(h *tar.Header) bool { return h.Typeflag == tar.TypeChar || h.Typeflag == tar.TypeBlock }

func (u *unpacker) file(at int, base string, content io.Reader) error {
	fd, err := unix.Openat(at, base, unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0o600)
	if err != nil {
		return err
	}
	err = u.fill(fd, content)
	if e := unix.Close(fd); err == nil {
		err = e
	}
	return err
}

func (u *unpacker) fill(fd int, content io.Reader) error {
	for {
		n, err := content.Read(u.buffer[:])
		if e := u.write(fd, u.buffer[:n]); e != nil {
			return e
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

func (u *unpacker) write(fd int, data []byte) error {
	u.size += int64(len(data))
	if u.untilRoom -= int64(len(data)); u.untilRoom < 0 && u.room != nil {
		u.untilRoom = roomStep
		if err := u.room(); err != nil {
			return err
		}
	}
	for len(data) > 0 {
		n, err := unix.Write(fd, data)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return err
		}
		data = data[max(n, 0):]
	}
	return nil
}

// link makes a hard link to an entry of the same layer. One to an entry of a layer below is refused: what a layer
// unpacks to may not depend on what it is laid upon.
func (u *unpacker) link(at int, base, target string) error {
	dir, targetBase, w, err := place(target)
	if err != nil {
		return err
	}
	if w != plain || targetBase == "." {
		return fmt.Errorf("%w: a hard link to %q", ErrRefused, target)
	}
	to, err := u.open(dir)
	if err == nil {
		defer func() { _ = unix.Close(to) }()
		if same(to, targetBase, at, base) {
			return nil
		}
		err = unix.Linkat(to, targetBase, at, base, 0)
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return fmt.Errorf("%w: a hard link to %q, which is not in the layer", ErrRefused, target)
	}
	return err
}

// same tells whether two names are one file.
func same(at1 int, base1 string, at2 int, base2 string) bool {
	var a, b unix.Stat_t
	return unix.Fstatat(at1, base1, &a, unix.AT_SYMLINK_NOFOLLOW) == nil &&
		unix.Fstatat(at2, base2, &b, unix.AT_SYMLINK_NOFOLLOW) == nil && a.Dev == b.Dev && a.Ino == b.Ino
}

// mkdir makes a directory, or keeps the one that is there. Over a whiteout of the same layer it is opaque: the layer says
// that what was there is gone, and that something new has its name.
func (u *unpacker) mkdir(at int, base string) error {
	err := unix.Mkdirat(at, base, 0o755)
	if err == nil {
		return unix.Fchmodat(at, base, 0o755, 0) // whatever the umask is
	}
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(at, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || st.Mode&unix.S_IFMT == unix.S_IFDIR {
		return err
	}
	if err := u.remove(at, base); err != nil {
		return err
	}
	if err := unix.Mkdirat(at, base, 0o755); err != nil || !isWhiteout(&st) {
		return err
	}
	return u.markOpaque(at, base)
}

func isWhiteout(st *unix.Stat_t) bool { return st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == 0 }

// whiteout hides a name of the layers below. Of the same layer it hides nothing.
func (u *unpacker) whiteout(at int, base string) error {
	err := unix.Mknodat(at, base, unix.S_IFCHR, 0)
	if !errors.Is(err, unix.EEXIST) {
		return err
	}
	var st unix.Stat_t
	if err := unix.Fstatat(at, base, &st, unix.AT_SYMLINK_NOFOLLOW); err != nil || st.Mode&unix.S_IFMT != unix.S_IFDIR {
		return err
	}
	return u.markOpaque(at, base)
}

func (u *unpacker) markOpaque(at int, base string) error {
	name := "trusted.overlay.opaque"
	if !u.privileged {
		name = "user.overlay.opaque"
	}
	return unix.Lsetxattr(through(at, base), name, []byte("y"), 0)
}

// through is a path to an entry of an open directory, for calls that have no form with a descriptor.
func through(at int, base string) string { return "/proc/self/fd/" + strconv.Itoa(at) + "/" + base }

// remove makes room for an entry that comes a second time.
func (u *unpacker) remove(at int, base string) error {
	u.stale = true
	err := unix.Unlinkat(at, base, 0)
	if !errors.Is(err, unix.EISDIR) {
		return err
	}
	root, err := os.OpenRoot(through(at, "."))
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }()
	return root.RemoveAll(base)
}

// attributes sets owner, mode and extended attributes, in this order: a change of the owner clears the others.
func (u *unpacker) attributes(at int, base string, h *tar.Header) error {
	if u.privileged {
		if err := unix.Fchownat(at, base, h.Uid, h.Gid, unix.AT_SYMLINK_NOFOLLOW); err != nil {
			return err
		}
	}
	if h.Typeflag != tar.TypeSymlink { // it has none, and the call would follow it
		if err := unix.Fchmodat(at, base, uint32(h.Mode)&0o7777, 0); err != nil {
			return err
		}
	}
	for key, value := range h.PAXRecords {
		name, ok := strings.CutPrefix(key, "SCHILY.xattr.")
		if !ok || !attribute(name) {
			continue
		}
		err := unix.Lsetxattr(through(at, base), name, []byte(value), 0)
		if errors.Is(err, unix.ENOTSUP) || errors.Is(err, unix.EPERM) {
			continue // user attributes of a symlink, or of a file system that has none
		}
		if err != nil {
			return fmt.Errorf("attribute %.100q: %w", name, err)
		}
	}
	return nil
}

func utimes(at int, base string, to time.Time) error {
	ts, err := unix.TimeToTimespec(to)
	if err != nil {
		return nil //nolint:nilerr // a time that the kernel cannot express is nothing that a container misses
	}
	return unix.UtimesNanoAt(at, base, []unix.Timespec{ts, ts}, unix.AT_SYMLINK_NOFOLLOW)
}

// finish sets the times of directories. One that was replaced since is left alone.
func (u *unpacker) finish() error {
	for name, to := range u.times {
		dir, base := path.Split(name)
		at, err := u.open(dir)
		if err == nil {
			err = utimes(at, base, to)
			_ = unix.Close(at)
		}
		if err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
			return err
		}
	}
	return nil
}

// directory gives a descriptor of a directory of the layer, which it makes if the layer has not named it.
func (u *unpacker) directory(dir string) (int, error) {
	if u.parentFD >= 0 && u.parent == dir && !u.stale {
		return u.parentFD, nil
	}
	u.forget()
	fd, err := u.open(dir)
	if errors.Is(err, unix.ENOENT) {
		fd, err = u.makeAll(dir)
	}
	if err != nil {
		return -1, fmt.Errorf("its directory: %w", err)
	}
	u.parent, u.parentFD = dir, fd
	return fd, nil
}

// makeAll makes what lacks of a directory's path.
func (u *unpacker) makeAll(dir string) (int, error) {
	at, err := u.open(".")
	if err != nil {
		return -1, err
	}
	done := ""
	for base := range strings.SplitSeq(dir, "/") {
		if err := u.mkdir(at, base); err != nil && !errors.Is(err, unix.EEXIST) {
			_ = unix.Close(at)
			return -1, err
		}
		_ = unix.Close(at)
		done = path.Join(done, base)
		if at, err = u.open(done); err != nil {
			return -1, err
		}
	}
	return at, nil
}

// open opens a directory of the layer. The kernel takes the layer's directory for the root meanwhile, so a symbolic link
// on the way, absolute ones and those that go up included, leads to where it leads in the container, never outside.
func (u *unpacker) open(dir string) (int, error) {
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	if dir == "" {
		dir = "."
	}
	for {
		fd, err := unix.Openat2(u.root, dir, &how)
		switch {
		case errors.Is(err, unix.ENOSYS):
			return -1, errors.New("the kernel is too old: it has no openat2, which came with Linux 5.6")
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			// something was renamed somewhere on the machine, and the kernel could not be sure
		default:
			return fd, err
		}
	}
}
