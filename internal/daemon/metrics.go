package daemon

import (
	"context"
	"encoding/hex"
	"net/http"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/meter"
	"github.com/maitred/maitred/internal/meter/exposition"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

const metricsPath = "/metrics"

// newFeed makes a feed of what this process measures.
func newFeed() *reading.Feed {
	run := random()
	return reading.NewFeed(hex.EncodeToString(run[:]))
}

// both puts data where a server keeps it, and tells somebody else of it.
type both struct{ keep, tell metrics.Putter }

// Put implements metrics.Putter.
func (b both) Put(data []metrics.Datum) {
	b.keep.Put(data)
	b.tell.Put(data)
}

// startMeter begins to collect what agents and balancers measure.
func (s *server) startMeter(ctx context.Context, roles *roles) error {
	var put metrics.Putter = s.metrics
	if s.cfg.Metrics != nil {
		put = both{s.metrics, s.cfg.Metrics}
	}
	balancers := s.newBalancerCaller()
	roles.end(func() error { balancers.Close(); return nil })
	var err error
	s.meter, err = meter.New(meter.Config{
		Store: s.store, Put: put, Agents: s.peers.Client(), Balancers: balancers.Client(), Desired: desiredTasks, Log: s.cfg.Log,
	})
	if err != nil {
		return err
	}
	roles.run(ctx, "collection of metrics", s.meter.Run)
	return nil
}

// desiredTasks counts the tasks that services shall have as DescribeServices does.
func desiredTasks(v *store.View) func(*model.Service) int {
	counter := control.NewCounter(v, control.Call{Refuse: refuse})
	return func(svc *model.Service) int {
		if svc.Scheduling != model.Daemon {
			return svc.DesiredCount
		}
		return counter.Service(svc).Desired
	}
}

// serveMetrics answers GET /metrics for Prometheus.
func (s *server) serveMetrics(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", exposition.ContentType)
	if err := exposition.Write(w, s.meter.Families()); err != nil {
		s.cfg.Log.Debug("metrics could not be written", "error", err)
	}
}
