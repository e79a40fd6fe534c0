// Package meter turns what agents and balancers measured into metrics: it follows the readings of all that the store knows
// to be connected (source.go), and with the store's view makes of them the data of CloudWatch's namespaces, once a minute,
// and of model.NamespaceFast, each second. What becomes what is decided by functions of a frame and a view (tasks.go,
// balancers.go, services.go) that write on a sheet (sheet.go).
//
// A minute is told when it is over, by each source for itself: CloudWatch's statistics add up. What a source that was
// away for a moment tells later is added to the minute that it belongs to. What a service wants to have by 20 s (monitoring)
// is told at the end of each third of a minute, instead of by the minute; a change takes effect with the next full minute.
package meter

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

// Config is what a collector is made of. Store, Put, Agents and Balancers are needed.
type Config struct {
	Store *store.Store // of everything
	// Put takes the data, from one goroutine.
	Put metrics.Putter
	// Agents and Balancers call what has the id of the URL's host on its direct line (peer.Caller).
	Agents, Balancers *http.Client
	// Desired gives, for a view, what counts the tasks that a service shall have; nil: its desired count.
	Desired func(*store.View) func(*model.Service) int
	// After is until when a collector before this one has put what there was: it is not put again. Zero: all that sources
	// still know is put.
	After time.Time
	// From is a second: those before it, and the minutes that ended by then, another server is asked for (fellow.Filler), and they
	// are not put. Zero: nobody is asked.
	From time.Time
	Now  func() time.Time
	Log  *slog.Logger
}

// Collector collects.
type Collector struct {
	config Config
	events chan func()

	// The rest but totals belongs to the goroutine of Run.
	sources map[sourceID]*source
	leads   leads
	running sync.WaitGroup
	states  *sheet // of target groups, since the last full minute
	told    int64  // the last minute of which clusters and services were told, in Unix time

	mu     sync.Mutex
	totals totals
}

// New makes a collector; Run makes it collect.
func New(c Config) (*Collector, error) {
	if c.Store == nil || c.Put == nil || c.Agents == nil || c.Balancers == nil {
		return nil, errors.New("meter: a collector needs a store, somebody who takes the data, and ways to agents and balancers")
	}
	if c.Desired == nil {
		c.Desired = func(*store.View) func(*model.Service) int {
			return func(svc *model.Service) int { return svc.DesiredCount }
		}
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Collector{config: c, events: make(chan func()), sources: map[sourceID]*source{}, states: newSheet(), totals: newTotals()}, nil
}

// Run collects until ctx ends, and gives nil then.
func (c *Collector) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer c.running.Wait()
	defer cancel()
	watcher := c.config.Store.Watch(
		model.KindMachine, model.KindBalancer, model.KindLoadBalancer, model.KindListener, model.KindRule,
	)
	defer watcher.Close()
	c.told = minuteOf(c.config.Now().Unix()) - minute
	timer := time.NewTimer(0)
	defer timer.Stop()
	begin := reading.Period(c.config.Now(), time.Time{}, time.Second)
	for {
		timer.Reset(begin.Add(time.Second).Sub(c.config.Now()))
		select {
		case <-ctx.Done():
			return nil
		case event := <-c.events:
			event()
		case <-watcher.C():
			changes, all, view := watcher.Snapshot()
			c.changed(ctx, changes, all, view)
		case <-timer.C:
			c.tick(begin)
			begin = reading.Period(c.config.Now(), begin, time.Second)
		}
	}
}

// A minute, and the third of one that some services have their metrics by, in seconds.
const (
	minute = 60
	third  = 20
)

func minuteOf(second int64) int64 { return second - second%minute }

// post has the collector's goroutine do something, unless ctx ends first.
func (c *Collector) post(ctx context.Context, event func()) {
	select {
	case c.events <- event:
	case <-ctx.Done():
	}
}

// changed takes up what is new in the store.
func (c *Collector) changed(ctx context.Context, changes []store.Changed, all bool, v *store.View) {
	sources, routes := all, all
	for _, x := range changes {
		if x.Key.Kind == model.KindMachine || x.Key.Kind == model.KindBalancer {
			sources = true
		} else {
			routes = true
		}
	}
	if routes {
		c.leads = leadsOf(v)
	}
	if sources {
		c.follow(ctx, v)
	}
}

// tick is called when a second has ended.
func (c *Collector) tick(begin time.Time) {
	v := c.config.Store.View()
	s := newSheet()
	fastServices(s, v)
	c.put(s, begin, 1)
	c.mu.Lock()
	states(c.states, v, c.totals.groups, c.leads)
	c.mu.Unlock()
	now := begin.Unix() + 1
	if last := minuteOf(now) - minute; last > c.told {
		c.told = last
		s := newSheet()
		minuteServices(s, v, c.config.Desired(v))
		c.put(s, time.Unix(last, 0).UTC(), minute)
		c.put(c.states, time.Unix(last, 0).UTC(), minute)
		c.states = newSheet()
	}
	for _, src := range c.sources {
		c.overdue(src, now)
	}
}

func (c *Collector) put(s *sheet, at time.Time, resolution int) {
	if len(s.cells) > 0 {
		c.config.Put.Put(s.data(at.UTC(), resolution))
	}
}

// take takes a frame of a source.
func (c *Collector) take(src *source, f *reading.Frame) {
	v := c.config.Store.View()
	from := c.config.From.Unix()
	if f.Second >= from && c.untold(f.Second+1) {
		s := newSheet()
		if src.id.balancer {
			newBalance(s, f, c.leads).fast()
		} else {
			fastTasks(s, v, f)
		}
		c.put(s, f.At(), 1)
	}
	c.count(v, src, f)
	if f.Second >= minuteOf(from) {
		src.add(v, f, c.leads)
	}
	if f.Second%third == third-1 {
		c.close(src, f.Second+1)
	}
}

// untold says that a collector before this one has not put what ends at a time. It may have done so as soon as it put the second
// before the end: when it was killed in between, some of it is lost, and none is counted twice.
func (c *Collector) untold(end int64) bool {
	return c.config.After.IsZero() || time.Unix(end-1, 0).After(c.config.After)
}

// close tells the minutes of a source, and the thirds of them, that ended before or at a time.
func (c *Collector) close(src *source, end int64) {
	for _, m := range src.minutes.take(end) {
		if c.untold(m.begin + minute) {
			c.put(src.sheet(c.config.Store.View(), m), time.Unix(m.begin, 0), minute)
		}
	}
	for _, m := range src.thirds.take(end) {
		if m.begin >= c.config.From.Unix() && c.untold(m.begin+third) {
			c.put(src.fineSheet(m), time.Unix(m.begin, 0), 1)
		}
	}
}

// The seconds after its end in which a minute is told although its last second is missing: of a source that is connected,
// and of one that may come back.
const (
	lateness = 2
	patience = 15
)

// overdue tells the minutes of which nothing is expected any more.
func (c *Collector) overdue(src *source, now int64) {
	wait := int64(patience)
	if src.connected {
		wait = lateness
	}
	c.close(src, now-wait)
	if src.gone && len(src.minutes.open)+len(src.thirds.open) == 0 {
		delete(c.sources, src.id)
	}
}
