package autoscaling_test

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	ecsclient "github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/api/autoscaling"
	"github.com/maitred/maitred/internal/api/ecs"
	"github.com/maitred/maitred/internal/api/usecase"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const (
	region  = "eu-west-1"
	account = "123456789012"
	// web is the service that is scaled.
	web       = "service/default/web"
	namespace = types.ServiceNamespaceEcs
	dimension = types.ScalableDimensionECSServiceDesiredCount
)

// start is when every world begins.
var start = time.Date(2026, 3, 1, 12, 0, 0, 250e6, time.UTC)

// world is the API, and that of ECS, over a store in memory, with the real clients before them.
type world struct {
	*client.Client
	ecs   *ecsclient.Client
	t     *testing.T
	store *store.Store
	url   string

	clock *apitest.Clock
}

// newWorld has a service web with 3 tasks, to be scaled, and a DAEMON service each.
func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, store: apitest.Store(t), clock: apitest.NewClock(start)}
	ids := apitest.IDs()
	timings, _ := model.TimingsByName("fast")
	deps := usecase.Deps{Store: w.store, Account: account, Now: w.clock.Now, IDs: ids}
	services := ecs.New(ecs.Deps{
		Deps: deps, Timings: timings, Refuse: func(*model.Machine, *model.TaskDefinition) string { return "" },
	})
	api := autoscaling.New(deps)
	w.url = apitest.Serve(t, wire.Config{Region: region}, services.Service(), api.Service())
	w.Client = w.in(region)
	w.ecs = ecsclient.NewFromConfig(apitest.Config(w.url, region))
	w.services()
	return w
}

// in is a client for a region. It sends what it is told to, without checking it first, and once.
func (w *world) in(region string) *client.Client {
	return client.NewFromConfig(apitest.Config(w.url, region))
}

func (w *world) services() {
	w.t.Helper()
	must(w.ecs.RegisterTaskDefinition(w.t.Context(), &ecsclient.RegisterTaskDefinitionInput{
		Family: aws.String("web"), ContainerDefinitions: []ecstypes.ContainerDefinition{{Name: aws.String("app"), Image: aws.String("img:1"), Memory: aws.Int32(100)}},
	}))(w.t)
	w.create("web", 3)
	must(w.ecs.CreateService(w.t.Context(), &ecsclient.CreateServiceInput{
		ServiceName: aws.String("each"), TaskDefinition: aws.String("web"), SchedulingStrategy: ecstypes.SchedulingStrategyDaemon,
	}))(w.t)
}

func (w *world) create(name string, count int32) {
	w.t.Helper()
	must(w.ecs.CreateService(w.t.Context(), &ecsclient.CreateServiceInput{
		ServiceName: &name, TaskDefinition: aws.String("web"), DesiredCount: &count,
	}))(w.t)
}

func (w *world) advance(d time.Duration) { w.clock.Advance(d) }

// put writes records into the store, as the scaler would.
func (w *world) put(records ...model.Record) {
	w.t.Helper()
	apitest.Put(w.t, w.store, records...)
}

// desired is the desired count of the service web.
func (w *world) desired() int32 {
	w.t.Helper()
	out := must(w.ecs.DescribeServices(w.t.Context(), &ecsclient.DescribeServicesInput{Services: []string{"web"}}))(w.t)
	return out.Services[0].DesiredCount
}

// declare calls UpdateService of web with a desired count.
func (w *world) declare(n int32) {
	w.t.Helper()
	must(w.ecs.UpdateService(w.t.Context(), &ecsclient.UpdateServiceInput{Service: aws.String("web"), DesiredCount: &n}))(w.t)
}

func (w *world) service() *model.Service {
	w.t.Helper()
	cluster := arn.Scope{Region: region, Account: account}.Cluster("default")
	svc, ok := w.store.View().Service(arn.Service(cluster, "web"))
	if !ok {
		w.t.Fatal("there is no service web")
	}
	return svc
}

// register makes web a target with two bounds, and gives its ARN.
func (w *world) register(least, most int32) string {
	w.t.Helper()
	return *must(w.RegisterScalableTarget(w.t.Context(), registration(&least, &most)))(w.t).ScalableTargetARN
}

func registration(least, most *int32) *client.RegisterScalableTargetInput {
	return &client.RegisterScalableTargetInput{
		ServiceNamespace: namespace, ResourceId: aws.String(web), ScalableDimension: dimension, MinCapacity: least, MaxCapacity: most,
	}
}

// target describes the scalable target of web.
func (w *world) target() types.ScalableTarget {
	w.t.Helper()
	out := must(w.DescribeScalableTargets(w.t.Context(), &client.DescribeScalableTargetsInput{
		ServiceNamespace: namespace, ResourceIds: []string{web}, ScalableDimension: dimension,
	}))(w.t)
	if len(out.ScalableTargets) != 1 {
		w.t.Fatalf("there are %d targets", len(out.ScalableTargets))
	}
	return out.ScalableTargets[0]
}

// activities describes the activities of web, newest first.
func (w *world) activities(notScaled bool) []types.ScalingActivity {
	w.t.Helper()
	return must(w.DescribeScalingActivities(w.t.Context(), &client.DescribeScalingActivitiesInput{
		ServiceNamespace: namespace, ResourceId: aws.String(web), ScalableDimension: dimension, IncludeNotScaledActivities: &notScaled,
	}))(w.t).ScalingActivities
}

// policy is a request to put a policy of web.
func policy(name string, kind types.PolicyType) *client.PutScalingPolicyInput {
	return &client.PutScalingPolicyInput{
		ServiceNamespace: namespace, ResourceId: aws.String(web), ScalableDimension: dimension, PolicyName: &name, PolicyType: kind,
	}
}

// tracking is a request to put a target tracking policy of a predefined metric.
func tracking(name string, value float64, metric types.MetricType) *client.PutScalingPolicyInput {
	in := policy(name, types.PolicyTypeTargetTrackingScaling)
	in.TargetTrackingScalingPolicyConfiguration = &types.TargetTrackingScalingPolicyConfiguration{
		TargetValue: &value, PredefinedMetricSpecification: &types.PredefinedMetricSpecification{PredefinedMetricType: metric},
	}
	return in
}

// custom is a request to put a target tracking policy of a customised metric.
func custom(name string, metric *types.CustomizedMetricSpecification) *client.PutScalingPolicyInput {
	in := policy(name, types.PolicyTypeTargetTrackingScaling)
	in.TargetTrackingScalingPolicyConfiguration = &types.TargetTrackingScalingPolicyConfiguration{
		TargetValue: aws.Float64(100), CustomizedMetricSpecification: metric,
	}
	return in
}

// stepping is a request to put a step scaling policy.
func stepping(name string, steps ...types.StepAdjustment) *client.PutScalingPolicyInput {
	in := policy(name, types.PolicyTypeStepScaling)
	in.StepScalingPolicyConfiguration = &types.StepScalingPolicyConfiguration{
		AdjustmentType: types.AdjustmentTypeChangeInCapacity, StepAdjustments: steps,
	}
	return in
}

// step is a step between two bounds; NaN would be infinite, so they are written as text.
func step(lower, upper *float64, change int32) types.StepAdjustment {
	return types.StepAdjustment{MetricIntervalLowerBound: lower, MetricIntervalUpperBound: upper, ScalingAdjustment: &change}
}

// action is a request to put a scheduled action of web that sets the minimum to 5.
func action(name, schedule string) *client.PutScheduledActionInput {
	return &client.PutScheduledActionInput{
		ServiceNamespace: namespace, ResourceId: aws.String(web), ScalableDimension: dimension, ScheduledActionName: &name, Schedule: &schedule,
		ScalableTargetAction: &types.ScalableTargetAction{MinCapacity: aws.Int32(5)},
	}
}

// policies describes the policies of web by name.
func (w *world) policies(names ...string) []types.ScalingPolicy {
	w.t.Helper()
	return must(w.DescribeScalingPolicies(w.t.Context(), &client.DescribeScalingPoliciesInput{
		ServiceNamespace: namespace, ResourceId: aws.String(web), PolicyNames: names,
	}))(w.t).ScalingPolicies
}

// alarms are all alarms of the region.
func (w *world) alarms() []*model.Alarm {
	return slices.Collect(w.store.View().Alarms(region))
}

// must fails the test if an operation has failed, and gives its answer.
func must[O any](out O, err error) func(t *testing.T) O { return apitest.Must(out, err) }

// failure is the error of an operation whose answer does not matter.
func failure[O any](_ O, err error) error { return err }

// wantError checks the exception and that the message has the parts.
func wantError(t *testing.T, err error, code string, parts ...string) {
	t.Helper()
	apitest.WantError(t, err, code, parts...)
}

// send makes a request without a client, for what no client would send, and gives the status and the body.
func (w *world) send(operation, body string) (int, string) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), http.MethodPost, w.url, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("X-Amz-Target", "AnyScaleFrontendService."+operation)
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.StatusCode, string(text)
}

func (w *world) delete(k model.Key) {
	w.t.Helper()
	if _, err := w.store.Update(w.t.Context(), func(tx *store.Tx) error {
		tx.Delete(k)
		return nil
	}); err != nil {
		w.t.Fatal(err)
	}
}
