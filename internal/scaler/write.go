package scaler

import (
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// write writes a decision, and what has become of earlier ones. It says whether an activity is in progress then.
func (l *Loop) write(tx *store.Tx, in scaling.Input, svc *model.Service, d scaling.Decision) (open bool) {
	state, told, open := l.fulfil(tx, in, d)
	if told = append(told, d.Told...); len(told) > 0 {
		control.NoteServiceEvents(tx, svc, in.Now, l.IDs, told...)
	}
	moveBounds(tx, in, d)
	if d.Change {
		if _, err := control.Scale(tx, svc.ARN, d.Desired, d.Cause); err != nil {
			l.Log.Error("a service cannot be scaled", "service", svc.ARN, "error", err)
			return open
		}
	}
	if !d.Save && len(d.Activities) == 0 && len(told) == 0 && !d.Change {
		return open
	}
	state.LastActivity -= len(d.Activities) // which AddScalingActivity counts
	for _, a := range d.Activities {
		a.ID = l.IDs.UUID()
		control.AddScalingActivity(tx, &state, &a)
		open = open || a.Status == model.ActivityInProgress
	}
	tx.Put(&state)
	return open
}

// moveBounds writes what scheduled actions have done to the bounds. One that runs once is gone then.
func moveBounds(tx *store.Tx, in scaling.Input, d scaling.Decision) {
	if d.Min != nil || d.Max != nil {
		target := *in.Target
		target.Min, target.Max = value(d.Min, target.Min), value(d.Max, target.Max)
		if len(d.Activities) > 0 { // the first tells of the action that moved them
			target.Cause = d.Activities[0].Cause
		}
		tx.Put(&target)
	}
	for _, a := range in.Actions { // one that recurs stays when its end has come, as in AWS
		if slices.Contains(d.Ended, a.Name) && strings.HasPrefix(a.Schedule, "at(") {
			tx.Delete(a.Key())
		}
	}
}

func value(p *int, otherwise int) int {
	if p == nil {
		return otherwise
	}
	return *p
}

// fulfil looks at the activities in progress. What a new decision wants instead overrides them. It gives the state that
// is to be remembered then, and what the service's events tell.
func (l *Loop) fulfil(tx *store.Tx, in scaling.Input, d scaling.Decision) (state model.ScalingState, told []string, open bool) {
	state = d.State
	for a := range tx.View().ScalingActivities(in.Target.Path()) {
		if a.Status != model.ActivityInProgress {
			continue
		}
		next, after, over := scaling.Fulfil(a, &state, in.Now, in.Running, d.Desired)
		if !over {
			open = true
			continue
		}
		state = after
		tx.Put(&next)
		told = append(told, scaling.EventText(&next))
	}
	state.Recent = nil // kept in memory
	return state, told, open
}
