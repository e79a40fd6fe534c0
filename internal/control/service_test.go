package control_test

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// shop is a store with a cluster and two task definitions, and a clock that moves with each call.
type shop struct {
	t     *testing.T
	store *store.Store
	scope arn.Scope
	now   time.Time
	drawn uint64
}

func newShop(t *testing.T) *shop {
	t.Helper()
	st, err := store.OpenSync(t.Context(), mem.New(mem.Options{Measure: true}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(st.Close)
	s := &shop{t: t, store: st, scope: arn.Scope{Region: "eu-west-1", Account: "123456789012"}, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	s.put(&model.Cluster{ARN: s.cluster(), Name: "demo", Region: s.scope.Region, Status: model.Active})
	for rev := range 2 {
		d := &model.TaskDefinition{Family: "web", Revision: rev + 1, Region: s.scope.Region, Status: model.Active}
		d.ARN = s.scope.TaskDefinition(d.Name())
		s.put(d)
	}
	return s
}

func (s *shop) cluster() string { return s.scope.Cluster("demo") }

func (s *shop) web() string { return arn.Service(s.cluster(), "web") }

func (s *shop) call(operation string) control.Call {
	s.now = s.now.Add(time.Second)
	timings, _ := model.TimingsByName("fast")
	return control.Call{
		Scope: s.scope, Operation: operation, RequestID: "r", Principal: s.scope.Root(), Now: s.now, Timings: timings,
		IDs: func() (id [16]byte) {
			s.drawn++
			binary.BigEndian.PutUint64(id[:8], s.drawn)
			return id
		},
		Refuse: func(*model.Machine, *model.TaskDefinition) string { return "" },
	}
}

func (s *shop) put(records ...model.Record) {
	s.t.Helper()
	s.update(func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	})
}

func (s *shop) update(do func(tx *store.Tx) error) {
	s.t.Helper()
	if _, err := s.store.Update(context.Background(), do); err != nil {
		s.t.Fatal(err)
	}
}

func (s *shop) create() {
	s.t.Helper()
	call := s.call("CreateService")
	s.update(func(tx *store.Tx) error {
		_, err := control.CreateService(tx, call, control.NewService{
			Cluster: s.cluster(), Name: "web", TaskDefinition: s.scope.TaskDefinition("web:1"), DesiredCount: 2,
			Scheduling: model.Replica, LaunchType: "EC2", MinHealthy: 100, MaxPercent: 200,
		})
		return err
	})
}

func (s *shop) force() {
	s.t.Helper()
	call := s.call("UpdateService")
	s.update(func(tx *store.Tx) error {
		_, err := control.UpdateService(tx, call, s.web(), control.ServiceUpdate{Force: true})
		return err
	})
}

func (s *shop) remove() *model.Service {
	s.t.Helper()
	call := s.call("DeleteService")
	s.update(func(tx *store.Tx) error {
		_, err := control.DeleteService(tx, call, s.web(), true)
		return err
	})
	return s.service()
}

func (s *shop) service() *model.Service {
	s.t.Helper()
	svc, ok := s.store.View().Service(s.web())
	if !ok {
		s.t.Fatal("there is no service web")
	}
	return svc
}

// task is a task of the service's newest deployment; whoever starts one writes the service's state.
func (s *shop) task(id string) []model.Record {
	svc := s.service()
	state := &model.ServiceState{Service: svc.ARN, LastEvent: 1}
	if old, ok := s.store.View().ServiceState(svc.ARN); ok {
		state.LastEvent += old.LastEvent
	}
	return []model.Record{state, &model.Task{
		ARN: arn.Task(s.cluster(), id), Cluster: s.cluster(), Service: svc.ARN, Deployment: svc.Primary, Machine: "m1", Desired: model.TaskRunning,
	}}
}

// current lists the deployments that are not history, from the newest to the oldest.
func (s *shop) current() (ids []string) {
	for d := range s.store.View().Deployments(s.web()) {
		if d.Current {
			ids = append(ids, d.ID)
		}
	}
	return ids
}

// TestDeploymentsDoNotPileUp deploys again and again what never gets a task to run.
func TestDeploymentsDoNotPileUp(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	s.put(s.task("t1")...)
	first := s.service().Primary
	for range 200 {
		s.force()
	}
	got := s.current()
	if len(got) != 3 || got[0] != s.service().Primary || got[2] != first {
		t.Errorf("got the current deployments %v, want the newest, the one before it, and %s, which has a task", got, first)
	}
	newest, _ := s.store.View().Deployment(s.web(), s.service().Primary)
	if got := strings.Join(newest.Sources, " "); got != strings.Join(s.current()[1:], " ") {
		t.Errorf("got the sources %s, want those that are still current", got)
	}
	// The first task is asked to stop and ends: nothing keeps its deployment any more.
	task, _ := s.store.View().Task(arn.Task(s.cluster(), "t1"))
	gone := *task.Task
	gone.Desired = model.TaskStopped
	s.put(&gone, &model.Observed{Task: gone.ARN, Machine: "m1", Status: model.TaskStopped})
	s.force()
	if got := s.current(); len(got) != 2 {
		t.Errorf("got the current deployments %v, want two", got)
	}
}

// TestReplacedDeploymentIsOwedItsTasks keeps a completed deployment, even while it has no task.
func TestReplacedDeploymentIsOwedItsTasks(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	completed := s.service().Primary
	d, _ := s.store.View().Deployment(s.web(), completed)
	done := *d
	done.Rollout, done.Status = model.RolloutCompleted, model.DeploymentSuccessful
	s.put(&done)
	s.force()
	s.force()
	d, _ = s.store.View().Deployment(s.web(), completed)
	if !d.Current || d.Want != 2 || d.Basis != 2 || d.Status != model.DeploymentSuccessful {
		t.Errorf("got %+v, want it current and owed 2 tasks", d)
	}
}

// TestNewLifeBeginsFresh creates a service with the name of a deleted one.
func TestNewLifeBeginsFresh(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	s.put(&model.ServiceState{Service: s.web(), LastEvent: 7, StartFailures: 3})
	old := s.service().Primary
	if svc := s.remove(); svc.Status != model.Inactive || svc.ClosedAt.IsZero() {
		t.Fatalf("got %+v, want it INACTIVE at once, for it has no tasks", svc)
	}
	if d, _ := s.store.View().Deployment(s.web(), old); d.Status != model.DeploymentStopped || d.FinishedAt.IsZero() {
		t.Errorf("got %+v, want the deployment STOPPED with its service", d)
	}
	s.create()
	if got := s.current(); len(got) != 1 || got[0] == old {
		t.Errorf("got the current deployments %v, want a new one alone", got)
	}
	newest, _ := s.store.View().Deployment(s.web(), s.service().Primary)
	if len(newest.Sources) != 0 {
		t.Errorf("got the sources %v, want none", newest.Sources)
	}
	if state, _ := s.store.View().ServiceState(s.web()); state.LastEvent != 7 || state.StartFailures != 0 {
		t.Errorf("got %+v, want events to go on counting and failures to be forgotten", state)
	}
}

// TestDeletedWhileTaskStarts deletes a service that has no task when the deletion begins, and has one when it commits.
func TestDeletedWhileTaskStarts(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	call, tries := s.call("DeleteService"), 0
	s.update(func(tx *store.Tx) error {
		_, err := control.DeleteService(tx, call, s.web(), true)
		if tries++; tries == 1 {
			s.put(s.task("t1")...)
		}
		return err
	})
	if svc := s.service(); tries != 2 || svc.Status != model.Draining {
		t.Errorf("got %s after %d tries, want DRAINING after 2", svc.Status, tries)
	}
}

// TestDeletedBeforeEndIsNoted keeps a service open whose task has ended by itself, until that is taken note of.
func TestDeletedBeforeEndIsNoted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	s.put(s.task("t1")...)
	s.put(&model.Observed{Task: arn.Task(s.cluster(), "t1"), Machine: "m1", Status: model.TaskStopped})
	if svc := s.remove(); svc.Status != model.Draining {
		t.Errorf("got %s, want DRAINING", svc.Status)
	}
}

// TestUpdateTellsWhatItChanged checks the words that why repeats.
func TestUpdateTellsWhatItChanged(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	definition := s.scope.TaskDefinition("web:2")
	number := func(n int) *int { return &n }
	for _, test := range []struct {
		in   control.ServiceUpdate
		want string
	}{
		{control.ServiceUpdate{DesiredCount: number(5), MinHealthy: number(50)}, "desired count 5 instead of 2, minimumHealthyPercent 50 instead of 100"},
		{control.ServiceUpdate{TaskDefinition: &definition, Force: true}, "task definition web:2 instead of web:1"},
		{control.ServiceUpdate{Force: true}, "a new deployment"},
		{control.ServiceUpdate{Edit: func(e *control.ServiceEdit) error {
			e.Service.Document = []byte("{}")
			return nil
		}}, "changes settings of web"},
		{control.ServiceUpdate{Edit: func(e *control.ServiceEdit) error {
			e.Deploy, e.Service.LaunchType = true, "FARGATE"
			return nil
		}}, "launch type FARGATE instead of EC2, a new deployment"},
	} {
		call := s.call("UpdateService")
		s.update(func(tx *store.Tx) error {
			_, err := control.UpdateService(tx, call, s.web(), test.in)
			return err
		})
		if got := s.service().Cause; got.Detail != test.want || !got.Complete() {
			t.Errorf("got the cause %+v, want %q", got, test.want)
		}
	}
	before := s.store.View().Revision()
	call, refusal := s.call("UpdateService"), errors.New("no")
	_, err := s.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := control.UpdateService(tx, call, s.web(), control.ServiceUpdate{
			DesiredCount: number(9), Edit: func(*control.ServiceEdit) error { return refusal },
		})
		return err
	})
	if !errors.Is(err, refusal) || s.store.View().Revision() != before {
		t.Errorf("got %v and revision %d, want the error of the edit and nothing written after %d", err, s.store.View().Revision(), before)
	}
}

// TestCountsWhileReplacing checks what each deployment shall have and has.
func TestCountsWhileReplacing(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	first := s.service().Primary
	d, _ := s.store.View().Deployment(s.web(), first)
	done := *d
	done.Rollout = model.RolloutCompleted
	s.put(&done)
	s.put(s.task("t1")...)
	s.put(&model.Observed{Task: arn.Task(s.cluster(), "t1"), Machine: "m1", Status: model.TaskRunning})
	s.force()
	second := s.service().Primary
	s.put(s.task("t2")...)
	s.force()
	n := control.NewCounter(s.store.View(), s.call("")).Service(s.service())
	got := fmt.Sprint(n.TaskCounts, n.Deployments[first], n.Deployments[second], n.Deployments[s.service().Primary])
	if want := "{2 1 1} {2 1 0} {0 0 1} {2 0 0}"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
