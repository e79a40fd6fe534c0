package core_test

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func groupARN(name string) string {
	return "arn:aws:elasticloadbalancing:r:1:targetgroup/" + name + "/1"
}

// balancing carries out commands about load balancers:
//
//	target-group NAME delay=D   with a listener that leads to it
//	balancer NAME [gone]        one that serves it comes, or says goodbye
//	target TASK STATE [of=GROUP] [because=TEXT]   what all balancers find of a task's targets from now on: initial,
//	                            healthy, unhealthy, drained; ALL for every task
//	targets                     lists them
func (s *story) balancing(d *datadriven.TestData) (out string, ok bool) {
	switch d.Cmd {
	case "target-group":
		group := groupARN(first(d))
		s.names[group] = first(d)
		return s.update("CreateTargetGroup", func(tx *store.Tx, call control.Call) error {
			tx.Put(&model.TargetGroup{
				ARN: group, Name: first(d), Region: region, Protocol: "HTTP", TargetType: "ip", Cause: call.Cause("a group"),
				Attributes: map[string]string{model.AttributeDeregistrationDelay: strconv.Itoa(int(duration(s, d, "delay").Seconds()))},
			})
			forward := &model.Forward{Groups: []model.WeightedGroup{{Group: group, Weight: 1}}}
			tx.Put(&model.Listener{
				ARN: "listener/" + first(d), LoadBalancer: "lb", Region: region, Port: 80, Protocol: "HTTP",
				Actions: []model.Action{{Type: model.ActionForward, Forward: forward}},
			})
			return nil
		}), true
	case "balancer":
		s.put(&model.Balancer{ID: first(d), Connected: !d.HasArg("gone")})
		return "", true
	case "target":
		s.target(first(d), d.CmdArgs[1].Key, text(d, "of", ""), text(d, "because", ""))
		return "", true
	case "targets":
		return s.listTargets(), true
	}
	return "", false
}

// balancers reads the target groups of a service's tasks.
func balancers(d *datadriven.TestData) (list []model.ServiceBalancer) {
	a, _ := d.Arg("lb")
	for _, v := range a.Vals {
		group, port, _ := strings.Cut(v, ":")
		n, _ := strconv.Atoi(port)
		list = append(list, model.ServiceBalancer{Group: groupARN(group), Container: "app", Port: n})
	}
	return list
}

// target lets all balancers find a state of a task's targets, or of the one in a group.
func (s *story) target(task, state, group, because string) {
	v := s.store.View()
	for t := range v.Targets("") {
		if task != "ALL" && s.name(t.Task) != task || group != "" && s.name(t.Group) != group {
			continue
		}
		for b := range v.Balancers() {
			h := &model.TargetHealth{
				Balancer: b.ID, Target: t.Path(), Service: t.Service, State: model.TargetState(state), Description: because, Since: s.now,
			}
			if state == "drained" {
				h.State, h.Drained, h.Since = model.TargetDraining, true, t.DrainAt
			}
			if !b.Connected || state == "drained" && !t.Draining() {
				continue
			}
			s.put(h)
		}
	}
}

func (s *story) listTargets() string {
	var out strings.Builder
	for t := range s.store.View().Targets("") {
		state := "registered"
		if t.Draining() {
			state = fmt.Sprintf("draining for %v", t.DrainBy.Sub(s.now))
		}
		fmt.Fprintf(&out, "%s of %s: %s:%d %s\n", s.name(t.Task), s.name(t.Group), t.Address, t.Port, state)
	}
	return out.String()
}
