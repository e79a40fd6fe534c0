package cloudwatch_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/testneeds"
)

// cli is the unmodified aws CLI pointed at a world.
type cli struct {
	t    *testing.T
	path string
	env  []string
}

// try runs `aws cloudwatch …` and gives what it prints.
func (c cli) try(args ...string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), c.path, append([]string{"cloudwatch"}, args...)...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// want fails unless the command succeeds with an output; the query picks it.
func (c cli) want(want, query string, args ...string) {
	c.t.Helper()
	if query != "" {
		args = append(args, "--query", query, "--output", "text")
	}
	got, err := c.try(args...)
	if err != nil || got != want {
		c.t.Errorf("aws cloudwatch %s: got %q, %v, want %q", strings.Join(args, " "), got, err, want)
	}
}

// TestWithTheCLI measures, looks at what was measured, and has alarms, by the unmodified aws CLI.
func TestWithTheCLI(t *testing.T) {
	t.Parallel()
	path := testneeds.Command(t, "aws")
	w := newWorld(t)
	c := cli{t, path, append(os.Environ(), "AWS_ENDPOINT_URL="+w.url, "AWS_DEFAULT_REGION="+region, "AWS_REGION="+region, "AWS_ACCESS_KEY_ID=maitred",
		"AWS_SECRET_ACCESS_KEY=maitred", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")}
	c.want("", "", "put-metric-data", "--namespace", "Own", "--metric-name", "m", "--value", "30", "--dimensions", "d=queue", "--unit", "Count")
	c.want("", "", "put-metric-data", "--namespace", "Own", "--metric-data",
		`[{"MetricName":"m","Dimensions":[{"Name":"d","Value":"tasks"}],"Values":[1,3],"Counts":[1,1]}]`)
	c.want("d\tqueue\nd\ttasks", "Metrics[*].Dimensions[0].[Name,Value]", "list-metrics", "--namespace", "Own")
	times := []string{"--start-time", "2026-03-01T11:55:00Z", "--end-time", "2026-03-01T12:05:00Z"}
	c.want("30\tCount", "Datapoints[0].[Sum,Unit]", append([]string{
		"get-metric-statistics", "--namespace", "Own", "--metric-name", "m", "--dimensions", "Name=d,Value=queue", "--period", "60", "--statistics", "Sum",
	}, times...)...)
	c.want("e1\tbacklog per task\t15", "MetricDataResults[0].[Id,Label,Values[0]]", append([]string{"get-metric-data", "--metric-data-queries", `[
		{"Id":"e1","Expression":"m1/m2","Label":"backlog per task"},
		{"Id":"m1","ReturnData":false,"MetricStat":{"Metric":{"Namespace":"Own","MetricName":"m","Dimensions":[{"Name":"d","Value":"queue"}]},"Period":60,"Stat":"Sum"}},
		{"Id":"m2","ReturnData":false,"MetricStat":{"Metric":{"Namespace":"Own","MetricName":"m","Dimensions":[{"Name":"d","Value":"tasks"}]},"Period":60,"Stat":"Average"}}]`}, times...)...)
	c.want("", "", "put-metric-alarm", "--alarm-name", "high", "--namespace", "AWS/ECS", "--metric-name", "CPUUtilization", "--dimensions",
		"Name=ClusterName,Value=c", "Name=ServiceName,Value=s", "--statistic", "Average", "--period", "60", "--evaluation-periods", "3", "--threshold", "70",
		"--comparison-operator", "GreaterThanOrEqualToThreshold", "--alarm-actions", policy, "--tags", "Key=k,Value=v")
	c.want("", "", "wait", "alarm-exists", "--alarm-names", "high")
	c.want("high\tINSUFFICIENT_DATA\t70", "MetricAlarms[0].[AlarmName,StateValue,Threshold]", "describe-alarms", "--alarm-names", "high")
	c.want("", "", "put-composite-alarm", "--alarm-name", "up", "--alarm-rule", "ALARM(high) OR FALSE", "--alarm-actions", `["`+hook+`"]`) // the CLI fetches what begins with http
	c.want("", "", "wait", "composite-alarm-exists", "--alarm-names", "up", "--alarm-types", "CompositeAlarm")
	c.want("", "", "set-alarm-state", "--alarm-name", "high", "--state-value", "ALARM", "--state-reason", "test")
	c.want("Alarm updated from INSUFFICIENT_DATA to ALARM", "AlarmHistoryItems[0].HistorySummary", "describe-alarm-history", "--alarm-name", "high", "--history-item-type", "StateUpdate")
	c.want("high", "MetricAlarms[].AlarmName", "describe-alarms-for-metric", "--namespace", "AWS/ECS", "--metric-name", "CPUUtilization",
		"--dimensions", "Name=ClusterName,Value=c", "Name=ServiceName,Value=s")
	c.want("", "", "disable-alarm-actions", "--alarm-names", "high")
	c.want("False", "MetricAlarms[0].ActionsEnabled", "describe-alarms", "--alarm-names", "high")
	c.want("k\tv", "Tags[0].[Key,Value]", "list-tags-for-resource", "--resource-arn", "arn:aws:cloudwatch:"+region+":"+account+":alarm:high")
	for code, args := range map[string][]string{
		"InvalidParameterValue":       {"put-metric-data", "--namespace", "AWS/ECS", "--metric-name", "m", "--value", "1"},
		"InvalidParameterCombination": append([]string{"get-metric-statistics", "--namespace", "Own", "--metric-name", "m", "--period", "60"}, times...),
		"ValidationError":             {"delete-alarms", "--alarm-names", "high"},
		"ResourceNotFound":            {"set-alarm-state", "--alarm-name", "none", "--state-value", "OK", "--state-reason", "r"},
		"InvalidAction":               {"list-dashboards"},
	} {
		if out, err := c.try(args...); err == nil || !strings.Contains(out, "("+code+")") {
			t.Errorf("aws cloudwatch %s: %v, %s, want %s", args[0], err, out, code)
		}
	}
	c.want("", "", "delete-alarms", "--alarm-names", "high", "up")
	c.want("None", "MetricAlarms[0].AlarmName", "describe-alarms")
}
