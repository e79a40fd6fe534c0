package elbv2_test

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/api/elbv2"
	"github.com/maitred/maitred/internal/model"
)

// TestEveryOperationIsKnown compares the table with the SDK's client.
func TestEveryOperationIsKnown(t *testing.T) {
	t.Parallel()
	apitest.WantTable(t, elbv2.New(elbv2.Deps{}).Service(), reflect.TypeFor[*client.Client](), "InvalidAction")
}

// TestClassicIsRefused checks that the Version tells the two APIs apart.
func TestClassicIsRefused(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	answer, err := http.PostForm(w.url, url.Values{"Action": {"DescribeLoadBalancers"}, "Version": {"2012-06-01"}}) //nolint:noctx // a test's own server
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	body, _ := io.ReadAll(answer.Body)
	if answer.StatusCode != http.StatusBadRequest || !strings.Contains(string(body), "<Code>InvalidAction</Code>") || !strings.Contains(string(body), "Classic Load Balancers") {
		t.Errorf("got %d %s, want a clear refusal", answer.StatusCode, body)
	}
	wantError(t, failure(w.DescribeCapacityReservation(t.Context(), &client.DescribeCapacityReservationInput{LoadBalancerArn: aws.String("x")})),
		"InvalidAction", "DescribeCapacityReservation is not supported")
}

func TestLoadBalancer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	subnets := w.subnets()
	in := &client.CreateLoadBalancerInput{Name: aws.String("web"), Subnets: subnets[:2], Tags: []elb.Tag{tag("a", "b")}}
	made := must(w.CreateLoadBalancer(t.Context(), in))(t).LoadBalancers[0]
	var group string
	for g := range w.store.View().SecurityGroups(region) {
		group = g.ID
	}
	want := elb.LoadBalancer{
		LoadBalancerArn: made.LoadBalancerArn, LoadBalancerName: aws.String("web"), DNSName: aws.String("127.0.0.1"), CanonicalHostedZoneId: aws.String("ZMAITRED000000"),
		CreatedTime: aws.Time(start), Scheme: elb.LoadBalancerSchemeEnumInternetFacing, VpcId: aws.String(w.vpc()), Type: elb.LoadBalancerTypeEnumApplication,
		State: &elb.LoadBalancerState{Code: elb.LoadBalancerStateEnumActive}, SecurityGroups: []string{group}, IpAddressType: elb.IpAddressTypeIpv4,
		AvailabilityZones: []elb.AvailabilityZone{
			{SubnetId: &subnets[0], ZoneName: aws.String("eu-west-1a"), LoadBalancerAddresses: []elb.LoadBalancerAddress{}},
			{SubnetId: &subnets[1], ZoneName: aws.String("eu-west-1b"), LoadBalancerAddresses: []elb.LoadBalancerAddress{}},
		},
	}
	if diff := cmp.Diff(want, made, ignore); diff != "" {
		t.Errorf("made (-want +got):\n%s", diff)
	}
	id := *made.LoadBalancerArn
	if !strings.HasPrefix(id, prefix+"loadbalancer/app/web/") {
		t.Errorf("ARN = %s", id)
	}
	again := must(w.CreateLoadBalancer(t.Context(), in))(t).LoadBalancers[0]
	if diff := cmp.Diff(made, again, ignore); diff != "" {
		t.Errorf("the same once more (-want +got):\n%s", diff)
	}
	in.Subnets = subnets
	wantError(t, failure(w.CreateLoadBalancer(t.Context(), in)), "DuplicateLoadBalancerName", "A load balancer with the same name 'web' exists, but with different settings")
	out := must(w.SetSubnets(t.Context(), &client.SetSubnetsInput{LoadBalancerArn: &id, SubnetMappings: []elb.SubnetMapping{{SubnetId: &subnets[1]}, {SubnetId: &subnets[2]}}}))(t)
	if len(out.AvailabilityZones) != 2 || *out.AvailabilityZones[1].ZoneName != "eu-west-1c" {
		t.Errorf("zones = %+v", out.AvailabilityZones)
	}
	groups := must(w.SetSecurityGroups(t.Context(), &client.SetSecurityGroupsInput{LoadBalancerArn: &id, SecurityGroups: []string{group}}))(t)
	if !slices.Equal(groups.SecurityGroupIds, []string{group}) {
		t.Errorf("security groups = %v", groups.SecurityGroupIds)
	}
	must(w.SetIpAddressType(t.Context(), &client.SetIpAddressTypeInput{LoadBalancerArn: &id, IpAddressType: elb.IpAddressTypeIpv4}))(t)
	byName := must(w.DescribeLoadBalancers(t.Context(), &client.DescribeLoadBalancersInput{Names: []string{"web"}}))(t)
	if len(byName.LoadBalancers) != 1 || *byName.LoadBalancers[0].LoadBalancerArn != id {
		t.Errorf("by name: %+v", byName.LoadBalancers)
	}
	if b, _ := w.store.View().LoadBalancer(id); b.Cause.Subject != "SetSecurityGroups" || b.Cause.Kind != model.CauseAPI || b.Cause.ID == "" {
		t.Errorf("cause = %+v", b.Cause)
	}
}

// ignore leaves out what every struct of the SDK carries and nobody compares.
var ignore = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore())

// TestWaiters runs those of the SDK, which read states and errors.
func TestWaiters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.balancer("web", "")
	named := &client.DescribeLoadBalancersInput{LoadBalancerArns: []string{id}}
	if err := client.NewLoadBalancerAvailableWaiter(w.Client).Wait(t.Context(), named, time.Minute); err != nil {
		t.Error(err)
	}
	if err := client.NewLoadBalancerExistsWaiter(w.Client).Wait(t.Context(), named, time.Minute); err != nil {
		t.Error(err)
	}
	g := w.group("web", "HTTP")
	w.listener(id, "HTTP", 80, g)
	must(w.RegisterTargets(t.Context(), &client.RegisterTargetsInput{TargetGroupArn: &g, Targets: []elb.TargetDescription{target("10.0.0.1", 0)}}))(t)
	w.sees("b1", model.TargetHealthy, "")
	health := &client.DescribeTargetHealthInput{TargetGroupArn: &g}
	if err := client.NewTargetInServiceWaiter(w.Client).Wait(t.Context(), health, time.Minute); err != nil {
		t.Error(err)
	}
	health.Targets = []elb.TargetDescription{target("10.0.0.2", 0)}
	if err := client.NewTargetDeregisteredWaiter(w.Client).Wait(t.Context(), health, time.Minute); err != nil {
		t.Error(err)
	}
	must(w.DeleteLoadBalancer(t.Context(), &client.DeleteLoadBalancerInput{LoadBalancerArn: &id}))(t)
	if err := client.NewLoadBalancersDeletedWaiter(w.Client).Wait(t.Context(), named, time.Minute); err != nil {
		t.Error(err)
	}
}

// sees lets a balancer see all targets in a state.
func (w *world) sees(balancer string, state model.TargetState, reason string) {
	w.t.Helper()
	w.put(&model.Balancer{ID: balancer, Connected: true, Host: balancer})
	for x := range w.store.View().Targets("") {
		w.put(&model.TargetHealth{Balancer: balancer, Target: x.Path(), State: state, Reason: reason, Since: w.now()})
	}
}

// TestAddresses checks which address a load balancer has.
func TestAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	address := func(id string) string {
		b, _ := w.store.View().LoadBalancer(id)
		return b.Address
	}
	one, two := w.balancer("one", ""), w.balancer("two", "network")
	three := w.balancer("three", "", tag("maitred:address", "127.0.0.3"))
	if a, b, c := address(one), address(two), address(three); a != "127.0.0.1" || b != "127.0.1.1" || c != "127.0.0.3" {
		t.Errorf("addresses = %s, %s, %s", a, b, c)
	}
	must(w.DeleteLoadBalancer(t.Context(), &client.DeleteLoadBalancerInput{LoadBalancerArn: &one}))(t)
	if four := address(w.balancer("four", "")); four != "127.0.0.1" {
		t.Errorf("the address that became free is not given away, but %s", four)
	}
	move := func(id, to string) error {
		return failure(w.AddTags(t.Context(), &client.AddTagsInput{ResourceArns: []string{id}, Tags: []elb.Tag{tag("maitred:address", to)}}))
	}
	if err := move(two, "127.0.0.3"); err != nil || address(two) != "127.0.0.3" {
		t.Errorf("moved by a tag: %s, %v", address(two), err)
	}
	wantError(t, move(two, "10.0.0.1"), "ValidationError", "should be an address from 127.0.0.1 to 127.255.255.254")
	must(w.RemoveTags(t.Context(), &client.RemoveTagsInput{ResourceArns: []string{two}, TagKeys: []string{"maitred:address"}}))(t)
	if address(two) != "127.0.0.3" {
		t.Errorf("without the tag it moved to %s", address(two))
	}
}

func TestConfiguredAddresses(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "192.0.2.1")
	for _, name := range []string{"one", "two"} { // the second shares the address
		id := w.balancer(name, "")
		if b, _ := w.store.View().LoadBalancer(id); b.Address != "192.0.2.1" {
			t.Errorf("the address of %s is %s", name, b.Address)
		}
	}
	in := &client.CreateLoadBalancerInput{Name: aws.String("three"), Subnets: w.subnets(), Tags: []elb.Tag{tag("maitred:address", "192.0.2.2")}}
	wantError(t, failure(w.CreateLoadBalancer(t.Context(), in)), "ValidationError", "or one of those that are configured: 192.0.2.1")
}

// TestPortTaken checks that two load balancers do not listen at one port of one address, whatever their regions are.
func TestPortTaken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := tag("maitred:address", "127.0.0.9")
	one, two := w.balancer("one", "network", at), w.balancer("two", "network", at)
	tcp, udp, both := w.group("tcp", "TCP"), w.group("udp", "UDP"), w.group("both", "TCP_UDP")
	w.listener(one, "TCP", 53, tcp)
	w.listener(two, "UDP", 53, udp) // TCP and UDP do not get into each other's way
	create := func(balancer string, protocol elb.ProtocolEnum, port int32, group string) error {
		return failure(w.CreateListener(t.Context(), &client.CreateListenerInput{LoadBalancerArn: &balancer, Protocol: protocol, Port: &port, DefaultActions: forward(group)}))
	}
	three := w.balancer("three", "network", at)
	for _, protocol := range []elb.ProtocolEnum{"TCP", "UDP", "TCP_UDP"} {
		g := map[elb.ProtocolEnum]string{"TCP": w.group("tcp3", "TCP"), "UDP": w.group("udp3", "UDP"), "TCP_UDP": both}[protocol]
		other := map[elb.ProtocolEnum]string{"TCP": "'one'", "UDP": "'two'", "TCP_UDP": "in eu-west-1"}[protocol]
		wantError(t, create(three, protocol, 53, g), "InvalidConfigurationRequest", "Port 53 at the address 127.0.0.9 is already taken", other, "maitred:address=127.0.0.2")
	}
	elsewhere := w.in("us-east-1")
	must(elsewhere.DescribeAccountLimits(t.Context(), &client.DescribeAccountLimitsInput{}))(t)
	var subnets []string
	for s := range w.store.View().Subnets("us-east-1") {
		subnets = append(subnets, s.ID)
	}
	far := must(elsewhere.CreateLoadBalancer(t.Context(), &client.CreateLoadBalancerInput{Name: aws.String("one"), Subnets: subnets, Tags: []elb.Tag{at}}))(t)
	in := &client.CreateListenerInput{LoadBalancerArn: far.LoadBalancers[0].LoadBalancerArn, Protocol: "HTTP", Port: aws.Int32(53), DefaultActions: fixed("200")}
	wantError(t, failure(elsewhere.CreateListener(t.Context(), in)), "InvalidConfigurationRequest", "load balancer 'one' in eu-west-1")
	moved := w.listener(three, "TCP", 54, w.group("tcp4", "TCP"))
	wantError(t, failure(w.ModifyListener(t.Context(), &client.ModifyListenerInput{ListenerArn: &moved, Port: aws.Int32(53)})), "InvalidConfigurationRequest", "'one'")
	four := w.balancer("four", "network", tag("maitred:address", "127.0.0.10"))
	w.listener(four, "TCP", 53, w.group("tcp5", "TCP"))
	wantError(t, failure(w.AddTags(t.Context(), &client.AddTagsInput{ResourceArns: []string{four}, Tags: []elb.Tag{at}})), "InvalidConfigurationRequest", "'one'")
	wantError(t, create(one, "UDP", 53, w.group("udp5", "UDP")), "DuplicateListener", "A listener already exists on this port for this load balancer '"+one+"'")
}

// TestRaces lets many calls want the same at once: one gets it.
func TestRaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	at := tag("maitred:address", "127.0.0.9")
	const n = 6
	var balancers, groups []string
	for i := range n {
		balancers = append(balancers, w.balancer(fmt.Sprint("b", i), "", at))
		groups = append(groups, w.group(fmt.Sprint("g", i), "HTTP"))
	}
	shared := w.group("shared", "HTTP")
	race := func(what string, want int, do func(i int) error) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		done := 0
		for i := range n {
			wg.Go(func() {
				if do(i) == nil {
					mu.Lock()
					done++
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		if done != want {
			t.Errorf("%s: %d calls succeeded, want %d", what, done, want)
		}
	}
	ctx := t.Context()
	race("a port of an address", 1, func(i int) error {
		return failure(w.CreateListener(ctx, &client.CreateListenerInput{LoadBalancerArn: &balancers[i], Protocol: "HTTP", Port: aws.Int32(80), DefaultActions: forward(groups[i])}))
	})
	race("a target group", 1, func(i int) error {
		return failure(w.CreateListener(ctx, &client.CreateListenerInput{LoadBalancerArn: &balancers[i], Protocol: "HTTP", Port: aws.Int32(int32(1000 + i)), DefaultActions: forward(shared)}))
	})
	race("a name", 1, func(i int) error {
		return failure(w.CreateTargetGroup(ctx, &client.CreateTargetGroupInput{Name: aws.String("same"), Protocol: "HTTP", Port: aws.Int32(int32(1 + i)), VpcId: aws.String(w.vpc())}))
	})
	var listener string
	for l := range w.store.View().Listeners("") {
		listener = l.ARN
	}
	race("a priority", 1, func(i int) error {
		return failure(w.CreateRule(ctx, &client.CreateRuleInput{ListenerArn: &listener, Priority: aws.Int32(7), Actions: fixed("200"), Conditions: path(fmt.Sprintf("/%d", i))}))
	})
	race("addresses", n, func(i int) error {
		return failure(w.CreateLoadBalancer(ctx, &client.CreateLoadBalancerInput{Name: aws.String(fmt.Sprint("free", i)), Subnets: w.subnets()}))
	})
	taken := map[string]bool{}
	for b := range w.store.View().LoadBalancers() {
		if strings.HasPrefix(b.Name, "free") {
			taken[b.Address] = true
		}
	}
	if len(taken) != n {
		t.Errorf("%d load balancers have the addresses %v", n, taken)
	}
	// A rule to a group that is deleted at the same moment: either there is no rule, or the group is there.
	lb := arnOfBalancer(w, listener)
	for i := range 10 {
		g := w.group(fmt.Sprint("gone", i), "HTTP")
		var wg sync.WaitGroup
		wg.Go(func() {
			_, _ = w.CreateRule(ctx, &client.CreateRuleInput{ListenerArn: &listener, Priority: aws.Int32(int32(100 + i)), Actions: forward(g), Conditions: path("/")})
		})
		wg.Go(func() { _, _ = w.DeleteTargetGroup(ctx, &client.DeleteTargetGroupInput{TargetGroupArn: &g}) })
		wg.Wait()
		led := false
		for r := range w.store.View().Rules(listener) {
			led = led || r.Actions[0].Forward != nil && r.Actions[0].Forward.Groups[0].Group == g
		}
		if _, ok := w.store.View().TargetGroup(g); ok != led {
			t.Errorf("the group exists: %v, a rule leads to it: %v", ok, led)
		}
	}
	// A listener to a load balancer that is deleted at the same moment.
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = w.DeleteLoadBalancer(ctx, &client.DeleteLoadBalancerInput{LoadBalancerArn: &lb}) })
	for i := range n {
		wg.Go(func() {
			_, _ = w.CreateListener(ctx, &client.CreateListenerInput{LoadBalancerArn: &lb, Protocol: "HTTP", Port: aws.Int32(int32(2000 + i)), DefaultActions: fixed("200")})
		})
		wg.Go(func() {
			_, _ = w.CreateRule(ctx, &client.CreateRuleInput{ListenerArn: &listener, Priority: aws.Int32(int32(200 + i)), Actions: fixed("200"), Conditions: path("/")})
		})
	}
	wg.Wait()
	for l := range w.store.View().Listeners("") {
		if _, ok := w.store.View().LoadBalancer(l.LoadBalancer); !ok {
			t.Errorf("the listener %s has no load balancer", l.ARN)
		}
	}
	for r := range w.store.View().Rules("") {
		if _, ok := w.store.View().Listener(arnOfBalancer(w, r.Listener), r.Listener); !ok {
			t.Errorf("the rule %s has no listener", r.ARN)
		}
	}
}

func arnOfBalancer(w *world, listener string) string {
	for b := range w.store.View().LoadBalancers() {
		if _, ok := w.store.View().Listener(b.ARN, listener); ok {
			return b.ARN
		}
	}
	return ""
}

func TestState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.balancer("web", "")
	l := w.listener(id, "HTTP", 80, w.group("web", "HTTP"))
	state := func() elb.LoadBalancerState {
		return *must(w.DescribeLoadBalancers(t.Context(), &client.DescribeLoadBalancersInput{}))(t).LoadBalancers[0].State
	}
	b := &model.Balancer{ID: "b1", Host: "node-1", Connected: true, Failed: map[string]string{l: "bind: permission denied"}}
	w.put(b)
	if s := state(); s.Code != elb.LoadBalancerStateEnumActiveImpaired || *s.Reason != "the listener at 127.0.0.1 port 80 is not served by the balancer on node-1: bind: permission denied" {
		t.Errorf("state = %s, %s", s.Code, aws.ToString(s.Reason))
	}
	gone := *b
	gone.Connected = false
	w.put(&gone)
	if s := state(); s.Code != elb.LoadBalancerStateEnumActive || s.Reason != nil {
		t.Errorf("state = %s, %s", s.Code, aws.ToString(s.Reason))
	}
}

// TestDeleteLoadBalancer deletes one with more listeners and rules than fit into one transaction.
func TestDeleteLoadBalancer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.balancer("web", "")
	g := w.group("web", "HTTP")
	var listeners []string
	for port := range int32(50) {
		listeners = append(listeners, w.listener(id, "HTTP", 1000+port, g))
	}
	for i := range int32(100) {
		w.rule(listeners[i%3], 1+i, g)
	}
	wantError(t, failure(w.CreateListener(t.Context(), &client.CreateListenerInput{LoadBalancerArn: &id, Protocol: "HTTP", Port: aws.Int32(1), DefaultActions: forward(g)})), "TooManyListeners")
	wantError(t, failure(w.CreateRule(t.Context(), &client.CreateRuleInput{ListenerArn: &listeners[0], Priority: aws.Int32(999), Actions: forward(g), Conditions: path("/")})), "TooManyRules")
	protect := func(value string) {
		must(w.ModifyLoadBalancerAttributes(t.Context(), &client.ModifyLoadBalancerAttributesInput{
			LoadBalancerArn: &id, Attributes: []elb.LoadBalancerAttribute{{Key: aws.String("deletion_protection.enabled"), Value: &value}},
		}))(t)
	}
	protect("true")
	in := &client.DeleteLoadBalancerInput{LoadBalancerArn: &id}
	wantError(t, failure(w.DeleteLoadBalancer(t.Context(), in)), "OperationNotPermitted", "Load balancer '"+id+"' cannot be deleted because deletion protection is enabled")
	protect("false")
	must(w.DeleteLoadBalancer(t.Context(), in))(t)
	v := w.store.View()
	if n := v.Count(model.KindListener) + v.Count(model.KindRule) + v.Count(model.KindLoadBalancer); n != 0 {
		t.Errorf("%d records are left", n)
	}
	must(w.DeleteLoadBalancer(t.Context(), in))(t) // once more
	must(w.DeleteTargetGroup(t.Context(), &client.DeleteTargetGroupInput{TargetGroupArn: &g}))(t)
	must(w.DeleteTargetGroup(t.Context(), &client.DeleteTargetGroupInput{TargetGroupArn: &g}))(t)
}

// TestPages reads lists in pages of two, while something is deleted.
func TestPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 5 {
		w.balancer(fmt.Sprint("b", i), "")
		w.group(fmt.Sprint("g", i), "HTTP")
	}
	var names []string
	for p := client.NewDescribeLoadBalancersPaginator(w.Client, &client.DescribeLoadBalancersInput{PageSize: aws.Int32(2)}); p.HasMorePages(); {
		for _, b := range must(p.NextPage(t.Context()))(t).LoadBalancers {
			names = append(names, *b.LoadBalancerName)
			must(w.DeleteLoadBalancer(t.Context(), &client.DeleteLoadBalancerInput{LoadBalancerArn: b.LoadBalancerArn}))(t)
		}
	}
	for p := client.NewDescribeTargetGroupsPaginator(w.Client, &client.DescribeTargetGroupsInput{PageSize: aws.Int32(2)}); p.HasMorePages(); {
		for _, g := range must(p.NextPage(t.Context()))(t).TargetGroups {
			names = append(names, *g.TargetGroupName)
		}
	}
	if want := strings.Fields("b0 b1 b2 b3 b4 g0 g1 g2 g3 g4"); !slices.Equal(names, want) {
		t.Errorf("got %v, want %v", names, want)
	}
	first := must(w.DescribeTargetGroups(t.Context(), &client.DescribeTargetGroupsInput{PageSize: aws.Int32(2)}))(t)
	wantError(t, failure(w.DescribeTargetGroups(t.Context(), &client.DescribeTargetGroupsInput{Marker: first.NextMarker, Names: []string{"g0"}})), "ValidationError", "with the same filters")
}
