package control_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

var (
	dawn  = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	scope = arn.Scope{Region: "eu-west-1", Account: "123456789012"}
)

// asked is a call of an operation by the root user.
func asked(operation string) control.Call {
	return control.Call{Scope: scope, Operation: operation, RequestID: "r", Principal: scope.Root(), Now: dawn}
}

func openStore(t *testing.T) *store.Store {
	t.Helper()
	backend := mem.New(mem.Options{})
	t.Cleanup(func() { _ = backend.Close() })
	st, err := store.Open(t.Context(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	return st
}

// change carries out a transaction that must succeed.
func change(t *testing.T, st *store.Store, do func(tx *store.Tx)) {
	t.Helper()
	if _, err := st.Update(t.Context(), func(tx *store.Tx) error {
		do(tx)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

func makeCluster(t *testing.T, st *store.Store, name string) *model.Cluster {
	t.Helper()
	change(t, st, func(tx *store.Tx) { control.CreateCluster(tx, asked("CreateCluster"), control.NewCluster{Name: name}) })
	c, ok := st.View().Cluster(scope.Cluster(name))
	if !ok {
		t.Fatalf("cluster %s has not been made", name)
	}
	return c
}

// joined lists the clusters in which a machine is an active container instance.
func joined(st *store.Store, machine string) string {
	text := ""
	for i := range st.View().InstancesOfMachine(machine) {
		if i.Status == model.Active {
			text += model.ShortID(i.Cluster) + " "
		}
	}
	return text
}

func TestJoinMachine(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	for _, name := range []string{"a", "b", "c"} {
		makeCluster(t, st, name)
	}
	change(t, st, func(tx *store.Tx) {
		if _, err := control.DeleteCluster(tx, asked("DeleteCluster"), scope.Cluster("c")); err != nil {
			t.Error(err)
		}
	})
	all, one := &model.Machine{ID: "all", Connected: true}, &model.Machine{ID: "one", Connected: true, Clusters: []string{"b", "c", "d"}}
	join := func(m *model.Machine) {
		t.Helper()
		change(t, st, func(tx *store.Tx) {
			tx.Put(m)
			if control.JoinMachine(tx, asked(""), m) {
				t.Error("there is more to do, want three clusters to be enough for one transaction")
			}
		})
	}
	join(all)
	join(one)
	if got := joined(st, "all") + "/ " + joined(st, "one"); got != "a b / b " {
		t.Errorf("got %q, want all active clusters for the one, and those that it names for the other", got)
	}
	for i := range st.View().InstancesOfMachine("all") {
		if !i.Cause.Complete() || i.Cause.Kind != model.CauseMachine {
			t.Errorf("cause %+v, want the machine", i.Cause)
		}
	}
	// To come again changes nothing, and who was deregistered does not come back.
	gone, _ := st.View().Instance(control.InstanceARN("all", scope.Cluster("a")))
	inactive := *gone
	inactive.Status = model.Inactive
	change(t, st, func(tx *store.Tx) { tx.Put(&inactive) })
	join(all)
	if got := joined(st, "all"); got != "b " {
		t.Errorf("got %q, want b alone", got)
	}
	// But when its agent was started again since.
	all.JoinedAt = inactive.Cause.At.Add(time.Second)
	join(all)
	if got := joined(st, "all"); got != "a b " {
		t.Errorf("after a start of its agent: got %q, want a and b", got)
	}
}

func TestJoinsAreDoneInParts(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	for n := range 150 {
		makeCluster(t, st, fmt.Sprintf("c%03d", n))
	}
	m := &model.Machine{ID: "m", Connected: true}
	rounds := 0
	for more := true; more; rounds++ {
		change(t, st, func(tx *store.Tx) { more = control.JoinMachine(tx, asked(""), m) })
	}
	n := 0
	for range st.View().InstancesOfMachine("m") {
		n++
	}
	if n != 150 || rounds != 3 {
		t.Errorf("got %d instances in %d rounds, want 150 in 3", n, rounds)
	}
}

// TestDeleteClusterLosesRaces adds something to the cluster after the deletion has looked at it.
func TestDeleteClusterLosesRaces(t *testing.T) {
	t.Parallel()
	cluster := scope.Cluster("a")
	named := &model.Machine{ID: "m", Connected: true, Clusters: []string{"a"}}
	for _, tc := range []struct {
		code string
		add  []model.Record
	}{
		{"ClusterContainsServicesException", []model.Record{&model.Service{ARN: arn.Service(cluster, "s"), Cluster: cluster, Status: model.Active}}},
		{"ClusterContainsTasksException", []model.Record{
			&model.Task{ARN: arn.Task(cluster, "1"), Cluster: cluster, Machine: "m", Desired: model.TaskRunning},
			&model.Occupancy{Machine: "m", Placements: 1},
		}},
		{"ClusterContainsContainerInstancesException", []model.Record{
			&model.Instance{ARN: control.InstanceARN("m", cluster), Cluster: cluster, Machine: "m", Status: model.Active},
		}},
	} {
		t.Run(tc.code, func(t *testing.T) {
			t.Parallel()
			st := openStore(t)
			makeCluster(t, st, "a")
			change(t, st, func(tx *store.Tx) { tx.Put(named) })
			tries := 0
			_, err := st.Update(t.Context(), func(tx *store.Tx) error {
				tries++
				_, err := control.DeleteCluster(tx, asked("DeleteCluster"), cluster)
				if tries == 1 {
					change(t, st, func(tx *store.Tx) {
						for _, r := range tc.add {
							tx.Put(r)
						}
					})
				}
				return err
			})
			var refusal *model.Error
			if !errors.As(err, &refusal) || refusal.Code != tc.code || tries != 2 {
				t.Errorf("got %v after %d tries, want %s after 2", err, tries, tc.code)
			}
		})
	}
}

func TestFindTaskDefinition(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	for range 12 {
		change(t, st, func(tx *store.Tx) {
			if _, err := control.RegisterTaskDefinition(tx, asked("RegisterTaskDefinition"), model.TaskDefinition{Family: "web"}); err != nil {
				t.Error(err)
			}
		})
	}
	for n := 11; n <= 12; n++ {
		change(t, st, func(tx *store.Tx) {
			if _, err := control.DeregisterTaskDefinition(tx, asked("DeregisterTaskDefinition"), fmt.Sprintf("web:%d", n)); err != nil {
				t.Error(err)
			}
		})
	}
	for ref, want := range map[string]int{
		"web": 10, "web:2": 2, "web:12": 12, scope.TaskDefinition("web:3"): 3, scope.TaskDefinition("web"): 10,
		"web:13": 0, "web:": 0, "web:02": 0, "web:x": 0, "we": 0, "": 0, "arn:x": 0,
		"arn:aws:ecs:us-east-1:123456789012:task-definition/web:3": 0, scope.Cluster("web:3"): 0,
	} {
		got := 0
		if d := control.FindTaskDefinition(st.View(), scope, ref); d != nil {
			got = d.Revision
		}
		if got != want {
			t.Errorf("%q is revision %d, want %d", ref, got, want)
		}
	}
}
