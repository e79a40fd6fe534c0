package autoscaling_test

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
)

const (
	validation = "ValidationException"
	unknown    = "ObjectNotFoundException"
)

// bad is a request that is refused.
type bad struct {
	name string
	err  error
	code string
	text string
}

func (b bad) check(t *testing.T) {
	t.Helper()
	t.Run(b.name, func(t *testing.T) {
		t.Parallel()
		if b.err == nil {
			t.Fatal("it is accepted")
		}
		wantError(t, b.err, b.code, b.text)
	})
}

// edited is a copy of a request with changes.
func edited[T any](in *T, edit func(*T)) *T {
	changed := *in
	edit(&changed)
	return &changed
}

func TestBadTargets(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	good := registration(aws.Int32(1), aws.Int32(10))
	register := func(edit func(*client.RegisterScalableTargetInput)) error {
		return failure(w.RegisterScalableTarget(t.Context(), edited(good, edit)))
	}
	type in = *client.RegisterScalableTargetInput
	many := map[string]string{}
	for i := range 51 {
		many[fmt.Sprint(i)] = ""
	}
	for _, b := range []bad{
		{"no namespace", register(func(i in) { i.ServiceNamespace = "" }), validation, "'serviceNamespace' failed to satisfy constraint: Member must not be null"},
		{"no such namespace", register(func(i in) { i.ServiceNamespace = "no" }), validation, "Value 'no' at 'serviceNamespace' failed to satisfy constraint: Member must satisfy enum value set"},
		{"another namespace", register(func(i in) { i.ServiceNamespace = types.ServiceNamespaceDynamodb }), validation, "ServiceNamespace has to be ecs, got dynamodb"},
		{"no dimension", register(func(i in) { i.ScalableDimension = "" }), validation, "'scalableDimension'"},
		{"no such dimension", register(func(i in) { i.ScalableDimension = "no" }), validation, "'scalableDimension'"},
		{"another dimension", register(func(i in) { i.ScalableDimension = types.ScalableDimensionDynamoDBTableReadCapacityUnits }), validation, "Unsupported service namespace, resource type or scalable dimension"},
		{"no resource", register(func(i in) { i.ResourceId = nil }), validation, "Value null at 'resourceId'"},
		{"an empty resource", register(func(i in) { i.ResourceId = aws.String("") }), validation, "length greater than or equal to 1"},
		{"a long resource", register(func(i in) { i.ResourceId = aws.String("service/a/" + strings.Repeat("x", 1600)) }), validation, "length less than or equal to 1600"},
		{"a resource of one part", register(func(i in) { i.ResourceId = aws.String("web") }), validation, "service/<cluster>/<service>"},
		{"a resource of two parts", register(func(i in) { i.ResourceId = aws.String("service/web") }), validation, "service/<cluster>/<service>"},
		{"a resource of four parts", register(func(i in) { i.ResourceId = aws.String("service/default/web/x") }), validation, "service/<cluster>/<service>"},
		{"a table", register(func(i in) { i.ResourceId = aws.String("table/default/web") }), validation, "service/<cluster>/<service>"},
		{"no such service", register(func(i in) { i.ResourceId = aws.String("service/default/no") }), validation, "ECS service doesn't exist: service/default/no"},
		{"no such cluster", register(func(i in) { i.ResourceId = aws.String("service/no/web") }), validation, "ECS service doesn't exist: service/no/web"},
		{"a DAEMON", register(func(i in) { i.ResourceId = aws.String("service/default/each") }), validation, "DAEMON"},
		{"no minimum", register(func(i in) { i.MinCapacity = nil }), validation, "Minimum capacity"},
		{"no maximum", register(func(i in) { i.MaxCapacity = nil }), validation, "Maximum capacity"},
		{"a negative minimum", register(func(i in) { i.MinCapacity = aws.Int32(-1) }), validation, "Minimum capacity cannot be less than 0"},
		{"a negative maximum", register(func(i in) { i.MaxCapacity = aws.Int32(-1) }), validation, "Maximum capacity cannot be less than 0"},
		{"minimum over maximum", register(func(i in) { i.MinCapacity = aws.Int32(11) }), validation, "Maximum capacity cannot be less than minimum capacity"},
		{"a reserved tag", register(func(i in) { i.Tags = map[string]string{"aws:x": ""} }), validation, "reserved"},
		{"an empty tag", register(func(i in) { i.Tags = map[string]string{"": "x"} }), validation, "tags.key"},
		{"a long tag", register(func(i in) { i.Tags = map[string]string{"x": strings.Repeat("x", 257)} }), validation, "tags.value"},
		{"51 tags", register(func(i in) { i.Tags = many }), "TooManyTagsException", "50"},
		{"deregister what is not registered", failure(w.DeregisterScalableTarget(t.Context(), &client.DeregisterScalableTargetInput{
			ServiceNamespace: namespace, ResourceId: aws.String(web), ScalableDimension: dimension,
		})), unknown, "No scalable target found for service namespace: ecs, resource ID: service/default/web, scalable dimension: ecs:service:DesiredCount"},
		{"a policy of what is not registered", failure(w.PutScalingPolicy(t.Context(), tracking("p", 50, types.MetricTypeECSServiceAverageCPUUtilization))), unknown, "No scalable target registered for service namespace: ecs, resource ID: service/default/web, scalable dimension: ecs:service:DesiredCount"},
		{"an action of what is not registered", failure(w.PutScheduledAction(t.Context(), action("a", "rate(1 hour)"))), unknown, "No scalable target registered"},
	} {
		b.check(t)
	}
}

func TestBadUpdatesAndTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := aws.String(w.register(3, 10))
	no := aws.String("arn:aws:application-autoscaling:eu-west-1:123456789012:scalable-target/no")
	tags := map[string]string{"a": "b"}
	many := map[string]string{}
	for i := range 50 {
		many[fmt.Sprint(i)] = ""
	}
	must(w.TagResource(t.Context(), &client.TagResourceInput{ResourceARN: id, Tags: many}))(t)
	for _, b := range []bad{
		{"minimum over the maximum that is there", failure(w.RegisterScalableTarget(t.Context(), registration(aws.Int32(11), nil))), validation, "Maximum capacity cannot be less than minimum capacity"},
		{"maximum under the minimum that is there", failure(w.RegisterScalableTarget(t.Context(), registration(nil, aws.Int32(2)))), validation, "Maximum capacity cannot be less than minimum capacity"},
		{"other tags", failure(w.RegisterScalableTarget(t.Context(), edited(registration(nil, nil), func(i *client.RegisterScalableTargetInput) { i.Tags = tags }))), validation, "TagResource"},
		{"tag what is not there", failure(w.TagResource(t.Context(), &client.TagResourceInput{ResourceARN: no, Tags: tags})), "ResourceNotFoundException", *no},
		{"untag what is not there", failure(w.UntagResource(t.Context(), &client.UntagResourceInput{ResourceARN: no, TagKeys: []string{"a"}})), "ResourceNotFoundException", *no},
		{"tags of what is not there", failure(w.ListTagsForResource(t.Context(), &client.ListTagsForResourceInput{ResourceARN: no})), "ResourceNotFoundException", *no},
		{"tags of another region", failure(w.in("us-east-1").ListTagsForResource(t.Context(), &client.ListTagsForResourceInput{ResourceARN: id})), "ResourceNotFoundException", *id},
		{"tag no ARN", failure(w.TagResource(t.Context(), &client.TagResourceInput{ResourceARN: aws.String(web), Tags: tags})), validation, "not the ARN of a scalable target"},
		{"tag nothing", failure(w.TagResource(t.Context(), &client.TagResourceInput{Tags: tags})), validation, "resourceARN"},
		{"tag with nothing", failure(w.TagResource(t.Context(), &client.TagResourceInput{ResourceARN: id})), validation, "tags"},
		{"untag nothing", failure(w.UntagResource(t.Context(), &client.UntagResourceInput{ResourceARN: id})), validation, "tagKeys"},
		{"one tag too many", failure(w.TagResource(t.Context(), &client.TagResourceInput{ResourceARN: id, Tags: tags})), "TooManyTagsException", "51"},
	} {
		b.check(t)
	}
}

func TestBadPolicies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.balanced()
	w.register(1, 10)
	must(w.PutScalingPolicy(t.Context(), tracking("cpu", 50, types.MetricTypeECSServiceAverageCPUUtilization)))(t)
	must(w.PutScalingPolicy(t.Context(), custom("queue", single("Queue", "Depth"))))(t)
	put := func(in *client.PutScalingPolicyInput, edit ...func(*client.PutScalingPolicyInput)) error {
		for _, e := range edit {
			in = edited(in, e)
		}
		return failure(w.PutScalingPolicy(t.Context(), in))
	}
	type in = *client.PutScalingPolicyInput
	memory := func() in { return tracking("p", 50, types.MetricTypeECSServiceAverageMemoryUtilization) }
	tracked := func(edit func(*types.TargetTrackingScalingPolicyConfiguration)) error {
		in := memory()
		edit(in.TargetTrackingScalingPolicyConfiguration)
		return put(in)
	}
	labelled := func(metric types.MetricType, label string) error {
		in := tracking("p", 50, metric)
		in.TargetTrackingScalingPolicyConfiguration.PredefinedMetricSpecification.ResourceLabel = &label
		return put(in)
	}
	type config = *types.TargetTrackingScalingPolicyConfiguration
	for _, b := range []bad{
		{"no name", put(memory(), func(i in) { i.PolicyName = nil }), validation, "policyName"},
		{"an empty name", put(memory(), func(i in) { i.PolicyName = aws.String("") }), validation, "policyName"},
		{"a long name", put(memory(), func(i in) { i.PolicyName = aws.String(strings.Repeat("x", 257)) }), validation, "less than or equal to 256"},
		{"a name with a control character", put(memory(), func(i in) { i.PolicyName = aws.String("a\x01") }), validation, "policyName"},
		{"a name that is not ASCII", put(memory(), func(i in) { i.PolicyName = aws.String("grün") }), validation, "policyName"},
		{"no type", put(memory(), func(i in) { i.PolicyType = "" }), validation, "PolicyType is required"},
		{"no such type", put(memory(), func(i in) { i.PolicyType = "SimpleScaling" }), validation, "Value 'SimpleScaling' at 'policyType'"},
		{"predictive scaling", put(policy("p", types.PolicyTypePredictiveScaling)), validation, "there is no predictive scaling"},
		{"a predictive configuration", put(policy("p", ""), func(i in) {
			i.PredictiveScalingPolicyConfiguration = &types.PredictiveScalingPolicyConfiguration{}
		}), validation, "there is no predictive scaling"},
		{"no configuration", put(policy("p", types.PolicyTypeTargetTrackingScaling)), validation, "needs its configuration"},
		{"another type and no configuration", put(policy("cpu", types.PolicyTypeStepScaling)), validation, "has the type TargetTrackingScaling"},
		{"both configurations", put(memory(), func(i in) {
			i.StepScalingPolicyConfiguration = &types.StepScalingPolicyConfiguration{}
		}), validation, "Only one of"},
		{"the configuration of steps for tracking", put(stepping("p", step(aws.Float64(0), nil, 1)), func(i in) { i.PolicyType = types.PolicyTypeTargetTrackingScaling }), validation, "cannot be specified for the policy type TargetTrackingScaling"},
		{"the configuration of tracking for steps", put(memory(), func(i in) { i.PolicyType = types.PolicyTypeStepScaling }), validation, "cannot be specified for the policy type StepScaling"},
		{"no target value", tracked(func(c config) { c.TargetValue = nil }), validation, "targetValue"},
		{"a target value that is no number", tracked(func(c config) { c.TargetValue = aws.Float64(math.NaN()) }), validation, "TargetValue"},
		{"a target value that is too large", tracked(func(c config) { c.TargetValue = aws.Float64(math.Ldexp(1, 361)) }), validation, "2^360"},
		{"a negative cooldown in", tracked(func(c config) { c.ScaleInCooldown = aws.Int32(-1) }), validation, "scaleInCooldown"},
		{"a negative cooldown out", tracked(func(c config) { c.ScaleOutCooldown = aws.Int32(-1) }), validation, "scaleOutCooldown"},
		{"no metric", tracked(func(c config) { c.PredefinedMetricSpecification = nil }), validation, "Exactly one of PredefinedMetricSpecification"},
		{"two metrics", tracked(func(c config) { c.CustomizedMetricSpecification = single("a", "b") }), validation, "Exactly one of PredefinedMetricSpecification"},
		{"no predefined metric", tracked(func(c config) { c.PredefinedMetricSpecification = &types.PredefinedMetricSpecification{} }), validation, "predefinedMetricType"},
		{"no such predefined metric", put(tracking("p", 50, "no")), validation, "predefinedMetricType"},
		{"a predefined metric of tables", put(tracking("p", 50, types.MetricTypeDynamoDBReadCapacityUtilization)), validation, "is not one of ECS services"},
		{"the same predefined metric", put(tracking("p", 70, types.MetricTypeECSServiceAverageCPUUtilization)), validation, "Only one TargetTrackingScaling policy for a given metric specification is allowed."},
		{"the same metric of the user", put(custom("p", single("Queue", "Depth"))), validation, "Only one TargetTrackingScaling policy for a given metric specification is allowed."},
		{"a label of CPU", labelled(types.MetricTypeECSServiceAverageCPUUtilization, label), validation, "resource label must not be given"},
		{"an empty label", labelled(types.MetricTypeALBRequestCountPerTarget, ""), validation, "resourceLabel"},
		{"no label", put(tracking("p", 50, types.MetricTypeALBRequestCountPerTarget)), validation, "app/<load balancer name>"},
		{"a label of one part", labelled(types.MetricTypeALBRequestCountPerTarget, "app/lb/00000000000000aa"), validation, "app/<load balancer name>"},
		{"a label of a network load balancer", labelled(types.MetricTypeALBRequestCountPerTarget, strings.Replace(label, "app/", "net/", 1)), validation, "app/<load balancer name>"},
		{"an unknown load balancer", labelled(types.MetricTypeALBRequestCountPerTarget, strings.Replace(label, "aa", "ab", 1)), validation, "load balancer app/lb/00000000000000ab does not exist"},
		{"an unknown target group", labelled(types.MetricTypeALBRequestCountPerTarget, strings.Replace(label, "bb", "ba", 1)), validation, "target group targetgroup/blue/00000000000000ba does not exist"},
		{"a target group that nothing leads to", labelled(types.MetricTypeALBRequestCountPerTarget, "app/lb/00000000000000aa/targetgroup/green/00000000000000cc"), validation, "The load balancer does not route traffic to the target group"},
	} {
		b.check(t)
	}
}

func TestBadCustomizedMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(1, 10)
	put := func(edit func(*types.CustomizedMetricSpecification), of ...*types.CustomizedMetricSpecification) error {
		m := append(of, single("Queue", "Depth"))[0]
		edit(m)
		return failure(w.PutScalingPolicy(t.Context(), custom("p", m)))
	}
	query := func(edit func([]types.TargetTrackingMetricDataQuery)) error {
		m := backlog()
		edit(m.Metrics)
		return failure(w.PutScalingPolicy(t.Context(), custom("p", m)))
	}
	dimensions := func(n int) (list []types.MetricDimension) {
		for i := range n {
			list = append(list, types.MetricDimension{Name: aws.String(fmt.Sprint(i)), Value: aws.String("x")})
		}
		return list
	}
	type spec = *types.CustomizedMetricSpecification
	type queries = []types.TargetTrackingMetricDataQuery
	for _, b := range []bad{
		{"no namespace", put(func(m spec) { m.Namespace = nil }), validation, "namespace"},
		{"a namespace with a colon", put(func(m spec) { m.Namespace = aws.String(":x") }), validation, "colon"},
		{"no name", put(func(m spec) { m.MetricName = nil }), validation, "metricName"},
		{"a long name", put(func(m spec) { m.MetricName = aws.String(strings.Repeat("x", 256)) }), validation, "metricName"},
		{"no statistic", put(func(m spec) { m.Statistic = "" }), validation, "statistic"},
		{"no such statistic", put(func(m spec) { m.Statistic = "p99" }), validation, "Value 'p99'"},
		{"no such unit", put(func(m spec) { m.Unit = aws.String("Horses") }), validation, "Value 'Horses'"},
		{"a dimension without a name", put(func(m spec) { m.Dimensions = []types.MetricDimension{{Value: aws.String("x")}} }), validation, "dimensions"},
		{"a dimension without a value", put(func(m spec) { m.Dimensions = []types.MetricDimension{{Name: aws.String("x")}} }), validation, "dimensions"},
		{"a dimension twice", put(func(m spec) { m.Dimensions = append(dimensions(2), dimensions(1)...) }), validation, "more than once"},
		{"31 dimensions", put(func(m spec) { m.Dimensions = dimensions(31) }), validation, "30"},
		{"a metric and math", put(func(m spec) { m.Metrics = backlog().Metrics }), validation, "cannot be specified together"},
		{"no metrics", put(func(m spec) {
			*m = types.CustomizedMetricSpecification{Metrics: []types.TargetTrackingMetricDataQuery{}}
		}), validation, "1 to 10"},
		{"11 metrics", put(func(m spec) { m.Metrics = append(m.Metrics, make([]types.TargetTrackingMetricDataQuery, 8)...) }, backlog()), validation, "1 to 10"},
		{"no id", query(func(q queries) { q[0].Id = nil }), validation, "metrics.1.member.id"},
		{"a bad id", query(func(q queries) { q[0].Id = aws.String("E1") }), validation, "regular expression"},
		{"an id twice", query(func(q queries) { q[1].Id = aws.String("m2") }), validation, "more than once"},
		{"a metric and an expression", query(func(q queries) { q[1].Expression = aws.String("1") }), validation, "Exactly one of Expression and MetricStat"},
		{"neither metric nor expression", query(func(q queries) { q[0].Expression = nil }), validation, "Exactly one of Expression and MetricStat"},
		{"an empty expression", query(func(q queries) { q[0].Expression = aws.String("") }), validation, "expression"},
		{"an expression of what is not there", query(func(q queries) { q[0].Expression = aws.String("m1/m3") }), validation, "Metric or expression 'm3' not found"},
		{"an expression of itself", query(func(q queries) { q[0].Expression = aws.String("e1 + 1") }), validation, "Circular reference: e1 -> e1"},
		{"an expression that cannot be read", query(func(q queries) { q[0].Expression = aws.String("m1 /") }), validation, "Error in expression 'e1'"},
		{"a function that there is not", query(func(q queries) { q[0].Expression = aws.String("MEDIAN(m1)") }), validation, "Function 'MEDIAN' not found"},
		{"a search", query(func(q queries) { q[0].Expression = aws.String("SUM(SEARCH('{Queue} Visible', 'Sum', 60))") }), validation, "Error in expression 'e1': SEARCH is not supported"},
		{"several series", query(func(q queries) { q[0].Expression = aws.String("METRICS() * 2") }), validation, "It must return a single time series, not an array of 2"},
		{"a number", query(func(q queries) { q[0].Expression = aws.String("AVG(m1)") }), validation, "must return a time series"},
		{"an argument of another kind", query(func(q queries) { q[0].Expression = aws.String("IF(METRICS(), 1, 0)") }), validation, "Function 'IF': argument 1"},
		{"nothing returns data", query(func(q queries) { q[0].ReturnData = aws.Bool(false) }), validation, "Exactly one element of Metrics has to return data, got 0"},
		{"two return data", query(func(q queries) { q[1].ReturnData = nil }), validation, "got 2"},
		{"no metric of a query", query(func(q queries) { q[1].MetricStat.Metric = nil }), validation, "metric"},
		{"no namespace of a query", query(func(q queries) { q[1].MetricStat.Metric.Namespace = nil }), validation, "namespace"},
		{"no statistic of a query", query(func(q queries) { q[1].MetricStat.Stat = nil }), validation, "stat"},
		{"no such statistic of a query", query(func(q queries) { q[1].MetricStat.Stat = aws.String("mean") }), validation, "be a statistic"},
		{"a percentile over 100", query(func(q queries) { q[1].MetricStat.Stat = aws.String("p101") }), validation, "be a statistic"},
		{"a percentile of three digits", query(func(q queries) { q[1].MetricStat.Stat = aws.String("p999") }), validation, "be a statistic"},
		{"a trimmed mean without boundaries", query(func(q queries) { q[1].MetricStat.Stat = aws.String("TM(:)") }), validation, "be a statistic"},
		{"a rank of letters", query(func(q queries) { q[1].MetricStat.Stat = aws.String("PR(a:b)") }), validation, "be a statistic"},
		{"no such unit of a query", query(func(q queries) { q[1].MetricStat.Unit = aws.String("Horses") }), validation, "Value 'Horses'"},
	} {
		b.check(t)
	}
}

func TestBadSteps(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(1, 10)
	f := aws.Float64
	put := func(steps ...types.StepAdjustment) error {
		return failure(w.PutScalingPolicy(t.Context(), stepping("p", steps...)))
	}
	config := func(edit func(*types.StepScalingPolicyConfiguration)) error {
		in := stepping("p", step(f(0), nil, 1))
		edit(in.StepScalingPolicyConfiguration)
		return failure(w.PutScalingPolicy(t.Context(), in))
	}
	var many []types.StepAdjustment
	for i := range 20 {
		many = append(many, step(f(float64(i)), f(float64(i+1)), 1))
	}
	type c = *types.StepScalingPolicyConfiguration
	for _, b := range []bad{
		{"no steps", put(), validation, "At least one StepAdjustment"},
		{"21 steps", put(append(many, step(f(20), nil, 1))...), validation, "20"},
		{"a gap", put(step(f(0), f(10), 1), step(f(15), nil, 2)), validation, "step scaling policy p is not valid"},
		{"an overlap", put(step(f(0), f(10), 1), step(f(5), nil, 2)), validation, "not valid"},
		{"a positive upper bound without an open end", put(step(f(0), f(10), 1)), validation, "not valid"},
		{"a negative lower bound without an open end", put(step(f(-5), f(0), -1)), validation, "not valid"},
		{"bounds in the wrong order", put(step(f(10), f(5), 1), step(f(10), nil, 1)), validation, "not valid"},
		{"two open ends", put(step(f(0), nil, 1), step(f(0), nil, 2)), validation, "not valid"},
		{"no bound at all", put(step(nil, nil, 1)), validation, "not valid"},
		{"a bound that is no number", put(step(f(math.NaN()), nil, 1)), validation, "have to be numbers"},
		{"a bound that is infinite", put(step(f(0), f(math.Inf(1)), 1)), validation, "have to be numbers"},
		{"no adjustment", put(types.StepAdjustment{MetricIntervalLowerBound: f(0)}), validation, "scalingAdjustment"},
		{"no adjustment type", config(func(i c) { i.AdjustmentType = "" }), validation, "AdjustmentType is required"},
		{"no such adjustment type", config(func(i c) { i.AdjustmentType = "no" }), validation, "adjustmentType"},
		{"no such aggregation", config(func(i c) { i.MetricAggregationType = "Sum" }), validation, "metricAggregationType"},
		{"a negative cooldown", config(func(i c) { i.Cooldown = aws.Int32(-1) }), validation, "cooldown"},
		{"a magnitude of 0", config(func(i c) { i.MinAdjustmentMagnitude = aws.Int32(0) }), validation, "minAdjustmentMagnitude"},
		{"a magnitude of a change that is exact", config(func(i c) { i.MinAdjustmentMagnitude = aws.Int32(1) }), validation, "MinAdjustmentMagnitude"},
		{"a negative exact capacity", config(func(i c) {
			i.AdjustmentType, i.StepAdjustments[0].ScalingAdjustment = types.AdjustmentTypeExactCapacity, aws.Int32(-1)
		}), validation, "not valid"},
	} {
		b.check(t)
	}
	must(w.PutScalingPolicy(t.Context(), stepping("p", append(many[:19], step(f(19), nil, 1))...)))(t) // 20 steps
}

func TestBadScheduledActions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(1, 10)
	must(w.PutScheduledAction(t.Context(), action("there", "rate(1 hour)")))(t)
	good := action("a", "rate(1 hour)")
	put := func(edit func(*client.PutScheduledActionInput)) error {
		return failure(w.PutScheduledAction(t.Context(), edited(good, edit)))
	}
	type in = *client.PutScheduledActionInput
	bads := []bad{
		{"no name", put(func(i in) { i.ScheduledActionName = nil }), validation, "scheduledActionName"},
		{"a long name", put(func(i in) { i.ScheduledActionName = aws.String(strings.Repeat("x", 257)) }), validation, "256"},
		{"no schedule", put(func(i in) { i.Schedule = nil }), validation, "Value null at 'schedule'"},
		{"no action", put(func(i in) { i.ScalableTargetAction = nil }), validation, "At least one of minimum capacity and maximum capacity should be provided"},
		{"neither bound", put(func(i in) { i.ScalableTargetAction = &types.ScalableTargetAction{} }), validation, "At least one of minimum capacity and maximum capacity should be provided"},
		{"minimum over maximum", put(func(i in) {
			i.ScalableTargetAction = &types.ScalableTargetAction{MinCapacity: aws.Int32(2), MaxCapacity: aws.Int32(1)}
		}), validation, "Maximum capacity cannot be less than minimum capacity"},
		{"a negative minimum", put(func(i in) { i.ScalableTargetAction = &types.ScalableTargetAction{MinCapacity: aws.Int32(-1)} }), validation, "less than 0"},
		{"no such zone", put(func(i in) { i.Timezone = aws.String("Europe/Nowhere") }), validation, "time zone 'Europe/Nowhere'"},
		{"the zone of the machine", put(func(i in) { i.Timezone = aws.String("Local") }), validation, "time zone 'Local'"},
		{"a zone that is a path", put(func(i in) { i.Timezone = aws.String("../UTC") }), validation, "time zone"},
		{"an end before the start", put(func(i in) { i.StartTime, i.EndTime = aws.Time(start.Add(2*time.Hour)), aws.Time(start.Add(time.Hour)) }), validation, "end time"},
		{"an end that is past", put(func(i in) { i.EndTime = aws.Time(start.Add(-time.Hour)) }), validation, "past"},
		{"an end before it is due", put(func(i in) {
			i.Schedule, i.EndTime = aws.String("at(2026-03-01T14:00:00)"), aws.Time(start.Add(time.Hour))
		}), validation, "past"},
		{"a bad schedule for what is there", put(func(i in) { i.ScheduledActionName, i.Schedule = aws.String("there"), aws.String("never") }), validation, "schedule 'never'"},
	}
	for _, name := range []string{"a:b", "a/b", "a|b", " a", "a ", "a\x00b", "a\u009fb", ""} {
		bads = append(bads, bad{fmt.Sprintf("the name %q", name), put(func(i in) { i.ScheduledActionName = &name }), validation, "scheduledActionName"})
	}
	for _, s := range []string{
		"", "never", "rate()", "rate(0 minutes)", "rate(-1 minutes)", "rate(5)", "rate(5 weeks)", "cron()", "cron(* * * * *)", "cron(60 * * * ? *)",
		"cron(0 24 * * ? *)", "cron(0 0 32 * ? *)", "cron(0 0 ? 13 * *)", "cron(0 0 ? * 8 *)", "cron(0 0 ? * MON#6 *)", "cron(0 0 * * ? 1969)", "cron(a b c d e f)",
		"at(2026-03-01)", "at(2026-13-01T00:00:00)", "at(2026-02-30T00:00:00)", "at(2026-03-01T12:00:00)", "at(2025-03-01T12:00:00)", "cron(0 0 * * ? 2025)",
	} {
		bads = append(bads, bad{fmt.Sprintf("the schedule %q", s), put(func(i in) { i.Schedule = &s }), validation, "chedule"})
	}
	for _, b := range bads {
		b.check(t)
	}
}

func TestBadReads(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(4, 10)
	w.register(5, 10)
	token := must(w.DescribeScalingActivities(t.Context(), &client.DescribeScalingActivitiesInput{ServiceNamespace: namespace, MaxResults: aws.Int32(1)}))(t).NextToken
	ids := make([]string, 51)
	ns := types.ServiceNamespaceEcs
	id := aws.String(web)
	type (
		targets  = client.DescribeScalableTargetsInput
		policies = client.DescribeScalingPoliciesInput
		actions  = client.DescribeScheduledActionsInput
		told     = client.DescribeScalingActivitiesInput
	)
	bads := []bad{
		{"targets: no namespace", failure(w.DescribeScalableTargets(t.Context(), &targets{})), validation, "serviceNamespace"},
		{"targets: another namespace", failure(w.DescribeScalableTargets(t.Context(), &targets{ServiceNamespace: "dynamodb"})), validation, "has to be ecs"},
		{"targets: a dimension alone", failure(w.DescribeScalableTargets(t.Context(), &targets{ServiceNamespace: ns, ScalableDimension: dimension})), validation, "ResourceIds must be specified"},
		{"targets: a bad resource", failure(w.DescribeScalableTargets(t.Context(), &targets{ServiceNamespace: ns, ResourceIds: []string{"x"}})), validation, "ResourceId"},
		{"targets: 51 resources", failure(w.DescribeScalableTargets(t.Context(), &targets{ServiceNamespace: ns, ResourceIds: ids})), validation, "50"},
		{"targets: 51 on a page", failure(w.DescribeScalableTargets(t.Context(), &targets{ServiceNamespace: ns, MaxResults: aws.Int32(51)})), validation, "between 1 and 50"},
		{"targets: a token of activities", failure(w.DescribeScalableTargets(t.Context(), &targets{ServiceNamespace: ns, NextToken: token})), "InvalidNextTokenException", "NextToken"},
		{"policies: a dimension alone", failure(w.DescribeScalingPolicies(t.Context(), &policies{ServiceNamespace: ns, ScalableDimension: dimension})), validation, "ResourceId must be specified"},
		{"policies: 11 on a page", failure(w.DescribeScalingPolicies(t.Context(), &policies{ServiceNamespace: ns, MaxResults: aws.Int32(11)})), validation, "between 1 and 10"},
		{"policies: a bad token", failure(w.DescribeScalingPolicies(t.Context(), &policies{ServiceNamespace: ns, NextToken: aws.String("x")})), "InvalidNextTokenException", "NextToken"},
		{"actions: an empty page", failure(w.DescribeScheduledActions(t.Context(), &actions{ServiceNamespace: ns, MaxResults: aws.Int32(0)})), validation, "between 1 and 50"},
		{"actions: another dimension", failure(w.DescribeScheduledActions(t.Context(), &actions{ServiceNamespace: ns, ResourceId: id, ScalableDimension: types.ScalableDimensionEC2SpotFleetRequestTargetCapacity})), validation, "ScalableDimension has to be"},
		{"actions: 51 names", failure(w.DescribeScheduledActions(t.Context(), &actions{ServiceNamespace: ns, ScheduledActionNames: ids})), validation, "50"},
		{"activities: a dimension alone", failure(w.DescribeScalingActivities(t.Context(), &told{ServiceNamespace: ns, ScalableDimension: dimension})), validation, "ResourceId must be specified"},
		{"activities: a token with another filter", failure(w.DescribeScalingActivities(t.Context(), &told{ServiceNamespace: ns, NextToken: token, ResourceId: id})), "InvalidNextTokenException", "NextToken"},
		{"a forecast", failure(w.GetPredictiveScalingForecast(t.Context(), &client.GetPredictiveScalingForecastInput{
			ServiceNamespace: ns, ResourceId: id, ScalableDimension: dimension, PolicyName: aws.String("p"), StartTime: &start, EndTime: &start,
		})), validation, "there is no predictive scaling"},
		{"delete no policy", failure(w.DeleteScalingPolicy(t.Context(), &client.DeleteScalingPolicyInput{ServiceNamespace: ns, ResourceId: id, ScalableDimension: dimension})), validation, "policyName"},
		{"delete no action", failure(w.DeleteScheduledAction(t.Context(), &client.DeleteScheduledActionInput{ServiceNamespace: ns, ResourceId: id, ScalableDimension: dimension})), validation, "scheduledActionName"},
		{"deregister no resource", failure(w.DeregisterScalableTarget(t.Context(), &client.DeregisterScalableTargetInput{ServiceNamespace: ns, ScalableDimension: dimension})), validation, "resourceId"},
	}
	for _, b := range bads {
		b.check(t)
	}
}

// Clients read the message under either name.
func TestErrorsOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status, body := w.send("RegisterScalableTarget", `{"ServiceNamespace":"ecs","ResourceId":"service/default/no","ScalableDimension":"ecs:service:DesiredCount","MinCapacity":1,"MaxCapacity":2}`)
	var got map[string]string
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatal(err)
	}
	const text = "ECS service doesn't exist: service/default/no"
	if status != 400 || got["__type"] != validation || got["Message"] != text {
		t.Errorf("got %d %s", status, body)
	}
	for _, body := range []string{`{"MinCapacity":"x"}`, `{`, `[]`, `{"MinCapacity":1.5}`} {
		if status, answer := w.send("RegisterScalableTarget", body); status != 400 || !strings.Contains(answer, "SerializationException") {
			t.Errorf("%s: got %d %s", body, status, answer)
		}
	}
	if status, answer := w.send("NoSuchOperation", `{}`); status != 400 || !strings.Contains(answer, "UnknownOperationException") {
		t.Errorf("got %d %s", status, answer)
	}
	status, answer := w.send("ListTagsForResource", `{"ResourceARN":"arn:aws:application-autoscaling:eu-west-1:123456789012:scalable-target/no"}`)
	if status != 400 || !strings.Contains(answer, `"ResourceName":"arn:aws:application-autoscaling:eu-west-1:123456789012:scalable-target/no"`) {
		t.Errorf("got %d %s", status, answer)
	}
}
