package core

import (
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core/reconcile"
	"github.com/maitred/maitred/internal/model"
)

// ended is the record of a task that ended by itself: from now on it is wanted stopped, for the reason observed.
func ended(t model.TaskState) *model.Task {
	task := *t.Task
	task.Desired, task.StopAt = model.TaskStopped, t.Seen.StoppedAt
	task.StopCode, task.StopReason = t.Seen.StopCode, t.Seen.StopReason
	task.Stop = &model.Cause{Kind: model.CauseExit, Subject: t.ARN, At: t.Seen.StoppedAt, Detail: describeEnd(t)}
	if t.Seen.StopCode == model.StopTermination { // somebody ended the agent and its tasks with it
		task.Stop.Kind, task.Stop.Detail = model.CauseOperator, t.Seen.StopReason
	}
	return &task
}

// noteEnds takes note of tasks that ended by themselves, each exactly once, and slows the service down when its tasks
// keep failing to start.
func (w *work) noteEnds() {
	for _, t := range w.pool.Ended[:min(len(w.pool.Ended), w.moves())] {
		task := ended(t)
		w.change.Puts = append(w.change.Puts, task)
		w.drop(w.targets[t.ARN])
		w.failures = append(w.failures, *task.Stop)
		if w.throttle.FailedToStart(t) {
			w.failedToStart(t, task.Stop)
		}
		if t.Deployment == w.primary.ID && reconcile.Failed(t, w.wasHealthy(t)) {
			w.tally(t, task.Stop)
		}
	}
}

// failedToStart counts a task that failed to start. Tasks that were started together count once, and those of older deployments
// do not slow the new one down.
func (w *work) failedToStart(t model.TaskState, end *model.Cause) {
	for _, d := range append([]*model.Deployment{w.primary}, w.older...) {
		if d.ID == t.Deployment {
			w.edit(d).Failed++
		}
	}
	switch {
	case t.Deployment != w.primary.ID:
		return
	case w.renewed():
		w.state.FailedOf, w.state.StartFailures, w.state.ThrottledUntil = w.primary.ID, 0, time.Time{}
	case t.CreatedAt.Before(w.state.FailedRound) && !w.state.FailedRound.After(w.in.Now):
		return // replacements are made at the moment when a failure is counted, unless the clock was wrong
	}
	w.stateChanged = true
	w.state.StartFailures++
	w.state.FailedRound, w.state.Failure = w.in.Now, end
	if delay := w.throttle.Delay(w.state.StartFailures); delay > 0 {
		w.state.ThrottledUntil = w.in.Now.Add(delay)
		w.say(topicThrottle, " is unable to consistently start tasks successfully."+troubleshooting)
	}
}

// renewed says that the service was updated since a task of it failed to start: the failures before do not count any
// more ("Amazon ECS service throttle logic"). An update of which a clock that ran ahead says that it is yet to come is none:
// each failure until then would be the first one.
func (w *work) renewed() bool {
	updated := w.svc.Cause.At
	return w.state.FailedOf != w.primary.ID || updated.After(w.state.FailedRound) && !updated.After(w.in.Now)
}

// throttled says whether the service must wait before it starts tasks again.
func (w *work) throttled() bool {
	left := w.state.ThrottledUntil.Sub(w.in.Now)
	if w.renewed() || left <= 0 || left > w.throttle.Cap { // no pause is so long: the clock was wrong
		return false
	}
	w.pool.Wake = reconcile.Earlier(w.pool.Wake, w.state.ThrottledUntil)
	return true
}

// forgive forgets failures once a task that was started after them has proved itself.
func (w *work) forgive() {
	w.clear()
	if w.state.StartFailures == 0 {
		return
	}
	proved := false
	for _, t := range slices.Concat(w.pool.Fresh.Healthy, w.pool.Fresh.Unready) {
		if t.CreatedAt.Before(w.state.FailedRound) {
			continue
		}
		at := t.Seen.StartedAt.Add(w.in.Timings.QuickExit)
		proved = proved || !w.in.Now.Before(at)
		if !proved {
			w.pool.Wake = reconcile.Earlier(w.pool.Wake, at)
		}
	}
	if proved || w.renewed() {
		w.state.StartFailures, w.state.Failure, w.state.FailedOf = 0, nil, ""
		w.resolve(topicThrottle)
		w.stateChanged = true
	}
	if proved && w.primary.Failed > 0 {
		w.edit(w.primary).Failed = 0
	}
}

// clear forgets the tasks of the deployment that failed, once one that was started after them is healthy.
func (w *work) clear() {
	if _, edited := w.edited[w.primary.ID]; edited || w.primary.Failed == 0 {
		return
	}
	for _, t := range w.pool.Fresh.Healthy {
		if !t.CreatedAt.Before(w.primary.UpdatedAt) {
			w.edit(w.primary).Failed = 0
			return
		}
	}
}

// drain stops everything, and closes the service when nothing runs any more ("DeleteService").
func (w *work) drain() {
	p := &w.pool
	why := model.Cause{Kind: model.CauseService, Subject: w.svc.ARN, At: w.in.Now, Detail: "the service is being deleted", By: &w.svc.Cause}
	w.stop(slices.Concat(p.Fresh.All(), p.Stale.All()), why)
	if len(p.Ended) > w.moves() {
		return
	}
	for t := range w.TasksOfService(w.svc.ARN) {
		if t.LastStatus().Order() < model.TaskStopping.Order() && !w.deregistered(t.Instance) {
			return
		}
	}
	closed := *w.svc
	closed.Status, closed.ClosedAt = model.Inactive, w.in.Now
	w.change.Puts = append(w.change.Puts, &closed)
}
