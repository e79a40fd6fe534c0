package lifecycle

import (
	"slices"
	"time"

	"github.com/maitred/maitred/internal/model"
)

const (
	// stoppedEarly is the reason of a container whose task was stopped before it could begin.
	stoppedEarly = "TaskStoppedBeforePullBeginError: the task was stopped before the container was started"
	// essentialExited is ECS's reason ("Stopped tasks error messages").
	essentialExited = "Essential container in task exited"
)

// considerStop decides whether the task has to stop.
func (l *Life) considerStop(now time.Time) {
	if l.stopping {
		return
	}
	c := l.essentialEnd()
	switch {
	case l.draining(now) && c == nil:
	case l.task.Desired == model.TaskStopped: // whatever ended since then ended because of it
		l.decideStop("", "", now)
	case c != nil && !c.ran && l.started.IsZero():
		l.decideStop(model.StopContainerExited, c.reason, now)
	case c != nil:
		l.decideStop(model.StopContainerExited, essentialExited, now)
	case l.refused != "":
		l.decideStop(model.StopFailedToStart, clip(l.refused, reasonMax), now)
	case l.halt != nil && l.Begun():
		l.decideStop(model.StopTermination, clip(l.halt.reason, reasonMax), now)
	}
}

// draining says that the stop signal waits for load balancers: what they sent to the task is not answered yet ("Amazon ECS
// task lifecycle", DEACTIVATING).
func (l *Life) draining(now time.Time) bool {
	t := l.task
	if t.Desired != model.TaskStopped || t.Drained || !now.Before(t.DrainBy) || l.halt != nil || !l.Begun() {
		return false
	}
	l.look(t.DrainBy)
	return true
}

// essentialEnd finds an essential container that is over.
func (l *Life) essentialEnd() *container {
	for _, c := range l.containers {
		if c.phase == ended && c.def.Essential {
			return c
		}
	}
	return nil
}

func (l *Life) decideStop(code model.StopCode, reason string, now time.Time) {
	l.stopping, l.code, l.reason = true, code, reason
	l.stoppingAt = stamp(time.Time{}, now)
	if code == model.StopContainerExited {
		l.stoppingAt = stamp(l.executionStopped, now)
	}
	if code == model.StopContainerExited && l.started.IsZero() {
		l.code = model.StopFailedToStart // "Task": it never reached RUNNING
	}
}

// Begun says that some container was asked to start.
func (l *Life) Begun() bool {
	for _, c := range l.containers {
		if !c.began.IsZero() {
			return true
		}
	}
	return false
}

// windDown stops containers, dependents before what they depend on. It says whether a container ended by that.
func (l *Life) windDown(now time.Time) (changed bool) {
	for _, c := range l.containers {
		switch c.phase {
		case waiting:
			c.end(l.whyNot())
			changed = true
		case starting:
			changed = l.abort(c, now) || changed
		case running:
			if l.halted(now) || !l.neededBy(c) {
				l.quit(c, now)
			}
		case ended:
		}
	}
	if l.halt != nil && now.Before(l.halt.killBy) {
		l.look(l.halt.killBy)
	}
	return changed
}

// whyNot is the reason of a container that was not started before its task was stopped.
func (l *Life) whyNot() string {
	switch {
	case l.refused != "" && l.code == model.StopFailedToStart:
		return l.refused
	case l.code == "" || l.halt != nil:
		return stoppedEarly
	}
	return ""
}

// abort sees to it that a start leads to nothing, and says whether the container ended by that. A restart that was not
// asked for yet does not take place: what there is to tell is the end of the attempt before.
func (l *Life) abort(c *container, now time.Time) (over bool) {
	switch {
	case !c.sought:
		c.attempt--
		c.end(c.reason)
		l.executionEnds(c)
		return true
	case c.canceled && c.asked:
	case !c.asked && now.Before(c.askAt):
		l.look(c.askAt)
	default:
		l.cancel(c)
	}
	return false
}

// halted says that the time for an orderly end is over.
func (l *Life) halted(now time.Time) bool { return l.halt != nil && !now.Before(l.halt.killBy) }

// neededBy says whether a container that is not over depends on this one.
func (l *Life) neededBy(c *container) bool {
	for _, other := range l.containers {
		if other == c || other.phase == ended {
			continue
		}
		if slices.ContainsFunc(other.needs, func(d model.Dependency) bool { return d.Container == c.def.Name }) {
			return true
		}
	}
	return false
}

// quit sends the stop signal, and after the stop timeout kills, again and again until the driver reports the end.
func (l *Life) quit(c *container, now time.Time) {
	if c.signalled.IsZero() {
		c.signalled, c.tries, c.askAt = now, 0, time.Time{}
		c.killAt = now.Add(l.stopTimeout(c))
		l.do(Signal, c)
	}
	if l.halted(now) && c.kills == 0 {
		c.killAt = now
	}
	if !now.Before(c.killAt) {
		c.killAt = now.Add(pause(c.kills))
		c.kills++
		l.do(Kill, c)
	} else if c.tries > 0 && c.kills == 0 {
		l.resend(c, now)
	}
	l.look(c.killAt)
}

// resend repeats a signal that did not arrive.
func (l *Life) resend(c *container, now time.Time) {
	switch {
	case c.askAt.IsZero():
	case now.Before(c.askAt):
		l.look(c.askAt)
	default:
		c.askAt = time.Time{}
		l.do(Signal, c)
	}
}

func (l *Life) stopTimeout(c *container) time.Duration {
	if c.def.StopTimeout > 0 {
		return c.def.StopTimeout
	}
	return l.options.StopTimeout
}
