package meter

import (
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	promodel "github.com/prometheus/common/model"

	"github.com/maitred/maitred/internal/meter/exposition"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
)

// told gives what is told as text, which Prometheus has to understand.
func told(t *testing.T, l *Local) string {
	t.Helper()
	var b strings.Builder
	if err := exposition.Write(&b, l.Families()); err != nil {
		t.Fatal(err)
	}
	parser := expfmt.NewTextParser(promodel.LegacyValidation)
	if _, err := parser.TextToMetricFamilies(strings.NewReader(b.String())); err != nil {
		t.Fatalf("%v in\n%s", err, b.String())
	}
	return b.String()
}

func tells(t *testing.T, text string, lines ...string) {
	t.Helper()
	for _, line := range lines {
		if !strings.Contains(text, line+"\n") {
			t.Errorf("there is no %s in\n%s", line, text)
		}
	}
}

// TestLocalAgent: an agent tells of the tasks that run, and of no other.
func TestLocalAgent(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.machine(machineID, 2048, 4096)
	w.service(2, 512, 1024)
	l := NewLocal(w.store)
	l.Agent(&reading.Frame{Tasks: []reading.Task{
		{ARN: w.task(1, 512, 1024, model.TaskRunning), Cores: 0.75, CPU: 10, Memory: 256 * mib},
		{ARN: w.task(2, 512, 1024, model.TaskStopped), Cores: 0.75, CPU: 10, Memory: 256 * mib},
	}})
	labels := `{region="us-east-1",cluster="default",service="web",family="web",task="00000000000000000000000000000001"}`
	text := told(t, l)
	tells(t, text, "maitred_agent_task_cpu_seconds_total"+labels+" 10", "maitred_agent_task_cpu_cores"+labels+" 0.75",
		"maitred_agent_task_memory_bytes"+labels+" 2.68435456e+08", "maitred_agent_task_cpu_reserved_cores"+labels+" 0.5")
	if strings.Contains(text, "00002\"") {
		t.Errorf("a task that has ended is told of:\n%s", text)
	}
}

// TestLocalBalancer: a balancer adds up what happened on each way, and forgets ways that have been gone for minutes.
func TestLocalBalancer(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.balanced()
	target := &model.Target{Group: groupARN, ID: "127.0.0.1", Port: 80, Task: taskARN(1)}
	w.put(&model.TargetGroup{ARN: groupARN, Name: "web"}, target)
	l := NewLocal(w.store)
	second := func(at int64) {
		r := reading.Route{Listener: appListen, Group: groupARN, Target: target.Path()}
		r.Chosen, r.Answers[reading.Class2XX], r.Received = 3, 2, 100
		r.Latency = reading.Latency{Count: 3, Sum: 0.3, Min: 0.1, Max: 0.1, Buckets: []reading.InRange{{Bucket: reading.BucketOf(100e6), Count: 3}}}
		own := reading.Route{Listener: appListen}
		own.Own[reading.Class5XX] = 1
		l.Balancer(&reading.Frame{
			Second: at, Routes: []reading.Route{r, own}, Listeners: []reading.Listener{{ARN: appListen, Active: 5, New: 2}},
			Groups: []reading.Group{{ARN: groupARN, Healthy: 1, Registered: 2, Eligible: 1, InFlight: 4}},
			Flows:  []reading.Flow{{Listener: netListen, Group: netGroup, Flows: reading.Flows{Protocol: "TCP", New: 1, Active: 7}}},
		})
	}
	second(1000)
	second(1001)
	listener := `region="us-east-1",load_balancer="app/web/0123456789abcdef",listener="fedcba9876543210"`
	way := listener + `,rule="",target_group="targetgroup/web/0123456789abcdef"`
	end := `,target="127.0.0.1:80",task="00000000000000000000000000000001"`
	tells(t, told(t, l), "maitred_lb_requests_total{"+way+end+"} 6", "maitred_lb_responses_total{"+way+end+`,from="target",class="2xx"} 4`,
		"maitred_lb_responses_total{"+listener+`,rule="",target_group="",target="",task="",from="load_balancer",class="5xx"} 2`,
		"maitred_lb_http_bytes_total{"+way+end+`,direction="in"} 200`, "maitred_lb_target_response_seconds_count{"+way+"} 6",
		"maitred_lb_target_response_seconds_bucket{"+way+`,le="0.25"} 6`, "maitred_lb_target_response_seconds_bucket{"+way+`,le="0.05"} 0`,
		"maitred_lb_connections_total{"+listener+"} 4", "maitred_lb_open_connections{"+listener+"} 5",
		`maitred_lb_target_group_targets{region="us-east-1",target_group="targetgroup/web/0123456789abcdef",state="eligible"} 1`,
		`maitred_lb_open_flows{region="us-east-1",load_balancer="net/tcp/0123456789abcdef",listener="fedcba9876543210",protocol="TCP",target_group="targetgroup/tcp/0123456789abcdef",target="",task=""} 7`,
	)
	w.remove(target.Key())
	l.Balancer(&reading.Frame{Second: 1001 + linger - 1})
	tells(t, told(t, l), "maitred_lb_requests_total{"+way+end+"} 6") // for a scrape that has not come yet
	l.Balancer(&reading.Frame{Second: 1001 + linger})
	if text := told(t, l); strings.Contains(text, "127.0.0.1:80") || !strings.Contains(text, "maitred_lb_connections_total") {
		t.Errorf("a target that is gone is told of, or what is there is not:\n%s", text)
	}
}
