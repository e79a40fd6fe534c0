package control

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// The quotas of scaling ("Quotas for Application Auto Scaling").
const (
	ScalableTargetsMax  = 3000 // in a region
	ScalingPoliciesMax  = 50   // of a scalable target
	ScheduledActionsMax = 200  // likewise
)

// unscalable refuses a bad value in a request to Application Auto Scaling.
func unscalable(format string, args ...any) *model.Error {
	return refused("ValidationException", format, args...)
}

// targetNamed is how a scalable target is named in the errors of AWS.
func targetNamed(resource string) string {
	return "service namespace: ecs, resource ID: " + resource + ", scalable dimension: ecs:service:DesiredCount"
}

// ScalableService gives the ARN of the service that a resource (service/CLUSTER/SERVICE) names; ok is false if it has
// another form.
func ScalableService(call Call, resource string) (service string, ok bool) {
	part := strings.Split(resource, "/")
	if len(part) != 3 || part[0] != "service" || part[1] == "" || part[2] == "" {
		return "", false
	}
	return arn.Service(call.Cluster(part[1]), part[2]), true
}

// scalableOf is the path of the scalable target that a service is, or would be.
func scalableOf(svc *model.Service) string {
	return model.ScalablePath(svc.Region, "service/"+arn.Name(svc.Cluster)+"/"+svc.Name)
}

// TargetUpdate is what RegisterScalableTarget asks for. What is nil is not changed; a new target needs both bounds.
type TargetUpdate struct {
	Resource           string // service/CLUSTER/SERVICE
	Min, Max           *int
	In, Out, Scheduled *bool       // suspended
	Tags               []model.Tag // of a new target
}

// RegisterScalableTarget makes a service a scalable target, or changes the one that it is. A desired count outside of the
// bounds is moved inside at once, whatever the call has changed ("RegisterScalableTarget").
func RegisterScalableTarget(tx *store.Tx, call Call, in TargetUpdate) (*model.ScalableTarget, error) {
	svc, err := scalable(tx, call, in.Resource)
	if err != nil {
		return nil, err
	}
	old, exists := tx.View().ScalableTarget(model.ScalablePath(call.Region, in.Resource))
	var t *model.ScalableTarget
	if exists {
		t, err = changedTarget(old, in)
	} else {
		t, err = newTarget(tx.View(), call, svc, in)
	}
	if err != nil {
		return nil, err
	}
	if t.Min > t.Max {
		return nil, unscalable("Maximum capacity cannot be less than minimum capacity")
	}
	switch what := describeTarget(old, t); {
	case exists && what == "":
		t = old
		tx.Guard(t.Key())
	default:
		t.Cause = call.Cause(what)
		tx.Put(t)
	}
	return t, fit(tx, call, svc, t)
}

// scalable finds the service that a resource names, and makes the transaction depend on it.
func scalable(tx *store.Tx, call Call, resource string) (*model.Service, error) {
	id, ok := ScalableService(call, resource)
	svc, found := tx.View().Service(id)
	if !ok || !found || svc.Status != model.Active {
		return nil, unscalable("ECS service doesn't exist: %.600s", resource)
	}
	if svc.Scheduling == model.Daemon {
		return nil, unscalable("The service %s has the scheduling strategy DAEMON: it has a task on each instance, and no desired count to scale", resource)
	}
	tx.Guard(svc.Key())
	return svc, nil
}

func newTarget(v *store.View, call Call, svc *model.Service, in TargetUpdate) (*model.ScalableTarget, error) {
	switch {
	case in.Min == nil:
		return nil, unscalable("Minimum capacity cannot be null when a scalable target is registered for the first time: %s", in.Resource)
	case in.Max == nil:
		return nil, unscalable("Maximum capacity cannot be null when a scalable target is registered for the first time: %s", in.Resource)
	}
	n := 0
	for range v.ScalableTargets(call.Region) {
		n++
	}
	if n >= ScalableTargetsMax {
		return nil, refused("LimitExceededException", "There are %d scalable targets already; at most %d are allowed", n, ScalableTargetsMax)
	}
	t := &model.ScalableTarget{
		ARN: call.Scope.ScalableTarget(call.IDs.ScalableTarget()), Region: call.Region, Resource: in.Resource, Service: svc.ARN,
		Role: call.ScalingRole(), Tags: in.Tags, CreatedAt: call.Now,
	}
	in.apply(t)
	return t, nil
}

func changedTarget(old *model.ScalableTarget, in TargetUpdate) (*model.ScalableTarget, error) {
	for _, tag := range in.Tags {
		if !slices.Contains(old.Tags, tag) {
			return nil, unscalable("Tags are given to a scalable target when it is registered for the first time; call TagResource to change those of %s", old.ARN)
		}
	}
	t := *old
	in.apply(&t)
	return &t, nil
}

func (in *TargetUpdate) apply(t *model.ScalableTarget) {
	set(&t.Min, in.Min)
	set(&t.Max, in.Max)
	set(&t.Suspended.In, in.In)
	set(&t.Suspended.Out, in.Out)
	set(&t.Suspended.Scheduled, in.Scheduled)
}

// describeTarget says in words what has become of a target, "" if nothing has. There is no old one of a new target.
func describeTarget(old, t *model.ScalableTarget) string {
	if old == nil {
		return fmt.Sprintf("%s is scaled between %d and %d", t.Resource, t.Min, t.Max)
	}
	var changes []string
	for _, c := range []struct {
		name     string
		was, now any
	}{
		{"minimum capacity", old.Min, t.Min},
		{"maximum capacity", old.Max, t.Max},
		{"scaling in suspended", old.Suspended.In, t.Suspended.In},
		{"scaling out suspended", old.Suspended.Out, t.Suspended.Out},
		{"scheduled scaling suspended", old.Suspended.Scheduled, t.Suspended.Scheduled},
	} {
		if c.was != c.now {
			changes = append(changes, fmt.Sprintf("%s %v instead of %v", c.name, c.now, c.was))
		}
	}
	return strings.Join(changes, ", ")
}

// fit moves the desired count of a service into the bounds of its target, which tells of it as an activity.
func fit(tx *store.Tx, call Call, svc *model.Service, t *model.ScalableTarget) error {
	by := call.Cause(fmt.Sprintf("%s is scaled between %d and %d", t.Resource, t.Min, t.Max))
	a, outside := scaling.Inside(t, svc.DesiredCount, by, call.Now)
	if !outside {
		return nil
	}
	if _, err := Scale(tx, svc.ARN, a.Desired, a.Cause); err != nil {
		return err
	}
	a.ID, a.StartedAt = call.IDs.UUID(), call.Now
	state := ScalingState(tx.View(), t.Path())
	AddScalingActivity(tx, state, &a)
	tx.Put(state)
	return nil
}

// FindScalableTarget finds the scalable target of a resource (service/CLUSTER/SERVICE), and makes the transaction depend on
// it.
func FindScalableTarget(tx *store.Tx, call Call, resource string) (*model.ScalableTarget, error) {
	t, ok := tx.View().ScalableTarget(model.ScalablePath(call.Region, resource))
	if !ok {
		return nil, refused("ObjectNotFoundException", "No scalable target registered for %s", targetNamed(resource))
	}
	tx.Guard(t.Key())
	return t, nil
}

// DeregisterScalableTarget ends the scaling of a resource (service/CLUSTER/SERVICE): its policies with their alarms, its
// scheduled actions and then the target itself are deleted. The desired count stays, and so do the activities. It says
// whether there is more to delete; then it has to be called again, and until then the target is there
// ("DeregisterScalableTarget").
func DeregisterScalableTarget(tx *store.Tx, call Call, resource string) (more bool, err error) {
	t, ok := tx.View().ScalableTarget(model.ScalablePath(call.Region, resource))
	if !ok {
		return false, refused("ObjectNotFoundException", "No scalable target found for %s", targetNamed(resource))
	}
	return deregister(tx, call, t), nil
}

// EndScaling deregisters the scalable target of a service (given by ARN) that is not ACTIVE any more. It says whether there
// is more to delete; then it has to be called again. DeleteService does so itself, as far as that fits into its transaction.
func EndScaling(tx *store.Tx, call Call, service string) (more bool) {
	svc, ok := tx.View().Service(service)
	if !ok || svc.Status == model.Active {
		return false
	}
	t, ok := tx.View().ScalableTarget(scalableOf(svc))
	return ok && deregister(tx, call, t)
}

// unscale deregisters the scalable target of a service that is deleted.
func unscale(tx *store.Tx, call Call, svc *model.Service) {
	t, ok := tx.View().ScalableTarget(scalableOf(svc))
	if !ok {
		tx.Guard(model.Key{Kind: model.KindScalable, Path: scalableOf(svc)}) // who registers it meanwhile wins
		return
	}
	deregister(tx, call, t)
}

const (
	// scalingPart is how many records one transaction of deregister writes at most.
	scalingPart = store.MaxOps - 26
	// policyPart is how many records the deletion of a policy writes at most: two alarms with their histories, and itself.
	policyPart = 2*(3+eventsPart) + 1
)

// deregister deletes what belongs to a target, as much as fits into a transaction, and with the last part the target.
func deregister(tx *store.Tx, call Call, t *model.ScalableTarget) (more bool) {
	path, n := t.Path(), 0
	for p := range tx.View().ScalingPolicies(path) {
		if n += policyPart; n > scalingPart {
			return true
		}
		deletePolicy(tx, call, p)
	}
	for a := range tx.View().ScheduledActions(path) {
		if n++; n > scalingPart {
			return true
		}
		tx.Delete(a.Key())
	}
	// Whoever adds a policy or an action guards the target; whoever has added one meanwhile wins.
	tx.GuardPrefix(model.KindScalingPolicy, path+"/")
	tx.GuardPrefix(model.KindScheduledAction, path+"/")
	tx.Delete(t.Key())
	endActivities(tx, call, path)
	return false
}

// TagScalableTarget adds tags to a scalable target (given by ARN); those that it has under the same keys get the new values
// ("TagResource").
func TagScalableTarget(tx *store.Tx, call Call, id string, add []model.Tag) error {
	return retagTarget(tx, call, id, func(old []model.Tag) []model.Tag { return mergeTags(old, add) })
}

// UntagScalableTarget removes tags from a scalable target (given by ARN) by their keys ("UntagResource").
func UntagScalableTarget(tx *store.Tx, call Call, id string, keys []string) error {
	return retagTarget(tx, call, id, func(old []model.Tag) []model.Tag {
		return slices.DeleteFunc(slices.Clone(old), func(t model.Tag) bool { return slices.Contains(keys, t.Key) })
	})
}

func retagTarget(tx *store.Tx, call Call, id string, change func([]model.Tag) []model.Tag) error {
	old, err := ScalableTargetByARN(tx.View(), call, id)
	if err != nil {
		return err
	}
	t := *old
	t.Tags = change(old.Tags)
	if n := countTags(t.Tags); n > TagsMax {
		return refused("TooManyTagsException", "The scalable target %s would have %d tags; at most %d are allowed", id, n, TagsMax)
	}
	tx.Put(&t) // with the cause of its bounds, which a call that changes tags alone does not move
	return nil
}

// ScalableTargetByARN finds a scalable target of the call's region by ARN.
func ScalableTargetByARN(v *store.View, call Call, id string) (*model.ScalableTarget, error) {
	if !arn.IsScalableTarget(id) {
		return nil, unscalable("'%.300s' is not the ARN of a scalable target; DescribeScalableTargets tells them", id)
	}
	for t := range v.ScalableTargets(call.Region) {
		if t.ARN == id {
			return t, nil
		}
	}
	return nil, refused("ResourceNotFoundException", "No scalable target found with ARN: %s", id)
}
