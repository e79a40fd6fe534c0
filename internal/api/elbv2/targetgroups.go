package elbv2

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func (a *API) createTargetGroup(ctx context.Context, call control.Call, in *client.CreateTargetGroupInput) (*client.CreateTargetGroupOutput, error) {
	g, err := newTargetGroup(in)
	if err != nil {
		return nil, err
	}
	var made *model.TargetGroup
	if err := a.Update(ctx, func(tx *store.Tx) (err error) {
		made, err = control.CreateTargetGroup(tx, call, g)
		return err
	}); err != nil {
		return nil, err
	}
	users := control.GroupUsers(a.Store.View())
	return &client.CreateTargetGroupOutput{TargetGroups: []elb.TargetGroup{targetGroupOut(made, users)}}, nil
}

// newTargetGroup reads what kind of target group is asked for, and completes it.
func newTargetGroup(in *client.CreateTargetGroupInput) (g model.TargetGroup, err error) {
	g = model.TargetGroup{
		Name: aws.ToString(in.Name), Protocol: string(in.Protocol), ProtocolVersion: aws.ToString(in.ProtocolVersion),
		Port: int(aws.ToInt32(in.Port)), TargetType: string(in.TargetType), IPAddressType: string(elb.TargetGroupIpAddressTypeEnumIpv4),
		VPC: aws.ToString(in.VpcId),
	}
	if err := first(required("name", g.Name), checkName("Target group", g.Name), checkEnum("protocol", in.Protocol),
		checkEnum("targetType", in.TargetType), checkEnum("ipAddressType", in.IpAddressType), number("port", in.Port, 1, portMax)); err != nil {
		return g, err
	}
	if g.TargetType == "" {
		g.TargetType = string(elb.TargetTypeEnumInstance)
	}
	switch {
	case g.TargetType == "lambda" || g.TargetType == "alb":
		return g, unsupported("The target type '"+g.TargetType+"'", "instance and ip are served")
	case in.IpAddressType == elb.TargetGroupIpAddressTypeEnumIpv6:
		return g, unsupported("The IP address type 'ipv6'", "targets have IPv4 addresses")
	case in.TargetControlPort != nil:
		return g, unsupported("TargetControlPort", "there is no target optimizer")
	case g.Protocol == "":
		return g, invalid("A protocol must be specified")
	case slices.Contains([]elb.ProtocolEnum{elb.ProtocolEnumGeneve, elb.ProtocolEnumQuic, elb.ProtocolEnumTcpQuic}, in.Protocol):
		return g, wire.Errorf("UnsupportedProtocol", "Target groups with the protocol '%s' are not supported by this version of maitred", in.Protocol)
	case in.Port == nil:
		return g, invalid("A port must be specified")
	case g.VPC == "":
		return g, invalid("A VPC ID must be specified")
	}
	if err := completeVersion(&g); err != nil {
		return g, err
	}
	g.Check = defaultCheck(&g, in.HealthCheckProtocol)
	if err := checkIn(in).apply(&g); err != nil {
		return g, err
	}
	g.Tags, err = tagsIn(in.Tags)
	return g, err
}

// completeVersion checks the protocol version, which HTTP and HTTPS have.
func completeVersion(g *model.TargetGroup) error {
	switch {
	case !g.HTTP() && g.ProtocolVersion != "":
		return invalid("A protocol version cannot be specified for target groups with the %s protocol", g.Protocol)
	case g.HTTP() && g.ProtocolVersion == "":
		g.ProtocolVersion = "HTTP1"
	case g.HTTP() && !slices.Contains([]string{"HTTP1", "HTTP2", "GRPC"}, g.ProtocolVersion):
		return invalid("Protocol version '%.50s' must be one of 'GRPC, HTTP1, HTTP2'", g.ProtocolVersion)
	}
	return nil
}

func (a *API) modifyTargetGroup(ctx context.Context, call control.Call, in *client.ModifyTargetGroupInput) (*client.ModifyTargetGroupOutput, error) {
	id := aws.ToString(in.TargetGroupArn)
	if err := required("targetGroupArn", id); err != nil {
		return nil, err
	}
	c := healthCheck{
		enabled: in.HealthCheckEnabled, interval: in.HealthCheckIntervalSeconds, timeout: in.HealthCheckTimeoutSeconds,
		healthy: in.HealthyThresholdCount, unhealthy: in.UnhealthyThresholdCount, path: in.HealthCheckPath, port: in.HealthCheckPort,
		protocol: in.HealthCheckProtocol, matcher: in.Matcher,
	}
	var g *model.TargetGroup
	if err := a.Update(ctx, func(tx *store.Tx) (err error) {
		g, err = control.ModifyTargetGroup(tx, call, id, c.apply)
		return err
	}); err != nil {
		return nil, err
	}
	return &client.ModifyTargetGroupOutput{TargetGroups: []elb.TargetGroup{targetGroupOut(g, control.GroupUsers(a.Store.View()))}}, nil
}

func targetGroupOut(g *model.TargetGroup, users map[string][]string) elb.TargetGroup {
	c := &g.Check
	out := elb.TargetGroup{
		TargetGroupArn: aws.String(g.ARN), TargetGroupName: aws.String(g.Name), Protocol: elb.ProtocolEnum(g.Protocol),
		ProtocolVersion: given(g.ProtocolVersion), Port: aws.Int32(int32(g.Port)), VpcId: aws.String(g.VPC),
		TargetType: elb.TargetTypeEnum(g.TargetType), IpAddressType: elb.TargetGroupIpAddressTypeEnum(g.IPAddressType),
		LoadBalancerArns:   slices.Concat([]string{}, users[g.ARN]),
		HealthCheckEnabled: aws.Bool(!c.Disabled), HealthCheckProtocol: elb.ProtocolEnum(c.Protocol), HealthCheckPort: aws.String(c.Port),
		HealthCheckPath: given(c.Path), HealthCheckIntervalSeconds: seconds(c.Interval), HealthCheckTimeoutSeconds: seconds(c.Timeout),
		HealthyThresholdCount: aws.Int32(int32(c.Healthy)), UnhealthyThresholdCount: aws.Int32(int32(c.Unhealthy)),
	}
	switch {
	case c.Matcher == "":
	case g.ProtocolVersion == "GRPC":
		out.Matcher = &elb.Matcher{GrpcCode: aws.String(c.Matcher)}
	default:
		out.Matcher = &elb.Matcher{HttpCode: aws.String(c.Matcher)}
	}
	return out
}

func (a *API) describeTargetGroups(_ context.Context, call control.Call, in *client.DescribeTargetGroupsInput) (*client.DescribeTargetGroupsOutput, error) {
	v := a.Store.View()
	users := control.GroupUsers(v)
	list, err := chosenGroups(v, call, in, users)
	if err != nil {
		return nil, err
	}
	list, next, err := page(call, list, func(g *model.TargetGroup) string { return g.ARN }, in.Marker, in.PageSize,
		in.TargetGroupArns, in.Names, []string{aws.ToString(in.LoadBalancerArn)})
	out := &client.DescribeTargetGroupsOutput{TargetGroups: []elb.TargetGroup{}, NextMarker: next}
	for _, g := range list {
		out.TargetGroups = append(out.TargetGroups, targetGroupOut(g, users))
	}
	return out, err
}

// chosenGroups are the target groups that are named or used by a load balancer, or all of the region; each once.
func chosenGroups(v *store.View, call control.Call, in *client.DescribeTargetGroupsInput, users map[string][]string) (list []*model.TargetGroup, err error) {
	balancer := aws.ToString(in.LoadBalancerArn)
	switch {
	case balancer != "" && len(in.TargetGroupArns)+len(in.Names) > 0, len(in.TargetGroupArns) > 0 && len(in.Names) > 0:
		return nil, invalid("Only one of target group ARNs, target group names and a load balancer ARN can be specified")
	case len(in.TargetGroupArns) > 0:
		return groupsByARN(v, call, in.TargetGroupArns)
	case balancer != "":
		if _, err := control.FindLoadBalancer(v, call, balancer); err != nil {
			return nil, err
		}
	}
	for g := range v.TargetGroups() {
		named := len(in.Names) == 0 || slices.Contains(in.Names, g.Name)
		used := balancer == "" || slices.Contains(users[g.ARN], balancer)
		if g.Region == call.Region && named && used {
			list = append(list, g)
		}
	}
	return list, allNamed(list, in.Names)
}

// allNamed refuses names of which no target group is there.
func allNamed(list []*model.TargetGroup, names []string) error {
	for _, name := range names {
		if !slices.ContainsFunc(list, func(g *model.TargetGroup) bool { return g.Name == name }) {
			return &model.Error{Code: "TargetGroupNotFound", Message: "One or more target groups not found"}
		}
	}
	return nil
}

// groupsByARN are target groups by their ARNs, each once.
func groupsByARN(v *store.View, call control.Call, ids []string) (list []*model.TargetGroup, err error) {
	for _, id := range ids {
		g, err := control.FindTargetGroup(v, call, id)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(list, g) {
			list = append(list, g)
		}
	}
	return list, nil
}

func (a *API) deleteTargetGroup(ctx context.Context, call control.Call, in *client.DeleteTargetGroupInput) (*client.DeleteTargetGroupOutput, error) {
	id := aws.ToString(in.TargetGroupArn)
	if err := required("targetGroupArn", id); err != nil {
		return nil, err
	}
	err := a.Store.UpdateAll(ctx, func(tx *store.Tx) (bool, error) { return control.DeleteTargetGroup(tx, call, id) })
	return &client.DeleteTargetGroupOutput{}, err
}
