package balance_test

import (
	"iter"
	"slices"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/core/balance"
	"github.com/maitred/maitred/internal/model"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// world is a view with one target group.
type world struct {
	group     *model.TargetGroup
	healths   []*model.TargetHealth
	balancers []*model.Balancer
}

func (w *world) TargetGroup(string) (*model.TargetGroup, bool) { return w.group, w.group != nil }

func (w *world) TargetHealths(target string) iter.Seq[*model.TargetHealth] {
	return func(yield func(*model.TargetHealth) bool) {
		for _, h := range w.healths {
			if h.Target == target && !yield(h) {
				return
			}
		}
	}
}

func (w *world) Balancers() iter.Seq[*model.Balancer] { return slices.Values(w.balancers) }

// TestHealth sums up what two balancers say of a task with two targets.
func TestHealth(t *testing.T) {
	t.Parallel()
	const healthy, unhealthy, initial, draining, none = model.TargetHealthy, model.TargetUnhealthy, model.TargetInitial, model.TargetDraining, ""
	type said [2]model.TargetState // of the first target, by the balancers
	for _, tt := range []struct {
		name    string
		first   said
		second  model.TargetState
		drained bool // the first target is being deregistered
		gone    bool // the second balancer is
		want    model.Health
	}{
		{"all healthy", said{healthy, healthy}, healthy, false, false, model.Healthy},
		{"one balancer says nothing", said{healthy, none}, healthy, false, false, model.Healthy},
		{"none says anything", said{none, none}, healthy, false, false, model.Unknown},
		{"one finds it unhealthy", said{healthy, unhealthy}, healthy, false, false, model.Unhealthy},
		{"one that is gone finds it unhealthy", said{healthy, unhealthy}, healthy, false, true, model.Healthy},
		{"one does not know yet", said{healthy, initial}, healthy, false, false, model.Unknown},
		{"the other target is not known", said{healthy, healthy}, none, false, false, model.Unknown},
		{"no checks", said{model.TargetUnavailable, none}, healthy, false, false, model.Healthy},
		{"deregistered by hand, as the balancers know", said{draining, draining}, healthy, true, false, model.Unknown},
		{"deregistered by hand, as they do not know yet", said{healthy, healthy}, healthy, true, false, model.Unknown},
		{"deregistered by hand, as one does not know yet", said{draining, healthy}, healthy, true, false, model.Unknown},
		{"deregistered by hand when it was unhealthy", said{unhealthy, unhealthy}, healthy, true, false, model.Unknown},
		{"taken back, as the balancers do not know yet", said{draining, draining}, healthy, false, false, model.Unknown},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			first := &model.Target{Group: "g", Task: "task/1", ID: "10.0.0.1", Port: 80}
			if tt.drained {
				first.DrainAt, first.DrainBy = noon, noon.Add(time.Minute)
			}
			second := &model.Target{Group: "h", Task: "task/1", ID: "10.0.0.1", Port: 80}
			w := &world{balancers: []*model.Balancer{{ID: "a", Connected: true}, {ID: "b", Connected: !tt.gone}}}
			say := func(balancer string, x *model.Target, state model.TargetState) {
				if state != none {
					w.healths = append(w.healths, &model.TargetHealth{Balancer: balancer, Target: x.Path(), State: state})
				}
			}
			say("a", first, tt.first[0])
			say("b", first, tt.first[1])
			say("a", second, tt.second)
			if got, _, _ := balance.Health(w, 2, []*model.Target{first, second}); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// TestWanted tells where the port of a task is reached.
func TestWanted(t *testing.T) {
	t.Parallel()
	machine := &model.Machine{ID: "m1", Address: "10.0.0.7"}
	bridge := func(bound string) *model.Observed {
		return &model.Observed{Containers: []model.ObservedContainer{{
			Name: "app", Bindings: []model.PortBinding{{Address: bound, ContainerPort: 80, HostPort: 30000, Protocol: "tcp"}},
		}}}
	}
	for _, tt := range []struct {
		name, kind, mode string
		seen             *model.Observed
		address          string // "" for no target
		port             int
	}{
		{"nothing is known", "ip", "bridge", nil, "", 0},
		{"no port yet", "ip", "bridge", &model.Observed{}, "", 0},
		{"bound to all addresses", "ip", "bridge", bridge("0.0.0.0"), "10.0.0.7", 30000},
		{"bound to nobody says what", "ip", "bridge", bridge(""), "10.0.0.7", 30000},
		{"bound to the machine's address", "ip", "bridge", bridge("10.0.0.7"), "10.0.0.7", 30000},
		{"bound to an address that the machine had", "ip", "bridge", bridge("10.0.0.6"), "10.0.0.6", 30000},
		{"the same, as an instance", "instance", "bridge", bridge("10.0.0.6"), "10.0.0.6", 30000},
		{"the machine's network", "ip", "host", &model.Observed{}, "10.0.0.7", 80},
		{"a network of its own", "ip", "awsvpc", &model.Observed{Attachment: &model.Attachment{Address: "172.31.0.9"}}, "172.31.0.9", 80},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			w := &world{group: &model.TargetGroup{ARN: "g", TargetType: tt.kind}}
			state := model.TaskState{Task: &model.Task{ARN: "task/1"}, Seen: tt.seen}
			got := balance.Wanted(w, state, &model.TaskDefinition{NetworkMode: tt.mode}, []model.ServiceBalancer{{Group: "g", Container: "app", Port: 80}}, machine)
			if tt.address == "" {
				if len(got) != 0 {
					t.Errorf("got %+v, want no target", got[0])
				}
				return
			}
			if len(got) != 1 || got[0].Address != tt.address || got[0].Port != tt.port || (got[0].ID == tt.address) != (tt.kind == "ip") {
				t.Errorf("got %+v, want %s:%d", got, tt.address, tt.port)
			}
		})
	}
}
