package l7

import (
	"errors"
	"io"
	"sync"

	"github.com/maitred/maitred/internal/lb/desync"
)

// reader reads a client's bytes through a buffer that is as small as heads are, and grows up to the limit of a head.
type reader struct {
	conn io.Reader
	buf  []byte
	r, w int
	got  int64 // bytes that came
}

const (
	smallBuffer = 4 << 10
	spareBuffer = 16 << 10 // larger ones are not kept
)

// buffers are those of readers that wait for nothing any more.
type bufferPool struct{ pool sync.Pool }

func (p *bufferPool) get() []byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return *b
	}
	return make([]byte, smallBuffer)
}

func (p *bufferPool) put(b []byte) {
	if cap(b) <= spareBuffer {
		p.pool.Put(&b)
	}
}

func (in *reader) buffered() []byte { return in.buf[in.r:in.w] }

func (in *reader) take(n int) { in.r += n }

// fill reads once, into free room; there has to be some.
func (in *reader) fill() error {
	if in.r == in.w {
		in.r, in.w = 0, 0
	} else if in.w == len(in.buf) && in.r > 0 {
		in.w = copy(in.buf, in.buf[in.r:in.w])
		in.r = 0
	}
	n, err := in.conn.Read(in.buf[in.w:])
	in.w += n
	in.got += int64(n)
	if n > 0 {
		return nil
	}
	if err == nil {
		err = io.ErrNoProgress
	}
	return err
}

// full says that the buffer has no room for more.
func (in *reader) full() bool { return in.r == 0 && in.w == len(in.buf) }

// grow doubles the buffer, up to limit; it says false at the limit.
func (in *reader) grow(limit int) bool {
	if len(in.buf) >= limit {
		return false
	}
	more := make([]byte, min(2*len(in.buf), limit))
	in.w = copy(more, in.buffered())
	in.r = 0
	in.buf = more
	return true
}

// Read gives what is buffered, then reads past the buffer.
func (in *reader) Read(p []byte) (int, error) {
	if in.r < in.w {
		n := copy(p, in.buf[in.r:in.w])
		in.r += n
		return n, nil
	}
	n, err := in.conn.Read(p)
	in.got += int64(n)
	return n, err
}

// The errors of heads, and the statuses with which they are answered.
var (
	errLineTooLong = errors.New("the request line is longer than 16 KiB")      // 414
	errHeadTooLong = errors.New("the header is longer than what is allowed")   // 400
	errHeadSlow    = errors.New("the head did not come within the idle time")  // 408
	errNoRequest   = errors.New("the connection ended where a request begins") // nothing
)

// head reads up to the end of the next head and gives it, still in the buffer: it has to be taken. begun is called with its
// first byte.
func (in *reader) head(begun func()) ([]byte, error) {
	looked, started := 0, false
	for {
		if b := in.buffered(); len(b) > 0 {
			if !started {
				started = true
				begun()
			}
			if looked == 0 {
				n := desync.Blank(b)
				in.take(n)
				b = b[n:]
			}
			if end := desync.End(b, looked-3); end > 0 {
				return b[:end], checkSizes(b[:end])
			}
			looked = len(b)
			if err := checkSizes(b); err != nil {
				return nil, err
			}
		}
		if in.full() && !in.grow(maxHead+maxLine) {
			return nil, errHeadTooLong
		}
		if err := in.fill(); err != nil {
			return nil, headError(err, len(in.buffered()) > 0)
		}
	}
}

func headError(err error, begun bool) error {
	var timeout interface{ Timeout() bool }
	switch {
	case !begun:
		return errNoRequest
	case errors.As(err, &timeout) && timeout.Timeout():
		return errHeadSlow
	}
	return io.ErrUnexpectedEOF
}

// checkSizes looks at a head, or at the beginning of one.
func checkSizes(b []byte) error {
	line := 0 // the longest one that is not the first
	for at, first := 0, true; at < len(b); first = false {
		n := lineLength(b[at:])
		if first && n > maxLine {
			return errLineTooLong
		}
		line = max(line, n)
		if line > maxLine {
			return errHeadTooLong
		}
		at += n
	}
	if len(b) > maxHead+maxLine {
		return errHeadTooLong
	}
	return nil
}

func lineLength(b []byte) int {
	for i, c := range b {
		if c == '\n' {
			return i + 1
		}
	}
	return len(b)
}
