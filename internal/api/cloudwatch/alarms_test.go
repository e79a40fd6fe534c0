package cloudwatch_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/maitred/maitred/internal/model"
)

const (
	policy = "arn:aws:autoscaling:eu-west-1:123456789012:scalingPolicy:6d8972f3-efc8-437c-92d1-6270f29a66e7:resource/ecs/service/c/s:policyName/p"
	hook   = "http://127.0.0.1:9/hook"
)

func named(names ...string) *client.DescribeAlarmsInput {
	return &client.DescribeAlarmsInput{AlarmNames: names, AlarmTypes: []types.AlarmType{types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm}}
}

// TestAlarmIsGivenBackAsItCame puts an alarm with all that it can have.
func TestAlarmIsGivenBackAsItCame(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alarm("web/high", func(in *client.PutMetricAlarmInput) {
		in.AlarmDescription, in.ActionsEnabled = aws.String("d"), aws.Bool(false)
		in.AlarmActions, in.OKActions, in.InsufficientDataActions = []string{policy + ":createdBy/1", hook}, []string{hook}, []string{"https://[::1]:1/x?y=z"}
		in.Statistic, in.ExtendedStatistic, in.EvaluateLowSampleCountPercentile = "", aws.String("p99.9"), aws.String("ignore")
		in.DatapointsToAlarm, in.TreatMissingData, in.Unit = aws.Int32(2), aws.String("notBreaching"), types.StandardUnitPercent
		in.Tags = []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
	})
	out := must(w.DescribeAlarms(t.Context(), named("web/high")))(t)
	at := aws.Time(start)
	want := []types.MetricAlarm{{
		AlarmName: aws.String("web/high"), AlarmArn: aws.String("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:web/high"),
		AlarmDescription: aws.String("d"), ActionsEnabled: aws.Bool(false), AlarmConfigurationUpdatedTimestamp: at,
		AlarmActions: []string{policy + ":createdBy/1", hook}, OKActions: []string{hook}, InsufficientDataActions: []string{"https://[::1]:1/x?y=z"},
		Namespace: aws.String("AWS/ECS"), MetricName: aws.String("CPUUtilization"), Dimensions: dim("ClusterName", "c", "ServiceName", "s"),
		ExtendedStatistic: aws.String("p99.9"), EvaluateLowSampleCountPercentile: aws.String("ignore"), Period: aws.Int32(60), Unit: types.StandardUnitPercent,
		EvaluationPeriods: aws.Int32(3), DatapointsToAlarm: aws.Int32(2), TreatMissingData: aws.String("notBreaching"),
		Threshold: aws.Float64(50), ComparisonOperator: types.ComparisonOperatorGreaterThanThreshold,
		StateValue: types.StateValueInsufficientData, StateReason: aws.String("Unchecked: Initial alarm creation"),
		StateUpdatedTimestamp: at, StateTransitionedTimestamp: at,
	}}
	if diff := cmp.Diff(want, out.MetricAlarms, cmpopts.IgnoreUnexported(types.MetricAlarm{}, types.Dimension{})); diff != "" {
		t.Errorf("alarm (-want +got):\n%s", diff)
	}
	w.pass(time.Minute)
	w.alarm("web/high") // clears what it does not have
	a := must(w.DescribeAlarms(t.Context(), named("web/high")))(t).MetricAlarms[0]
	if a.AlarmDescription != nil || !*a.ActionsEnabled || len(a.AlarmActions) != 0 || a.TreatMissingData != nil || a.Statistic != types.StatisticAverage ||
		!a.AlarmConfigurationUpdatedTimestamp.Equal(start.Add(time.Minute)) || !a.StateUpdatedTimestamp.Equal(start) {
		t.Errorf("after the update: %+v", a)
	}
	tags := must(w.ListTagsForResource(t.Context(), &client.ListTagsForResourceInput{ResourceARN: a.AlarmArn}))(t)
	if len(tags.Tags) != 1 || *tags.Tags[0].Value != "v" {
		t.Errorf("tags: %+v", tags.Tags)
	}
}

func TestMathAlarm(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	queries := []types.MetricDataQuery{
		labelled(math("e1", "m1/m2"), "backlog per task"), hidden(metric("m1", 60, "Sum", "d", "queue")), hidden(metric("m2", 60, "p90", "d", "tasks")),
	}
	queries[0].ReturnData = aws.Bool(true)
	w.alarm("math", func(in *client.PutMetricAlarmInput) {
		in.MetricName, in.Namespace, in.Dimensions, in.Statistic, in.Period, in.Metrics = nil, nil, nil, "", nil, queries
	})
	a := must(w.DescribeAlarms(t.Context(), named("math")))(t).MetricAlarms[0]
	ignore := cmpopts.IgnoreUnexported(types.MetricDataQuery{}, types.MetricStat{}, types.Metric{}, types.Dimension{})
	if diff := cmp.Diff(queries, a.Metrics, ignore); diff != "" || a.MetricName != nil || a.Period != nil || a.Statistic != "" {
		t.Errorf("alarm %+v, metrics (-want +got):\n%s", a, diff)
	}
	if out := must(w.DescribeAlarmsForMetric(t.Context(), &client.DescribeAlarmsForMetricInput{
		Namespace: aws.String("Own"), MetricName: aws.String("m"), Dimensions: dim("d", "queue"),
	}))(t); len(out.MetricAlarms) != 0 {
		t.Errorf("an alarm on metric math is one for a metric: %+v", out)
	}
}

// names lists the alarms of an answer.
func names(out *client.DescribeAlarmsOutput) string {
	var all []string
	for _, a := range out.MetricAlarms {
		all = append(all, *a.AlarmName)
	}
	for _, a := range out.CompositeAlarms {
		all = append(all, "["+*a.AlarmName+"]")
	}
	return strings.Join(all, " ")
}

func TestDescribeAlarms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alarm("b", func(in *client.PutMetricAlarmInput) { in.OKActions = []string{hook} })
	w.alarm("a")
	w.alarm("a/1")
	w.composite("up", `ALARM(a) AND NOT OK("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a/1")`)
	w.composite("top", `ALARM(up) OR FALSE`)
	must(w.SetAlarmState(t.Context(), &client.SetAlarmStateInput{AlarmName: aws.String("b"), StateValue: types.StateValueOk, StateReason: aws.String("r")}))(t)
	metricAlarms, compositeAlarms := types.AlarmTypeMetricAlarm, types.AlarmTypeCompositeAlarm
	for _, tc := range []struct {
		in   client.DescribeAlarmsInput
		want string
	}{
		{client.DescribeAlarmsInput{}, "a a/1 b"},
		{*named(), "a a/1 b [top] [up]"},
		{client.DescribeAlarmsInput{AlarmTypes: []types.AlarmType{compositeAlarms}}, "[top] [up]"},
		{client.DescribeAlarmsInput{AlarmTypes: []types.AlarmType{types.AlarmTypeLogAlarm}}, ""},
		{client.DescribeAlarmsInput{AlarmNames: []string{"b", "up", "none"}}, "b"},
		{*named("b", "up", "none"), "b [up]"},
		{client.DescribeAlarmsInput{AlarmNamePrefix: aws.String("a")}, "a a/1"},
		{client.DescribeAlarmsInput{StateValue: types.StateValueOk}, "b"},
		{client.DescribeAlarmsInput{ActionPrefix: aws.String("http://127")}, "b"},
		{client.DescribeAlarmsInput{ActionPrefix: aws.String("arn:")}, ""},
		{client.DescribeAlarmsInput{ChildrenOfAlarmName: aws.String("up")}, "a a/1"},
		{client.DescribeAlarmsInput{ChildrenOfAlarmName: aws.String("top")}, "[up]"},
		{client.DescribeAlarmsInput{ParentsOfAlarmName: aws.String("a/1")}, "[up]"},
		{client.DescribeAlarmsInput{ParentsOfAlarmName: aws.String("b")}, ""},
		{client.DescribeAlarmsInput{AlarmTypes: []types.AlarmType{metricAlarms}, StateValue: types.StateValueInsufficientData}, "a a/1"},
	} {
		if got := names(must(w.DescribeAlarms(t.Context(), &tc.in))(t)); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	for limit := range int32(6) {
		var all []string
		in := named()
		in.MaxRecords = aws.Int32(limit + 1)
		for p := client.NewDescribeAlarmsPaginator(w, in); p.HasMorePages(); {
			all = append(all, names(must(p.NextPage(t.Context()))(t)))
		}
		if got := strings.Join(all, " "); len(strings.Fields(got)) != 5 {
			t.Errorf("in pages of %d: %q", limit+1, got)
		}
	}
	parents := must(w.DescribeAlarms(t.Context(), &client.DescribeAlarmsInput{ParentsOfAlarmName: aws.String("a")}))(t).CompositeAlarms[0]
	if parents.AlarmArn == nil || parents.StateValue != "" || parents.AlarmRule != nil {
		t.Errorf("a parent is %+v, want its name and ARN only", parents)
	}
	if out, err := w.in("us-east-1").DescribeAlarms(t.Context(), named()); err != nil || names(out) != "" {
		t.Errorf("in another region: %v, %v", out, err)
	}
}

func TestAlarmsForMetric(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alarm("a")
	w.alarm("b", func(in *client.PutMetricAlarmInput) {
		in.Statistic, in.ExtendedStatistic, in.Period, in.Unit = "", aws.String("p50"), aws.Int32(10), types.StandardUnitPercent
	})
	w.alarm("c", func(in *client.PutMetricAlarmInput) { in.Dimensions = dim("ClusterName", "c") })
	base := client.DescribeAlarmsForMetricInput{Namespace: aws.String("AWS/ECS"), MetricName: aws.String("CPUUtilization"), Dimensions: dim("ServiceName", "s", "ClusterName", "c")}
	for _, tc := range []struct {
		edit func(*client.DescribeAlarmsForMetricInput)
		want string
	}{
		{func(*client.DescribeAlarmsForMetricInput) {}, "a b"},
		{func(in *client.DescribeAlarmsForMetricInput) { in.Statistic = types.StatisticAverage }, "a"},
		{func(in *client.DescribeAlarmsForMetricInput) { in.ExtendedStatistic = aws.String("p50") }, "b"},
		{func(in *client.DescribeAlarmsForMetricInput) { in.Period = aws.Int32(10) }, "b"},
		{func(in *client.DescribeAlarmsForMetricInput) { in.Unit = types.StandardUnitCount }, ""},
		{func(in *client.DescribeAlarmsForMetricInput) { in.Dimensions = in.Dimensions[1:] }, "c"},
		{func(in *client.DescribeAlarmsForMetricInput) { in.Dimensions = nil }, ""},
	} {
		in := base
		tc.edit(&in)
		out := must(w.DescribeAlarmsForMetric(t.Context(), &in))(t)
		if got := names(&client.DescribeAlarmsOutput{MetricAlarms: out.MetricAlarms}); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
}

// TestSuppression tells what holds the actions of a composite alarm back.
func TestSuppression(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alarm("a")
	w.alarm("maintenance")
	must(w.PutCompositeAlarm(t.Context(), &client.PutCompositeAlarmInput{
		AlarmName: aws.String("up"), AlarmRule: aws.String("ALARM(a)"), AlarmActions: []string{hook}, ActionsSuppressor: aws.String("maintenance"),
		ActionsSuppressorWaitPeriod: aws.Int32(60), ActionsSuppressorExtensionPeriod: aws.Int32(0), AlarmDescription: aws.String("d"),
	}))(t)
	get := func() types.CompositeAlarm {
		return must(w.DescribeAlarms(t.Context(), named("up")))(t).CompositeAlarms[0]
	}
	set := func(name string, value types.StateValue) {
		must(w.SetAlarmState(t.Context(), &client.SetAlarmStateInput{AlarmName: &name, StateValue: value, StateReason: aws.String("r")}))(t)
	}
	a := get()
	if *a.ActionsSuppressor != "maintenance" || *a.ActionsSuppressorWaitPeriod != 60 || *a.ActionsSuppressorExtensionPeriod != 0 || *a.AlarmRule != "ALARM(a)" ||
		a.StateValue != types.StateValueInsufficientData || !*a.ActionsEnabled || *a.AlarmDescription != "d" || a.AlarmActions[0] != hook {
		t.Errorf("got %+v", a)
	}
	set("maintenance", types.StateValueAlarm)
	set("up", types.StateValueAlarm)
	if a := get(); a.ActionsSuppressedBy != types.ActionsSuppressedByAlarm || *a.ActionsSuppressedReason == "" {
		t.Errorf("suppressed by %q", a.ActionsSuppressedBy)
	}
}

// TestSetAlarmState writes what whoever evaluates the alarm finds.
func TestSetAlarmState(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alarm("a")
	data := `{"version":"1.0","recentDatapoints":[60.0],"threshold":50.0}`
	w.pass(time.Minute)
	must(w.SetAlarmState(t.Context(), &client.SetAlarmStateInput{
		AlarmName: aws.String("a"), StateValue: types.StateValueAlarm, StateReason: aws.String("test"), StateReasonData: &data,
	}))(t)
	s, _ := w.store.View().AlarmState(model.AlarmPath(region, "a"))
	if !s.Set || s.Value != model.AlarmAlarm || s.Reason != "test" || s.ReasonData != data || !s.Since.Equal(start.Add(time.Minute)) || s.Cause.Subject != "SetAlarmState" {
		t.Errorf("got %+v", s)
	}
	a := must(w.DescribeAlarms(t.Context(), named("a")))(t).MetricAlarms[0]
	if a.StateValue != types.StateValueAlarm || *a.StateReasonData != data {
		t.Errorf("got %+v", a)
	}
	wantError(t, failure(w.SetAlarmState(t.Context(), &client.SetAlarmStateInput{AlarmName: aws.String("b"), StateValue: types.StateValueOk, StateReason: aws.String("r")})),
		"ResourceNotFound", "b does not exist")
}

func TestAlarmActionsAndDeletion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alarm("a")
	w.alarm("b")
	w.composite("up", "ALARM(b)")
	enabled := func() (all []bool) {
		for _, a := range must(w.DescribeAlarms(t.Context(), &client.DescribeAlarmsInput{}))(t).MetricAlarms {
			all = append(all, *a.ActionsEnabled)
		}
		return all
	}
	must(w.DisableAlarmActions(t.Context(), &client.DisableAlarmActionsInput{AlarmNames: []string{"a", "none"}}))(t)
	if got := enabled(); got[0] || !got[1] {
		t.Errorf("enabled: %v", got)
	}
	must(w.EnableAlarmActions(t.Context(), &client.EnableAlarmActionsInput{AlarmNames: []string{"a"}}))(t)
	if got := enabled(); !got[0] {
		t.Errorf("enabled: %v", got)
	}
	wantError(t, failure(w.DeleteAlarms(t.Context(), &client.DeleteAlarmsInput{AlarmNames: []string{"a", "b"}})), "ValidationError", "Cannot delete b as there are composite alarm(s) depending on it.")
	must(w.DeleteAlarms(t.Context(), &client.DeleteAlarmsInput{AlarmNames: []string{"a", "none", "b", "up"}}))(t)
	if got := names(must(w.DescribeAlarms(t.Context(), named()))(t)); got != "" {
		t.Errorf("left: %s", got)
	}
}

func TestAlarmTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alarm("a:b/c")
	id := aws.String("arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a:b/c")
	must(w.TagResource(t.Context(), &client.TagResourceInput{ResourceARN: id, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}, {Key: aws.String("l"), Value: aws.String("")}}}))(t)
	must(w.UntagResource(t.Context(), &client.UntagResourceInput{ResourceARN: id, TagKeys: []string{"k", "x"}}))(t)
	if tags := must(w.ListTagsForResource(t.Context(), &client.ListTagsForResourceInput{ResourceARN: id}))(t).Tags; len(tags) != 1 || *tags[0].Key != "l" {
		t.Errorf("tags: %+v", tags)
	}
}

func TestAlarmHistory(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.alarm("a")
	for i := range 10 {
		w.pass(time.Minute)
		must(w.SetAlarmState(t.Context(), &client.SetAlarmStateInput{
			AlarmName: aws.String("a"), StateValue: []types.StateValue{types.StateValueOk, types.StateValueAlarm}[i%2], StateReason: aws.String("r"),
		}))(t)
	}
	w.composite("up", "ALARM(a)")
	w.alarm("b")
	read := func(in *client.DescribeAlarmHistoryInput) (lines []string) {
		for p := client.NewDescribeAlarmHistoryPaginator(w, in); p.HasMorePages(); {
			for _, e := range must(p.NextPage(t.Context()))(t).AlarmHistoryItems {
				lines = append(lines, fmt.Sprintf("%d %s %s %s %s", int(e.Timestamp.Sub(start).Minutes()), *e.AlarmName, e.AlarmType, e.HistoryItemType, *e.HistorySummary))
				if !json.Valid([]byte(*e.HistoryData)) {
					t.Errorf("data: %s", *e.HistoryData)
				}
			}
		}
		return lines
	}
	all := read(&client.DescribeAlarmHistoryInput{AlarmName: aws.String("a"), MaxRecords: aws.Int32(3)})
	if len(all) != 11 || all[0] != "10 a MetricAlarm StateUpdate Alarm updated from OK to ALARM" || all[10] != `0 a MetricAlarm ConfigurationUpdate Alarm "a" created` {
		t.Errorf("got %d: %q", len(all), all)
	}
	for _, tc := range []struct {
		in    client.DescribeAlarmHistoryInput
		n     int
		first string
	}{
		{client.DescribeAlarmHistoryInput{ScanBy: types.ScanByTimestampAscending, MaxRecords: aws.Int32(1)}, 12, `0 a MetricAlarm ConfigurationUpdate Alarm "a" created`},
		{client.DescribeAlarmHistoryInput{HistoryItemType: types.HistoryItemTypeConfigurationUpdate}, 2, `10 b MetricAlarm ConfigurationUpdate Alarm "b" created`},
		{client.DescribeAlarmHistoryInput{AlarmTypes: []types.AlarmType{types.AlarmTypeCompositeAlarm}}, 1, `10 up CompositeAlarm ConfigurationUpdate Alarm "up" created`},
		{client.DescribeAlarmHistoryInput{StartDate: aws.Time(start.Add(2 * time.Minute)), EndDate: aws.Time(start.Add(3 * time.Minute))}, 2, "3 a MetricAlarm StateUpdate Alarm updated from ALARM to OK"},
		{client.DescribeAlarmHistoryInput{HistoryItemType: types.HistoryItemTypeAction}, 0, ""},
	} {
		got := read(&tc.in)
		if len(got) != tc.n || tc.n > 0 && got[0] != tc.first {
			t.Errorf("got %d: %q, want %d, the first %q", len(got), got, tc.n, tc.first)
		}
	}
	must(w.DeleteAlarms(t.Context(), &client.DeleteAlarmsInput{AlarmNames: []string{"b"}}))(t)
	if got := read(&client.DescribeAlarmHistoryInput{AlarmName: aws.String("b")}); len(got) != 2 || !strings.HasSuffix(got[0], "deleted") && !strings.HasSuffix(got[1], "deleted") {
		t.Errorf("of a deleted alarm: %q", got)
	}
	w.pass(15 * 24 * time.Hour)
	if got := read(&client.DescribeAlarmHistoryInput{}); got != nil {
		t.Errorf("after two weeks: %q", got)
	}
}
