package core

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/core/reconcile"
	"github.com/maitred/maitred/internal/core/rollout"
	"github.com/maitred/maitred/internal/model"
)

// What a deployment that failed says of itself. The texts of the circuit breaker are those of ECS; for alarms ECS documents
// that of the event alone, and for the others none.
const (
	breakerReason  = "ECS deployment circuit breaker: tasks failed to start."
	breakerHistory = "Service deployment rolled back because the circuit breaker threshold was exceeded."
	alarmReason    = "ECS deployment failed: alarm detected."
	alarmHistory   = "Service deployment rolled back because an alarm was detected."
	askedReason    = "ECS deployment stopped."
	askedHistory   = "Service deployment rolled back because it was stopped."
	nothingBefore  = " There is no completed deployment to roll back to."
)

// keep finds the deployment that the service lives on. If the newest one failed and was not rolled back, that is the one
// before it: it is the primary one for this look, while the API goes on to show the failed one as such.
func (w *work) keep() {
	if w.primary.Rollout != model.RolloutFailed {
		return
	}
	w.failed = w.primary
	i := slices.IndexFunc(w.older, (*model.Deployment).Proved)
	if i < 0 {
		return
	}
	w.primary = w.older[i]
	w.older = slices.Concat([]*model.Deployment{w.failed}, w.older[:i], w.older[i+1:])
}

// monitors are what is to fail the deployment that is under way. Where it is rolled out in the place of a failed one, they are
// those of that one, but for the alarms: they went off for what is being taken back, or are about to, as they look back. In ECS,
// alarms that are in ALARM when a deployment begins are not followed; what is true of a rollback it does not document. One that
// an alarm failed would leave the service without anything that may start.
func (w *work) monitors() model.Monitors {
	if w.primary.RollsBack == "" {
		return w.primary.Monitors
	}
	for _, d := range w.older {
		if d.ID == w.primary.RollsBack {
			return model.Monitors{Breaker: d.Monitors.Breaker}
		}
	}
	return model.Monitors{}
}

// now is a deployment as this look leaves it.
func (w *work) now(d *model.Deployment) *model.Deployment {
	if e, ok := w.edited[d.ID]; ok {
		return e
	}
	return d
}

// breaks says whether the circuit breaker follows the deployment that is under way.
func (w *work) breaks() bool {
	return w.primary.Rollout == model.RolloutInProgress && w.failed == nil && w.monitors().Breaker != nil
}

// recount takes note of the tasks of the deployment that became healthy since one failed.
func (w *work) recount() {
	if !w.breaks() || w.primary.Watched.Failures == 0 {
		return
	}
	before := rollout.Tally{Failures: w.primary.Watched.Failures, Healthy: w.primary.Watched.Healthy}
	if after := before.See(len(w.pool.Fresh.Healthy), w.monitors().Breaker.KeepCount); after != before {
		d := w.edit(w.primary)
		d.Watched.Failures, d.Watched.Healthy = after.Failures, after.Healthy
	}
}

// tally counts a task of the deployment that failed, for the circuit breaker.
func (w *work) tally(t model.TaskState, how *model.Cause) {
	if w.breaks() && t.Deployment == w.primary.ID {
		w.strike(how)
	}
}

// strike is one failure for the circuit breaker.
func (w *work) strike(how *model.Cause) {
	d := w.edit(w.primary)
	n := rollout.Tally{Failures: d.Watched.Failures, Healthy: len(w.pool.Fresh.Healthy)}.Fail()
	d.Watched.Failures, d.Watched.Healthy, d.Watched.Last = n.Failures, n.Healthy, how
}

// missed counts for the circuit breaker that no task of the deployment found room, once for each time that the scheduler of ECS
// would try again; ours is told when there is some. It is for a deployment of which no task ran yet, and none is on its way:
// afterwards those that find no room are waited for, as in ECS, and so is what leaves to make some. A rollback waits too: what
// was completed once is not to blame, and after a rollback that fails nothing is started any more.
func (w *work) missed() {
	if !w.breaks() || w.primary.RollsBack != "" || w.pool.Leaving+len(w.gone) > 0 || w.begun() {
		return
	}
	pause := w.in.Timings.PlaceRetry
	again := w.primary.Watched.NoRoomAt.Add(pause)
	if left := again.Sub(w.in.Now); left <= 0 || left > pause { // no pause is so long: the clock was wrong
		w.strike(&model.Cause{Kind: model.CauseService, Subject: w.svc.ARN, At: w.in.Now, Detail: "the service" + strings.TrimSuffix(w.noRoom, troubleshooting), By: w.primary.Why()})
		d := w.edit(w.primary)
		d.Failed++
		d.Watched.NoRoomAt = w.in.Now
		again = w.in.Now.Add(pause)
	}
	w.pool.Wake = reconcile.Earlier(w.pool.Wake, again)
}

// begun says that the deployment that is under way has a task, or had one that ran.
func (w *work) begun() bool {
	since := w.primary.Why().At
	for t := range w.TasksOfService(w.svc.ARN) {
		if t.Deployment == w.primary.ID && (!t.Stopped() || t.EverRan() && !t.CreatedAt.Before(since)) {
			return true
		}
	}
	return false
}

// wasHealthy says whether a task counted as healthy when it ended.
func (w *work) wasHealthy(t model.TaskState) bool {
	if !t.EverRan() {
		return false
	}
	checked := w.checked(t.TaskDefinition)
	if checked && t.Seen.Health != model.Healthy {
		return false
	}
	if targets := w.balanced(t); targets != "" {
		return targets == model.Healthy
	}
	return checked || t.Seen.StoppedAt.Sub(t.Seen.StartedAt) >= w.in.Timings.HealthyAfter
}

// fails says whether the deployment that is under way has failed, and if it has, what becomes of the service.
func (w *work) fails() bool {
	d := w.now(w.primary)
	if d.Rollout != model.RolloutInProgress || w.failed != nil {
		return false
	}
	m := w.monitors()
	triggered, alarm := w.alarmed(d, m.Alarms)
	signs := rollout.Signs{
		Failures: d.Watched.Failures, Threshold: rollout.Threshold(m.Breaker, w.desired), Alarm: alarm != nil,
		Asked: d.Status == model.DeploymentRollbackRequested,
	}
	why := model.Cause{Kind: model.CauseDeployment, Subject: d.ID, At: w.in.Now}
	switch rollout.Judge(signs) {
	case rollout.GoesOn:
		return false
	case rollout.TasksFailed:
		why.By, why.Detail = d.Watched.Last, fmt.Sprintf("%d tasks failed, the circuit breaker's threshold is %d", signs.Failures, signs.Threshold)
		w.edit(w.primary).Watched.Tripped = true
		w.fail(failure{why, "tasks failed to start", breakerReason, breakerHistory, m.Breaker.Rollback})
	case rollout.AlarmDetected:
		why.By, why.Detail = alarm, "alarm "+triggered[0]+" went into ALARM during the deployment"
		w.edit(w.primary).Watched.Triggered = triggered
		w.fail(failure{why, "alarm detected", alarmReason, alarmHistory, m.Alarms.Rollback})
	case rollout.Asked:
		why.By, why.Detail = d.Failure, "the deployment was stopped"
		w.fail(failure{why, "deployment stopped", askedReason, askedHistory, true})
	}
	return true
}

// alarmed names the alarms that went into ALARM since a deployment began, and tells why the first one did. Where one was in
// ALARM already, none is followed ("How CloudWatch alarms detect Amazon ECS deployment failures").
func (w *work) alarmed(d *model.Deployment, alarms *model.DeploymentAlarms) (names []string, why *model.Cause) {
	if alarms == nil || len(d.Watched.InAlarm) > 0 {
		return nil, nil
	}
	for _, name := range alarms.Names {
		s, ok := w.AlarmState(model.AlarmPath(w.svc.Region, name))
		if !ok {
			continue
		}
		var cause *model.Cause
		switch {
		case s.Value == model.AlarmAlarm:
			cause = &s.Cause
		case !s.LeftAlarm.IsZero() && !s.LeftAlarm.Equal(d.Watched.LeftAlarm[name]):
			cause = &model.Cause{Kind: model.CauseAlarm, Subject: name, At: s.LeftAlarm, Detail: "it was in ALARM, and is " + string(s.Value) + " again"}
		default:
			continue
		}
		names = append(names, name)
		if why == nil {
			why = cause
		}
	}
	return names, why
}

// failure is how a deployment fails.
type failure struct {
	why      model.Cause
	event    string
	reason   string // of the rollout
	history  string // what the history of deployments says, when it is rolled back
	rollback bool
}

// fail ends the deployment that is under way. What was completed before is rolled out again, if that is wanted and there is
// something; otherwise nothing more of it is started.
func (w *work) fail(f failure) {
	d := w.edit(w.primary)
	d.Rollout, d.RolloutReason, d.Failure, d.Watched.BakeUntil = model.RolloutFailed, f.reason, &f.why, time.Time{}
	w.event(" (deployment " + d.ID + ") deployment failed: " + f.event + ".")
	for _, old := range w.older {
		if d.RollsBack != "" && old.ID == d.RollsBack {
			e := w.edit(old)
			e.Status, e.FinishedAt = model.DeploymentRollbackFailed, w.in.Now
			e.StatusReason += " " + f.reason
			return
		}
	}
	target := rollout.BackTo(d, w.older)
	switch {
	case !f.rollback:
		d.Status, d.StatusReason, d.FinishedAt = model.DeploymentStopped, f.reason, w.in.Now
	case target == nil:
		d.Status, d.StatusReason, d.FinishedAt = model.DeploymentRollbackFailed, f.reason+nothingBefore, w.in.Now
	default:
		d.Status, d.StatusReason = model.DeploymentRollbackInProgress, f.history
		d.Rollback = &model.Rollback{To: target.ID, At: w.in.Now, Reason: f.history}
		w.goBack(target, d, f)
	}
}

// goBack rolls out again what was completed before. It gets neither another id nor another revision ("How Amazon ECS rolls
// back").
func (w *work) goBack(target, failed *model.Deployment, f failure) {
	d := w.edit(target)
	d.Rollout, d.RollsBack, d.Failed, d.Watched = model.RolloutInProgress, failed.ID, 0, model.Watched{}
	d.Failure, d.Rollback = nil, nil
	d.RolloutReason = "ECS deployment circuit breaker: rolling back to deploymentId " + d.ID + "."
	if f.reason != breakerReason {
		d.RolloutReason = "ECS deployment rolling back to deploymentId " + d.ID + "."
	}
	d.Resumed = &model.Cause{
		Kind: model.CauseDeployment, Subject: d.ID, At: w.in.Now, Detail: "the service goes back from deployment " + failed.ID, By: &f.why,
	}
	w.event(" rolling back to deployment " + d.ID + ".")
	svc := *w.svc
	svc.Primary, svc.Fine = d.ID, d.Fine
	w.change.Puts = append(w.change.Puts, &svc)
}

// baked says that the alarms have been followed for as long as they shall be, since all tasks are replaced.
func (w *work) baked() bool {
	d := w.primary
	if d.Watched.Bake == 0 || d.RollsBack != "" {
		return true
	}
	until := w.now(d).Watched.BakeUntil
	if left := until.Sub(w.in.Now); until.IsZero() || left > d.Watched.Bake { // no time is so long: the clock was wrong
		until = w.in.Now.Add(d.Watched.Bake)
		w.edit(d).Watched.BakeUntil = until
	}
	if w.in.Now.Before(until) {
		w.pool.Wake = reconcile.Earlier(w.pool.Wake, until)
		return false
	}
	return true
}
