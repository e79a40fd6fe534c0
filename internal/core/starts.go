package core

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/core/rollout"
	"github.com/maitred/maitred/internal/model"
)

// startSome starts as many tasks as allowed, as far as there is room for them and the service is not throttled.
func (w *work) startSome(c rollout.Counts, allowed rollout.Allowance) {
	if allowed.Start+allowed.Restore == 0 {
		w.resolve(topicPlacement)
		return
	}
	// Not all that may stop has been stopped, if it is too much for one change: what starts must not count on it.
	room := min(w.moves(), c.Upper-(c.Fresh+c.Stale-len(w.gone)))
	for _, lost := range w.pool.Lost {
		n := max(0, min(lost.Count, allowed.Restore, room))
		allowed.Restore, room = allowed.Restore-n, room-n
		w.start(lost.Deployment, n)
	}
	fresh := 0
	if !w.throttled() {
		fresh = w.start(w.primary, max(0, min(allowed.Start, room)))
	}
	if w.roomless {
		w.makeRoom()
	}
	if w.noRoom != "" && fresh == 0 {
		w.missed()
	}
}

// start places and starts up to n tasks of a deployment. It says how many it started.
func (w *work) start(d *model.Deployment, n int) int {
	def, ok := w.TaskDefinition(d.TaskDefinition)
	if n == 0 || !ok {
		return 0
	}
	var started []*model.Task
	causes := w.startCauses(d, n)
	for _, seat := range w.place(d, def, n) {
		why := causes[len(started)]
		if by := w.joined(seat.Instance); by != nil {
			why.Kind, why.Subject, why.By = model.CauseService, w.svc.ARN, by
		}
		t := w.newTask(d, def, seat.Instance, why)
		w.undo = append(w.undo, func() { w.room().Remove(model.TaskState{Task: t}) })
		started = append(started, t)
	}
	if len(started) == 0 {
		return 0
	}
	for _, t := range started {
		w.change.Puts = append(w.change.Puts, t)
		w.guardMachine(t.Machine)
	}
	text := fmt.Sprintf(" has started %d tasks:%s.", len(started), taskIDs(started))
	if sick := min(len(w.pool.Fresh.Unhealthy), len(started)); sick > 0 && d == w.primary {
		text += fmt.Sprintf(" Amazon ECS replaced %d tasks due to an unhealthy status.", sick)
	}
	w.event(text)
	return len(started)
}

// guardMachine makes the change depend on nobody else having placed tasks on a machine meanwhile.
func (w *work) guardMachine(id string) {
	if key := model.OccupancyKey(id); !slices.Contains(w.change.Guards, key) {
		w.change.Guards = append(w.change.Guards, key)
	}
}

// newTask is the record that starts a task on an instance.
func (w *work) newTask(d *model.Deployment, def *model.TaskDefinition, on *model.Instance, why model.Cause) *model.Task {
	return &model.Task{
		ARN: arn.Task(w.svc.Cluster, w.in.IDs.Hex()), Cluster: w.svc.Cluster, TaskDefinition: d.TaskDefinition,
		Machine: on.Machine, Instance: on.ARN, Service: w.svc.ARN, Deployment: d.ID, Group: group(w.svc),
		StartedBy: d.ID, LaunchType: d.LaunchType, Desired: model.TaskRunning, Reserved: place.Demand(def, nil),
		Network: d.Network, Images: w.images(d), ExecuteCommand: w.svc.ExecuteCommand, Tags: w.taskTags(def), CreatedAt: w.in.Now, Start: why,
	}
}

// taskTags are the tags that a service gives its tasks ("Tagging Amazon ECS resources", propagateTags).
func (w *work) taskTags(def *model.TaskDefinition) []model.Tag {
	var tags []model.Tag
	if w.svc.ManagedTags {
		cluster := model.ShortID(w.svc.Cluster)
		tags = append(tags, model.Tag{Key: "aws:ecs:clusterName", Value: cluster}, model.Tag{Key: "aws:ecs:serviceName", Value: w.svc.Name})
	}
	switch w.svc.PropagateTags {
	case "SERVICE":
		return append(tags, w.svc.Tags...)
	case "TASK_DEFINITION":
		return append(tags, def.Tags...)
	}
	return tags
}

// startCauses says for each of n tasks why it starts: what ended or is sick or must leave its machine comes first, one
// each; the rest is due to the deployment, or to the desired count.
func (w *work) startCauses(d *model.Deployment, n int) []model.Cause {
	var behind []model.Cause
	if d == w.primary {
		for _, t := range w.pool.Fresh.Unhealthy {
			behind = append(behind, w.sick(t))
		}
	}
	behind = append(behind, w.recentEnds(d)...)
	if d == w.primary {
		for _, t := range slices.Concat(w.pool.Stale.Healthy, w.pool.Stale.Unready, w.pool.Stale.Unproved) {
			if c := w.drained(t.Instance); c != nil && t.Deployment == d.ID {
				behind = append(behind, *c)
			}
		}
	}
	causes := make([]model.Cause, n)
	for i := range causes {
		causes[i] = w.wanted(d)
		if i < len(behind) {
			causes[i] = model.Cause{Kind: model.CauseService, Subject: w.svc.ARN, At: w.in.Now, Detail: w.counted(), By: &behind[i]}
			if d == w.primary && w.throttle.Delay(w.state.StartFailures) > 0 {
				causes[i].Kind = model.CauseRetry
				causes[i].Detail += fmt.Sprintf("; %d starts in a row failed, the pause after them is over", w.state.StartFailures)
			}
		}
	}
	return causes
}

// joined is why a daemon starts on an instance that came, or came back, and has had no task of it since.
func (w *work) joined(i *model.Instance) *model.Cause {
	if w.svc.Scheduling != model.Daemon || !i.Cause.At.After(w.svc.Cause.At) {
		return nil
	}
	for t := range w.TasksOfService(w.svc.ARN) {
		if t.Instance == i.ARN && !t.CreatedAt.Before(i.Cause.At) {
			return nil
		}
	}
	return &i.Cause
}

func (w *work) counted() string {
	good := w.pool.Fresh.Alive() - len(w.pool.Fresh.Unhealthy)
	return fmt.Sprintf("%d of %d desired tasks are there", good, w.desired)
}

// wanted is the cause of a start that replaces nothing: a deployment that goes on, or a desired count that was raised.
func (w *work) wanted(d *model.Deployment) model.Cause {
	if d.Rollout == model.RolloutInProgress && w.svc.Cause.At.Compare(d.Why().At) <= 0 {
		_, upper := rollout.Bounds(w.desired, w.svc.MinHealthy, w.svc.MaxPercent)
		return model.Cause{
			Kind: model.CauseDeployment, Subject: d.ID, At: w.in.Now,
			Detail: fmt.Sprintf("%s, %d may be alive", w.counted(), upper), By: d.Why(),
		}
	}
	by := &w.svc.Cause
	if w.failed != nil && by.At.Compare(w.failed.Failure.At) <= 0 {
		by = w.failed.Failure
	}
	return model.Cause{Kind: model.CauseService, Subject: w.svc.ARN, At: w.in.Now, Detail: w.counted(), By: by}
}

// recentEnds are the ends of a deployment's tasks that the scheduler did not bring about, since the last change of the
// service by its owner, and for which nothing was started yet; newest first.
func (w *work) recentEnds(d *model.Deployment) []model.Cause {
	ends, answered := slices.Clone(w.failures), map[event]bool{}
	for t := range w.TasksOfService(w.svc.ARN) {
		if t.Start.By != nil {
			answered[eventOf(t.Start.By)] = true
		}
		if t.Stop != nil && t.Deployment == d.ID && t.Stop.Kind.Outside() && t.Stop.At.After(w.svc.Cause.At) {
			ends = append(ends, *t.Stop)
		}
	}
	ends = slices.DeleteFunc(ends, func(c model.Cause) bool { return answered[eventOf(&c)] })
	slices.SortStableFunc(ends, func(a, b model.Cause) int { return cmp.Or(b.At.Compare(a.At), cmp.Compare(a.Subject, b.Subject)) })
	return ends
}

// event tells what happened outside from what else did: the same end is the cause of one start alone.
type event struct {
	subject, id string
	at          time.Time
}

func eventOf(c *model.Cause) event { return event{c.Subject, c.ID, c.At} }
