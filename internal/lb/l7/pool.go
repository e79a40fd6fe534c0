package l7

import (
	"bufio"
	"context"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/lb/wire"
)

// sender sends requests to one target.
type sender interface {
	// send sends a request and gives the answer, of which the body is still to come. What comes before the answer goes to
	// hint, which is not called any more when send has returned.
	send(r *http.Request, to hint) (*http.Response, error)
	CloseIdleConnections()
	// end closes them too, and those that are in use when they are not any more: nobody will ask the target again but those
	// who have begun.
	end()
}

// pool is the connections of HTTP/1.1 to one target. In place of http.Transport it reads what targets answer as strictly as
// what clients ask, starts no goroutine for a request without a body, and looks at a kept connection before it is used
// again: one on which something came unasked, or which the target has closed, is dropped.
type pool struct {
	dial func(ctx context.Context) (net.Conn, error)

	mu      sync.Mutex
	idle    []*targetConn // the one that was used last is the last one
	sweeper *time.Timer
	ended   bool // no connection is kept any more
}

const (
	maxIdle  = 1024        // connections that are kept for one target
	idleLife = time.Minute // of a connection without requests
)

// targetConn is a connection to a target.
type targetConn struct {
	net.Conn
	stream wire.Stream // of Conn
	socket wire.Stream // that is under it, the same without TLS
	secure bool        // there is TLS

	in    *reader
	out   *bufio.Writer
	since time.Time // when it was put back
	used  bool      // it has served a request
}

func newTargetConn(conn net.Conn) *targetConn {
	c := &targetConn{Conn: conn, stream: wire.Of(conn)}
	c.in, c.out = &reader{conn: c.stream, buf: make([]byte, smallBuffer)}, bufio.NewWriterSize(c.stream, smallBuffer)
	c.socket = c.stream
	if t, ok := conn.(interface{ NetConn() net.Conn }); ok {
		c.socket, c.secure = wire.Of(t.NetConn()), true
	}
	return c
}

// Write implements io.Writer.
func (c *targetConn) Write(p []byte) (int, error) { return c.stream.Write(p) } //nolint:wrapcheck // as the connection's

// send implements sender. A kept connection that turns out to be closed is replaced if that is safe: no byte of an
// answer has come, there is no body, and the method is idempotent.
func (p *pool) send(r *http.Request, to hint) (*http.Response, error) {
	for {
		c, err := p.get(r.Context())
		if err != nil {
			return nil, err
		}
		resp, err := c.send(p, r, to)
		if err == nil {
			return resp, nil
		}
		_ = c.Close()
		if !c.used || c.in.got > 0 || r.Body != nil || !idempotent(r.Method) || r.Context().Err() != nil {
			return nil, err
		}
		p.CloseIdleConnections() // the others are not better
	}
}

func idempotent(method string) bool {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodOptions, http.MethodPut, http.MethodDelete, http.MethodTrace:
		return true
	}
	return false
}

func (p *pool) get(ctx context.Context) (*targetConn, error) {
	if c := p.kept(); c != nil {
		return c, nil
	}
	conn, err := p.dial(ctx)
	if err != nil {
		return nil, err
	}
	return newTargetConn(conn), nil
}

// kept gives a connection that was kept and may be used, nil if there is none.
func (p *pool) kept() *targetConn {
	for {
		c := p.take()
		if c == nil {
			return nil
		}
		if c.silent() {
			c.in.got = 0
			return c
		}
		_ = c.Close()
	}
}

// ask sends a head, if nothing has come before, and reads what there is of the answer.
func (c *targetConn) ask(head []byte) error {
	if c.secure && !c.silent() {
		return wire.ErrUnasked
	}
	c.in.got = 0
	n, err := c.stream.Ask(head, c.in.buf)
	c.in.came(n)
	return err //nolint:wrapcheck // judged by the exchange
}

func (p *pool) take() *targetConn {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.idle)
	if n == 0 {
		return nil
	}
	c := p.idle[n-1]
	p.idle[n-1] = nil
	p.idle = p.idle[:n-1]
	return c
}

// put keeps a connection for later.
func (p *pool) put(c *targetConn, now time.Time) {
	c.used, c.since = true, now
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || len(p.idle) >= maxIdle || len(c.in.buffered()) > 0 {
		_ = c.Close()
		return
	}
	if cap(c.in.buf) > spareBuffer {
		c.in.buf = make([]byte, smallBuffer)
	}
	p.idle = append(p.idle, c)
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(idleLife, p.sweep)
	}
}

// sweep closes the connections that nobody has used for a while.
func (p *pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	old := 0
	for old < len(p.idle) && time.Since(p.idle[old].since) >= idleLife {
		_ = p.idle[old].Close()
		old++
	}
	p.idle = append(p.idle[:0], p.idle[old:]...)
	if p.sweeper = nil; len(p.idle) > 0 {
		p.sweeper = time.AfterFunc(idleLife-time.Since(p.idle[0].since)+time.Millisecond, p.sweep)
	}
}

// CloseIdleConnections implements sender.
func (p *pool) CloseIdleConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for i, c := range p.idle {
		_ = c.Close()
		p.idle[i] = nil
	}
	p.idle = p.idle[:0]
	if p.sweeper != nil {
		p.sweeper.Stop()
		p.sweeper = nil
	}
}

func (p *pool) end() {
	p.mu.Lock()
	p.ended = true
	p.mu.Unlock()
	p.CloseIdleConnections()
}

// silent looks, without waiting, whether nothing has come on a connection that is not in use: neither its end nor an
// answer to a question that nobody has asked.
func (c *targetConn) silent() bool { return c.socket.Silent() }

// tunnelEnd is the target's end of a connection that was upgraded.
type tunnelEnd struct {
	*targetConn
	unhook func() bool
}

func (t *tunnelEnd) Read(p []byte) (int, error)  { return t.in.Read(p) }
func (t *tunnelEnd) Write(p []byte) (int, error) { return t.stream.Write(p) }

// Close implements io.Closer.
func (t *tunnelEnd) Close() error {
	t.unhook()
	return t.Conn.Close()
}
