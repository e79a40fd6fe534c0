package l7

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/cookie"
)

// Server serves one listener.
type Server struct {
	config Config
	sealer *cookie.Sealer
	groups groups
	budget budget
	ended  sync.Pool // *h1 of connections that have ended

	ctx     context.Context // of everything that the server does; ended when it is over
	stop    context.CancelFunc
	work    sync.WaitGroup // what ends with ctx
	serving sync.WaitGroup // connections

	draining  chan struct{} // closed by Shutdown
	drainOnce sync.Once

	mu        sync.Mutex
	listeners map[net.Listener]struct{}
	conns     map[*conn]struct{}
	h2        map[time.Duration]*h2server // by idle timeout
	over      bool

	profiled atomic.Pointer[profile]
	dated    atomic.Pointer[dated]

	opened, handshakes atomic.Int64
	failedHandshakes   atomic.Int64
}

// New makes the server of a listener. Serve has to be called with its sockets.
func New(config Config) (*Server, error) {
	sealer, err := cookie.NewSealer(config.Secret)
	if err != nil {
		return nil, fmt.Errorf("listener %s: %w", config.ARN, err)
	}
	if config.Linger == 0 {
		config.Linger = defaultLinger
	}
	s := &Server{
		config: config, sealer: sealer, draining: make(chan struct{}),
		listeners: map[net.Listener]struct{}{}, conns: map[*conn]struct{}{}, h2: map[time.Duration]*h2server{},
	}
	s.budget.tokens.Store(budgetMax)
	s.groups.server = s
	s.ctx, s.stop = context.WithCancel(context.Background())
	return s, nil
}

// Connections are what metrics count of a server's connections.
type Connections struct {
	Opened, Active   int64
	Handshakes       int64 // of TLS that succeeded
	FailedHandshakes int64 // ClientTLSNegotiationErrorCount
}

// Connections counts the connections of clients since the start.
func (s *Server) Connections() Connections {
	s.mu.Lock()
	active := int64(len(s.conns))
	s.mu.Unlock()
	return Connections{s.opened.Load(), active, s.handshakes.Load(), s.failedHandshakes.Load()}
}

// Serve takes connections until Shutdown is called (then it gives nil), the listener fails or ctx ends, which cuts all of
// the server's connections. It may be called for several sockets.
func (s *Server) Serve(ctx context.Context, l net.Listener) error {
	if !s.enter(l) {
		return errors.Join(errors.New("the server was shut down"), l.Close())
	}
	defer s.leave(l)
	unhook := context.AfterFunc(ctx, s.cut)
	defer unhook()
	for wait := time.Duration(0); ; {
		c, err := l.Accept()
		switch {
		case err == nil:
			wait = 0
			s.accept(c)
		case s.isDraining() || ctx.Err() != nil:
			return ctx.Err()
		case !temporary(err):
			return fmt.Errorf("accept connections: %w", err)
		default: // no file descriptors are left: some will be
			wait = min(max(2*wait, 5*time.Millisecond), time.Second)
			select {
			case <-time.After(wait):
			case <-s.ctx.Done():
			}
		}
	}
}

func temporary(err error) bool {
	var t interface{ Temporary() bool }
	return errors.As(err, &t) && t.Temporary()
}

func (s *Server) enter(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.over || s.isDraining() {
		return false
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) leave(l net.Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	_ = l.Close()
}

func (s *Server) accept(raw net.Conn) {
	if s.config.Admit != nil && !s.config.Admit(raw.RemoteAddr(), raw.LocalAddr()) {
		if tcp, ok := raw.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // it sees a reset, and we keep nothing of it
		}
		_ = raw.Close()
		return
	}
	c := newConn(s, raw)
	s.mu.Lock()
	if s.over {
		s.mu.Unlock()
		_ = raw.Close()
		return
	}
	s.conns[c] = struct{}{}
	s.serving.Add(1)
	s.mu.Unlock()
	s.opened.Add(1)
	go func() {
		defer s.serving.Done()
		c.serve()
	}()
}

// forget is called when a connection is closed.
func (s *Server) forget(c *conn) {
	s.mu.Lock()
	delete(s.conns, c)
	s.mu.Unlock()
}

func (s *Server) isDraining() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// Shutdown stops taking connections and lets requests end: answers say Connection: close or GOAWAY, idle clients have
// Config.Linger for one more request. It returns when no connection is left, or when ctx ends: then the rest is cut, and
// ctx's error is given.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.drainOnce.Do(func() { close(s.draining) })
	for l := range s.listeners {
		_ = l.Close()
	}
	servers := make([]*h2server, 0, len(s.h2))
	for _, h := range s.h2 {
		servers = append(servers, h)
	}
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	for _, c := range conns {
		c.hurry()
	}
	for _, h := range servers {
		go h.shutdown(ctx) // ends with the last of its connections, which are waited for below
	}
	done := make(chan struct{})
	go func() { s.serving.Wait(); close(done) }()
	var err error
	select {
	case <-done:
	case <-ctx.Done():
		err = ctx.Err()
	}
	s.cut()
	<-done
	s.work.Wait()
	return err
}

// cut ends everything at once.
func (s *Server) cut() {
	s.mu.Lock()
	s.over = true
	s.drainOnce.Do(func() { close(s.draining) })
	for l := range s.listeners {
		_ = l.Close()
	}
	conns := make([]*conn, 0, len(s.conns))
	for c := range s.conns {
		conns = append(conns, c)
	}
	s.mu.Unlock()
	s.stop()
	for _, c := range conns {
		_ = c.raw.Close()
	}
	s.groups.close()
}

func (s *Server) now() time.Time { return s.config.Now() }

// dated is what a Date field says in one second.
type dated struct {
	second int64
	text   string
}

// date is a time as Date fields have it. It is written once a second.
func (s *Server) date(now time.Time) string {
	second := now.Unix()
	if d := s.dated.Load(); d != nil && d.second == second {
		return d.text
	}
	d := &dated{second, now.UTC().Format(http.TimeFormat)}
	s.dated.Store(d)
	return d.text
}

// listener gives the listener of the present table, nil if it is not in it (any more).
func (s *Server) listener() (*routing.Table, *routing.Listener) {
	t := s.config.Table()
	if t == nil {
		return nil, nil
	}
	return t, t.Listeners[s.config.ARN]
}

// budget bounds retries: a request adds a fifth of a retry, up to budgetMax. When most targets are gone, a few retries are
// of use and many are a storm.
type budget struct{ tokens atomic.Int64 }

const (
	budgetMax = 500 // fifths: 100 retries
	retryCost = 5
)

func (b *budget) deposit() {
	if b.tokens.Load() < budgetMax {
		b.tokens.Add(1)
	}
}

func (b *budget) withdraw() bool {
	if b.tokens.Add(-retryCost) >= 0 {
		return true
	}
	b.tokens.Add(retryCost)
	return false
}

var errCut = fmt.Errorf("the load balancer ends: %w", http.ErrServerClosed)
