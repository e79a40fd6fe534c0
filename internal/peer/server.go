package peer

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// The bounds of the server. There is none on a whole request: a log is followed, and a command runs, for hours.
const (
	headerTimeout = 10 * time.Second
	idleTimeout   = 2 * time.Minute
	endTimeout    = 2 * time.Second // for requests in hand, once they are told to end
	maxHeader     = 64 << 10
	tokenBytes    = 32
)

// Config says where an agent listens.
type Config struct {
	Address string // host:port; default 127.0.0.1 and a free port
	// Advertise is the host that others reach it by, where Address has none that they could: an IP address or a name.
	Advertise string
	// Listener is one that is there already, which the server takes in place of one at Address; nil: there is none.
	Listener net.Listener
	Log      *slog.Logger
}

// Server is the agent's end.
type Server struct {
	listener net.Listener
	tls      *tls.Config
	peer     model.Peer
	mux      *http.ServeMux
	log      *slog.Logger
	left     atomic.Bool
}

// Listen takes the address and makes the certificate and the token. Nothing is answered before Run.
func Listen(ctx context.Context, c Config) (*Server, error) {
	if c.Address == "" {
		c.Address = "127.0.0.1:0"
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	certificate, err := newCertificate(time.Now())
	if err != nil {
		return nil, err
	}
	listener := c.Listener
	if listener == nil {
		var config net.ListenConfig
		if listener, err = config.Listen(ctx, "tcp", c.Address); err != nil {
			return nil, fmt.Errorf("listen on %s for other roles of maitred: %w", c.Address, err)
		}
	}
	var token [tokenBytes]byte
	_, _ = rand.Read(token[:]) // never fails: it ends the program instead
	return &Server{
		listener: listener,
		tls: &tls.Config{
			MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{certificate}, NextProtos: []string{"http/1.1"},
		},
		peer: model.Peer{
			Address:     advertised(listener.Addr(), c.Advertise),
			Fingerprint: fingerprint(certificate.Certificate[0]),
			Token:       hex.EncodeToString(token[:]),
		},
		mux: http.NewServeMux(), log: c.Log,
	}, nil
}

// advertised is the address that others are told: that of the listener, unless it listens on all.
func advertised(at net.Addr, host string) string {
	tcp, ok := at.(*net.TCPAddr)
	if !ok || !tcp.IP.IsUnspecified() || host == "" {
		return at.String()
	}
	return net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}

func fingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:])
}

// Peer is what others need to know to reach the server.
func (s *Server) Peer() model.Peer { return s.peer }

// Handle answers the requests of a pattern (see http.ServeMux) for callers that have shown the token. The context of a
// request ends when the server's does, also that of a connection that was taken over.
func (s *Server) Handle(pattern string, handler http.Handler) { s.mux.Handle(pattern, handler) }

// Listener is where the server listens.
func (s *Server) Listener() net.Listener { return s.listener }

// Leave takes no more connections, and serves those that there are: somebody else listens at the address from now on.
func (s *Server) Leave() error {
	s.left.Store(true)
	if err := s.listener.Close(); err != nil {
		return fmt.Errorf("leave the direct line to others: %w", err)
	}
	return nil
}

// Close gives the address back. It is for a server that never ran.
func (s *Server) Close() error { return s.listener.Close() }

// Run answers until ctx ends, and returns when all requests have ended.
func (s *Server) Run(ctx context.Context) error {
	all := &connections{Listener: s.listener, open: map[*connection]struct{}{}}
	server := &http.Server{
		Handler: s.guard(all, s.mux), ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog:    slog.NewLogLogger(s.log.Handler(), slog.LevelDebug),
		BaseContext: func(net.Listener) context.Context { return ctx },
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(tls.NewListener(all, s.tls)) }()
	select {
	case err := <-done:
		if !s.left.Load() {
			all.end()
			return fmt.Errorf("serve other roles of maitred: %w", err)
		}
		<-ctx.Done()
		done <- http.ErrServerClosed
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	err := server.Shutdown(end)
	if errors.Is(err, context.DeadlineExceeded) {
		err = server.Close()
	}
	all.end()
	if failure := <-done; !errors.Is(failure, http.ErrServerClosed) && !s.left.Load() {
		err = errors.Join(err, failure)
	}
	return err
}

// guard lets those pass that show the token.
func (s *Server) guard(all *connections, next http.Handler) http.Handler {
	want := []byte(s.peer.Token)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || subtle.ConstantTimeCompare([]byte(token), want) != 1 {
			http.Error(w, "the token is not that of this agent", http.StatusUnauthorized)
			return
		}
		if !all.begin() {
			http.Error(w, "this agent ends", http.StatusServiceUnavailable)
			return
		}
		defer all.handlers.Done()
		next.ServeHTTP(w, r)
	})
}
