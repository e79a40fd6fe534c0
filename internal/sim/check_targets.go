package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// knownTarget is a target as it is written, or as it was when it was removed.
type knownTarget struct {
	*model.Target
	gone bool
	past time.Time // end of an earlier deregistration
}

// strict says that times in records are to be taken at their word: no clock is wrong.
func (c *checker) strict() bool { return c.w.faults.Skew == 0 }

// over says that the time in which a target may get requests, and end them, is over.
func (c *checker) over(t *knownTarget) bool {
	switch task := c.tasks[t.Task]; {
	case !c.strict():
		return true
	case t.Draining():
		return !c.w.now.Before(t.DrainBy)
	default: // no scheduler came in time
		return task != nil && !task.task.DrainBy.IsZero() && !c.w.now.Before(task.task.DrainBy) &&
			c.w.now.Sub(task.task.StopAt) >= schedulerless
	}
}

// schedulerless is how long there has to be no scheduler until a task may stop although it still is a target.
const schedulerless = 30 * time.Second

// targeted notes a target that was written.
func (c *checker) targeted(t *model.Target) {
	if old := c.targets[t.Path()]; old == nil || old.gone || old.Draining() != t.Draining() {
		c.w.tell("  target %s: draining %v until %v", shortPath(t.Path()), t.Draining(), t.DrainBy.Sub(c.w.start))
	}
	next := &knownTarget{Target: t}
	if old := c.targets[t.Path()]; old != nil {
		if next.past = old.past; old.Draining() {
			next.past = old.DrainBy
		}
	}
	c.targets[t.Path()] = next
}

// judgedBy checks what a balancer says of a target.
func (c *checker) judgedBy(h *model.TargetHealth, by actor) {
	b := by.balancer
	if b == nil || b.id != h.Balancer {
		c.w.fail("one writer per key", "the health of target %s for balancer %s", shortPath(h.Target), h.Balancer)
	}
	if f := b.flights.Target(h.Target); h.Drained && f.Closed() && f.InFlight() > 0 {
		c.w.fail("drained means that nothing is in flight", "balancer %s has %d requests in flight to %s", b.id, f.InFlight(), shortPath(h.Target))
	}
}

// chosen checks that a target may get a new request.
func (c *checker) chosen(b *balancer, path string) {
	t, ok := b.view.Target(path)
	if !ok || t.Draining() {
		c.w.fail("a target that leaves gets no new request", "balancer %s sends one to %s", b.id, shortPath(path))
	}
	if t.Service == "" {
		c.w.people.hand.sent(b, t)
	}
}

// refused checks that whoever refuses a request was not taken away by us while requests might come.
func (c *checker) refused(b *balancer, path string) {
	t := c.targets[path]
	if t == nil || c.over(t) {
		return
	}
	task := c.tasks[t.Task]
	switch {
	case task == nil:
	case c.began[t.Task] == nil:
		c.w.fail("who is a target can be reached", "task %s is target %s and never ran", short(t.Task), shortPath(path))
	case c.began[t.Task].ours && !c.began[t.Task].forsaken:
		c.w.fail("no request fails because of us", "balancer %s is refused by %s, which was stopped", b.id, shortPath(path))
	}
}

// lost checks that a request was lost by a fault, or by the end of the deregistration delay. ours says that somebody was
// asked to end it.
func (c *checker) lost(b *balancer, r *request, ours bool) {
	t := c.targets[r.path]
	c.w.tell("  balancer %s loses a request to %s", b.id, shortPath(r.path))
	before := t != nil && r.at.Before(t.past) && !c.w.now.Before(t.past) // it was deregistered, and is registered again
	if ours && t != nil && !c.over(t) && !before && !r.to.forsaken {
		c.w.fail("no request fails because of us", "one of balancer %s to %s, draining %v until %v", b.id, shortPath(r.path), t.Draining(), t.DrainBy.Sub(c.w.start))
	}
}

// unserved checks a request for which there was no target.
func (c *checker) unserved(b *balancer, g *routing.Group) {
	c.w.unserved++
	if c.atRest && c.wanted(g.Record.ARN) > 0 {
		c.w.fail("no request fails because of us", "balancer %s has no target in %s", b.id, g.Record.Name)
	}
}

// wanted is how many tasks are to be targets of a group.
func (c *checker) wanted(group string) (n int) {
	v := c.w.view()
	for t := range v.Targets(group) {
		if t.Service == "" && !t.Draining() {
			n++
		}
	}
	for s := range v.AllServices() {
		if d, ok := v.Deployment(s.ARN, s.Primary); ok && s.Status == model.Active {
			if slices.ContainsFunc(d.LoadBalancers, func(lb model.ServiceBalancer) bool { return lb.Group == group }) {
				n += c.desired(v, s)
			}
		}
	}
	return n
}

// maySignal checks that a task's container may be ended: no balancer sends anything any more, and nothing is in flight.
func (c *checker) maySignal(task string, to *container) {
	if c.w.listening[task] != to || to.forsaken {
		return
	}
	for _, path := range sortedKeys(c.targets) {
		t := c.targets[path]
		if t.Task != task || c.over(t) {
			to.forsaken = to.forsaken || t.Task == task && !t.gone && !t.Draining()
			continue
		}
		c.isLeft(task, path, t.Group)
	}
}

// isLeft checks that no balancer has anything in flight to a target of a task, nor can send it anything.
func (c *checker) isLeft(task, path, group string) {
	for _, b := range c.w.balancers {
		if b.store == nil || b.view == nil {
			continue
		}
		f := b.flights.Target(path)
		g := b.table.Groups[group]
		open := b.serves() && g != nil && g.Find(path) != nil && !f.Closed()
		if open || f.InFlight() > 0 {
			c.w.fail("the stop signal waits", "task %s is stopped; balancer %s may send it new requests: %v; %d in flight", short(task), b.id, open, f.InFlight())
		}
	}
}

// balanced says whether a task is healthy for its balancers: it is a target in each group of its deployment, and all that
// know the targets find them healthy.
func (c *checker) balanced(v core.View, t model.TaskState) (has, healthy bool) {
	var lbs []model.ServiceBalancer
	for d := range v.Deployments(t.Service) {
		if d.ID == t.Deployment && (d.Current || len(lbs) == 0) {
			lbs = d.LoadBalancers
		}
	}
	there := map[string]bool{}
	for b := range v.Balancers() {
		there[b.ID] = b.Connected
	}
	good := 0
	for target := range v.TargetsOfService(t.Service) {
		if target.Task != t.ARN || target.Draining() {
			continue
		}
		said, bad := 0, 0
		for h := range v.TargetHealths(target.Path()) {
			if !there[h.Balancer] {
				continue
			}
			said++
			if h.State != model.TargetHealthy {
				bad++
			}
		}
		if said > 0 && bad == 0 {
			good++
		}
	}
	return len(lbs) > 0, good == len(lbs)
}

// patient checks that no failed health check stops a task within the grace period of its service.
func (c *checker) patient(svc *model.Service, t model.TaskState, why *model.Cause, now time.Time) {
	if why == nil || why.Kind != model.CauseHealth || t.Seen == nil {
		return
	}
	if left := t.Seen.StartedAt.Add(svc.HealthGrace).Sub(now); left > 0 {
		c.w.fail("grace period", "task %s of %s is stopped for its health, %v before its %v are over", short(t.ARN), svc.Name, left, svc.HealthGrace)
	}
}

// heals checks that the replacement of what is unhealthy stays within bounds: tasks that run and are unhealthy are worth
// more than none. One at a time may always go.
func (c *checker) heals(v core.View, svc *model.Service, change *core.Change) {
	if svc.Status != model.Active {
		return
	}
	healed, stopped := 0, map[string]bool{}
	for _, r := range change.Puts {
		if t, ok := r.(*model.Task); ok && t.Stop != nil {
			known, exists := v.Task(t.ARN)
			if exists && known.Running() && t.Desired == model.TaskStopped {
				stopped[t.ARN] = true
				if t.Stop.Kind == model.CauseHealth {
					healed++
				}
			}
		}
	}
	if healed < 2 {
		return
	}
	running := 0
	for t := range v.TasksOfService(svc.ARN) {
		if t.Running() && !stopped[t.ARN] {
			running++
		}
	}
	if desired := c.desired(v, svc); running*100 < desired*svc.MinHealthy {
		c.w.fail("healing does not kill", "%d unhealthy tasks of %s are stopped at once, %d run on; %d%% of %d must", healed, svc.Name, running, svc.MinHealthy, desired)
	}
}

// unbalanced says what the targets lack.
func (w *world) unbalanced(v *store.View) string {
	for t := range v.Targets("") {
		if t.Service == "" {
			if trouble := w.handy(v, t); trouble != "" {
				return trouble
			}
			continue
		}
		task, ok := v.Task(t.Task)
		switch {
		case !ok || !task.Running():
			return fmt.Sprintf("target %s is left over", shortPath(t.Path()))
		case t.Draining():
			return fmt.Sprintf("target %s still leaves", shortPath(t.Path()))
		}
	}
	for h := range v.TargetHealthsOf("") {
		if _, ok := v.Target(h.Target); !ok {
			return fmt.Sprintf("what balancer %s knows of target %s is left over", h.Balancer, shortPath(h.Target))
		}
	}
	for t := range v.Tasks() {
		if s, ok := v.Service(t.Service); ok && t.Running() {
			if trouble := w.unregistered(v, s, t); trouble != "" {
				return trouble
			}
		}
	}
	return ""
}

// unregistered says which target of a task is missing, or not healthy for all.
func (w *world) unregistered(v *store.View, s *model.Service, t model.TaskState) string {
	d, _ := v.Deployment(s.ARN, s.Primary)
	for _, lb := range d.LoadBalancers {
		n := 0
		for target := range v.TargetsOfService(s.ARN) {
			if target.Task != t.ARN || target.Group != lb.Group {
				continue
			}
			n++
			if trouble := w.ill(v, target); trouble != "" {
				return trouble
			}
		}
		if n != 1 {
			return fmt.Sprintf("task %s is a target %d times in %s", short(t.ARN), n, lb.Group)
		}
	}
	return ""
}
