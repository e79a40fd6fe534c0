package meter

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	region     = "us-east-1"
	ecsARN     = "arn:aws:ecs:us-east-1:123456789012:"
	elbARN     = "arn:aws:elasticloadbalancing:us-east-1:123456789012:"
	clusterARN = ecsARN + "cluster/default"
	serviceARN = ecsARN + "service/default/web"
	defARN     = ecsARN + "task-definition/web:1"
	appARN     = elbARN + "loadbalancer/app/web/0123456789abcdef"
	appListen  = elbARN + "listener/app/web/0123456789abcdef/fedcba9876543210"
	netARN     = elbARN + "loadbalancer/net/tcp/0123456789abcdef"
	netListen  = elbARN + "listener/net/tcp/0123456789abcdef/fedcba9876543210"
	groupARN   = elbARN + "targetgroup/web/0123456789abcdef"
	netGroup   = elbARN + "targetgroup/tcp/0123456789abcdef"
	machineID  = "00000000000000000000000000000001"
)

// world is a store with one cluster.
type world struct {
	testing.TB
	store *store.Store
}

func newWorld(t testing.TB) *world {
	t.Helper()
	backend := mem.New(mem.Options{})
	s, err := store.Open(context.Background(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		if err := backend.Close(); err != nil {
			t.Error(err)
		}
	})
	w := &world{TB: t, store: s}
	w.put(&model.Cluster{ARN: clusterARN, Name: "default", Region: region, Status: model.Active})
	return w
}

func (w *world) put(records ...model.Record) {
	w.Helper()
	if _, err := w.store.Update(context.Background(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	}); err != nil {
		w.Fatal(err)
	}
}

func (w *world) machine(id string, cpu, memory int) {
	w.Helper()
	m := &model.Machine{
		ID: id, Capacity: model.Resources{CPU: cpu, Memory: memory}, Connected: true,
		Peer: &model.Peer{Address: "127.0.0.1:1", Fingerprint: id, Token: id},
	}
	w.put(m, &model.Instance{ARN: ecsARN + "container-instance/default/" + id, Cluster: clusterARN, Machine: id, Status: model.Active})
}

func (w *world) balancer(id string) {
	w.Helper()
	b := &model.Balancer{ID: id, Connected: true, Peer: &model.Peer{Address: "127.0.0.1:2", Fingerprint: id, Token: id}}
	w.put(b)
}

// service makes a service, with a task definition whose one container has the given size.
func (w *world) service(desired, cpu, memory int) {
	w.Helper()
	w.put(
		&model.Service{ARN: serviceARN, Name: "web", Cluster: clusterARN, Region: region, Status: model.Active, Scheduling: model.Replica, DesiredCount: desired},
		&model.TaskDefinition{ARN: defARN, Family: "web", Containers: []model.ContainerDefinition{{Name: "app", CPU: cpu, Memory: memory}}},
	)
}

// fine has the service have metrics by 20 s.
func (w *world) fine(names ...string) {
	w.Helper()
	svc, _ := w.store.View().Service(serviceARN)
	changed := *svc
	changed.Fine = names
	w.put(&changed)
}

func taskARN(n int) string { return fmt.Sprintf("%stask/default/%032x", ecsARN, n) }

// task makes a task of the service on the first machine, that is in a state.
func (w *world) task(n, cpu, memory int, status model.TaskStatus) string {
	w.Helper()
	w.put(
		&model.Task{
			ARN: taskARN(n), Cluster: clusterARN, TaskDefinition: defARN, Machine: machineID, Service: serviceARN, Desired: model.TaskRunning,
			Reserved: model.Resources{CPU: cpu, Memory: memory},
		},
		&model.Observed{Task: taskARN(n), Machine: machineID, Status: status},
	)
	return taskARN(n)
}

// balanced makes an Application Load Balancer and a Network Load Balancer, each with a group.
func (w *world) balanced() {
	w.Helper()
	forward := func(group string) []model.Action {
		return []model.Action{{Type: model.ActionForward, Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: group, Weight: 1}}}}}
	}
	w.put(
		&model.LoadBalancer{ARN: appARN, Name: "web", Region: region, Type: model.Application},
		&model.LoadBalancer{ARN: netARN, Name: "tcp", Region: region, Type: model.NetworkLB},
		&model.Listener{ARN: appListen, LoadBalancer: appARN, Region: region, Protocol: "HTTP", Actions: forward(groupARN)},
		&model.Listener{ARN: netListen, LoadBalancer: netARN, Region: region, Protocol: "TCP", Actions: forward(netGroup)},
	)
}

// kept is what was put.
type kept struct {
	mu   sync.Mutex
	data []metrics.Datum
}

// Put implements metrics.Putter.
func (k *kept) Put(data []metrics.Datum) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.data = append(k.data, data...)
}

// of adds up what was put of a series and a resolution, by time.
func (k *kept) of(resolution int, namespace, name string, dimensions ...string) map[time.Time]metrics.Stats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return statsOf(k.data, resolution, namespace, name, dimensions...)
}

func statsOf(data []metrics.Datum, resolution int, namespace, name string, dimensions ...string) map[time.Time]metrics.Stats {
	want := model.Metric{Namespace: namespace, Name: name}
	for i := 0; i < len(dimensions); i += 2 {
		want.Dimensions = append(want.Dimensions, model.Dimension{Name: dimensions[i], Value: dimensions[i+1]})
	}
	sums := map[time.Time]metrics.Stats{}
	for _, d := range data {
		if d.Resolution == resolution && d.Metric.String() == want.String() && d.Region == region {
			sum := sums[d.At]
			sum.Add(d.Stats)
			sums[d.At] = sum
		}
	}
	return sums
}

// only is the one time of a series.
func only(t testing.TB, sums map[time.Time]metrics.Stats) metrics.Stats {
	t.Helper()
	if len(sums) != 1 {
		t.Fatalf("got %v, want one time", sums)
	}
	for _, s := range sums {
		return s
	}
	return metrics.Stats{}
}

// lines are direct lines without a network, by id and path. A line that is cut gives errors.
type lines struct {
	mu   sync.Mutex
	feed map[string]*reading.Feed
	cut  map[string]bool
	ends map[string][]context.CancelFunc
}

func newLines() *lines {
	return &lines{feed: map[string]*reading.Feed{}, cut: map[string]bool{}, ends: map[string][]context.CancelFunc{}}
}

func (l *lines) serve(id, path string, f *reading.Feed) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.feed[id+path] = f
}

// away cuts all lines to the first machine, or lets them be there again.
func (l *lines) away(so bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.cut[machineID] = so
	for _, end := range l.ends[machineID] {
		end()
	}
	l.ends[machineID] = nil
}

// RoundTrip implements http.RoundTripper.
func (l *lines) RoundTrip(r *http.Request) (*http.Response, error) {
	l.mu.Lock()
	id := r.URL.Host
	f := l.feed[id+r.URL.Path]
	if f == nil || l.cut[id] {
		l.mu.Unlock()
		return nil, fmt.Errorf("%s is away", id)
	}
	ctx, cancel := context.WithCancel(r.Context())
	l.ends[id] = append(l.ends[id], cancel)
	l.mu.Unlock()
	body, to := io.Pipe()
	w := &wire{header: http.Header{}, to: to, begun: make(chan struct{})}
	go func() {
		f.ServeHTTP(w, r.WithContext(ctx))
		_ = to.CloseWithError(io.ErrUnexpectedEOF)
	}()
	<-w.begun
	return &http.Response{StatusCode: http.StatusOK, Header: w.header, Body: body, Request: r}, nil
}

// wire writes a response into a pipe.
type wire struct {
	header http.Header
	to     *io.PipeWriter
	begun  chan struct{}
}

func (w *wire) Header() http.Header         { return w.header }
func (w *wire) WriteHeader(int)             { close(w.begun) }
func (w *wire) Write(p []byte) (int, error) { return w.to.Write(p) }
func (w *wire) Flush()                      {}

// collect has a collector run until stop is called.
func (w *world) collect(l *lines, change ...func(*Config)) (c *Collector, k *kept, stop func()) {
	w.Helper()
	k = &kept{}
	config := Config{Store: w.store, Put: k, Agents: &http.Client{Transport: l}, Balancers: &http.Client{Transport: l}}
	for _, x := range change {
		x(&config)
	}
	c, err := New(config)
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- c.Run(ctx) }()
	return c, k, func() {
		cancel()
		if err := <-done; err != nil {
			w.Errorf("Run = %v", err)
		}
	}
}

func (w *world) remove(keys ...model.Key) {
	w.Helper()
	if _, err := w.store.Update(context.Background(), func(tx *store.Tx) error {
		for _, k := range keys {
			tx.Delete(k)
		}
		return nil
	}); err != nil {
		w.Fatal(err)
	}
}
