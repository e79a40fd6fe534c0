package daemon_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	promodel "github.com/prometheus/common/model"

	"github.com/maitred/maitred/internal/daemon"
)

// scrape reads what a role tells, as Prometheus does, and has Prometheus's own linter look at maitred's names.
func scrape(t *testing.T, url string) map[string]*dto.MetricFamily {
	t.Helper()
	req, _ := http.NewRequest(http.MethodGet, url, http.NoBody)
	text := (&api{t, url}).send(req)
	parser := expfmt.NewTextParser(promodel.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(text))
	if err != nil {
		t.Fatalf("%s: %v in\n%s", url, err, text)
	}
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		if strings.HasPrefix(p.Metric, "maitred_") {
			t.Errorf("%s: %s: %s", url, p.Metric, p.Text)
		}
	}
	noTwins(t, families)
	return families
}

// noTwins: no series is told twice, which Prometheus would refuse.
func noTwins(t *testing.T, families map[string]*dto.MetricFamily) {
	t.Helper()
	for name, f := range families {
		seen := map[string]bool{}
		for _, m := range f.GetMetric() {
			var labels []string
			for _, l := range m.GetLabel() {
				labels = append(labels, l.GetName()+"="+l.GetValue())
			}
			slices.Sort(labels)
			key := strings.Join(labels, ",")
			if seen[key] {
				t.Errorf("%s{%s} is told twice", name, key)
			}
			seen[key] = true
		}
	}
}

// has looks for a series that is as wanted.
func has(families map[string]*dto.MetricFamily, name string, so func(v float64) bool, labels ...string) bool {
	for _, m := range families[name].GetMetric() {
		matches := true
		for i := 0; i < len(labels); i += 2 {
			matches = matches && slices.ContainsFunc(m.GetLabel(), func(l *dto.LabelPair) bool {
				return l.GetName() == labels[i] && l.GetValue() == labels[i+1]
			})
		}
		v := m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		if matches && so(v) {
			return true
		}
	}
	return false
}

func positive(v float64) bool { return v > 0 }

// want waits until a role tells of a series with a value above zero.
func want(t *testing.T, url, name string, labels ...string) {
	t.Helper()
	eventually(t, url+" tells of "+name, func() bool { return has(scrape(t, url), name, positive, labels...) })
}

// eventually looks until it sees what it waits for.
func eventually(t *testing.T, what string, look func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for !look() {
		if time.Now().After(deadline) {
			t.Fatalf("not within a minute: %s", what)
		}
		<-tick.C
	}
}

// TestScrapes has a server, an agent and a balancer run alone, and Prometheus scrape each of them.
func TestScrapes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	server := run(t, func(c *daemon.Config) { c.Server, c.DataDir = true, dir })
	agent := run(t, func(c *daemon.Config) { c.Agent, c.DataDir = true, dir })
	balancer := run(t, func(c *daemon.Config) { c.Balancer, c.DataDir = true, dir })
	a := &api{t, server.API}
	page, _ := a.balanced()
	until(t, page)
	for _, process := range []string{server.Metrics, server.API + "/metrics", agent.Metrics, balancer.Metrics} {
		for _, name := range []string{"go_goroutines", "process_resident_memory_bytes", "process_cpu_seconds_total", "maitred_build_info", "maitred_store_up", "maitred_store_size_bytes"} {
			want(t, process, name)
		}
		if !has(scrape(t, process), "maitred_store_watch_lag_seconds", func(v float64) bool { return v >= 0 && v < 60 }) {
			t.Errorf("%s does not say how far its view is behind", process)
		}
	}
	want(t, agent.Metrics, "maitred_agent_task_cpu_seconds_total", "service", "hot", "cluster", "default", "family", "hot")
	want(t, agent.Metrics, "maitred_agent_task_memory_bytes", "service", "hot")
	want(t, balancer.Metrics, "maitred_lb_requests_total", "region", "us-east-1")
	want(t, balancer.Metrics, "maitred_lb_responses_total", "class", "2xx", "from", "target")
	want(t, balancer.Metrics, "maitred_lb_target_response_seconds")
	want(t, balancer.Metrics, "maitred_lb_connections_total")
	want(t, balancer.Metrics, "maitred_lb_target_group_targets", "state", "healthy")
	want(t, server.Metrics, "maitred_requests_total")
	want(t, server.Metrics, "maitred_service_running_tasks", "service", "hot")
	want(t, server.Metrics, "maitred_leader", "of", "scheduler")
	want(t, server.Metrics, "maitred_api_requests_total", "service", "ecs", "operation", "CreateService", "code", "OK")
	want(t, server.Metrics, "maitred_api_request_duration_seconds", "operation", "CreateService")
	want(t, server.Metrics, "maitred_turn_duration_seconds", "loop", "scheduler")
	want(t, server.Metrics, "maitred_decisions_total", "loop", "scheduler", "outcome", "written")
	want(t, server.Metrics, "maitred_metrics_series")
	want(t, server.Metrics, "etcd_mvcc_db_total_size_in_bytes")
	if f := scrape(t, agent.Metrics); has(f, "etcd_mvcc_db_total_size_in_bytes", positive) || has(f, "maitred_requests_total", positive) {
		t.Error("the agent tells of what it does not have")
	}
}

// TestScrapesOff: what is turned off is served nowhere.
func TestScrapesOff(t *testing.T) {
	t.Parallel()
	r := run(t, func(c *daemon.Config) { c.Server, c.MetricsListen = true, daemon.MetricsOff })
	answer, err := http.Get(r.API + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if r.Metrics != "" || answer.Header.Get("Content-Type") == "text/plain; version=0.0.4; charset=utf-8" {
		t.Errorf("metrics are at %q, and the API answers %s", r.Metrics, answer.Status)
	}
}

// TestScrapesHost: a web page that reaches the address by a name of its own is refused.
func TestScrapesHost(t *testing.T) {
	t.Parallel()
	r := run(t, func(c *daemon.Config) { c.Server = true })
	req, _ := http.NewRequest(http.MethodGet, r.Metrics, http.NoBody)
	req.Host = "evil.example"
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	if answer.StatusCode != http.StatusForbidden {
		t.Errorf("it is answered with %s", answer.Status)
	}
}

// TestScrapesTaken: an address that another process has is taken when that one lets go of it, as a balancer does that was
// replaced.
func TestScrapesTaken(t *testing.T) {
	t.Parallel()
	first, end := runUntil(t, func(c *daemon.Config) { c.Server = true })
	address := strings.TrimSuffix(strings.TrimPrefix(first.Metrics, "http://"), "/metrics")
	second := run(t, func(c *daemon.Config) { c.Server, c.MetricsListen = true, address })
	if second.Metrics != "" {
		t.Errorf("both are at %s", second.Metrics)
	}
	end()
	eventually(t, "the second has the address", func() bool {
		answer, err := http.Get(first.Metrics)
		if err != nil {
			return false
		}
		return answer.Body.Close() == nil && answer.StatusCode == http.StatusOK
	})
}
