// Package l4 is the data plane of Network Load Balancers: it takes connections of TCP and TLS and datagrams of UDP for one
// listener and passes them on to targets ("Listeners for your Network Load Balancers").
//
// A connection is accepted, gets a target out of the newest route table, and keeps it for life. Bytes are moved by the
// kernel (splice) where there are many of them; a connection that waits holds neither a buffer nor a pipe. Datagrams
// belong to flows, which are remembered for as long as something moves.
//
// Guarantees: nothing is sent to a target that was not asked for by flight.Begin; what is in flight when a target is
// deregistered goes on, until the delay is over if the group says so; what is cut is cut by a reset, so that nobody takes
// it for a proper end; the number of connections and flows is bounded.
//
// The client's address is told to targets by the PROXY protocol alone: a proxy in user space cannot send from addresses
// that are not its own, so preserve_client_ip.enabled changes nothing here.
package l4

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/lb/park"
)

// Config is what a Server is made of. ARN, Table, Flights and Random are needed; Certificate by TLS listeners.
type Config struct {
	// ARN is the listener's; a table that does not have it resets all new connections.
	ARN string
	// Table is the newest route table, nil before there is one.
	Table func() *routing.Table
	// Flights count what is in flight to each target.
	Flights *flight.Targets
	// Certificate chooses the certificate of a TLS listener.
	Certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	// Prove gives how TLS is negotiated with an ACME server that looks for a proof, nil for all other clients; the connection
	// is closed when it is negotiated. nil: nothing is ever proven.
	Prove func(*tls.ClientHelloInfo) (*tls.Config, error)
	// Refused is told of a target (by its path) that could not be connected to. It must not block.
	Refused func(path string)
	// Observe is told of flows as they begin, go on and end. It must not block.
	Observe func(Sample)
	// Parked is where connections wait for the tasks of services that are woken by them; nil: they do not wait.
	Parked *park.Lot
	// Admit says whether a client may connect, or begin a flow; nil: everybody may.
	Admit  func(client, to net.Addr) bool
	Now    func() time.Time
	Random func() uint64
	Log    *slog.Logger
	// MaxConns and MaxFlows bound the connections of TCP and the flows of UDP. Default 65,536 and 16,384: a flow takes a
	// file descriptor, a connection two.
	MaxConns, MaxFlows int
	// ConnectTimeout bounds the time until a connection has its target, all attempts together. Default 10 s.
	ConnectTimeout time.Duration
}

const (
	defaultConns   = 65536
	defaultFlows   = 16384
	defaultConnect = 10 * time.Second
	// handshakeTimeout bounds the negotiation of TLS with a client, and with a target.
	handshakeTimeout = 10 * time.Second
)

func (c Config) withDefaults() Config {
	if c.Refused == nil {
		c.Refused = func(string) {}
	}
	if c.Observe == nil {
		c.Observe = func(Sample) {}
	}
	if c.Admit == nil {
		c.Admit = func(net.Addr, net.Addr) bool { return true }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.MaxConns <= 0 {
		c.MaxConns = defaultConns
	}
	if c.MaxFlows <= 0 {
		c.MaxFlows = defaultFlows
	}
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = defaultConnect
	}
	return c
}

// Server serves one listener. Whoever makes one ends it by Shutdown.
type Server struct {
	cfg      Config
	life     context.Context // ends when everything is cut; not a request's, so it is kept
	end      context.CancelFunc
	flying   passages
	tls      atomic.Pointer[tlsListener]
	running  sync.WaitGroup // connections, and each Serve
	chunks   chunks
	mu       sync.Mutex
	closing  bool
	stops    map[int]func() // what ends each Serve that runs
	nextStop int
	conns    map[*conn]struct{}
}

// New makes a server; it begins to serve with ServeTCP and ServeUDP.
func New(cfg Config) *Server {
	life, end := context.WithCancel(context.Background())
	s := &Server{cfg: cfg.withDefaults(), life: life, end: end, stops: map[int]func(){}, conns: map[*conn]struct{}{}}
	s.flying.server = s
	s.flying.ways = map[string]*way{}
	return s
}

// serving notes how a Serve is stopped; done says that it has ended. It says false once Shutdown was called.
func (s *Server) serving(stop func()) (done func(), ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return nil, false
	}
	id := s.nextStop
	s.nextStop++
	s.stops[id] = stop
	s.running.Add(1)
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.stops, id)
		s.running.Done()
	}, true
}

// ServeTCP accepts connections until ctx ends, Shutdown is called (both: nil) or the listener fails, and closes the
// listener. Connections live on until they end, or until Shutdown cuts them. It may be called for several listeners. They
// should have keep-alive probes off: idle connections are found without them.
func (s *Server) ServeTCP(ctx context.Context, l net.Listener) error {
	closeListener := sync.OnceFunc(func() { _ = l.Close() })
	defer closeListener()
	done, ok := s.serving(closeListener)
	if !ok {
		return nil
	}
	defer done()
	defer context.AfterFunc(ctx, closeListener)()
	for wait := time.Duration(0); ; {
		c, err := l.Accept()
		switch {
		case err == nil:
			wait = 0
			s.begin(c)
		case errors.Is(err, net.ErrClosed):
			return nil
		case !passing(err):
			return fmt.Errorf("accept connections of %s: %w", s.cfg.ARN, err)
		default:
			wait = min(max(2*wait, acceptPauseShortest), acceptPauseLongest)
			s.cfg.Log.Warn("a connection could not be accepted", "listener", s.cfg.ARN, "error", err)
			if !s.pause(ctx, wait) {
				return nil
			}
		}
	}
}

// The pauses after failures to accept, which would otherwise follow each other at once.
const (
	acceptPauseShortest = 5 * time.Millisecond
	acceptPauseLongest  = time.Second
)

// passing says that accepting may succeed later: something has run out, or that one client has gone.
func passing(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.ENOBUFS, syscall.ECONNABORTED, syscall.EPROTO} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func (s *Server) pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	case <-s.life.Done():
		return false
	}
}

// begin takes a connection, or resets it where there are too many, or its client may not connect.
func (s *Server) begin(raw net.Conn) {
	c := &conn{server: s, raw: raw, began: s.cfg.Now()}
	admitted := s.cfg.Admit(raw.RemoteAddr(), raw.LocalAddr())
	s.mu.Lock()
	full := s.closing || !admitted || len(s.conns) >= s.cfg.MaxConns
	if !full {
		s.conns[c] = struct{}{}
		s.running.Add(1)
	}
	s.mu.Unlock()
	if full {
		reset(raw)
		end := EndRejected
		if !admitted {
			end = EndBlocked
		}
		s.cfg.Observe(Sample{Listener: s.cfg.ARN, Protocol: "TCP", Client: addrOf(raw.RemoteAddr()), At: s.cfg.Now(), End: end})
		return
	}
	go func() {
		defer s.running.Done()
		c.serve()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
}

// Conns is how many connections there are.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Apply looks at a new table, which Table gives already: connections and flows to targets that have become unhealthy are
// cut where their group says so. What it costs grows with the groups that have changed.
func (s *Server) Apply(t *routing.Table) { s.flying.apply(t) }

// Shutdown stops all that serves and waits for connections and flows to end, until ctx ends: what is left then is cut.
// Flows of UDP have a moment to get the answers that are on their way.
func (s *Server) Shutdown(ctx context.Context) {
	s.mu.Lock()
	s.closing = true
	for _, stop := range s.stops {
		stop()
	}
	s.mu.Unlock()
	idle := make(chan struct{})
	go func() { // ends with what it waits for, which is cut below
		s.running.Wait()
		close(idle)
	}()
	select {
	case <-idle:
	case <-ctx.Done():
		s.cutAll()
	}
	s.end()
	<-idle
	s.flying.wait()
}

func (s *Server) cutAll() {
	s.end()
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.cut(EndShutdown)
	}
}
