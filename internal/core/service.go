package core

import (
	"fmt"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core/reconcile"
	"github.com/maitred/maitred/internal/core/rollout"
	"github.com/maitred/maitred/internal/model"
)

// work is one look at one service: what is known, and what is written because of it.
type work struct {
	*step
	svc          *model.Service
	state        model.ServiceState // a copy, written when stateChanged
	stateChanged bool
	primary      *model.Deployment // see keep
	older        []*model.Deployment
	failed       *model.Deployment            // the deployment that failed and is not rolled back, nil for none
	edited       map[string]*model.Deployment // copies of deployments that change
	pinned       map[string]map[string]string // images of deployments whose digests have become known, by its id
	desired      int
	sites        []*model.Instance // of a DAEMON: where it runs
	pool         reconcile.Pool
	gone         map[string]bool            // tasks that this change asks to stop
	failures     []model.Cause              // how tasks ended that nobody had noticed yet
	lbs          int                        // target groups that a task of it is registered in, at most
	targets      map[string][]*model.Target // of its tasks, by task
	left         map[string]int             // targets that were deregistered, by group
	draining     int                        // tasks whose targets were
	roomless     bool                       // a task found no room
	unplacedSaid bool                       // and it was said why
	noRoom       string                     // why one of the primary deployment found none, "" if all did
	change       Change
}

// service brings one service a step nearer to what it shall be. It reads as the paragraph that it is: take note of what
// ended, see how many may start and stop, do that, and say how far the service is.
func (s *step) service(arn string) Change {
	svc, ok := s.Service(arn)
	if !ok {
		return Change{}
	}
	w := s.look(svc)
	if w.primary == nil || svc.Status == model.Inactive {
		return Change{}
	}
	w.recount()
	w.noteEnds()
	w.deregister()
	if svc.Status == model.Draining {
		w.drain()
		return w.done()
	}
	if w.fails() {
		return w.done() // what is to be done now is for the next look
	}
	w.pin()
	counts := w.counts()
	allowed := rollout.Decide(counts)
	w.stopSome(allowed)
	w.startSome(counts, allowed)
	w.register()
	w.judge(counts, allowed)
	return w.done()
}

// look gathers what is known of a service.
func (s *step) look(svc *model.Service) *work {
	w := &work{step: s, svc: svc, edited: map[string]*model.Deployment{}, gone: map[string]bool{}, left: map[string]int{}, desired: svc.DesiredCount}
	w.state.Service = svc.ARN
	if state, ok := s.ServiceState(svc.ARN); ok {
		w.state = *state
	}
	w.change = Change{Subject: svc.ARN, Guards: []model.Key{svc.Key()}}
	for d := range s.Deployments(svc.ARN) {
		switch {
		case d.ID == svc.Primary:
			w.primary = d
		case d.Current:
			w.older = append(w.older, d)
		}
	}
	if w.primary == nil {
		return w
	}
	w.keep()
	w.lookAtTargets()
	leaves := w.leaves
	if svc.Scheduling == model.Daemon {
		w.sites = w.daemonSites()
		w.desired = len(w.sites)
		leaves = w.leavesDaemon
	}
	w.pool = reconcile.Sort(reconcile.Situation{
		Service: svc, Desired: w.desired, Primary: w.primary, Older: w.older, Tasks: w.tasks(), Leaves: leaves,
		Gone: w.deregistered, Tries: failuresFree, Checked: w.checked, Targets: w.balanced, HealthyAfter: s.in.Timings.HealthyAfter, Now: s.in.Now,
	})
	return w
}

// tasks lists the service's tasks that are not over and done with.
func (w *work) tasks() []model.TaskState {
	tasks := make([]model.TaskState, 0, min(w.desired, maxMoves)+2)
	for t := range w.TasksOfService(w.svc.ARN) {
		if !t.Stopped() || t.Desired == model.TaskRunning {
			tasks = append(tasks, t)
		}
	}
	return tasks
}

// leaves says that replica tasks shall leave an instance: it is being drained, or gone.
func (w *work) leaves(instance string) bool { return w.status(instance) != model.Active }

// status is the status of a container instance; each is looked up once in a step.
func (s *step) status(instance string) model.Status {
	status, known := s.states[instance]
	if !known {
		status = model.Inactive
		if i, ok := s.Instance(instance); ok {
			status = i.Status
		}
		s.states[instance] = status
	}
	return status
}

// deregistered says that nobody follows an instance any more.
func (w *work) deregistered(instance string) bool { return w.status(instance) == model.Inactive }

// leavesDaemon says that a daemon's task shall leave an instance: it does not match any more.
func (w *work) leavesDaemon(instance string) bool {
	return !slices.ContainsFunc(w.sites, func(i *model.Instance) bool { return i.ARN == instance })
}

func (w *work) checked(taskDefinition string) bool {
	def, ok := w.TaskDefinition(taskDefinition)
	return ok && def.HealthChecked()
}

// counts reduces the pool to the numbers that rollout works with.
func (w *work) counts() rollout.Counts {
	lower, upper := rollout.Bounds(w.desired, w.svc.MinHealthy, w.svc.MaxPercent)
	fresh, stale := &w.pool.Fresh, &w.pool.Stale
	return rollout.Counts{
		Desired: w.desired, Lower: lower, Upper: upper,
		Fresh: fresh.Alive(), FreshHealthy: len(fresh.Healthy), FreshUnhealthy: len(fresh.Unhealthy),
		FreshProtected: w.protected(fresh.Healthy), FreshHeld: w.protected(fresh.Pending, fresh.Unready),
		Stale: stale.Alive(), StaleHealthy: len(stale.Healthy), StaleUnhealthy: len(stale.Unhealthy),
		StaleProtected: w.protected(stale.Healthy), StaleHeld: w.protected(stale.Unproved, stale.Pending, stale.Unready),
		StaleOwed:    len(stale.Pending) + len(stale.Unready) - w.protected(stale.Pending, stale.Unready),
		StaleSurplus: len(stale.Surplus), StaleLost: w.pool.Missing(), Leaving: w.pool.Leaving,
		Hold: w.failed != nil && w.failed != w.primary, Frozen: w.failed != nil && w.failed == w.primary,
	}
}

// protected counts the tasks that are protected from scale-in.
func (w *work) protected(lists ...[]model.TaskState) (n int) {
	for _, list := range lists {
		for _, t := range list {
			if t.Protected(w.in.Now) {
				n++
			}
		}
	}
	return n
}

// edit gives the copy of a deployment that will be written.
func (w *work) edit(d *model.Deployment) *model.Deployment {
	if e, ok := w.edited[d.ID]; ok {
		return e
	}
	e := *d
	e.UpdatedAt = w.in.Now
	w.edited[d.ID] = &e
	return &e
}

// done finishes the change: what was edited is written after the tasks, in a fixed order.
func (w *work) done() Change {
	w.tellTargets()
	for _, d := range append([]*model.Deployment{w.primary}, w.older...) {
		if e := w.written(d); e != nil {
			w.change.Puts = append(w.change.Puts, e)
		}
	}
	if w.stateChanged {
		state := w.state
		w.change.Puts = append(w.change.Puts, &state)
	}
	if !w.pool.Wake.IsZero() {
		w.plan.Wakes = append(w.plan.Wakes, Wake{w.svc.ARN, w.pool.Wake})
	}
	return w.change
}

// judge says how far the service is: deployment completed, stuck, held up by protected tasks, steady.
func (w *work) judge(c rollout.Counts, allowed rollout.Allowance) {
	w.tell(allowed)
	w.tellHeldBack(c, allowed)
	w.retire()
	completed := w.primary.Rollout == model.RolloutCompleted
	if !completed && w.failed == nil && rollout.Complete(c, w.pool.StaleRunning) && len(w.older) <= maxMoves && w.baked() {
		w.complete()
		completed = true
	}
	steady := completed && allowed.Idle() && c.FreshHealthy == c.Desired && c.Fresh == c.Desired && c.Stale+c.Leaving == 0
	w.steady(steady)
	w.forgive()
}

// tell says what holds the service up.
func (w *work) tell(allowed rollout.Allowance) {
	if allowed.Stuck {
		w.say(topicStuck, " was unable to stop or start tasks during a deployment because of the service deployment"+
			" configuration. Update the minimumHealthyPercent or maximumPercent value and try again.")
	} else {
		w.resolve(topicStuck)
	}
	if allowed.Protected > 0 {
		w.say(topicProtected, fmt.Sprintf(" was unable to reach steady state because (taskSet %s) was unable to scale in"+
			" due to (reason %d tasks under protection)", w.primary.ID, allowed.Protected))
	} else {
		w.resolve(topicProtected)
	}
}

// retire makes history of the oldest of the deployments that are replaced when there are more of them than one change
// can hold, and they have no tasks any more and are owed none.
func (w *work) retire() {
	kept := map[string]bool{}
	for t := range w.TasksOfService(w.svc.ARN) {
		kept[t.Deployment] = kept[t.Deployment] || !t.Stopped()
	}
	for _, lost := range w.pool.Lost {
		kept[lost.Deployment.ID] = true
	}
	for _, d := range w.older {
		if d.Proved() || d.ID == w.primary.RollsBack || d.ID == w.svc.Primary {
			kept[d.ID] = true // it may be needed yet
		}
	}
	over := len(w.older) - maxMoves
	for _, d := range slices.Backward(w.older) {
		if over <= 0 || len(w.edited) >= maxMoves {
			return
		}
		if !kept[d.ID] {
			w.edit(d).Current = false
			over--
		}
	}
}

// complete ends the deployment; those that it replaced become history.
func (w *work) complete() {
	d := w.edit(w.primary)
	d.Rollout, d.Failed, d.RolloutReason, d.Watched.BakeUntil = model.RolloutCompleted, 0, "", time.Time{}
	if d.RollsBack == "" {
		d.Status, d.FinishedAt = model.DeploymentSuccessful, w.in.Now
	}
	for _, old := range w.older {
		e := w.edit(old)
		if e.Current = false; e.ID == d.RollsBack {
			e.Status, e.FinishedAt = model.DeploymentRollbackSuccessful, w.in.Now
		}
	}
	d.RollsBack = ""
	w.event(" (deployment " + d.ID + ") deployment completed.")
}

// steady says that the service is steady when it becomes so, and again from time to time.
func (w *work) steady(steady bool) {
	repeat := w.state.SteadyAt.Add(w.in.Timings.SteadyRepeat)
	switch {
	case !steady && !w.state.SteadyAt.IsZero():
		w.state.SteadyAt = time.Time{}
		w.stateChanged = true
	case steady && (w.state.SteadyAt.IsZero() || !w.in.Now.Before(repeat)):
		w.state.SteadyAt = w.in.Now
		w.stateChanged = true
		w.event(" has reached a steady state.")
		repeat = w.in.Now.Add(w.in.Timings.SteadyRepeat)
	}
	if steady {
		w.pool.Wake = reconcile.Earlier(w.pool.Wake, repeat)
	}
}
