package control

import (
	"cmp"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// TargetStatus is a target with what is known of its health, of all balancers together.
type TargetStatus struct {
	Target      *model.Target
	State       model.TargetState
	Reason      string
	Description string
}

// GroupHealth tells the health of all targets of a group, draining ones included ("DescribeTargetHealth").
func GroupHealth(v *store.View, g *model.TargetGroup) []TargetStatus {
	used, connected := GroupInUse(v, g.ARN), connectedBalancers(v)
	var all []TargetStatus
	for t := range v.Targets(g.ARN) {
		all = append(all, targetStatus(v, t, used, connected))
	}
	return all
}

// HealthOf tells the health of the targets of a group that are named. One that is not registered is unused.
func HealthOf(v *store.View, g *model.TargetGroup, in []NewTarget) ([]TargetStatus, error) {
	used, connected := GroupInUse(v, g.ARN), connectedBalancers(v)
	var all []TargetStatus
	for _, n := range in {
		id, err := knownTarget(v, g, n.ID)
		if err != nil {
			return nil, err
		}
		port := cmp.Or(n.Port, g.Port)
		if t := findTarget(v, g.ARN, id, port); t != nil {
			all = append(all, targetStatus(v, t, used, connected))
			continue
		}
		all = append(all, TargetStatus{
			Target: &model.Target{Group: g.ARN, ID: id, Port: port}, State: model.TargetUnused,
			Reason: model.ReasonNotRegistered, Description: "Target is not registered to the target group",
		})
	}
	return all, nil
}

// connectedBalancers are the ids of the balancers that serve.
func connectedBalancers(v *store.View) map[string]bool {
	ids := map[string]bool{}
	for b := range v.Balancers() {
		if b.Connected {
			ids[b.ID] = true
		}
	}
	return ids
}

// targetStatus tells the health of a target. Where balancers do not agree, the worst that one of them sees counts: requests
// that come in there are in trouble.
func targetStatus(v *store.View, t *model.Target, used bool, connected map[string]bool) TargetStatus {
	s := TargetStatus{Target: t}
	switch {
	case t.Draining():
		s.State, s.Reason, s.Description = model.TargetDraining, model.ReasonDeregistration, "Target deregistration is in progress"
		return s
	case !used:
		s.State, s.Reason = model.TargetUnused, model.ReasonNotInUse
		s.Description = "Target group is not configured to receive traffic from the load balancer"
		return s
	}
	worst := -1
	for h := range v.TargetHealths(t.Path()) {
		// What is said of it as one that is being deregistered was said before it was taken back.
		if rank := healthRank(h.State); connected[h.Balancer] && rank > worst {
			worst = rank
			s.State, s.Reason, s.Description = h.State, h.Reason, h.Description
		}
	}
	if worst < 0 {
		s.State, s.Reason, s.Description = model.TargetInitial, model.ReasonRegistration, "Target registration is in progress"
	}
	return s
}

// healthRank orders states by how bad they are; -1 is for those that say nothing of a registered target in use.
func healthRank(s model.TargetState) int {
	switch s {
	case model.TargetHealthy:
		return 0
	case model.TargetInitial:
		return 1
	case model.TargetUnavailable:
		return 2
	case model.TargetUnhealthy:
		return 3
	default:
		return -1
	}
}
