package l7

import (
	"errors"
	"fmt"
	"io"
)

// framed reads the body of a message of HTTP/1.1 from what came on a connection, up to its end and no byte further.
type framed struct {
	in      *reader
	chunked bool
	left    int64 // of the body, or of the chunk
	state   chunkState
	ended   bool
	extra   int               // bytes between chunks beyond what is usual
	trailer func(line []byte) // gets the trailer fields; nil: they are dropped
}

type chunkState uint8

const (
	chunkSize chunkState = iota // a size comes next
	chunkData
	chunkEnd // the end of a line comes next, after data
	trailers
)

var (
	errBadChunk = errors.New("the chunked body is malformed")
	errBodyCut  = errors.New("the connection ended before the body did")
)

// limits of what stands between the chunks' content: a size with its extensions, and all trailers.
const (
	maxChunkLine = 256
	maxTrailers  = 8 << 10
	maxExtra     = 16 << 10 // bytes of sizes and extensions, beyond 16 for each chunk and two for each byte of content
)

// read reads some of the body; with the last of it, or after it, it gives io.EOF.
func (b *framed) read(p []byte) (int, error) {
	for b.chunked && b.state != chunkData {
		if err := b.next(); err != nil {
			return 0, err
		}
		if b.ended {
			return 0, io.EOF
		}
	}
	n, err := b.in.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	switch {
	case b.left == 0 && b.chunked:
		b.state = chunkEnd
		return n, b.last()
	case b.left == 0:
		b.ended = true
		return n, io.EOF
	case n == 0 && err != nil:
		return 0, fmt.Errorf("%w: %w", errBodyCut, err)
	}
	return n, nil
}

// last looks whether the rest of the body, without content, has come already: then its end is told with the content.
func (b *framed) last() error {
	const end = "\r\n0\r\n\r\n"
	if string(b.in.buffered()[:min(len(end), len(b.in.buffered()))]) != end {
		return nil
	}
	b.in.take(len(end))
	b.ended = true
	return io.EOF
}

// next reads what stands between two chunks.
func (b *framed) next() error {
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
	case trailers:
		switch {
		case len(line) == 0:
			b.ended = true
		case !validTrailer(line):
			return errBadChunk
		case b.trailer != nil:
			b.trailer(line)
		}
	}
	return nil
}

// line reads one line, which ends with CRLF and nothing else, and gives it without.
func (b *framed) line() ([]byte, error) {
	in := b.in
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
