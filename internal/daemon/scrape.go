package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/meter/exposition"
	"github.com/maitred/maitred/internal/meter/own"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/scaler"
)

const metricsPath = "/metrics"

// MetricsOff is the value of Config.MetricsListen that has nothing served to Prometheus.
const MetricsOff = "off"

// startOwn begins to count what this process does.
func (s *server) startOwn() error {
	if s.cfg.Server && len(s.cfg.EtcdEndpoints) == 0 {
		s.own.Embed(prometheus.DefaultGatherer) // where etcd's server puts what it counts
	}
	return s.own.Add(own.StoreOf(s.storeNow))
}

// storeNow is the store as this process sees it.
func (s *server) storeNow(ctx context.Context) own.Store {
	view := s.store.View()
	state := own.Store{Records: map[string]int{}}
	for _, kind := range model.Kinds() {
		if n := view.Count(kind); n > 0 {
			state.Records[string(kind)] = n
		}
	}
	began := time.Now()
	status, err := s.backend.Status(ctx)
	if err != nil {
		return state
	}
	state.Up, state.Size, state.InUse, state.Quota = true, status.Size, status.InUse, status.Quota
	err = s.store.WaitFor(ctx, status.Rev)
	state.Lag, state.Following = time.Since(began), err == nil && s.store.Err() == nil
	return state
}

// keptNow is how the store of metrics is doing.
func keptNow(c keep.Counts) own.Kept {
	return own.Kept{
		Series: c.Series, Bytes: c.Bytes, Journal: c.Journal, Damaged: c.Damaged,
		Dropped: map[string]uint64{
			"too_many_series": c.OverSeries, "out_of_time": c.OutOfTime, "invalid": c.Invalid, "out_of_memory": c.OverMemory, "closed": c.AfterClose,
		},
	}
}

// answered counts a request to the API.
func (s *server) answered(d wire.Done) { s.own.API(d.Service, d.Operation, d.Code, d.Took) }

// scheduled counts a turn of the scheduler.
func (s *server) scheduled(t engine.Turned) {
	s.own.Turn("scheduler", t.Took)
	s.own.Decisions("scheduler", "written", t.Written)
	s.own.Decisions("scheduler", "refused", t.Refused)
}

// scaled counts a turn of the scaler.
func (s *server) scaled(t scaler.Turned) {
	s.own.Turn("scaler", t.Took)
	s.own.Decisions("scaler", "alarm_transition", t.Transitions)
	s.own.Decisions("scaler", "scaled", t.Scaled)
}

// serveMetrics answers GET /metrics for Prometheus: what all roles of this process measure, and what it does itself.
func (s *server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", exposition.ContentType)
	if err := s.expose(w); err != nil {
		s.cfg.Log.Debug("metrics could not be written", "error", err)
	}
}

func (s *server) expose(to io.Writer) error {
	var families []exposition.Family
	if s.meter != nil {
		families = s.meter.Families()
	}
	families = append(families, s.local.Families()...)
	return errors.Join(exposition.Write(to, families), s.own.Write(to))
}

// The default addresses of /metrics of roles that have no API.
const (
	agentMetrics    = "127.0.0.1:6250"
	balancerMetrics = "127.0.0.1:6251"
)

// metricsAddress is where /metrics is served beside the API, "" for nowhere.
func (c Config) metricsAddress() string {
	switch {
	case c.MetricsListen == MetricsOff:
		return ""
	case c.MetricsListen != "":
		return c.MetricsListen
	case c.Server:
		return "" // the API's address does
	case c.Agent:
		return agentMetrics
	}
	return balancerMetrics
}

// startScrapes serves /metrics at an address of its own, and gives its URL. If another process has the address, it is taken
// when that one has let go of it: a balancer does when its last requests have ended. An address that this machine does not
// have is an error.
func (s *server) startScrapes(ctx context.Context, roles *roles) (url string, err error) {
	address := s.cfg.metricsAddress()
	if address == "" {
		return "", nil
	}
	listener, err := listenTCP(ctx, address)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		s.cfg.Log.Warn("the address for Prometheus is taken; it is served there when it is free (--metrics-listen names another one)", "address", address)
	case err != nil:
		return "", fmt.Errorf("listen on %s for Prometheus (--metrics-listen names another address, or off): %w", address, err)
	default:
		url = "http://" + listener.Addr().String() + metricsPath
	}
	roles.run(ctx, "metrics for Prometheus", func(ctx context.Context) error { return s.scrapes(ctx, address, listener) })
	return url, nil
}

func listenTCP(ctx context.Context, address string) (net.Listener, error) {
	var config net.ListenConfig
	return config.Listen(ctx, "tcp", address)
}

// retryListen is how often an address that was taken is tried again.
const retryListen = 2 * time.Second

// scrapes waits for the address, if another process has it, and serves it.
func (s *server) scrapes(ctx context.Context, address string, listener net.Listener) error {
	for listener == nil {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(retryListen):
		}
		var err error
		if listener, err = listenTCP(ctx, address); err != nil && ctx.Err() == nil && !errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("listen on %s for Prometheus: %w", address, err)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET "+metricsPath, s.serveMetrics)
	host, _, _ := net.SplitHostPort(address) // it was listened on
	return serve(ctx, listener, s.guardHost(mux, !loopback(host)), s.cfg.Log)
}
