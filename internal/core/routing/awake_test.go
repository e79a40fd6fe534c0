package routing_test

import (
	"testing"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// TestAwake looks at which groups are waited for.
func TestAwake(t *testing.T) {
	t.Parallel()
	target := func(s model.TargetState) *routing.Target { return &routing.Target{Health: routing.Health{State: s}} }
	woken := &model.TargetGroup{Wake: &model.Wake{}}
	for name, test := range map[string]struct {
		group *routing.Group
		want  bool
	}{
		"none":            {nil, true},
		"not to be woken": {&routing.Group{Record: &model.TargetGroup{}}, true},
		"no target":       {&routing.Group{Record: woken}, false},
		"a new one":       {&routing.Group{Record: woken, Eligible: []*routing.Target{target("")}}, false},
		"initial":         {&routing.Group{Record: woken, Eligible: []*routing.Target{target(model.TargetInitial)}}, false},
		"healthy":         {&routing.Group{Record: woken, Eligible: []*routing.Target{target(model.TargetInitial), target(model.TargetHealthy)}}, true},
		"unhealthy":       {&routing.Group{Record: woken, Eligible: []*routing.Target{target(model.TargetUnhealthy)}}, true},
		"without checks":  {&routing.Group{Record: woken, Eligible: []*routing.Target{target(model.TargetUnavailable)}}, true},
	} {
		if got := test.group.Awake(); got != test.want {
			t.Errorf("%s: awake is %v", name, got)
		}
	}
}
