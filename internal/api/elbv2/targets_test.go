package elbv2_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
)

// TestTargetGroupDefaults checks what a target group has that says nothing of it.
func TestTargetGroupDefaults(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	tests := []struct {
		name string
		in   client.CreateTargetGroupInput
		want string
	}{
		{"http", client.CreateTargetGroupInput{Protocol: "HTTP"}, "HTTP1 HTTP / traffic-port 30 5 5 2 200"},
		{"https", client.CreateTargetGroupInput{Protocol: "HTTPS", ProtocolVersion: aws.String("HTTP2")}, "HTTP2 HTTP / traffic-port 30 5 5 2 200"},
		{"grpc", client.CreateTargetGroupInput{Protocol: "HTTP", ProtocolVersion: aws.String("GRPC")}, "GRPC HTTP /AWS.ALB/healthcheck traffic-port 30 5 5 2 12"},
		{"tcp", client.CreateTargetGroupInput{Protocol: "TCP"}, " TCP  traffic-port 30 10 5 2 "},
		{"udp", client.CreateTargetGroupInput{Protocol: "UDP", HealthCheckProtocol: "HTTP"}, " HTTP / traffic-port 30 6 5 2 200-399"},
		{"tls", client.CreateTargetGroupInput{Protocol: "TLS", HealthCheckProtocol: "HTTPS", HealthCheckPath: aws.String("/up")}, " HTTPS /up traffic-port 30 10 5 2 200-399"},
		{"all", client.CreateTargetGroupInput{
			Protocol: "HTTP", HealthCheckPort: aws.String("9000"), HealthCheckIntervalSeconds: aws.Int32(5), HealthCheckTimeoutSeconds: aws.Int32(2),
			HealthyThresholdCount: aws.Int32(2), UnhealthyThresholdCount: aws.Int32(10), Matcher: &elb.Matcher{HttpCode: aws.String("200,300-399")},
		}, "HTTP1 HTTP / 9000 5 2 2 10 200,300-399"},
	}
	for _, tt := range tests {
		tt.in.Name, tt.in.Port, tt.in.VpcId = &tt.name, aws.Int32(80), aws.String(w.vpc())
		g := must(w.CreateTargetGroup(t.Context(), &tt.in))(t).TargetGroups[0]
		again := must(w.CreateTargetGroup(t.Context(), &tt.in))(t).TargetGroups[0]
		matcher := ""
		if g.Matcher != nil {
			matcher = aws.ToString(g.Matcher.HttpCode) + aws.ToString(g.Matcher.GrpcCode)
		}
		got := fmt.Sprintln(aws.ToString(g.ProtocolVersion), g.HealthCheckProtocol, aws.ToString(g.HealthCheckPath), *g.HealthCheckPort, *g.HealthCheckIntervalSeconds,
			*g.HealthCheckTimeoutSeconds, *g.HealthyThresholdCount, *g.UnhealthyThresholdCount, matcher)
		if strings.TrimSuffix(got, "\n") != tt.want || *again.TargetGroupArn != *g.TargetGroupArn || g.TargetType != "instance" || !*g.HealthCheckEnabled {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
		tt.in.Port = aws.Int32(81)
		wantError(t, failure(w.CreateTargetGroup(t.Context(), &tt.in)), "DuplicateTargetGroupName", "A target group with the same name '"+tt.name+"' exists, but with different settings")
	}
	id := w.group("other", "TCP")
	modify := func(in client.ModifyTargetGroupInput) elb.TargetGroup {
		in.TargetGroupArn = &id
		return must(w.ModifyTargetGroup(t.Context(), &in))(t).TargetGroups[0]
	}
	if g := modify(client.ModifyTargetGroupInput{HealthCheckProtocol: "HTTP", HealthCheckPath: aws.String("/up")}); *g.HealthCheckPath != "/up" || *g.Matcher.HttpCode != "200-399" {
		t.Errorf("with HTTP checks: %+v", g)
	}
	if g := modify(client.ModifyTargetGroupInput{HealthyThresholdCount: aws.Int32(3)}); *g.HealthCheckPath != "/up" || *g.HealthyThresholdCount != 3 || *g.UnhealthyThresholdCount != 2 {
		t.Errorf("with another threshold: %+v", g)
	}
	if g := modify(client.ModifyTargetGroupInput{HealthCheckProtocol: "TCP"}); g.HealthCheckPath != nil || g.Matcher != nil {
		t.Errorf("with TCP checks: %+v", g)
	}
}

// health gives the states of the targets of a group as "ID:PORT STATE REASON".
func (w *world) health(group string, targets ...elb.TargetDescription) (list []string) {
	w.t.Helper()
	out := must(w.DescribeTargetHealth(w.t.Context(), &client.DescribeTargetHealthInput{
		TargetGroupArn: &group, Targets: targets, Include: []elb.DescribeTargetHealthInputIncludeEnum{"All"},
	}))(w.t)
	for _, d := range out.TargetHealthDescriptions {
		if d.AdministrativeOverride.State != "no_override" || d.HealthCheckPort == nil {
			w.t.Errorf("%+v", d)
		}
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s:%d %s %s", *d.Target.Id, *d.Target.Port, d.TargetHealth.State, d.TargetHealth.Reason)))
	}
	return list
}

// TestTargetHealth follows a target through its life.
func TestTargetHealth(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group("g", "HTTP")
	x := target("127.0.0.1", 0)
	register := &client.RegisterTargetsInput{TargetGroupArn: &g, Targets: []elb.TargetDescription{x, target("127.0.0.1", 9000), x}}
	step := func(what string, want ...string) {
		t.Helper()
		if got := w.health(g); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", what, got, want)
		}
	}
	must(w.RegisterTargets(t.Context(), register))(t)
	step("without a listener", "127.0.0.1:8080 unused Target.NotInUse", "127.0.0.1:9000 unused Target.NotInUse")
	must(w.DeregisterTargets(t.Context(), &client.DeregisterTargetsInput{TargetGroupArn: &g, Targets: []elb.TargetDescription{target("127.0.0.1", 9000)}}))(t)
	gone, _ := w.store.View().Target((&model.Target{Group: g, ID: "127.0.0.1", Port: 9000}).Path())
	if !gone.DrainBy.Equal(start) {
		t.Errorf("deregistered from a group that is not used, it drains until %s", gone.DrainBy)
	}
	must(w.RegisterTargets(t.Context(), register))(t)
	l := w.listener(w.balancer("web", ""), "HTTP", 80, g)
	step("with a listener", "127.0.0.1:8080 initial Elb.RegistrationInProgress", "127.0.0.1:9000 initial Elb.RegistrationInProgress")
	w.sees("b1", model.TargetHealthy, "")
	step("seen", "127.0.0.1:8080 healthy", "127.0.0.1:9000 healthy")
	w.sees("b2", model.TargetInitial, "Elb.InitialHealthChecking")
	step("by a second one", "127.0.0.1:8080 initial Elb.InitialHealthChecking", "127.0.0.1:9000 initial Elb.InitialHealthChecking")
	w.sees("b3", model.TargetUnhealthy, "Target.Timeout")
	w.sees("b2", model.TargetHealthy, "")
	step("the worst", "127.0.0.1:8080 unhealthy Target.Timeout", "127.0.0.1:9000 unhealthy Target.Timeout")
	w.put(&model.Balancer{ID: "b3"})
	step("of those that are connected", "127.0.0.1:8080 healthy", "127.0.0.1:9000 healthy")
	must(w.DeregisterTargets(t.Context(), &client.DeregisterTargetsInput{TargetGroupArn: &g, Targets: []elb.TargetDescription{x, target("10.9.9.9", 0)}}))(t)
	step("draining", "127.0.0.1:8080 draining Target.DeregistrationInProgress", "127.0.0.1:9000 healthy")
	path := (&model.Target{Group: g, ID: "127.0.0.1", Port: 8080}).Path()
	if d, _ := w.store.View().Target(path); !d.DrainAt.Equal(start) || !d.DrainBy.Equal(start.Add(300*time.Second)) || d.Cause.Subject != "DeregisterTargets" || d.Task != "" {
		t.Errorf("draining: %+v", d)
	}
	must(w.RegisterTargets(t.Context(), register))(t)
	if d, _ := w.store.View().Target(path); d.Draining() || d.Cause.Subject != "RegisterTargets" {
		t.Errorf("taken back: %+v", d)
	}
	if got := w.health(g, x, target("127.0.0.2", 1)); !slices.Equal(got, []string{"127.0.0.1:8080 healthy", "127.0.0.2:1 unused Target.NotRegistered"}) {
		t.Errorf("by name: %q", got)
	}
	must(w.DeleteListener(t.Context(), &client.DeleteListenerInput{ListenerArn: &l}))(t)
	step("without a listener again", "127.0.0.1:8080 unused Target.NotInUse", "127.0.0.1:9000 unused Target.NotInUse")
}

// TestTaskTargets checks that the API and the tasks of services do not get into each other's way.
func TestTaskTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group("g", "HTTP")
	w.listener(w.balancer("web", ""), "HTTP", 80, g)
	old := &model.Target{Group: g, ID: "10.0.0.1", Port: 8080, Address: "10.0.0.1", Task: "arn:x/old", RegisteredAt: start, DrainAt: start, DrainBy: start.Add(time.Minute)}
	w.put(old)
	x := []elb.TargetDescription{target("10.0.0.1", 0)}
	if got := w.health(g, x...); !slices.Equal(got, []string{"10.0.0.1:8080 draining Target.DeregistrationInProgress"}) {
		t.Errorf("the task's: %q", got)
	}
	must(w.RegisterTargets(t.Context(), &client.RegisterTargetsInput{TargetGroupArn: &g, Targets: x}))(t)
	if got := w.health(g, x...); !slices.Equal(got, []string{"10.0.0.1:8080 initial Elb.RegistrationInProgress"}) {
		t.Errorf("registered beside it: %q", got)
	}
	if kept, ok := w.store.View().Target(old.Path()); !ok || !kept.Draining() {
		t.Error("the task's target was changed")
	}
	young := &model.Target{Group: g, ID: "10.0.0.2", Port: 8080, Address: "10.0.0.2", Task: "arn:x/young", RegisteredAt: start}
	w.put(young)
	must(w.DeregisterTargets(t.Context(), &client.DeregisterTargetsInput{TargetGroupArn: &g, Targets: []elb.TargetDescription{target("10.0.0.2", 0)}}))(t)
	if kept, _ := w.store.View().Target(young.Path()); !kept.Draining() || kept.Task != young.Task {
		t.Errorf("the task's target, deregistered by hand: %+v", kept)
	}
}

// TestInstanceTargets registers machines by all of their names.
func TestInstanceTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	const id = "0123456789abcdef0123456789abcdef"
	w.put(&model.Machine{ID: id, Host: "node-1", Address: "10.1.0.1"}, &model.Machine{ID: "m2", Host: "twin", Address: "10.1.0.2"}, &model.Machine{ID: "m3", Host: "twin"})
	g := *must(w.CreateTargetGroup(t.Context(), &client.CreateTargetGroupInput{Name: aws.String("g"), Protocol: "HTTP", Port: aws.Int32(80), VpcId: aws.String(w.vpc())}))(t).TargetGroups[0].TargetGroupArn
	must(w.RegisterTargets(t.Context(), &client.RegisterTargetsInput{TargetGroupArn: &g, Targets: []elb.TargetDescription{
		target("i-0123456789abcdef0", 1), target(id, 2), target("node-1", 3), target("m2", 4),
	}}))(t)
	want := []string{"i-0123456789abcdef0:1", "i-0123456789abcdef0:2", "i-0123456789abcdef0:3", arn.InstanceID("m2") + ":4"}
	var got, addresses []string
	for x := range w.store.View().Targets(g) {
		got = append(got, fmt.Sprintf("%s:%d", x.ID, x.Port))
		addresses = append(addresses, x.Address)
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" || !slices.Contains(addresses, "10.1.0.1") || !slices.Contains(addresses, "10.1.0.2") {
		t.Errorf("targets at %v (-want +got):\n%s", addresses, diff)
	}
	for _, bad := range []string{"twin", "m3", "i-ffffffffffffffff0", "x", "10.0.0.1"} {
		wantError(t, failure(w.RegisterTargets(t.Context(), &client.RegisterTargetsInput{TargetGroupArn: &g, Targets: []elb.TargetDescription{target(bad, 0)}})), "InvalidTarget")
	}
	if got := w.health(g, target("i-ffffffffffffffff0", 0)); !slices.Equal(got, []string{"i-ffffffffffffffff0:80 unused Target.NotRegistered"}) {
		t.Errorf("one that is not there: %v", got)
	}
	wantError(t, failure(w.DescribeTargetHealth(t.Context(), &client.DescribeTargetHealthInput{TargetGroupArn: &g, Targets: []elb.TargetDescription{target("x", 0)}})), "InvalidTarget")
}

// TestManyTargets registers more targets than fit into one transaction, up to the limit.
func TestManyTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	g := w.group("g", "HTTP")
	var all []elb.TargetDescription
	for i := range 1000 {
		all = append(all, target(fmt.Sprintf("10.0.%d.%d", i/250, i%250), 0))
	}
	rev := w.store.View().Revision()
	bad := append(slices.Clone(all[:300]), target("8.8.8.8", 0))
	wantError(t, failure(w.RegisterTargets(t.Context(), &client.RegisterTargetsInput{TargetGroupArn: &g, Targets: bad})), "InvalidTarget", "8.8.8.8")
	more := append(slices.Clone(all), target("10.9.9.9", 0))
	wantError(t, failure(w.RegisterTargets(t.Context(), &client.RegisterTargetsInput{TargetGroupArn: &g, Targets: more})), "TooManyTargets")
	if w.store.View().Revision() != rev {
		t.Error("a bad request has changed something")
	}
	must(w.RegisterTargets(t.Context(), &client.RegisterTargetsInput{TargetGroupArn: &g, Targets: all}))(t)
	if n := w.store.View().Count(model.KindTarget); n != len(all) {
		t.Errorf("%d targets are registered", n)
	}
	must(w.DeregisterTargets(t.Context(), &client.DeregisterTargetsInput{TargetGroupArn: &g, Targets: all[:500]}))(t)
	draining := 0
	for x := range w.store.View().Targets(g) {
		if x.Draining() {
			draining++
		}
	}
	if draining != 500 {
		t.Errorf("%d targets are being deregistered", draining)
	}
	must(w.DeleteTargetGroup(t.Context(), &client.DeleteTargetGroupInput{TargetGroupArn: &g}))(t)
	if n := w.store.View().Count(model.KindTarget); n != 0 {
		t.Errorf("%d targets are left", n)
	}
}

func TestAccount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	limits := must(w.DescribeAccountLimits(t.Context(), &client.DescribeAccountLimitsInput{PageSize: aws.Int32(3)}))(t)
	if len(limits.Limits) != 3 || limits.NextMarker == nil || *limits.Limits[0].Name != "application-load-balancers" || *limits.Limits[0].Max != "50" {
		t.Errorf("limits = %+v", limits)
	}
	policies := must(w.DescribeSSLPolicies(t.Context(), &client.DescribeSSLPoliciesInput{Names: []string{"ELBSecurityPolicy-TLS13-1-2-Res-2021-06"}}))(t).SslPolicies
	if len(policies) != 1 || !slices.Equal(policies[0].SslProtocols, []string{"TLSv1.3", "TLSv1.2"}) || len(policies[0].Ciphers) != 7 || *policies[0].Ciphers[3].Name != "ECDHE-ECDSA-AES128-GCM-SHA256" {
		t.Errorf("policy = %+v", policies)
	}
	if all := must(w.DescribeSSLPolicies(t.Context(), &client.DescribeSSLPoliciesInput{}))(t).SslPolicies; len(all) != len(model.SSLPolicies()) {
		t.Errorf("there are %d policies", len(all))
	}
	wantError(t, failure(w.DescribeSSLPolicies(t.Context(), &client.DescribeSSLPoliciesInput{Names: []string{"x"}})), "SSLPolicyNotFound", "SSL policy 'x' not found")
}
