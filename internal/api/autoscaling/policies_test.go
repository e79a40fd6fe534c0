package autoscaling_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
)

const uuid = `[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}`

// shape is what an alarm of a target tracking policy looks at.
type shape struct {
	Metric      string
	Statistic   string
	Unit        string
	Period      int
	Queries     int
	Comparison  string
	Threshold   float64
	Evaluations int
	Datapoints  int
	Missing     string
}

func shapeOf(a *model.Alarm) shape {
	s := shape{
		Statistic: a.Statistic, Unit: a.Unit, Period: a.Period, Queries: len(a.Queries), Comparison: a.Comparison, Threshold: a.Threshold,
		Evaluations: a.EvaluationPeriods, Datapoints: a.DatapointsToAlarm, Missing: a.TreatMissing,
	}
	if a.Metric != nil {
		s.Metric = a.Metric.String()
	}
	return s
}

// balanced makes a load balancer with a listener that leads to a target group, and another group that nothing leads to.
func (w *world) balanced() {
	s := arn.Scope{Region: region, Account: account}
	lb, group := s.ApplicationLoadBalancer("lb", "00000000000000aa"), s.TargetGroup("blue", "00000000000000bb")
	w.put(
		&model.LoadBalancer{ARN: lb, Region: region, Name: "lb", Type: "application"},
		&model.TargetGroup{ARN: group, Region: region, Name: "blue"},
		&model.TargetGroup{ARN: s.TargetGroup("green", "00000000000000cc"), Region: region, Name: "green"},
		&model.Listener{ARN: arn.Listener(lb, "00000000000000dd"), LoadBalancer: lb, Actions: []model.Action{
			{Type: "forward", Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: group, Weight: 1}}}},
		}},
	)
}

const label = "app/lb/00000000000000aa/targetgroup/blue/00000000000000bb"

// backlog is a customised metric that is computed: the backlog per task.
func backlog() *types.CustomizedMetricSpecification {
	return &types.CustomizedMetricSpecification{Metrics: []types.TargetTrackingMetricDataQuery{
		{Id: aws.String("e1"), Expression: aws.String("m1 / m2"), Label: aws.String("backlog per task")},
		{Id: aws.String("m1"), ReturnData: aws.Bool(false), MetricStat: stat("Queue", "Visible", "Sum")},
		{Id: aws.String("m2"), ReturnData: aws.Bool(false), MetricStat: stat("ECS/ContainerInsights", "RunningTaskCount", "Average")},
	}}
}

func stat(namespace, name, statistic string) *types.TargetTrackingMetricStat {
	return &types.TargetTrackingMetricStat{Stat: &statistic, Metric: &types.TargetTrackingMetric{Namespace: &namespace, MetricName: &name}}
}

// The alarms have the numbers of those that AWS makes.
func TestTargetTrackingMakesAlarms(t *testing.T) {
	t.Parallel()
	requests := tracking("p", 1000, types.MetricTypeALBRequestCountPerTarget)
	requests.TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.ResourceLabel = aws.String(label)
	queue := single("Queue", "Depth")
	queue.Statistic, queue.Unit = types.MetricStatisticMaximum, aws.String("Count")
	queue.Dimensions = []types.MetricDimension{{Name: aws.String("b"), Value: aws.String("2")}, {Name: aws.String("a"), Value: aws.String("1")}}
	const ofService = " ClusterName=default ServiceName=web"
	for name, test := range map[string]struct {
		in        *client.PutScalingPolicyInput
		high, low shape
		fast      bool
	}{
		"CPU": {
			in:   tracking("p", 70, types.MetricTypeECSServiceAverageCPUUtilization),
			high: shape{"AWS/ECS CPUUtilization" + ofService, "Average", "Percent", 60, 0, "GreaterThanThreshold", 70, 3, 0, "missing"},
			low:  shape{"AWS/ECS CPUUtilization" + ofService, "Average", "Percent", 60, 0, "LessThanThreshold", 63, 15, 0, "missing"},
		},
		"memory": {
			in:   tracking("p", 7, types.MetricTypeECSServiceAverageMemoryUtilization),
			high: shape{"AWS/ECS MemoryUtilization" + ofService, "Average", "Percent", 60, 0, "GreaterThanThreshold", 7, 3, 0, "missing"},
			low:  shape{"AWS/ECS MemoryUtilization" + ofService, "Average", "Percent", 60, 0, "LessThanThreshold", 6.3, 15, 0, "missing"},
		},
		"CPU of high resolution": {
			in:   tracking("p", 50, types.MetricTypeECSServiceAverageCPUUtilizationHighResolution),
			high: shape{"AWS/ECS CPUUtilization" + ofService, "Average", "Percent", 20, 0, "GreaterThanThreshold", 50, 3, 0, "missing"},
			low:  shape{"AWS/ECS CPUUtilization" + ofService, "Average", "Percent", 20, 0, "LessThanThreshold", 45, 30, 0, "missing"},
			fast: true,
		},
		"memory of high resolution": {
			in:   tracking("p", 50, types.MetricTypeECSServiceAverageMemoryUtilizationHighResolution),
			high: shape{"AWS/ECS MemoryUtilization" + ofService, "Average", "Percent", 20, 0, "GreaterThanThreshold", 50, 3, 0, "missing"},
			low:  shape{"AWS/ECS MemoryUtilization" + ofService, "Average", "Percent", 20, 0, "LessThanThreshold", 45, 30, 0, "missing"},
			fast: true,
		},
		"requests per target": {
			in:   requests,
			high: shape{"AWS/ApplicationELB RequestCountPerTarget LoadBalancer=app/lb/00000000000000aa TargetGroup=targetgroup/blue/00000000000000bb", "Sum", "None", 60, 0, "GreaterThanThreshold", 1000, 3, 0, "missing"},
			low:  shape{"AWS/ApplicationELB RequestCountPerTarget LoadBalancer=app/lb/00000000000000aa TargetGroup=targetgroup/blue/00000000000000bb", "Sum", "None", 60, 0, "LessThanThreshold", 900, 15, 0, "missing"},
		},
		"a metric of the user": {
			in:   custom("p", queue),
			high: shape{"Queue Depth a=1 b=2", "Maximum", "Count", 60, 0, "GreaterThanThreshold", 100, 3, 0, "missing"},
			low:  shape{"Queue Depth a=1 b=2", "Maximum", "Count", 60, 0, "LessThanThreshold", 90, 15, 0, "missing"},
		},
		"a metric of each second": {
			in:   custom("p", single(model.NamespaceFast, "Requests")),
			high: shape{"Maitred Requests", "Average", "", 60, 0, "GreaterThanThreshold", 100, 3, 0, "missing"},
			low:  shape{"Maitred Requests", "Average", "", 60, 0, "LessThanThreshold", 90, 15, 0, "missing"},
			fast: true,
		},
		"metric math": {
			in:   custom("p", backlog()),
			high: shape{"", "", "", 0, 3, "GreaterThanThreshold", 100, 3, 0, "missing"},
			low:  shape{"", "", "", 0, 3, "LessThanThreshold", 90, 15, 0, "missing"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.balanced()
			w.register(1, 10)
			out := must(w.PutScalingPolicy(t.Context(), test.in))(t)
			if len(out.Alarms) != 2 {
				t.Fatalf("got alarms %+v", out.Alarms)
			}
			p, _ := w.store.View().ScalingPolicy(model.ScalablePath(region, web), "p")
			if p.Tracking.Fast != test.fast {
				t.Errorf("the policy is fast: %v, want %v", p.Tracking.Fast, test.fast)
			}
			created := *out.PolicyARN + ":createdBy/" + p.Creator
			for i, want := range []shape{test.high, test.low} {
				kind := []string{"AlarmHigh", "AlarmLow"}[i]
				name := *out.Alarms[i].AlarmName
				if !regexp.MustCompile(`^TargetTracking-service/default/web-` + kind + `-` + uuid + `$`).MatchString(name) {
					t.Errorf("got alarm name %s", name)
				}
				a, ok := w.store.View().Alarm(model.AlarmPath(region, name))
				if !ok || *out.Alarms[i].AlarmARN != a.ARN {
					t.Fatalf("there is no alarm %s, or not with the ARN %s", name, *out.Alarms[i].AlarmARN)
				}
				if diff := cmp.Diff(want, shapeOf(a)); diff != "" {
					t.Errorf("%s differs (-want +got):\n%s", kind, diff)
				}
				if want := "DO NOT EDIT OR DELETE. For TargetTrackingScaling policy " + created + "."; a.Description != want {
					t.Errorf("got description %s, want %s", a.Description, want)
				}
				if diff := cmp.Diff([]string{created}, a.AlarmActions); diff != "" || !a.ActionsEnabled || a.Policy != *out.PolicyARN || !a.Cause.Complete() {
					t.Errorf("got actions %v of %s because of %+v", a.AlarmActions, a.Policy, a.Cause)
				}
				if s, ok := w.store.View().AlarmState(a.Key().Path); !ok || s.Value != model.AlarmInsufficient {
					t.Errorf("got state %+v", s)
				}
			}
			if policy, creator, ok := arn.PolicyOfAction(created); !ok || policy != p.ARN || creator != p.Creator {
				t.Errorf("the action is of policy %s and creator %s", policy, creator)
			}
		})
	}
}

// What is given is given back: members that are not given are not there.
func TestDescribeScalingPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(1, 10)
	full := tracking("a", 0.5, types.MetricTypeECSServiceAverageCPUUtilization)
	full.TargetTrackingScalingPolicyConfiguration.ScaleInCooldown = aws.Int32(0)
	full.TargetTrackingScalingPolicyConfiguration.DisableScaleIn = aws.Bool(true)
	steps := stepping("c", step(nil, aws.Float64(0), -1), step(aws.Float64(0), nil, 2))
	steps.StepScalingPolicyConfiguration.AdjustmentType = types.AdjustmentTypePercentChangeInCapacity
	steps.StepScalingPolicyConfiguration.MinAdjustmentMagnitude = aws.Int32(2)
	steps.StepScalingPolicyConfiguration.Cooldown = aws.Int32(0)
	given := []*client.PutScalingPolicyInput{full, custom("b", backlog()), steps}
	for _, in := range given {
		out := must(w.PutScalingPolicy(t.Context(), in))(t)
		if want := ":resource/ecs/service/default/web:policyName/" + *in.PolicyName; !strings.HasSuffix(*out.PolicyARN, want) {
			t.Errorf("got ARN %s, want it to end in %s", *out.PolicyARN, want)
		}
	}
	got := w.policies()
	if len(got) != len(given) {
		t.Fatalf("got %d policies, want %d", len(got), len(given))
	}
	for i, in := range given {
		if diff := cmp.Diff(in.TargetTrackingScalingPolicyConfiguration, got[i].TargetTrackingScalingPolicyConfiguration, ignoreSerde); diff != "" {
			t.Errorf("the configuration of %s differs (-want +got):\n%s", *in.PolicyName, diff)
		}
		if diff := cmp.Diff(in.StepScalingPolicyConfiguration, got[i].StepScalingPolicyConfiguration, ignoreSerde); diff != "" {
			t.Errorf("the configuration of %s differs (-want +got):\n%s", *in.PolicyName, diff)
		}
		if got[i].PolicyType != in.PolicyType || *got[i].ResourceId != web || !got[i].CreationTime.Equal(start) {
			t.Errorf("got %s of %s, created at %s", got[i].PolicyType, *got[i].ResourceId, got[i].CreationTime)
		}
	}
	if n := len(got[0].Alarms); n != 1 || !strings.Contains(*got[0].Alarms[0].AlarmName, "AlarmHigh") {
		t.Errorf("a policy that does not scale in has %d alarms", n)
	}
	if only := w.policies("c", "no"); len(only) != 1 || *only[0].PolicyName != "c" {
		t.Errorf("got policies %+v", only)
	}
	p, _ := w.store.View().ScalingPolicy(model.ScalablePath(region, web), "a")
	if p.Tracking.InCooldown != 0 || p.Tracking.OutCooldown != 300*time.Second {
		t.Errorf("got cooldowns %s and %s", p.Tracking.InCooldown, p.Tracking.OutCooldown)
	}
}

var ignoreSerde = cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".noSmithyDocumentSerde" }, cmp.Ignore())

// The alarms of a step scaling policy are those of the user that name it.
func TestAlarmsOfAStepPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(1, 10)
	p := *must(w.PutScalingPolicy(t.Context(), stepping("s", step(aws.Float64(0), nil, 1))))(t).PolicyARN
	w.put(
		&model.Alarm{Name: "busy", ARN: "arn:busy", Region: region, AlarmActions: []string{"https://example.com", p}, OKActions: []string{p}},
		&model.Alarm{Name: "calm", ARN: "arn:calm", Region: region, OKActions: []string{p}, InsufficientActions: []string{p}}, // it never votes
		&model.Alarm{Name: "else", ARN: "arn:else", Region: region, AlarmActions: []string{p + "x"}},
	)
	for name, alarms := range map[string][]types.Alarm{
		"describe": w.policies()[0].Alarms,
		"put":      must(w.PutScalingPolicy(t.Context(), stepping("s", step(aws.Float64(0), nil, 2))))(t).Alarms,
	} {
		if len(alarms) != 1 || *alarms[0].AlarmName != "busy" || *alarms[0].AlarmARN != "arn:busy" {
			t.Errorf("%s: got alarms %+v", name, alarms)
		}
	}
	w.deregister()
	if n := len(w.alarms()); n != 3 {
		t.Errorf("%d alarms of the user are left of 3", n)
	}
}

func TestUpdateOfAPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(1, 10)
	in := tracking("p", 70, types.MetricTypeECSServiceAverageCPUUtilization)
	made := must(w.PutScalingPolicy(t.Context(), in))(t)
	old, _ := w.store.View().ScalingPolicy(model.ScalablePath(region, web), "p")
	w.advance(time.Minute)

	again := must(w.PutScalingPolicy(t.Context(), in))(t)
	if *again.Alarms[0].AlarmName != *made.Alarms[0].AlarmName {
		t.Error("the same policy gets other alarms")
	}
	must(w.PutScalingPolicy(t.Context(), policy("p", "")))(t) // changes nothing
	in.TargetTrackingScalingPolicyConfiguration.TargetValue = aws.Float64(50)
	in.PolicyType = "" // of a policy that exists
	changed := must(w.PutScalingPolicy(t.Context(), in))(t)
	if *changed.PolicyARN != *made.PolicyARN || *changed.Alarms[0].AlarmName == *made.Alarms[0].AlarmName {
		t.Errorf("after a change: ARN %s, alarm %s", *changed.PolicyARN, *changed.Alarms[0].AlarmName)
	}
	p, _ := w.store.View().ScalingPolicy(model.ScalablePath(region, web), "p")
	if p.Creator != old.Creator || !p.CreatedAt.Equal(start) || len(w.alarms()) != 2 || p.Tracking.Value != 50 {
		t.Errorf("creator %s instead of %s, created at %s, %d alarms, value %g", p.Creator, old.Creator, p.CreatedAt, len(w.alarms()), p.Tracking.Value)
	}
	// An alarm that somebody has deleted comes back.
	w.delete(w.alarms()[0].Key())
	must(w.PutScalingPolicy(t.Context(), in))(t)
	if n := len(w.alarms()); n != 2 {
		t.Errorf("there are %d alarms, want 2", n)
	}
	must(w.PutScalingPolicy(t.Context(), stepping("p", step(aws.Float64(0), nil, 1))))(t)
	if n := len(w.alarms()); n != 0 {
		t.Errorf("a policy that has become one of steps has %d alarms", n)
	}
	if got := w.policies()[0]; got.PolicyType != types.PolicyTypeStepScaling || got.TargetTrackingScalingPolicyConfiguration != nil {
		t.Errorf("got policy %+v", got)
	}
}

func TestDeleteScalingPolicy(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(1, 10)
	target := model.ScalablePath(region, web)
	w.put(&model.ScalingState{Target: target, LastActivity: 7, Cooldowns: map[string]model.Cooldown{"p": {}, "q": {}}, Blocked: map[string]string{"p": "x"}})
	must(w.PutScalingPolicy(t.Context(), tracking("p", 70, types.MetricTypeECSServiceAverageCPUUtilization)))(t)
	in := &client.DeleteScalingPolicyInput{ServiceNamespace: namespace, ResourceId: aws.String(web), ScalableDimension: dimension, PolicyName: aws.String("p")}
	must(w.DeleteScalingPolicy(t.Context(), in))(t)
	if len(w.policies()) != 0 || len(w.alarms()) != 0 {
		t.Errorf("there are %d policies and %d alarms", len(w.policies()), len(w.alarms()))
	}
	s, _ := w.store.View().ScalingState(target)
	if diff := cmp.Diff(&model.ScalingState{Target: target, LastActivity: 7, Cooldowns: map[string]model.Cooldown{"q": {}}}, s); diff != "" {
		t.Errorf("what the scaler remembers differs (-want +got):\n%s", diff)
	}
	wantError(t, failure(w.DeleteScalingPolicy(t.Context(), in)), "ObjectNotFoundException",
		"No scaling policy found for service namespace: ecs, resource ID: service/default/web, scalable dimension: ecs:service:DesiredCount, policy name: p")
}
