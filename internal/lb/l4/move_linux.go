package l4

import (
	"errors"
	"io"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/maitred/maitred/internal/lb/wire"
)

const (
	// burstBytes is how much the kernel moves before it is looked at again whether there still is that much.
	burstBytes = 4 << 20
	// burstTime is how long a burst may take when less comes: it holds a pipe.
	burstTime = time.Second
)

// pump moves bytes from src to dst until src ends. Where both are connections of TCP, small messages go through a buffer
// that is taken when there is something to read, and bulk by splice(2), within the kernel.
func pump(dst, src stream, moved *atomic.Int64, pool *chunks) error {
	from, ok := src.(*net.TCPConn)
	if !ok {
		return copyChunks(dst, src, moved)
	}
	in, err := newPuller(from, pool.get, pool.put)
	if err != nil {
		return readError{err}
	}
	to, spliced := dst.(*net.TCPConn)
	out := io.Writer(dst)
	if spliced {
		out = wire.Of(to)
	}
	for bulk := false; ; {
		n, err := in.pass(out)
		moved.Add(int64(n))
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if n == chunkBytes && spliced {
			if !bulk {
				bulk = true
				wire.Bulk(to)
			}
			if err := burst(to, from, moved); err != nil {
				return err
			}
		}
	}
}

// burst lets the kernel move bytes for as long as many of them come. It returns without an error when src ends, too:
// whoever reads next sees that.
func burst(dst, src *net.TCPConn, moved *atomic.Int64) error {
	if err := src.SetReadDeadline(time.Now().Add(burstTime)); err != nil {
		return readError{err}
	}
	for {
		n, err := dst.ReadFrom(&io.LimitedReader{R: src, N: burstBytes})
		moved.Add(n)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
		case err != nil && errors.Is(err, syscall.EPIPE):
			return err
		case err != nil:
			return readError{err} // the kernel does not say which side; most often it is this one
		case n == burstBytes:
			continue
		}
		if err := src.SetReadDeadline(time.Time{}); err != nil {
			return readError{err}
		}
		return nil
	}
}

// puller reads from a socket into a buffer that it does not need while it waits.
type puller struct {
	raw syscall.RawConn
	get func() *[]byte
	put func(*[]byte)
	try func(fd uintptr) bool // p.read, bound once
	buf *[]byte
	n   int
	err syscall.Errno
}

func newPuller(c syscall.Conn, get func() *[]byte, put func(*[]byte)) (*puller, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	p := &puller{raw: raw, get: get, put: put}
	p.try = p.read
	return p, nil
}

// pull waits for something to read; it is p.n bytes of p.buf, which is given back by put after success alone.
func (p *puller) pull() error {
	if err := p.raw.Read(p.try); err != nil {
		return err
	}
	if p.err != 0 {
		p.put(p.buf)
		return os.NewSyscallError("recvfrom", p.err)
	}
	return nil
}

// read reads once; it says false when nothing has come yet.
func (p *puller) read(fd uintptr) bool {
	p.buf = p.get()
	if p.n, p.err = wire.TryRead(fd, *p.buf); p.err == unix.EAGAIN {
		p.put(p.buf)
		return false
	}
	return true
}

// pass waits for bytes and writes them. The error is io.EOF at the end.
func (p *puller) pass(dst io.Writer) (n int, err error) {
	if err := p.pull(); err != nil {
		return 0, readError{err}
	}
	defer p.put(p.buf)
	if p.n == 0 {
		return 0, io.EOF
	}
	return dst.Write((*p.buf)[:p.n])
}

// waiting gives a reader of datagrams that holds no buffer while it waits; nil for what is no socket.
func (d *datagrams) waiting(c net.Conn) func(use func([]byte)) (int, error) {
	socket, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	p, err := newPuller(socket, d.get, func(b *[]byte) { d.pool.Put(b) })
	if err != nil {
		return nil
	}
	return func(use func([]byte)) (int, error) {
		if err := p.pull(); err != nil {
			return 0, err
		}
		defer p.put(p.buf)
		use((*p.buf)[:p.n])
		return p.n, nil
	}
}

// segments is how many segments have come from a peer, probes and acknowledgements among them.
func segments(c net.Conn) int64 {
	t, ok := c.(*net.TCPConn)
	if !ok {
		return 0
	}
	raw, err := t.SyscallConn()
	if err != nil {
		return 0
	}
	var n int64
	err = raw.Control(func(fd uintptr) {
		if info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			n = int64(info.Segs_in)
		}
	})
	if err != nil {
		return 0 // it is closed
	}
	return n
}
