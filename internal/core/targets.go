package core

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/core/balance"
	"github.com/maitred/maitred/internal/core/reconcile"
	"github.com/maitred/maitred/internal/model"
)

// lookAtTargets sorts the targets of the service's tasks by task.
func (w *work) lookAtTargets() {
	w.lbs = len(w.primary.LoadBalancers)
	for _, d := range w.older {
		w.lbs = max(w.lbs, len(d.LoadBalancers))
	}
	for t := range w.TargetsOfService(w.svc.ARN) {
		if w.targets == nil {
			w.targets = map[string][]*model.Target{}
		}
		w.targets[t.Task] = append(w.targets[t.Task], t)
		w.lbs = max(w.lbs, len(w.targets[t.Task]))
	}
}

// moves bounds the tasks of the service that start, that stop, and whose ends are noted, in one step: with each of them, its
// targets are written.
func (w *work) moves() int { return max(1, maxMoves/(1+w.lbs)) }

// balancers are the target groups in which the tasks of a deployment are registered.
func (w *work) balancers(deployment string) []model.ServiceBalancer {
	if deployment == w.primary.ID {
		return w.primary.LoadBalancers
	}
	for _, d := range w.older {
		if d.ID == deployment {
			return d.LoadBalancers
		}
	}
	return nil
}

// balanced is the health of a task as its load balancers see it, "" for a task that has none.
func (w *work) balanced(t model.TaskState) model.Health {
	lbs := w.balancers(t.Deployment)
	if len(lbs) == 0 {
		return ""
	}
	h, _, _ := balance.Health(w, len(lbs), w.targets[t.ARN])
	return h
}

// register makes targets of the tasks that run, and go on running: it comes after what stops some of them. A task that
// somebody else stops meanwhile is not registered.
func (w *work) register() {
	registered := map[string]int{}
	n := 0
	for _, t := range slices.Concat(w.pool.Fresh.All(), w.pool.Stale.All()) {
		lbs := w.balancers(t.Deployment)
		if n == w.moves() || !t.Running() || w.gone[t.ARN] || len(w.targets[t.ARN]) >= len(lbs) && !w.elsewhere(t) {
			continue
		}
		missing := w.missing(t, lbs)
		if len(missing) == 0 {
			continue
		}
		n++
		w.change.Guards = append(w.change.Guards, t.Key())
		for _, target := range missing {
			w.replaceTarget(t, target)
			w.change.Puts = append(w.change.Puts, target)
			registered[target.Group]++
		}
	}
	for _, group := range slices.Sorted(maps.Keys(registered)) {
		w.event(fmt.Sprintf(" registered %d targets in (target-group %s)", registered[group], group))
	}
}

// elsewhere says that a target of a task is not at the address of its machine, nor at the task's own: the machine may have
// got another one since.
func (w *work) elsewhere(t model.TaskState) bool {
	if t.Seen == nil || t.Seen.Attachment != nil {
		return false
	}
	m, ok := w.Machine(t.Machine)
	return ok && slices.ContainsFunc(w.targets[t.ARN], func(x *model.Target) bool { return x.Address != m.Address && !x.Draining() })
}

// missing lists the targets that a task is not yet.
func (w *work) missing(t model.TaskState, lbs []model.ServiceBalancer) []*model.Target {
	def, _ := w.TaskDefinition(t.TaskDefinition)
	machine, _ := w.Machine(t.Machine)
	targets := balance.Wanted(w, t, def, lbs, machine)
	targets = slices.DeleteFunc(targets, func(x *model.Target) bool {
		return slices.ContainsFunc(w.targets[t.ARN], func(y *model.Target) bool {
			return y.Path() == x.Path() && (y.Address == x.Address || y.Draining())
		})
	})
	for _, x := range targets {
		x.RegisteredAt = w.in.Now
		x.Cause = model.Cause{
			Kind: model.CauseService, Subject: w.svc.ARN, At: w.in.Now,
			Detail: "task " + model.ShortID(t.ARN) + " runs", By: &t.Start,
		}
	}
	return targets
}

// replaceTarget begins the deregistration of what a task was in a target group until now, at an address that its machine
// has no more.
func (w *work) replaceTarget(t model.TaskState, by *model.Target) {
	for _, x := range w.targets[t.ARN] {
		if x.Group != by.Group || x.Draining() || x.Path() == by.Path() {
			continue
		}
		w.change.Puts = append(w.change.Puts, balance.Drain(w, x, w.in.Now, model.Cause{
			Kind: model.CauseMachine, Subject: t.Machine, At: w.in.Now, Detail: "the machine is reached at " + by.Address + " now",
		}))
		w.left[x.Group]++
	}
}

// deregister sees to the targets of tasks that shall stop, and of those that are over: no balancer sends them anything any
// more, and when nothing is in flight the stop signal may be sent.
func (w *work) deregister() {
	moves := w.moves()
	for _, task := range w.leaving() {
		if moves == 0 {
			return
		}
		t, ok := w.Task(task)
		switch {
		case !ok || t.Stopped():
			w.drop(w.targets[task])
		case t.Desired == model.TaskStopped:
			if !w.leave(t) {
				continue
			}
		case !w.dropDrained(w.targets[task]): // somebody deregistered it by hand
			continue
		}
		moves--
	}
}

// leaving lists the tasks that have targets, or whose stop signal waits for somebody to say that they have none.
func (w *work) leaving() []string {
	tasks := slices.Collect(maps.Keys(w.targets))
	for t := range w.TasksOfService(w.svc.ARN) {
		if t.Desired == model.TaskStopped && !t.Stopped() && !t.DrainBy.IsZero() && !t.Drained {
			tasks = append(tasks, t.ARN)
		}
	}
	slices.Sort(tasks)
	return slices.Compact(tasks)
}

// drop removes targets.
func (w *work) drop(targets []*model.Target) {
	for _, t := range targets {
		if slices.Contains(w.change.Deletes, t.Key()) {
			continue
		}
		w.change.Deletes = append(w.change.Deletes, t.Key())
		if !t.Draining() {
			w.left[t.Group]++
		} else if w.in.Now.Before(t.DrainBy) {
			w.guardBalancers()
		}
	}
}

// guardBalancers makes the change depend on no balancer having come back meanwhile that had said goodbye: it was not asked
// whether it has something in flight.
func (w *work) guardBalancers() {
	for b := range w.Balancers() {
		if !b.Connected && !slices.Contains(w.change.Guards, b.Key()) {
			w.change.Guards = append(w.change.Guards, b.Key())
		}
	}
}

// dropDrained removes the targets that are drained, and says whether there are any.
func (w *work) dropDrained(targets []*model.Target) bool {
	var drained []*model.Target
	for _, t := range targets {
		if t.Draining() && balance.Drained(w, t, w.in.Now) {
			drained = append(drained, t)
		} else if t.Draining() {
			w.pool.Wake = reconcile.Earlier(w.pool.Wake, t.DrainBy)
		}
	}
	w.drop(drained)
	return len(drained) > 0
}

// leave takes a task that shall stop out of rotation, and says that it may get its stop signal when that is done. It says
// whether it wrote anything.
func (w *work) leave(t model.TaskState) bool {
	if slices.ContainsFunc(w.targets[t.ARN], func(x *model.Target) bool { return !x.Draining() }) {
		task := *t.Task
		if until := w.begin(t.Task); until.After(task.DrainBy) { // it was stopped when nobody could begin at once
			task.DrainBy = until
			w.change.Puts = append(w.change.Puts, &task)
		}
		return true
	}
	for _, x := range w.targets[t.ARN] {
		if !balance.Drained(w, x, w.in.Now) {
			w.pool.Wake = reconcile.Earlier(w.pool.Wake, x.DrainBy)
			return false
		}
	}
	task := *t.Task
	task.Drained = true
	w.change.Puts = append(w.change.Puts, &task)
	w.drop(w.targets[t.ARN])
	return true
}

// begin begins the deregistration of a task's targets.
func (w *work) begin(t *model.Task) (until time.Time) {
	draining := 0
	for _, x := range w.targets[t.ARN] {
		if !x.Draining() {
			x = balance.Drain(w, x, w.in.Now, *t.Stop)
			w.change.Puts = append(w.change.Puts, x)
			w.left[x.Group]++
			draining = 1
		}
		if x.DrainBy.After(until) {
			until = x.DrainBy
		}
	}
	w.draining += draining
	return until
}

// tellTargets says what was deregistered.
func (w *work) tellTargets() {
	for _, group := range slices.Sorted(maps.Keys(w.left)) {
		w.event(fmt.Sprintf(" deregistered %d targets in (target-group %s)", w.left[group], group))
	}
	if w.draining > 0 {
		w.line(fmt.Sprintf("(service %s, taskSet %s) has begun draining connections on %d tasks.", w.svc.Name, w.primary.ID, w.draining))
	}
}

// failing is the target of a task that its balancers find unhealthy, and what they say of it; nil if there is none.
func (w *work) failing(t model.TaskState) (*model.Target, *model.TargetHealth) {
	_, target, why := balance.Health(w, len(w.balancers(t.Deployment)), w.targets[t.ARN])
	return target, why
}

// sickTarget says in an event that a target is unhealthy ("Service event messages").
func sickTarget(t model.TaskState, target *model.Target, why *model.TargetHealth) string {
	who := "(task " + model.ShortID(t.ARN) + ")"
	if target.ID != target.Address {
		who = "(instance " + target.ID + ")"
	}
	return fmt.Sprintf(" %s (port %d) is unhealthy in (target-group %s) due to (reason %s)", who, target.Port, target.Group, why.Description)
}

// groupName is the name in the ARN of a target group.
func groupName(group string) string {
	parts := strings.Split(group, "/")
	return parts[max(0, len(parts)-2)]
}
