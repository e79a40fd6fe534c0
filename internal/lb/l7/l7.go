// Package l7 serves the HTTP and HTTPS listeners of Application Load Balancers: it takes requests from clients, finds the
// rule of each, and sends it to a target of the rule's group, both ways as a stream.
//
// A connection comes in (Server.Serve), is told apart by its first bytes or by TLS (conn.go): HTTP/1.1 is read by a loop
// of our own (h1*.go) whose heads are judged by package desync before anything else looks at them, HTTP/2 by net/http
// (h2.go). Both make a request and a client of it; an exchange (exchange.go) takes these two to the end: rule and action
// (decide.go), target (pick.go, target.go), the way there and back (forward.go, respond.go, upgrade.go). Targets of HTTP/1.1
// are spoken to on connections of our own (pool.go, send*.go), those of HTTP/2 and gRPC through net/http. Whatever the load
// balancer answers itself is made in pages.go. An exchange ends in one line of the access log and one Sample. Plain requests
// of HTTP/1.1 take a shorter way with the same result (express*.go).
//
// Nothing is kept of the route table but for the length of a request, and what is remembered of targets (connections,
// whose turn it is, who fails) moves from table to table by their paths.
//
// What a hostile client or target can make this process hold is bounded: the head of a request 64 KiB and 1,000 fields (of
// HTTP/2, until it is refused, twice that), that of a response 32 KiB, a body one buffer in each direction; what moves
// nothing for the idle timeout is cut.
package l7

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/accesslog"
	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/lb/park"
)

// Config is what a server is made of.
type Config struct {
	ARN   string                // of the listener
	Table func() *routing.Table // the present one; called for each request
	// Flights counts what is in flight to each target.
	Flights *flight.Targets
	// Certificate chooses the certificate for a connection; nil for listeners of HTTP.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// CertificateARN names a certificate for access logs; nil: they say "-".
	CertificateARN func(*tls.Certificate) string
	AccessLog      AccessLog
	// Admit says whether a client may connect; nil: everybody may.
	Admit func(client, to net.Addr) bool
	// Challenge gives what an ACME server is to be told that asks a host for a token; nil: nothing is ever proven.
	Challenge func(host, token string) (answer string, ok bool)
	// Prove gives how TLS is negotiated with an ACME server that looks for a proof, nil for all other clients; the connection
	// is closed when it is negotiated. nil: nothing is ever proven.
	Prove func(*tls.ClientHelloInfo) (*tls.Config, error)
	// Refused is told that a target (given by its path) refused a connection: nobody needs to wait for a health check.
	Refused func(path string)
	// Observe is told of every finished request. It must not block.
	Observe func(Sample)
	// Secret seals cookies: at least 16 bytes, the same at all balancers.
	Secret []byte
	Now    func() time.Time
	Random func() uint64
	Log    *slog.Logger
	// Parked is where requests wait for the tasks of services that are woken by them; nil: they do not wait.
	Parked *park.Lot
	// Dial connects to a target; nil: TCP.
	Dial func(ctx context.Context, address string) (net.Conn, error)
	// Linger is how long Shutdown lets idle clients send one more request, whose answer tells them to go; zero: 5 s.
	Linger time.Duration
}

// AccessLog takes the entry of each finished request. Log must not block and must not keep the entry; it says whether
// the entry was taken. *accesslog.File is one.
type AccessLog interface {
	Log(e *accesslog.Entry) bool
}

// Sample is what one finished request tells metrics.
type Sample struct {
	Listener, LoadBalancer string // ARNs
	Rule                   string // ARN, "" for the default rule or none
	Priority               int    // of the rule, -1 if none was looked for
	Group                  string // ARN, "" if none was chosen
	Target                 string // path of the target that answered or was tried last, "" for none
	Type                   string // http https h2 grpcs ws wss
	Action                 string // forward, redirect, fixed-response, or "" for a request that was refused before
	Code                   int    // what the client got, 460 if it did not wait for it
	TargetCode             int    // what the target answered, 0 for nothing
	// Generated says that the code is the load balancer's own (HTTPCode_ELB), not the target's.
	Generated bool
	Start     time.Time
	Duration  time.Duration // from the first byte of the request to the last one of the response
	Target1st time.Duration // until the target began to answer (TargetResponseTime), -1 if it did not
	Received  int64         // bytes from the client, heads included
	Sent      int64         // bytes to the client, heads included
	Retries   int           // targets that refused before this one
	Refusals  int           // connections to targets that failed (TargetConnectionErrorCount)
	Insecure  int           // connections to targets of which TLS failed (TargetTLSNegotiationErrorCount)
	FailOpen  bool          // the target was chosen though it is not healthy
	NonSticky bool          // a target was chosen though the group is sticky: the client's cookies named none
	Rules     int           // rules with conditions that the request was compared with (RuleEvaluations)
	Dropped   int           // header fields of the client that were not passed on
	Invalid   bool          // some were passed on whose names are not valid (ForwardedInvalidHeaderRequestCount)
	Class     string        // Compliant, Acceptable, Ambiguous, Severe
}

// The fixed limits of Application Load Balancers ("Quotas", "HTTP headers limits", "Connection idle timeout").
const (
	maxLine       = 16 << 10 // request line, and one header field
	maxHead       = 64 << 10 // all of a request's head
	maxAnswer     = 32 << 10 // the head of a response
	dialTimeout   = 10 * time.Second
	tlsTimeout    = 10 * time.Second
	maxStreams    = 128   // of HTTP/2 at a time
	maxOnHTTP2    = 10000 // requests on one connection, before GOAWAY
	maxAttempts   = 3     // targets that a request is sent to, at most
	defaultLinger = 5 * time.Second
	copyBuffer    = 32 << 10
)
