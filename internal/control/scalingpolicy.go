package control

import (
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// PolicyUpdate is what PutScalingPolicy asks for. With neither Tracking nor Step an existing policy stays as it is.
type PolicyUpdate struct {
	Resource, Name string
	// Tracking is target tracking, of a predefined metric without queries: they are resolved here.
	Tracking *model.Tracking
	Step     *model.Step
	Document []byte
}

// PutScalingPolicy makes a policy of a scalable target, or replaces the configuration of the one that has its name, which
// keeps its ARN. A target tracking policy has its own alarms, which are made anew with each change. Writing what is there
// already writes nothing ("PutScalingPolicy").
func PutScalingPolicy(tx *store.Tx, call Call, in PolicyUpdate) (*model.ScalingPolicy, error) {
	t, err := FindScalableTarget(tx, call, in.Resource)
	if err != nil {
		return nil, err
	}
	old, exists := tx.View().ScalingPolicy(t.Path(), in.Name)
	if in.Tracking == nil && in.Step == nil {
		if !exists {
			return nil, unscalable("A scaling policy needs its configuration when it is created: TargetTrackingScalingPolicyConfiguration or StepScalingPolicyConfiguration")
		}
		tx.Guard(old.Key())
		return old, nil
	}
	if in.Step != nil {
		if err := scaling.ValidateSteps(in.Step); err != nil {
			return nil, unscalable("The step scaling policy %s is not valid: %v", in.Name, err)
		}
	}
	p, err := newPolicy(tx.View(), call, t, old, in)
	if err != nil {
		return nil, err
	}
	if err := resolveTracking(tx, call, t, p); err != nil {
		return nil, err
	}
	if exists && samePolicy(tx.View(), old, p) {
		tx.Guard(old.Key())
		return old, nil
	}
	if err := replaceAlarms(tx, call, t, old, p); err != nil {
		return nil, err
	}
	p.Cause = call.Cause("policy " + p.Name + " scales " + t.Resource)
	tx.Put(p)
	// Two policies that are put at the same time may together be too many, or have the same metric.
	tx.GuardPrefix(model.KindScalingPolicy, t.Path()+"/")
	return p, nil
}

func newPolicy(v *store.View, call Call, t *model.ScalableTarget, old *model.ScalingPolicy, in PolicyUpdate) (*model.ScalingPolicy, error) {
	p := &model.ScalingPolicy{
		Name: in.Name, Target: t.Path(), Tracking: in.Tracking, Step: in.Step, Document: in.Document, CreatedAt: call.Now,
	}
	if old != nil {
		p.ARN, p.Creator, p.CreatedAt = old.ARN, old.Creator, old.CreatedAt
	} else {
		n := 0
		for range v.ScalingPolicies(t.Path()) {
			n++
		}
		if n >= ScalingPoliciesMax {
			return nil, refused("LimitExceededException", "There are %d scaling policies of %s already; at most %d are allowed", n, t.Resource, ScalingPoliciesMax)
		}
		p.ARN = call.Scope.ScalingPolicy(call.IDs.UUID(), t.Resource, in.Name)
	}
	if p.Tracking != nil && p.Creator == "" {
		p.Creator = call.IDs.UUID()
	}
	return p, nil
}

// samePolicy says whether a policy is what is there already, with all its alarms.
func samePolicy(v *store.View, old, p *model.ScalingPolicy) bool {
	region, _, _ := strings.Cut(old.Target, "/")
	for _, name := range old.Alarms {
		if a, ok := v.Alarm(model.AlarmPath(region, name)); !ok || a.Policy != old.ARN {
			return false
		}
	}
	return reflect.DeepEqual(old.Tracking, p.Tracking) && reflect.DeepEqual(old.Step, p.Step) && slices.Equal(old.Document, p.Document)
}

// DeleteScalingPolicy deletes a policy of a resource (service/CLUSTER/SERVICE) by name, with the alarms that it made
// ("DeleteScalingPolicy").
func DeleteScalingPolicy(tx *store.Tx, call Call, resource, name string) error {
	target := model.ScalablePath(call.Region, resource)
	p, ok := tx.View().ScalingPolicy(target, name)
	if !ok {
		return refused("ObjectNotFoundException", "No scaling policy found for %s, policy name: %s", targetNamed(resource), name)
	}
	deletePolicy(tx, call, p)
	if old, ok := tx.View().ScalingState(target); ok {
		s := *old
		s.Cooldowns, s.Blocked, s.Recent = without(old.Cooldowns, name), without(old.Blocked, name), without(old.Recent, name)
		if !reflect.DeepEqual(*old, s) {
			tx.Put(&s)
		}
	}
	return nil
}

func deletePolicy(tx *store.Tx, call Call, p *model.ScalingPolicy) {
	for _, name := range p.Alarms {
		DeleteAlarm(tx, call, model.AlarmPath(call.Region, name))
	}
	tx.Delete(p.Key())
}

// without is a copy of a map without a key; the map itself belongs to a view.
func without[V any](m map[string]V, key string) map[string]V {
	if _, ok := m[key]; !ok {
		return m
	}
	m = maps.Clone(m)
	delete(m, key)
	if len(m) == 0 {
		return nil
	}
	return m
}

// PolicyAlarms gives the alarms that drive each scaling policy of a region, by the policy's ARN: those that it made, and
// those of the user that name it in what they do in ALARM: a policy is carried out then alone.
func PolicyAlarms(v *store.View, region string) map[string][]*model.Alarm {
	driven := map[string][]*model.Alarm{}
	for a := range v.Alarms(region) {
		for _, action := range a.AlarmActions {
			if policy, _, ok := arn.PolicyOfAction(action); ok && !slices.Contains(driven[policy], a) {
				driven[policy] = append(driven[policy], a)
			}
		}
	}
	return driven
}
