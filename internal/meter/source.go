package meter

import (
	"context"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

// sourceID names who measures.
type sourceID struct {
	balancer bool // else an agent
	id       string
}

func (s sourceID) kind() string {
	if s.balancer {
		return "balancer"
	}
	return "agent"
}

// source is an agent or a balancer whose readings are followed, and what it told of minutes that have not ended.
type source struct {
	id        sourceID
	followed  bool  // somebody reads, or tries to
	connected bool  // and frames come
	gone      bool  // the store does not know it any more, or it said goodbye
	skip      int64 // a minute that cannot be told, -1 for none
	minutes   span
	thirds    span // of minutes: of an agent's tasks whose service has metrics by 20 s
}

func newSource(id sourceID) *source {
	return &source{id: id, skip: -1, minutes: newSpan(minute), thirds: newSpan(third)}
}

// follow begins to read of those that have come.
func (c *Collector) follow(ctx context.Context, v *store.View) {
	present := map[sourceID]bool{}
	for m := range v.Machines() {
		if m.Connected && m.Peer != nil {
			present[sourceID{id: m.ID}] = true
		}
	}
	for b := range v.Balancers() {
		if b.Connected && b.Peer != nil {
			present[sourceID{balancer: true, id: b.ID}] = true
		}
	}
	for id := range present {
		src := c.sources[id]
		if src == nil {
			src = newSource(id)
			c.sources[id] = src
		}
		if src.gone = false; !src.followed {
			src.followed = true
			c.running.Go(func() { c.read(ctx, src) })
		}
	}
}

// The pauses between two attempts to read, and how long a stream may be silent: a frame comes each second.
const (
	pauseFirst = 250 * time.Millisecond
	pauseMost  = 5 * time.Second
	silence    = 10 * time.Second
)

// read reads of a source, again and again, until ctx ends or the store says that the source is gone. What it still tells
// while it ends is read.
func (c *Collector) read(ctx context.Context, src *source) {
	cursor, pause, warned := reading.Cursor{}, pauseFirst, false
	for ctx.Err() == nil {
		some, err := c.stream(ctx, src, &cursor)
		if some {
			pause, warned = pauseFirst, false
		}
		c.config.Log.Debug("readings have ended", "kind", src.id.kind(), "id", src.id.id, "error", err)
		if c.ended(ctx, src) {
			return
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
		if pause = min(2*pause, pauseMost); pause == pauseMost && !warned {
			warned = true
			c.config.Log.Warn("what is measured cannot be read (on another machine, it needs --peer-listen)",
				"kind", src.id.kind(), "id", src.id.id, "error", err)
		}
	}
}

// ended asks whether a source that is not read any more need not be read again.
func (c *Collector) ended(ctx context.Context, src *source) bool {
	answer := make(chan bool, 1)
	c.post(ctx, func() {
		src.connected = false
		answer <- c.ends(src)
	})
	select {
	case ends := <-answer:
		return ends
	case <-ctx.Done():
		return true
	}
}

// stream reads until the stream ends or is silent.
func (c *Collector) stream(ctx context.Context, src *source, cursor *reading.Cursor) (some bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watchdog := time.AfterFunc(silence, cancel)
	defer watchdog.Stop()
	client, path := c.config.Agents, reading.AgentPath
	if src.id.balancer {
		client, path = c.config.Balancers, reading.BalancerPath
	}
	fresh := cursor.Run
	err = reading.Follow(ctx, client, "https://"+src.id.id+path, cursor, func(f reading.Frame) {
		watchdog.Reset(silence)
		some = true
		first := cursor.Run != fresh
		fresh = cursor.Run
		c.post(ctx, func() {
			src.connected = true
			if first {
				src.begin(&f)
			}
			c.take(src, &f)
		})
	})
	return some, err
}

// ends says that a source that is not read any more need not be read again.
func (c *Collector) ends(src *source) bool {
	v := c.config.Store.View()
	if src.id.balancer {
		r, _, _ := v.Get(model.BalancerKey(src.id.id))
		b, ok := r.(*model.Balancer)
		src.gone = !ok || !b.Connected || b.Peer == nil
	} else {
		m, ok := v.Machine(src.id.id)
		src.gone = !ok || !m.Connected || m.Peer == nil
	}
	if src.gone {
		src.followed = false
		c.lose(src.id)
	}
	return src.gone
}

// begin takes note of the first frame that is read of a run. If earlier ones are not kept any more, the minute in which
// they were cannot be told: a sum of half a minute would be a wrong one.
func (s *source) begin(f *reading.Frame) {
	if f.Seq > 1 && f.Second%minute != 0 {
		s.skip = minuteOf(f.Second)
	}
}

// add adds a frame to its minute, and what has to be told earlier to its third of a minute.
func (s *source) add(v *store.View, f *reading.Frame, l leads) {
	if minuteOf(f.Second) == s.skip {
		return
	}
	m := s.minutes.at(f.Second)
	m.seconds++
	if s.id.balancer {
		newBalance(m.sheet, f, l).minute()
		return
	}
	for i := range f.Tasks {
		t := &f.Tasks[i]
		facts, ok := factsOf(v, t.ARN)
		if !ok {
			continue
		}
		u := m.tasks[t.ARN]
		if u == nil {
			u = &taskUse{facts: facts, fine: fineOf(v, facts.service)}
			m.tasks[t.ARN] = u
		}
		u.add(t)
		if u.fine != (fine{}) {
			s.thirds.at(f.Second).again(t.ARN, u).add(t)
		}
	}
}

// sheet is what there is to tell of a minute. Of an agent's minute that was told before, only tasks that were not in it
// are told: one task is one sample.
func (s *source) sheet(v *store.View, m *open) *sheet {
	if s.id.balancer {
		m.sheet.zone = zoneOf(v, s.id.id)
		return m.sheet
	}
	seconds := m.seconds
	if s.minutes.tell(m) {
		seconds = 0 // of the machine as a whole it was told
	}
	minuteTasks(m.sheet, v, s.id.id, m.tasks, seconds)
	return m.sheet
}

// fineSheet is what there is to tell of a third of a minute, likewise.
func (s *source) fineSheet(m *open) *sheet {
	s.thirds.tell(m)
	fineTasks(m.sheet, m.tasks)
	return m.sheet
}
