package l7

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"log/slog"
	"net"
	"net/netip"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/lb/tlspolicy"
)

// conn is the connection of a client. It counts the bytes on their way through it.
type conn struct {
	net.Conn // with TLS taken off, once that is there
	server   *Server
	raw      net.Conn
	client   netip.AddrPort
	created  time.Time
	settings *profile // when it was opened
	id       string   // TID_ and 32 hex digits, once it was needed
	named    sync.Once

	tls         *tls.ConnectionState
	certificate string // ARN
	requests    atomic.Int64
	hand        atomic.Pointer[handed] // where net/http has the connection

	mu    sync.Mutex
	idle  bool      // waits for a request, of which no byte has come
	until time.Time // when the wait ends; zero if the read deadline is another
}

func newConn(s *Server, raw net.Conn) *conn {
	c := &conn{Conn: raw, server: s, raw: raw, created: s.now()}
	if a, ok := raw.RemoteAddr().(*net.TCPAddr); ok {
		c.client = a.AddrPort()
		c.client = netip.AddrPortFrom(c.client.Addr().Unmap(), c.client.Port())
	} else {
		c.client = netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	_, l := s.listener()
	c.settings = s.profile(l)
	return c
}

// tid is made when it is first needed: connections that never send a request have none.
func (c *conn) tid() string {
	c.named.Do(func() {
		random := c.server.config.Random
		var b [16]byte
		binary.BigEndian.PutUint64(b[:8], random())
		binary.BigEndian.PutUint64(b[8:], random())
		c.id = "TID_" + hex.EncodeToString(b[:])
	})
	return c.id
}

func (c *conn) secure() bool { return c.server.config.Certificate != nil }

// serve takes the connection to its end.
func (c *conn) serve() {
	defer c.server.forget(c)
	defer func() { _ = c.raw.Close() }()
	defer c.survive()
	if c.secure() && !c.handshake() {
		return
	}
	h := newH1(c)
	c.speak(h)
	h.release() // unless it panics: then nobody knows what it is in the middle of
}

// speak finds out what the client speaks, and answers it.
func (c *conn) speak(h *h1) {
	switch {
	case c.tls == nil:
	case c.tls.NegotiatedProtocol == proofProtocol: // the certificate was all
		return
	case c.tls.NegotiatedProtocol == "h2":
		c.serveH2(nil)
		return
	}
	if c.tls == nil && c.settings.http2 && h.sniff() {
		c.serveH2(bytes.Clone(h.in.buffered()))
		return
	}
	h.serve()
}

// proofProtocol is what an ACME server negotiates that looks for a proof (RFC 8737).
const proofProtocol = "acme-tls/1"

// survive keeps a mistake of ours that one request brings to light from all others.
func (c *conn) survive() {
	if what := recover(); what != nil {
		c.server.config.Log.Error("a connection was given up", slog.String("listener", c.server.config.ARN),
			slog.Any("panic", what), slog.String("stack", string(debug.Stack())))
	}
}

func (c *conn) handshake() bool {
	config, err := c.tlsConfig()
	if err != nil {
		c.server.config.Log.Error("a connection cannot be served", slog.String("listener", c.server.config.ARN), slog.Any("error", err))
		return false
	}
	ctx, cancel := context.WithTimeout(c.server.ctx, tlsTimeout)
	defer cancel()
	t := tls.Server(&underTLS{Conn: c.raw, conn: c}, config)
	if err := t.HandshakeContext(ctx); err != nil {
		c.server.failedHandshakes.Add(1)
		return false
	}
	c.server.handshakes.Add(1)
	state := t.ConnectionState()
	c.Conn, c.tls = t, &state
	return true
}

func (c *conn) tlsConfig() (*tls.Config, error) {
	config := &tls.Config{ //nolint:gosec // the policy sets the versions
		NextProtos:         []string{"http/1.1"},
		GetConfigForClient: c.server.config.Prove,
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			cert, err := c.server.config.Certificate(hello)
			if err == nil && cert != nil && c.server.config.CertificateARN != nil {
				c.certificate = c.server.config.CertificateARN(cert)
			}
			return cert, err
		},
	}
	if c.settings.http2 {
		config.NextProtos = []string{"h2", "http/1.1"}
	}
	return config, tlspolicy.Apply(c.settings.policy, config)
}

// await marks the connection as waiting for a request, and bounds the wait.
func (c *conn) await() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle = true
	wait := min(c.settings.idle, max(c.settings.keepAlive-c.server.now().Sub(c.created), 0)+time.Second)
	if c.server.isDraining() {
		wait = c.server.config.Linger
	}
	until := time.Now().Add(wait)
	if late := c.until.Sub(until); late >= 0 && late <= slack(wait) {
		return
	}
	c.until = until.Add(slack(wait))
	_ = c.raw.SetReadDeadline(c.until)
}

// slack is how much later than it should a wait may end, so that its deadline need not be set anew for each request.
func slack(wait time.Duration) time.Duration {
	if wait < 30*time.Second {
		return 0
	}
	return time.Second
}

// readBy sets the read deadline; zero is none.
func (c *conn) readBy(t time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.until = time.Time{}
	_ = c.raw.SetReadDeadline(t)
}

// begun ends await: the whole head of a request is there. The deadline stays, for who reads on to change it.
func (c *conn) begun() {
	c.mu.Lock()
	c.idle = false
	c.mu.Unlock()
}

// busy ends await: a request has begun, whose head may take the idle timeout.
func (c *conn) busy() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.idle, c.until = false, time.Time{}
	_ = c.raw.SetReadDeadline(time.Now().Add(c.settings.idle))
}

// hurry tells a connection that waits for a request that it has Linger left.
func (c *conn) hurry() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.idle {
		c.until = time.Time{}
		_ = c.raw.SetReadDeadline(time.Now().Add(c.server.config.Linger))
	}
}

// aged says that the client has to open another connection ("client_keep_alive.seconds").
func (c *conn) aged(now time.Time) bool { return now.Sub(c.created) >= c.settings.keepAlive }

// kind is the type of a request in access logs.
func (c *conn) kind() string {
	if c.secure() {
		return "https"
	}
	return "http"
}
