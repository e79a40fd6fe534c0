package scaler

import (
	"iter"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// resume takes over a state that somebody set. What the leader before has acted upon, or left for longer than actions take to be
// repeated, is only remembered; else it could not act any more, or nothing came of it, and it is acted upon now.
func (l *Loop) resume(view *store.View, path string, now time.Time) {
	w, s := l.alarms[path], stateOf(view, path)
	if w == nil || s == nil || !s.Set {
		return
	}
	if !now.Before(s.UpdatedAt.Add(actionsEvery)) || acted(view, w.of, s) {
		w.set = settingOf(s)
		return
	}
	l.restated(view, path)
}

// acted says whether a scaling activity came of the present state of an alarm, be it that it failed.
func acted(view *store.View, a *model.Alarm, state *model.AlarmState) bool {
	for range activities(view, a, state) {
		return true
	}
	return false
}

// lastScaled is when the present state of an alarm last had a service scaled, zero if it never did: a leader that ended may
// have decided and written it.
func lastScaled(view *store.View, a *model.Alarm, state *model.AlarmState) (last time.Time) {
	for x := range activities(view, a, state) {
		if x.Desired >= 0 && x.StartedAt.After(last) {
			last = x.StartedAt
		}
	}
	return last
}

// activities are those that came of the present state of an alarm.
func activities(view *store.View, a *model.Alarm, state *model.AlarmState) iter.Seq[*model.ScalingActivity] {
	policies := map[string]bool{}
	for _, action := range a.ActionsIn(state.Value) {
		if policy, _, ok := arn.PolicyOfAction(action); ok {
			policies[policy] = true
		}
	}
	return func(yield func(*model.ScalingActivity) bool) {
		if len(policies) == 0 {
			return
		}
		for p := range view.ScalingPolicies("") {
			if !policies[p.ARN] {
				continue
			}
			for x := range view.ScalingActivities(p.Target) {
				if causedBy(&x.Cause, &state.Cause) && !yield(x) {
					return
				}
			}
		}
	}
}

// causedBy says whether a chain of causes goes through one.
func causedBy(chain, by *model.Cause) bool {
	for _, c := range chain.Chain() {
		if c.Kind == by.Kind && c.Subject == by.Subject && c.At.Equal(by.At) {
			return true
		}
	}
	return false
}
