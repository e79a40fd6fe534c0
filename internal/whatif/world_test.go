package whatif

import (
	"context"
	"math"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

var epoch = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

// fataler is what testing.T, testing.F and rapid.T have in common.
type fataler interface {
	Helper()
	Fatal(args ...any)
}

// server is a view with a service web, scaled between 1 and 20 by policies.
func server(t fataler, policies ...control.PolicyUpdate) (*store.View, *model.Service) {
	t.Helper()
	ctx := context.Background()
	st, err := store.OpenSync(ctx, mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	scope := arn.Scope{Region: "eu-west-1", Account: "123456789012"}
	call := control.Call{Scope: scope, Operation: "test", Now: epoch.Add(-time.Hour), IDs: counter()}
	svc := &model.Service{
		ARN: arn.Service(scope.Cluster("default"), "web"), Name: "web", Cluster: scope.Cluster("default"), Region: scope.Region,
		Status: model.Active, Scheduling: model.Replica, DesiredCount: 2,
	}
	do := func(f func(tx *store.Tx) error) {
		if _, err := st.Update(ctx, f); err != nil {
			t.Fatal(err)
		}
	}
	svc.Primary = "ecs-svc/1"
	front, group := scope.ApplicationLoadBalancer("front", "0123456789abcdef"), scope.TargetGroup("web", "0123456789abcdef")
	do(func(tx *store.Tx) error {
		tx.Put(svc)
		tx.Put(&model.Deployment{
			ID: svc.Primary, Service: svc.ARN, Current: true, Rollout: model.RolloutCompleted,
			LoadBalancers: []model.ServiceBalancer{{Group: group, Container: "web", Port: 80}},
		})
		tx.Put(&model.LoadBalancer{ARN: front, Name: "front", Region: scope.Region, Type: model.Application})
		tx.Put(&model.TargetGroup{ARN: group, Name: "web", Region: scope.Region})
		tx.Put(&model.Listener{
			ARN: arn.Listener(front, "0123456789abcdef"), LoadBalancer: front, Region: scope.Region,
			Actions: []model.Action{{Type: "forward", Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: group, Weight: 1}}}}},
		})
		return nil
	})
	do(func(tx *store.Tx) error {
		_, err := control.RegisterScalableTarget(tx, call, control.TargetUpdate{Resource: resourceOf(svc), Min: new(1), Max: new(20)})
		return err
	})
	for _, p := range policies {
		p.Resource = resourceOf(svc)
		do(func(tx *store.Tx) error { _, err := control.PutScalingPolicy(tx, call, p); return err })
	}
	return st.View(), svc
}

// tracking is a policy on CPU as AWS has it; fast, one of the fast lane.
func tracking(value float64) control.PolicyUpdate {
	return control.PolicyUpdate{Name: "cpu", Tracking: &model.Tracking{
		Value: value, Predefined: control.PredefinedCPU, OutCooldown: 5 * time.Minute, InCooldown: 5 * time.Minute,
	}}
}

func fast(value float64) control.PolicyUpdate {
	return control.PolicyUpdate{Name: "cpu", Tracking: &model.Tracking{Value: value, Predefined: control.PredefinedFastCPU}}
}

// day is a load of so many hours that goes up and down once in 24, given by the minute.
func day(hours int, low, high float64) *Load {
	l := &Load{Start: epoch, Step: time.Minute, Unit: "requests", Rates: make([]float64, hours*3600)}
	for i := range l.Rates {
		minutes := float64(i / minute)
		l.Rates[i] = low + (high-low)*(1-math.Cos(2*math.Pi*minutes/(24*60)))/2
	}
	return l
}

// perTask is a policy on the requests of each task.
func perTask(value float64) control.PolicyUpdate {
	return control.PolicyUpdate{Name: "requests", Tracking: &model.Tracking{
		Value: value, Predefined: control.PredefinedRequests, Label: "app/front/0123456789abcdef/targetgroup/web/0123456789abcdef",
		OutCooldown: time.Hour, InCooldown: time.Hour,
	}}
}

func flat(seconds int, rate float64) *Load {
	l := &Load{Start: epoch, Step: time.Second, Unit: "requests", Rates: make([]float64, seconds)}
	for i := range l.Rates {
		l.Rates[i] = rate
	}
	return l
}

func BenchmarkWeek(b *testing.B) {
	for name, c := range map[string]struct {
		policy control.PolicyUpdate
		more   []model.Record
	}{
		"alarms": {tracking(60), nil}, "fast": {fast(60), nil},
		"fast and scheduled": {fast(60), []model.Record{&model.ScheduledAction{
			Name: "open", Target: "eu-west-1/service/default/web", Schedule: "cron(0 8 * * ? *)", Zone: "Europe/Berlin", Min: new(3), CreatedAt: epoch,
		}}},
	} {
		b.Run(name, func(b *testing.B) {
			v, svc := server(b, c.policy)
			v = with(b, v, c.more...)
			s := &Scenario{View: v, Service: svc, Load: day(7*24, 20, 150), Tasks: Tasks{Capacity: 10, Start: 2 * time.Second}, Count: 4}
			for b.Loop() {
				if _, err := s.Run(b.Context(), Change{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
