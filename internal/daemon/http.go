package daemon

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/why"
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
	mux.HandleFunc("GET "+whyPath, s.why)
	mux.HandleFunc("GET /{$}", s.status)
	mux.Handle("/", api)
	return s.guardHost(mux)
}

// guardHost refuses requests that a web page makes through a name of its own that leads here (DNS rebinding): on a
// loopback address the Host must be one too.
func (s *server) guardHost(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.Host)
		if err != nil {
			host = r.Host
		}
		origin := r.Header.Get("Origin")
		if !s.cfg.AnyAddress && (!loopback(trimBrackets(host)) || origin != "" && origin != "http://"+r.Host) {
			http.Error(w, "maitred answers to its own address only, not to "+r.Host, http.StatusForbidden)
			return
		}
		next.ServeHTTP(w, r)
	})
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

const whyPath = "/maitred/v1/why"

// why answers GET /maitred/v1/why?of=REF with a why.Story, or a refusal as {"code", "message"}.
func (s *server) why(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), outputTimeout)
	defer cancel()
	viewer := why.Viewer{
		View: s.store.View(), Now: now, Refuse: refuse, Output: s.output(ctx), OutputIn: s.outputIn,
		Connected: func(m *model.Machine) bool { return control.AgentConnected(m, now) },
	}
	story, err := viewer.Of(r.URL.Query().Get("of"))
	w.Header().Set("Content-Type", "application/json")
	if err != nil {
		w.WriteHeader(http.StatusNotFound)
		var refusal *model.Error
		if !errors.As(err, &refusal) {
			refusal = &model.Error{Code: "ServerException", Message: err.Error()}
		}
		s.write(w, map[string]string{"code": refusal.Code, "message": refusal.Message})
		return
	}
	s.write(w, story)
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

// Why asks a running server for the story of something.
func Why(ctx context.Context, endpoint, ref string) (why.Story, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+whyPath, http.NoBody)
	if err != nil {
		return why.Story{}, err
	}
	q := req.URL.Query()
	q.Set("of", ref)
	req.URL.RawQuery = q.Encode()
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		return why.Story{}, fmt.Errorf("no maitred answers at %s (is it running? `maitred up`, or --endpoint): %w", endpoint, err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		var refusal struct{ Message string }
		if err := json.NewDecoder(answer.Body).Decode(&refusal); err != nil || refusal.Message == "" {
			return why.Story{}, fmt.Errorf("%s answered %s", endpoint, answer.Status)
		}
		return why.Story{}, errors.New(refusal.Message)
	}
	var story why.Story
	if err := json.NewDecoder(answer.Body).Decode(&story); err != nil {
		return why.Story{}, fmt.Errorf("read the answer of %s: %w", endpoint, err)
	}
	return story, nil
}
