package cloudwatch_test

import (
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/api/apitest"
)

// TestWithTheCLI measures, looks at what was measured, and has alarms, by the unmodified aws CLI.
func TestWithTheCLI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := apitest.NewCLI(t, w.url, region, "cloudwatch")
	c.Want("", "", "put-metric-data", "--namespace", "Own", "--metric-name", "m", "--value", "30", "--dimensions", "d=queue", "--unit", "Count")
	c.Want("", "", "put-metric-data", "--namespace", "Own", "--metric-data",
		`[{"MetricName":"m","Dimensions":[{"Name":"d","Value":"tasks"}],"Values":[1,3],"Counts":[1,1]}]`)
	c.Want("d\tqueue\nd\ttasks", "Metrics[*].Dimensions[0].[Name,Value]", "list-metrics", "--namespace", "Own")
	times := []string{"--start-time", "2026-03-01T11:55:00Z", "--end-time", "2026-03-01T12:05:00Z"}
	c.Want("30\tCount", "Datapoints[0].[Sum,Unit]", "get-metric-statistics", append([]string{
		"--namespace", "Own", "--metric-name", "m", "--dimensions", "Name=d,Value=queue", "--period", "60", "--statistics", "Sum",
	}, times...)...)
	c.Want("e1\tbacklog per task\t15", "MetricDataResults[0].[Id,Label,Values[0]]", "get-metric-data", append([]string{"--metric-data-queries", `[
		{"Id":"e1","Expression":"m1/m2","Label":"backlog per task"},
		{"Id":"m1","ReturnData":false,"MetricStat":{"Metric":{"Namespace":"Own","MetricName":"m","Dimensions":[{"Name":"d","Value":"queue"}]},"Period":60,"Stat":"Sum"}},
		{"Id":"m2","ReturnData":false,"MetricStat":{"Metric":{"Namespace":"Own","MetricName":"m","Dimensions":[{"Name":"d","Value":"tasks"}]},"Period":60,"Stat":"Average"}}]`}, times...)...)
	c.Want("", "", "put-metric-alarm", "--alarm-name", "high", "--namespace", "AWS/ECS", "--metric-name", "CPUUtilization", "--dimensions",
		"Name=ClusterName,Value=c", "Name=ServiceName,Value=s", "--statistic", "Average", "--period", "60", "--evaluation-periods", "3", "--threshold", "70",
		"--comparison-operator", "GreaterThanOrEqualToThreshold", "--alarm-actions", policy, "--tags", "Key=k,Value=v")
	c.Want("", "", "wait", "alarm-exists", "--alarm-names", "high")
	c.Want("high\tINSUFFICIENT_DATA\t70", "MetricAlarms[0].[AlarmName,StateValue,Threshold]", "describe-alarms", "--alarm-names", "high")
	c.Want("", "", "put-composite-alarm", "--alarm-name", "up", "--alarm-rule", "ALARM(high) OR FALSE", "--alarm-actions", `["`+hook+`"]`) // the CLI fetches what begins with http
	c.Want("", "", "wait", "composite-alarm-exists", "--alarm-names", "up", "--alarm-types", "CompositeAlarm")
	c.Want("", "", "set-alarm-state", "--alarm-name", "high", "--state-value", "ALARM", "--state-reason", "test")
	c.Want("Alarm updated from INSUFFICIENT_DATA to ALARM", "AlarmHistoryItems[0].HistorySummary", "describe-alarm-history", "--alarm-name", "high", "--history-item-type", "StateUpdate")
	c.Want("high", "MetricAlarms[].AlarmName", "describe-alarms-for-metric", "--namespace", "AWS/ECS", "--metric-name", "CPUUtilization",
		"--dimensions", "Name=ClusterName,Value=c", "Name=ServiceName,Value=s")
	c.Want("", "", "disable-alarm-actions", "--alarm-names", "high")
	c.Want("False", "MetricAlarms[0].ActionsEnabled", "describe-alarms", "--alarm-names", "high")
	c.Want("k\tv", "Tags[0].[Key,Value]", "list-tags-for-resource", "--resource-arn", "arn:aws:cloudwatch:"+region+":"+account+":alarm:high")
	for code, args := range map[string][]string{
		"InvalidParameterValue":       {"put-metric-data", "--namespace", "AWS/ECS", "--metric-name", "m", "--value", "1"},
		"InvalidParameterCombination": append([]string{"get-metric-statistics", "--namespace", "Own", "--metric-name", "m", "--period", "60"}, times...),
		"ValidationError":             {"delete-alarms", "--alarm-names", "high"},
		"ResourceNotFound":            {"set-alarm-state", "--alarm-name", "none", "--state-value", "OK", "--state-reason", "r"},
		"InvalidAction":               {"list-dashboards"},
	} {
		if out, err := c.Try(args[0], args[1:]...); err == nil || !strings.Contains(out, "("+code+")") {
			t.Errorf("aws cloudwatch %s: %v, %s, want %s", args[0], err, out, code)
		}
	}
	c.Want("", "", "delete-alarms", "--alarm-names", "high", "up")
	c.Want("None", "MetricAlarms[0].AlarmName", "describe-alarms")
}
