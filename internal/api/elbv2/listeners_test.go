package elbv2_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

// TestForwardForms checks that forward actions are described in both forms, however they were given.
func TestForwardForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, g, h := w.balancer("web", ""), w.group("g", "HTTP"), w.group("h", "HTTP")
	off := &elb.TargetGroupStickinessConfig{Enabled: aws.Bool(false)}
	single := []elb.Action{{
		Type: "forward", TargetGroupArn: &g,
		ForwardConfig: &elb.ForwardActionConfig{TargetGroups: []elb.TargetGroupTuple{{TargetGroupArn: &g, Weight: aws.Int32(1)}}, TargetGroupStickinessConfig: off},
	}}
	both := []elb.Action{{Type: "forward", Order: aws.Int32(1), ForwardConfig: &elb.ForwardActionConfig{
		TargetGroups:                []elb.TargetGroupTuple{{TargetGroupArn: &g, Weight: aws.Int32(0)}, {TargetGroupArn: &h, Weight: aws.Int32(999)}},
		TargetGroupStickinessConfig: &elb.TargetGroupStickinessConfig{Enabled: aws.Bool(true), DurationSeconds: aws.Int32(3600)},
	}}}
	tests := []struct {
		name     string
		in, want []elb.Action
	}{
		{"the group alone", forward(g), single},
		{"the configuration alone", []elb.Action{{Type: "forward", ForwardConfig: &elb.ForwardActionConfig{TargetGroups: []elb.TargetGroupTuple{{TargetGroupArn: &g}}}}}, single},
		{"both, with the same group", single, single},
		{"two groups", both, both},
		{
			"a redirect",
			[]elb.Action{{Type: "redirect", RedirectConfig: &elb.RedirectActionConfig{Protocol: aws.String("HTTPS"), Port: aws.String("443"), StatusCode: "HTTP_301"}}},
			[]elb.Action{{Type: "redirect", RedirectConfig: &elb.RedirectActionConfig{
				Protocol: aws.String("HTTPS"), Port: aws.String("443"), Host: aws.String("#{host}"), Path: aws.String("/#{path}"), Query: aws.String("#{query}"), StatusCode: "HTTP_301",
			}}},
		},
		{"a fixed response", fixed("503"), fixed("503")},
	}
	l := w.listener(id, "HTTP", 80, g)
	for _, tt := range tests {
		out := must(w.ModifyListener(t.Context(), &client.ModifyListenerInput{ListenerArn: &l, DefaultActions: tt.in}))(t)
		if diff := cmp.Diff(tt.want, out.Listeners[0].DefaultActions, ignore); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		rules := must(w.DescribeRules(t.Context(), &client.DescribeRulesInput{ListenerArn: &l}))(t).Rules
		if len(rules) != 1 || *rules[0].Priority != "default" || !*rules[0].IsDefault || !cmp.Equal(rules[0].Actions, tt.want, ignore) {
			t.Errorf("%s: default rule = %+v", tt.name, rules)
		}
	}
}

func TestListenerIsIdempotentAndPartial(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, g := w.balancer("web", ""), w.group("g", "HTTP")
	l := w.listener(id, "HTTP", 80, g)
	if again := w.listener(id, "HTTP", 80, g); again != l {
		t.Errorf("the same listener once more is %s, not %s", again, l)
	}
	if !strings.HasPrefix(l, strings.Replace(id, ":loadbalancer/", ":listener/", 1)+"/") {
		t.Errorf("ARN = %s", l)
	}
	in := &client.CreateListenerInput{LoadBalancerArn: &id, Protocol: "HTTP", Port: aws.Int32(80), DefaultActions: fixed("200")}
	wantError(t, failure(w.CreateListener(t.Context(), in)), "DuplicateListener")
	c, d := w.certificate("c"), w.certificate("d")
	out := must(w.ModifyListener(t.Context(), &client.ModifyListenerInput{ListenerArn: &l, Protocol: "HTTPS", Port: aws.Int32(443), Certificates: []elb.Certificate{{CertificateArn: &c}}}))(t).Listeners[0]
	if *out.Port != 443 || *out.SslPolicy != model.DefaultSSLPolicy || *out.Certificates[0].CertificateArn != c || *out.MutualAuthentication.Mode != "off" || len(out.DefaultActions) != 1 {
		t.Errorf("as HTTPS: %+v", out)
	}
	e := w.certificate("e")
	must(w.AddListenerCertificates(t.Context(), &client.AddListenerCertificatesInput{ListenerArn: &l, Certificates: []elb.Certificate{{CertificateArn: &e}, {CertificateArn: &d}, {CertificateArn: &d}}}))(t)
	certificates := func() (list []string) {
		for p := client.NewDescribeListenerCertificatesPaginator(w.Client, &client.DescribeListenerCertificatesInput{ListenerArn: &l, PageSize: aws.Int32(1)}); p.HasMorePages(); {
			for _, x := range must(p.NextPage(t.Context()))(t).Certificates {
				text := strings.ReplaceAll(*x.CertificateArn, "arn:aws:acm:eu-west-1:123456789012:certificate/", "")
				if *x.IsDefault {
					text += "!"
				}
				list = append(list, text)
			}
		}
		return list
	}
	if got := certificates(); !slices.Equal(got, []string{"c!", "d", "e"}) {
		t.Errorf("certificates = %v", got)
	}
	must(w.ModifyListener(t.Context(), &client.ModifyListenerInput{ListenerArn: &l, Certificates: []elb.Certificate{{CertificateArn: &d}}}))(t)
	wantError(t, failure(w.RemoveListenerCertificates(t.Context(), &client.RemoveListenerCertificatesInput{ListenerArn: &l, Certificates: []elb.Certificate{{CertificateArn: &d}}})), "OperationNotPermitted")
	if got := certificates(); !slices.Equal(got, []string{"d!", "e"}) {
		t.Errorf("with another default: %v", got)
	}
	must(w.RemoveListenerCertificates(t.Context(), &client.RemoveListenerCertificatesInput{ListenerArn: &l, Certificates: []elb.Certificate{{CertificateArn: &e}, {CertificateArn: &c}}}))(t)
	out = must(w.ModifyListener(t.Context(), &client.ModifyListenerInput{ListenerArn: &l, Protocol: "HTTP"}))(t).Listeners[0]
	if out.SslPolicy != nil || len(out.Certificates) != 0 || *out.Port != 443 {
		t.Errorf("back to HTTP: %+v", out)
	}
	must(w.DeleteListener(t.Context(), &client.DeleteListenerInput{ListenerArn: &l}))(t)
	wantError(t, failure(w.DeleteListener(t.Context(), &client.DeleteListenerInput{ListenerArn: &l})), "ListenerNotFound", "One or more listeners not found")
}

func TestNetworkListeners(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.balancer("net", "network")
	if !strings.Contains(id, ":loadbalancer/net/net/") {
		t.Errorf("ARN = %s", id)
	}
	c := w.certificate("c")
	groups := map[elb.ProtocolEnum]string{}
	for _, p := range []elb.ProtocolEnum{"TCP", "TLS", "UDP", "TCP_UDP"} {
		groups[p] = w.group(strings.ReplaceAll(string(p), "_", "-"), p)
	}
	port := int32(1000)
	for _, tt := range []struct {
		listener elb.ProtocolEnum
		ok       string
	}{{"TCP", "TCP TCP_UDP"}, {"TLS", "TCP TLS"}, {"UDP", "UDP TCP_UDP"}, {"TCP_UDP", "TCP_UDP"}} {
		for p, g := range groups {
			port++
			in := &client.CreateListenerInput{LoadBalancerArn: &id, Protocol: tt.listener, Port: aws.Int32(port), DefaultActions: forward(g)}
			if tt.listener == "TLS" {
				in.Certificates, in.AlpnPolicy = []elb.Certificate{{CertificateArn: &c}}, []string{"HTTP2Preferred"}
			}
			out, err := w.CreateListener(t.Context(), in)
			switch {
			case !slices.Contains(strings.Fields(tt.ok), string(p)):
				wantError(t, err, "IncompatibleProtocols", "Listener protocol '"+string(tt.listener)+"'")
			case err != nil:
				t.Errorf("%s to %s: %v", tt.listener, p, err)
			case tt.listener == "TLS" && !slices.Equal(out.Listeners[0].AlpnPolicy, in.AlpnPolicy):
				t.Errorf("ALPN = %v", out.Listeners[0].AlpnPolicy)
			}
		}
	}
}

// TestConditions checks that conditions come back in both of their forms.
func TestConditions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group("g", "HTTP")
	l := w.listener(w.balancer("web", ""), "HTTP", 80, g)
	hosts, paths := []string{"a.example.com", "*.b.example.com"}, []string{"/a/*"}
	tests := []struct {
		name     string
		in, want elb.RuleCondition
	}{
		{
			"hosts in the plain form",
			elb.RuleCondition{Field: aws.String("host-header"), Values: hosts},
			elb.RuleCondition{Field: aws.String("host-header"), Values: hosts, HostHeaderConfig: &elb.HostHeaderConditionConfig{Values: hosts}},
		},
		{
			"hosts in a configuration",
			elb.RuleCondition{Field: aws.String("host-header"), HostHeaderConfig: &elb.HostHeaderConditionConfig{Values: hosts}},
			elb.RuleCondition{Field: aws.String("host-header"), Values: hosts, HostHeaderConfig: &elb.HostHeaderConditionConfig{Values: hosts}},
		},
		{
			"paths in both forms",
			elb.RuleCondition{Field: aws.String("path-pattern"), Values: paths, PathPatternConfig: &elb.PathPatternConditionConfig{Values: paths}},
			elb.RuleCondition{Field: aws.String("path-pattern"), Values: paths, PathPatternConfig: &elb.PathPatternConditionConfig{Values: paths}},
		},
		{
			"paths by expression",
			elb.RuleCondition{Field: aws.String("path-pattern"), RegexValues: []string{"^/v[0-9]+/"}},
			elb.RuleCondition{Field: aws.String("path-pattern"), RegexValues: []string{"^/v[0-9]+/"}, PathPatternConfig: &elb.PathPatternConditionConfig{RegexValues: []string{"^/v[0-9]+/"}}},
		},
		{
			"a header",
			elb.RuleCondition{Field: aws.String("http-header"), HttpHeaderConfig: &elb.HttpHeaderConditionConfig{HttpHeaderName: aws.String("User-Agent"), Values: []string{"*curl*"}}},
			elb.RuleCondition{Field: aws.String("http-header"), HttpHeaderConfig: &elb.HttpHeaderConditionConfig{HttpHeaderName: aws.String("User-Agent"), Values: []string{"*curl*"}}},
		},
		{
			"a query",
			elb.RuleCondition{Field: aws.String("query-string"), QueryStringConfig: &elb.QueryStringConditionConfig{Values: []elb.QueryStringKeyValuePair{{Key: aws.String("v"), Value: aws.String("1")}, {Value: aws.String(`\*`)}}}},
			elb.RuleCondition{Field: aws.String("query-string"), QueryStringConfig: &elb.QueryStringConditionConfig{Values: []elb.QueryStringKeyValuePair{{Key: aws.String("v"), Value: aws.String("1")}, {Value: aws.String(`\*`)}}}},
		},
		{
			"methods",
			elb.RuleCondition{Field: aws.String("http-request-method"), HttpRequestMethodConfig: &elb.HttpRequestMethodConditionConfig{Values: []string{"GET", "M-SEARCH"}}},
			elb.RuleCondition{Field: aws.String("http-request-method"), HttpRequestMethodConfig: &elb.HttpRequestMethodConditionConfig{Values: []string{"GET", "M-SEARCH"}}},
		},
		{
			"sources",
			elb.RuleCondition{Field: aws.String("source-ip"), SourceIpConfig: &elb.SourceIpConditionConfig{Values: []string{"127.0.0.0/8", "2001:db8::/32"}}},
			elb.RuleCondition{Field: aws.String("source-ip"), SourceIpConfig: &elb.SourceIpConditionConfig{Values: []string{"127.0.0.0/8", "2001:db8::/32"}}},
		},
	}
	for i, tt := range tests {
		made := must(w.CreateRule(t.Context(), &client.CreateRuleInput{ListenerArn: &l, Priority: aws.Int32(int32(i + 1)), Actions: forward(g), Conditions: []elb.RuleCondition{tt.in}}))(t).Rules[0]
		described := must(w.DescribeRules(t.Context(), &client.DescribeRulesInput{RuleArns: []string{*made.RuleArn}}))(t).Rules[0]
		for _, r := range []elb.Rule{made, described} {
			if diff := cmp.Diff([]elb.RuleCondition{tt.want}, r.Conditions, ignore); diff != "" {
				t.Errorf("%s (-want +got):\n%s", tt.name, diff)
			}
		}
	}
}

func TestRules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g, h := w.group("g", "HTTP"), w.group("h", "HTTP")
	l := w.listener(w.balancer("web", ""), "HTTP", 80, g)
	a, b, c := w.rule(l, 30, g), w.rule(l, 10, g), w.rule(l, 20, g)
	if !strings.HasPrefix(a, strings.Replace(l, ":listener/", ":listener-rule/", 1)+"/") {
		t.Errorf("ARN = %s", a)
	}
	order := func() (list []string) {
		for p := client.NewDescribeRulesPaginator(w.Client, &client.DescribeRulesInput{ListenerArn: &l, PageSize: aws.Int32(2)}); p.HasMorePages(); {
			for _, r := range must(p.NextPage(t.Context()))(t).Rules {
				name := map[string]string{a: "a", b: "b", c: "c"}[*r.RuleArn]
				list = append(list, name+*r.Priority)
			}
		}
		return list
	}
	if got := order(); !slices.Equal(got, []string{"b10", "c20", "a30", "default"}) {
		t.Errorf("rules = %v", got)
	}
	swap := func(pairs ...elb.RulePriorityPair) error {
		return failure(w.SetRulePriorities(t.Context(), &client.SetRulePrioritiesInput{RulePriorities: pairs}))
	}
	pair := func(id string, n int32) elb.RulePriorityPair { return elb.RulePriorityPair{RuleArn: &id, Priority: &n} }
	if err := swap(pair(a, 10), pair(b, 30)); err != nil {
		t.Error(err)
	}
	wantError(t, swap(pair(a, 5), pair(b, 20)), "PriorityInUse", "Priority '20' is currently in use")
	if got := order(); !slices.Equal(got, []string{"a10", "c20", "b30", "default"}) {
		t.Errorf("rules = %v", got)
	}
	out := must(w.ModifyRule(t.Context(), &client.ModifyRuleInput{RuleArn: &a, Actions: forward(h), Transforms: []elb.RuleTransform{{
		Type: elb.TransformTypeEnumUrlRewrite, UrlRewriteConfig: &elb.UrlRewriteConfig{Rewrites: []elb.RewriteConfig{{Regex: aws.String("^/x/(.*)$"), Replace: aws.String("/$1")}}},
	}}}))(t).Rules[0]
	if *out.Priority != "10" || *out.Actions[0].TargetGroupArn != h || out.Conditions[0].Values[0] != "/x/*" || *out.Transforms[0].UrlRewriteConfig.Rewrites[0].Replace != "/$1" {
		t.Errorf("modified: %+v", out)
	}
	out = must(w.ModifyRule(t.Context(), &client.ModifyRuleInput{RuleArn: &a, ResetTransforms: aws.Bool(true), Conditions: path("/y")}))(t).Rules[0]
	if len(out.Transforms) != 0 || out.Conditions[0].Values[0] != "/y" || *out.Actions[0].TargetGroupArn != h {
		t.Errorf("reset: %+v", out)
	}
	wantError(t, failure(w.DeleteTargetGroup(t.Context(), &client.DeleteTargetGroupInput{TargetGroupArn: &h})), "ResourceInUse", "Target group '"+h+"' is currently in use by a listener or a rule")
	groups := must(w.DescribeTargetGroups(t.Context(), &client.DescribeTargetGroupsInput{LoadBalancerArn: aws.String(arnOfBalancer(w, l))}))(t).TargetGroups
	if len(groups) != 2 || len(groups[1].LoadBalancerArns) != 1 {
		t.Errorf("target groups of the load balancer: %+v", groups)
	}
	must(w.DeleteRule(t.Context(), &client.DeleteRuleInput{RuleArn: &a}))(t)
	wantError(t, failure(w.DeleteRule(t.Context(), &client.DeleteRuleInput{RuleArn: &a})), "RuleNotFound", "One or more rules not found")
	must(w.DeleteTargetGroup(t.Context(), &client.DeleteTargetGroupInput{TargetGroupArn: &h}))(t)
}

// TestAttributes reads all attributes, changes some, and does without those that are not there as Terraform does.
func TestAttributes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, g := w.balancer("web", ""), w.group("g", "HTTP")
	l := w.listener(id, "HTTP", 80, g)
	before := must(w.DescribeLoadBalancerAttributes(t.Context(), &client.DescribeLoadBalancerAttributesInput{LoadBalancerArn: &id}))(t).Attributes
	after := must(w.ModifyLoadBalancerAttributes(t.Context(), &client.ModifyLoadBalancerAttributesInput{LoadBalancerArn: &id, Attributes: before}))(t).Attributes
	if diff := cmp.Diff(before, after, ignore); diff != "" || len(before) < 20 {
		t.Errorf("all attributes as they are (-want +got):\n%s", diff)
	}
	groupBefore := must(w.DescribeTargetGroupAttributes(t.Context(), &client.DescribeTargetGroupAttributesInput{TargetGroupArn: &g}))(t).Attributes
	groupAfter := must(w.ModifyTargetGroupAttributes(t.Context(), &client.ModifyTargetGroupAttributesInput{TargetGroupArn: &g, Attributes: groupBefore}))(t).Attributes
	if diff := cmp.Diff(groupBefore, groupAfter, ignore); diff != "" || len(groupBefore) != 14 {
		t.Errorf("all attributes of a group as they are (-want +got):\n%s", diff)
	}
	set := func(key, value string) error {
		return failure(w.ModifyTargetGroupAttributes(t.Context(), &client.ModifyTargetGroupAttributesInput{TargetGroupArn: &g, Attributes: []elb.TargetGroupAttribute{{Key: &key, Value: &value}}}))
	}
	for _, kv := range [][2]string{
		{"deregistration_delay.timeout_seconds", "5"},
		{"slow_start.duration_seconds", "30"},
		{"slow_start.duration_seconds", "0"},
		{"load_balancing.algorithm.type", "weighted_random"},
		{"load_balancing.algorithm.anomaly_mitigation", "on"},
		{"stickiness.enabled", "true"},
	} {
		if err := set(kv[0], kv[1]); err != nil {
			t.Errorf("%s: %v", kv, err)
		}
	}
	record, _ := w.store.View().TargetGroup(g)
	if record.DeregistrationDelay() != 5*time.Second || record.Attribute(model.AttributeMitigation) != "on" {
		t.Errorf("attributes = %v", record.Attributes)
	}
	wantError(t, set("slow_start.duration_seconds", "30"), "InvalidConfigurationRequest")
	wantError(t, set("proxy_protocol_v2.enabled", "true"), "InvalidConfigurationRequest", "attribute key 'proxy_protocol_v2.enabled' is not supported")
	wantError(t, set("no.such", "true"), "ValidationError", "attribute key 'no.such' is not recognized")
	listener := must(w.ModifyListenerAttributes(t.Context(), &client.ModifyListenerAttributesInput{ListenerArn: &l, Attributes: []elb.ListenerAttribute{
		{Key: aws.String("routing.http.response.server.enabled"), Value: aws.String("false")},
		{Key: aws.String("routing.http.response.x_frame_options.header_value"), Value: aws.String("DENY")},
	}}))(t).Attributes
	described := must(w.DescribeListenerAttributes(t.Context(), &client.DescribeListenerAttributesInput{ListenerArn: &l}))(t).Attributes
	if diff := cmp.Diff(listener, described, ignore); diff != "" || len(listener) != 11 {
		t.Errorf("listener attributes (-set +described):\n%s", diff)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id, g := w.balancer("web", "", tag("a", "1")), w.group("g", "HTTP")
	l := w.listener(id, "HTTP", 80, g)
	r := w.rule(l, 1, g)
	all := []string{id, g, l, r}
	must(w.AddTags(t.Context(), &client.AddTagsInput{ResourceArns: all, Tags: []elb.Tag{tag("a", "2"), tag("b", "")}}))(t)
	must(w.RemoveTags(t.Context(), &client.RemoveTagsInput{ResourceArns: []string{g}, TagKeys: []string{"a", "zzz"}}))(t)
	out := must(w.DescribeTags(t.Context(), &client.DescribeTagsInput{ResourceArns: all}))(t).TagDescriptions
	for i, want := range []int{2, 1, 2, 2} {
		if *out[i].ResourceArn != all[i] || len(out[i].Tags) != want {
			t.Errorf("tags of %s = %+v", all[i], out[i].Tags)
		}
	}
	rules := must(w.DescribeRules(t.Context(), &client.DescribeRulesInput{ListenerArn: &l}))(t).Rules
	standard := *rules[1].RuleArn
	if tags := must(w.DescribeTags(t.Context(), &client.DescribeTagsInput{ResourceArns: []string{standard}}))(t).TagDescriptions[0].Tags; len(tags) != 0 {
		t.Errorf("tags of the default rule = %v", tags)
	}
}
