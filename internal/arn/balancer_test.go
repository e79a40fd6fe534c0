package arn_test

import (
	"testing"

	"github.com/maitred/maitred/internal/arn"
)

func TestBalancingForms(t *testing.T) {
	t.Parallel()
	s := arn.Scope{Region: "eu-west-1", Account: "123456789012"}
	const head = "arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
	lb := s.ApplicationLoadBalancer("web", "0123456789abcdef")
	listener := arn.Listener(lb, "1123456789abcdef")
	rule := arn.Rule(listener, "2123456789abcdef")
	for got, want := range map[string]string{
		lb: head + "loadbalancer/app/web/0123456789abcdef",
		s.NetworkLoadBalancer("web", "0123456789abcdef"):   head + "loadbalancer/net/web/0123456789abcdef",
		s.TargetGroup("web", "0123456789abcdef"):           head + "targetgroup/web/0123456789abcdef",
		listener:                                           head + "listener/app/web/0123456789abcdef/1123456789abcdef",
		rule:                                               head + "listener-rule/app/web/0123456789abcdef/1123456789abcdef/2123456789abcdef",
		arn.ListenerOfRule(rule) + " ":                     listener + " ",
		arn.LoadBalancerOfListener(listener) + " ":         lb + " ",
		arn.InstanceID("0123456789abcdef0123456789abcdef"): "i-0123456789abcdef0",
		arn.Balancing(rule):                                "listener-rule",
		arn.Balancing(arn.DefaultRule(listener)) + " ":     "listener-rule ",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if a, b := arn.InstanceID("m1"), arn.InstanceID("m2"); a == b || len(a) != len("i-0123456789abcdef0") {
		t.Errorf("instance ids %s and %s of two machines, want two of 17 digits", a, b)
	}
}

// FuzzBalancing checks that what has the form of an ARN leads to its parents and back.
func FuzzBalancing(f *testing.F) {
	f.Add("arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener-rule/app/web/0123456789abcdef/1123456789abcdef/2123456789abcdef")
	f.Add("arn:aws:elasticloadbalancing:eu-west-1:123456789012:listener/net/web/0123456789abcdef/1123456789abcdef")
	f.Add("arn:aws:elasticloadbalancing:::targetgroup//")
	f.Fuzz(func(t *testing.T, s string) {
		switch arn.Balancing(s) {
		case "listener-rule":
			if l := arn.ListenerOfRule(s); arn.Balancing(l) != "listener" || arn.Rule(l, arn.Name(s)) != s {
				t.Errorf("the listener of %q is %q", s, l)
			}
		case "listener":
			if lb := arn.LoadBalancerOfListener(s); arn.Balancing(lb) != "loadbalancer" || arn.Listener(lb, arn.Name(s)) != s {
				t.Errorf("the load balancer of %q is %q", s, lb)
			}
		}
	})
}
