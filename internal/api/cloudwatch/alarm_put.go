package cloudwatch

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core/alarm"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// The bounds of alarms ("PutMetricAlarm", "CloudWatch service quotas").
const (
	alarmNameMax        = 255
	alarmDescriptionMax = 1024
	alarmActionsMax     = 5
	alarmMetricsMax     = 10
	alarmQueriesMax     = 20
)

func (a *API) putMetricAlarm(ctx context.Context, call control.Call, in *client.PutMetricAlarmInput) (*client.PutMetricAlarmOutput, error) {
	put, err := alarmIn(in)
	if err != nil {
		return nil, err
	}
	err = a.Update(ctx, func(tx *store.Tx) error { return control.PutAlarm(tx, call, put) })
	return &client.PutMetricAlarmOutput{}, err
}

// alarmIn reads a metric alarm.
func alarmIn(in *client.PutMetricAlarmInput) (*model.Alarm, error) {
	x := &model.Alarm{
		Name: aws.ToString(in.AlarmName), Description: aws.ToString(in.AlarmDescription), ActionsEnabled: in.ActionsEnabled == nil || *in.ActionsEnabled,
		OKActions: in.OKActions, AlarmActions: in.AlarmActions, InsufficientActions: in.InsufficientDataActions,
		EvaluationPeriods: int(aws.ToInt32(in.EvaluationPeriods)), DatapointsToAlarm: int(aws.ToInt32(in.DatapointsToAlarm)),
		Threshold: aws.ToFloat64(in.Threshold), Comparison: string(in.ComparisonOperator),
		TreatMissing: aws.ToString(in.TreatMissingData), LowSamples: aws.ToString(in.EvaluateLowSampleCountPercentile),
	}
	tags, err := tagsIn(in.Tags)
	if err := first(err, checkAlarm(x), notSupported(in)); err != nil {
		return nil, err
	}
	x.Tags = tags
	if len(in.Metrics) > 0 {
		err = onQueries(x, in)
	} else {
		err = onMetric(x, in)
	}
	if err := first(err, checkEvaluation(in), checkSamples(x)); err != nil {
		return nil, err
	}
	if err := alarm.Validate(x); err != nil {
		return nil, invalid("%s", err.Error())
	}
	return x, nil
}

// checkAlarm checks what alarms of all types have.
func checkAlarm(x *model.Alarm) error {
	if err := text("alarmName", x.Name, 1, alarmNameMax); err != nil {
		return err
	}
	if strings.ContainsFunc(x.Name, isControl) {
		return invalid("AlarmName must not contain control characters")
	}
	if err := text("alarmDescription", x.Description, 0, alarmDescriptionMax); err != nil {
		return err
	}
	for _, list := range []struct {
		member  string
		actions []string
	}{{alarmActions, x.AlarmActions}, {"oKActions", x.OKActions}, {"insufficientDataActions", x.InsufficientActions}} {
		if err := count(list.member, len(list.actions), alarmActionsMax); err != nil {
			return err
		}
		for _, action := range list.actions {
			if err := checkAction(list.member, action, x.Composite()); err != nil {
				return err
			}
		}
	}
	return nil
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// notSupported refuses members that stand for what this version has not.
func notSupported(in *client.PutMetricAlarmInput) error {
	for _, m := range []struct {
		name    string
		given   bool
		instead string
	}{
		{"EvaluationCriteria", in.EvaluationCriteria != nil, "alarms look at a metric, or at metric math"},
		{"EvaluationInterval", in.EvaluationInterval != nil, "alarms are evaluated as often as their period asks for"},
		{"EvaluationWindow", in.EvaluationWindow != nil, "alarms look at the newest EvaluationPeriods periods"},
		{"WarmUpConfiguration", in.WarmUpConfiguration != nil, "alarms are evaluated from the first minute on"},
		{"ActionConfiguration", in.ActionConfiguration != nil, "actions are told the alarm and its state"},
		{"ThresholdMetricId", in.ThresholdMetricId != nil, "alarms compare with a Threshold"},
	} {
		if m.given {
			return unsupported(m.name, m.instead)
		}
	}
	bands := []types.ComparisonOperator{
		types.ComparisonOperatorGreaterThanUpperThreshold, types.ComparisonOperatorLessThanLowerThreshold,
		types.ComparisonOperatorLessThanLowerOrGreaterThanUpperThreshold,
	}
	if slices.Contains(bands, in.ComparisonOperator) {
		return unsupported("ComparisonOperator "+string(in.ComparisonOperator), "bands of what is usual are not learnt; compare with a Threshold")
	}
	return nil
}

// checkEvaluation checks how a metric is compared.
func checkEvaluation(in *client.PutMetricAlarmInput) error {
	switch {
	case in.ComparisonOperator == "":
		return broken("comparisonOperator", "null", "not be null")
	case in.EvaluationPeriods == nil:
		return broken("evaluationPeriods", "null", "not be null")
	case in.Threshold == nil:
		return invalid("Threshold is required: alarms compare a metric with it")
	case math.IsNaN(*in.Threshold) || math.IsInf(*in.Threshold, 0):
		return invalid("Threshold must be a number, not %v", *in.Threshold)
	}
	return first(
		checkEnum("comparisonOperator", in.ComparisonOperator),
		number("evaluationPeriods", in.EvaluationPeriods, 1, math.MaxInt32), number("datapointsToAlarm", in.DatapointsToAlarm, 1, math.MaxInt32),
	)
}

// checkSamples checks what is done where data is missing, or little.
func checkSamples(x *model.Alarm) error {
	switch x.TreatMissing {
	case "", model.MissingMissing, model.MissingIgnore, model.MissingBreaching, model.MissingNotBreaching:
	default:
		return invalid("Option %.100s is not supported for TreatMissingData. Valid options are: breaching, notBreaching, ignore, missing", x.TreatMissing)
	}
	switch x.LowSamples {
	case "":
		return nil
	case "evaluate", "ignore":
	default:
		return invalid("Option %.100s is not supported for EvaluateLowSampleCountPercentile. Valid options are: evaluate, ignore", x.LowSamples)
	}
	if s, err := metrics.ParseStatistic(x.Statistic); err != nil || s.Function != metrics.Percentile {
		return invalid("EvaluateLowSampleCountPercentile is only valid for alarms with a percentile as ExtendedStatistic")
	}
	return nil
}

// onMetric reads an alarm on one metric.
func onMetric(x *model.Alarm, in *client.PutMetricAlarmInput) (err error) {
	if in.MetricName == nil {
		return invalid("Either MetricName or Metrics must be specified")
	}
	c := complaint(invalid)
	if x.Metric, err = c.metricIn("", in.Namespace, in.MetricName, in.Dimensions); err != nil {
		return err
	}
	if x.Statistic, err = statisticIn(in.Statistic, in.ExtendedStatistic); err != nil {
		return err
	}
	if in.Period == nil {
		return c.required("Period")
	}
	x.Period, x.Unit = int(*in.Period), string(in.Unit)
	return c.unit("Unit", in.Unit)
}

// statisticIn reads one statistic, in one of the two members that it may be in.
func statisticIn(basic types.Statistic, extended *string) (string, error) {
	switch {
	case basic != "" && extended != nil:
		return "", invalid("Statistic and ExtendedStatistic are mutually exclusive and you have specified both")
	case basic != "":
		return string(basic), checkEnum("statistic", basic)
	case extended == nil:
		return "", invalid("Either Statistic or ExtendedStatistic must be specified")
	}
	if s, err := metrics.ParseStatistic(*extended); err != nil || !s.NeedsValues() {
		return "", invalid("The value %.100s for parameter ExtendedStatistic is not supported.", *extended)
	}
	return *extended, nil
}

// onQueries reads an alarm on metric math, or on one metric in its form.
func onQueries(x *model.Alarm, in *client.PutMetricAlarmInput) (err error) {
	for _, m := range []struct {
		name  string
		given bool
	}{
		{"MetricName", in.MetricName != nil},
		{"Namespace", in.Namespace != nil},
		{"Dimensions", len(in.Dimensions) > 0},
		{"Period", in.Period != nil},
		{"Unit", in.Unit != ""},
		{"Statistic", in.Statistic != ""},
		{"ExtendedStatistic", in.ExtendedStatistic != nil},
	} {
		if m.given {
			return invalid("%s should not be set if list of Metrics is set.", m.name)
		}
	}
	if len(in.Metrics) > alarmQueriesMax {
		return invalid("The collection Metrics must not have a size greater than %d.", alarmQueriesMax)
	}
	r := queryReader{list: "Metrics"}
	if x.Queries, err = r.read(in.Metrics); err != nil {
		return err
	}
	shown, measured := 0, 0
	for _, q := range x.Queries {
		if !q.Hidden {
			shown++
		}
		if q.Metric != nil {
			measured++
		}
	}
	switch {
	case shown != 1:
		return invalid("Exactly one element of the metrics list should return data. %d elements currently returning data.", shown)
	case measured == 0:
		return invalid("At least one element of the metrics list must have a MetricStat.")
	case measured > alarmMetricsMax || len(x.Queries)-measured > alarmMetricsMax:
		return invalid("The metrics list has %d metrics and %d expressions; at most %d of each are allowed.",
			measured, len(x.Queries)-measured, alarmMetricsMax)
	}
	return computable(x.Queries)
}
