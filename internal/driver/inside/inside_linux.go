package inside

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/tree"
)

// maxLinks is how many symbolic links are followed, as by the kernel.
const maxLinks = 40

// errKernel is about files that the kernel makes up when they are read.
var errKernel = errors.New("it belongs to the kernel (/proc, /sys and the like), whose files are not copied: " +
	"`maitred exec` reads and writes them")

// Root is a root directory.
type Root struct{ fd int }

// Open opens a root: /proc/PID/root is that of a process, with its mounts.
func Open(dir string) (*Root, error) {
	fd, err := unix.Open(dir, unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: dir, Err: err}
	}
	return &Root{fd}, nil
}

// Close lets go of it.
func (r *Root) Close() error { return unix.Close(r.fd) }

// Stat implements driver.Driver for one container.
func (r *Root) Stat(name string) (driver.File, error) {
	name = absolute(name)
	fd, err := r.open(name, unix.O_NOFOLLOW)
	if err != nil {
		return driver.File{}, err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return driver.File{}, at("stat", name, err)
	}
	f := driver.File{Mode: mode(st.Mode), Modified: time.Unix(st.Mtim.Unix())}
	switch {
	case f.Mode.IsRegular():
		f.Size = st.Size
	case f.Mode&fs.ModeSymlink != 0:
		f.Target, err = r.follow(name)
	}
	return f, err
}

// CopyOut implements driver.Driver for one container.
func (r *Root) CopyOut(ctx context.Context, name string, to io.Writer) error {
	name = absolute(name)
	fd, err := r.open(name, unix.O_NOFOLLOW)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return at("stat", name, err)
	}
	if err := wantFiles(fd, name); err != nil {
		return err
	}
	base := "."
	if st.Mode&unix.S_IFMT != unix.S_IFDIR {
		parent, err := r.open(path.Dir(name), unix.O_DIRECTORY)
		if err != nil {
			return err
		}
		defer func() { _ = unix.Close(parent) }()
		fd, base = parent, path.Base(name)
	}
	return within(fd, name, func(dir *os.Root) error {
		return tree.Pack(ctx, to, tree.Source{Root: dir, Name: base, Foreign: func(f *os.File) (bool, error) { return kernel(int(f.Fd())) }})
	})
}

// CopyIn implements driver.Driver for one container.
func (r *Root) CopyIn(ctx context.Context, dir string, in driver.Copy) error {
	dir = absolute(dir)
	fd, err := r.open(dir, unix.O_DIRECTORY)
	if err != nil {
		return err
	}
	defer func() { _ = unix.Close(fd) }()
	if err := wantFiles(fd, dir); err != nil {
		return err
	}
	return within(fd, dir, func(to *os.Root) error { return tree.Unpack(ctx, in.Archive, tree.Target{Root: to, Owners: in.Owners}) })
}

// within calls a function with a directory that is open. Errors name what is in it as the container does.
func within(fd int, name string, do func(*os.Root) error) error {
	dir, err := os.OpenRoot("/proc/self/fd/" + strconv.Itoa(fd))
	if err != nil {
		return at("open", name, errors.Unwrap(err))
	}
	defer func() { _ = dir.Close() }()
	return do(dir)
}

// absolute makes a path one of the root: there is nothing above it.
func absolute(name string) string { return path.Clean("/" + name) }

// open opens a path for its place alone: nothing is read, no device wakes up, no pipe waits.
func (r *Root) open(name string, flags uint64) (int, error) {
	if strings.ContainsRune(name, 0) {
		return -1, at("open", name, unix.EINVAL)
	}
	how := unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_CLOEXEC | flags,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	}
	for {
		fd, err := unix.Openat2(r.fd, name, &how)
		switch {
		case err == nil:
			return fd, nil
		case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EINTR):
			// something was renamed somewhere on the machine, and the kernel could not be sure
		case errors.Is(err, unix.ENOSYS):
			return -1, errors.New("the kernel is too old to copy files: it has no openat2, which came with Linux 5.6")
		default:
			return -1, at("open", name, err)
		}
	}
}

// at is an error that names a path as the container has it.
func at(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// follow tells where a path leads in the end. What is told is a name, which is resolved again when it is used.
func (r *Root) follow(name string) (string, error) {
	done, todo, links := "/", strings.Split(name, "/"), 0
	for len(todo) > 0 {
		part := todo[0]
		todo = todo[1:]
		if part == "" || part == "." {
			continue
		}
		next := path.Join(done, part)
		target, err := r.readlink(next)
		if part == ".." || err != nil {
			done = next // no link, or nothing
			continue
		}
		if links++; links > maxLinks {
			return "", at("follow", name, unix.ELOOP)
		}
		if path.IsAbs(target) {
			done = "/"
		}
		todo = slices.Concat(strings.Split(target, "/"), todo)
	}
	return done, nil
}

func (r *Root) readlink(name string) (string, error) {
	fd, err := r.open(name, unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer func() { _ = unix.Close(fd) }()
	text := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", text)
	if err != nil {
		return "", err
	}
	return string(text[:n]), nil
}

// wantFiles is an error if what is open is the kernel's.
func wantFiles(fd int, name string) error {
	if is, err := kernel(fd); err != nil || is {
		return at("copy", name, errors.Join(err, errKernel))
	}
	return nil
}

// kernel says whether what is open is in a file system that the kernel makes up.
func kernel(fd int) (bool, error) {
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil {
		return false, err
	}
	return slices.Contains([]uint32{
		unix.PROC_SUPER_MAGIC, unix.SYSFS_MAGIC, unix.CGROUP_SUPER_MAGIC, unix.CGROUP2_SUPER_MAGIC, unix.DEVPTS_SUPER_MAGIC,
		unix.DEBUGFS_MAGIC, unix.TRACEFS_MAGIC, unix.BPF_FS_MAGIC, unix.SECURITYFS_MAGIC, mqueueMagic,
	}, uint32(st.Type)), nil
}

// mqueueMagic is the file system of message queues (linux/ipc/mqueue.c), which package unix does not name.
const mqueueMagic = 0x19800202

// mode puts a mode into Go's terms.
func mode(m uint32) fs.FileMode {
	mode := fs.FileMode(m & 0o777)
	switch m & unix.S_IFMT {
	case unix.S_IFDIR:
		mode |= fs.ModeDir
	case unix.S_IFLNK:
		mode |= fs.ModeSymlink
	case unix.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case unix.S_IFSOCK:
		mode |= fs.ModeSocket
	case unix.S_IFBLK:
		mode |= fs.ModeDevice
	case unix.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	}
	for bit, meaning := range map[uint32]fs.FileMode{unix.S_ISUID: fs.ModeSetuid, unix.S_ISGID: fs.ModeSetgid, unix.S_ISVTX: fs.ModeSticky} {
		if m&bit != 0 {
			mode |= meaning
		}
	}
	return mode
}
