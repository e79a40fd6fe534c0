package meter

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/meter/exposition"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
)

const balancerID = "00000000000000000000000000000009"

// bubble runs a test in a world whose clock begins at a full minute.
func bubble(t *testing.T, f func(t *testing.T, w *world)) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { f(t, newWorld(t)) })
}

// pulse adds a frame at the end of each second, for some time.
func pulse(feed *reading.Feed, seconds int, frame func() reading.Frame) {
	for range seconds {
		begin := time.Now()
		<-time.After(time.Second)
		f := frame()
		f.Second = begin.Unix()
		feed.Add(f)
		synctest.Wait()
	}
}

// agent has a task of a service use 3/4 of a core and 300 MiB, of 512 units and 1024 MiB.
func (w *world) agent(l *lines) (feed *reading.Feed, frame func() reading.Frame) {
	w.machine(machineID, 2048, 4096)
	w.service(2, 512, 1024)
	task := w.task(1, 512, 1024, model.TaskRunning)
	feed = reading.NewFeed("one")
	l.serve(machineID, reading.AgentPath, feed)
	return feed, func() reading.Frame {
		return reading.Frame{Tasks: []reading.Task{{ARN: task, Cores: 0.75, CPU: 10, Memory: 256 * mib}}}
	}
}

var ofService = []string{"ClusterName", "default", "ServiceName", "web"}

// TestTasks follows an agent for a minute and a half.
func TestTasks(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := newLines()
		feed, frame := w.agent(l)
		_, k, stop := w.collect(l)
		defer stop()
		begin := time.Now().UTC()
		pulse(feed, 60, frame)
		for name, want := range map[string]float64{"CPUUtilization": 150, "MemoryUtilization": 25} {
			if got := k.of(minute, model.NamespaceECS, name, ofService...); !maps.Equal(got, map[time.Time]metrics.Stats{begin: metrics.One(want)}) {
				t.Errorf("%s: got %v, want one sample of %v at %s", name, got, want, begin)
			}
			task := append(slices.Clone(ofService), "TaskId", "00000000000000000000000000000001")
			for _, dimensions := range [][]string{ofService, task} {
				got := k.of(1, model.NamespaceFast, name, dimensions...)
				if len(got) != 60 || got[begin] != metrics.One(want) || got[begin.Add(59*time.Second)] != metrics.One(want) {
					t.Errorf("%s of %v: got %d seconds with %v, want 60 of %v", name, dimensions, len(got), got[begin], want)
				}
			}
		}
		pulse(feed, 30, frame)
		want := map[time.Time]metrics.Stats{begin: metrics.One(2)}
		if got := k.of(minute, model.NamespaceInsights, "DesiredTaskCount", ofService...); !maps.Equal(got, want) {
			t.Errorf("DesiredTaskCount: got %v, want %v", got, want)
		}
		want[begin] = metrics.One(1)
		for _, name := range []string{"RunningTaskCount", "TaskCount", "ServiceCount", "ContainerInstanceCount"} {
			dimensions := ofService
			if name != "RunningTaskCount" {
				dimensions = ofService[:2]
			}
			if got := k.of(minute, model.NamespaceInsights, name, dimensions...); !maps.Equal(got, want) {
				t.Errorf("%s: got %v, want %v", name, got, want)
			}
		}
		if got := k.of(1, model.NamespaceFast, "RunningTaskCount", ofService...); len(got) != 90 || got[begin] != metrics.One(1) {
			t.Errorf("RunningTaskCount: got %d seconds, with %v", len(got), got[begin])
		}
	})
}

// TestThirds: what a service wants to have by 20 s is told at the end of each third of a minute, and not by the minute; a
// change of that counts from the next minute on.
func TestThirds(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := newLines()
		feed, frame := w.agent(l)
		w.fine(model.MetricCPU)
		_, k, stop := w.collect(l)
		defer stop()
		begin := time.Now().UTC()
		want := map[time.Time]metrics.Stats{}
		fine := func() map[time.Time]metrics.Stats { return k.of(1, model.NamespaceECS, model.MetricCPU, ofService...) }
		for i := range 3 {
			pulse(feed, third-1, frame)
			if got := fine(); !maps.Equal(got, want) {
				t.Errorf("before the end of a third: got %v, want %v", got, want)
			}
			pulse(feed, 1, frame)
			want[begin.Add(time.Duration(i)*third*time.Second)] = metrics.One(150)
			if got := fine(); !maps.Equal(got, want) {
				t.Errorf("at the end of a third: got %v, want %v", got, want)
			}
		}
		pulse(feed, third/2, frame)
		w.fine()
		pulse(feed, 2*minute, frame)
		for i := range 3 {
			want[begin.Add(minute*time.Second+time.Duration(i)*third*time.Second)] = metrics.One(150)
		}
		if got := fine(); !maps.Equal(got, want) {
			t.Errorf("by 20 s: got %v, want %v", got, want)
		}
		plain := map[time.Time]metrics.Stats{begin.Add(2 * minute * time.Second): metrics.One(150)}
		if got := k.of(minute, model.NamespaceECS, model.MetricCPU, ofService...); !maps.Equal(got, plain) {
			t.Errorf("by the minute: got %v, want %v", got, plain)
		}
		if got := k.of(minute, model.NamespaceECS, model.MetricMemory, ofService...); len(got) != 3 {
			t.Errorf("the other metric: got %v, want each minute", got)
		}
		if got := k.of(minute, model.NamespaceECS, model.MetricCPU, "ClusterName", "default"); len(got) != 3 {
			t.Errorf("of the cluster: got %v, want each minute", got)
		}
	})
}

// TestThirdsReconnect cuts the line over the end of a third: nothing is lost and nothing is told twice.
func TestThirdsReconnect(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := newLines()
		feed, frame := w.agent(l)
		w.fine(model.MetricCPU, model.MetricMemory)
		_, k, stop := w.collect(l)
		defer stop()
		pulse(feed, third/2, frame)
		l.away(true)
		pulse(feed, third/2+patience+1, frame) // what there is of the first third is told
		l.away(false)
		pulse(feed, minute, frame)
		for name, want := range map[string]float64{model.MetricCPU: 150, model.MetricMemory: 25} {
			got := k.of(1, model.NamespaceECS, name, ofService...)
			if len(got) != 4 {
				t.Errorf("%s: got %v, want four thirds", name, got)
			}
			for at, s := range got {
				if s != metrics.One(want) {
					t.Errorf("%s at %s: got %+v, want one sample of %v", name, at, s, want)
				}
			}
		}
	})
}

// TestTrafficExposed: Prometheus has what went through a task's networks and disks, of tasks of which it is known.
func TestTrafficExposed(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := newLines()
		feed, frame := w.agent(l)
		c, _, stop := w.collect(l)
		defer stop()
		pulse(feed, 2, frame)
		exposes(t, c, "\nmaitred_task_network_bytes_total{", false)
		pulse(feed, 1, func() reading.Frame {
			f := frame()
			f.Tasks[0].Network, f.Tasks[0].Disk = &reading.Network{Received: 5, Sent: 6}, &reading.Disk{Read: 7, Written: 8}
			return f
		})
		labels := `{region="us-east-1",cluster="default",service="web",family="web",task="00000000000000000000000000000001",machine="` + machineID + `",`
		for _, line := range []string{
			"network_bytes_total" + labels + `direction="in"} 5`, "network_bytes_total" + labels + `direction="out"} 6`,
			"disk_bytes_total" + labels + `operation="read"} 7`, "disk_bytes_total" + labels + `operation="write"} 8`,
		} {
			exposes(t, c, "\nmaitred_task_"+line+"\n", true)
		}
	})
}

func exposes(t *testing.T, c *Collector, text string, want bool) {
	t.Helper()
	var b strings.Builder
	if err := exposition.Write(&b, c.Families()); err != nil {
		t.Fatal(err)
	}
	if got := strings.Contains(b.String(), text); got != want {
		t.Errorf("%q is exposed: %t, want %t, in\n%s", text, got, want, b.String())
	}
}

// TestNothingOfTheDead: of a task that does not run there is no data.
func TestNothingOfTheDead(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := newLines()
		feed, frame := w.agent(l)
		w.task(1, 512, 1024, model.TaskStopped)
		_, k, stop := w.collect(l)
		defer stop()
		pulse(feed, 70, frame)
		for resolution, namespace := range map[int]string{1: model.NamespaceFast, minute: model.NamespaceECS} {
			if got := k.of(resolution, namespace, "CPUUtilization", ofService...); len(got) != 0 {
				t.Errorf("%s: got %v", namespace, got)
			}
		}
	})
}

// TestReconnect cuts the line over the end of a minute: nothing is lost and nothing is told twice.
func TestReconnect(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := newLines()
		feed, frame := w.agent(l)
		_, k, stop := w.collect(l)
		defer stop()
		begin := time.Now().UTC()
		pulse(feed, 55, frame)
		l.away(true)
		pulse(feed, 10, frame)
		if got := k.of(minute, model.NamespaceECS, "CPUUtilization", ofService...); len(got) != 0 {
			t.Errorf("while the agent is away: got %v", got)
		}
		l.away(false)
		pulse(feed, 60, frame)
		want := map[time.Time]metrics.Stats{begin: metrics.One(150), begin.Add(time.Minute): metrics.One(150)}
		if got := k.of(minute, model.NamespaceECS, "CPUUtilization", ofService...); !maps.Equal(got, want) {
			t.Errorf("by the minute: got %v, want %v", got, want)
		}
		if got := k.of(1, model.NamespaceFast, "CPUUtilization", ofService...); len(got) != 125 {
			t.Errorf("by the second: got %d times, want 125", len(got))
		}
		for at, s := range k.of(1, model.NamespaceFast, "CPUUtilization", ofService...) {
			if s != metrics.One(150) {
				t.Errorf("at %s: got %+v, want one sample", at, s)
			}
		}
	})
}

// TestAway has an agent be away for longer than a minute waits for it: what is there is told in time, and what comes
// later adds no second sample of a task.
func TestAway(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := newLines()
		feed, frame := w.agent(l)
		_, k, stop := w.collect(l)
		defer stop()
		begin := time.Now().UTC()
		pulse(feed, 40, frame)
		l.away(true)
		pulse(feed, 20+patience+1, frame)
		want := map[time.Time]metrics.Stats{begin: metrics.One(150)}
		if got := k.of(minute, model.NamespaceECS, "CPUUtilization", ofService...); !maps.Equal(got, want) {
			t.Errorf("after the patience: got %v, want %v", got, want)
		}
		l.away(false)
		pulse(feed, 60, frame)
		want[begin.Add(time.Minute)] = metrics.One(150)
		if got := k.of(minute, model.NamespaceECS, "CPUUtilization", ofService...); !maps.Equal(got, want) {
			t.Errorf("at last: got %v, want %v", got, want)
		}
		if got := k.of(minute, model.NamespaceECS, "CPUUtilization", "ClusterName", "default"); got[begin].Count != 1 {
			t.Errorf("of the machine: got %v, want one sample a minute", got)
		}
	})
}

// TestLateCollector begins when half of a minute is not kept any more: that minute is not told.
func TestLateCollector(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := newLines()
		feed, frame := w.agent(l)
		begin := time.Now().UTC()
		pulse(feed, 110, frame)
		_, k, stop := w.collect(l)
		defer stop()
		pulse(feed, 70, frame)
		got := k.of(minute, model.NamespaceECS, "CPUUtilization", ofService...)
		want := map[time.Time]metrics.Stats{begin.Add(time.Minute): metrics.One(150), begin.Add(2 * time.Minute): metrics.One(150)}
		if !maps.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// TestAfter: what an earlier collector has put is not put again.
func TestAfter(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := newLines()
		feed, frame := w.agent(l)
		begin := time.Now().UTC()
		pulse(feed, 70, frame)
		_, k, stop := w.collect(l, func(c *Config) { c.After = begin.Add(64 * time.Second) })
		defer stop()
		pulse(feed, 55, frame)
		want := map[time.Time]metrics.Stats{begin.Add(time.Minute): metrics.One(150)}
		if got := k.of(minute, model.NamespaceECS, "CPUUtilization", ofService...); !maps.Equal(got, want) {
			t.Errorf("by the minute: got %v, want %v", got, want)
		}
		if got := k.of(1, model.NamespaceFast, "CPUUtilization", ofService...); len(got) != 60 || got[begin.Add(64*time.Second)].Count != 0 {
			t.Errorf("by the second: got %d times", len(got))
		}
	})
}

// TestFrom: what another server is asked for is not put.
func TestFrom(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := newLines()
		feed, frame := w.agent(l)
		begin := time.Now().UTC()
		pulse(feed, 100, frame) // of which it remembers a minute
		_, k, stop := w.collect(l, func(c *Config) { c.From = begin.Add(70 * time.Second) })
		defer stop()
		pulse(feed, 20, frame)
		want := map[time.Time]metrics.Stats{begin.Add(time.Minute): metrics.One(150)}
		if got := k.of(minute, model.NamespaceECS, "CPUUtilization", ofService...); !maps.Equal(got, want) {
			t.Errorf("by the minute: got %v, want %v", got, want)
		}
		if got := k.of(1, model.NamespaceFast, "CPUUtilization", ofService...); len(got) != 50 || got[begin.Add(69*time.Second)].Count != 0 {
			t.Errorf("by the second: got %d times", len(got))
		}
	})
}

// busy is a second in which a balancer had requests and connections.
func busy() reading.Frame {
	latency := reading.Latency{Count: 10, Sum: 0.1, Min: 0.01, Max: 0.01, Buckets: []reading.InRange{{Bucket: reading.BucketOf(10 * time.Millisecond), Count: 10}}}
	return reading.Frame{
		Routes: []reading.Route{
			{Listener: appListen, Group: groupARN, Target: groupARN + "/-/127.0.0.1:1", Requests: reading.Requests{
				Chosen: 10, Answers: [4]int64{8, 0, 0, 2}, Received: 100, Sent: 900, Latency: latency,
			}},
			{Listener: appListen, Requests: reading.Requests{Own: [4]int64{0, 0, 0, 1}, Own503: 1, Received: 10}},
		},
		Flows: []reading.Flow{{Listener: netListen, Group: netGroup, Target: netGroup + "/-/127.0.0.1:1", Flows: reading.Flows{
			Protocol: "TCP", New: 2, Active: 5, ClientResets: 1, Received: 3, Sent: 4,
		}}},
		Listeners: []reading.Listener{{ARN: appListen, Active: 3, New: 1}},
		Groups: []reading.Group{
			{ARN: groupARN, Healthy: 4, Registered: 5, Eligible: 4, InFlight: 2}, {ARN: netGroup, Healthy: 1, Registered: 1, Eligible: 1, InFlight: 5},
		},
	}
}

// TestBalancers has two balancers be busy for a minute.
func TestBalancers(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.balanced()
		l := newLines()
		feeds := map[string]*reading.Feed{}
		for _, id := range []string{balancerID, machineID} {
			w.balancer(id)
			feeds[id] = reading.NewFeed(id)
			l.serve(id, reading.BalancerPath, feeds[id])
		}
		c, k, stop := w.collect(l)
		defer stop()
		begin := time.Now().UTC()
		pulse(feeds[balancerID], 60, func() reading.Frame {
			f := busy()
			f.Second = time.Now().Add(-time.Second).Unix()
			feeds[machineID].Add(f)
			return busy()
		})
		app, tcp := "app/web/0123456789abcdef", "net/tcp/0123456789abcdef"
		web, tcps := "targetgroup/web/0123456789abcdef", "targetgroup/tcp/0123456789abcdef"
		n := func(count, sum, least, most float64) metrics.Stats {
			return metrics.Stats{Count: count, Sum: sum, Min: least, Max: most}
		}
		for _, x := range []struct {
			resolution      int
			namespace, name string
			dimensions      []string
			want            metrics.Stats
		}{
			{60, model.NamespaceApplication, "RequestCount", []string{"LoadBalancer", app}, n(1200, 1200, 1, 1)},
			{60, model.NamespaceApplication, "RequestCount", []string{"LoadBalancer", app, "TargetGroup", web}, n(1200, 1200, 1, 1)},
			{60, model.NamespaceApplication, "RequestCountPerTarget", []string{"TargetGroup", web}, n(2, 300, 150, 150)},
			{60, model.NamespaceApplication, "RequestCountPerTarget", []string{"LoadBalancer", app, "TargetGroup", web}, n(2, 300, 150, 150)},
			{60, model.NamespaceApplication, "HTTPCode_Target_2XX_Count", []string{"LoadBalancer", app}, n(960, 960, 1, 1)},
			{60, model.NamespaceApplication, "HTTPCode_Target_5XX_Count", []string{"LoadBalancer", app, "TargetGroup", web}, n(240, 240, 1, 1)},
			{60, model.NamespaceApplication, "HTTPCode_ELB_5XX_Count", []string{"LoadBalancer", app}, n(120, 120, 1, 1)},
			{60, model.NamespaceApplication, "HTTPCode_ELB_503_Count", []string{"LoadBalancer", app}, n(120, 120, 1, 1)},
			{60, model.NamespaceApplication, "ActiveConnectionCount", []string{"LoadBalancer", app}, n(2, 6, 3, 3)},
			{60, model.NamespaceApplication, "NewConnectionCount", []string{"LoadBalancer", app}, n(120, 120, 1, 1)},
			{60, model.NamespaceApplication, "ProcessedBytes", []string{"LoadBalancer", app}, n(2, 2*60*1010, 60*1010, 60*1010)},
			{60, model.NamespaceApplication, "HealthyHostCount", []string{"LoadBalancer", app, "TargetGroup", web}, n(120, 480, 4, 4)},
			{60, model.NamespaceApplication, "UnHealthyHostCount", []string{"LoadBalancer", app, "TargetGroup", web}, n(120, 0, 0, 0)},
			{60, model.NamespaceNetwork, "ActiveFlowCount", []string{"LoadBalancer", tcp}, n(120, 600, 5, 5)},
			{60, model.NamespaceNetwork, "ActiveFlowCount_TCP", []string{"LoadBalancer", tcp}, n(120, 600, 5, 5)},
			{60, model.NamespaceNetwork, "NewFlowCount", []string{"LoadBalancer", tcp}, n(240, 240, 1, 1)},
			{60, model.NamespaceNetwork, "TCP_Client_Reset_Count", []string{"LoadBalancer", tcp}, n(120, 120, 1, 1)},
			{60, model.NamespaceNetwork, "ProcessedBytes", []string{"LoadBalancer", tcp}, n(2, 840, 420, 420)},
			{60, model.NamespaceNetwork, "HealthyHostCount", []string{"LoadBalancer", tcp, "TargetGroup", tcps}, n(120, 120, 1, 1)},
			{1, model.NamespaceFast, "RequestCount", []string{"LoadBalancer", app}, n(20, 20, 1, 1)},
			{1, model.NamespaceFast, "RequestCount", []string{"TargetGroup", web}, n(20, 20, 1, 1)},
			{1, model.NamespaceFast, "RequestCountPerTarget", []string{"TargetGroup", web}, n(2, 5, 2.5, 2.5)},
			{1, model.NamespaceFast, "HTTPCode_Target_2XX_Count", []string{"TargetGroup", web}, n(16, 16, 1, 1)},
			{1, model.NamespaceFast, "ActiveConnectionCount", []string{"LoadBalancer", app}, n(2, 6, 3, 3)},
			{1, model.NamespaceFast, "ActiveConnectionCount", []string{"TargetGroup", web}, n(2, 4, 2, 2)},
			{1, model.NamespaceFast, "ActiveConnectionCount", []string{"LoadBalancer", tcp}, n(2, 10, 5, 5)},
		} {
			if got := k.of(x.resolution, x.namespace, x.name, x.dimensions...)[begin]; got != x.want {
				t.Errorf("%s %s %v: got %+v, want %+v", x.namespace, x.name, x.dimensions, got, x.want)
			}
		}
		if got := k.of(60, model.NamespaceApplication, "TargetResponseTime", "LoadBalancer", app)[begin]; got.Count != 1200 || !about(got.Sum, 12) {
			t.Errorf("TargetResponseTime: got %+v", got)
		}
		exposed(t, c)
	})
}

// exposed looks for some of what Prometheus gets.
func exposed(t *testing.T, c *Collector) {
	t.Helper()
	var b strings.Builder
	if err := exposition.Write(&b, c.Families()); err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		`maitred_requests_total{region="us-east-1",load_balancer="app/web/0123456789abcdef",target_group="targetgroup/web/0123456789abcdef"} 1200`,
		`maitred_responses_total{region="us-east-1",load_balancer="app/web/0123456789abcdef",target_group="",from="load_balancer",class="5xx"} 120`,
		`maitred_target_response_seconds_bucket{region="us-east-1",load_balancer="app/web/0123456789abcdef",target_group="targetgroup/web/0123456789abcdef",le="0.025"} 1200`,
		`maitred_open_connections{region="us-east-1",load_balancer="app/web/0123456789abcdef"} 6`,
		`maitred_target_group_healthy_targets{region="us-east-1",target_group="targetgroup/web/0123456789abcdef",balancer="` + balancerID + `"} 4`,
		`maitred_flows_total{region="us-east-1",load_balancer="net/tcp/0123456789abcdef",protocol="TCP"} 240`,
	} {
		if !strings.Contains(b.String(), line+"\n") {
			t.Errorf("there is no line\n%s\nin\n%s", line, b.String())
		}
	}
}

// TestQuiet: a load balancer without requests has zeros, and nothing that is not counted.
func TestQuiet(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		w.balanced()
		w.balancer(balancerID)
		l, feed := newLines(), reading.NewFeed("one")
		l.serve(balancerID, reading.BalancerPath, feed)
		_, k, stop := w.collect(l)
		defer stop()
		pulse(feed, 60, func() reading.Frame {
			f := busy()
			f.Routes, f.Flows, f.Listeners[0].Active, f.Listeners[0].New = nil, nil, 0, 0
			return f
		})
		var names []string
		for _, d := range k.data {
			if d.Resolution == minute && d.Namespace == model.NamespaceApplication {
				names = append(names, d.Metric.Name)
				if strings.HasPrefix(d.Metric.Name, "Request") && (d.Sum != 0 || d.Count != 1) {
					t.Errorf("%s: got %+v, want a zero", d.Metric, d.Stats)
				}
			}
		}
		slices.Sort(names)
		want := []string{
			"HealthyHostCount", "HealthyStateRouting", "RequestCount", "RequestCountPerTarget", "UnHealthyHostCount", "UnhealthyStateRouting",
		}
		if diff := cmp.Diff(want, slices.Compact(names)); diff != "" {
			t.Errorf("what is told (-want +got):\n%s", diff)
		}
	})
}

// TestGoodbye: a machine that says goodbye is read to its end, told, and forgotten; one that comes again is followed.
func TestGoodbye(t *testing.T) {
	bubble(t, func(t *testing.T, w *world) {
		l := newLines()
		feed, frame := w.agent(l)
		c, k, stop := w.collect(l)
		begin := time.Now().UTC()
		pulse(feed, 30, frame)
		m, _ := w.store.View().Machine(machineID)
		gone := *m
		gone.Connected = false
		w.put(&gone)
		pulse(feed, 2, frame)
		l.away(true)
		<-time.After(50 * time.Second)
		synctest.Wait()
		if got := k.of(1, model.NamespaceFast, "CPUUtilization", ofService...); len(got) != 32 {
			t.Errorf("got %d seconds, want 32", len(got))
		}
		if got := k.of(minute, model.NamespaceECS, "CPUUtilization", ofService...); !maps.Equal(got, map[time.Time]metrics.Stats{begin: metrics.One(150)}) {
			t.Errorf("got %v, want one sample", got)
		}
		l.away(false)
		w.put(m)
		pulse(feed, 5, frame)
		if got := k.of(1, model.NamespaceFast, "CPUUtilization", ofService...); len(got) < 36 {
			t.Errorf("when it came again: got %d seconds", len(got))
		}
		stop()
		if n := len(c.sources); n != 1 {
			t.Errorf("%d sources are followed, want 1", n)
		}
	})
}
