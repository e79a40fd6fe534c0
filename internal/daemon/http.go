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

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/scaler"
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

const whyPath = "/maitred/v1/why"

// why answers GET /maitred/v1/why?of=REF with a why.Story, or a refusal as {"code", "message"}.
func (s *server) why(w http.ResponseWriter, r *http.Request) {
	now := time.Now()
	ctx, cancel := context.WithTimeout(r.Context(), outputTimeout)
	defer cancel()
	viewer := why.Viewer{
		View: s.store.View(), Now: now, Timings: s.timings, Refuse: refuse, Output: s.output(ctx), OutputIn: s.outputIn,
		Connected: func(m *model.Machine) bool { return control.AgentConnected(m, now) },
		Points:    func(a *model.Alarm) []float64 { return measured[[]float64](s)(scaler.Recent(s.metrics, a, now)) },
		Targets:   func(a *model.Alarm) float64 { return measured[float64](s)(scaler.RecentTargets(s.metrics, a, now)) },
		Seconds: func(p *model.ScalingPolicy, svc *model.Service, running int) scaling.Series {
			return measured[scaling.Series](s)(scaler.Seconds(s.metrics, p, svc, running, now))
		},
	}
	story, err := viewer.Of(r.URL.Query().Get("of"))
	if err != nil {
		var refusal *model.Error
		if !errors.As(err, &refusal) {
			refusal = &model.Error{Code: "ServerException", Message: err.Error()}
		}
		s.refused(w, http.StatusNotFound, refusal)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	s.write(w, story)
}

// measured gives what was measured, nothing where it cannot be read: a story is told without it.
func measured[V any](s *server) func(V, error) V {
	return func(v V, err error) V {
		if err != nil {
			s.cfg.Log.Debug("measurements for a story could not be read", "error", err)
		}
		return v
	}
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
	return readStory(endpoint, answer)
}

// readStory reads the answer to Why. What is neither a story nor a refusal comes from something else.
func readStory(endpoint string, answer *http.Response) (why.Story, error) {
	var body struct {
		why.Story
		Code, Message string
	}
	err := json.NewDecoder(answer.Body).Decode(&body)
	switch {
	case err == nil && answer.StatusCode == http.StatusOK && body.Subject != "":
		return body.Story, nil
	case err == nil && answer.StatusCode != http.StatusOK && body.Code != "" && body.Message != "":
		return why.Story{}, errors.New(body.Message)
	}
	return why.Story{}, fmt.Errorf("%s is not maitred (it answered %s); --endpoint says where to ask", endpoint, answer.Status)
}
