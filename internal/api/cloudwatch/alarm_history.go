package cloudwatch

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/api/paging"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

func (a *API) describeAlarmHistory(_ context.Context, call control.Call, in *client.DescribeAlarmHistoryInput) (*client.DescribeAlarmHistoryOutput, error) {
	if err := checkHistory(in); err != nil {
		return nil, err
	}
	query := paging.Of(call, historyQuery(in)...)
	after, ok := query.Key(in.NextToken)
	if !ok {
		return nil, wire.Errorf("InvalidNextToken", "The specified NextToken is invalid")
	}
	path := call.Region
	if in.AlarmName != nil {
		path = model.AlarmPath(call.Region, *in.AlarmName)
	}
	var found []*model.AlarmEvent
	for e := range a.Store.View().AlarmEvents(path) {
		if call.Now.Sub(e.At) <= model.AlarmEventsKept && inHistory(e, in) {
			found = append(found, e)
		}
	}
	ascending := in.ScanBy == types.ScanByTimestampAscending
	slices.SortFunc(found, func(x, y *model.AlarmEvent) int {
		return strings.Compare(eventKey(x, ascending), eventKey(y, ascending))
	})
	found, next := paging.Cut(query, found, func(e *model.AlarmEvent) string { return eventKey(e, ascending) }, strings.Compare, after, pageSize(in.MaxRecords))
	out := &client.DescribeAlarmHistoryOutput{AlarmHistoryItems: []types.AlarmHistoryItem{}, NextToken: next}
	for _, e := range found {
		out.AlarmHistoryItems = append(out.AlarmHistoryItems, types.AlarmHistoryItem{
			AlarmName: aws.String(model.AlarmName(e.Alarm)), AlarmType: alarmType(e.Composite), HistoryItemType: types.HistoryItemType(e.Type),
			Timestamp: millis(e.At), HistorySummary: &e.Summary, HistoryData: given(e.Data),
		})
	}
	return out, nil
}

func checkHistory(in *client.DescribeAlarmHistoryInput) error {
	if in.AlarmContributorId != nil {
		return unsupported("AlarmContributorId", "an alarm looks at one series")
	}
	if in.AlarmName != nil {
		if err := text("alarmName", *in.AlarmName, 1, alarmNameMax); err != nil {
			return err
		}
	}
	for _, t := range in.AlarmTypes {
		if err := checkEnum("alarmTypes", t); err != nil {
			return err
		}
	}
	if in.StartDate != nil && in.EndDate != nil && in.StartDate.After(*in.EndDate) {
		return invalid("The parameter StartDate must be less than or equal to the parameter EndDate.")
	}
	return first(checkEnum("historyItemType", in.HistoryItemType), checkEnum("scanBy", in.ScanBy), number("maxRecords", in.MaxRecords, 1, alarmsPage))
}

func historyQuery(in *client.DescribeAlarmHistoryInput) []string {
	date := func(t *time.Time) string {
		if t == nil {
			return ""
		}
		return t.UTC().String()
	}
	parts := []string{aws.ToString(in.AlarmName), date(in.StartDate), date(in.EndDate), string(in.HistoryItemType), string(in.ScanBy)}
	for _, t := range in.AlarmTypes {
		parts = append(parts, string(t))
	}
	return parts
}

// inHistory says whether an event passes the filters. Without types only those of metric alarms do.
func inHistory(e *model.AlarmEvent, in *client.DescribeAlarmHistoryInput) bool {
	kinds := in.AlarmTypes
	if len(kinds) == 0 {
		kinds = []types.AlarmType{types.AlarmTypeMetricAlarm}
	}
	return slices.Contains(kinds, alarmType(e.Composite)) && (in.HistoryItemType == "" || string(in.HistoryItemType) == e.Type) &&
		(in.StartDate == nil || !e.At.Before(*in.StartDate)) && (in.EndDate == nil || !e.At.After(*in.EndDate))
}

// eventKey orders events by time, and those of one time by alarm and number: the oldest first, or the newest.
func eventKey(e *model.AlarmEvent, ascending bool) string {
	at, n := e.At.UnixNano(), e.Number
	if !ascending {
		const far = 1<<63 - 1
		at, n = far-at, 1<<31-n
	}
	return fmt.Sprintf("%020d %s %010d", at, e.Alarm, n)
}
