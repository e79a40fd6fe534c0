package elbv2_test

import (
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// TestBalancerLimit counts the load balancers of a region by type.
func TestBalancerLimit(t *testing.T) {
	t.Parallel()
	b := newBad(t)
	for i := range control.LoadBalancersMax - 2 {
		name := fmt.Sprint("other-", i)
		b.put(&model.LoadBalancer{ARN: fmt.Sprintf("%sloadbalancer/app/%s/%016x", prefix, name, i), Name: name, Region: region, Type: model.Application})
		b.put(&model.LoadBalancer{ARN: fmt.Sprintf("%sloadbalancer/net/far-%d/%016x", prefix, i, i), Name: fmt.Sprint("far-", i), Region: "us-east-1", Type: model.Application})
	}
	named := func(name string, kind elb.LoadBalancerTypeEnum) error {
		return b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Name, in.Type = &name, kind })
	}
	if err := named("last", "application"); err != nil {
		t.Fatalf("the last one of those that are allowed: %v", err)
	}
	wantError(t, named("more", "application"), "TooManyLoadBalancers", "'application'", "at most 50")
	if err := named("more", "network"); err != nil {
		t.Errorf("one of another type: %v", err)
	}
	if err := named("last", "application"); err != nil {
		t.Errorf("one that is there already: %v", err)
	}
}

// TestCertificateLimit counts the certificates of all listeners of a load balancer, but for the default ones.
func TestCertificateLimit(t *testing.T) {
	t.Parallel()
	b := newBad(t)
	l := b.secure()
	certs := make([]elb.Certificate, control.BalancerCertsMax+1)
	for i := range certs {
		certs[i].CertificateArn = aws.String(b.certificate(fmt.Sprint("c", i)))
	}
	add := func(certs []elb.Certificate) error {
		return failure(b.AddListenerCertificates(t.Context(), &client.AddListenerCertificatesInput{ListenerArn: &l, Certificates: certs}))
	}
	wantError(t, add(certs), "TooManyCertificates", "26 certificates", "at most 25")
	if err := add(certs[1:]); err != nil {
		t.Fatalf("as many as are allowed: %v", err)
	}
	if err := add(certs[1:2]); err != nil {
		t.Errorf("one that is there already: %v", err)
	}
	wantError(t, add(certs[:1]), "TooManyCertificates", "26 certificates")
	out := must(b.CreateListener(t.Context(), &client.CreateListenerInput{
		LoadBalancerArn: &b.lb, Protocol: "HTTPS", Port: aws.Int32(8443), DefaultActions: fixed("200"), Certificates: certs[:1],
	}))(t)
	l = *out.Listeners[0].ListenerArn
	wantError(t, add(certs[1:2]), "TooManyCertificates", "26 certificates")
}

// TestGroupLimits leads load balancers to a target group of another one, and to more of them than there may be.
func TestGroupLimits(t *testing.T) {
	t.Parallel()
	b := newBad(t)
	other := b.balancer("other", "")
	on := func(lb, group string) error {
		return b.newListener(func(in *client.CreateListenerInput) { in.LoadBalancerArn, in.DefaultActions = &lb, forward(group) })
	}
	wantError(t, on(other, b.used), "TargetGroupAssociationLimit", "more than one load balancer", b.used)
	full := &model.Rule{ARN: b.rule + "0", Listener: b.l, Region: region, Priority: 100, Actions: []model.Action{{Type: model.ActionForward, Forward: &model.Forward{}}}}
	for i := range control.BalancerGroupsMax - 1 { // and the used one
		f := full.Actions[0].Forward
		f.Groups = append(f.Groups, model.WeightedGroup{Group: fmt.Sprintf("%stargetgroup/g%d/%016x", prefix, i, i), Weight: 1})
	}
	b.put(full)
	wantError(t, on(b.lb, b.g), "TooManyUniqueTargetGroupsPerLoadBalancer", "101 target groups", "at most 100")
	wantError(t, b.newRule(func(in *client.CreateRuleInput) { in.Actions = forward(b.g) }), "TooManyUniqueTargetGroupsPerLoadBalancer", "101 target groups")
	if err := on(b.lb, b.used); err != nil {
		t.Errorf("one that is used already: %v", err)
	}
	if err := on(other, b.g); err != nil {
		t.Errorf("one of another load balancer: %v", err)
	}
}

// TestSubnetsOfTwoVPCs mixes subnets that do not belong together.
func TestSubnetsOfTwoVPCs(t *testing.T) {
	t.Parallel()
	b := newBad(t)
	vpc := &model.VPC{ID: "vpc-other", Region: region, CIDR: "10.9.0.0/16"}
	b.put(vpc)
	var ids []string
	for i, zone := range []string{"a", "b"} {
		s := &model.Subnet{ID: "subnet-other-" + zone, Region: region, VPC: vpc.ID, Zone: region + zone, CIDR: fmt.Sprintf("10.9.%d.0/24", i)}
		b.put(s)
		ids = append(ids, s.ID)
	}
	mixed := func(in *client.CreateLoadBalancerInput) { in.Subnets = []string{b.subnet, ids[1]} }
	wantError(t, b.newBalancer(mixed), "InvalidSubnet", "the same VPC", "'subnet-other-b'")
	wantError(t, failure(b.SetSubnets(t.Context(), &client.SetSubnetsInput{LoadBalancerArn: &b.lb, Subnets: ids})), "InvalidSubnet", "the VPC '"+b.vpc+"'")
	if err := b.newBalancer(func(in *client.CreateLoadBalancerInput) { in.Subnets = ids }); err != nil {
		t.Errorf("those of another VPC alone: %v", err)
	}
}
