package l7

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// body is the body of a request of HTTP/1.1. A transport may still read from it when the response is over already: Close
// ends that, so that the connection can be used again.
type body struct {
	h *h1

	mu      sync.Mutex
	framed  framed
	closed  bool
	trailer http.Header

	ended atomic.Bool           // read to its end: the next byte is that of another request
	begun atomic.Bool           // somebody has asked for a byte
	err   atomic.Pointer[error] // of the client: what it sent is not a body, or it left
}

var errBodyClosed = errors.New("the request is over")

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
	n, err := b.framed.read(p)
	if b.framed.ended {
		b.ended.Store(true)
	}
	if err != nil && !errors.Is(err, io.EOF) && !b.h.cutOff.Load() {
		b.err.Store(&err)
	}
	b.h.touch()
	return n, err
}

// keep keeps a trailer field.
func (b *body) keep(line []byte) {
	name, value, _ := bytes.Cut(line, []byte{':'})
	if b.trailer == nil {
		b.trailer = http.Header{}
	}
	b.trailer.Add(canonical(name), string(trimmed(value)))
}

// trailers are the trailer fields that came, at the end of the body.
func (b *body) trailers() http.Header {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.trailer
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
