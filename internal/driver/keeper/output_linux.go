package keeper

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// output copies what a container writes into its log. Standard output and error share one pipe, which keeps their order
// exactly as the program wrote; two would not.
//
// The container's end of the pipe is open for reading too: so the container is never hit by SIGPIPE when the keeper
// dies. It waits when the pipe is full, until the next keeper opens the pipe again and nothing is lost.
type output struct {
	pipe  *os.File // the reading end; nil if it could not be found again, then raw is too
	raw   syscall.RawConn
	inode uint64

	mu  sync.Mutex // held while something is copied
	log rotated
	bad error // the first error in writing the log; what comes then is dropped, for a full disk must not stop a container
}

// newOutput makes a pipe. The descriptor is the container's end, to be closed once it has been started.
func newOutput(log rotated, owner int) (*output, int, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, -1, fmt.Errorf("make a pipe: %w", err)
	}
	defer func() { _ = unix.Close(fds[1]) }()
	reader := os.NewFile(uintptr(fds[0]), "output")
	// Not by package os, which would make it a descriptor that does not block: programs do not expect that.
	writer, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fds[1]), unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, -1, errors.Join(fmt.Errorf("open a pipe: %w", err), reader.Close())
	}
	// Another user could else not open /dev/stdout, which is its own.
	if owner != os.Getuid() {
		err = unix.Fchown(writer, owner, -1)
	}
	var o *output
	if err == nil {
		o, err = openOutput(reader, log)
	}
	if err != nil {
		return nil, -1, errors.Join(err, reader.Close(), unix.Close(writer))
	}
	return o, writer, nil
}

// openOutput copies from a pipe that is open already, and not blocking.
func openOutput(pipe *os.File, log rotated) (*output, error) {
	raw, err := pipe.SyscallConn()
	if err != nil {
		return nil, err
	}
	var st unix.Stat_t
	if err := raw.Control(func(fd uintptr) { err = unix.Fstat(int(fd), &st) }); err != nil {
		return nil, err
	}
	return &output{pipe: pipe, raw: raw, inode: st.Ino, log: log}, err
}

// findOutput opens the pipe of a container whose keeper has died: one of its processes has it.
func findOutput(pids []int, inode uint64, log rotated) (*output, error) {
	name := fmt.Sprintf("pipe:[%d]", inode)
	for _, pid := range pids {
		dir := fmt.Sprintf("/proc/%d/fd", pid)
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, entry := range entries {
			path := filepath.Join(dir, entry.Name())
			if target, err := os.Readlink(path); err != nil || target != name {
				continue
			}
			pipe, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK, 0)
			if err != nil {
				return nil, err
			}
			return openOutput(pipe, log)
		}
	}
	return nil, errors.New("no process has the pipe of its output open any more")
}

// copy copies until all processes have closed the pipe, or the keeper has.
func (o *output) copy() {
	for {
		more := false
		err := o.raw.Read(func(fd uintptr) bool {
			var wait bool
			more, wait = o.chunk(int(fd))
			return !wait
		})
		if err != nil || !more {
			break
		}
	}
	_ = o.pipe.Close()
}

// chunk copies what one read gives. It says whether there may be more, and whether that must be waited for.
func (o *output) chunk(fd int) (more, wait bool) {
	buf := o.log.dir.buffer()
	defer o.log.dir.buffers.Put(buf)
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := unix.Read(fd, buf[:])
	switch {
	case err == unix.EINTR:
		return true, false
	case err == unix.EAGAIN:
		return true, true
	case n <= 0:
		return false, false
	}
	if err := o.log.write(buf[:n]); err != nil && o.bad == nil {
		o.bad = err
	}
	return true, false
}

// drain copies all that has been written until now.
func (o *output) drain() {
	if o.raw == nil {
		return // only what an earlier keeper has copied is known
	}
	_ = o.raw.Control(func(fd uintptr) {
		for more, wait := true, false; more && !wait; {
			more, wait = o.chunk(int(fd))
		}
	})
}

// close stops copying and gives the first error of the log.
func (o *output) close() error {
	if o.pipe != nil {
		_ = o.pipe.Close()
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	return errors.Join(o.bad, o.log.close())
}

// files names the log's files, oldest first.
func (o *output) files() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.log.names)
}

// logDir is where the logs of all containers are.
type logDir struct {
	path    string
	size    int64     // of a file, at most, in bytes
	keep    int       // files of a container
	buffers sync.Pool // shared by all containers, so that a silent one costs no buffer
}

func (d *logDir) buffer() *[16 << 10]byte {
	if buf, ok := d.buffers.Get().(*[16 << 10]byte); ok {
		return buf
	}
	return new([16 << 10]byte)
}

// rotated is a log in several files of bounded size. They are numbered and never renamed: who reads them meanwhile
// neither misses nor repeats anything. A file is only made when something is written, for many programs write nothing.
type rotated struct {
	dir   *logDir
	id    string
	names []string // oldest first
	last  int      // the number of the newest
	file  *os.File // the newest, nil if it is to be made
	used  int64    // its size
}

// logName names the number'th file of a container's log.
func logName(id string, number int) string {
	return url.PathEscape(id) + "." + strconv.Itoa(number)
}

// write appends to the log.
func (r *rotated) write(p []byte) error {
	for len(p) > 0 {
		if r.file == nil || r.used >= r.dir.size {
			if err := r.next(); err != nil {
				return err
			}
		}
		n, err := r.file.Write(p[:min(int64(len(p)), r.dir.size-r.used)])
		r.used += int64(n)
		p = p[n:]
		if err != nil {
			return err
		}
	}
	return nil
}

// next begins a new file and deletes the oldest one if there are too many.
func (r *rotated) next() error {
	if err := r.close(); err != nil {
		return err
	}
	name := logName(r.id, r.last+1)
	file, err := os.OpenFile(filepath.Join(r.dir.path, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	r.file, r.used, r.last = file, 0, r.last+1
	r.names = append(r.names, name)
	for len(r.names) > r.dir.keep {
		if err := os.Remove(filepath.Join(r.dir.path, r.names[0])); err != nil {
			return err
		}
		r.names = r.names[1:]
	}
	return nil
}

// close ends the newest file; what is written then goes to another one.
func (r *rotated) close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// found takes over a file of the log that an earlier keeper wrote, if it is one. Names come in the order of numbers.
func (r *rotated) found(name string) {
	number, ok := strings.CutPrefix(name, url.PathEscape(r.id)+".")
	if n, err := strconv.Atoi(number); ok && err == nil {
		r.names = append(r.names, name)
		r.last = n
	}
}

// list tells the files of a directory of logs, by the order of their numbers.
func (d *logDir) list() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("list the logs: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	number := func(name string) int {
		n, _ := strconv.Atoi(name[strings.LastIndexByte(name, '.')+1:])
		return n
	}
	slices.SortStableFunc(names, func(a, b string) int { return number(a) - number(b) })
	return names, nil
}

// remove deletes files of a log.
func (d *logDir) remove(names []string) error {
	var errs []error
	for _, name := range names {
		if err := os.Remove(filepath.Join(d.path, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
