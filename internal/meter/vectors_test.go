package meter

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
)

func about(a, b float64) bool { return math.Abs(a-b) < 0.005 }

// minuteOfTasks is what a minute of the first machine's agent becomes in which each second was the same.
func minuteOfTasks(w *world, tasks ...reading.Task) []metrics.Datum {
	src := newSource(sourceID{id: machineID})
	for second := range int64(minute) {
		src.add(w.store.View(), &reading.Frame{Second: second, Tasks: tasks}, nil)
	}
	return src.sheet(w.store.View(), src.minutes.take(minute)[0]).data(time.Unix(0, 0).UTC(), minute)
}

// TestServiceUtilization: what a service uses is compared with what its tasks have reserved ("Service utilization").
func TestServiceUtilization(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		cpu, memory int
		def         func(*model.TaskDefinition)
		used        []reading.Task // in cores and MiB
		want, wantM metrics.Stats  // the zero value is none
	}{
		"more than reserved": {
			cpu: 512, memory: 1024, used: []reading.Task{{Cores: 2, Memory: 512}}, want: metrics.One(400), wantM: metrics.One(50),
		},
		"less than reserved": {
			cpu: 512, memory: 1024, used: []reading.Task{{Cores: 0.125, Memory: 128}}, want: metrics.One(25), wantM: metrics.One(12.5),
		},
		"the task has a size": {
			cpu: 512, memory: 1024, def: func(d *model.TaskDefinition) { d.CPU, d.Memory = 512, 1024 },
			used: []reading.Task{{Cores: 2, Memory: 512}}, want: metrics.One(100), wantM: metrics.One(50),
		},
		"more than the soft limit": {cpu: 512, memory: 256, used: []reading.Task{{Memory: 512}}, want: metrics.One(0), wantM: metrics.One(200)},
		"two tasks": {
			cpu: 1024, memory: 100, used: []reading.Task{{Cores: 0.5, Memory: 10}, {Cores: 1, Memory: 30}},
			want: metrics.Stats{Count: 2, Sum: 150, Min: 50, Max: 100}, wantM: metrics.Stats{Count: 2, Sum: 40, Min: 10, Max: 30},
		},
		"nothing reserved": {memory: 100, used: []reading.Task{{Cores: 1, Memory: 10}}, wantM: metrics.One(10)},
		"nothing runs":     {cpu: 512, memory: 1024},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.machine(machineID, 2048, 4096)
			w.service(len(c.used), c.cpu, c.memory)
			if c.def != nil {
				def := &model.TaskDefinition{ARN: defARN, Family: "web"}
				c.def(def)
				w.put(def)
			}
			for i := range c.used {
				c.used[i].ARN = w.task(i, c.cpu, c.memory, model.TaskRunning)
				c.used[i].Memory *= mib
			}
			data := minuteOfTasks(w, c.used...)
			for metric, want := range map[string]metrics.Stats{"CPUUtilization": c.want, "MemoryUtilization": c.wantM} {
				got := statsOf(data, minute, model.NamespaceECS, metric, "ClusterName", "default", "ServiceName", "web")
				if want == (metrics.Stats{}) && len(got) == 0 {
					continue
				}
				if s := only(t, got); s != want {
					t.Errorf("%s: got %+v, want %+v", metric, s, want)
				}
			}
		})
	}
}

// TestClusterUtilization: what the tasks of a cluster use is compared with what its container instances have.
func TestClusterUtilization(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.machine(machineID, 4096, 1000)
	w.service(1, 512, 100)
	task := w.task(1, 512, 100, model.TaskRunning)
	data := minuteOfTasks(w, reading.Task{ARN: task, Cores: 1, Memory: 250 * mib})
	for metric, want := range map[string]float64{"CPUUtilization": 25, "MemoryUtilization": 25} {
		if s := only(t, statsOf(data, minute, model.NamespaceECS, metric, "ClusterName", "default")); s != metrics.One(want) {
			t.Errorf("%s: got %+v, want %v", metric, s, want)
		}
	}
	for metric, want := range map[string]float64{"CpuUtilized": 1024, "CpuReserved": 512, "MemoryUtilized": 250, "MemoryReserved": 100} {
		for _, dimensions := range [][]string{
			{"ClusterName", "default"}, {"ClusterName", "default", "ServiceName", "web"}, {"ClusterName", "default", "TaskDefinitionFamily", "web"},
		} {
			if s := only(t, statsOf(data, minute, model.NamespaceInsights, metric, dimensions...)); s != metrics.One(want) {
				t.Errorf("%s of %v: got %+v, want %v", metric, dimensions, s, want)
			}
		}
	}
}

// TestTraffic: what went through networks is told each second, what was read and written since the start; of what nobody knows
// nothing is said, not zero.
func TestTraffic(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.machine(machineID, 4096, 1000)
	w.service(3, 512, 100)
	data := minuteOfTasks(w,
		reading.Task{ARN: w.task(1, 512, 100, model.TaskRunning), Network: &reading.Network{In: 10, Out: 20, Received: 5000}, Disk: &reading.Disk{Read: 7}},
		reading.Task{ARN: w.task(2, 512, 100, model.TaskRunning), Network: &reading.Network{In: 30}},
		reading.Task{ARN: w.task(3, 512, 100, model.TaskRunning)},
	)
	for metric, want := range map[string]metrics.Stats{
		"NetworkRxBytes": {Count: 2, Sum: 40, Min: 10, Max: 30}, "NetworkTxBytes": {Count: 2, Sum: 20, Max: 20},
		"StorageReadBytes": metrics.One(7), "StorageWriteBytes": metrics.One(0),
	} {
		for _, dimensions := range [][]string{
			{"ClusterName", "default"}, {"ClusterName", "default", "ServiceName", "web"}, {"ClusterName", "default", "TaskDefinitionFamily", "web"},
		} {
			if s := only(t, statsOf(data, minute, model.NamespaceInsights, metric, dimensions...)); s != want {
				t.Errorf("%s of %v: got %+v, want %+v", metric, dimensions, s, want)
			}
		}
	}
	units := map[string]string{"NetworkRxBytes": "Bytes/Second", "NetworkTxBytes": "Bytes/Second", "StorageReadBytes": "Bytes", "StorageWriteBytes": "Bytes"}
	for _, d := range data {
		if want, ok := units[d.Metric.Name]; ok && d.Unit != want {
			t.Errorf("%s is in %s, want %s", d.Metric.Name, d.Unit, want)
		}
	}
	nothing := minuteOfTasks(w, reading.Task{ARN: taskARN(3)})
	for metric := range units {
		if s := statsOf(nothing, minute, model.NamespaceInsights, metric, "ClusterName", "default"); len(s) != 0 {
			t.Errorf("%s of what nobody knows: got %v", metric, s)
		}
	}
}

// TestReservation is the example of the page: a cluster of 18,432 CPU units and 33,926 MiB with ten tasks.
func TestReservation(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.machine(machineID, 18432-2048, 33926-3885)
	w.machine("00000000000000000000000000000002", 2048, 3885)
	w.service(10, 1024, 2048)
	for n := range 10 {
		w.task(n, 1024, 2048, model.TaskRunning)
	}
	w.task(11, 1024, 2048, model.TaskStopped)
	s := newSheet()
	minuteServices(s, w.store.View(), func(svc *model.Service) int { return svc.DesiredCount })
	data := s.data(time.Unix(0, 0), minute)
	for metric, want := range map[string]float64{"CPUReservation": 55.56, "MemoryReservation": 60.37} {
		if got := only(t, statsOf(data, minute, model.NamespaceECS, metric, "ClusterName", "default")); got.Count != 1 || !about(got.Sum, want) {
			t.Errorf("%s: got %+v, want %v", metric, got, want)
		}
	}
	for metric, want := range map[string]float64{"ServiceCount": 1, "TaskCount": 10, "ContainerInstanceCount": 2} {
		if got := only(t, statsOf(data, minute, model.NamespaceInsights, metric, "ClusterName", "default")); got != metrics.One(want) {
			t.Errorf("%s: got %+v, want %v", metric, got, want)
		}
	}
}

// TestSheet adds values as PutMetricData does, and counts, and times.
func TestSheet(t *testing.T) {
	t.Parallel()
	at := time.Date(2030, 1, 1, 12, 0, 0, 0, time.UTC)
	k := func(name string) key { return key{subject{region: region}, "N", name, none} }
	s := newSheet()
	for _, v := range []float64{2, 4, 5} {
		s.sample(k("a"), v)
	}
	s.count(k("b"), 3)
	s.count(k("nothing"), 0)
	s.always(k("c"), 0)
	s.grow(k("d"), 1.5)
	s.grow(k("d"), 2)
	s.peak(k("e"), 7)
	s.peak(k("e"), 3)
	l := reading.Latency{Count: 1, Sum: 0.5, Min: 0.5, Max: 0.5, Buckets: []reading.InRange{{Bucket: reading.BucketOf(time.Second / 2), Count: 1}}}
	s.times(k("f"), &l)
	s.times(k("f"), &l)
	series := func(name string) metrics.Series { return k(name).series() }
	want := []metrics.Datum{
		{
			Series: series("a"), At: at, Stats: metrics.Stats{Count: 3, Sum: 11, Min: 2, Max: 5}, Values: []float64{2, 4, 5},
			Counts: []float64{1, 1, 1}, Resolution: 60,
		},
		{Series: series("b"), At: at, Stats: metrics.Stats{Count: 3, Sum: 3, Min: 1, Max: 1}, Resolution: 60},
		{Series: series("c"), At: at, Stats: metrics.One(0), Resolution: 60},
		{Series: series("d"), At: at, Stats: metrics.One(3.5), Resolution: 60},
		{Series: series("e"), At: at, Stats: metrics.One(7), Resolution: 60},
		{
			Series: series("f"), At: at, Stats: metrics.Stats{Count: 2, Sum: 1, Min: 0.5, Max: 0.5}, Values: []float64{0.5},
			Counts: []float64{2}, Resolution: 60,
		},
	}
	if diff := cmp.Diff(want, s.data(at, 60)); diff != "" {
		t.Errorf("the data (-want +got):\n%s", diff)
	}
}

// TestHosts has two balancers see other numbers of healthy targets: the statistics are those of all of them.
func TestHosts(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.balanced()
	l := leadsOf(w.store.View())
	var data []metrics.Datum
	for _, seen := range [][]int{{2, 10}, {1, 5}} {
		s := newSheet()
		for _, n := range seen {
			f := &reading.Frame{Groups: []reading.Group{{ARN: groupARN, Healthy: n, Unhealthy: 1}, {ARN: netGroup, Healthy: n, Unhealthy: 1}}}
			newBalance(s, f, l).minute()
		}
		data = append(data, s.data(time.Unix(0, 0), minute)...)
	}
	for namespace, dimensions := range map[string][]string{
		model.NamespaceApplication: {"LoadBalancer", "app/web/0123456789abcdef", "TargetGroup", "targetgroup/web/0123456789abcdef"},
		model.NamespaceNetwork:     {"LoadBalancer", "net/tcp/0123456789abcdef", "TargetGroup", "targetgroup/tcp/0123456789abcdef"},
	} {
		if got := only(t, statsOf(data, minute, namespace, "HealthyHostCount", dimensions...)); got.Min != 1 || got.Max != 10 {
			t.Errorf("%s: got %+v, want 1 to 10", namespace, got)
		}
		if got := only(t, statsOf(data, minute, namespace, "UnHealthyHostCount", dimensions...)); got.Min != 1 || got.Max != 1 {
			t.Errorf("%s: got %+v unhealthy ones, want 1", namespace, got)
		}
	}
}
