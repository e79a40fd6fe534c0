// Package balance decides which targets the tasks of a service are, and when those that leave have been drained. It is
// pure. A task that runs is registered in each target group of its deployment; one that shall stop is deregistered first,
// and gets its stop signal when all that serves it says that nothing is in flight, or the deregistration delay is over
// ("Optimize load balancer connection draining parameters for Amazon ECS").
package balance

import (
	"iter"
	"net/netip"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
)

// View is what this package looks at.
type View interface {
	TargetGroup(arn string) (*model.TargetGroup, bool)
	TargetHealths(target string) iter.Seq[*model.TargetHealth]
	Balancers() iter.Seq[*model.Balancer]
}

// Wanted lists the targets that a running task shall be, in the order of its deployment's target groups. What a group
// needs and the task does not have (a port that is not published yet) is left out.
func Wanted(v View, t model.TaskState, def *model.TaskDefinition, lbs []model.ServiceBalancer, m *model.Machine) []*model.Target {
	var targets []*model.Target
	for _, lb := range lbs {
		group, ok := v.TargetGroup(lb.Group)
		if !ok {
			continue
		}
		target := &model.Target{Group: group.ARN, Task: t.ARN, Service: t.Service}
		if address(target, group, t, def, lb, m) {
			targets = append(targets, target)
		}
	}
	return targets
}

// address fills in where a port of a task is reached, and says whether that is known.
func address(to *model.Target, group *model.TargetGroup, t model.TaskState, def *model.TaskDefinition, lb model.ServiceBalancer, m *model.Machine) bool {
	if t.Seen == nil {
		return false
	}
	if a := t.Seen.Attachment; a != nil {
		to.ID, to.Address, to.Zone, to.Port = a.Address, a.Address, a.Zone, lb.Port
		return true
	}
	port, bound := published(t.Seen, def, lb)
	if m == nil || m.Address == "" || port == 0 {
		return false
	}
	host := m.Address
	if specific(bound) { // the machine may have another address now, and the port has not
		host = bound
	}
	to.ID, to.Address, to.Zone, to.Port = host, host, m.Zone(), port
	if group.TargetType == "instance" {
		to.ID = arn.InstanceID(m.ID)
	}
	return true
}

// specific says that something bound to an address is reached there alone.
func specific(address string) bool {
	a, err := netip.ParseAddr(address)
	return err == nil && !a.IsUnspecified()
}

// published is the host port of a container's port, 0 if there is none (yet), and the address that it is bound to, "" for
// all.
func published(seen *model.Observed, def *model.TaskDefinition, lb model.ServiceBalancer) (port int, bound string) {
	for i := range seen.Containers {
		if seen.Containers[i].Name != lb.Container {
			continue
		}
		for _, b := range seen.Containers[i].Bindings {
			if b.ContainerPort == lb.Port && b.Protocol != "udp" || b.ContainerPort == lb.Port && len(seen.Containers[i].Bindings) == 1 {
				return b.HostPort, b.Address
			}
		}
	}
	if def != nil && def.NetworkMode == "host" {
		return lb.Port, ""
	}
	return 0, ""
}

// Health sums up what the balancers know of a task's targets ("Service load balancing"): unhealthy if any balancer finds
// any target unhealthy, healthy if every target is healthy for all that know it, and for at least one; else unknown. One that
// is being deregistered is neither. bad is the target and what is known of it, for the first that is unhealthy.
func Health(v View, wanted int, targets []*model.Target) (h model.Health, bad *model.Target, why *model.TargetHealth) {
	healthy := 0
	for _, t := range targets {
		if t.Draining() { // whatever a balancer said that has not heard of it yet
			continue
		}
		state, found := Worst(v, t.Path())
		switch state {
		case model.TargetUnhealthy:
			return model.Unhealthy, t, found
		case model.TargetHealthy, model.TargetUnavailable: // checks that are disabled
			healthy++
		case model.TargetInitial, model.TargetUnused, model.TargetDraining:
		}
	}
	if healthy == wanted {
		return model.Healthy, nil, nil
	}
	return model.Unknown, nil, nil
}

// Worst is what the balancers that are connected know of a target, the worst that any of them says; initial and nil if
// none says anything.
func Worst(v View, target string) (model.TargetState, *model.TargetHealth) {
	var worst *model.TargetHealth
	for h := range v.TargetHealths(target) {
		if connected(v, h.Balancer) && (worst == nil || badness(h.State) > badness(worst.State)) {
			worst = h
		}
	}
	if worst == nil {
		return model.TargetInitial, nil
	}
	return worst.State, worst
}

func badness(s model.TargetState) int {
	return slices.Index([]model.TargetState{
		model.TargetUnavailable, model.TargetHealthy, model.TargetInitial, model.TargetUnused, model.TargetDraining, model.TargetUnhealthy,
	}, s)
}

func connected(v View, id string) bool {
	for b := range v.Balancers() {
		if b.ID == id {
			return b.Connected
		}
	}
	return false
}

// Drain is a target whose deregistration begins now.
func Drain(v View, t *model.Target, now time.Time, why model.Cause) *model.Target {
	d := *t
	d.DrainAt, d.DrainBy, d.Cause = now, now, why
	if g, ok := v.TargetGroup(t.Group); ok {
		d.DrainBy = now.Add(g.DeregistrationDelay())
	}
	return &d
}

// Drained says that nothing is in flight to a target that is being deregistered, or that the time for it is over. Every
// balancer has to say so but those that said goodbye: one that was killed may still be known to clients, and one that is
// cut off from us may still serve.
func Drained(v View, t *model.Target, now time.Time) bool {
	if !now.Before(t.DrainBy) {
		return true
	}
	said := map[string]bool{}
	for h := range v.TargetHealths(t.Path()) {
		// What was said of an earlier deregistration does not count.
		said[h.Balancer] = h.Drained && h.Since.Equal(t.DrainAt)
	}
	for b := range v.Balancers() {
		if b.Connected && !said[b.ID] {
			return false
		}
	}
	return true
}
