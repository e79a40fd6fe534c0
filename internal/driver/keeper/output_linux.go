package keeper

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"time"

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

	mu     sync.Mutex // held while something is copied
	log    rotated
	bad    error         // the first error in writing the log; what comes then is dropped, for a full disk must not stop a container
	growth chan struct{} // closed when the log grows; nil while nobody waits for that
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
	if err := o.log.write(buf[:n], time.Now()); err != nil && o.bad == nil {
		o.bad = err
	}
	o.grown()
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
	o.grown()
	return errors.Join(o.bad, o.log.close())
}

// grown wakes those who wait for more of the log, or for its end. mu is held.
func (o *output) grown() {
	if o.growth != nil {
		close(o.growth)
		o.growth = nil
	}
}

// wake is grown for who does not hold mu.
func (o *output) wake() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.grown()
}

// beyond says whether there is more of a log than so many bytes of a file, which was the newest one. The channel is
// closed when that may have changed.
func (o *output) beyond(file string, size int64) (more bool, grows <-chan struct{}) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.growth == nil {
		o.growth = make(chan struct{})
	}
	newest := ""
	if n := len(o.log.names); n > 0 {
		newest = o.log.names[n-1]
	}
	return newest != file || o.log.file != nil && o.log.used > size, o.growth
}

// files names the log's files, oldest first.
func (o *output) files() []string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return slices.Clone(o.log.names)
}
