package daemon_test

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/daemon"
)

// watch is CloudWatch's API in the query protocol.
func (a *api) watch(action string, in url.Values) string {
	a.Helper()
	in.Set("Action", action)
	in.Set("Version", "2010-08-01")
	req, _ := http.NewRequest(http.MethodPost, a.endpoint, strings.NewReader(in.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return a.send(req)
}

func (a *api) putJobs(value string) {
	a.Helper()
	a.watch("PutMetricData", url.Values{"Namespace": {"App"}, "MetricData.member.1.MetricName": {"Jobs"}, "MetricData.member.1.Value": {value}})
}

// jobs is how many measurements a server knows of.
func (a *api) jobs() string {
	a.Helper()
	now := time.Now().UTC()
	text := a.watch("GetMetricStatistics", url.Values{
		"Namespace": {"App"}, "MetricName": {"Jobs"}, "Period": {"86400"}, "Statistics.member.1": {"SampleCount"},
		"StartTime": {now.Add(-time.Hour).Format(time.RFC3339)}, "EndTime": {now.Add(time.Hour).Format(time.RFC3339)},
	})
	found := regexp.MustCompile(`<SampleCount>([^<]*)</`).FindStringSubmatch(text)
	if found == nil {
		return "0"
	}
	return found[1]
}

// TestServersShare: what one server is given, the other knows too, also what it was given while the other one was away; and
// both know what tasks use.
func TestServersShare(t *testing.T) {
	t.Parallel()
	dir, other := t.TempDir(), t.TempDir()
	first := run(t, func(c *daemon.Config) { c.Server, c.Agent, c.DataDir = true, true, dir })
	text, err := os.ReadFile(filepath.Join(dir, "store", "endpoint"))
	if err != nil {
		t.Fatal(err)
	}
	join := func(c *daemon.Config) {
		c.Server, c.DataDir, c.EtcdEndpoints = true, other, []string{strings.TrimSpace(string(text))}
	}
	a := &api{t, first.API}
	a.putJobs("1")
	second, end := runUntil(t, join)
	b := &api{t, second.API}
	b.putJobs("2")
	for _, s := range []*api{a, b} {
		eventually(t, "a server knows of two measurements", func() bool { return s.jobs() == "2" || s.jobs() == "2.0" })
	}
	end()
	a.putJobs("3")
	second = run(t, join)
	b.endpoint = second.API
	eventually(t, "the second knows what it was not there for", func() bool { return b.jobs() == "3" || b.jobs() == "3.0" })
	if n := a.jobs(); n != "3" && n != "3.0" {
		t.Errorf("the first knows of %s measurements", n)
	}
	if list := b.watch("ListMetrics", url.Values{"Namespace": {"App"}}); !strings.Contains(list, "<MetricName>Jobs</MetricName>") {
		t.Errorf("the second lists %s", list)
	}
	a.ecs("RegisterTaskDefinition", map[string]any{"family": "sleeper", "containerDefinitions": []any{map[string]any{
		"name": "app", "image": "process", "command": []any{"/bin/sh", "-c", "sleep 3600"}, "cpu": 64, "memory": 16,
	}}})
	a.ecs("CreateService", map[string]any{"serviceName": "sleeper", "taskDefinition": "sleeper", "desiredCount": 1})
	for _, s := range []daemon.Ready{first, second} {
		want(t, s.Metrics, "maitred_task_memory_bytes", "service", "sleeper")
		want(t, s.Metrics, "maitred_server_followed")
	}
	began := time.Now()
	a.counted(began, "the first counts tasks")
	third := run(t, func(c *daemon.Config) { join(c); c.DataDir = t.TempDir() })
	(&api{t, third.API}).counted(began, "the third knows what the others counted before it came")
}

// counted waits until a server knows how many tasks ran in the time before one.
func (a *api) counted(before time.Time, what string) {
	a.Helper()
	eventually(a.T, what, func() bool {
		return strings.Contains(a.watch("GetMetricStatistics", url.Values{
			"Namespace": {"Maitred"}, "MetricName": {"RunningTaskCount"}, "Period": {"1"}, "Statistics.member.1": {"Sum"},
			"Dimensions.member.1.Name": {"ClusterName"}, "Dimensions.member.1.Value": {"default"},
			"Dimensions.member.2.Name": {"ServiceName"}, "Dimensions.member.2.Value": {"sleeper"},
			"StartTime": {before.Add(-time.Minute).UTC().Format(time.RFC3339)}, "EndTime": {before.UTC().Format(time.RFC3339)},
		}), "<Sum>")
	})
}
