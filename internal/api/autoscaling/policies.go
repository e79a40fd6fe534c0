package autoscaling

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/maitred/maitred/internal/api/wire/codec"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func (a *API) putScalingPolicy(ctx context.Context, call control.Call, in *client.PutScalingPolicyInput) (*client.PutScalingPolicyOutput, error) {
	if err := first(
		text("policyName", in.PolicyName, nameMax, noPolicyName),
		resource{in.ServiceNamespace, in.ResourceId, in.ScalableDimension}.check(), checkPolicyType(in),
	); err != nil {
		return nil, err
	}
	update, err := a.policyIn(in)
	if err != nil {
		return nil, err
	}
	var p *model.ScalingPolicy
	err = a.Update(ctx, func(tx *store.Tx) (err error) {
		if err := typeKnown(tx.View(), call, in); err != nil {
			return err
		}
		p, err = control.PutScalingPolicy(tx, call, update)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &client.PutScalingPolicyOutput{PolicyARN: &p.ARN, Alarms: alarmsOut(call, a.Store.View(), p)}, nil
}

// checkPolicyType wants the configuration that is given to be that of the type, if one is.
func checkPolicyType(in *client.PutScalingPolicyInput) error {
	if err := checkEnum("policyType", in.PolicyType); err != nil {
		return err
	}
	if in.PolicyType == types.PolicyTypePredictiveScaling || in.PredictiveScalingPolicyConfiguration != nil {
		return invalid("%s", "PolicyType PredictiveScaling"+noPredictions)
	}
	tracking, step := in.TargetTrackingScalingPolicyConfiguration != nil, in.StepScalingPolicyConfiguration != nil
	switch {
	case tracking && step:
		return invalid("Only one of TargetTrackingScalingPolicyConfiguration and StepScalingPolicyConfiguration can be specified")
	case step && in.PolicyType == types.PolicyTypeTargetTrackingScaling:
		return invalid("StepScalingPolicyConfiguration cannot be specified for the policy type TargetTrackingScaling")
	case tracking && in.PolicyType == types.PolicyTypeStepScaling:
		return invalid("TargetTrackingScalingPolicyConfiguration cannot be specified for the policy type StepScaling")
	}
	return nil
}

// typeKnown wants a new policy to be given a type ("PutScalingPolicy"), and one that stays as it is not to be given another.
func typeKnown(v *store.View, call control.Call, in *client.PutScalingPolicyInput) error {
	old, exists := v.ScalingPolicy(model.ScalablePath(call.Region, *in.ResourceId), *in.PolicyName)
	switch {
	case !exists && in.PolicyType == "":
		return invalid("PolicyType is required when a scaling policy is created")
	case exists && in.PolicyType != "" && string(in.PolicyType) != old.Type() &&
		in.TargetTrackingScalingPolicyConfiguration == nil && in.StepScalingPolicyConfiguration == nil:
		return invalid("The policy %s has the type %s; its configuration is needed to make it one of the type %s", old.Name, old.Type(), in.PolicyType)
	}
	return nil
}

// policyIn converts the configuration of a policy.
func (a *API) policyIn(in *client.PutScalingPolicyInput) (control.PolicyUpdate, error) {
	update := control.PolicyUpdate{Resource: *in.ResourceId, Name: *in.PolicyName}
	var given any
	var err error
	switch {
	case in.TargetTrackingScalingPolicyConfiguration != nil:
		given = in.TargetTrackingScalingPolicyConfiguration
		update.Tracking, err = trackingIn(in.TargetTrackingScalingPolicyConfiguration)
	case in.StepScalingPolicyConfiguration != nil:
		given = in.StepScalingPolicyConfiguration
		update.Step, err = stepIn(in.StepScalingPolicyConfiguration)
	default:
		return update, nil
	}
	if err != nil {
		return update, err
	}
	if update.Document, err = a.codec.AppendJSON(nil, codec.Identity, given); err != nil {
		return update, fmt.Errorf("encode the policy %s: %w", update.Name, err)
	}
	return update, nil
}

// The defaults of policies ("StepScalingPolicyConfiguration", and for services "TargetTrackingScalingPolicyConfiguration").
const defaultCooldown = 300 // seconds

// stepIn converts a step scaling policy; what steps may be is checked by control.
func stepIn(in *types.StepScalingPolicyConfiguration) (*model.Step, error) {
	const member = "stepScalingPolicyConfiguration."
	if err := first(
		checkEnum(member+"adjustmentType", in.AdjustmentType), checkEnum(member+"metricAggregationType", in.MetricAggregationType),
		least(member+"cooldown", in.Cooldown, 0), least(member+"minAdjustmentMagnitude", in.MinAdjustmentMagnitude, 1),
	); err != nil {
		return nil, err
	}
	step := &model.Step{
		Adjustment: string(in.AdjustmentType), Magnitude: int(aws.ToInt32(in.MinAdjustmentMagnitude)),
		Cooldown: seconds(in.Cooldown), Aggregation: string(in.MetricAggregationType),
	}
	switch {
	case in.AdjustmentType == "":
		return nil, invalid("AdjustmentType is required for a step scaling policy: ChangeInCapacity, PercentChangeInCapacity or ExactCapacity")
	case len(in.StepAdjustments) == 0:
		return nil, invalid("At least one StepAdjustment is required for a step scaling policy")
	}
	for i, s := range in.StepAdjustments {
		if s.ScalingAdjustment == nil {
			return nil, null(member + "stepAdjustments." + strconv.Itoa(i+1) + ".member.scalingAdjustment")
		}
		for _, bound := range []*float64{s.MetricIntervalLowerBound, s.MetricIntervalUpperBound} {
			if bound != nil && (math.IsNaN(*bound) || math.IsInf(*bound, 0)) {
				return nil, invalid("The bounds of step adjustment %d have to be numbers; an infinite bound is left out", i+1)
			}
		}
		step.Steps = append(step.Steps, model.StepRange{
			Lower: s.MetricIntervalLowerBound, Upper: s.MetricIntervalUpperBound, Change: int(*s.ScalingAdjustment),
		})
	}
	return step, nil
}

func (a *API) deleteScalingPolicy(ctx context.Context, call control.Call, in *client.DeleteScalingPolicyInput) (*client.DeleteScalingPolicyOutput, error) {
	if err := first(
		text("policyName", in.PolicyName, nameMax, nil), resource{in.ServiceNamespace, in.ResourceId, in.ScalableDimension}.check(),
	); err != nil {
		return nil, err
	}
	err := a.Update(ctx, func(tx *store.Tx) error { return control.DeleteScalingPolicy(tx, call, *in.ResourceId, *in.PolicyName) })
	return &client.DeleteScalingPolicyOutput{}, err
}

func (a *API) describeScalingPolicies(_ context.Context, call control.Call, in *client.DescribeScalingPoliciesInput) (*client.DescribeScalingPoliciesOutput, error) {
	wanted, err := named("policyNames", in.PolicyNames)
	if err := first(resource{in.ServiceNamespace, in.ResourceId, in.ScalableDimension}.filter(), err); err != nil {
		return nil, err
	}
	view, target := a.Store.View(), targetOf(call, in.ResourceId)
	var all []*model.ScalingPolicy
	for p := range view.ScalingPolicies(target) {
		if wanted(p.Name) {
			all = append(all, p)
		}
	}
	all, next, err := page(pages{call, policyPageMax, in.NextToken, in.MaxResults, append([]string{target}, in.PolicyNames...)}, all,
		func(p *model.ScalingPolicy) string { return p.Key().Path })
	if err != nil {
		return nil, err
	}
	out := &client.DescribeScalingPoliciesOutput{ScalingPolicies: []types.ScalingPolicy{}, NextToken: next}
	driven := control.PolicyAlarms(view, call.Region)
	for _, p := range all {
		described, err := a.policyOut(call, p, driven)
		if err != nil {
			return nil, err
		}
		out.ScalingPolicies = append(out.ScalingPolicies, *described)
	}
	return out, nil
}

func (a *API) policyOut(call control.Call, p *model.ScalingPolicy, driven map[string][]*model.Alarm) (*types.ScalingPolicy, error) {
	out := &types.ScalingPolicy{
		ServiceNamespace: types.ServiceNamespaceEcs, ScalableDimension: types.ScalableDimensionECSServiceDesiredCount,
		ResourceId: resourceOf(call, p.Target), PolicyName: &p.Name, PolicyARN: &p.ARN, PolicyType: types.PolicyType(p.Type()),
		CreationTime: &p.CreatedAt, Alarms: ownAlarms(call, p),
	}
	var into any
	if p.Step != nil {
		out.StepScalingPolicyConfiguration = &types.StepScalingPolicyConfiguration{}
		into, out.Alarms = out.StepScalingPolicyConfiguration, drivingAlarms(driven[p.ARN])
	} else {
		out.TargetTrackingScalingPolicyConfiguration = &types.TargetTrackingScalingPolicyConfiguration{}
		into = out.TargetTrackingScalingPolicyConfiguration
	}
	if err := a.codec.DecodeJSON(p.Document, codec.Identity, into); err != nil {
		return nil, fmt.Errorf("decode the policy %s: %w", p.ARN, err)
	}
	return out, nil
}

// alarmsOut are the alarms of one policy.
func alarmsOut(call control.Call, v *store.View, p *model.ScalingPolicy) []types.Alarm {
	if p.Step == nil {
		return ownAlarms(call, p)
	}
	return drivingAlarms(control.PolicyAlarms(v, call.Region)[p.ARN])
}

// ownAlarms are those that a policy made, the high one first.
func ownAlarms(call control.Call, p *model.ScalingPolicy) []types.Alarm {
	out := []types.Alarm{}
	for _, name := range p.Alarms {
		out = append(out, types.Alarm{AlarmName: aws.String(name), AlarmARN: aws.String(call.Alarm(name))})
	}
	return out
}

// drivingAlarms are the alarms of the user that drive a policy.
func drivingAlarms(alarms []*model.Alarm) []types.Alarm {
	out := []types.Alarm{}
	for _, alarm := range alarms {
		out = append(out, types.Alarm{AlarmName: &alarm.Name, AlarmARN: &alarm.ARN})
	}
	return out
}

// targetOf is the path of the scalable target that a request names, or the beginning of those of all in the region.
func targetOf(call control.Call, resource *string) string {
	if resource == nil {
		return call.Region
	}
	return model.ScalablePath(call.Region, *resource)
}
