package control_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// yard is a shop with one machine that has room for one task of job:1.
type yard struct{ *shop }

func newYard(t *testing.T) yard {
	y := yard{newShop(t)}
	y.put(
		&model.Machine{ID: "m", Host: "m", Connected: true, SeenAt: y.now, Capacity: model.Resources{CPU: 1024, Memory: 100}},
		&model.Instance{ARN: y.instance(), Cluster: y.cluster(), Machine: "m", Status: model.Active},
		&model.TaskDefinition{
			ARN: y.job(), Family: "job", Revision: 1, Region: y.scope.Region, Status: model.Active,
			Containers: []model.ContainerDefinition{{Name: "app", Image: "i", Memory: 60, Essential: true}},
		},
	)
	return y
}

func (y yard) instance() string { return control.InstanceARN("m", y.cluster()) }

func (y yard) job() string { return y.scope.TaskDefinition("job:1") }

// run says what came of running a job with a token.
func (y yard) run(tx *store.Tx, token string) (string, error) {
	tasks, failures, err := control.Run(tx, y.call("RunTask"), control.RunTask{
		Cluster: y.cluster(), TaskDefinition: y.job(), Count: 1, LaunchType: "EC2", Token: token, Request: "same",
	})
	text := fmt.Sprintf("%d tasks", len(tasks))
	for _, f := range failures {
		text += ", " + string(f.Reason)
	}
	return text, err
}

func (y yard) deregister(tx *store.Tx) (string, error) {
	i, err := control.Deregister(tx, y.call("DeregisterContainerInstance"), y.instance(), false)
	if err != nil {
		return "", err
	}
	return string(i.Status), nil
}

// TestRaces lets something else happen after a use case has looked and before it is written: it has to look again.
func TestRaces(t *testing.T) {
	t.Parallel()
	run := func(y yard, tx *store.Tx) (string, error) { return y.run(tx, "") }
	for _, tc := range []struct {
		name        string
		first       func(yard, *store.Tx) (string, error)
		then        func(yard, *store.Tx) error // once, in between
		want, fault string
		tasks       int  // alive in the end
		before      bool // one task runs from the start
	}{
		{
			name: "run, run", first: run, want: "0 tasks, RESOURCE:MEMORY", tasks: 1,
			then: func(y yard, tx *store.Tx) error { _, err := y.run(tx, ""); return err },
		},
		{
			name: "run, the scheduler places a task", first: run, want: "0 tasks, RESOURCE:MEMORY", tasks: 1,
			then: func(y yard, tx *store.Tx) error {
				tx.Put(&model.Task{
					ARN: arn.Task(y.cluster(), "s"), Cluster: y.cluster(), Service: y.web(), Machine: "m", Instance: y.instance(),
					Desired: model.TaskRunning, Reserved: model.Resources{Memory: 60},
				})
				tx.Put(&model.Placement{Machine: "m"})
				return nil
			},
		},
		{
			name: "run, run with the same token", want: "1 tasks", tasks: 1,
			first: func(y yard, tx *store.Tx) (string, error) { return y.run(tx, "token") },
			then:  func(y yard, tx *store.Tx) error { _, err := y.run(tx, "token"); return err },
		},
		{
			name: "run, the instance leaves", first: run, fault: "No Container Instances were found in your cluster.",
			then: func(y yard, tx *store.Tx) error { _, err := y.deregister(tx); return err },
		},
		{
			name: "run, the instance drains", first: run, fault: "No Container Instances were found in your cluster.",
			then: func(y yard, tx *store.Tx) error {
				_, err := control.SetInstanceStatus(tx, y.call("UpdateContainerInstancesState"), y.instance(), model.Draining)
				return err
			},
		},
		{
			name: "run, the definition is deregistered", first: run, fault: "TaskDefinition is inactive",
			then: func(y yard, tx *store.Tx) error {
				_, err := control.DeregisterTaskDefinition(tx, y.call("DeregisterTaskDefinition"), "job:1")
				return err
			},
		},
		{
			name: "the instance leaves, run", tasks: 1, fault: "Found running tasks on the instance.",
			first: func(y yard, tx *store.Tx) (string, error) { return y.deregister(tx) },
			then:  func(y yard, tx *store.Tx) error { _, err := y.run(tx, ""); return err },
		},
		{
			name: "stop, the task ends by itself", want: "", before: true,
			first: func(y yard, tx *store.Tx) (string, error) {
				var code model.StopCode
				for task := range tx.View().Tasks() {
					state, err := control.StopTask(tx, y.call("StopTask"), task.ARN, "")
					if err != nil {
						return "", err
					}
					code = state.StopCode
				}
				return string(code), nil
			},
			then: func(y yard, tx *store.Tx) error {
				for task := range tx.View().Tasks() {
					tx.Put(&model.Observed{
						Task: task.ARN, Machine: "m", Status: model.TaskStopped, StoppedAt: y.now, StopCode: model.StopContainerExited,
					})
				}
				return nil
			},
		},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			y := newYard(t)
			if tc.before {
				y.update(func(tx *store.Tx) error { _, err := y.run(tx, ""); return err })
			}
			tries, got := 0, ""
			_, err := y.store.Update(t.Context(), func(tx *store.Tx) (err error) {
				tries++
				got, err = tc.first(y, tx)
				if tries == 1 {
					y.update(func(tx *store.Tx) error { return tc.then(y, tx) })
				}
				return err
			})
			if refusal, ok := errors.AsType[*model.Error](err); ok {
				if refusal.Message != tc.fault {
					t.Errorf("got refusal %q, want %q", refusal.Message, tc.fault)
				}
			} else if err != nil || tc.fault != "" || got != tc.want {
				t.Errorf("got %q and error %v, want %q and refusal %q", got, err, tc.want, tc.fault)
			}
			alive := 0
			for task := range y.store.View().Tasks() {
				if control.Wanted(task) == model.TaskRunning {
					alive++
				}
			}
			if tries != 2 || alive != tc.tasks {
				t.Errorf("got %d tries and %d tasks, want 2 and %d", tries, alive, tc.tasks)
			}
		})
	}
}
