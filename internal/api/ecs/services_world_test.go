package ecs_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/model"
)

// fleet is a world with the scheduler, and with machines whose agents do at once what is wanted. Nothing happens but in
// pass.
type fleet struct {
	*world
	loop *engine.Loop
	// observe says what the agents see of a task that shall run; nil: it runs.
	observe func(*model.Task) *model.Observed
}

func newFleet(t *testing.T, machines ...string) *fleet {
	t.Helper()
	w := newWorld(t)
	for _, id := range machines {
		m := machine(id)
		m.Capacity = model.Resources{CPU: 4096, Memory: 4096}
		w.put(m)
	}
	timings, _ := model.TimingsByName("fast")
	drawn := uint64(1 << 32)
	f := &fleet{world: w, loop: engine.NewLoop(engine.Config{
		Store: w.store, Account: account, Timings: timings, Resync: time.Hour,
		IDs: func() (id [16]byte) {
			drawn++
			binary.BigEndian.PutUint64(id[:8], drawn)
			return id
		},
		Refuse: func(*model.Machine, *model.TaskDefinition) string { return "" },
		Log:    slog.New(slog.DiscardHandler),
	}, nil)}
	t.Cleanup(f.loop.Close)
	for _, family := range []string{"web", "web", "other"} {
		w.register(family)
	}
	return f
}

// settle lets the scheduler and the agents act until both rest.
func (f *fleet) settle() {
	f.t.Helper()
	for range 1000 {
		more, err := f.loop.Turn(f.t.Context(), f.now())
		if err != nil {
			f.t.Fatalf("a turn of the scheduler: %v", err)
		}
		if !f.agents() && !more {
			return
		}
	}
	f.t.Fatal("the scheduler and the agents do not come to rest")
}

// agents does what is wanted of the tasks, and says whether there was anything to do.
func (f *fleet) agents() (acted bool) {
	for t := range f.store.View().Tasks() {
		seen := model.Observed{Task: t.ARN, Machine: t.Machine}
		if t.Seen != nil {
			seen = *t.Seen
		}
		switch {
		case t.Desired == model.TaskStopped && !t.Stopped():
			seen.Status, seen.StoppedAt = model.TaskStopped, f.now()
		case t.Desired == model.TaskRunning && t.Seen == nil && f.observe != nil:
			saw := f.observe(t.Task)
			if saw == nil {
				continue
			}
			seen = *saw
		case t.Desired == model.TaskRunning && t.Seen == nil:
			seen.Status, seen.StartedAt = model.TaskRunning, f.now()
		default:
			continue
		}
		f.put(&seen)
		acted = true
	}
	return acted
}

// pass lets time pass, from one deadline of the scheduler to the next.
func (f *fleet) pass(d time.Duration) {
	f.t.Helper()
	f.settle()
	end := f.now().Add(d)
	for next := f.loop.Next(); !next.After(end); next = f.loop.Next() {
		if next.After(f.now()) {
			f.advance(next.Sub(f.now()))
		}
		f.settle()
	}
	f.advance(end.Sub(f.now()))
}

// patient is a client for the SDK's waiters: between two of their looks a second passes.
type patient struct {
	*fleet
	looks int
}

func (p *patient) DescribeServices(
	ctx context.Context, in *client.DescribeServicesInput, options ...func(*client.Options),
) (*client.DescribeServicesOutput, error) {
	p.looks++
	p.pass(time.Second)
	return p.Client.DescribeServices(ctx, in, options...)
}

// waitStable is the waiter that tools use after each change; it says how often it had to look.
func (f *fleet) waitStable(service string) int {
	f.t.Helper()
	p := &patient{fleet: f}
	waiter := client.NewServicesStableWaiter(p, func(o *client.ServicesStableWaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Microsecond, time.Microsecond
	})
	if err := waiter.Wait(f.t.Context(), &client.DescribeServicesInput{Services: []string{service}}, time.Minute); err != nil {
		f.t.Fatalf("%s does not get stable: %v", service, err)
	}
	return p.looks
}

func (f *fleet) waitInactive(service string) {
	f.t.Helper()
	waiter := client.NewServicesInactiveWaiter(&patient{fleet: f}, func(o *client.ServicesInactiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Microsecond, time.Microsecond
	})
	if err := waiter.Wait(f.t.Context(), &client.DescribeServicesInput{Services: []string{service}}, time.Minute); err != nil {
		f.t.Fatalf("%s does not get inactive: %v", service, err)
	}
}

// describe gives one service.
func (w *world) describe(service string, include ...types.ServiceField) types.Service {
	w.t.Helper()
	out := must(w.DescribeServices(w.t.Context(), &client.DescribeServicesInput{Services: []string{service}, Include: include}))(w.t)
	if len(out.Services) != 1 || len(out.Failures) != 0 {
		w.t.Fatalf("got %d services and failures %v for %s, want it", len(out.Services), out.Failures, service)
	}
	return out.Services[0]
}

// newService is the smallest request for a service.
func newService(name string, desired int32) *client.CreateServiceInput {
	return &client.CreateServiceInput{ServiceName: &name, TaskDefinition: aws.String("web:1"), DesiredCount: &desired}
}

// newFargateService is a request for a service of a family that registerFargate has made.
func (w *world) newFargateService(name, definition string) *client.CreateServiceInput {
	w.t.Helper()
	in := newService(name, 1)
	in.TaskDefinition, in.LaunchType, in.NetworkConfiguration = &definition, types.LaunchTypeFargate, w.network()
	return in
}

// summary tells the deployments of a service in a line.
func summary(s types.Service) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %d/%d+%d", *s.Status, s.RunningCount, s.DesiredCount, s.PendingCount)
	for _, d := range s.Deployments {
		fmt.Fprintf(&b, " | %s %s %s %d/%d+%d", *d.Status, (*d.TaskDefinition)[strings.LastIndex(*d.TaskDefinition, "/")+1:],
			d.RolloutState, d.RunningCount, d.DesiredCount, d.PendingCount)
	}
	return b.String()
}

func wantSummary(t *testing.T, s types.Service, want string) {
	t.Helper()
	if got := summary(s); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}
