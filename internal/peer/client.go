package peer

import (
	"context"
	"crypto/subtle"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// The bounds of a call.
const (
	dialTimeout     = 5 * time.Second
	responseTimeout = 30 * time.Second // until the head of the answer is there
	keepIdle        = time.Minute
)

// ErrNoPeer says that a machine's agent cannot be reached directly: it is away, or too old.
var ErrNoPeer = errors.New("its agent cannot be reached directly")

// ErrStranger says that somebody else listens where an agent was: it has another certificate.
var ErrStranger = errors.New("it has another certificate than the agent published")

// Caller calls agents. It is an http.RoundTripper for URLs whose host is a machine's id, as https://ID/v1/exec; each
// call looks the machine's record up, and one that met an agent that has been restarted meanwhile looks it up again.
type Caller struct {
	find func(machine string) *model.Peer

	mu    sync.Mutex
	lines map[string]*line // by machine
}

// line is the way to one start of an agent.
type line struct {
	peer      model.Peer
	transport *http.Transport
}

// NewCaller makes a caller; find gives what a machine's record says now, nil if there is none.
func NewCaller(find func(machine string) *model.Peer) *Caller {
	return &Caller{find: find, lines: map[string]*line{}}
}

// Client makes an http.Client that calls agents. Nothing limits how long an answer takes; the request's context does.
func (c *Caller) Client() *http.Client {
	return &http.Client{
		Transport:     c,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Close ends the connections that nobody uses.
func (c *Caller) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, l := range c.lines {
		l.transport.CloseIdleConnections()
	}
	clear(c.lines)
}

// RoundTrip implements http.RoundTripper. The error wraps ErrNoPeer or ErrStranger where they say why.
func (c *Caller) RoundTrip(r *http.Request) (*http.Response, error) {
	machine := r.URL.Hostname()
	l := c.line(machine)
	if l == nil {
		closeBody(r)
		return nil, fmt.Errorf("machine %s: %w", machine, ErrNoPeer)
	}
	answer, err := l.send(r)
	if err == nil && answer.StatusCode != http.StatusUnauthorized {
		return answer, nil
	}
	if again := c.line(machine); again != nil && again != l && (r.Body == nil || r.Body == http.NoBody) {
		if err == nil {
			_ = answer.Body.Close()
		}
		answer, err = again.send(r)
	}
	if err != nil {
		return nil, fmt.Errorf("machine %s, at %s: %w", machine, l.peer.Address, err)
	}
	return answer, nil
}

// line is the present way to a machine, nil if there is none.
func (c *Caller) line(machine string) *line {
	found := c.find(machine)
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.lines[machine]
	if was != nil && found != nil && was.peer == *found {
		return was
	}
	if was != nil {
		was.transport.CloseIdleConnections()
		delete(c.lines, machine)
	}
	if found == nil {
		return nil
	}
	l := &line{peer: *found, transport: newTransport(*found)}
	c.lines[machine] = l
	return l
}

func (l *line) send(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.URL.Scheme, r.URL.Host = "https", l.peer.Address
	r.Host = l.peer.Address
	r.Header.Set("Authorization", "Bearer "+l.peer.Token)
	return l.transport.RoundTrip(r)
}

func closeBody(r *http.Request) {
	if r.Body != nil {
		_ = r.Body.Close()
	}
}

// newTransport connects to one agent alone. It speaks HTTP/1.1, whose connections can be taken over.
func newTransport(p model.Peer) *http.Transport {
	dialer := &net.Dialer{Timeout: dialTimeout}
	config := &tls.Config{
		MinVersion:         tls.VersionTLS13,
		NextProtos:         []string{"http/1.1"},
		InsecureSkipVerify: true, //nolint:gosec // no authority signs it: VerifyConnection knows it by its fingerprint
		VerifyConnection:   func(state tls.ConnectionState) error { return verify(state, p.Fingerprint) },
	}
	return &http.Transport{
		DialContext:     dialer.DialContext,
		TLSClientConfig: config, TLSHandshakeTimeout: dialTimeout, ResponseHeaderTimeout: responseTimeout,
		IdleConnTimeout: keepIdle, MaxIdleConnsPerHost: 8, DisableCompression: true,
	}
}

// verify lets the agent's certificate pass alone.
func verify(state tls.ConnectionState, want string) error {
	if len(state.PeerCertificates) == 0 {
		return ErrStranger
	}
	got := fingerprint(state.PeerCertificates[0].Raw)
	if subtle.ConstantTimeCompare([]byte(got), []byte(want)) != 1 {
		return ErrStranger
	}
	return nil
}

// Reachable says whether a machine's agent answers; the error says why not.
func (c *Caller) Reachable(ctx context.Context, machine string) error {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+machine+"/", http.NoBody)
	if err != nil {
		return err
	}
	answer, err := c.RoundTrip(r)
	if err != nil {
		return err
	}
	return answer.Body.Close()
}
