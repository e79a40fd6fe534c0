package autoscaling

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// registerScalableTarget takes no notice of RoleARN, as AWS does for services: they are scaled with the service-linked role.
func (a *API) registerScalableTarget(ctx context.Context, call control.Call, in *client.RegisterScalableTargetInput) (*client.RegisterScalableTargetOutput, error) {
	tags, err := tagsIn(in.Tags)
	if err := first(
		resource{in.ServiceNamespace, in.ResourceId, in.ScalableDimension}.check(), checkCapacities(in.MinCapacity, in.MaxCapacity), err,
	); err != nil {
		return nil, err
	}
	update := control.TargetUpdate{Resource: *in.ResourceId, Min: count(in.MinCapacity), Max: count(in.MaxCapacity), Tags: tags}
	if s := in.SuspendedState; s != nil {
		update.In, update.Out, update.Scheduled = s.DynamicScalingInSuspended, s.DynamicScalingOutSuspended, s.ScheduledScalingSuspended
	}
	var t *model.ScalableTarget
	err = a.Update(ctx, func(tx *store.Tx) (err error) {
		t, err = control.RegisterScalableTarget(tx, call, update)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &client.RegisterScalableTargetOutput{ScalableTargetARN: &t.ARN}, nil
}

func (a *API) deregisterScalableTarget(ctx context.Context, call control.Call, in *client.DeregisterScalableTargetInput) (*client.DeregisterScalableTargetOutput, error) {
	if err := (resource{in.ServiceNamespace, in.ResourceId, in.ScalableDimension}).check(); err != nil {
		return nil, err
	}
	err := a.Store.UpdateAll(ctx, func(tx *store.Tx) (bool, error) { return control.DeregisterScalableTarget(tx, call, *in.ResourceId) })
	return &client.DeregisterScalableTargetOutput{}, err
}

func (a *API) describeScalableTargets(_ context.Context, call control.Call, in *client.DescribeScalableTargetsInput) (*client.DescribeScalableTargetsOutput, error) {
	wanted, err := named("resourceIds", in.ResourceIds)
	if err := first(checkNamespace(in.ServiceNamespace), checkDimension(in.ScalableDimension), err); err != nil {
		return nil, err
	}
	if in.ScalableDimension != "" && len(in.ResourceIds) == 0 {
		return nil, invalid("ResourceIds must be specified when ScalableDimension is specified")
	}
	for _, id := range in.ResourceIds {
		if err := checkResource(id); err != nil {
			return nil, err
		}
	}
	var all []*model.ScalableTarget
	for t := range a.Store.View().ScalableTargets(call.Region) {
		if wanted(t.Resource) {
			all = append(all, t)
		}
	}
	all, next, err := page(pages{call, pageMax, in.NextToken, in.MaxResults, in.ResourceIds}, all, (*model.ScalableTarget).Path)
	if err != nil {
		return nil, err
	}
	out := &client.DescribeScalableTargetsOutput{ScalableTargets: []types.ScalableTarget{}, NextToken: next}
	for _, t := range all {
		out.ScalableTargets = append(out.ScalableTargets, targetOut(t))
	}
	return out, nil
}

func targetOut(t *model.ScalableTarget) types.ScalableTarget {
	return types.ScalableTarget{
		ServiceNamespace: types.ServiceNamespaceEcs, ScalableDimension: types.ScalableDimensionECSServiceDesiredCount,
		ResourceId: &t.Resource, ScalableTargetARN: &t.ARN, RoleARN: &t.Role, CreationTime: &t.CreatedAt,
		MinCapacity: number(t.Min), MaxCapacity: number(t.Max),
		SuspendedState: &types.SuspendedState{
			DynamicScalingInSuspended: &t.Suspended.In, DynamicScalingOutSuspended: &t.Suspended.Out, ScheduledScalingSuspended: &t.Suspended.Scheduled,
		},
	}
}

// resourceOf is the resource of what belongs to a scalable target, which is given by path.
func resourceOf(call control.Call, target string) *string {
	return aws.String(target[len(call.Region)+1:])
}
