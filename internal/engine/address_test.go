package engine_test

import (
	"testing"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// TestMachineGetsAnotherAddress: what is reached at the address of a machine follows it there. That are targets which were
// registered as instances by hand, and those of tasks that share the machine's network; what is bound to the address of
// before stays there.
func TestMachineGetsAnotherAddress(t *testing.T) {
	t.Parallel()
	st := open(t, mem.New(mem.Options{}))
	found(t, st)
	m := machine("m1")
	m.Address = "10.0.0.1"
	put(t, st, m)
	for name, kind := range map[string]string{"instances": "instance", "addresses": "ip"} {
		put(t, st, &model.TargetGroup{ARN: group(name), Name: name, TargetType: kind, Region: "eu-west-1"}, &model.Listener{
			ARN: "listener/" + name, LoadBalancer: "lb", Region: "eu-west-1", Port: 80, Protocol: "HTTP",
			Actions: []model.Action{{Type: model.ActionForward, Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: group(name), Weight: 1}}}}},
		})
	}
	host, bridge := scope().TaskDefinition("host:1"), scope().TaskDefinition("bridge:1")
	put(t, st, definition(host, "host"), definition(bridge, "bridge"))
	put(t, st, &model.Target{Group: group("instances"), ID: arn.InstanceID("m1"), Address: "10.0.0.1", Port: 22})
	put(t, st, &model.Target{Group: group("addresses"), ID: "10.0.0.1", Address: "10.0.0.1", Port: 22})
	l := engine.NewLoop(config(st), nil)
	defer l.Close()
	now := start()
	for name, td := range map[string]string{"a": host, "b": bridge} {
		balanced(t, st, name, td, group("instances"), group("addresses"))
	}
	settle(t, l, now)
	for task := range st.View().Tasks() {
		seen := &model.Observed{Task: task.ARN, Machine: task.Machine, Status: model.TaskRunning, StartedAt: now, Containers: []model.ObservedContainer{{Name: "app"}}}
		if task.TaskDefinition == bridge {
			seen.Containers[0].Bindings = []model.PortBinding{{Address: "10.0.0.1", ContainerPort: 80, HostPort: 30000, Protocol: "tcp"}}
		}
		put(t, st, seen)
	}
	settle(t, l, now)
	check(t, st, "at first", map[string]int{"10.0.0.1": 6})

	moved := *m
	moved.Address = "10.0.0.2"
	put(t, st, &moved)
	settle(t, l, now.Add(time.Second))
	// The instance that was registered, and the task of the machine's network in both groups. What it was at the old address
	// is drained at once: there is no balancer.
	check(t, st, "when the machine has moved", map[string]int{"10.0.0.2": 3, "10.0.0.1": 3})
	settle(t, l, now.Add(time.Hour))
	check(t, st, "after an hour", map[string]int{"10.0.0.2": 3, "10.0.0.1": 3})
}

func group(name string) string {
	return "arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/" + name + "/1"
}

func definition(id, mode string) *model.TaskDefinition {
	return &model.TaskDefinition{
		ARN: id, Region: "eu-west-1", Family: mode, Revision: 1, Status: model.Active, NetworkMode: mode,
		Containers: []model.ContainerDefinition{{Name: "app", Ports: []model.PortMapping{{ContainerPort: 80}}}},
	}
}

func balanced(t *testing.T, st *store.Store, name, td string, groups ...string) {
	t.Helper()
	in := control.NewService{
		Cluster: clusterARN(), Name: name, TaskDefinition: td, DesiredCount: 1, Scheduling: model.Replica, LaunchType: "EC2", MinHealthy: 100, MaxPercent: 200,
	}
	for _, g := range groups {
		in.LoadBalancers = append(in.LoadBalancers, model.ServiceBalancer{Group: g, Container: "app", Port: 80})
	}
	call := control.Call{Scope: scope(), Operation: "CreateService", Now: start(), IDs: random, Refuse: runs}
	if _, err := st.Update(t.Context(), func(tx *store.Tx) error {
		_, err := control.CreateService(tx, call, in)
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

// check counts the targets that are registered at each address.
func check(t *testing.T, st *store.Store, when string, want map[string]int) {
	t.Helper()
	got := map[string]int{}
	for x := range st.View().Targets("") {
		if !x.Draining() {
			got[x.Address]++
		}
	}
	for _, a := range []string{"10.0.0.1", "10.0.0.2"} {
		if got[a] != want[a] {
			t.Errorf("%s: %d targets at %s, want %d", when, got[a], a, want[a])
		}
	}
}
