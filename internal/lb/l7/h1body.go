package l7

import (
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
)

// body is the body of a request of HTTP/1.1. A transport may still read from it when the response is over already: Close
// ends that, so that the connection can be used again.
type body struct {
	h       *h1
	chunked bool

	mu     sync.Mutex
	left   int64 // of the body, or of the chunk
	state  chunkState
	closed bool
	extra  int // bytes between chunks beyond what is usual

	ended atomic.Bool           // read to its end: the next byte is that of another request
	begun atomic.Bool           // somebody has asked for a byte
	err   atomic.Pointer[error] // of the client: what it sent is not a body, or it left
}

type chunkState uint8

const (
	chunkSize chunkState = iota // a size comes next
	chunkData
	chunkEnd // the end of a line comes next, after data
	trailers
)

var (
	errBodyClosed = errors.New("the request is over")
	errBadChunk   = errors.New("the chunked body is malformed")
	errBodyCut    = errors.New("the client left before its body had come")
)

// limits of what stands between the chunks' content: a size with its extensions, and all trailers.
const (
	maxChunkLine = 256
	maxTrailers  = 8 << 10
	maxExtra     = 16 << 10 // bytes of sizes and extensions, beyond 16 for each chunk and two for each byte of content
)

func (b *body) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case b.err.Load() != nil:
		return 0, *b.err.Load()
	case b.ended.Load():
		return 0, io.EOF
	case b.closed:
		return 0, errBodyClosed
	case len(p) == 0:
		return 0, nil
	}
	b.begun.Store(true)
	b.h.out.goOn()
	n, err := b.read(p)
	if err != nil && !errors.Is(err, io.EOF) && !b.h.cutOff.Load() {
		b.err.Store(&err)
	}
	b.h.touch()
	return n, err
}

func (b *body) read(p []byte) (int, error) {
	for b.chunked && b.state != chunkData {
		if err := b.next(); err != nil {
			return 0, err
		}
		if b.ended.Load() {
			return 0, io.EOF
		}
	}
	n, err := b.h.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0 && b.chunked:
		b.state = chunkEnd
		return n, nil
	case b.left == 0:
		b.ended.Store(true)
		return n, io.EOF
	case n == 0 && err != nil:
		return 0, fmt.Errorf("%w: %w", errBodyCut, err)
	}
	return n, nil
}

// next reads what stands between two chunks.
func (b *body) next() error {
	line, err := b.line()
	if err != nil {
		return err
	}
	switch b.state {
	case chunkSize:
		size, ok := parseChunkSize(line)
		if !ok {
			return errBadChunk
		}
		if b.left = size; size == 0 {
			b.state, b.extra = trailers, 0
			return nil
		}
		b.extra = max(b.extra-16-2*int(min(size, maxExtra)), 0)
		b.state = chunkData
	case chunkEnd:
		if len(line) > 0 {
			return errBadChunk
		}
		b.state = chunkSize
	case trailers: // they are dropped
		if len(line) == 0 {
			b.ended.Store(true)
		} else if !validTrailer(line) {
			return errBadChunk
		}
	}
	return nil
}

// line reads one line, which ends with CRLF and nothing else, and gives it without.
func (b *body) line() ([]byte, error) {
	in := b.h.in
	limit := maxChunkLine
	if b.state == trailers {
		limit = maxTrailers
	}
	for looked := 0; ; {
		buf := in.buffered()
		for i := looked; i < len(buf); i++ {
			if buf[i] != '\n' {
				continue
			}
			if i == 0 || buf[i-1] != '\r' || i > limit {
				return nil, errBadChunk
			}
			in.take(i + 1)
			if b.extra += i; b.extra > maxExtra || b.state == trailers && b.extra > maxTrailers {
				return nil, errBadChunk
			}
			return buf[:i-1], nil
		}
		if looked = len(buf); looked > limit {
			return nil, errBadChunk
		}
		if in.full() && !in.grow(maxHead) {
			return nil, errBadChunk
		}
		if err := in.fill(); err != nil {
			return nil, fmt.Errorf("%w: %w", errBodyCut, err)
		}
	}
}

// parseChunkSize reads a size in hexadecimal and what may follow it. Extensions say nothing to us; one that is not plain
// text is what parsers disagree on.
func parseChunkSize(line []byte) (size int64, ok bool) {
	digits := 0
	for ; digits < len(line); digits++ {
		d, hex := hexDigit(line[digits])
		if !hex {
			break
		}
		if digits == 15 {
			return 0, false
		}
		size = size<<4 | d
	}
	rest := line[digits:]
	for i, c := range rest {
		if c < ' ' && c != '\t' || c == 0x7f || i == 0 && c != ';' {
			return 0, false
		}
	}
	return size, digits > 0
}

func hexDigit(c byte) (int64, bool) {
	switch {
	case '0' <= c && c <= '9':
		return int64(c - '0'), true
	case 'a' <= c|0x20 && c|0x20 <= 'f':
		return int64(c|0x20-'a') + 10, true
	}
	return 0, false
}

func validTrailer(line []byte) bool {
	colon := false
	for i, c := range line {
		if c == ':' && i > 0 {
			colon = true
		}
		if c < ' ' && c != '\t' || c == 0x7f || !colon && (c == ' ' || c == '\t') {
			return false
		}
	}
	return colon
}

// Close lets nobody read on. It waits for a Read that is under way, which the owner of the connection has to cut off.
func (b *body) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	return nil
}

// done says that all of the body was read.
func (b *body) done() bool { return b.ended.Load() }

// touched says that some of the body may be gone.
func (b *body) touched() bool { return b.begun.Load() }

// fault is the client's error, if there was one.
func (b *body) fault() error {
	if err := b.err.Load(); err != nil {
		return *err
	}
	return nil
}
