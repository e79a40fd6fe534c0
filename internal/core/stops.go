package core

import (
	"fmt"
	"slices"

	"github.com/maitred/maitred/internal/core/reconcile"
	"github.com/maitred/maitred/internal/core/rollout"
	"github.com/maitred/maitred/internal/model"
)

// stopSome stops as many tasks as allowed, of each sort those that are missed least.
func (w *work) stopSome(allowed rollout.Allowance) {
	fresh, stale := &w.pool.Fresh, &w.pool.Stale
	w.stopUnhealthy(stale.Unhealthy[:allowed.StopUseless-len(stale.Surplus)])
	w.stopUnhealthy(fresh.Unhealthy[:allowed.StopUnhealthy])
	if allowed.StopSurplus > 0 {
		w.stop(take(allowed.StopSurplus, w.free(fresh.Pending, fresh.Unready), w.victims(fresh.Healthy)), w.scaleIn())
	}
	w.stop(stale.Surplus, w.supersede())
	if allowed.StopStale > 0 {
		gone := take(allowed.StopStale, w.free(stale.Unproved, stale.Pending, stale.Unready), w.victims(stale.Healthy))
		gone = gone[:min(len(gone), w.movesLeft())]
		w.stop(gone, w.supersede())
		w.disown(gone)
	}
}

// free lists the tasks that are not protected from scale-in.
func (w *work) free(lists ...[]model.TaskState) []model.TaskState {
	return reconcile.Unprotected(slices.Concat(lists...), w.in.Now)
}

// take gives the first n tasks of several lists.
func take(n int, lists ...[]model.TaskState) []model.TaskState {
	all := slices.Concat(lists...)
	return all[:min(n, len(all))]
}

// scaleIn is why tasks beyond the desired count stop.
func (w *work) scaleIn() model.Cause {
	return model.Cause{
		Kind: model.CauseService, Subject: w.svc.ARN, At: w.in.Now,
		Detail: fmt.Sprintf("%d tasks are alive, %d are desired", w.pool.Fresh.Alive()+w.pool.Stale.Alive(), w.desired), By: &w.svc.Cause,
	}
}

// supersede is why stale tasks stop: the primary deployment stands in for them.
func (w *work) supersede() model.Cause {
	lower, upper := rollout.Bounds(w.desired, w.svc.MinHealthy, w.svc.MaxPercent)
	healthy := len(w.pool.Fresh.Healthy) + len(w.pool.Stale.Healthy)
	by := w.primary.Why()
	if w.failed != nil {
		by = w.failed.Failure
	}
	return model.Cause{
		Kind: model.CauseDeployment, Subject: w.primary.ID, At: w.in.Now,
		Detail: fmt.Sprintf("%d tasks are healthy, %d must be; %d are desired, %d may be alive", healthy, lower, w.desired, upper),
		By:     by,
	}
}

// drained is why a task leaves an instance, if it is one that tasks must leave.
func (w *work) drained(instance string) *model.Cause {
	i, ok := w.Instance(instance)
	if !ok || i.Status == model.Active {
		return nil
	}
	return &model.Cause{
		Kind: model.CauseService, Subject: w.svc.ARN, At: w.in.Now,
		Detail: fmt.Sprintf("container instance %s is %s", model.ShortID(i.ARN), i.Status), By: &i.Cause,
	}
}

// stop asks tasks to stop for a reason of the scheduler's own, and says so.
func (w *work) stop(tasks []model.TaskState, why model.Cause) {
	var running, pending []model.TaskState
	for _, t := range tasks[:min(len(tasks), w.movesLeft())] {
		cause := why
		if d := w.drained(t.Instance); d != nil {
			cause = *d
		}
		w.stopTask(t, "Scaling activity initiated by (deployment "+t.Deployment+")", cause)
		if t.LastStatus() == model.TaskRunning {
			running = append(running, t)
		} else {
			pending = append(pending, t)
		}
	}
	if len(running) > 0 {
		w.event(fmt.Sprintf(" has stopped %d running tasks:%s.", len(running), taskIDs(running)))
	}
	if len(pending) > 0 {
		w.event(fmt.Sprintf(" stopped %d pending tasks.", len(pending)))
	}
}

// movesLeft bounds the tasks that stop in one change.
func (w *work) movesLeft() int { return max(0, w.moves()-len(w.gone)) }

// stopUnhealthy stops tasks that failed their health checks.
func (w *work) stopUnhealthy(tasks []model.TaskState) {
	tasks = tasks[:min(len(tasks), w.movesLeft())]
	for _, t := range tasks {
		text, reason := " (task "+model.ShortID(t.ARN)+") failed container health checks.", "Task failed container health checks"
		if target, why := w.failing(t); target != nil {
			text, reason = sickTarget(t, target, why), "Task failed ELB health checks in (target-group "+target.Group+")"
		}
		w.event(text)
		sick := w.sick(t)
		w.stopTask(t, reason, sick)
		if t.Deployment == w.primary.ID {
			w.edit(w.primary).Failed++
			w.tally(t, &sick)
		}
	}
	if len(tasks) > 0 {
		w.event(fmt.Sprintf(" has stopped %d running tasks:%s.", len(tasks), taskIDs(tasks)))
	}
}

// makeRoom stops one sick task that is in the way of its own replacement, because it has the port or the memory that the
// other one needs. What would not help, for want of a machine, is not done.
func (w *work) makeRoom() {
	def, ok := w.TaskDefinition(w.primary.TaskDefinition)
	if !ok || w.svc.Scheduling == model.Daemon || w.pool.Leaving+len(w.gone) > 0 {
		return
	}
	search, err := w.search(w.primary, def)
	if err != nil {
		return
	}
	sick := slices.Concat(w.pool.Stale.Unhealthy, w.pool.Fresh.Unhealthy)
	for i, t := range sick[:min(len(sick), w.moves())] {
		w.room().Remove(t)
		seat, helps := search.Place(w.random())
		if helps {
			w.room().Remove(model.TaskState{Task: w.newTask(w.primary, def, seat.Instance, model.Cause{})})
		}
		w.room().Add(t)
		if helps {
			w.stopUnhealthy(sick[i : i+1])
			return
		}
	}
}

// sick is the failed health check of a task.
func (w *work) sick(t model.TaskState) model.Cause {
	cause := model.Cause{Kind: model.CauseHealth, Subject: t.ARN, At: w.in.Now, Detail: "container health checks failed"}
	if target, why := w.failing(t); target != nil {
		cause.Detail = fmt.Sprintf("target %s:%d of %s failed its health checks: %s", target.Address, target.Port, groupName(target.Group), why.Description)
		return cause
	}
	for _, c := range t.Seen.Containers {
		if c.Health == model.Unhealthy {
			cause.Detail = "container " + c.Name + " failed its health check"
			if c.Reason != "" {
				cause.Detail += ": " + c.Reason
			}
		}
	}
	return cause
}

func (w *work) stopTask(t model.TaskState, reason string, why model.Cause) {
	task := *t.Task
	task.Desired, task.StopAt = model.TaskStopped, w.in.Now
	task.StopCode, task.StopReason, task.Stop = model.StopScheduler, reason, &why
	task.DrainBy = w.begin(&task)
	w.change.Puts = append(w.change.Puts, &task)
	w.gone[t.ARN] = true
	w.room().Stop(t)
	w.undo = append(w.undo, func() {
		w.room().Remove(model.TaskState{Task: &task, Seen: t.Seen})
		w.room().Add(t)
	})
}

// disown notes that older deployments are owed less: these tasks were stopped to make room, and not lost.
func (w *work) disown(tasks []model.TaskState) {
	for _, d := range w.older {
		n := 0
		for _, t := range tasks {
			if t.Deployment == d.ID {
				n++
			}
		}
		if n > 0 {
			owed := reconcile.Owed(d, w.desired)
			e := w.edit(d)
			e.Want, e.Basis = max(0, owed-n), w.desired
		}
	}
}
