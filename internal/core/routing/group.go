package routing

import (
	"cmp"
	"hash/fnv"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// compileGroup compiles a target group. What has not changed since old (nil at first) is taken from it; when nothing has,
// it is old itself.
func compileGroup(old *Group, record *model.TargetGroup, in Input) *Group {
	if old == nil {
		old = &Group{}
	}
	g := &Group{Record: record, Settings: old.Settings}
	if record != old.Record {
		g.Settings = settingsOf(record)
	}
	var started []*Target // those that have become healthy since
	g.Targets, started = targets(old, g.Settings.SlowStart > 0, in.Targets(record.ARN), in.Health)
	if record == old.Record && slices.Equal(g.Targets, old.Targets) {
		return old
	}
	if g.Settings.SlowStart > 0 {
		g.slowStart(started)
	}
	g.choose()
	return g
}

func settingsOf(g *model.TargetGroup) Settings {
	on := func(key string) bool { return g.Attribute(key) == "true" }
	return Settings{
		Algorithm:          g.Attribute(model.AttributeAlgorithm),
		Mitigation:         g.Attribute(model.AttributeMitigation) == "on",
		SlowStart:          model.Seconds(g.Attribute(model.AttributeSlowStart)),
		MinHealthy:         number(g.Attribute(model.AttributeMinHealthyCount)),
		MinHealthyPercent:  number(g.Attribute(model.AttributeMinHealthyPercent)),
		Sticky:             on(model.AttributeSticky),
		StickyType:         g.Attribute(model.AttributeStickyType),
		CookieDuration:     model.Seconds(g.Attribute(model.AttributeCookieDuration)),
		AppCookie:          g.Attribute(model.AttributeAppCookie),
		AppCookieDuration:  model.Seconds(g.Attribute(model.AttributeAppCookieDuration)),
		ProxyProtocol:      on(model.AttributeProxyProtocol),
		Terminate:          on(model.AttributeTerminate),
		TerminateUnhealthy: on(model.AttributeTerminateUnhealthy),
	}
}

// Awake says whether those who ask for the group need not wait: because it is not one that they wait for, or because it has
// a target that was looked at. What has just started is not sent what it cannot take. One that is unhealthy counts, as it
// does elsewhere when there is no other. A nil group is awake.
func (g *Group) Awake() bool {
	return g == nil || g.Record.Wake == nil || slices.ContainsFunc(g.Eligible, func(t *Target) bool {
		return t.Health.State != model.TargetInitial && t.Health.State != ""
	})
}

// targets lists the targets of a group in the order of their paths; those that are as they were are old's own. Without
// ramps none is in slow start. started are the new ones that are healthy and were not, or not since then.
func targets(old *Group, ramps bool, records func(func(*model.Target) bool), health func(string) Health) (all, started []*Target) {
	all = make([]*Target, 0, len(old.Targets))
	before := old.Targets
	for r := range records {
		var was *Target
		was, before = find(before, r)
		t := renew(was, r, health, ramps)
		all = append(all, t)
		if t != was && t.Health.State == model.TargetHealthy && !t.resumes(was) {
			started = append(started, t)
		}
	}
	byPath := func(a, b *Target) int { return cmp.Compare(a.Path, b.Path) }
	if !slices.IsSortedFunc(all, byPath) {
		slices.SortFunc(all, byPath)
	}
	return all, started
}

// find gives the target that a record had before, and those that come after it. Both are in order, and most are the
// same, so the first one usually is it.
func find(before []*Target, r *model.Target) (was *Target, rest []*Target) {
	if len(before) > 0 && before[0].Record == r {
		return before[0], before[1:]
	}
	path := r.Path()
	i, ok := slices.BinarySearchFunc(before, path, func(t *Target, path string) int { return cmp.Compare(t.Path, path) })
	if !ok {
		return nil, before[i:]
	}
	return before[i], before[i+1:]
}

// renew gives the target of a record: the one that it was, if nothing about it has changed.
func renew(was *Target, r *model.Target, health func(string) Health, ramps bool) *Target {
	t := Target{Record: r}
	if was == nil {
		t.Path = r.Path()
		t.hash = hashOf(t.Path)
	} else {
		t.Path, t.hash = was.Path, was.hash
	}
	t.Health = health(t.Path)
	healthy := t.Health.State == model.TargetHealthy
	if was != nil {
		t.returned = healthy && (was.returned || was.served && !t.resumes(was))
	}
	t.served = healthy || was != nil && was.served
	t.SlowStart = ramps && healthy && t.resumes(was) && was.SlowStart
	if was != nil && t == *was {
		return was
	}
	fresh := t // only what is new is allocated
	return &fresh
}

// resumes says that the target is healthy since the same moment as it was before.
func (t *Target) resumes(was *Target) bool {
	return was != nil && was.Health.State == model.TargetHealthy && was.Health.Since.Equal(t.Health.Since)
}

func hashOf(path string) uint64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte(path)) // a hash has no errors
	return h.Sum64()
}

// choose finds the targets that may get requests ("Target group health"): the healthy ones, unless they are fewer than
// the group wants.
func (g *Group) choose() {
	var able []*Target
	var healthy int
	for _, t := range g.Targets {
		if t.Record.Draining() {
			continue
		}
		g.Registered++
		switch t.Health.State {
		case model.TargetHealthy:
			healthy++
			able = append(able, t)
		case model.TargetUnhealthy, model.TargetInitial, model.TargetUnavailable, "": // "": not looked at yet
			able = append(able, t)
		case model.TargetUnused, model.TargetDraining: // they get none
		}
	}
	g.Eligible = able
	tooFew := healthy < max(g.Settings.MinHealthy, 1) || healthy*100 < g.Settings.MinHealthyPercent*len(able)
	if healthy < len(able) && !tooFew {
		g.Eligible = slices.DeleteFunc(able, func(t *Target) bool { return t.Health.State != model.TargetHealthy })
	}
	g.FailOpen = len(g.Eligible) > healthy
	g.ramp()
}

// number reads a whole number; "off" is 0.
func number(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return n
}

// ramp parts the eligible targets into those with their full share and those in slow start. When the group has failed
// open nobody is spared: a target that is coming up is worth more than one that is down.
func (g *Group) ramp() {
	g.settled = g.Eligible
	slow := func(t *Target) bool { return t.SlowStart }
	if g.FailOpen || !slices.ContainsFunc(g.Eligible, slow) {
		return
	}
	g.settled = nil
	for _, t := range g.Eligible {
		if !t.SlowStart {
			g.settled = append(g.settled, t)
			continue
		}
		g.ramping = append(g.ramping, t)
		if end := t.Health.Since.Add(g.Settings.SlowStart); end.After(g.rampsEnd) {
			g.rampsEnd = end
		}
	}
}

// Find gives the target of a path if it may get new requests; nil if not. It is for stickiness.
func (g *Group) Find(path string) *Target {
	i, ok := slices.BinarySearchFunc(g.Eligible, path, func(t *Target, path string) int { return strings.Compare(t.Path, path) })
	if !ok {
		return nil
	}
	return g.Eligible[i]
}

// slowStart decides for the targets that have become healthy whether they begin slowly ("Slow start mode"): only beside
// a healthy target that is not in slow start itself. One that was registered by the same call does not count, so that
// those that are registered together with an empty group all begin at once; it does for one that comes back.
func (g *Group) slowStart(started []*Target) {
	slices.SortStableFunc(started, func(a, b *Target) int { return a.Health.Since.Compare(b.Health.Since) })
	for _, t := range started {
		t.SlowStart = slices.ContainsFunc(g.Targets, func(other *Target) bool { return g.gives(other, t) })
	}
}

// gives says that other carried the group's load when t became healthy, so that t may begin slowly.
func (g *Group) gives(other, t *Target) bool {
	h, since := other.Health, t.Health.Since
	switch {
	case h.State != model.TargetHealthy || other.Record.Draining() || !h.Since.Before(since):
		return false
	case other.SlowStart && h.Since.Add(g.Settings.SlowStart).After(since):
		return false
	}
	return t.returned || !other.Record.RegisteredAt.Equal(t.Record.RegisteredAt)
}

// Weight is the share of a target at a time, of what it would have: 1, but in slow start, which takes the duration and
// grows evenly from 1 % ("Slow start mode").
func (t *Target) Weight(now time.Time, duration time.Duration) float64 {
	passed := now.Sub(t.Health.Since)
	if !t.SlowStart || passed >= duration {
		return 1
	}
	return max(0.01, float64(passed)/float64(duration))
}
