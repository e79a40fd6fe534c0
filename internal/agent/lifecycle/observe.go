package lifecycle

import (
	"reflect"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// advance moves the task's status forward.
func (l *Life) advance(now time.Time) {
	next := l.rollUp(now)
	if next.Order() <= l.status.Order() {
		return
	}
	l.status, l.since = next, now
	if next == model.TaskStopped {
		l.stopped = l.end(now)
	}
}

// rollUp gives the status that the containers make up ("Amazon ECS task lifecycle").
func (l *Life) rollUp(now time.Time) model.TaskStatus {
	switch {
	case l.Ended():
		return l.goal(now)
	case l.stopping:
		return model.TaskStopping
	case l.draining(now) && !l.started.IsZero():
		return model.TaskDeactivating
	case !l.started.IsZero():
		return model.TaskRunning
	case l.Begun():
		return model.TaskActivating
	}
	return model.TaskPending
}

// goal is the status of a task whose containers are over: until its network interface is freed, or that takes too long,
// DEPROVISIONING.
func (l *Life) goal(now time.Time) model.TaskStatus {
	if l.holdings.Attachment == nil || l.freed {
		return model.TaskStopped
	}
	since := now
	if l.status == model.TaskDeprovisioning {
		since = l.since
	}
	limit := since.Add(l.options.ReleaseLimit)
	if !now.Before(limit) {
		return model.TaskStopped
	}
	l.look(limit)
	return model.TaskDeprovisioning
}

// end is when the task ended. If it did so by itself, it was when its last container ended, and not when the agent,
// which may have been away, heard of it.
func (l *Life) end(now time.Time) time.Time {
	if l.code != model.StopContainerExited {
		return stamp(time.Time{}, now)
	}
	last := l.stoppingAt
	for _, c := range l.containers {
		if c.exitedAt.After(last) {
			last = c.exitedAt
		}
	}
	return last
}

// publish adds to the plan what is worth being told, and not told yet.
func (l *Life) publish(now time.Time) {
	if l.status == model.TaskPending {
		return
	}
	if l.passing() {
		if settled := l.since.Add(l.options.Settle); now.Before(settled) {
			l.look(settled)
			return
		}
	}
	seen := l.observe()
	if reflect.DeepEqual(seen, l.published) {
		return
	}
	l.published, l.plan.Seen = seen, seen
}

// passing says that the status is one that is not worth a write unless it lasts. A task that stops by itself is told at
// once: its replacement need not wait for its other containers, nor for its network interface.
func (l *Life) passing() bool {
	silent := l.code == ""
	told := l.published != nil && l.published.Status == model.TaskStopping
	return l.status == model.TaskActivating || l.status == model.TaskDeactivating || l.status == model.TaskStopping && silent ||
		l.status == model.TaskDeprovisioning && (silent || told)
}

// observe is the task as it is seen now.
func (l *Life) observe() *model.Observed {
	seen := &model.Observed{
		Task: l.task.ARN, Machine: l.task.Machine, Status: l.status, Health: l.taskHealth(),
		PullStartedAt: l.pullStarted, PullStoppedAt: l.pullStopped, Attachment: l.holdings.Attachment,
		StartedAt: l.started, StoppingAt: l.stoppingAt, ExecutionStoppedAt: l.executionStopped, StoppedAt: l.stopped,
		StopCode: l.code, StopReason: l.reason,
		Containers: make([]model.ObservedContainer, len(l.containers)),
	}
	for i, c := range l.containers {
		seen.Containers[i] = c.observe(l.holdings.Bindings[c.def.Name])
	}
	return seen
}

func (c *container) observe(bindings []model.PortBinding) model.ObservedContainer {
	o := model.ObservedContainer{
		Name: c.def.Name, Status: model.TaskPending, Health: c.shown(), Reason: c.reason,
		RuntimeID: c.runtimeID, Image: c.image, Restarts: c.last,
	}
	if !c.began.IsZero() {
		o.Bindings = bindings
	}
	switch {
	case c.phase == ended:
		o.Status, o.ExitCode = model.TaskStopped, c.exit
	case c.ran: // also between two attempts
		o.Status = model.TaskRunning
	}
	return o
}
