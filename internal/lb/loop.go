package lb

import (
	"context"
	"maps"
	"net"
	"slices"
	"strconv"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/probe"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// loop is the one goroutine that decides what is served.
type loop struct {
	*Balancer
	watcher *store.Watcher
	view    *store.View
	used    map[string]string    // the target groups that listeners lead to, and an address of such a listener
	drains  map[string]time.Time // when what is in flight to targets that are being deregistered must end
	ports   *ports
	joined  time.Time
	beatAt  time.Time
	said    map[string]string // the listeners that were said to fail
}

func newLoop(b *Balancer) *loop {
	return &loop{
		Balancer: b, drains: map[string]time.Time{}, ports: newPorts(b), joined: b.config.Now().UTC().Round(0),
		watcher: b.config.Store.Watch(
			model.KindLoadBalancer, model.KindListener, model.KindRule, model.KindTargetGroup, model.KindTarget, model.KindCertificate,
		),
	}
}

// run follows the store and what the data plane tells until ctx ends.
func (l *loop) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-l.watcher.C():
			l.follow(ctx)
		case <-l.tell:
			l.retarget(slices.Collect(maps.Keys(l.heard())))
		case <-timer.C:
			l.tick(ctx)
		}
		timer.Reset(max(0, l.next().Sub(l.config.Now())))
	}
}

// end takes no more connections, and lets requests end.
func (l *loop) end(ctx context.Context) error {
	l.watcher.Close()
	return l.ports.end(ctx)
}

// next is when the loop has something to do although nothing happens.
func (l *loop) next() time.Time {
	at := l.beatAt
	for _, by := range l.drains {
		if by.Before(at) {
			at = by
		}
	}
	return at
}

// tick does what is due.
func (l *loop) tick(ctx context.Context) {
	now := l.config.Now()
	for path, by := range l.drains {
		if !now.Before(by) {
			delete(l.drains, path)
			l.flights.Target(path).Quit()
		}
	}
	if !now.Before(l.beatAt) {
		l.ports.settle(ctx, l.Table()) // what failed may work by now
		l.beat()
	}
}

// beat tells the store that the balancer is there.
func (l *loop) beat() {
	l.beatAt = l.config.Now().Add(l.config.Heartbeat)
	l.said = maps.Clone(l.ports.failed)
	l.writer.put(l.record(true, l.said, l.joined))
}

// follow takes over what changed in the store.
func (l *loop) follow(ctx context.Context) {
	changes, all, view := l.watcher.Snapshot()
	l.view = view
	var targets []string
	for _, c := range changes {
		if c.Key.Kind == model.KindTarget {
			targets = append(targets, c.Key.Path)
		} else {
			all = true
		}
	}
	if !all {
		l.retarget(targets)
		return
	}
	l.used = l.leads()
	l.check()
	l.swap(routing.Compile(l.Table(), l.input()))
	l.ports.settle(ctx, l.Table())
	if !maps.Equal(l.said, l.ports.failed) {
		l.beat()
	}
	for t := range view.Targets("") {
		targets = append(targets, t.Path())
	}
	for h := range view.TargetHealthsOf(l.config.ID) {
		targets = append(targets, h.Target)
	}
	l.observe(targets)
}

// retarget makes the table that follows from changes of some targets (given by path) alone.
func (l *loop) retarget(paths []string) {
	if l.view == nil {
		return
	}
	l.check()
	groups := map[string]bool{}
	for _, path := range paths {
		groups[groupOf(path)] = true
	}
	l.swap(l.Table().Retarget(l.input(), slices.Sorted(maps.Keys(groups))...))
	l.observe(paths)
}

// groupOf is the ARN of the group in the path of a target: all but the last two parts.
func groupOf(path string) string {
	slashes := 0
	for i := len(path) - 1; i >= 0; i-- {
		if path[i] == '/' {
			if slashes++; slashes == 2 {
				return path[:i]
			}
		}
	}
	return ""
}

// swap makes a table the one that is served.
func (l *loop) swap(t *routing.Table) {
	l.table.Store(t)
	l.ports.apply(t)
}

func (l *loop) input() routing.Input {
	v := l.view
	return routing.Input{
		LoadBalancers: v.LoadBalancers(), Listeners: v.Listeners(""), Rules: v.Rules, Group: v.TargetGroup, Targets: v.Targets,
		Health: func(path string) routing.Health {
			h, suspect := l.prober.Current(path)
			if suspect && h.State == model.TargetHealthy {
				h.State = model.TargetInitial // gets nothing while others are healthy
			}
			return h
		},
	}
}

// check tells the prober which targets there are.
func (l *loop) check() {
	var targets []probe.Target
	for t := range l.view.Targets("") {
		group, ok := l.view.TargetGroup(t.Group)
		if !ok {
			continue
		}
		host, used := l.used[t.Group]
		target := probe.Target{
			Path: t.Path(), Address: t.Address, Port: t.Port, Group: group, Host: host, Draining: t.Draining(), InUse: used,
		}
		if r, _, ok := l.view.Get(model.TargetHealthKey(l.config.ID, target.Path)); ok {
			target.Known = r.(*model.TargetHealth)
		}
		targets = append(targets, target)
	}
	l.prober.Set(targets)
}

// leads lists the target groups that some listener of a load balancer leads to, each with the address of one.
func (l *loop) leads() map[string]string {
	used := map[string]string{}
	for listener := range l.view.Listeners("") {
		lb, ok := l.view.LoadBalancer(listener.LoadBalancer)
		if !ok {
			continue
		}
		host := ""
		if lb.Type == model.NetworkLB {
			host = net.JoinHostPort(lb.Address, strconv.Itoa(listener.Port))
		}
		forwards(used, listener.Actions, host)
		for rule := range l.view.Rules(listener.ARN) {
			forwards(used, rule.Actions, host)
		}
	}
	return used
}

func forwards(used map[string]string, actions []model.Action, host string) {
	for i := range actions {
		if f := actions[i].Forward; f != nil {
			for _, g := range f.Groups {
				used[g.Group] = host
			}
		}
	}
}

// observe writes what is new of some targets, and closes those that are being deregistered: the table that nobody
// chooses them from any more is in place.
func (l *loop) observe(paths []string) {
	for _, path := range paths {
		key := model.TargetHealthKey(l.config.ID, path)
		known, exists := l.newest(key)
		t, ok := l.view.Target(path)
		if !ok {
			l.drop(path)
			if exists {
				l.writer.remove(key)
			}
			continue
		}
		if h := l.health(t); h != nil && (known == nil || *known != *h) {
			l.writer.put(h)
		}
	}
}

// drop forgets a target that is gone, and cuts what is still in flight to it.
func (l *loop) drop(path string) {
	delete(l.drains, path)
	l.forget(path)
	l.flights.Forget(func(other string) bool { return other != path })
}

// newest is what was last written of a target, or will be next.
func (l *loop) newest(key model.Key) (h *model.TargetHealth, exists bool) {
	r, asked := l.writer.asked(key)
	if !asked {
		r, _, asked = l.view.Get(key)
	}
	h, _ = r.(*model.TargetHealth)
	return h, asked && h != nil
}

// health is what there is to tell of a target, nil if nothing is.
func (l *loop) health(t *model.Target) *model.TargetHealth {
	path := t.Path()
	h := &model.TargetHealth{Balancer: l.config.ID, Target: path, Service: t.Service}
	f := l.flights.Target(path)
	if t.Draining() {
		if _, known := l.drains[path]; !known && !f.Closed() {
			l.drains[path] = t.DrainBy
		}
		h.Drained = f.Close()
		h.State, h.Reason, h.Since = model.TargetDraining, model.ReasonDeregistration, t.DrainAt
		h.Description = "Target deregistration is in progress"
		return h
	}
	if f.Closed() {
		delete(l.drains, path)
		f.Open()
	}
	r, ok := l.report(path)
	if !ok {
		return nil
	}
	h.State, h.Reason, h.Description, h.Since = r.state, r.reason, r.description, r.since
	return h
}
