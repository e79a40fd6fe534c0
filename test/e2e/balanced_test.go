package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/testneeds"
)

// balanced is a service of plain processes behind a load balancer of its own.
type balanced struct {
	t        *testing.T
	c        *ecs.Client
	elb      *elb.Client
	now      atomic.Pointer[elb.Client] // for other goroutines; it tries nothing twice
	address  string                     // of the listener
	balancer string                     // ARNs
	group    string
	version  int    // of the newest task definition
	sick     string // while there is such a file, no task is well
}

// drainDelay is the longest that a task which leaves waits for what is in flight. Only connections of a network
// load balancer take it: they last as long as clients want.
const drainDelay = 5 * time.Second

// newBalanced makes a load balancer (application or network) that leads to n tasks, and waits until all get requests. listen
// completes the listener, which forwards to the tasks.
func newBalanced(t *testing.T, api string, kind elbtypes.LoadBalancerTypeEnum, n int32, listen func(*elb.CreateListenerInput)) *balanced {
	t.Helper()
	b := &balanced{t: t, sick: filepath.Join(t.TempDir(), "sick")}
	b.connect(api)
	protocol := elbtypes.ProtocolEnumHttp
	if kind == elbtypes.LoadBalancerTypeEnumNetwork {
		protocol = elbtypes.ProtocolEnumTcp
	}
	vpc, subnets := places(t, api)
	made, err := b.elb.CreateLoadBalancer(t.Context(), &elb.CreateLoadBalancerInput{Name: aws.String("front"), Type: kind, Subnets: subnets})
	b.must(err)
	b.balancer = *made.LoadBalancers[0].LoadBalancerArn
	group, err := b.elb.CreateTargetGroup(t.Context(), &elb.CreateTargetGroupInput{
		Name: aws.String("tasks"), Protocol: protocol, Port: aws.Int32(8080), VpcId: &vpc, TargetType: elbtypes.TargetTypeEnumInstance,
		HealthCheckProtocol: elbtypes.ProtocolEnumHttp, HealthCheckPath: aws.String("/healthz"), HealthCheckIntervalSeconds: aws.Int32(5),
		HealthCheckTimeoutSeconds: aws.Int32(2), HealthyThresholdCount: aws.Int32(2), UnhealthyThresholdCount: aws.Int32(2),
	})
	b.must(err)
	b.group = *group.TargetGroups[0].TargetGroupArn
	b.delay(drainDelay)
	port := testneeds.Port(t)
	in := &elb.CreateListenerInput{
		LoadBalancerArn: &b.balancer, Port: aws.Int32(int32(port)), Protocol: protocol, //nolint:gosec // a port
		DefaultActions: []elbtypes.Action{{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &b.group}},
	}
	if listen != nil {
		listen(in)
	}
	_, err = b.elb.CreateListener(t.Context(), in)
	b.must(err)
	b.address = *made.LoadBalancers[0].DNSName + ":" + strconv.Itoa(port)
	b.define()
	_, err = b.c.CreateService(t.Context(), &ecs.CreateServiceInput{
		ServiceName: aws.String(worker), TaskDefinition: aws.String("web"), DesiredCount: &n,
		LoadBalancers: []types.LoadBalancer{{TargetGroupArn: &b.group, ContainerName: aws.String("app"), ContainerPort: aws.Int32(8080)}},
	})
	b.must(err)
	b.settled(int(n))
	return b
}

// delay sets the deregistration delay.
func (b *balanced) delay(d time.Duration) {
	b.t.Helper()
	_, err := b.elb.ModifyTargetGroupAttributes(b.t.Context(), &elb.ModifyTargetGroupAttributesInput{
		TargetGroupArn: &b.group,
		Attributes: []elbtypes.TargetGroupAttribute{
			{Key: aws.String("deregistration_delay.timeout_seconds"), Value: aws.String(strconv.Itoa(int(d.Seconds())))},
		},
	})
	b.must(err)
}

// places asks for the default VPC and the subnets of load balancers, without an SDK: this is the only question to EC2 here.
func places(t *testing.T, api string) (vpc string, subnets []string) {
	t.Helper()
	answer, err := http.PostForm(api, url.Values{"Action": {"DescribeSubnets"}, "Version": {"2016-11-15"}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`<(subnetId|vpcId)>([^<]+)<`).FindAllSubmatch(text, -1)
	for _, f := range found {
		if id := string(f[2]); string(f[1]) == "vpcId" {
			vpc = id
		} else {
			subnets = append(subnets, id)
		}
	}
	if vpc == "" || len(subnets) < 2 {
		t.Fatalf("DescribeSubnets tells no two subnets: %s", text)
	}
	return vpc, subnets[:2]
}

// connect talks to a server, which may be another one than before.
func (b *balanced) connect(api string) {
	b.c = client(api)
	options := elb.Options{Region: "us-east-1", BaseEndpoint: aws.String(api), Credentials: aws.CredentialsProviderFunc(
		func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "maitred", SecretAccessKey: "maitred"}, nil
		})}
	b.elb = elb.New(options)
	options.Retryer = aws.NopRetryer{}
	b.now.Store(elb.New(options))
}

// server is the present one, for goroutines other than the test's.
func (b *balanced) server() *elb.Client { return b.now.Load() }

func (b *balanced) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// define registers the next version of the task definition.
func (b *balanced) define() string {
	b.t.Helper()
	b.version++
	return define(b.t, b.c, "web", types.ContainerDefinition{
		Image: aws.String(filepath.Join(built.dir, "guest")), Command: []string{"web"},
		PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(8080)}},
		Environment: []types.KeyValuePair{
			{Name: aws.String("ADDRESS"), Value: aws.String("127.0.0.1")},
			{Name: aws.String("VERSION"), Value: aws.String(strconv.Itoa(b.version))},
			{Name: aws.String("SICK"), Value: &b.sick},
		},
	})
}

// update begins a rolling update to a new version.
func (b *balanced) update() {
	b.t.Helper()
	_, err := b.c.UpdateService(b.t.Context(), &ecs.UpdateServiceInput{Service: aws.String(worker), TaskDefinition: aws.String(b.define())})
	b.must(err)
}

// scale changes the number of tasks and waits until it is so.
func (b *balanced) scale(n int) {
	b.t.Helper()
	_, err := b.c.UpdateService(b.t.Context(), &ecs.UpdateServiceInput{Service: aws.String(worker), DesiredCount: aws.Int32(int32(n))}) //nolint:gosec // few
	b.must(err)
	b.settled(n)
}

// health is how many targets are in which state.
func (b *balanced) health() map[string]int {
	b.t.Helper()
	out, err := b.elb.DescribeTargetHealth(b.t.Context(), &elb.DescribeTargetHealthInput{TargetGroupArn: &b.group})
	b.must(err)
	states := map[string]int{}
	for _, d := range out.TargetHealthDescriptions {
		states[string(d.TargetHealth.State)]++
	}
	return states
}

// settled waits until the deployment is complete, n tasks run, and they and no others are targets, all of them healthy.
func (b *balanced) settled(n int) {
	b.t.Helper()
	want := map[string]int{"healthy": n}
	eventually(b.t, fmt.Sprintf("%d tasks run and are targets", n), func() bool {
		out, err := b.c.DescribeServices(b.t.Context(), &ecs.DescribeServicesInput{Services: []string{worker}})
		b.must(err)
		s := out.Services[0]
		return s.RunningCount == int32(n) && s.PendingCount == 0 && len(s.Deployments) == 1 && //nolint:gosec // few
			s.Deployments[0].RolloutState == types.DeploymentRolloutStateCompleted && cmp.Equal(b.health(), want)
	})
}

// stopOne stops a task and waits until another one has its place.
func (b *balanced) stopOne(n int) {
	b.t.Helper()
	task := listed(b.t, b.c, worker)[0]
	_, err := b.c.StopTask(b.t.Context(), &ecs.StopTaskInput{Task: &task})
	b.must(err)
	eventually(b.t, "the stopped task is over", func() bool {
		return aws.ToString(describe(b.t, b.c, []string{task})[0].LastStatus) == "STOPPED"
	})
	b.settled(n)
}
