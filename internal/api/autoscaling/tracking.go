package autoscaling

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	cloudwatch "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
)

// The bounds of what is tracked ("TargetTrackingScalingPolicyConfiguration", "CustomizedMetricSpecification").
const (
	valueExponent   = 360
	metricTextMax   = 255
	dimensionsMax   = 30
	dimensionMax    = 1024
	queriesMax      = 10
	expressionMax   = 2048
	labelMax        = 1023
	customPeriod    = 60 // seconds
	reservedPrefix  = ":"
	trackingMember  = "targetTrackingScalingPolicyConfiguration."
	customMember    = trackingMember + "customizedMetricSpecification."
	predefinedLabel = trackingMember + "predefinedMetricSpecification."
)

func seconds(n *int32) time.Duration {
	if n == nil {
		return defaultCooldown * time.Second
	}
	return time.Duration(*n) * time.Second
}

// trackingIn converts a target tracking policy. The query of a predefined metric is made by control.
func trackingIn(in *types.TargetTrackingScalingPolicyConfiguration) (*model.Tracking, error) {
	if in.TargetValue == nil {
		return nil, null(trackingMember + "targetValue")
	}
	if v := *in.TargetValue; math.IsNaN(v) || math.Abs(v) > math.Ldexp(1, valueExponent) {
		return nil, invalid("TargetValue has to be between -2^360 and 2^360, got %g", v)
	}
	if err := first(
		least(trackingMember+"scaleOutCooldown", in.ScaleOutCooldown, 0), least(trackingMember+"scaleInCooldown", in.ScaleInCooldown, 0),
	); err != nil {
		return nil, err
	}
	t := &model.Tracking{
		Value: *in.TargetValue, OutCooldown: seconds(in.ScaleOutCooldown), InCooldown: seconds(in.ScaleInCooldown), NoScaleIn: aws.ToBool(in.DisableScaleIn),
	}
	switch {
	case (in.PredefinedMetricSpecification == nil) == (in.CustomizedMetricSpecification == nil):
		return nil, invalid("Exactly one of PredefinedMetricSpecification and CustomizedMetricSpecification has to be specified for a target tracking policy")
	case in.PredefinedMetricSpecification != nil:
		return t, predefinedIn(t, in.PredefinedMetricSpecification)
	case in.CustomizedMetricSpecification.Metrics != nil:
		return t, queriesIn(t, in.CustomizedMetricSpecification)
	}
	return t, customIn(t, in.CustomizedMetricSpecification)
}

func predefinedIn(t *model.Tracking, in *types.PredefinedMetricSpecification) error {
	if in.PredefinedMetricType == "" {
		return null(predefinedLabel + "predefinedMetricType")
	}
	if in.ResourceLabel != nil {
		if err := text(predefinedLabel+"resourceLabel", in.ResourceLabel, labelMax, nil); err != nil {
			return err
		}
	}
	t.Predefined, t.Label = string(in.PredefinedMetricType), aws.ToString(in.ResourceLabel)
	return checkEnum(predefinedLabel+"predefinedMetricType", in.PredefinedMetricType)
}

// customIn is a customised metric that is a single one.
func customIn(t *model.Tracking, in *types.CustomizedMetricSpecification) error {
	metric, err := metricIn(customMember, in.Namespace, in.MetricName, in.Dimensions)
	if err := first(err, checkEnum(customMember+"statistic", in.Statistic), checkUnit(customMember+"unit", in.Unit)); err != nil {
		return err
	}
	if in.Statistic == "" {
		return null(customMember + "statistic")
	}
	t.Queries = []model.MetricQuery{{ID: "m1", Metric: metric, Statistic: string(in.Statistic), Unit: aws.ToString(in.Unit), Period: customPeriod}}
	return nil
}

// metricIn checks a metric; the two kinds of dimensions that the API has are the same.
func metricIn[D types.MetricDimension | types.TargetTrackingMetricDimension](member string, namespace, name *string, dimensions []D) (*model.Metric, error) {
	if err := first(
		text(member+"namespace", namespace, metricTextMax, unprintable), text(member+"metricName", name, metricTextMax, unprintable),
	); err != nil {
		return nil, err
	}
	if strings.HasPrefix(*namespace, reservedPrefix) {
		return nil, invalid("The namespace '%.300s' must not begin with a colon", *namespace)
	}
	if len(dimensions) > dimensionsMax {
		return nil, broken(member+"dimensions", fmt.Sprintf("of %d items", len(dimensions)), fmt.Sprintf("have length less than or equal to %d", dimensionsMax))
	}
	m := &model.Metric{Namespace: *namespace, Name: *name}
	for _, given := range dimensions {
		d := types.MetricDimension(given)
		if err := first(
			text(member+"dimensions.member.name", d.Name, metricTextMax, unprintable), text(member+"dimensions.member.value", d.Value, dimensionMax, unprintable),
		); err != nil {
			return nil, err
		}
		if slices.ContainsFunc(m.Dimensions, func(old model.Dimension) bool { return old.Name == *d.Name }) {
			return nil, invalid("The dimension '%.300s' is specified more than once", *d.Name)
		}
		m.Dimensions = append(m.Dimensions, model.Dimension{Name: *d.Name, Value: *d.Value})
	}
	slices.SortFunc(m.Dimensions, func(x, y model.Dimension) int { return strings.Compare(x.Name, y.Name) })
	return m, nil
}

func checkUnit(member string, unit *string) error {
	if unit == nil {
		return nil
	}
	return checkEnum(member, cloudwatch.StandardUnit(*unit))
}

// queryID is the form of the ids of queries ("MetricDataQuery").
var queryID = regexp.MustCompile(`^[a-z][A-Za-z0-9_]*$`)

// queriesIn is a customised metric that is computed of others.
func queriesIn(t *model.Tracking, in *types.CustomizedMetricSpecification) error {
	if in.MetricName != nil || in.Namespace != nil || in.Statistic != "" || in.Unit != nil || len(in.Dimensions) > 0 {
		return invalid("Metrics cannot be specified together with MetricName, Namespace, Dimensions, Statistic or Unit in CustomizedMetricSpecification")
	}
	if n := len(in.Metrics); n == 0 || n > queriesMax {
		return broken(customMember+"metrics", fmt.Sprintf("of %d items", n), fmt.Sprintf("have 1 to %d items", queriesMax))
	}
	shown, seen := 0, map[string]bool{}
	for i, q := range in.Metrics {
		member := fmt.Sprintf("%smetrics.%d.member.", customMember, i+1)
		query, err := queryIn(member, q)
		if err != nil {
			return err
		}
		if seen[query.ID] {
			return invalid("The id '%s' is specified more than once in Metrics", query.ID)
		}
		seen[query.ID] = true
		if !query.Hidden {
			shown++
		}
		t.Queries = append(t.Queries, query)
	}
	if shown != 1 {
		return invalid("Exactly one element of Metrics has to return data, got %d; set ReturnData to false for all others", shown)
	}
	plan, err := expr.NewPlan(t.Queries)
	if err == nil {
		err = plan.Single()
	}
	if err != nil {
		return invalid("%v", err)
	}
	return nil
}

func queryIn(member string, in types.TargetTrackingMetricDataQuery) (model.MetricQuery, error) {
	q := model.MetricQuery{ID: aws.ToString(in.Id), Label: aws.ToString(in.Label), Hidden: in.ReturnData != nil && !*in.ReturnData, Period: customPeriod}
	if err := text(member+"id", in.Id, metricTextMax, nil); err != nil {
		return q, err
	}
	switch {
	case !queryID.MatchString(q.ID):
		return q, broken(member+"id", quoted(q.ID), "satisfy regular expression pattern: "+queryID.String())
	case (in.Expression == nil) == (in.MetricStat == nil):
		return q, invalid("Exactly one of Expression and MetricStat has to be specified for the metric '%s'", q.ID)
	case in.Expression != nil:
		q.Expression = *in.Expression
		return q, text(member+"expression", in.Expression, expressionMax, nil)
	}
	err := statIn(member+"metricStat.", &q, in.MetricStat)
	return q, err
}

func statIn(member string, q *model.MetricQuery, in *types.TargetTrackingMetricStat) error {
	if in.Metric == nil {
		return null(member + "metric")
	}
	metric, err := metricIn(member+"metric.", in.Metric.Namespace, in.Metric.MetricName, in.Metric.Dimensions)
	if err := first(err, text(member+"stat", in.Stat, metricTextMax, nil), checkUnit(member+"unit", in.Unit)); err != nil {
		return err
	}
	if _, err := metrics.ParseStatistic(*in.Stat); err != nil {
		return broken(member+"stat", quoted(*in.Stat), "be a statistic, as Average, Sum, Minimum, Maximum, SampleCount or p99")
	}
	q.Metric, q.Statistic, q.Unit = metric, *in.Stat, aws.ToString(in.Unit)
	return nil
}
