package elbv2

import (
	"context"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/store"
)

// targetsIn reads the targets of a group (given by ARN).
func targetsIn(group *string, in []elb.TargetDescription) (string, []control.NewTarget, error) {
	id := aws.ToString(group)
	if err := required("targetGroupArn", id); err != nil {
		return "", nil, err
	}
	var list []control.NewTarget
	for _, t := range in {
		if err := first(required("targets.member.id", aws.ToString(t.Id)), number("targets.member.port", t.Port, 1, portMax)); err != nil {
			return "", nil, err
		}
		if t.QuicServerId != nil {
			return "", nil, unsupported("QuicServerId", "there are no target groups with the protocol QUIC")
		}
		list = append(list, control.NewTarget{ID: *t.Id, Port: int(aws.ToInt32(t.Port)), Zone: aws.ToString(t.AvailabilityZone)})
	}
	return id, list, nil
}

func (a *API) registerTargets(ctx context.Context, call control.Call, in *client.RegisterTargetsInput) (*client.RegisterTargetsOutput, error) {
	id, list, err := targetsIn(in.TargetGroupArn, in.Targets)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, invalid("At least one target must be specified")
	}
	err = a.Store.UpdateAll(ctx, func(tx *store.Tx) (bool, error) { return control.RegisterTargets(tx, call, id, list) })
	return &client.RegisterTargetsOutput{}, err
}

func (a *API) deregisterTargets(ctx context.Context, call control.Call, in *client.DeregisterTargetsInput) (*client.DeregisterTargetsOutput, error) {
	id, list, err := targetsIn(in.TargetGroupArn, in.Targets)
	if err != nil {
		return nil, err
	}
	if len(list) == 0 {
		return nil, invalid("At least one target must be specified")
	}
	err = a.Store.UpdateAll(ctx, func(tx *store.Tx) (bool, error) { return control.DeregisterTargets(tx, call, id, list) })
	return &client.DeregisterTargetsOutput{}, err
}

// describeTargetHealth tells what balancers see of targets. Include is taken, and nothing is said of anomalies: what a
// balancer makes of them is not written down.
func (a *API) describeTargetHealth(_ context.Context, call control.Call, in *client.DescribeTargetHealthInput) (*client.DescribeTargetHealthOutput, error) {
	id, list, err := targetsIn(in.TargetGroupArn, in.Targets)
	if err != nil {
		return nil, err
	}
	for _, x := range in.Include {
		if err := checkEnum("include.member", x); err != nil {
			return nil, err
		}
	}
	v := a.Store.View()
	g, err := control.FindTargetGroup(v, call, id)
	if err != nil {
		return nil, err
	}
	all := control.GroupHealth(v, g)
	if len(list) > 0 {
		if all, err = control.HealthOf(v, g, list); err != nil {
			return nil, err
		}
	}
	out := &client.DescribeTargetHealthOutput{TargetHealthDescriptions: []elb.TargetHealthDescription{}}
	for _, s := range all {
		out.TargetHealthDescriptions = append(out.TargetHealthDescriptions, healthOut(g.Check.Port, s))
	}
	return out, nil
}

func healthOut(checkPort string, s control.TargetStatus) elb.TargetHealthDescription {
	if checkPort == trafficPort {
		checkPort = strconv.Itoa(s.Target.Port)
	}
	return elb.TargetHealthDescription{
		Target:          &elb.TargetDescription{Id: aws.String(s.Target.ID), Port: aws.Int32(int32(s.Target.Port)), AvailabilityZone: given(s.Target.Zone)},
		HealthCheckPort: aws.String(checkPort),
		TargetHealth: &elb.TargetHealth{
			State: elb.TargetHealthStateEnum(s.State), Reason: elb.TargetHealthReasonEnum(s.Reason), Description: given(s.Description),
		},
		AdministrativeOverride: &elb.AdministrativeOverride{
			State: elb.TargetAdministrativeOverrideStateEnumNoOverride, Reason: elb.TargetAdministrativeOverrideReasonEnumNoOverrideEngaged,
			Description: aws.String("No override is currently active on target"),
		},
	}
}
