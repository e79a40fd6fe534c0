package l7

import (
	"errors"
	"io"

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

// came notes n bytes that were read into an empty buffer.
func (in *reader) came(n int) {
	in.r, in.w = 0, n
	in.got += int64(n)
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

// head reads up to the end of the next head and gives it, still in the buffer: it has to be taken. slow is called when
// some of it is there, and not all.
func (in *reader) head(slow func()) ([]byte, error) {
	var scan desync.Scan
	started, blank := false, false
	for {
		b := in.buffered()
		if !blank && (len(b) > 1 || len(b) == 1 && b[0] != '\r') {
			blank = true
			in.take(desync.Blank(b))
			b = in.buffered()
		}
		if blank {
			end := scan.End(b)
			if err := checkSizes(&scan, len(b), end); err != nil || end > 0 {
				return b[:end], err
			}
		}
		if len(b) > 0 && !started {
			started = true
			slow()
		}
		if in.full() && !in.grow(maxHead+maxLine) {
			return nil, errHeadTooLong
		}
		if err := in.fill(); err != nil {
			return nil, headError(err, len(in.buffered()) > 0)
		}
	}
}

// checkSizes looks at a head, or at the beginning of one.
func checkSizes(scan *desync.Scan, size, end int) error {
	if end > 0 {
		size = end
	}
	switch {
	case scan.First > maxLine:
		return errLineTooLong
	case scan.Longest > maxLine, size-scan.First > maxHead:
		return errHeadTooLong
	}
	return nil
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
