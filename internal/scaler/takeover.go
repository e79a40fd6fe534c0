package scaler

import (
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// lastScaled is when the present state of an alarm last had a service scaled, zero if it never did: a leader that ended may
// have decided and written it.
func lastScaled(view *store.View, a *model.Alarm, state *model.AlarmState) (last time.Time) {
	policies := map[string]bool{}
	for _, action := range a.ActionsIn(state.Value) {
		if policy, _, ok := arn.PolicyOfAction(action); ok {
			policies[policy] = true
		}
	}
	if len(policies) == 0 {
		return last
	}
	for p := range view.ScalingPolicies("") {
		if !policies[p.ARN] {
			continue
		}
		for x := range view.ScalingActivities(p.Target) {
			if x.Desired >= 0 && x.StartedAt.After(last) && causedBy(&x.Cause, &state.Cause) {
				last = x.StartedAt
			}
		}
	}
	return last
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
