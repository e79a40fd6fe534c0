package elbv2

import (
	"context"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// attributesIn reads the attributes that a request sets; key and value take one of the SDK's three types apart.
func attributesIn[A any](in []A, key, value func(A) *string) ([]model.KeyValue, error) {
	if len(in) == 0 {
		return nil, invalid("At least one attribute must be specified")
	}
	var set []model.KeyValue
	for _, x := range in {
		if key(x) == nil {
			return nil, null("attributes.member.key")
		}
		set = append(set, model.KeyValue{Key: *key(x), Value: aws.ToString(value(x))})
	}
	return set, nil
}

// attributesOut lists all attributes of something by key.
func attributesOut[A any](known map[string]string, get func(string) string, as func(key, value *string) A) []A {
	out := []A{}
	for _, key := range slices.Sorted(maps.Keys(known)) {
		out = append(out, as(aws.String(key), aws.String(get(key))))
	}
	return out
}

func balancerAttributes(b *model.LoadBalancer) []elb.LoadBalancerAttribute {
	return attributesOut(model.LoadBalancerAttributes(b.Type, b.Scheme), b.Attribute, func(key, value *string) elb.LoadBalancerAttribute {
		return elb.LoadBalancerAttribute{Key: key, Value: value}
	})
}

func listenerAttributes(l *model.Listener) []elb.ListenerAttribute {
	return attributesOut(model.ListenerAttributes(l.Protocol), l.Attribute, func(key, value *string) elb.ListenerAttribute {
		return elb.ListenerAttribute{Key: key, Value: value}
	})
}

func groupAttributes(g *model.TargetGroup) []elb.TargetGroupAttribute {
	return attributesOut(model.TargetGroupAttributes(g.Protocol, g.TargetType), g.Attribute, func(key, value *string) elb.TargetGroupAttribute {
		return elb.TargetGroupAttribute{Key: key, Value: value}
	})
}

func (a *API) describeLoadBalancerAttributes(_ context.Context, call control.Call, in *client.DescribeLoadBalancerAttributesInput) (*client.DescribeLoadBalancerAttributesOutput, error) {
	id := aws.ToString(in.LoadBalancerArn)
	if err := required("loadBalancerArn", id); err != nil {
		return nil, err
	}
	b, err := control.FindLoadBalancer(a.Store.View(), call, id)
	if err != nil {
		return nil, err
	}
	return &client.DescribeLoadBalancerAttributesOutput{Attributes: balancerAttributes(b)}, nil
}

func (a *API) modifyLoadBalancerAttributes(ctx context.Context, call control.Call, in *client.ModifyLoadBalancerAttributesInput) (*client.ModifyLoadBalancerAttributesOutput, error) {
	id := aws.ToString(in.LoadBalancerArn)
	set, err := attributesIn(in.Attributes, func(x elb.LoadBalancerAttribute) *string { return x.Key }, func(x elb.LoadBalancerAttribute) *string { return x.Value })
	if err := first(required("loadBalancerArn", id), err); err != nil {
		return nil, err
	}
	out := &client.ModifyLoadBalancerAttributesOutput{}
	err = a.Update(ctx, func(tx *store.Tx) error {
		b, err := control.SetBalancerAttributes(tx, call, id, set)
		if err == nil {
			out.Attributes = balancerAttributes(b)
		}
		return err
	})
	return out, err
}

func (a *API) describeListenerAttributes(_ context.Context, call control.Call, in *client.DescribeListenerAttributesInput) (*client.DescribeListenerAttributesOutput, error) {
	id := aws.ToString(in.ListenerArn)
	if err := required("listenerArn", id); err != nil {
		return nil, err
	}
	l, _, err := control.FindListener(a.Store.View(), call, id)
	if err != nil {
		return nil, err
	}
	return &client.DescribeListenerAttributesOutput{Attributes: listenerAttributes(l)}, nil
}

func (a *API) modifyListenerAttributes(ctx context.Context, call control.Call, in *client.ModifyListenerAttributesInput) (*client.ModifyListenerAttributesOutput, error) {
	id := aws.ToString(in.ListenerArn)
	set, err := attributesIn(in.Attributes, func(x elb.ListenerAttribute) *string { return x.Key }, func(x elb.ListenerAttribute) *string { return x.Value })
	if err := first(required("listenerArn", id), err); err != nil {
		return nil, err
	}
	out := &client.ModifyListenerAttributesOutput{}
	err = a.Update(ctx, func(tx *store.Tx) error {
		l, err := control.SetListenerAttributes(tx, call, id, set)
		if err == nil {
			out.Attributes = listenerAttributes(l)
		}
		return err
	})
	return out, err
}

func (a *API) describeTargetGroupAttributes(_ context.Context, call control.Call, in *client.DescribeTargetGroupAttributesInput) (*client.DescribeTargetGroupAttributesOutput, error) {
	id := aws.ToString(in.TargetGroupArn)
	if err := required("targetGroupArn", id); err != nil {
		return nil, err
	}
	g, err := control.FindTargetGroup(a.Store.View(), call, id)
	if err != nil {
		return nil, err
	}
	return &client.DescribeTargetGroupAttributesOutput{Attributes: groupAttributes(g)}, nil
}

func (a *API) modifyTargetGroupAttributes(ctx context.Context, call control.Call, in *client.ModifyTargetGroupAttributesInput) (*client.ModifyTargetGroupAttributesOutput, error) {
	id := aws.ToString(in.TargetGroupArn)
	set, err := attributesIn(in.Attributes, func(x elb.TargetGroupAttribute) *string { return x.Key }, func(x elb.TargetGroupAttribute) *string { return x.Value })
	if err := first(required("targetGroupArn", id), err); err != nil {
		return nil, err
	}
	out := &client.ModifyTargetGroupAttributesOutput{}
	err = a.Update(ctx, func(tx *store.Tx) error {
		g, err := control.SetGroupAttributes(tx, call, id, set)
		if err == nil {
			out.Attributes = groupAttributes(g)
		}
		return err
	})
	return out, err
}
