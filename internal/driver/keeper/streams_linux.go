package keeper

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/creack/pty"
	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/driver"
)

// maxRest is how many bytes are still read when a command has ended: more than a pipe or a terminal can hold.
const maxRest = 1 << 20

// eot is what a terminal takes for the end of its input at the beginning of a line.
const eot = 4

// streams are a command's standard streams: pipes or a terminal, of which the command has one end and this process the
// other one.
type streams struct {
	theirs []int      // the command's standard input, output and error
	ours   []*os.File // all that is ours
	stdin  *os.File   // nil for none
	master *os.File   // of the terminal, nil for none
	work   sync.WaitGroup
	ended  chan struct{}
}

// openStreams makes the streams of an exec and begins to copy.
func openStreams(e *driver.Exec) (s *streams, err error) {
	s = &streams{ended: make(chan struct{})}
	var outputs []copying
	if e.Terminal {
		outputs, err = s.terminal(e)
	} else {
		outputs, err = s.pipes(e)
	}
	if err != nil {
		s.closeAll()
		return nil, err
	}
	for _, o := range outputs {
		s.work.Go(func() { o.run() })
	}
	if s.stdin != nil && e.Stdin != nil {
		go s.feed(e.Stdin) // its end is the caller's business, see driver.Exec
	}
	if s.master != nil && e.Resize != nil {
		s.work.Go(func() { s.resize(e.Resize) })
	}
	return s, nil
}

// terminal makes one terminal for all three.
func (s *streams) terminal(e *driver.Exec) ([]copying, error) {
	master, slave, err := pty.Open()
	if err != nil {
		return nil, err
	}
	defer func() { _ = slave.Close() }()
	s.master, s.stdin, s.ours = master, master, []*os.File{master}
	if e.Size != (driver.Size{}) {
		if err := setSize(master, e.Size); err != nil {
			return nil, err
		}
	}
	for range 3 {
		fd, err := unix.FcntlInt(slave.Fd(), unix.F_DUPFD_CLOEXEC, 3) // Fd makes it blocking, as programs expect
		if err != nil {
			return nil, err
		}
		s.theirs = append(s.theirs, fd)
	}
	return []copying{{master, e.Stdout}}, nil
}

// pipes makes a pipe for each stream that is wanted. Two outputs that go to the same place share one, which keeps their
// order.
func (s *streams) pipes(e *driver.Exec) (outputs []copying, err error) {
	if e.Stdin == nil {
		err = s.null(unix.O_RDONLY)
	} else {
		s.stdin, err = s.pipe(0)
	}
	for i, w := range []io.Writer{e.Stdout, e.Stderr} {
		var r *os.File
		switch {
		case err != nil:
		case w == nil:
			err = s.null(unix.O_WRONLY)
		case i == 1 && same(e.Stdout, e.Stderr):
			var fd int
			fd, err = unix.FcntlInt(uintptr(s.theirs[1]), unix.F_DUPFD_CLOEXEC, 3)
			s.theirs = append(s.theirs, fd)
		default:
			r, err = s.pipe(1)
			outputs = append(outputs, copying{r, w})
		}
	}
	return outputs, err
}

// same says whether two writers are one. Those that cannot be compared are not.
func same(a, b io.Writer) (equal bool) {
	defer func() { _ = recover() }() //nolint:errcheck // comparing values of some types panics
	return a == b
}

func (s *streams) null(flags int) error {
	fd, err := unix.Open(os.DevNull, flags|unix.O_CLOEXEC, 0)
	if err == nil {
		s.theirs = append(s.theirs, fd)
	}
	return err
}

// pipe makes a pipe whose end number theirs is the command's; ours does not block.
func (s *streams) pipe(theirs int) (*os.File, error) {
	var fds [2]int
	if err := unix.Pipe2(fds[:], unix.O_CLOEXEC); err != nil {
		return nil, err
	}
	s.theirs = append(s.theirs, fds[theirs])
	ours := fds[1-theirs]
	if err := unix.SetNonblock(ours, true); err != nil {
		return nil, errors.Join(err, unix.Close(ours))
	}
	f := os.NewFile(uintptr(ours), "stream")
	s.ours = append(s.ours, f)
	return f, nil
}

// handedOver closes the command's ends here: it has its own.
func (s *streams) handedOver() {
	closeFiles(s.theirs)
	s.theirs = nil
}

// feed gives the command its input, and then the end of it.
func (s *streams) feed(from io.Reader) {
	_, _ = io.Copy(s.stdin, struct{ io.Reader }{from}) // whoever reads no more does not want the rest
	if s.master == nil {
		_ = s.stdin.Close()
		return
	}
	_, _ = s.master.Write([]byte{eot})
}

func (s *streams) resize(sizes <-chan driver.Size) {
	for {
		select {
		case size, ok := <-sizes:
			if !ok {
				return
			}
			_ = setSize(s.master, size)
		case <-s.ended:
			return
		}
	}
}

func setSize(master *os.File, size driver.Size) error {
	return pty.Setsize(master, &pty.Winsize{Cols: size.Columns, Rows: size.Rows})
}

// finish is told that the command has ended. What it wrote is copied; whoever it left behind is not waited for.
func (s *streams) finish() {
	close(s.ended)
	for _, f := range s.ours {
		_ = f.SetReadDeadline(time.Now())
	}
	s.work.Wait()
	s.closeAll()
}

func (s *streams) closeAll() {
	s.handedOver()
	for _, f := range s.ours {
		_ = f.Close() // that of the input may be closed already
	}
}

// copying is an output on its way.
type copying struct {
	from *os.File
	to   io.Writer // nil to drop it
}

// run copies until the end or until reading is stopped, and then what is there already. What cannot be written is
// dropped, so that the command does not wait for ever.
func (c copying) run() {
	buf := make([]byte, 32<<10)
	for {
		n, err := c.from.Read(buf)
		c.write(buf[:n])
		if errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		if err != nil {
			return // the end; of a terminal it is EIO
		}
	}
	raw, err := c.from.SyscallConn()
	if err != nil {
		return
	}
	for rest := 0; rest < maxRest; {
		n := 0
		_ = raw.Control(func(fd uintptr) {
			for {
				if n, err = syscall.Read(int(fd), buf); !errors.Is(err, syscall.EINTR) {
					return
				}
			}
		})
		if n <= 0 {
			return
		}
		c.write(buf[:n])
		rest += n
	}
}

func (c *copying) write(p []byte) {
	if c.to == nil || len(p) == 0 {
		return
	}
	if _, err := c.to.Write(p); err != nil {
		c.to = nil
	}
}
