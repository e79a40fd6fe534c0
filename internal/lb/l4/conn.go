package l4

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
)

// stream is one side of a connection: of TCP, or of TLS on top of it.
type stream interface {
	io.ReadWriter
	CloseWrite() error
}

// conn is one connection from its beginning to its end.
type conn struct {
	server   *Server
	listener *routing.Listener
	raw      net.Conn // the client's
	began    time.Time
	way      *passage // to its target, once it has one

	mu    sync.Mutex
	out   net.Conn // the target's
	cause End      // why it was cut

	fromClient, toClient atomic.Int64
	told                 struct{ from, to int64 } // to Observe
	state                tls.ConnectionState      // of a TLS listener
}

// serve does all that is done with a connection.
func (c *conn) serve() {
	end := c.run()
	c.finish(end)
}

func (c *conn) run() End {
	table := c.server.cfg.Table()
	if table != nil {
		c.listener = table.Listeners[c.server.cfg.ARN]
	}
	if c.listener == nil {
		return EndNoTarget
	}
	client, ok := c.raw.(stream)
	if !ok {
		return EndNoTarget
	}
	if c.listener.Record.Protocol == "TLS" {
		if client, ok = c.handshake(); !ok {
			return EndClientTLS
		}
	}
	target, end := c.connect(table)
	if end != "" {
		return end
	}
	return c.pass(client, target)
}

// pass moves bytes both ways until both sides have said all, or one of them breaks off.
func (c *conn) pass(client, target stream) End {
	c.server.flying.add(c.way)
	defer c.server.flying.remove(c.way)
	c.observe(Sample{New: true, FailOpen: c.way.group.FailOpen})
	watch := watchIdle(idleTimeout(c.listener.Record), c.activity, c.moved, func() { c.cut(EndIdle) })
	defer watch.stop()
	up := make(chan End, 1)
	go func() { up <- c.half(target, client, &c.fromClient, EndClientReset, EndTargetReset) }()
	down := c.half(client, target, &c.toClient, EndTargetReset, EndClientReset)
	if first := <-up; down == EndClosed {
		return first
	}
	return down
}

// half moves bytes one way. Its end is passed on as an end, and its failure cuts the other way too: what has broken off
// on one side must not look like a proper end on the other.
func (c *conn) half(dst, src stream, moved *atomic.Int64, reading, writing End) End {
	err := pump(dst, src, moved, &c.server.chunks)
	switch {
	case err == nil:
		if err = dst.CloseWrite(); err == nil || errors.Is(err, syscall.ENOTCONN) {
			return EndClosed
		}
	case isReading(err):
		c.cut(reading)
		return reading
	}
	c.cut(writing)
	return writing
}

// cut resets both sides. The first cause stands.
func (c *conn) cut(cause End) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != "" {
		return
	}
	c.cause = cause
	reset(c.raw)
	if c.out != nil {
		reset(c.out)
	}
}

// reach notes the connection to the target; it says false if the whole was cut meanwhile.
func (c *conn) reach(out net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cause != "" {
		reset(out)
		return false
	}
	c.out = out
	return true
}

// finish closes what is still open: by a reset where there is no proper end.
func (c *conn) finish(end End) {
	if end != EndClosed {
		c.cut(end)
	}
	c.mu.Lock()
	if c.cause != "" {
		end = c.cause
	}
	_ = c.raw.Close() // all has been said; a reset one is closed already
	if c.out != nil {
		_ = c.out.Close()
	}
	c.mu.Unlock()
	if c.way != nil {
		c.way.land()
	}
	c.observe(Sample{End: end})
}

// reset closes a connection so that the peer gets a reset.
func reset(raw net.Conn) {
	if t, ok := raw.(*net.TCPConn); ok {
		_ = t.SetLinger(0) // fails only for what is closed
	}
	_ = raw.Close()
}

// activity changes as long as something comes from either side, if it is only a keep-alive probe.
func (c *conn) activity() int64 {
	n := c.fromClient.Load() + c.toClient.Load()
	if c.listener.Record.Protocol != "TLS" { // there, the probes are our own
		n += segments(c.raw) + segments(c.out)
	}
	return n
}

// moved tells what has moved since it was last told.
func (c *conn) moved() {
	if c.fromClient.Load() != c.told.from || c.toClient.Load() != c.told.to {
		c.observe(Sample{})
	}
}

// observe completes a sample. Calls do not overlap: the first comes before the idle watch, the last after it.
func (c *conn) observe(s Sample) {
	from, to := c.fromClient.Load(), c.toClient.Load()
	s.FromClient, s.ToClient = from-c.told.from, to-c.told.to
	c.told.from, c.told.to = from, to
	s.Listener, s.Protocol, s.Client = c.server.cfg.ARN, "TCP", addrOf(c.raw.RemoteAddr())
	s.At = c.server.cfg.Now()
	s.Age = s.At.Sub(c.began)
	if c.listener != nil {
		s.LoadBalancer = c.listener.LoadBalancer.ARN
	}
	if c.listener != nil && c.listener.Record.Protocol == "TLS" {
		s.Protocol = "TLS"
		s.TLSVersion, s.Cipher = c.state.Version, c.state.CipherSuite
		s.ALPN, s.ServerName = c.state.NegotiatedProtocol, c.state.ServerName
	}
	if c.way != nil {
		s.Group, s.Target = c.way.group.Record.ARN, c.way.target.Path
	}
	c.server.cfg.Observe(s)
}

// connectContext bounds what is done until there is a target.
func (c *conn) connectContext() (context.Context, context.CancelFunc) {
	return context.WithTimeout(c.server.life, c.server.cfg.ConnectTimeout)
}
