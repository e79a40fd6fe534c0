package cloudwatch_test

import (
	gomath "math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
)

// The codes as clients see them.
const (
	validation  = "ValidationError"
	badValue    = "InvalidParameterValue"
	missing     = "MissingParameter"
	combination = "InvalidParameterCombination"
)

// refusal is a request that is refused.
type refusal[I any] struct {
	name string
	edit func(*I)
	code string
	part string
}

// refuse makes each request of a good one, and wants it to be refused.
func refuse[I, O any](t *testing.T, good func() *I, do func(*I) (*O, error), refusals []refusal[I]) {
	t.Helper()
	if _, err := do(good()); err != nil {
		t.Fatalf("the good request: %v", err)
	}
	for _, r := range refusals {
		in := good()
		r.edit(in)
		_, err := do(in)
		if err == nil {
			t.Errorf("%s: no error", r.name)
			continue
		}
		t.Run(r.name, func(t *testing.T) { //nolint:paralleltest,tparallel // it only looks at an error
			wantError(t, err, r.code, r.part)
		})
	}
}

func repeated[T any](v T, n int) []T { return slices.Repeat([]T{v}, n) }

func manyDimensions(n int) []types.Dimension {
	var pairs []string
	for i := range n {
		pairs = append(pairs, string(rune('a'+i/26))+string(rune('a'+i%26)), "v")
	}
	return dim(pairs...)
}

func TestBadMetricData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type in = client.PutMetricDataInput
	datum := func(edit func(*types.MetricDatum)) func(*in) { return func(i *in) { edit(&i.MetricData[0]) } }
	value := func(v float64) func(*in) { return datum(func(d *types.MetricDatum) { d.Value = &v }) }
	set := func(count, sum, least, most *float64) func(*in) {
		return datum(func(d *types.MetricDatum) {
			d.Value, d.StatisticValues = nil, &types.StatisticSet{SampleCount: count, Sum: sum, Minimum: least, Maximum: most}
		})
	}
	values := func(values, counts []float64) func(*in) {
		return datum(func(d *types.MetricDatum) { d.Value, d.Values, d.Counts = nil, values, counts })
	}
	f := aws.Float64
	refuse(t, func() *in {
		return &in{Namespace: aws.String("Own"), MetricData: []types.MetricDatum{{MetricName: aws.String("m"), Value: f(1), Dimensions: dim("a", "1")}}}
	}, func(i *in) (*client.PutMetricDataOutput, error) { return w.PutMetricData(t.Context(), i) }, []refusal[in]{
		{"no namespace", func(i *in) { i.Namespace = nil }, missing, "The parameter Namespace is required."},
		{"AWS namespace", func(i *in) { i.Namespace = aws.String("AWS/ECS") }, badValue, "The value AWS/ECS for parameter Namespace is invalid"},
		{"our namespace", func(i *in) { i.Namespace = aws.String("Maitred") }, badValue, "not for users"},
		{"colon", func(i *in) { i.Namespace = aws.String(":x") }, badValue, "The value :x for parameter Namespace is invalid"},
		{"long namespace", func(i *in) { i.Namespace = aws.String(strings.Repeat("n", 256)) }, badValue, "The parameter Namespace must be shorter than 256 characters."},
		{"namespace in no ASCII", func(i *in) { i.Namespace = aws.String("Zähler") }, badValue, "parameter Namespace is invalid"},
		{"control character", func(i *in) { i.Namespace = aws.String("a\x01") }, badValue, "parameter Namespace is invalid"},
		{"no data", func(i *in) { i.MetricData = nil }, missing, "The parameter MetricData is required."},
		{"too many", func(i *in) { i.MetricData = repeated(i.MetricData[0], 1001) }, badValue, "The collection MetricData must not have a size greater than 1000."},
		{"strict entity", func(i *in) {
			i.EntityMetricData = []types.EntityMetricData{{Entity: &types.Entity{}, MetricData: i.MetricData}}
			i.StrictEntityValidation = aws.Bool(true)
		}, badValue, "EntityMetricData.member.1.Entity"},
		{"bad data of an entity", func(i *in) { i.EntityMetricData = []types.EntityMetricData{{MetricData: []types.MetricDatum{{}}}} }, missing, "EntityMetricData.member.1.MetricData.member.1.MetricName"},
		{"no name", datum(func(d *types.MetricDatum) { d.MetricName = nil }), missing, "The parameter MetricData.member.1.MetricName is required."},
		{"blank name", datum(func(d *types.MetricDatum) { d.MetricName = aws.String(" ") }), badValue, "MetricData.member.1.MetricName is invalid"},
		{"long name", datum(func(d *types.MetricDatum) { d.MetricName = aws.String(strings.Repeat("ä", 256)) }), badValue, "must be shorter than 256"},
		{"too many dimensions", datum(func(d *types.MetricDatum) { d.Dimensions = manyDimensions(31) }), badValue, "The collection MetricData.member.1.Dimensions must not have a size greater than 30."},
		{"dimension without name", datum(func(d *types.MetricDatum) { d.Dimensions[0].Name = nil }), missing, "Dimensions.member.1.Name is required"},
		{"dimension without value", datum(func(d *types.MetricDatum) { d.Dimensions[0].Value = aws.String("") }), missing, "Dimensions.member.1.Value is required"},
		{"long dimension", datum(func(d *types.MetricDatum) { d.Dimensions[0].Value = aws.String(strings.Repeat("v", 1025)) }), badValue, "must be shorter than 1025"},
		{"dimension with colon", datum(func(d *types.MetricDatum) { d.Dimensions[0].Name = aws.String(":a") }), badValue, "The value :a for parameter"},
		{"dimension twice", datum(func(d *types.MetricDatum) { d.Dimensions = dim("a", "1", "b", "1", "a", "2") }), badValue, "has the dimension a more than once"},
		{"bad unit", datum(func(d *types.MetricDatum) { d.Unit = "Furlongs" }), badValue, "MetricData.member.1.Unit must be a value in the set [ Seconds, "},
		{"resolution", datum(func(d *types.MetricDatum) { d.StorageResolution = aws.Int32(10) }), badValue, "The value 10 for parameter MetricData.member.1.StorageResolution is invalid"},
		{"old", datum(func(d *types.MetricDatum) { d.Timestamp = aws.Time(start.Add(-14*24*time.Hour - time.Second)) }), badValue, "no more than two weeks in the past"},
		{"future", datum(func(d *types.MetricDatum) { d.Timestamp = aws.Time(start.Add(2*time.Hour + time.Second)) }), badValue, "no more than two hours in the future"},
		{"no value", datum(func(d *types.MetricDatum) { d.Value = nil }), missing, "The parameter MetricData.member.1.Value is required."},
		{"NaN", value(gomath.NaN()), badValue, "The value NaN for parameter MetricData.member.1.Value is invalid"},
		{"infinity", value(gomath.Inf(1)), badValue, "The value +Inf for parameter"},
		{"minus infinity", value(gomath.Inf(-1)), badValue, "The value -Inf for parameter"},
		{"too large", value(gomath.Ldexp(1.1, 360)), badValue, "values are between -2^360 and 2^360"},
		{"too small", value(gomath.Ldexp(-1.1, 360)), badValue, "values are between -2^360 and 2^360"},
		{"value and set", datum(func(d *types.MetricDatum) {
			d.StatisticValues = &types.StatisticSet{SampleCount: f(1), Sum: f(1), Minimum: f(1), Maximum: f(1)}
		}), combination, "MetricData.member.1.Value and MetricData.member.1.StatisticValues are mutually exclusive"},
		{"value and values", datum(func(d *types.MetricDatum) { d.Values = []float64{1} }), combination, "mutually exclusive"},
		{"counts alone", datum(func(d *types.MetricDatum) { d.Counts = []float64{1} }), combination, "Counts must not be specified without"},
		{"empty values", values([]float64{}, nil), missing, "MetricData.member.1.Values is required"},
		{"too many values", values(repeated(1.0, 151), nil), badValue, "MetricData.member.1.Values must not have a size greater than 150"},
		{"other number of counts", values([]float64{1, 2}, []float64{1}), badValue, "must have the same size; they have 2 and 1"},
		{"bad value of many", values([]float64{1, gomath.NaN()}, nil), badValue, "The value NaN for parameter MetricData.member.1.Values is invalid"},
		{"negative count", values([]float64{1}, []float64{-1}), badValue, "The value -1 for parameter MetricData.member.1.Counts is invalid"},
		{"sum too large", values([]float64{gomath.Ldexp(1, 360)}, []float64{3}), badValue, "values are between"},
		{"set without sum", set(f(1), nil, f(1), f(1)), missing, "StatisticValues.Sum is required"},
		{"set of nothing", set(f(0), f(0), f(0), f(0)), badValue, "StatisticValues.SampleCount is invalid: it must be greater than 0"},
		{"set the wrong way round", set(f(2), f(3), f(2), f(1)), badValue, "StatisticValues.Maximum must be greater than or equal"},
		{"set of infinity", set(f(2), f(gomath.Inf(1)), f(1), f(2)), badValue, "The value +Inf for parameter MetricData.member.1.StatisticValues.Sum"},
	})
}

func TestBadStatistics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type in = client.GetMetricStatisticsInput
	refuse(t, func() *in { return statistics(-time.Hour, 0, "Sum") },
		func(i *in) (*client.GetMetricStatisticsOutput, error) { return w.GetMetricStatistics(t.Context(), i) }, []refusal[in]{
			{"no namespace", func(i *in) { i.Namespace = nil }, missing, "The parameter Namespace is required."},
			{"no name", func(i *in) { i.MetricName = nil }, missing, "The parameter MetricName is required."},
			{"no start", func(i *in) { i.StartTime = nil }, missing, "The parameter StartTime is required."},
			{"no end", func(i *in) { i.EndTime = nil }, missing, "The parameter EndTime is required."},
			{"no period", func(i *in) { i.Period = nil }, missing, "The parameter Period is required."},
			{"end before start", func(i *in) { i.EndTime = aws.Time(start.Add(-2 * time.Hour)) }, combination, "StartTime must be less than the parameter EndTime"},
			{"nothing between", func(i *in) { i.EndTime = i.StartTime }, combination, "StartTime must be less than the parameter EndTime"},
			{"a year of minutes", func(i *in) { i.StartTime = aws.Time(start.AddDate(-1, 0, 0)) }, combination, "which exceeds the limit of 1,440"},
			{"ages ago", func(i *in) { i.StartTime = aws.Time(start.AddDate(-10, 0, 0)) }, badValue, "too far apart"},
			{"period 0", func(i *in) { i.Period = aws.Int32(0) }, badValue, "The value 0 for parameter Period is invalid"},
			{"period 90", func(i *in) { i.Period = aws.Int32(90) }, badValue, "The value 90 for parameter Period is invalid"},
			{"negative period", func(i *in) { i.Period = aws.Int32(-60) }, badValue, "The value -60 for parameter Period is invalid"},
			{"no statistics", func(i *in) { i.Statistics = nil }, combination, "At least one of the parameters Statistics and ExtendedStatistics must be specified."},
			{"both sorts", func(i *in) { i.ExtendedStatistics = []string{"p99"} }, combination, "mutually exclusive"},
			{"unknown statistic", func(i *in) { i.Statistics = []types.Statistic{"Median"} }, badValue, "Statistics.member.1 must be a value in the set"},
			{"too many statistics", func(i *in) { i.Statistics = repeated(types.StatisticSum, 6) }, badValue, "The collection Statistics must not have a size greater than 5"},
			{"p101", func(i *in) { i.Statistics, i.ExtendedStatistics = nil, []string{"p101"} }, badValue, "The value p101 for parameter ExtendedStatistics.member.1"},
			{"basic as extended", func(i *in) { i.Statistics, i.ExtendedStatistics = nil, []string{"Sum"} }, badValue, "The value Sum for parameter ExtendedStatistics.member.1"},
			{"too many extended", func(i *in) { i.Statistics, i.ExtendedStatistics = nil, repeated("p99", 11) }, badValue, "must not have a size greater than 10"},
			{"unit", func(i *in) { i.Unit = "Apples" }, badValue, "The parameter Unit must be a value in the set"},
		})
}

func TestBadDataQueries(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type in = client.GetMetricDataInput
	queries := func(q ...types.MetricDataQuery) func(*in) { return func(i *in) { i.MetricDataQueries = q } }
	stat := func(edit func(*types.MetricStat)) func(*in) {
		return func(i *in) { edit(i.MetricDataQueries[0].MetricStat) }
	}
	refuse(t, func() *in { return lastHour(metric("m1", 60, "Sum"), math("e1", "m1*2")) },
		func(i *in) (*client.GetMetricDataOutput, error) { return w.GetMetricData(t.Context(), i) }, []refusal[in]{
			{"no queries", queries(), validation, "The parameter MetricDataQueries is required."},
			{"too many", queries(repeated(metric("m1", 60, "Sum"), 501)...), validation, "must not have a size greater than 500"},
			{"no start", func(i *in) { i.StartTime = nil }, validation, "The parameter StartTime is required."},
			{"no end", func(i *in) { i.EndTime = nil }, validation, "The parameter EndTime is required."},
			{"end before start", func(i *in) { i.EndTime = aws.Time(i.StartTime.Add(-1)) }, validation, "StartTime must be less than the parameter EndTime"},
			{"scan", func(i *in) { i.ScanBy = "Sideways" }, validation, "Value 'Sideways' at 'scanBy'"},
			{"no points", func(i *in) { i.MaxDatapoints = aws.Int32(0) }, validation, "Value '0' at 'maxDatapoints'"},
			{"too many points", func(i *in) { i.MaxDatapoints = aws.Int32(100_801) }, validation, "less than or equal to 100800"},
			{"timezone", func(i *in) { i.LabelOptions = &types.LabelOptions{Timezone: aws.String("Berlin")} }, validation, "The value Berlin for parameter LabelOptions.Timezone"},
			{"token", func(i *in) { i.NextToken = aws.String("x") }, "InvalidNextToken", "NextToken"},
			{"no id", func(i *in) { i.MetricDataQueries[0].Id = nil }, validation, "The parameter MetricDataQueries.member.1.Id is required."},
			{"id in capitals", queries(metric("M1", 60, "Sum")), validation, "The value M1 for parameter MetricDataQueries.member.1.Id"},
			{"id twice", queries(metric("m1", 60, "Sum"), metric("m1", 60, "Sum")), validation, "The values for parameter id in MetricDataQueries are not unique."},
			{"neither", queries(types.MetricDataQuery{Id: aws.String("a")}), validation, "mutually exclusive"},
			{"both", func(i *in) { i.MetricDataQueries[0].Expression = aws.String("1") }, validation, "mutually exclusive"},
			{"two periods", func(i *in) { i.MetricDataQueries[0].Period = aws.Int32(60) }, validation, "MetricDataQueries.member.1.Period must not be specified together"},
			{"account", func(i *in) { i.MetricDataQueries[0].AccountId = aws.String("1") }, validation, "AccountId is not supported"},
			{"no metric", stat(func(s *types.MetricStat) { s.Metric = nil }), validation, "MetricStat.Metric is required"},
			{"no namespace", stat(func(s *types.MetricStat) { s.Metric.Namespace = nil }), validation, "The parameter MetricDataQueries.member.1.MetricStat.Metric.Namespace is required."},
			{"no period", stat(func(s *types.MetricStat) { s.Period = nil }), validation, "MetricStat.Period is required"},
			{"period 7", stat(func(s *types.MetricStat) { s.Period = aws.Int32(7) }), validation, "The value 7 for parameter MetricDataQueries.member.1.MetricStat.Period"},
			{"no statistic", stat(func(s *types.MetricStat) { s.Stat = nil }), validation, "MetricStat.Stat is required"},
			{"statistic", stat(func(s *types.MetricStat) { s.Stat = aws.String("Median") }), validation, "The value Median for parameter MetricDataQueries.member.1.MetricStat.Stat is not supported."},
			{"unit", stat(func(s *types.MetricStat) { s.Unit = "Apples" }), validation, "MetricStat.Unit must be a value in the set"},
			{"syntax", queries(metric("m1", 60, "Sum"), math("e1", "m1 +")), validation, "Error in expression 'e1'"},
			{"unknown id", queries(math("e1", "m7")), validation, "Error in expression 'e1'"},
			{"unknown function", queries(metric("m1", 60, "Sum"), math("e1", "FROB(m1)")), validation, "Error in expression 'e1'"},
			{"circle", queries(math("e1", "e2"), math("e2", "e1")), validation, "Circular reference"},
			{"itself", queries(math("e1", "e1+1")), validation, "Circular reference"},
			{"number", queries(metric("m1", 60, "Sum"), math("e1", "1+1")), validation, "time series"},
			{"period of an expression", queries(metric("m1", 60, "Sum"), func() types.MetricDataQuery {
				q := math("e1", "m1")
				q.Period = aws.Int32(61)
				return q
			}()), validation, "The value 61 for parameter MetricDataQueries.member.2.Period"},
		})
}

func TestBadAlarms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	type in = client.PutMetricAlarmInput
	period := func(period, n int32) func(*in) {
		return func(i *in) { i.Period, i.EvaluationPeriods = &period, &n }
	}
	mathAlarm := func(q ...types.MetricDataQuery) func(*in) {
		return func(i *in) {
			i.MetricName, i.Namespace, i.Dimensions, i.Statistic, i.Period, i.Metrics = nil, nil, nil, "", nil, q
		}
	}
	m1 := hidden(metric("m1", 60, "Sum"))
	refuse(t, func() *in { return cpu("a") }, func(i *in) (*client.PutMetricAlarmOutput, error) { return w.PutMetricAlarm(t.Context(), i) }, []refusal[in]{
		{"no name", func(i *in) { i.AlarmName = nil }, validation, "Value null at 'alarmName' failed to satisfy constraint: Member must not be null"},
		{"long name", func(i *in) { i.AlarmName = aws.String(strings.Repeat("n", 256)) }, validation, "at 'alarmName' failed to satisfy constraint: Member must have length less than or equal to 255"},
		{"name with a line", func(i *in) { i.AlarmName = aws.String("a\nb") }, validation, "control characters"},
		{"long description", func(i *in) { i.AlarmDescription = aws.String(strings.Repeat("d", 1025)) }, validation, "at 'alarmDescription'"},
		{"six actions", func(i *in) { i.AlarmActions = repeated(policy, 6) }, validation, "at 'alarmActions' failed to satisfy constraint: Member must have length less than or equal to 5"},
		{"SNS", func(i *in) { i.AlarmActions = []string{"arn:aws:sns:eu-west-1:123456789012:t"} }, validation, "supported are ARNs of scaling policies"},
		{"EC2 action", func(i *in) { i.OKActions = []string{"arn:aws:automate:eu-west-1:ec2:stop"} }, validation, "not supported by this version of maitred"},
		{"no ARN", func(i *in) { i.InsufficientDataActions = []string{"notBreaching"} }, validation, "Invalid arn syntax: notBreaching"},
		{"scaling policy on OK", func(i *in) { i.OKActions = []string{policy} }, validation, "scaling policies are carried out by AlarmActions alone"},
		{"scaling policy without data", func(i *in) { i.InsufficientDataActions = []string{policy} }, validation, "scaling policies are carried out by AlarmActions alone"},
		{"URL without host", func(i *in) { i.AlarmActions = []string{"http:///x"} }, validation, "Invalid arn syntax"},
		{"other URL", func(i *in) { i.AlarmActions = []string{"ftp://h/x"} }, validation, "Invalid arn syntax"},
		{"no metric", func(i *in) { i.MetricName = nil }, validation, "Either MetricName or Metrics must be specified"},
		{"no namespace", func(i *in) { i.Namespace = nil }, validation, "The parameter Namespace is required."},
		{"too many dimensions", func(i *in) { i.Dimensions = manyDimensions(31) }, validation, "must not have a size greater than 30"},
		{"no statistic", func(i *in) { i.Statistic = "" }, validation, "Either Statistic or ExtendedStatistic must be specified"},
		{"two statistics", func(i *in) { i.ExtendedStatistic = aws.String("p99") }, validation, "mutually exclusive"},
		{"bad statistic", func(i *in) { i.Statistic = "Median" }, validation, "Value 'Median' at 'statistic'"},
		{"bad percentile", func(i *in) { i.Statistic, i.ExtendedStatistic = "", aws.String("p100.5") }, validation, "The value p100.5 for parameter ExtendedStatistic is not supported."},
		{"no period", func(i *in) { i.Period = nil }, validation, "The parameter Period is required."},
		{"period 45", period(45, 1), validation, "Period must be 10, 20, 30, or a multiple of 60"},
		{"a week and an hour", period(3600, 169), validation, "EvaluationPeriods * Period must be <= 604800"}, // V33
		{"a day and a minute", period(60, 1441), validation, "EvaluationPeriods * Period must be <= 86400"},   // V33
		{"no evaluation periods", func(i *in) { i.EvaluationPeriods = nil }, validation, "Value null at 'evaluationPeriods'"},
		{"evaluation periods 0", func(i *in) { i.EvaluationPeriods = aws.Int32(0) }, validation, "Value '0' at 'evaluationPeriods'"},
		{"M over N", func(i *in) { i.DatapointsToAlarm = aws.Int32(4) }, validation, "DatapointsToAlarm"},
		{"M 0", func(i *in) { i.DatapointsToAlarm = aws.Int32(0) }, validation, "Value '0' at 'datapointsToAlarm'"},
		{"no threshold", func(i *in) { i.Threshold = nil }, validation, "Threshold is required"},
		{"threshold NaN", func(i *in) { i.Threshold = aws.Float64(gomath.NaN()) }, validation, "Threshold must be a number, not NaN"},
		{"threshold infinity", func(i *in) { i.Threshold = aws.Float64(gomath.Inf(-1)) }, validation, "Threshold must be a number, not -Inf"},
		{"no operator", func(i *in) { i.ComparisonOperator = "" }, validation, "Value null at 'comparisonOperator'"},
		{"bad operator", func(i *in) { i.ComparisonOperator = "Equals" }, validation, "Value 'Equals' at 'comparisonOperator'"},
		{"band", func(i *in) { i.ComparisonOperator = types.ComparisonOperatorGreaterThanUpperThreshold }, validation, "is not supported by this version of maitred"},
		{"threshold metric", func(i *in) { i.ThresholdMetricId = aws.String("ad1") }, validation, "ThresholdMetricId is not supported"},
		{"PromQL", func(i *in) {
			i.EvaluationCriteria = &types.EvaluationCriteriaMemberPromQLCriteria{Value: types.AlarmPromQLCriteria{Query: aws.String("up")}}
		}, validation, "EvaluationCriteria is not supported"},
		{"interval", func(i *in) { i.EvaluationInterval = aws.Int32(60) }, validation, "EvaluationInterval is not supported"},
		{"missing data", func(i *in) { i.TreatMissingData = aws.String("zero") }, validation, "Option zero is not supported for TreatMissingData"},
		{"low samples", func(i *in) { i.EvaluateLowSampleCountPercentile = aws.String("x") }, validation, "Option x is not supported for EvaluateLowSampleCountPercentile"},
		{"low samples of an average", func(i *in) { i.EvaluateLowSampleCountPercentile = aws.String("ignore") }, validation, "only valid for alarms with a percentile"},
		{"unit", func(i *in) { i.Unit = "Apples" }, validation, "The parameter Unit must be a value in the set"},
		{"reserved tag", func(i *in) { i.Tags = []types.Tag{{Key: aws.String("aws:x"), Value: aws.String("")}} }, validation, "aws: is reserved"},
		{"tag twice", func(i *in) { i.Tags = repeated(types.Tag{Key: aws.String("k"), Value: aws.String("")}, 2) }, validation, "more than once"},
		{"tag without key", func(i *in) { i.Tags = []types.Tag{{Value: aws.String("v")}} }, validation, "at 'tags.member.key'"},
		{"metrics and metric", func(i *in) { i.Metrics = []types.MetricDataQuery{metric("m1", 60, "Sum")} }, validation, "MetricName should not be set if list of Metrics is set."},
		{"metrics and statistic", func(i *in) {
			mathAlarm(metric("m1", 60, "Sum"))(i)
			i.Statistic = types.StatisticSum
		}, validation, "Statistic should not be set if list of Metrics is set."},
		{"nothing returned", mathAlarm(m1), validation, "Exactly one element of the metrics list should return data. 0 elements"},
		{"two returned", mathAlarm(metric("m1", 60, "Sum"), math("e1", "m1")), validation, "2 elements currently returning data."},
		{"no metric in math", mathAlarm(math("e1", "TIME_SERIES(1)")), validation, "must have a MetricStat"},
		{"bad expression", mathAlarm(m1, math("e1", "m1 ** 2")), validation, "Error in expression 'e1'"},
		{"unknown id", mathAlarm(m1, math("e1", "m1+m2")), validation, "Error in expression 'e1'"},
		{"search", mathAlarm(m1, math("e1", `SUM(SEARCH('{AWS/ECS,ClusterName} CPU', 'Sum', 60))`)), validation, "Error in expression 'e1': SEARCH is not supported"},
		{"several series", mathAlarm(m1, hidden(metric("m2", 60, "Sum")), math("e1", "METRICS()")), validation, "It must return a single time series, not an array of 2"},
		{"a number", mathAlarm(m1, math("e1", "AVG(m1)")), validation, "must return a time series"},
		{"an argument of another kind", mathAlarm(m1, math("e1", "IF(METRICS(), 1, 0)")), validation, "Function 'IF': argument 1"},
		{"statistic of a query", mathAlarm(metric("m1", 60, "p101")), validation, "The value p101 for parameter Metrics.member.1.MetricStat.Stat is not supported."},
		{"too many queries", mathAlarm(repeated(m1, 21)...), validation, "must not have a size greater than 20"},
		{"period of math", mathAlarm(hidden(metric("m1", 3600, "Sum")), math("e1", "m1"), hidden(metric("m2", 45, "Sum"))), validation, "Period is invalid"},
	})
}

func TestBadCompositeAlarms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alarm("a")
	w.alarm("s")
	type in = client.PutCompositeAlarmInput
	rule := func(r string) func(*in) { return func(i *in) { i.AlarmRule = &r } }
	suppressed := func(by string, wait, extension *int32) func(*in) {
		return func(i *in) {
			i.ActionsSuppressor, i.ActionsSuppressorWaitPeriod, i.ActionsSuppressorExtensionPeriod = &by, wait, extension
		}
	}
	n := aws.Int32
	refuse(t, func() *in { return &in{AlarmName: aws.String("up"), AlarmRule: aws.String("ALARM(a)")} },
		func(i *in) (*client.PutCompositeAlarmOutput, error) { return w.PutCompositeAlarm(t.Context(), i) }, []refusal[in]{
			{"no name", func(i *in) { i.AlarmName = nil }, validation, "at 'alarmName'"},
			{"no rule", func(i *in) { i.AlarmRule = nil }, validation, "at 'alarmRule'"},
			{"empty rule", rule(""), validation, "AlarmRule"},
			{"syntax", rule("ALARM(a) AND"), validation, "Error in AlarmRule ["},
			{"nothing in parentheses", rule("()"), validation, "Unsupported token ')'"},
			{"unknown alarm", rule("ALARM(b) OR OK(c)"), validation, "as alarms [b, c] in the alarm rule do not exist"},
			{"elsewhere", rule(`ALARM("arn:aws:cloudwatch:us-east-1:123456789012:alarm:a")`), validation, "another region or account"},
			{"name of a metric alarm", func(i *in) { i.AlarmName = aws.String("s") }, validation, "another type has the name s"},
			{"scaling policy", func(i *in) { i.AlarmActions = []string{policy} }, validation, "composite alarms cannot carry out scaling policies"},
			{"scaling policy on OK", func(i *in) { i.OKActions = []string{policy} }, validation, "composite alarms cannot carry out scaling policies"},
			{"SNS", func(i *in) { i.AlarmActions = []string{"arn:aws:sns:eu-west-1:123456789012:t"} }, validation, "not supported by this version of maitred"},
			{"periods without suppressor", func(i *in) { i.ActionsSuppressorWaitPeriod = n(1) }, validation, "must not be specified without ActionsSuppressor"},
			{"suppressor without periods", suppressed("s", n(1), nil), validation, "must be specified with ActionsSuppressor"},
			{"unknown suppressor", suppressed("b", n(1), n(1)), validation, "ActionsSuppressor b is not another alarm"},
			{"suppressed by itself", suppressed("up", n(1), n(1)), validation, "ActionsSuppressor up is not another alarm"},
			{"suppressor elsewhere", suppressed("arn:aws:cloudwatch:eu-west-1:1:alarm:s", n(1), n(1)), validation, "is not another alarm"},
			{"negative wait", suppressed("s", n(-1), n(1)), validation, "Value '-1' at 'actionsSuppressorWaitPeriod'"},
			{"no suppressor's name", suppressed(" ", n(1), n(1)), validation, "at 'actionsSuppressor'"},
		})
}

func TestBadUseOfAlarms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alarm("a")
	ctx := t.Context()
	type describe = client.DescribeAlarmsInput
	set := func(value types.StateValue, reason, data *string) error {
		return failure(w.SetAlarmState(ctx, &client.SetAlarmStateInput{AlarmName: aws.String("a"), StateValue: value, StateReason: reason, StateReasonData: data}))
	}
	list := func(in describe) error { return failure(w.DescribeAlarms(ctx, &in)) }
	history := func(in client.DescribeAlarmHistoryInput) error { return failure(w.DescribeAlarmHistory(ctx, &in)) }
	metrics := func(in client.ListMetricsInput) error { return failure(w.ListMetrics(ctx, &in)) }
	tags := func(resource string) error {
		return failure(w.ListTagsForResource(ctx, &client.ListTagsForResourceInput{ResourceARN: &resource}))
	}
	const id = "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a"
	r, up := aws.String("r"), aws.String("a")
	for _, tc := range []struct {
		name       string
		err        error
		code, part string
	}{
		{"state without reason", set(types.StateValueOk, nil, nil), validation, "at 'stateReason'"},
		{"no state", set("", r, nil), validation, "Value null at 'stateValue'"},
		{"bad state", set("GREEN", r, nil), validation, "Value 'GREEN' at 'stateValue'"},
		{"long reason", set(types.StateValueOk, aws.String(strings.Repeat("r", 1024)), nil), validation, "at 'stateReason'"},
		{"data that is no JSON", set(types.StateValueOk, r, aws.String("{")), "InvalidFormat", "not syntactically valid JSON"},
		{"long data", set(types.StateValueOk, r, aws.String(`"`+strings.Repeat("d", 4000)+`"`)), validation, "at 'stateReasonData'"},
		{"names and prefix", list(describe{AlarmNames: []string{"a"}, AlarmNamePrefix: up}), validation, "mutually exclusive"},
		{"101 names", list(describe{AlarmNames: repeated("a", 101)}), validation, "at 'alarmNames'"},
		{"bad type", list(describe{AlarmTypes: []types.AlarmType{"x"}}), validation, "at 'alarmTypes'"},
		{"filter by bad state", list(describe{StateValue: "x"}), validation, "at 'stateValue'"},
		{"page of 101", list(describe{MaxRecords: aws.Int32(101)}), validation, "at 'maxRecords'"},
		{"token", list(describe{NextToken: up}), "InvalidNextToken", "NextToken"},
		{"children and parents", list(describe{ChildrenOfAlarmName: up, ParentsOfAlarmName: up}), validation, "cannot be specified with any other"},
		{"children and prefix", list(describe{ChildrenOfAlarmName: up, AlarmNamePrefix: up}), validation, "cannot be specified with any other"},
		{"children of nothing", list(describe{ChildrenOfAlarmName: aws.String("x")}), "ResourceNotFound", "x does not exist"},
		{"parents of nothing", list(describe{ParentsOfAlarmName: aws.String("x")}), "ResourceNotFound", "x does not exist"},
		{"for no metric", failure(w.DescribeAlarmsForMetric(ctx, &client.DescribeAlarmsForMetricInput{Namespace: up})), validation, "MetricName is required"},
		{"for a bad period", failure(w.DescribeAlarmsForMetric(ctx, &client.DescribeAlarmsForMetricInput{Namespace: up, MetricName: up, Period: aws.Int32(7)})), validation, "The value 7 for parameter Period"},
		{"for two statistics", failure(w.DescribeAlarmsForMetric(ctx, &client.DescribeAlarmsForMetricInput{
			Namespace: up, MetricName: up, Statistic: "Sum", ExtendedStatistic: aws.String("p9"),
		})), validation, "mutually exclusive"},
		{"history token", history(client.DescribeAlarmHistoryInput{NextToken: up}), "InvalidNextToken", "NextToken"},
		{"history backwards", history(client.DescribeAlarmHistoryInput{StartDate: &start, EndDate: aws.Time(start.Add(-1e9))}), validation, "StartDate"},
		{"history of contributors", history(client.DescribeAlarmHistoryInput{AlarmContributorId: up}), validation, "AlarmContributorId is not supported"},
		{"history type", history(client.DescribeAlarmHistoryInput{HistoryItemType: "x"}), validation, "at 'historyItemType'"},
		{"delete nothing", failure(w.DeleteAlarms(ctx, &client.DeleteAlarmsInput{})), validation, "Value null at 'alarmNames'"},
		{"delete 101", failure(w.DeleteAlarms(ctx, &client.DeleteAlarmsInput{AlarmNames: repeated("a", 101)})), validation, "at 'alarmNames'"},
		{"enable without name", failure(w.EnableAlarmActions(ctx, &client.EnableAlarmActionsInput{AlarmNames: []string{""}})), validation, "at 'alarmNames'"},
		{"disable nothing", failure(w.DisableAlarmActions(ctx, &client.DisableAlarmActionsInput{})), validation, "at 'alarmNames'"},
		{"tags of nothing", tags(""), validation, "at 'resourceARN'"},
		{"tags of a name", tags("a"), badValue, "not the ARN of an alarm"},
		{"tags of an insight rule", tags("arn:aws:cloudwatch:eu-west-1:123456789012:insight-rule/x"), badValue, "not the ARN of an alarm"},
		{"tags elsewhere", tags("arn:aws:cloudwatch:us-east-1:123456789012:alarm:a"), "ResourceNotFoundException", "does not exist"},
		{"tags of an unknown alarm", tags(id + "b"), "ResourceNotFoundException", "does not exist"},
		{"tag with nothing", failure(w.TagResource(ctx, &client.TagResourceInput{ResourceARN: aws.String(id)})), validation, "at 'tags'"},
		{"untag nothing", failure(w.UntagResource(ctx, &client.UntagResourceInput{ResourceARN: aws.String(id)})), validation, "at 'tagKeys'"},
		{"untag an unknown alarm", failure(w.UntagResource(ctx, &client.UntagResourceInput{ResourceARN: aws.String(id + "b"), TagKeys: []string{"k"}})), "ResourceNotFoundException", "does not exist"},
		{"list with a bad token", metrics(client.ListMetricsInput{NextToken: up}), badValue, "parameter NextToken is invalid"},
		{"list of long ago", metrics(client.ListMetricsInput{RecentlyActive: "PT4H"}), badValue, "RecentlyActive must be a value in the set [ PT3H ]"},
		{"list of a bad namespace", metrics(client.ListMetricsInput{Namespace: aws.String(":x")}), badValue, "parameter Namespace is invalid"},
		{"list with 11 dimensions", metrics(client.ListMetricsInput{Dimensions: repeated(types.DimensionFilter{Name: up}, 11)}), badValue, "must not have a size greater than 10"},
		{"list by nothing", metrics(client.ListMetricsInput{Dimensions: []types.DimensionFilter{{}}}), missing, "Dimensions.member.1.Name is required"},
		{"list of another account", metrics(client.ListMetricsInput{OwningAccount: aws.String("1"), IncludeLinkedAccounts: aws.Bool(true)}), badValue, "no linked accounts"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			wantError(t, tc.err, tc.code, tc.part)
		})
	}
}
