package why

import (
	"fmt"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/model"
)

// count is a number of things: 1 task, 2 tasks.
func count(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// serviceNow says in one sentence how a service is.
func (v Viewer) serviceNow(s *model.Service) string {
	running, unhealthy, pending := 0, 0, 0
	for t := range v.View.TasksOfService(s.ARN) {
		switch {
		case t.LastStatus() == model.TaskRunning:
			running++
			if t.Health() == model.Unhealthy {
				unhealthy++
			}
		case t.Alive():
			pending++
		}
	}
	now := fmt.Sprintf("%s, %d", s.Status, running)
	if s.Scheduling == model.Replica {
		now += fmt.Sprintf(" of %d", s.DesiredCount)
	}
	now += " running"
	if s.Scaled && s.Declared != s.DesiredCount {
		now += fmt.Sprintf(" (%d by scaling, %d declared)", s.DesiredCount, s.Declared)
	}
	if unhealthy > 0 {
		now += fmt.Sprintf(", %d of them unhealthy", unhealthy)
	}
	now += fmt.Sprintf(", %d pending", pending)
	if state, ok := v.View.ServiceState(s.ARN); ok && !state.SteadyAt.IsZero() {
		now += ", steady"
	}
	return now + v.rollout(s)
}

// rollout says that a deployment is in progress, and what still runs of those before it.
func (v Viewer) rollout(s *model.Service) string {
	primary, ok := v.View.Deployment(s.ARN, s.Primary)
	state := "in progress"
	switch {
	case !ok || !primary.Current:
		return ""
	case primary.Rollout == model.RolloutFailed:
		state = "failed"
	case primary.Rollout != model.RolloutInProgress:
		return ""
	case primary.RollsBack != "":
		state = "in progress again, in the place of deployment " + primary.RollsBack
	}
	parts := []string{fmt.Sprintf("; deployment %s of %s %s", primary.ID, model.ShortID(primary.TaskDefinition), state)}
	if primary.Failed > 0 {
		parts[0] += ", " + count(primary.Failed, "task") + " failed"
	}
	for d := range v.View.Deployments(s.ARN) {
		if !d.Current || d.ID == primary.ID {
			continue
		}
		if n := v.running(d); n > 0 {
			parts = append(parts, fmt.Sprintf("%s still runs %d", revision(d, primary), n))
		}
	}
	return strings.Join(parts, "; ")
}

// revision names what an older deployment runs, as something else than what the primary one does.
func revision(d, primary *model.Deployment) string {
	if d.TaskDefinition == primary.TaskDefinition {
		return "deployment " + d.ID
	}
	return model.ShortID(d.TaskDefinition)
}

func (v Viewer) running(d *model.Deployment) int {
	n := 0
	for t := range v.View.TasksOfService(d.Service) {
		if t.Deployment == d.ID && t.LastStatus() == model.TaskRunning {
			n++
		}
	}
	return n
}

// held says what keeps a service from being as it is wanted: a pause after failures, what is short on each machine, bounds
// that hold back the replacement of unhealthy tasks, and tasks that are protected.
func (v Viewer) held(s *model.Service) []string {
	held := v.protected(s)
	state, ok := v.View.ServiceState(s.ARN)
	if !ok || s.Status != model.Active {
		return held
	}
	if v.Now.Before(state.ThrottledUntil) {
		text := fmt.Sprintf("%d starts in a row failed; the next one is tried in %v", state.StartFailures, state.ThrottledUntil.Sub(v.Now).Round(1e8))
		if state.Failure != nil {
			text += ". The last failure: " + state.Failure.Detail
		}
		held = append(held, text)
	}
	if _, waits := state.Said["placement"]; waits {
		held = append(held, v.shortage(s)...)
	}
	if bounds := core.HeldBack(v.View, core.Input{Now: v.Now, Timings: v.Timings, Refuse: v.Refuse}, s.ARN); bounds != "" {
		held = append(held, "unhealthy tasks are not all replaced at once: "+strings.TrimSuffix(bounds, "."))
	}
	return held
}

// protected tells of the tasks that would stop, were they not protected: those that are more than the desired count, and
// those of a deployment that is being replaced ("Protect your Amazon ECS tasks from being terminated by scale-in
// events").
func (v Viewer) protected(s *model.Service) []string {
	if s.Status != model.Active {
		return nil
	}
	fresh, stale := 0, 0
	var until time.Time
	for t := range v.View.TasksOfService(s.ARN) {
		if !t.Alive() || !t.Protected(v.Now) {
			continue
		}
		if t.Deployment == s.Primary {
			fresh++
		} else {
			stale++
		}
		if t.ProtectedUntil.After(until) {
			until = t.ProtectedUntil
		}
	}
	surplus := s.Scheduling == model.Replica && fresh+stale > s.DesiredCount
	switch n := fresh + stale; {
	case stale == 0 && !surplus:
		return nil
	case n == 1:
		return []string{"1 task is protected from scale-in until " + v.clock(until)}
	default:
		return []string{fmt.Sprintf("%d tasks are protected from scale-in, the last one until %s", n, v.clock(until))}
	}
}
