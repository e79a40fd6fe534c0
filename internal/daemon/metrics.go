package daemon

import (
	"context"
	"encoding/hex"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/maitred/maitred/internal/agent/host"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/meter"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

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

// marking remembers in a file up to when data was put, so that a server that is started again does not put once more what
// agents and balancers still have.
type marking struct {
	metrics.Putter
	file   string
	newest time.Time
	log    *slog.Logger
}

// Put implements metrics.Putter.
func (m *marking) Put(data []metrics.Datum) {
	m.Putter.Put(data)
	newest := m.newest
	for i := range data {
		if d := &data[i]; d.Resolution == 1 && d.At.After(newest) {
			newest = d.At
		}
	}
	if newest.Equal(m.newest) {
		return
	}
	m.newest = newest
	if err := os.WriteFile(m.file, newest.AppendFormat(nil, time.RFC3339Nano), 0o600); err != nil {
		m.log.Warn("up to when metrics were collected cannot be written down; a restart may count some seconds twice", "error", err)
	}
}

// read is up to when data was put before, zero if that is not known.
func (m *marking) read() time.Time {
	text, err := os.ReadFile(m.file)
	if err != nil {
		return time.Time{}
	}
	m.newest, _ = time.Parse(time.RFC3339Nano, string(text))
	return m.newest
}

// startMeter begins to collect what agents and balancers measure.
func (s *server) startMeter(ctx context.Context, roles *roles) error {
	put := &marking{Putter: s.metrics, file: filepath.Join(s.cfg.DataDir, "metrics", "collected"), log: s.cfg.Log}
	if s.cfg.Metrics != nil {
		put.Putter = both{s.metrics, s.cfg.Metrics}
	}
	balancers := s.newBalancerCaller()
	roles.end(func() error { balancers.Close(); return nil })
	after := put.read()
	s.measuredUntil = after
	id, err := host.ID(s.cfg.DataDir)
	if err != nil {
		return err
	}
	s.missing.from, s.missing.to = s.gap(time.Now().UTC(), id)
	s.meter, err = meter.New(meter.Config{
		Store: s.store, Put: put, Agents: s.peers.Client(), Balancers: balancers.Client(), Desired: desiredTasks, Log: s.cfg.Log,
		After: after, From: s.missing.to,
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
