// Package probe checks the health of targets ("Health checks for target groups"). A Prober executes one check: it opens
// a connection of its own, asks, and says what it met with. A Runner knows all targets, has each checked when it is its
// turn, and tells when a target's health changes; core/health decides what outcomes mean.
//
// Targets are not trusted: a check ends with its timeout, reads a bounded number of bytes, and keeps nothing.
package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/maitred/maitred/internal/core/health"
	"github.com/maitred/maitred/internal/model"
)

const (
	userAgent = "ELB-HealthChecker/2.0"
	// maxBytes bounds what is read from a target in one check, handshake and all: far more than an answer's headers need.
	maxBytes = 256 << 10
	// maxHeader bounds the headers of an answer.
	maxHeader = 64 << 10
	// maxBody and drainTime bound how much of an answer's body is read. It says nothing about health; but a target whose
	// answer is taken off its hands has no error to log.
	maxBody   = 16 << 10
	drainTime = 500 * time.Millisecond
	// trafficPort is the port of a check that goes where requests go.
	trafficPort = "traffic-port"
)

// Target is a target to be checked.
type Target struct {
	Path    string             // model.Target.Path
	Address string             // IP address
	Port    int                // where it takes requests
	Group   *model.TargetGroup // not nil
	// Host is the Host header of checks for Network Load Balancers: address and port of a listener that leads to the
	// group. If it is "", and for Application Load Balancers, it is the target's own.
	Host     string
	Draining bool
	InUse    bool // some listener leads to the group
	// Known is what this balancer wrote of the target before it was restarted, or nil. It matters when the target is new
	// to the Runner.
	Known *model.TargetHealth
}

// Endpoint is where the target is checked.
func (t Target) Endpoint() string {
	port := strconv.Itoa(t.Port)
	if p := t.Group.Check.Port; p != "" && p != trafficPort {
		port = p
	}
	return net.JoinHostPort(t.Address, port)
}

func (t Target) host() string {
	if t.Group.HTTP() || t.Host == "" {
		return t.Endpoint()
	}
	return t.Host
}

// Prober executes checks. The zero value is ready; it is safe for concurrent use.
type Prober struct {
	// Dial opens connections; nil is a net.Dialer's.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
}

// errUnable is wrapped by errors of checks that cannot be made as they are described.
var errUnable = errors.New("the check cannot be made")

// Check checks a target once. It returns when the group's timeout is over, or ctx, at the latest; then the connection is
// closed and nothing of it is left.
func (p *Prober) Check(ctx context.Context, t Target) health.Outcome {
	ctx, cancel := context.WithTimeout(ctx, t.Group.Check.Timeout)
	defer cancel()
	o, err := p.ask(ctx, t)
	switch {
	case err == nil:
		return o
	case errors.Is(err, errUnable):
		return health.Outcome{Kind: health.Unable}
	case ctx.Err() != nil || timedOut(err):
		return health.Outcome{Kind: health.TimedOut}
	}
	return health.Outcome{Kind: health.Failed}
}

// timedOut tells errors of the kernel's own timeout, which may come before ours.
func timedOut(err error) bool {
	var n net.Error
	return errors.As(err, &n) && n.Timeout()
}

func (p *Prober) ask(ctx context.Context, t Target) (health.Outcome, error) {
	accepted := health.Outcome{Kind: health.Accepted}
	version := t.Group.ProtocolVersion
	switch t.Group.Check.Protocol {
	case "TCP":
		return accepted, p.connect(ctx, t, func(net.Conn) error { return nil })
	case "TLS":
		return accepted, p.connect(ctx, t, func(c net.Conn) error { return tls.Client(c, insecure()).HandshakeContext(ctx) })
	case "HTTP", "HTTPS":
		if t.Group.HTTP() && (version == "HTTP2" || version == "GRPC") {
			return p.askHTTP2(ctx, t)
		}
		return p.askHTTP1(ctx, t)
	}
	return health.Outcome{}, fmt.Errorf("%w: protocol %q", errUnable, t.Group.Check.Protocol)
}

// connect opens a connection for one check, has it used, and closes it.
func (p *Prober) connect(ctx context.Context, t Target, use func(net.Conn) error) error {
	conn, err := p.open(ctx, t)
	if err != nil {
		return err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	return use(conn)
}

// open opens a connection for one check and says in the PROXY protocol, where the group has it on, that it is the
// balancer's own ("Proxy protocol": health checks have no client).
func (p *Prober) open(ctx context.Context, t Target) (net.Conn, error) {
	dial := p.Dial
	if dial == nil {
		dial = (&net.Dialer{KeepAlive: -1}).DialContext
	}
	conn, err := dial(ctx, "tcp", t.Endpoint())
	if err != nil {
		return nil, fmt.Errorf("connecting: %w", err)
	}
	conn = &limited{Conn: conn, left: maxBytes}
	if t.Group.Attribute(model.AttributeProxyProtocol) != "true" {
		return conn, nil
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := conn.Write(localHeader()); err != nil {
		conn.Close()
		return nil, fmt.Errorf("writing the PROXY header: %w", err)
	}
	return conn, nil
}

// localHeader is the header of version 2 of the PROXY protocol for a connection that the proxy itself makes: the
// signature, version 2 and the command LOCAL, an unspecified family, no addresses.
func localHeader() []byte {
	return []byte("\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00")
}

// limited is a connection that fails after so many bytes were read.
type limited struct {
	net.Conn
	left int
}

var errTooMuch = errors.New("the target sends too much")

func (l *limited) Read(b []byte) (int, error) {
	if l.left <= 0 {
		return 0, errTooMuch
	}
	n, err := l.Conn.Read(b[:min(len(b), l.left)])
	l.left -= n
	return n, err
}

// insecure is how targets are spoken to in TLS: their certificates are not validated ("Health checks for target groups").
func insecure(alpn ...string) *tls.Config {
	return &tls.Config{InsecureSkipVerify: true, NextProtos: alpn} //nolint:gosec // as Elastic Load Balancing does
}

// request makes the request of a check, without a body.
func request(ctx context.Context, t Target, method string) (*http.Request, error) {
	u, err := parsePath(t)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnable, err)
	}
	r, err := http.NewRequestWithContext(ctx, method, u.String(), http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errUnable, err)
	}
	r.Host = t.host()
	r.Header.Set("User-Agent", userAgent)
	return r, nil
}
