package cloudwatch

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/api/paging"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core/alarm"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// alarmsPage is the largest page of alarms and of their history, and the one that is given when none is asked for
// ("DescribeAlarms").
const alarmsPage = 100

func (a *API) describeAlarms(_ context.Context, call control.Call, in *client.DescribeAlarmsInput) (*client.DescribeAlarmsOutput, error) {
	if err := checkDescribe(in); err != nil {
		return nil, err
	}
	query := paging.Of(call, describeQuery(in)...)
	after, ok := query.Key(in.NextToken)
	if !ok {
		return nil, wire.Errorf("InvalidNextToken", "The specified NextToken is invalid")
	}
	view := a.Store.View()
	show, found, err := chosenAlarms(view, call, in)
	if err != nil {
		return nil, err
	}
	found, next := paging.Cut(query, found, func(a *model.Alarm) string { return a.Name }, strings.Compare, after, pageSize(in.MaxRecords))
	out := &client.DescribeAlarmsOutput{MetricAlarms: []types.MetricAlarm{}, CompositeAlarms: []types.CompositeAlarm{}, NextToken: next}
	for _, x := range found {
		s := stateOf(view, x)
		if x.Composite() {
			out.CompositeAlarms = append(out.CompositeAlarms, show.composite(view, call, x, s))
		} else {
			out.MetricAlarms = append(out.MetricAlarms, show.metric(x, s))
		}
	}
	return out, nil
}

func pageSize(n *int32) int {
	if n == nil {
		return alarmsPage
	}
	return int(*n)
}

func checkDescribe(in *client.DescribeAlarmsInput) error {
	family := in.ChildrenOfAlarmName != nil || in.ParentsOfAlarmName != nil
	filtered := in.ActionPrefix != nil || in.AlarmNamePrefix != nil || len(in.AlarmNames) > 0 || len(in.AlarmTypes) > 0 || in.StateValue != ""
	switch {
	case in.ChildrenOfAlarmName != nil && in.ParentsOfAlarmName != nil, family && filtered:
		return invalid("ChildrenOfAlarmName and ParentsOfAlarmName cannot be specified with any other parameter but MaxRecords and NextToken")
	case in.AlarmNamePrefix != nil && len(in.AlarmNames) > 0:
		return invalid("AlarmNames and AlarmNamePrefix are mutually exclusive and you have specified both")
	}
	for _, t := range in.AlarmTypes {
		if err := checkEnum("alarmTypes", t); err != nil {
			return err
		}
	}
	return first(
		count("alarmNames", len(in.AlarmNames), alarmsPage), checkEnum("stateValue", in.StateValue), number("maxRecords", in.MaxRecords, 1, alarmsPage),
		text("actionPrefix", aws.ToString(in.ActionPrefix), 0, actionMax), text("alarmNamePrefix", aws.ToString(in.AlarmNamePrefix), 0, alarmNameMax),
	)
}

// describeQuery is what the token of a page of alarms is tied to.
func describeQuery(in *client.DescribeAlarmsInput) []string {
	parts := []string{
		aws.ToString(in.ActionPrefix), aws.ToString(in.AlarmNamePrefix), string(in.StateValue), aws.ToString(in.ChildrenOfAlarmName),
		aws.ToString(in.ParentsOfAlarmName),
	}
	for _, t := range in.AlarmTypes {
		parts = append(parts, string(t))
	}
	return append(append(parts, ""), in.AlarmNames...)
}

// chosenAlarms are the alarms that a request asks for, by name, and how much of them is shown.
func chosenAlarms(v *store.View, call control.Call, in *client.DescribeAlarmsInput) (show shownAlarm, found []*model.Alarm, err error) {
	keep := func(x *model.Alarm) bool { return chosen(v, x, in) }
	if name := in.ChildrenOfAlarmName; name != nil {
		parent, err := control.FindAlarm(v, call, *name)
		if err != nil {
			return 0, nil, err
		}
		show, keep = withState, func(x *model.Alarm) bool { return slices.Contains(parent.Children, x.Name) }
	}
	if name := in.ParentsOfAlarmName; name != nil {
		if _, err := control.FindAlarm(v, call, *name); err != nil {
			return 0, nil, err
		}
		show, keep = withName, func(x *model.Alarm) bool { return slices.Contains(x.Children, *name) }
	}
	for x := range v.Alarms(call.Region) {
		if keep(x) {
			found = append(found, x)
		}
	}
	slices.SortFunc(found, func(x, y *model.Alarm) int { return strings.Compare(x.Name, y.Name) })
	return show, found, nil
}

// chosen says whether an alarm passes the filters. Without types only metric alarms do.
func chosen(v *store.View, x *model.Alarm, in *client.DescribeAlarmsInput) bool {
	kind := alarmType(x.Composite())
	switch {
	case len(in.AlarmTypes) == 0 && x.Composite(), len(in.AlarmTypes) > 0 && !slices.Contains(in.AlarmTypes, kind):
		return false
	case len(in.AlarmNames) > 0 && !slices.Contains(in.AlarmNames, x.Name):
		return false
	case !strings.HasPrefix(x.Name, aws.ToString(in.AlarmNamePrefix)):
		return false
	case in.StateValue != "" && string(stateOf(v, x).Value) != string(in.StateValue):
		return false
	case in.ActionPrefix == nil:
		return true
	}
	return slices.ContainsFunc(slices.Concat(x.AlarmActions, x.OKActions, x.InsufficientActions), func(action string) bool {
		return strings.HasPrefix(action, *in.ActionPrefix)
	})
}

func alarmType(composite bool) types.AlarmType {
	if composite {
		return types.AlarmTypeCompositeAlarm
	}
	return types.AlarmTypeMetricAlarm
}

// stateOf is the state of an alarm: whoever reads between two transactions finds none, and takes it for a new one.
func stateOf(v *store.View, x *model.Alarm) *model.AlarmState {
	if s, ok := v.AlarmState(x.Key().Path); ok {
		return s
	}
	return &model.AlarmState{Value: model.AlarmInsufficient, Reason: alarm.InitialReason, Since: x.UpdatedAt, UpdatedAt: x.UpdatedAt}
}

// shownAlarm says how much of alarms is shown ("DescribeAlarms").
type shownAlarm int

const (
	whole     shownAlarm = iota
	withState            // of children: the name, the ARN and the state
	withName             // of parents: the name and the ARN
)

func (show shownAlarm) metric(x *model.Alarm, s *model.AlarmState) types.MetricAlarm {
	out := types.MetricAlarm{AlarmName: &x.Name, AlarmArn: &x.ARN}
	if show == withName {
		return out
	}
	out.StateValue, out.StateUpdatedTimestamp = types.StateValue(s.Value), millis(s.UpdatedAt)
	if show == withState {
		return out
	}
	out.StateReason, out.StateReasonData, out.StateTransitionedTimestamp = &s.Reason, given(s.ReasonData), millis(s.Since)
	out.AlarmDescription, out.AlarmConfigurationUpdatedTimestamp = given(x.Description), millis(x.UpdatedAt)
	out.ActionsEnabled = aws.Bool(x.ActionsEnabled)
	out.OKActions, out.AlarmActions, out.InsufficientDataActions = list(x.OKActions), list(x.AlarmActions), list(x.InsufficientActions)
	out.EvaluationPeriods, out.DatapointsToAlarm = aws.Int32(int32(x.EvaluationPeriods)), givenNumber(x.DatapointsToAlarm)
	out.Threshold, out.ComparisonOperator = aws.Float64(x.Threshold), types.ComparisonOperator(x.Comparison)
	out.TreatMissingData, out.EvaluateLowSampleCountPercentile = given(x.TreatMissing), given(x.LowSamples)
	out.Metrics, out.Dimensions = queriesOut(x.Queries), []types.Dimension{}
	if x.Metric == nil {
		return out
	}
	out.Namespace, out.MetricName, out.Dimensions = &x.Metric.Namespace, &x.Metric.Name, dimensionsOut(x.Metric.Dimensions)
	out.Period, out.Unit = givenNumber(x.Period), types.StandardUnit(x.Unit)
	if model.BasicStatistic(x.Statistic) {
		out.Statistic = types.Statistic(x.Statistic)
	} else {
		out.ExtendedStatistic = &x.Statistic
	}
	return out
}

func (show shownAlarm) composite(v *store.View, call control.Call, x *model.Alarm, s *model.AlarmState) types.CompositeAlarm {
	out := types.CompositeAlarm{AlarmName: &x.Name, AlarmArn: &x.ARN}
	if show == withName {
		return out
	}
	out.StateValue, out.StateUpdatedTimestamp = types.StateValue(s.Value), millis(s.UpdatedAt)
	if show == withState {
		return out
	}
	out.StateReason, out.StateReasonData, out.StateTransitionedTimestamp = &s.Reason, given(s.ReasonData), millis(s.Since)
	out.AlarmDescription, out.AlarmConfigurationUpdatedTimestamp = given(x.Description), millis(x.UpdatedAt)
	out.ActionsEnabled, out.AlarmRule = aws.Bool(x.ActionsEnabled), &x.Rule
	out.OKActions, out.AlarmActions, out.InsufficientDataActions = list(x.OKActions), list(x.AlarmActions), list(x.InsufficientActions)
	if x.Suppressor == "" {
		return out
	}
	out.ActionsSuppressor = &x.Suppressor
	out.ActionsSuppressorWaitPeriod, out.ActionsSuppressorExtensionPeriod = aws.Int32(int32(x.Wait)), aws.Int32(int32(x.Extension))
	name, _ := control.AlarmRef(call.Scope, x.Suppressor)
	suppressor, _ := v.AlarmState(model.AlarmPath(x.Region, name))
	if p := alarm.Actions(x, s, suppressor, call.Now); p.By != "" {
		out.ActionsSuppressedBy, out.ActionsSuppressedReason = types.ActionsSuppressedBy(p.By), &p.Reason
	}
	return out
}

// millis is a time as the API tells it.
func millis(t time.Time) *time.Time { return aws.Time(t.UTC().Truncate(time.Millisecond)) }

// list is a list that is told even if it is empty.
func list(all []string) []string {
	if all == nil {
		return []string{}
	}
	return all
}

func (a *API) describeAlarmsForMetric(
	_ context.Context, call control.Call, in *client.DescribeAlarmsForMetricInput,
) (*client.DescribeAlarmsForMetricOutput, error) {
	c := complaint(invalid)
	m, err := c.metricIn("", in.Namespace, in.MetricName, in.Dimensions)
	if err := first(err, c.unit("Unit", in.Unit), checkEnum("statistic", in.Statistic)); err != nil {
		return nil, err
	}
	statistic := string(in.Statistic)
	if in.ExtendedStatistic != nil {
		if statistic, err = statisticIn(in.Statistic, in.ExtendedStatistic); err != nil {
			return nil, err
		}
	}
	if in.Period != nil {
		if err := c.period("Period", in.Period); err != nil {
			return nil, err
		}
	}
	out := &client.DescribeAlarmsForMetricOutput{MetricAlarms: []types.MetricAlarm{}}
	view, key := a.Store.View(), metricKey(*m)
	for x := range view.Alarms(call.Region) {
		switch {
		case x.Metric == nil || metricKey(*x.Metric) != key:
		case statistic != "" && statistic != x.Statistic, in.Unit != "" && string(in.Unit) != x.Unit, in.Period != nil && int(*in.Period) != x.Period:
		default:
			out.MetricAlarms = append(out.MetricAlarms, whole.metric(x, stateOf(view, x)))
		}
	}
	return out, nil
}
