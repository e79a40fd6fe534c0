package e2e

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/store/etcd"
)

// etcdFor runs an etcd that no server is in, and gives its endpoint.
func etcdFor(t *testing.T) string {
	t.Helper()
	b, err := etcd.Embed(context.Background(), etcd.Member{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.Close() })
	return b.Endpoint()
}

// leads says whether a server tells that it leads all there is to lead.
func leads(api string) bool {
	text, err := get(api + "/metrics")
	for _, of := range []string{"scheduler", "scaler", "issuer"} {
		if err != nil || !strings.Contains(text, "\nmaitred_leader{of=\""+of+"\"} 1\n") {
			return false
		}
	}
	return true
}

// activity is one of "describe-scaling-activities".
type activity struct {
	StartTime  stamp
	Cause      string
	StatusCode string
}

// stamp is a time as the aws CLI prints it: its versions do not agree on how.
type stamp struct{ time.Time }

// UnmarshalJSON implements json.Unmarshaler.
func (s *stamp) UnmarshalJSON(text []byte) error {
	if seconds, err := strconv.ParseFloat(string(text), 64); err == nil {
		s.Time = time.UnixMilli(int64(seconds * 1000))
		return nil
	}
	return json.Unmarshal(text, &s.Time)
}

// activities are those of a service whose cause has a text, oldest first.
func (s *scaled) activities(cause string) (found []activity) {
	s.t.Helper()
	var out struct{ ScalingActivities []activity }
	if err := json.Unmarshal([]byte(s.scaling("describe-scaling-activities", "--output", "json")), &out); err != nil {
		s.t.Fatal(err)
	}
	for _, a := range slices.Backward(out.ScalingActivities) {
		if strings.Contains(a.Cause, cause) && a.StatusCode != "Failed" {
			found = append(found, a)
		}
	}
	return found
}

// TestTakeover kills the server that leads while an alarm holds, and another one has to carry on: with the alarm as it was, on
// data that only the first one was given, each decision taken once, and what was measured without a gap.
func TestTakeover(t *testing.T) {
	t.Parallel()
	endpoint := etcdFor(t)
	server := func() *process {
		return start(t, "server", "--data-dir", stateDir(t), "--listen", "127.0.0.1:0", "--etcd-endpoints", endpoint)
	}
	first := server()
	eventually(t, "the first server leads", func() bool { return leads(first.api) })
	second := server()
	start(t, "agent", "--data-dir", stateDir(t), "--driver", "process", "--etcd-endpoints", endpoint, "--metrics-listen", "127.0.0.1:0")
	c := newCLI(t, second.api)
	alarmed := newScaled(t, c, second.api, "alarmed", "sleep 3600", 16, 1, 3) // which the third time cannot exceed, however long this takes
	policy := alarmed.scaling("put-scaling-policy", "--policy-name", "more", "--policy-type", "StepScaling",
		"--step-scaling-policy-configuration", "AdjustmentType=ChangeInCapacity,Cooldown=0,StepAdjustments=[{MetricIntervalLowerBound=0,ScalingAdjustment=1}]",
		"--query", "PolicyARN", "--output", "text")
	c.aws("cloudwatch", "put-metric-alarm", "--alarm-name", "jobs", "--namespace", "App", "--metric-name", "Jobs", "--statistic", "Maximum",
		"--period", "10", "--evaluation-periods", "1", "--threshold", "100", "--comparison-operator", "GreaterThanThreshold",
		"--treat-missing-data", "ignore", "--alarm-actions", policy)
	timed := newScaled(t, c, second.api, "timed", "sleep 3600", 16, 1, 9)
	alarmed.becomes(1)
	timed.becomes(1)
	putMetric(t, first.api, "Once", "1")
	var jobs atomic.Int64
	jobs.Store(500)
	feed(t, second.api, &jobs)
	alarmed.becomes(2)
	state := alarmState(c)
	at := time.Now().UTC().Add(20 * time.Second) // before which the aws CLI has to have asked for it
	timed.scaling("put-scheduled-action", "--scheduled-action-name", "soon", "--schedule", "at("+at.Format("2006-01-02T15:04:05")+")",
		"--scalable-target-action", "MinCapacity=3,MaxCapacity=4")
	killed := time.Now()
	first.kill()
	eventually(t, "the second server leads", func() bool { return leads(second.api) })
	t.Logf("the second server leads after %v", time.Since(killed).Round(time.Millisecond))

	timed.becomes(3)
	if n := counts(t, c, "App", "Once", 86400); n != 1 {
		t.Errorf("the second server knows of %v measurements that the first one was given, want 1", n)
	}
	alarmed.becomes(3) // a minute after the first time
	if now := alarmState(c); now != state {
		t.Errorf("the alarm was %s, and is %s", state, now)
	}
	jobs.Store(1)
	eventually(t, "the alarm is over", func() bool { return strings.HasPrefix(alarmState(c), "OK") })
	done := alarmed.activities("triggered policy more")
	if len(done) != 2 || done[1].StartTime.Sub(done[0].StartTime.Time) < 55*time.Second {
		t.Errorf("the alarm had the service scaled by %v, want twice, a minute apart", done)
	}
	if done := timed.activities("scheduled action name soon"); len(done) != 1 {
		t.Errorf("the scheduled action was carried out as %v, want once", done)
	}
	if n := c.aws("cloudwatch", "describe-alarm-history", "--alarm-name", "jobs", "--history-item-type", "StateUpdate", "--query", "length(AlarmHistoryItems)", "--output", "text"); n != "2" {
		t.Errorf("the alarm's state changed %s times, want 2: it was too much, and it was over", n)
	}
	noGap(t, c, killed)
}

// putMetric puts a value of a metric in the namespace App.
func putMetric(t *testing.T, api, name, value string) {
	answer, err := http.PostForm(api, url.Values{ //nolint:noctx // of this machine
		"Action": {"PutMetricData"}, "Version": {"2010-08-01"}, "Namespace": {"App"}, "MetricData.member.1.MetricName": {name},
		"MetricData.member.1.Value": {value}, "MetricData.member.1.StorageResolution": {"1"},
	})
	if err != nil {
		t.Errorf("put %s: %v", name, err)
		return
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusOK {
		t.Errorf("put %s: %s", name, answer.Status)
	}
}

// feed puts how many jobs there are, each second until the test ends.
func feed(t *testing.T, api string, jobs *atomic.Int64) {
	t.Helper()
	stop, done := make(chan struct{}), make(chan struct{})
	t.Cleanup(func() { close(stop); <-done })
	go func() {
		defer close(done)
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for {
			putMetric(t, api, "Jobs", strconv.FormatInt(jobs.Load(), 10))
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	}()
}

// alarmState is the alarm's state and since when.
func alarmState(c cli) string {
	c.t.Helper()
	return c.aws("cloudwatch", "describe-alarms", "--alarm-names", "jobs", "--query", "MetricAlarms[0].[StateValue, StateTransitionedTimestamp]", "--output", "text")
}

// counts is how many measurements there are.
func counts(t *testing.T, c cli, namespace, name string, period int, more ...string) float64 {
	t.Helper()
	now := time.Now().UTC()
	text := c.aws(append([]string{
		"cloudwatch", "get-metric-statistics", "--namespace", namespace, "--metric-name", name, "--period", strconv.Itoa(period), "--statistics", "SampleCount",
		"--start-time", now.Add(-time.Hour).Format(time.RFC3339), "--end-time", now.Add(time.Hour).Format(time.RFC3339),
		"--query", "sum(Datapoints[].SampleCount)", "--output", "text",
	}, more...)...)
	n, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return n
}

// noGap: of what tasks used around a time, not more than 5 seconds are missing at once.
func noGap(t *testing.T, c cli, around time.Time) {
	t.Helper()
	text := c.aws("cloudwatch", "get-metric-statistics", "--namespace", "Maitred", "--metric-name", "MemoryUtilization", "--period", "1", "--statistics", "SampleCount",
		"--dimensions", "Name=ClusterName,Value=default", "Name=ServiceName,Value=alarmed",
		"--start-time", around.Add(-5*time.Second).UTC().Format(time.RFC3339), "--end-time", around.Add(25*time.Second).UTC().Format(time.RFC3339),
		"--query", "sort_by(Datapoints, &Timestamp)[].Timestamp", "--output", "json")
	var times []stamp
	if err := json.Unmarshal([]byte(text), &times); err != nil || len(times) == 0 {
		t.Fatalf("%v in %s", err, text)
	}
	longest := time.Duration(0)
	for i := 1; i < len(times); i++ {
		longest = max(longest, times[i].Sub(times[i-1].Time))
	}
	t.Logf("%d of 30 seconds were measured, the longest step is %v", len(times), longest)
	if longest > 5*time.Second {
		t.Errorf("nothing was measured for %v", longest)
	}
}
