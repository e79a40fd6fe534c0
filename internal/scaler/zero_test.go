package scaler_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const (
	groupARN    = "arn:aws:elasticloadbalancing:us-east-1:000000000000:targetgroup/front/0123456789abcdef"
	balancerARN = "arn:aws:elasticloadbalancing:us-east-1:000000000000:loadbalancer/app/front/0123456789abcdef"
)

// front is a target group of the service, and the balancer that serves it.
type front struct {
	group           bool
	up, measured    bool // the balancer
	requests, flows float64
	health          time.Duration // how long a task runs until it is healthy, and gets requests
}

func (f *front) of() []model.ServiceBalancer {
	if !f.group {
		return nil
	}
	return []model.ServiceBalancer{{Group: groupARN, Container: "app", Port: 80}}
}

// zero is what stories say of requests:
//
//	group [protocol]: the service has a target group from now on
//	balancer up|silent|unmeasured|waits|served: it serves, is gone, is not measured, has requests that wait, or none any more
//	balancer late: it is back, has requests that wait, and says so before it gives a sign of life
//	requests <n>, flows <n>: in each second
//	health <duration>: how long a task runs until it is healthy
//	tag [value]: of the service
//	wakes, events: what the group says, and what the service's events do
func (r *rig) zero(d *datadriven.TestData) {
	arg := ""
	if len(d.CmdArgs) > 0 {
		arg = d.CmdArgs[0].String()
	}
	demand := model.Demand{Balancer: "b1", Group: groupARN, Since: r.now}
	switch d.Cmd {
	case "group":
		r.front.group = true
		r.update(func(tx *store.Tx) error {
			tx.Put(&model.TargetGroup{ARN: groupARN, Name: "front", Region: region, Protocol: arg})
			tx.Put(&model.LoadBalancer{ARN: balancerARN, Name: "front", Region: region, Type: model.Application})
			tx.Put(&model.Listener{ARN: strings.Replace(balancerARN, ":loadbalancer/", ":listener/", 1) + "/1", LoadBalancer: balancerARN, Region: region, Actions: []model.Action{
				{Type: "forward", Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: groupARN}}}},
			}})
			r.deployment(tx, model.RolloutCompleted)
			return nil
		})
	case "balancer":
		r.front.up, r.front.measured = arg != "silent", arg != "silent" && arg != "unmeasured"
		if arg != "late" {
			r.balance()
		}
		r.update(func(tx *store.Tx) error {
			switch arg {
			case "waits", "late":
				tx.Put(&demand)
			case "served":
				tx.Delete(demand.Key())
			}
			return nil
		})
		r.turn()
	case "requests":
		r.front.requests = number(r.t, arg)
	case "flows":
		r.front.flows = number(r.t, arg)
	case "health":
		r.front.health = span(r.t, arg)
	case "tag":
		r.tag(arg)
	case "wakes":
		g, _ := r.store.View().TargetGroup(groupARN)
		fmt.Fprintf(&r.told, "%+v\n", g.Wake)
	case "events":
		for e := range r.store.View().Events(service()) {
			fmt.Fprintln(&r.told, e.Message)
		}
	}
}

func (r *rig) tag(value string) {
	r.update(func(tx *store.Tx) error {
		old, _ := tx.View().Service(service())
		svc := *old
		svc.Tags = slices.DeleteFunc(slices.Clone(svc.Tags), func(t model.Tag) bool { return t.Key == "maitred:scale-to-zero" })
		if value != "" {
			svc.Tags = append(svc.Tags, model.Tag{Key: "maitred:scale-to-zero", Value: value})
		}
		tx.Put(&svc)
		return nil
	})
	r.turn()
}

// begins is the metric of the requests, or of the new flows.
func (r *rig) begins() string {
	if g, _ := r.store.View().TargetGroup(groupARN); g != nil && !g.HTTP() {
		return "NewFlowCount"
	}
	return "RequestCount"
}

// balance is a second of the balancer: a sign of life, and what is measured of the group.
func (r *rig) balance() {
	if !r.front.up {
		return
	}
	r.update(func(tx *store.Tx) error {
		tx.Put(&model.Balancer{ID: "b1", Connected: true, SeenAt: r.now})
		return nil
	})
	if !r.front.measured {
		return
	}
	r.count(model.NamespaceFast, "ActiveConnectionCount", r.front.flows, 1, group())
	r.count(model.NamespaceFast, r.begins(), r.front.requests, 1, group())
	if r.begins() != "RequestCount" {
		return
	}
	per := r.front.requests / float64(max(1, r.healthy()))
	r.count(model.NamespaceFast, "RequestCountPerTarget", per, 1, group())
	both := append([]model.Dimension{{Name: "LoadBalancer", Value: "app/front/0123456789abcdef"}}, group()...)
	r.count(model.NamespaceApplication, "RequestCount", r.front.requests, 60, both)
	r.count(model.NamespaceApplication, "RequestCountPerTarget", per, 60, both)
}

// healthy counts the tasks that get requests.
func (r *rig) healthy() (n int) {
	for _, at := range r.born {
		if !r.now.Before(at.Add(r.front.health)) {
			n++
		}
	}
	return n
}

func group() []model.Dimension {
	return []model.Dimension{{Name: "TargetGroup", Value: "targetgroup/front/0123456789abcdef"}}
}

// count puts what was counted in the second that ends now, as package meter does.
func (r *rig) count(namespace, name string, v float64, resolution int, of []model.Dimension) {
	unit := "Count"
	if namespace == model.NamespaceApplication && name == "RequestCountPerTarget" {
		unit = "None"
	}
	r.metrics.Put([]metrics.Datum{{
		Series: metrics.Series{Region: region, Unit: unit, Metric: model.Metric{Namespace: namespace, Name: name, Dimensions: of}},
		At:     r.now.Add(-time.Second), Stats: metrics.One(v), Resolution: resolution,
	}})
}
