package sim

import (
	"fmt"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// expose makes target groups for a service, with a listener each, and has clients send requests there.
func (p *people) expose(s *wish) {
	for i := range 1 + p.w.rng.IntN(2) {
		name := fmt.Sprintf("%s-%d", s.name, i+1)
		group, listener := p.lead(name, pick(p.w, []string{"ip", "instance"}))
		s.groups = append(s.groups, group)
		p.w.traffic(listener, group)
	}
}

// lead makes a load balancer that leads to a target group of a type, and gives the ARNs of the group and of the listener.
func (p *people) lead(name, of string) (group, listener string) {
	ids := arn.IDs(p.w.id)
	cause := model.Cause{Kind: model.CauseAPI, Subject: "CreateTargetGroup", At: p.w.now}
	g := &model.TargetGroup{
		ARN: scope().TargetGroup(name, ids.Balancing()), Name: name, Region: region, Protocol: "HTTP", ProtocolVersion: "HTTP1",
		Port: 80, TargetType: of, CreatedAt: p.w.now, Cause: cause,
		Check: model.TargetCheck{
			Protocol: "HTTP", Port: "traffic-port", Path: "/", Interval: pick(p.w, []time.Duration{5 * time.Second, 10 * time.Second, 20 * time.Second}),
			Timeout: 2 * time.Second, Healthy: 2 + p.w.rng.IntN(2), Unhealthy: 2, Matcher: "200",
		},
		Attributes: map[string]string{
			model.AttributeDeregistrationDelay: pick(p.w, []string{"0", "5", "20", "60"}),
			model.AttributeSlowStart:           pick(p.w, []string{"0", "0", "30"}),
		},
	}
	lb := &model.LoadBalancer{
		ARN: scope().ApplicationLoadBalancer(name, ids.Balancing()), Name: name, Region: region, Type: model.Application,
		Address: "127.0.0.1", CreatedAt: p.w.now, Cause: cause,
	}
	l := &model.Listener{
		ARN: arn.Listener(lb.ARN, ids.Balancing()), LoadBalancer: lb.ARN, Region: region, Port: 8000, Protocol: "HTTP", CreatedAt: p.w.now,
		Actions: []model.Action{{Type: model.ActionForward, Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: g.ARN, Weight: 1}}}}},
		Cause:   cause,
	}
	p.retry(func() error {
		_, err := p.anyServer().call("CreateTargetGroup", func(tx *store.Tx, _ control.Call) error {
			tx.Put(g)
			tx.Put(lb)
			tx.Put(l)
			return nil
		})
		return err
	})
	return g.ARN, l.ARN
}

// anyServer is a server that answers; it is started if none does.
func (p *people) anyServer() *server {
	s := p.server()
	if s == nil {
		s = p.w.servers[0]
		s.boot()
	}
	return s
}

// some draws target groups of a service.
func (p *people) some(s *wish) (lbs []model.ServiceBalancer) {
	for _, g := range s.groups[:p.w.rng.IntN(len(s.groups)+1)] {
		lbs = append(lbs, model.ServiceBalancer{Group: g, Container: "app", Port: 80})
	}
	if len(lbs) == 0 && p.w.chance(0.8) {
		lbs = append(lbs, model.ServiceBalancer{Group: s.groups[0], Container: "app", Port: 80})
	}
	return lbs
}

// rebalance gives a service other target groups.
func (p *people) rebalance() {
	list := slices.DeleteFunc(p.active(), func(s *wish) bool { return len(s.groups) == 0 })
	if len(list) == 0 {
		return
	}
	s := pick(p.w, list)
	lbs := p.some(s)
	p.change(s, func(*wish) control.ServiceUpdate {
		return control.ServiceUpdate{Edit: func(e *control.ServiceEdit) error {
			e.Balancers, e.Deploy = lbs, true
			return nil
		}}
	})
}

// deregisterTarget takes a target out of its group by hand.
func (p *people) deregisterTarget() {
	targets := slices.Collect(p.server().store.View().Targets(""))
	if len(targets) == 0 {
		return
	}
	t := pick(p.w, targets)
	if t.Service == "" {
		p.hand.deregister(t.ID)
		return
	}
	p.w.tell("somebody deregisters target %s", shortPath(t.Path()))
	_, _ = p.server().call("DeregisterTargets", func(tx *store.Tx, call control.Call) error {
		_, err := control.DeregisterTargets(tx, call, t.Group, []control.NewTarget{{ID: t.ID, Port: t.Port}})
		return err
	})
}
