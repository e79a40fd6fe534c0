package control_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const resource = "service/demo/web"

func (s *shop) path() string { return model.ScalablePath(s.scope.Region, resource) }

// register makes web a scalable target.
func (s *shop) register(least, most int) {
	s.t.Helper()
	call := s.call("RegisterScalableTarget")
	s.update(func(tx *store.Tx) error {
		_, err := control.RegisterScalableTarget(tx, call, control.TargetUpdate{Resource: resource, Min: &least, Max: &most})
		return err
	})
}

// track puts a target tracking policy of CPU.
func (s *shop) track(name string) error {
	call := s.call("PutScalingPolicy")
	_, err := s.store.Update(context.Background(), func(tx *store.Tx) error {
		_, err := control.PutScalingPolicy(tx, call, control.PolicyUpdate{
			Resource: resource, Name: name, Tracking: &model.Tracking{Value: 50, Predefined: control.PredefinedCPU},
		})
		return err
	})
	return err
}

func (s *shop) scale(n int) error {
	s.now = s.now.Add(1)
	cause := model.Cause{Kind: model.CauseScaling, Subject: "cpu", At: s.now, By: &model.Cause{Kind: model.CauseAlarm, Subject: "high", At: s.now}}
	_, err := s.store.Update(context.Background(), func(tx *store.Tx) error {
		_, err := control.Scale(tx, s.web(), n, cause)
		return err
	})
	return err
}

func (s *shop) declare(n int) {
	s.t.Helper()
	call := s.call("UpdateService")
	s.update(func(tx *store.Tx) error {
		_, err := control.UpdateService(tx, call, s.web(), control.ServiceUpdate{DesiredCount: &n})
		return err
	})
}

func TestScale(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	if err := s.scale(5); err != nil {
		t.Fatal(err)
	}
	svc := s.service()
	if svc.DesiredCount != 5 || svc.Declared != 2 || !svc.Scaled || svc.Cause.Subject != "cpu" || !svc.Cause.Complete() {
		t.Errorf("got %d, declared %d, scaled %v, because of %+v", svc.DesiredCount, svc.Declared, svc.Scaled, svc.Cause)
	}
	before := s.store.View().Revision()
	if err := s.scale(5); err != nil || s.store.View().Revision() != before {
		t.Errorf("the same count again: %v, revision %d instead of %d", err, s.store.View().Revision(), before)
	}
	if err := s.scale(0); err != nil || s.service().DesiredCount != 0 || s.service().Declared != 2 {
		t.Errorf("to 0: %v, %+v", err, s.service())
	}
	wantCode(t, s.scale(-1), "InvalidParameterException")
	s.remove()
	wantCode(t, s.scale(3), "ServiceNotActiveException")
}

func TestScaleOfWhatCannotBeScaled(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	wantCode(t, s.scale(3), "ServiceNotFoundException")
	s.create()
	svc := *s.service()
	svc.Scheduling = model.Daemon
	s.put(&svc)
	wantCode(t, s.scale(3), "InvalidParameterException")
}

func wantCode(t *testing.T, err error, code string) {
	t.Helper()
	if refusal, ok := errors.AsType[*model.Error](err); !ok || refusal.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

// The deployment that is replaced gets its share of what the scaler adds, as with an UpdateService.
func TestScaleDuringADeployment(t *testing.T) {
	t.Parallel()
	type owed struct{ Want, Basis, Desired int }
	got := map[string]owed{}
	for name, grow := range map[string]func(*shop){
		"Scale":         func(s *shop) { _ = s.scale(6) },
		"UpdateService": func(s *shop) { s.declare(6) },
	} {
		s := newShop(t)
		s.create()
		old := s.service().Primary
		d, _ := s.store.View().Deployment(s.web(), old)
		done := *d
		done.Rollout, done.Status = model.RolloutCompleted, model.DeploymentSuccessful
		s.put(&done)
		s.force()
		grow(s)
		d, _ = s.store.View().Deployment(s.web(), old)
		got[name] = owed{d.Want, d.Basis, s.service().DesiredCount}
	}
	if diff := cmp.Diff(got["UpdateService"], got["Scale"]); diff != "" || got["Scale"] != (owed{2, 2, 6}) {
		t.Errorf("an update and the scaler leave deployments otherwise (-update +scaler):\n%s", diff)
	}
}

// A service of an earlier version has no declared count; what it wanted when the scaler came was declared.
func TestScaleOfAServiceWithoutADeclaredCount(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	svc := *s.service()
	svc.Declared = 0
	s.put(&svc)
	s.register(4, 10)
	s.declare(2)
	if got := s.service(); got.DesiredCount != 4 || got.Declared != 2 {
		t.Errorf("got %d, declared %d; want 4 and 2", got.DesiredCount, got.Declared)
	}
}

// TestDeclaredAndScaledCounts plays calls of users and of the scaler against the rule in words: the count is what was last
// set by either, but a user who repeats himself while there is a scalable target sets nothing.
func TestDeclaredAndScaledCounts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		s := newShop(t)
		s.create()
		registered, declared, desired := false, 2, 2
		count := rapid.IntRange(0, 4)
		for range rapid.IntRange(1, 12).Draw(r, "steps") {
			switch rapid.IntRange(0, 3).Draw(r, "what") {
			case 0:
				n := count.Draw(r, "declared")
				if n != declared || !registered {
					desired = n
				}
				declared = n
				s.declare(n)
			case 1:
				desired = count.Draw(r, "scaled")
				if err := s.scale(desired); err != nil {
					r.Fatal(err)
				}
			case 2:
				least := count.Draw(r, "least")
				most := least + count.Draw(r, "more")
				registered, desired = true, min(max(desired, least), most)
				s.register(least, most)
			default:
				if registered {
					s.deregister()
				}
				registered = false
			}
			svc := s.service()
			if svc.DesiredCount != desired || svc.Scaled && svc.Declared != declared || !svc.Scaled && desired != declared {
				r.Fatalf("got %d, declared %d, scaled %v; want %d, declared %d", svc.DesiredCount, svc.Declared, svc.Scaled, desired, declared)
			}
		}
	})
}

func (s *shop) deregister() {
	s.t.Helper()
	call := s.call("DeregisterScalableTarget")
	for more := true; more; {
		s.update(func(tx *store.Tx) (err error) {
			more, err = control.DeregisterScalableTarget(tx, call, resource)
			return err
		})
	}
}

// TestRegisteredWhileDeleted registers a service as a target between the beginning of its deletion and its commit: nothing is
// left of the target.
func TestRegisteredWhileDeleted(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	call, tries := s.call("DeleteService"), 0
	s.update(func(tx *store.Tx) error {
		_, err := control.DeleteService(tx, call, s.web(), true)
		if tries++; tries == 1 {
			s.register(1, 10)
		}
		return err
	})
	if _, ok := s.store.View().ScalableTarget(s.path()); ok || tries != 2 {
		t.Errorf("after %d tries the target is there: %v", tries, ok)
	}
}

// TestDeletedWhileRegistered is the other way round.
func TestDeletedWhileRegistered(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	call, tries := s.call("RegisterScalableTarget"), 0
	_, err := s.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := control.RegisterScalableTarget(tx, call, control.TargetUpdate{Resource: resource, Min: new(1), Max: new(10)})
		if tries++; tries == 1 {
			s.remove()
		}
		return err
	})
	wantCode(t, err, "ValidationException")
	if tries != 2 {
		t.Errorf("got %d tries, want 2", tries)
	}
}

// TestPolicyPutWhileDeregistered leaves no policy without a target.
func TestPolicyPutWhileDeregistered(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	s.register(1, 10)
	call, tries := s.call("DeregisterScalableTarget"), 0
	s.update(func(tx *store.Tx) error {
		_, err := control.DeregisterScalableTarget(tx, call, resource)
		if tries++; tries == 1 {
			if err := s.track("late"); err != nil {
				t.Error(err)
			}
		}
		return err
	})
	for p := range s.store.View().ScalingPolicies("") {
		t.Errorf("policy %s is left, after %d tries", p.Name, tries)
	}
	for a := range s.store.View().Alarms("") {
		t.Errorf("alarm %s is left", a.Name)
	}
}

// TestSameMetricAtTheSameTime lets one of two policies of the same metric win.
func TestSameMetricAtTheSameTime(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	s.register(1, 10)
	call, tries := s.call("PutScalingPolicy"), 0
	_, err := s.store.Update(t.Context(), func(tx *store.Tx) error {
		_, err := control.PutScalingPolicy(tx, call, control.PolicyUpdate{
			Resource: resource, Name: "one", Tracking: &model.Tracking{Value: 50, Predefined: control.PredefinedCPU},
		})
		if tries++; tries == 1 {
			if err := s.track("two"); err != nil {
				t.Error(err)
			}
		}
		return err
	})
	wantCode(t, err, "ValidationException")
}

// TestEndScaling leaves the target of an active service alone.
func TestEndScaling(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	s.register(1, 10)
	end := func() (more bool) {
		call := s.call("DeleteService")
		s.update(func(tx *store.Tx) error {
			more = control.EndScaling(tx, call, s.web())
			return nil
		})
		return more
	}
	if end() {
		t.Error("there is more to end of an active service")
	}
	target, ok := s.store.View().ScalableTarget(s.path())
	if !ok {
		t.Fatal("the target of an active service is gone")
	}
	s.remove()
	s.put(target) // as if the deletion had not come so far
	if _, ok := s.store.View().ScalableTarget(s.path()); end() || !ok {
		t.Error("there is more to end")
	}
	if _, ok := s.store.View().ScalableTarget(s.path()); ok {
		t.Error("the target of a deleted service is left")
	}
}

// TestActivitiesAreForgotten keeps the newest activities, and counts on.
func TestActivitiesAreForgotten(t *testing.T) {
	t.Parallel()
	s := newShop(t)
	s.create()
	for range model.MaxScalingActivities/2 + 10 {
		s.register(1, 2)
		s.register(3, 4)
		s.register(1, 2)
	}
	n, last := 0, 0
	for a := range s.store.View().ScalingActivities(s.path()) {
		if n++; last > 0 && a.Number != last+1 {
			t.Fatalf("activity %d follows %d", a.Number, last)
		}
		last = a.Number
	}
	if n != model.MaxScalingActivities || last <= n {
		t.Errorf("got %d activities, the last with the number %d", n, last)
	}
	call := s.call("")
	call.Now = call.Now.Add(control.ScalingActivitiesKept)
	s.update(func(tx *store.Tx) error {
		state := control.ScalingState(tx.View(), s.path())
		control.AddScalingActivity(tx, state, &model.ScalingActivity{StartedAt: call.Now})
		tx.Put(state)
		return nil
	})
	left := 0
	for range s.store.View().ScalingActivities(s.path()) {
		left++
	}
	if left >= n {
		t.Errorf("%d activities are left of %d, most of which are older than six weeks", left, n)
	}
}
