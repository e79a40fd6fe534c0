package elbv2

import (
	"context"
	"crypto/tls"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// describeAccountLimits lists the quotas that are enforced, under the names that ELB gives them ("Limit").
func (a *API) describeAccountLimits(_ context.Context, call control.Call, in *client.DescribeAccountLimitsInput) (*client.DescribeAccountLimitsOutput, error) {
	var list []elb.Limit
	for name, most := range map[string]int{
		"application-load-balancers":                            control.LoadBalancersMax,
		"certificates-per-application-load-balancer":            control.BalancerCertsMax,
		"certificates-per-network-load-balancer":                control.BalancerCertsMax,
		"condition-values-per-alb-rule":                         control.ConditionValuesMax,
		"condition-wildcards-per-alb-rule":                      control.WildcardsMax,
		"listeners-per-application-load-balancer":               control.ListenersMax,
		"listeners-per-network-load-balancer":                   control.ListenersMax,
		"network-load-balancers":                                control.LoadBalancersMax,
		"rules-per-application-load-balancer":                   control.ListenerRulesMax,
		"target-groups":                                         control.TargetGroupsMax,
		"target-groups-per-action-on-application-load-balancer": control.ActionGroupsMax,
		"target-groups-per-action-on-network-load-balancer":     control.ActionGroupsMax,
		"target-groups-per-application-load-balancer":           control.BalancerGroupsMax,
		"targets-per-target-group":                              control.TargetsMax,
	} {
		list = append(list, elb.Limit{Name: aws.String(name), Max: aws.String(strconv.Itoa(most))})
	}
	list, next, err := page(call, list, func(l elb.Limit) string { return *l.Name }, in.Marker, in.PageSize)
	return &client.DescribeAccountLimitsOutput{Limits: list, NextMarker: next}, err
}

// describeSSLPolicies lists the security policies that can be served.
func (a *API) describeSSLPolicies(_ context.Context, call control.Call, in *client.DescribeSSLPoliciesInput) (*client.DescribeSSLPoliciesOutput, error) {
	if err := checkEnum("loadBalancerType", in.LoadBalancerType); err != nil {
		return nil, err
	}
	for _, name := range in.Names {
		if _, ok := model.SSLPolicyByName(name); !ok {
			return nil, wire.Errorf("SSLPolicyNotFound", "SSL policy '%.100s' not found", name)
		}
	}
	var list []model.SSLPolicy
	for _, p := range model.SSLPolicies() {
		if in.LoadBalancerType != elb.LoadBalancerTypeEnumGateway && (len(in.Names) == 0 || slices.Contains(in.Names, p.Name)) {
			list = append(list, p)
		}
	}
	list, next, err := page(call, list, func(p model.SSLPolicy) string { return p.Name }, in.Marker, in.PageSize, in.Names, []string{string(in.LoadBalancerType)})
	out := &client.DescribeSSLPoliciesOutput{SslPolicies: []elb.SslPolicy{}, NextMarker: next}
	for _, p := range list {
		out.SslPolicies = append(out.SslPolicies, policyOut(p))
	}
	return out, err
}

func policyOut(p model.SSLPolicy) elb.SslPolicy {
	out := elb.SslPolicy{Name: aws.String(p.Name), SupportedLoadBalancerTypes: []string{model.Application, model.NetworkLB}}
	names := map[uint16]string{tls.VersionTLS10: "TLSv1", tls.VersionTLS11: "TLSv1.1", tls.VersionTLS12: "TLSv1.2", tls.VersionTLS13: "TLSv1.3"}
	for version := p.Max; version >= p.Min; version-- {
		out.SslProtocols = append(out.SslProtocols, names[version])
	}
	for i, c := range p.Ciphers {
		out.Ciphers = append(out.Ciphers, elb.Cipher{Name: aws.String(c.Name), Priority: aws.Int32(int32(i + 1))})
	}
	return out
}
