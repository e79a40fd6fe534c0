package sim

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/flight"
)

// request is one that is in flight.
type request struct {
	path   string // of the target
	group  string // its ARN
	to     *container
	flight *flight.Target
	at     time.Time // when it was sent
	number int
}

// traffic sends requests to a group, as long as the world lives.
func (w *world) traffic(listener, group string) {
	pause := w.between(200*time.Millisecond, 4*time.Second)
	if w.calm {
		pause = 5 * time.Second
	} else if w.dozing[group] != nil && w.chance(0.1) {
		pause = w.between(15*time.Second, 50*time.Second)
	}
	w.after(pause, func() {
		w.request(listener)
		w.traffic(listener, group)
	})
}

// request sends one request to a listener, by one of the balancers.
func (w *world) request(listener string) {
	for _, i := range w.rng.Perm(len(w.balancers)) {
		b := w.balancers[i]
		if !b.serves() {
			continue
		}
		if l := b.table.Listeners[listener]; l != nil {
			b.take(l)
		}
		return
	}
}

// take finds a target for a request, as l7 does: one that refuses the connection is suspected, and another one is tried.
func (b *balancer) take(l *routing.Listener) {
	g, _ := l.Default().Pick(b.w.rng.Uint64())
	if g == nil {
		return
	}
	if (!g.Awake() || !b.launch(g)) && !b.park(g) {
		b.w.check.unserved(b, g)
	}
}

// launch sends a request to a target of a group; it says whether there is one, be it that it refuses.
func (b *balancer) launch(g *routing.Group) bool {
	tried, reached := map[string]bool{}, false
	usable := func(t *routing.Target) bool { return !tried[t.Path] }
	b.counter++
	for {
		t := routing.RoundRobin(g, b.counter, b.w.now, usable)
		if t == nil && reached {
			b.w.check.unserved(b, g)
		}
		if t == nil {
			return reached
		}
		tried[t.Path] = true
		f := b.flights.Target(t.Path)
		if !f.Begin() {
			continue
		}
		reached = true
		b.w.check.chosen(b, t.Path)
		if to := b.w.reached(t.Record); to != nil {
			b.fly(&request{path: t.Path, group: g.Record.ARN, to: to, flight: f})
			return true
		}
		f.End()
		b.w.check.refused(b, t.Path)
		b.suspect(t.Path)
	}
}

// fly lets a request take its time.
func (b *balancer) fly(r *request) {
	b.w.sent++
	r.at, r.number = b.w.now, b.w.sent
	b.requests[r] = true
	d := b.w.between(10*time.Millisecond, 2*time.Second)
	if b.w.chance(0.15) {
		d = b.w.between(time.Second, 40*time.Second)
	}
	b.later(d, func() {
		if b.requests[r] {
			b.land(r)
		}
	})
}

func (b *balancer) land(r *request) {
	delete(b.requests, r)
	b.w.was(r.group, span{r.at, b.w.now})
	r.flight.End()
}

// flying lists the requests that are in flight by some property, in the order in which they were sent.
func (b *balancer) flying(which func(*request) bool) []*request {
	if b.store == nil {
		return nil
	}
	list := slices.Collect(maps.Keys(b.requests))
	list = slices.DeleteFunc(list, func(r *request) bool { return !which(r) })
	slices.SortFunc(list, func(x, y *request) int { return cmp.Compare(x.number, y.number) })
	return list
}

// quit cuts what is in flight to a target.
func (b *balancer) quit(path string) {
	for _, r := range b.flying(func(r *request) bool { return r.path == path }) {
		b.w.check.lost(b, r, true)
		b.land(r)
	}
}

// listens makes a container reachable.
func (w *world) listens(c *container) { w.listening[c.task] = c }

// hangsUp ends a container's connections. ours says that it was asked to end.
func (w *world) hangsUp(c *container, ours bool) {
	if w.listening[c.task] != c {
		return
	}
	delete(w.listening, c.task)
	for _, b := range w.balancers {
		for _, r := range b.flying(func(r *request) bool { return r.to == c }) {
			w.check.lost(b, r, ours)
			b.land(r)
		}
	}
}

func sortedKeys[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

// groupName is the name in the ARN of a target group.
func groupName(group string) string {
	parts := strings.Split(group, "/")
	return parts[len(parts)-2]
}

// shortPath is the end of a target's path.
func shortPath(path string) string {
	parts := strings.Split(path, "/")
	return parts[len(parts)-4+1] + "/" + parts[len(parts)-2][:min(6, len(parts[len(parts)-2]))] + "/" + parts[len(parts)-1]
}
