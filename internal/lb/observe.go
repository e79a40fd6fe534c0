package lb

import (
	"net"
	"strconv"
	"time"

	"github.com/maitred/maitred/internal/lb/probe"
	"github.com/maitred/maitred/internal/model"
)

// initialFor is how long a target is initial before that is written: most are healthy before, and nobody needs to know
// that they were not.
const initialFor = time.Second

// checkAll tells the prober which targets there are.
func (l *loop) checkAll() {
	var targets []probe.Target
	for t := range l.view.Targets("") {
		if p, ok := l.probed(t); ok {
			targets = append(targets, p)
		}
	}
	l.prober.Set(targets)
}

// check tells the prober of targets that have changed, or are gone.
func (l *loop) check(paths []string) {
	for _, path := range paths {
		if t, ok := l.view.Target(path); ok {
			if p, ok := l.probed(t); ok {
				l.prober.Put(p)
				continue
			}
		}
		l.prober.Drop(path)
	}
}

// probed is a target as the prober sees it; false for one whose group does not exist.
func (l *loop) probed(t *model.Target) (probe.Target, bool) {
	group, ok := l.view.TargetGroup(t.Group)
	if !ok {
		return probe.Target{}, false
	}
	host, used := l.used[t.Group]
	p := probe.Target{
		Path: t.Path(), Address: t.Address, Port: t.Port, Group: group, Host: host, Draining: t.Draining(), InUse: used,
	}
	if r, _, ok := l.view.Get(model.TargetHealthKey(l.config.ID, p.Path)); ok {
		p.Known, _ = r.(*model.TargetHealth)
	}
	return p, true
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
		delete(l.later, path)
		key := model.TargetHealthKey(l.config.ID, path)
		known := l.newest(key)
		t, ok := l.view.Target(path)
		if !ok {
			l.drop(path)
			if known != nil {
				l.writer.remove(key)
			}
			continue
		}
		h := l.health(t)
		if h != nil && h.Drained {
			l.bequeath(path, h.Since)
		}
		if h == nil || known != nil && *known == *h || l.postponed(path, known, h) {
			continue
		}
		l.writer.put(h)
	}
}

// postponed says that what there is to write may soon be something else, and has it looked at again. What was said of a
// deregistration that was taken back must not stay, however soon the next thing follows.
func (l *loop) postponed(path string, known, h *model.TargetHealth) bool {
	if h.State != model.TargetInitial || known != nil && known.State == model.TargetDraining {
		return false
	}
	at := h.Since.Add(initialFor)
	if !l.config.Now().Before(at) {
		return false
	}
	l.later[path] = at
	return true
}

// drop forgets a target that is gone, and cuts what is still in flight to it.
func (l *loop) drop(path string) {
	delete(l.drains, path)
	delete(l.bequeathed, path)
	l.inbox.forget(path)
	l.flights.Drop(path)
}

// newest is what was last written of a target, or will be next; nil is nothing. The writer is asked first: what it does
// not have any more is in the store's view, which is newer than the loop's.
func (l *loop) newest(key model.Key) *model.TargetHealth {
	r, asked := l.writer.asked(key)
	if !asked {
		r, _, _ = l.config.Store.View().Get(key)
	}
	h, _ := r.(*model.TargetHealth)
	return h
}

// health is what there is to tell of a target, nil if nothing is.
func (l *loop) health(t *model.Target) *model.TargetHealth {
	path := t.Path()
	h := &model.TargetHealth{Balancer: l.config.ID, Target: path, Service: t.Service}
	f := l.flights.Target(path)
	if t.Draining() {
		if d := l.drains[path]; d == nil || !d.by.Equal(t.DrainBy) {
			l.drains[path] = &drain{by: t.DrainBy}
		}
		h.Drained = f.Close() && l.elder.drained(path, t.DrainAt)
		h.State, h.Reason, h.Since = model.TargetDraining, model.ReasonDeregistration, t.DrainAt
		h.Description = "Target deregistration is in progress"
		return h
	}
	if f.Closed() {
		delete(l.drains, path)
		f.Open()
	}
	r, ok := l.inbox.report(path)
	if !ok {
		return nil
	}
	h.State, h.Reason, h.Description, h.Since = r.state, r.reason, r.description, r.since
	return h
}
