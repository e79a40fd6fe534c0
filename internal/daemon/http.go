package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// The bounds of the API's HTTP server.
const (
	headerTimeout  = 10 * time.Second
	requestTimeout = time.Minute // until all of it has arrived
	idleTimeout    = 2 * time.Minute
	shutdownGrace  = 2 * time.Second
	maxHeader      = 64 << 10
)

// handler is everything that is served on the API's address.
func (s *server) handler(api http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", s.healthz)
	if s.cfg.MetricsListen != MetricsOff {
		mux.HandleFunc("GET "+metricsPath, s.serveMetrics)
	}
	mux.HandleFunc("GET "+whyPath, s.why)
	mux.HandleFunc("POST "+whatIfPath, s.whatIf)
	mux.HandleFunc("GET "+topPath, s.top)
	mux.HandleFunc("GET "+logsPath, s.serveLogs)
	mux.HandleFunc("GET "+execPath, s.exec)
	mux.HandleFunc("GET "+copyPath, s.copy)
	s.secretRoutes(mux)
	mux.Handle("GET /{$}", statusOr(api, http.HandlerFunc(s.status)))
	mux.Handle("/", api)
	return s.guardHost(mux, s.cfg.AnyAddress)
}

// guardHost refuses requests that a web page makes through a name of its own that leads here (DNS rebinding): on a
// loopback address the Host must be one too, unless any address is to be served.
func (s *server) guardHost(next http.Handler, anyAddress bool) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		origin := r.Header.Get("Origin")
		if !anyAddress && (!loopback(trimBrackets(host)) || origin != "" && origin != "http://"+r.Host) {
			s.refused(w, http.StatusForbidden, &model.Error{
				Code: "AccessDeniedException", Message: "maitred answers to its own address only, not to " + r.Host,
			})
			return
		}
		next.ServeHTTP(w, r)
	})
}

// statusOr sends what an AWS client has signed to the API, and everybody else, who has a browser, to the status page.
func statusOr(api, status http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if signed(r) {
			api.ServeHTTP(w, r)
			return
		}
		status.ServeHTTP(w, r)
	})
}

// signed says whether a request carries an AWS signature, in a header or, presigned, in the query ("AWS Signature
// Version 4 for API requests").
func signed(r *http.Request) bool {
	if strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-") {
		return true
	}
	for name := range r.URL.Query() {
		if strings.HasPrefix(name, "X-Amz-") {
			return true
		}
	}
	return false
}

func trimBrackets(host string) string {
	if n := len(host); n > 2 && host[0] == '[' && host[n-1] == ']' {
		return host[1 : n-1]
	}
	return host
}

// healthTimeout is how long the store may take to say that it is well.
const healthTimeout = time.Second

// healthz answers 200 while writes are served.
func (s *server) healthz(w http.ResponseWriter, r *http.Request) {
	if !s.serving.Load() {
		http.Error(w, "starting", http.StatusServiceUnavailable)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), healthTimeout)
	defer cancel()
	status, err := s.backend.Status(ctx)
	if err = errors.Join(err, s.store.Err()); err == nil && status.NoSpace {
		err = store.ErrNoSpace
	}
	if err != nil {
		http.Error(w, "the store does not serve: "+err.Error(), http.StatusServiceUnavailable)
		return
	}
	_, _ = fmt.Fprintln(w, "ok")
}

// told answers with v, or, if there is an error, with a refusal that has the status.
func (s *server) told(w http.ResponseWriter, v any, err error, status int) {
	if err != nil {
		var refusal *model.Error
		if !errors.As(err, &refusal) {
			refusal = &model.Error{Code: "ServerException", Message: err.Error()}
		}
		s.refused(w, status, refusal)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	s.write(w, v)
}

// refused answers {"code", "message"}.
func (s *server) refused(w http.ResponseWriter, status int, refusal *model.Error) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	s.write(w, map[string]string{"code": refusal.Code, "message": refusal.Message})
}

func (s *server) write(w http.ResponseWriter, v any) {
	if err := json.NewEncoder(w).Encode(v); err != nil {
		s.cfg.Log.Debug("an answer could not be written", "error", err)
	}
}

// serve answers requests until ctx ends, and then lets those in hand finish.
func serve(ctx context.Context, listener net.Listener, handler http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, IdleTimeout: idleTimeout,
		MaxHeaderBytes: maxHeader,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	done := make(chan error, 1)
	go func() { done <- srv.Serve(listener) }()
	select {
	case err := <-done:
		return fmt.Errorf("serve the API: %w", err)
	case <-ctx.Done():
	}
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	err := srv.Shutdown(end)
	if errors.Is(err, context.DeadlineExceeded) {
		err = srv.Close()
	}
	if failure := <-done; !errors.Is(failure, http.ErrServerClosed) {
		err = errors.Join(err, failure)
	}
	return err
}
