package l4

import (
	"sync"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/flight"
	"github.com/maitred/maitred/internal/model"
)

// passage is what is in flight to a target: a connection or a flow.
type passage struct {
	table  *routing.Table // that it was chosen from
	group  *routing.Group
	target *routing.Target // as it was chosen
	flight *flight.Target
	once   sync.Once
	cut    func(End) // ends it by force; may be called at any time, any number of times
}

// land says that it is in flight no more, once.
func (p *passage) land() { p.once.Do(p.flight.End) }

// way is the passages to one target.
type way struct {
	flight *flight.Target
	set    map[*passage]struct{}
}

// passages are all that are in flight, by the paths of their targets.
type passages struct {
	server   *Server
	watchers sync.WaitGroup
	mu       sync.Mutex
	ways     map[string]*way
	applied  map[string]*routing.Group
}

// add notes a passage, and has its target watched from the first one on.
func (a *passages) add(p *passage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if quitted(p.flight) {
		// Closed: the delay was over before the connection was made. Otherwise the target was registered again since, and
		// what it quitted then is not this.
		if p.flight.Closed() {
			a.quit(p)
		}
		return
	}
	w := a.ways[p.target.Path]
	if w == nil || w.flight != p.flight {
		w = &way{flight: p.flight, set: map[*passage]struct{}{}}
		a.ways[p.target.Path] = w
		a.watchers.Go(func() { a.watch(w) })
	}
	w.set[p] = struct{}{}
	if t := a.server.cfg.Table(); t != p.table && t != nil {
		a.recheck(p, t) // a table that was applied meanwhile did not find it
	}
}

func (a *passages) recheck(p *passage, t *routing.Table) {
	g := t.Groups[p.group.Record.ARN]
	if g == nil || !g.Settings.TerminateUnhealthy {
		return
	}
	for _, now := range g.Targets {
		if now.Path == p.target.Path && now.Health.State == model.TargetUnhealthy && gotWorse(p.target.Health, now.Health) {
			p.cut(EndUnhealthy)
		}
	}
}

// remove forgets a passage that has ended. The way stays: the next connection will need it.
func (a *passages) remove(p *passage) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if w := a.ways[p.target.Path]; w != nil && w.flight == p.flight {
		delete(w.set, p)
	}
}

func quitted(t *flight.Target) bool {
	select {
	case <-t.Quitted():
		return true
	default:
		return false
	}
}

// watch waits for the end of a target's deregistration delay, or of the server.
func (a *passages) watch(w *way) {
	select {
	case <-w.flight.Quitted():
	case <-a.server.life.Done():
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if path := w.flight.Path(); a.ways[path] == w {
		delete(a.ways, path)
	}
	for p := range w.set {
		a.quit(p)
	}
}

// quit ends a passage whose target's deregistration delay is over, if its group says so. Otherwise it goes on for as long
// as both sides want, and nobody waits for it any more ("Deregistration delay"): the target's owner may end now, and the
// connection with it.
func (a *passages) quit(p *passage) {
	if a.current(p.group).Settings.Terminate {
		p.cut(EndDeregistered)
	}
	p.land()
}

// current is the newest state of a group.
func (a *passages) current(g *routing.Group) *routing.Group {
	if t := a.server.cfg.Table(); t != nil {
		if now := t.Groups[g.Record.ARN]; now != nil {
			return now
		}
	}
	return g
}

// apply cuts what leads to targets that have become unhealthy.
func (a *passages) apply(t *routing.Table) {
	a.mu.Lock()
	defer a.mu.Unlock()
	next := map[string]*routing.Group{}
	for _, g := range groupsOf(t, a.server.cfg.ARN) {
		next[g.Record.ARN] = g
		if a.applied[g.Record.ARN] != g && g.Settings.TerminateUnhealthy {
			for _, target := range g.Targets {
				a.cutUnhealthy(target)
			}
		}
	}
	a.applied = next
}

func (a *passages) cutUnhealthy(now *routing.Target) {
	w := a.ways[now.Path]
	if w == nil || now.Health.State != model.TargetUnhealthy {
		return
	}
	for p := range w.set {
		if gotWorse(p.target.Health, now.Health) {
			p.cut(EndUnhealthy)
		}
	}
}

// gotWorse says that a target has become unhealthy since a passage began. One that began while all targets were unhealthy
// (fail open) may stay.
func gotWorse(then, now routing.Health) bool {
	return then.State != model.TargetUnhealthy || !then.Since.Equal(now.Since)
}

func groupsOf(t *routing.Table, listener string) []*routing.Group {
	if t == nil || t.Listeners[listener] == nil {
		return nil
	}
	var all []*routing.Group
	for _, r := range t.Listeners[listener].Rules {
		for _, g := range r.Groups {
			if g != nil {
				all = append(all, g)
			}
		}
	}
	return all
}

func (a *passages) wait() { a.watchers.Wait() }

// idleDefault is how long a connection of TLS may be idle; those of TCP have an attribute of their listener
// ("Connection idle timeout").
const idleDefault = 350 * time.Second

func idleTimeout(l *model.Listener) time.Duration {
	if d := model.Seconds(l.Attribute(model.AttributeTCPIdleTimeout)); d > 0 {
		return d
	}
	return idleDefault
}
