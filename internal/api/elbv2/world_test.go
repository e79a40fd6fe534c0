package elbv2_test

import (
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/smithy-go"

	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/api/elbv2"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const (
	region  = "eu-west-1"
	account = "123456789012"
	prefix  = "arn:aws:elasticloadbalancing:" + region + ":" + account + ":"
)

// start is when every world begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)

// world is the API over a store in memory, with the real client before it.
type world struct {
	*client.Client
	t     *testing.T
	store *store.Store
	url   string

	clock *apitest.Clock
}

func newWorld(t *testing.T, addresses ...string) *world {
	t.Helper()
	w := &world{t: t, store: apitest.Store(t), clock: apitest.NewClock(start)}
	w.url = apitest.Serve(t, wire.Config{Region: region}, elbv2.New(elbv2.Deps{
		Deps:      usecase.Deps{Store: w.store, Account: account, Now: w.clock.Now, IDs: apitest.IDs()},
		Addresses: addresses,
	}).Service(), elbv2.Classic())
	w.Client = w.in(region)
	return w
}

// in is a client for a region. It sends what it is told to, without checking it first, and once.
func (w *world) in(region string) *client.Client {
	return client.NewFromConfig(apitest.Config(w.url, region))
}

func (w *world) now() time.Time { return w.clock.Now() }

// put writes records into the store, as agents and balancers would.
func (w *world) put(records ...model.Record) {
	w.t.Helper()
	apitest.Put(w.t, w.store, records...)
}

// subnets are the ids of the default subnets, by zone.
func (w *world) subnets() (ids []string) {
	w.t.Helper()
	must(w.DescribeAccountLimits(w.t.Context(), &client.DescribeAccountLimitsInput{}))(w.t) // makes the region
	for _, zone := range []string{"a", "b", "c"} {
		for s := range w.store.View().Subnets(region) {
			if s.Zone == region+zone {
				ids = append(ids, s.ID)
			}
		}
	}
	return ids
}

func (w *world) vpc() string {
	w.t.Helper()
	w.subnets()
	for v := range w.store.View().VPCs(region) {
		return v.ID
	}
	w.t.Fatal("there is no VPC")
	return ""
}

// balancer makes a load balancer and gives its ARN.
func (w *world) balancer(name string, kind elb.LoadBalancerTypeEnum, tags ...elb.Tag) string {
	w.t.Helper()
	out := must(w.CreateLoadBalancer(w.t.Context(), &client.CreateLoadBalancerInput{
		Name: &name, Subnets: w.subnets(), Type: kind, Tags: tags,
	}))(w.t)
	return *out.LoadBalancers[0].LoadBalancerArn
}

// group makes a target group of IP addresses and gives its ARN.
func (w *world) group(name string, protocol elb.ProtocolEnum) string {
	w.t.Helper()
	out := must(w.CreateTargetGroup(w.t.Context(), &client.CreateTargetGroupInput{
		Name: &name, Protocol: protocol, Port: aws.Int32(8080), VpcId: aws.String(w.vpc()), TargetType: elb.TargetTypeEnumIp,
	}))(w.t)
	return *out.TargetGroups[0].TargetGroupArn
}

// listener makes a listener that forwards to a group, and gives its ARN.
func (w *world) listener(balancer string, protocol elb.ProtocolEnum, port int32, group string) string {
	w.t.Helper()
	out := must(w.CreateListener(w.t.Context(), &client.CreateListenerInput{
		LoadBalancerArn: &balancer, Protocol: protocol, Port: &port, DefaultActions: forward(group),
	}))(w.t)
	return *out.Listeners[0].ListenerArn
}

// rule makes a rule for a path that forwards to a group, and gives its ARN.
func (w *world) rule(listener string, priority int32, group string) string {
	w.t.Helper()
	out := must(w.CreateRule(w.t.Context(), &client.CreateRuleInput{
		ListenerArn: &listener, Priority: &priority, Actions: forward(group), Conditions: path("/x/*"),
	}))(w.t)
	return *out.Rules[0].RuleArn
}

// certificate puts a certificate into the store.
func (w *world) certificate(id string) string {
	c := &model.Certificate{ARN: "arn:aws:acm:" + region + ":" + account + ":certificate/" + id, Region: region}
	w.put(c)
	return c.ARN
}

func forward(groups ...string) []elb.Action {
	if len(groups) == 1 {
		return []elb.Action{{Type: elb.ActionTypeEnumForward, TargetGroupArn: &groups[0]}}
	}
	config := &elb.ForwardActionConfig{}
	for i := range groups {
		config.TargetGroups = append(config.TargetGroups, elb.TargetGroupTuple{TargetGroupArn: &groups[i], Weight: aws.Int32(1)})
	}
	return []elb.Action{{Type: elb.ActionTypeEnumForward, ForwardConfig: config}}
}

func fixed(code string) []elb.Action {
	return []elb.Action{{Type: elb.ActionTypeEnumFixedResponse, FixedResponseConfig: &elb.FixedResponseActionConfig{StatusCode: &code}}}
}

func path(values ...string) []elb.RuleCondition {
	return []elb.RuleCondition{{Field: aws.String("path-pattern"), PathPatternConfig: &elb.PathPatternConditionConfig{Values: values}}}
}

func target(id string, port int32) elb.TargetDescription {
	t := elb.TargetDescription{Id: &id}
	if port != 0 {
		t.Port = &port
	}
	return t
}

func tag(key, value string) elb.Tag { return elb.Tag{Key: &key, Value: &value} }

// must fails the test if an operation has failed, and gives its answer.
func must[O any](out O, err error) func(t *testing.T) O { return apitest.Must(out, err) }

// wantError checks the code and that the message has the parts.
func wantError(t *testing.T, err error, code string, parts ...string) {
	t.Helper()
	apitest.WantError(t, err, code, parts...)
}

// failure is the error of an operation whose answer does not matter.
func failure[O any](_ O, err error) error { return err }

// sentError is an error that was read from an answer without a client.
type sentError struct{ code, message string }

func (e *sentError) Error() string                 { return e.code + ": " + e.message }
func (e *sentError) ErrorCode() string             { return e.code }
func (e *sentError) ErrorMessage() string          { return e.message }
func (e *sentError) ErrorFault() smithy.ErrorFault { return smithy.FaultClient }

// send makes a request without a client, for what no client would send.
func (w *world) send(action, parameters string) error {
	w.t.Helper()
	answer, err := http.Post(w.url, "application/x-www-form-urlencoded", strings.NewReader("Action="+action+"&Version=2015-12-01&"+parameters)) //nolint:noctx // a test's own server
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	var body struct {
		Error struct{ Code, Message string }
	}
	if err := xml.NewDecoder(answer.Body).Decode(&body); err != nil {
		w.t.Fatal(err)
	}
	return &sentError{body.Error.Code, body.Error.Message}
}
