package l7

import (
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/anomaly"
	"github.com/maitred/maitred/internal/lb/cookie"
	"github.com/maitred/maitred/internal/model"
)

// shun is how long a target that refused a connection is left out while others are there: until a new table says so.
const shun = time.Second

// pick chooses a target and takes off to it. tried are those that refused this request already. It is nil when there is
// none.
func (ex *exchange) pick(tried []*target) *target {
	for range 4 { // each time that the table has changed meanwhile
		g, v := ex.server.groups.group(ex.table, ex.group)
		t := ex.choose(g, v, tried)
		if t == nil {
			return nil
		}
		if t.flight.Begin() {
			if ex.current(t) {
				return t
			}
			t.flight.End()
		} else if tried = append(tried, t); ex.table == ex.server.config.Table() {
			continue // it is closed, and the table that says so has not come yet
		}
		if !ex.refresh() {
			return nil
		}
	}
	return nil
}

// current says whether the table by which t was chosen still holds: whoever takes a target out of the table and then waits
// until nothing is in flight must not see something take off later.
func (ex *exchange) current(t *target) bool {
	now := ex.server.config.Table()
	if now == ex.table {
		return true
	}
	g := now.Groups[ex.group.Record.ARN]
	return g != nil && g.Find(t.path) != nil
}

// refresh goes over to the present table; it says whether the group is still there.
func (ex *exchange) refresh() bool {
	now := ex.server.config.Table()
	g := now.Groups[ex.group.Record.ARN]
	if g == nil {
		return false
	}
	ex.table, ex.group = now, g
	return true
}

func (ex *exchange) choose(g *group, v *view, tried []*target) *target {
	if !v.of.Awake() {
		return nil
	}
	if t := ex.stuck(v, tried); t != nil {
		return t
	}
	ex.nonSticky = v.of.Settings.Sticky
	now := ex.request.start.UnixNano()
	usable := func(rt *routing.Target) bool {
		t := v.targets[rt.Path]
		return t != nil && !contains(tried, t) && t.refusedUntil.Load() < now && !t.flight.Closed()
	}
	rt := ex.byAlgorithm(g, v, usable)
	if rt == nil { // better one that has just refused than none
		rt = ex.byAlgorithm(g, v, func(rt *routing.Target) bool {
			t := v.targets[rt.Path]
			return t != nil && !contains(tried, t) && !t.flight.Closed()
		})
	}
	if rt == nil {
		return nil
	}
	ex.failOpen = v.of.FailOpen && rt.Health.State != model.TargetHealthy
	return v.targets[rt.Path]
}

func (ex *exchange) byAlgorithm(g *group, v *view, usable func(*routing.Target) bool) *routing.Target {
	s := ex.server
	switch set := v.of.Settings; set.Algorithm {
	case "least_outstanding_requests":
		return routing.LeastOutstanding(v.of, s.config.Random(), func(path string) int64 {
			return v.targets[path].flight.InFlight()
		}, usable)
	case weightedRandom:
		g.judge(v)
		weight := func(path string) float64 { return 1 - float64(v.targets[path].weight.Load())/1000 }
		if !set.Mitigation {
			weight = nil
		}
		return routing.WeightedRandom(v.of, s.config.Random(), weight, usable)
	}
	return routing.RoundRobin(v.of, g.counter.Add(1)-1, ex.request.start, usable)
}

func contains(list []*target, t *target) bool {
	return slices.Contains(list, t)
}

// stuck gives the target that the client's cookies name, if it may still have requests.
func (ex *exchange) stuck(v *view, tried []*target) *target {
	set := v.of.Settings
	if !set.Sticky {
		return nil
	}
	cookies := ex.request.header["Cookie"]
	if len(cookies) == 0 {
		return nil
	}
	var id cookie.ID
	var ok bool
	switch set.StickyType {
	case "lb_cookie":
		id, ok = ex.server.sealer.Sealed(cookies, cookie.Target, set.CookieDuration, ex.server.now())
	case "app_cookie":
		if _, has := cookie.Find(cookies, set.AppCookie); has {
			id, ok = ex.server.sealer.Sealed(cookies, cookie.Application, set.AppCookieDuration, ex.server.now())
		}
	}
	if t := v.ids[id]; ok && t != nil && !contains(tried, t) && v.of.Find(t.path) != nil {
		return t
	}
	return nil
}

// judge looks for anomalies, at most once a second.
func (x *group) judge(v *view) {
	now := x.groups.server.now()
	x.mu.Lock()
	defer x.mu.Unlock()
	if now.Sub(x.judged) < time.Second {
		return
	}
	x.judged = now
	all := make([]*anomaly.Target, 0, len(v.of.Eligible))
	for _, rt := range v.of.Eligible {
		if t := v.targets[rt.Path]; t != nil && rt.Health.State == model.TargetHealthy {
			t.history.Count(t.requests.Swap(0), t.errors.Swap(0))
			all = append(all, &t.history)
		}
	}
	anomaly.Judge(all)
	for _, rt := range v.of.Eligible {
		if t := v.targets[rt.Path]; t != nil {
			t.weight.Store(uint64((1 - t.history.Weight()) * 1000)) //nolint:gosec // between 0 and 1,000
		}
	}
}
