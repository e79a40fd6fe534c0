package lb

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/lb/measure"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
)

// meter makes a reading of each second.
type meter struct {
	*Balancer
	recorder *measure.Recorder
	groups   map[string]counted
	before   map[*port]l7.Connections
}

// counted is the health of a group's targets, as long as the group of the table is the same.
type counted struct {
	of                 *routing.Group
	healthy, unhealthy int
}

func newMeter(b *Balancer) *meter {
	return &meter{Balancer: b, recorder: new(measure.Recorder), groups: map[string]counted{}, before: map[*port]l7.Connections{}}
}

// run tells a reading at the end of each second of the clock until ctx ends, and then what is left.
func (m *meter) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for begin := (time.Time{}); ; {
		now := m.config.Now()
		begin = reading.Period(now, begin, time.Second)
		timer.Reset(begin.Add(time.Second).Sub(now))
		select {
		case <-timer.C:
			m.tell(begin)
		case <-ctx.Done():
			m.tell(begin)
			return
		}
	}
}

// tell tells the reading of the second that began at a time.
func (m *meter) tell(begin time.Time) {
	f := reading.Frame{Second: begin.Unix()}
	m.recorder.Take(&f)
	m.connections(&f)
	if !m.leaving.Load() { // else the balancer that took over tells it
		m.health(&f)
	}
	m.config.Readings(f)
}

// connections adds what listeners count themselves. Several servers of one listener are there while an old one ends.
func (m *meter) connections(f *reading.Frame) {
	now := m.census.take()
	sums := map[string]*reading.Listener{}
	for o, c := range now {
		was := m.before[o]
		sum := sums[o.arn]
		if sum == nil {
			sum = &reading.Listener{ARN: o.arn}
			sums[o.arn] = sum
		}
		sum.Active += c.Active
		sum.New += c.Opened - was.Opened
		sum.TLSFails += c.FailedHandshakes - was.FailedHandshakes
	}
	m.before = now
	for _, sum := range sums {
		f.Listeners = append(f.Listeners, *sum)
	}
	slices.SortFunc(f.Listeners, func(a, b reading.Listener) int { return cmp.Compare(a.ARN, b.ARN) })
}

// health adds what the route table says of groups, and what is in flight to their targets.
func (m *meter) health(f *reading.Frame) {
	table, anomalies := m.Table(), m.census.anomalies()
	for arn := range m.groups {
		if table.Groups[arn] == nil {
			delete(m.groups, arn)
		}
	}
	for arn, g := range table.Groups {
		c := m.groups[arn]
		if c.of != g {
			c = count(g)
			m.groups[arn] = c
		}
		r := reading.Group{
			ARN: arn, Healthy: c.healthy, Unhealthy: c.unhealthy, Registered: g.Registered, Eligible: len(g.Eligible), FailOpen: g.FailOpen,
		}
		if a, ok := anomalies[arn]; ok {
			r.Judged, r.Anomalous, r.Mitigated = true, a.Anomalous, a.Mitigated
		}
		for _, t := range g.Targets {
			r.InFlight += m.flights.Target(t.Path).InFlight()
		}
		f.Groups = append(f.Groups, r)
	}
	slices.SortFunc(f.Groups, func(a, b reading.Group) int { return cmp.Compare(a.ARN, b.ARN) })
}

func count(g *routing.Group) counted {
	c := counted{of: g}
	for _, t := range g.Targets {
		switch {
		case t.Record.Draining():
		case t.Health.State == model.TargetHealthy:
			c.healthy++
		case t.Health.State == model.TargetUnhealthy || t.Health.State == model.TargetUnavailable:
			c.unhealthy++
		}
	}
	return c
}

// observeHTTP is who is told of requests: whoever wants to, and the meter.
func (b *Balancer) observeHTTP() func(l7.Sample) {
	other := b.config.ObserveHTTP
	switch {
	case b.meter == nil:
		return other
	case other == nil:
		return b.meter.recorder.HTTP
	}
	return func(s l7.Sample) {
		b.meter.recorder.HTTP(s)
		other(s)
	}
}

// observeFlow is who is told of connections and flows.
func (b *Balancer) observeFlow() func(l4.Sample) {
	other := b.config.ObserveFlow
	switch {
	case b.meter == nil:
		return other
	case other == nil:
		return b.meter.recorder.Flow
	}
	return func(s l4.Sample) {
		b.meter.recorder.Flow(s)
		other(s)
	}
}

// census knows all servers of HTTP that have connections, those too that let their last requests end.
type census struct {
	mu    sync.Mutex
	known map[*port]*l7.Server
}

func (c *census) enter(o *port, server *l7.Server) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = map[*port]*l7.Server{}
	}
	c.known[o] = server
}

func (c *census) leave(o *port) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.known, o)
}

func (c *census) take() map[*port]l7.Connections {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := make(map[*port]l7.Connections, len(c.known))
	for o, server := range c.known {
		now[o] = server.Connections()
	}
	return now
}

// anomalies are those of each group, by ARN. Where several listeners lead to a group, each looks for itself: it is what the
// one found that found most.
func (c *census) anomalies() map[string]l7.Anomaly {
	c.mu.Lock()
	defer c.mu.Unlock()
	most := map[string]l7.Anomaly{}
	for _, server := range c.known {
		for arn, a := range server.Anomalies() {
			was := most[arn]
			most[arn] = l7.Anomaly{Anomalous: max(was.Anomalous, a.Anomalous), Mitigated: max(was.Mitigated, a.Mitigated)}
		}
	}
	return most
}
