// Package measure counts what a balancer's data plane tells of requests, connections and flows, by the way that each took:
// listener, rule, target group and target. Once a second the counts are taken away as a reading.Frame.
//
// Telling costs a look-up in a map that nobody writes to and a few atomic additions on counters that only the requests of
// the same way share; nothing is allocated, and no lock is taken but for the first requests of a new way.
package measure

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/reading"
)

// Recorder counts. All methods but Take may be called at the same time from several goroutines.
type Recorder struct {
	routes table[routeKey, route]
	flows  table[flowKey, flow]
}

// The ways. place is the target, whose path begins with its group, or the group of what got no target: it costs time to
// hash what is known anyway.
type (
	routeKey struct{ listener, rule, place string }
	flowKey  struct{ listener, protocol, place string }
)

// HTTP counts a request that has ended. It is an l7.Config.Observe.
func (r *Recorder) HTTP(s l7.Sample) {
	place := s.Target
	if place == "" {
		place = s.Group
	}
	r.routes.at(routeKey{s.Listener, s.Rule, place}).add(&s)
}

// Flow counts a connection or a flow as it begins, goes on and ends. It is an l4.Config.Observe.
func (r *Recorder) Flow(s l4.Sample) {
	place := s.Target
	if place == "" {
		place = s.Group
	}
	r.flows.at(flowKey{s.Listener, s.Protocol, place}).add(&s)
}

// Take adds to a frame what was counted since the last call, in the order of the ways. It is called by one goroutine.
func (r *Recorder) Take(f *reading.Frame) {
	r.routes.each(func(k routeKey, c *route) bool {
		counts, some := c.take()
		if some {
			group, target := split(k.place)
			f.Routes = append(f.Routes, reading.Route{Listener: k.listener, Rule: k.rule, Group: group, Target: target, Requests: counts})
		}
		return some
	})
	r.flows.each(func(k flowKey, c *flow) bool {
		counts, some := c.take()
		if counts.Protocol = k.protocol; some {
			group, target := split(k.place)
			f.Flows = append(f.Flows, reading.Flow{Listener: k.listener, Group: group, Target: target, Flows: counts})
		}
		return some
	})
	slices.SortFunc(f.Routes, func(a, b reading.Route) int {
		return cmp.Or(cmp.Compare(a.Listener, b.Listener), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Rule, b.Rule))
	})
	slices.SortFunc(f.Flows, func(a, b reading.Flow) int {
		return cmp.Or(cmp.Compare(a.Listener, b.Listener), cmp.Compare(a.Group, b.Group), cmp.Compare(a.Target, b.Target), cmp.Compare(a.Protocol, b.Protocol))
	})
}

// split takes a place apart. The path of a target is GROUP/OWNER/ADDRESS, and a group's ARN has two slashes.
func split(place string) (group, target string) {
	if strings.Count(place, "/") < pathSlashes {
		return place, ""
	}
	end := strings.LastIndexByte(place, '/')
	return place[:strings.LastIndexByte(place[:end], '/')], place
}

const pathSlashes = 4

// table finds the counters of a way. Those that are known are in a map that never changes; those that are new are in a
// second one, under a lock, until each makes one map of both.
type table[K comparable, C any] struct {
	known atomic.Pointer[map[K]*C]

	mu   sync.Mutex
	new  map[K]*C
	idle map[K]int // how often nothing was found of a way, in a row
}

// idleFor is how many times a way has nothing to tell before it is forgotten: an hour.
const idleFor = 3600

func (t *table[K, C]) at(k K) *C {
	if m := t.known.Load(); m != nil {
		if c, ok := (*m)[k]; ok {
			return c
		}
	}
	return t.slow(k)
}

func (t *table[K, C]) slow(k K) *C {
	t.mu.Lock()
	defer t.mu.Unlock()
	if m := t.known.Load(); m != nil { // each may have been here meanwhile
		if c, ok := (*m)[k]; ok {
			return c
		}
	}
	c, ok := t.new[k]
	if !ok {
		c = new(C)
		if t.new == nil {
			t.new = map[K]*C{}
		}
		t.new[k] = c
	}
	return c
}

// each visits all counters; visit says whether there was anything. What is forgotten may still be written to by a request
// that found it just before: after an hour of nothing, that request is not counted.
func (t *table[K, C]) each(visit func(K, *C) bool) {
	known := t.promote()
	var old []K
	for k, c := range known {
		switch {
		case visit(k, c):
			delete(t.idle, k)
		case t.idle[k] >= idleFor:
			old = append(old, k)
		default:
			t.idle[k]++
		}
	}
	if len(old) > 0 {
		t.drop(old)
	}
}

// promote makes one map of both, and gives it.
func (t *table[K, C]) promote() map[K]*C {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.idle == nil {
		t.idle = map[K]int{}
	}
	var known map[K]*C
	if m := t.known.Load(); m != nil {
		known = *m
	}
	if len(t.new) == 0 {
		return known
	}
	t.replace(known, nil)
	return *t.known.Load()
}

func (t *table[K, C]) drop(old []K) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.replace(*t.known.Load(), old)
}

// replace makes a new map of the known ones, without some, and the new ones.
func (t *table[K, C]) replace(known map[K]*C, without []K) {
	all := make(map[K]*C, len(known)+len(t.new))
	maps.Copy(all, known)
	for _, k := range without {
		delete(all, k)
		delete(t.idle, k)
	}
	maps.Copy(all, t.new)
	t.new = nil
	t.known.Store(&all)
}
