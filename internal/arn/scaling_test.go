package arn_test

import (
	"regexp"
	"testing"

	"github.com/maitred/maitred/internal/arn"
)

func TestScalingARNs(t *testing.T) {
	t.Parallel()
	s := arn.Scope{Region: "eu-west-1", Account: "123456789012"}
	ids := arn.IDs(func() [16]byte { return [16]byte{1, 2, 3} })
	policy := s.ScalingPolicy("u", "service/c/s", "cpu")
	for _, test := range []struct{ got, want string }{
		{s.ScalableTarget("0123"), "arn:aws:application-autoscaling:eu-west-1:123456789012:scalable-target/0123"},
		{policy, "arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:u:resource/ecs/service/c/s:policyName/cpu"},
		{
			s.ScheduledAction("u", "service/c/s", "night"),
			"arn:aws:autoscaling:eu-west-1:123456789012:scheduledAction:u:resource/ecs/service/c/s:scheduledActionName/night",
		},
		{arn.CreatedBy(policy, ids.UUID()), policy + ":createdBy/" + ids.UUID()},
		{
			s.ScalingRole(),
			"arn:aws:iam::123456789012:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/" +
				"AWSServiceRoleForApplicationAutoScaling_ECSService",
		},
	} {
		if test.got != test.want {
			t.Errorf("got %s, want %s", test.got, test.want)
		}
	}
	if id := ids.ScalableTarget(); !regexp.MustCompile(`^[a-z0-9]{36}$`).MatchString(id) {
		t.Errorf("the id of a scalable target is %q", id)
	}
	for text, want := range map[string]bool{
		s.ScalableTarget("0123"): true, s.ScalableTarget("a/b"): false, s.ScalableTarget(""): false, policy: false, "": false,
		"arn:aws:ecs:eu-west-1:123456789012:scalable-target/0123": false,
	} {
		if got := arn.IsScalableTarget(text); got != want {
			t.Errorf("IsScalableTarget(%q) = %v", text, got)
		}
	}
}

func TestPolicyOfAction(t *testing.T) {
	t.Parallel()
	s := arn.Scope{Region: "eu-west-1", Account: "123456789012"}
	creator := arn.UUID([16]byte{7})
	plain, odd := s.ScalingPolicy("u", "service/c/s", "cpu"), s.ScalingPolicy("u", "service/c/s", "a:createdBy/b")
	for _, test := range []struct {
		action, policy, creator string
		ok                      bool
	}{
		{plain, plain, "", true},
		{arn.CreatedBy(plain, creator), plain, creator, true},
		{odd, odd, "", true},
		{arn.CreatedBy(odd, creator), odd, creator, true},
		{"arn:aws:sns:eu-west-1:123456789012:topic", "", "", false},
		{s.ScheduledAction("u", "service/c/s", "night"), "", "", false},
		{"https://example.com/hook", "", "", false},
	} {
		policy, creator, ok := arn.PolicyOfAction(test.action)
		if policy != test.policy || creator != test.creator || ok != test.ok {
			t.Errorf("PolicyOfAction(%s) = %s, %s, %v", test.action, policy, creator, ok)
		}
	}
}
