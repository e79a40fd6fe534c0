package scaler_test

import (
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/scaler"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

const (
	region   = "us-east-1"
	resource = "service/default/web"
)

// rig is a service under load in virtual time: its tasks follow its desired count after a second, and what they are
// measured with follows the load. Everything else is production code.
type rig struct {
	t       testing.TB
	store   *store.Store
	backend *mem.Backend
	metrics *keep.Store
	loop    *scaler.Loop
	now     time.Time
	ids     byte
	load    float64 // processor, in percent of what one task has reserved
	queue   float64 // things that wait
	work    float64 // that each task takes in a second
	changes int     // of the desired count
	turns   int     // of them in the other direction than the one before
	up      bool    // the last one was up
	fine    bool    // the service has its metrics by 20 s
	blind   bool    // nothing is measured by the second
	tasks   int
	born    []time.Time // when each of the tasks ran
	front   front
	told    strings.Builder
}

func newRig(t testing.TB) *rig {
	t.Helper()
	r := &rig{t: t, backend: mem.New(mem.Options{}), now: time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC), queue: -1}
	var err error
	if r.store, err = store.OpenSync(t.Context(), r.backend, store.Scope{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.store.Close)
	if r.metrics, err = keep.Open(keep.Config{Now: func() time.Time { return r.now }}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.metrics.Close() })
	r.lead()
	return r
}

// lead begins the loop anew, as a new leader does.
func (r *rig) lead() {
	if r.loop != nil {
		r.loop.Close()
	}
	r.loop = scaler.NewLoop(scaler.Config{Store: r.store, Metrics: r.metrics, IDs: r.id, Log: slog.New(slog.DiscardHandler)}, nil)
}

func (r *rig) id() (b [16]byte) {
	r.ids++
	b[15] = r.ids
	return b
}

func (r *rig) call(operation string) control.Call {
	return control.Call{Scope: scope(), Operation: operation, RequestID: "r", Now: r.now, IDs: r.id}
}

func scope() arn.Scope { return arn.Scope{Region: region, Account: "000000000000"} }

func (r *rig) update(fn func(tx *store.Tx) error) {
	r.t.Helper()
	if _, err := r.store.Update(r.t.Context(), fn); err != nil {
		r.t.Fatal(err)
	}
}

func service() string { return arn.Service(scope().Cluster("default"), "web") }

// create makes the service.
func (r *rig) create(desired int, tags []model.Tag) {
	r.tasks = desired
	r.update(func(tx *store.Tx) error {
		tx.Put(&model.Cluster{ARN: scope().Cluster("default"), Name: "default", Region: region, Status: model.Active})
		tx.Put(&model.Service{
			ARN: service(), Name: "web", Cluster: scope().Cluster("default"), Region: region, Status: model.Active,
			Scheduling: model.Replica, DesiredCount: desired, Declared: desired, Primary: "ecs-svc/1", Tags: tags,
		})
		r.deployment(tx, model.RolloutCompleted)
		for i := range desired {
			r.put(tx, i, model.TaskRunning)
		}
		return nil
	})
	r.born = make([]time.Time, desired)
}

func (r *rig) deployment(tx *store.Tx, rollout model.Rollout) {
	tx.Put(&model.Deployment{ID: "ecs-svc/1", Service: service(), Rollout: rollout, Current: true, LoadBalancers: r.front.of()})
}

func (r *rig) put(tx *store.Tx, i int, status model.TaskStatus) {
	id := arn.Task(scope().Cluster("default"), fmt.Sprintf("%032d", i))
	task := &model.Task{ARN: id, Machine: "m", Service: service(), Cluster: scope().Cluster("default"), Desired: status}
	seen := &model.Observed{Machine: "m", Task: id, Status: status, StartedAt: r.now}
	if status == model.TaskStopped {
		tx.Delete(task.Key())
		tx.Delete(seen.Key())
		return
	}
	tx.Put(task)
	tx.Put(seen)
}

// follow starts and stops tasks, so that there are as many as desired.
func (r *rig) follow() {
	svc, ok := r.store.View().Service(service())
	if !ok || svc.DesiredCount == r.tasks {
		return
	}
	r.update(func(tx *store.Tx) error {
		for i := r.tasks; i < svc.DesiredCount; i++ {
			r.put(tx, i, model.TaskRunning)
		}
		for i := svc.DesiredCount; i < r.tasks; i++ {
			r.put(tx, i, model.TaskStopped)
		}
		return nil
	})
	for r.tasks = svc.DesiredCount; len(r.born) < r.tasks; {
		r.born = append(r.born, r.now)
	}
	r.born = r.born[:r.tasks]
}

// measure puts what is measured in the second that ends now, and in the minute, if one ends.
func (r *rig) measure() {
	second := r.now.Add(-time.Second)
	r.sample(model.NamespaceFast, "RunningTaskCount", float64(r.tasks), second, 1)
	if r.queue >= 0 {
		r.queue = max(0, r.queue-r.work*float64(r.tasks))
		r.sample(model.NamespaceFast, "Backlog", r.queue, second, 1)
		r.sample(model.NamespaceFast, "BacklogPerTask", r.queue/float64(max(1, r.tasks)), second, 1)
		if r.now.Second() == 0 {
			r.sample("App", "BacklogPerTask", r.queue/float64(max(1, r.tasks)), r.now.Add(-time.Minute), 60)
		}
	}
	if r.tasks == 0 {
		return
	}
	cpu := r.load / float64(r.tasks)
	if !r.blind {
		r.sample(model.NamespaceFast, "CPUUtilization", cpu, second, 1)
	}
	if r.fine && r.now.Second()%20 == 0 {
		r.sample(model.NamespaceECS, "CPUUtilization", cpu, r.now.Add(-20*time.Second), 1)
	}
	if !r.fine && r.now.Second() == 0 {
		r.sample(model.NamespaceECS, "CPUUtilization", cpu, r.now.Add(-time.Minute), 60)
	}
}

func (r *rig) sample(namespace, name string, v float64, at time.Time, resolution int) {
	r.metrics.Put([]metrics.Datum{{
		Series: metrics.Series{Region: region, Unit: "Percent", Metric: model.Metric{
			Namespace: namespace, Name: name,
			Dimensions: []model.Dimension{{Name: "ClusterName", Value: "default"}, {Name: "ServiceName", Value: "web"}},
		}},
		At: at, Stats: metrics.One(v), Values: []float64{v}, Counts: []float64{1}, Resolution: resolution,
	}})
}

// run lets time pass, second by second, and tells what changed.
func (r *rig) run(d time.Duration) {
	r.t.Helper()
	for end := r.now.Add(d); r.now.Before(end); {
		r.now = r.now.Add(time.Second)
		r.follow()
		r.measure()
		r.balance()
		r.turn()
	}
}

func (r *rig) turn() {
	r.t.Helper()
	before := r.store.View()
	if err := r.loop.Turn(r.t.Context(), r.now); err != nil {
		r.t.Fatal(err)
	}
	r.tell(before, r.store.View())
}

// tell writes down what has changed.
func (r *rig) tell(before, after *store.View) {
	stamp := r.now.Format("15:04:05 ")
	for a := range after.Alarms(region) {
		path := a.Key().Path
		now, ok := after.AlarmState(path)
		then, was := before.AlarmState(path)
		if ok && was && now.Value != then.Value {
			fmt.Fprintf(&r.told, "%s%s is %s\n", stamp, shortAlarm(a), now.Value)
		}
	}
	old, _ := before.Service(service())
	svc, _ := after.Service(service())
	if old.DesiredCount != svc.DesiredCount {
		up := svc.DesiredCount > old.DesiredCount
		if r.changes > 0 && up != r.up {
			r.turns++
		}
		r.changes, r.up = r.changes+1, up
		fmt.Fprintf(&r.told, "%sdesired %d -> %d, because %s\n", stamp, old.DesiredCount, svc.DesiredCount, svc.Cause.Detail)
	}
	for a := range after.ScalingActivities(model.ScalablePath(region, resource)) {
		was := status(before, a)
		if was == string(a.Status) {
			continue
		}
		fmt.Fprintf(&r.told, "%sactivity %d %s: %s%s\n", stamp, a.Number, a.Status, a.Description, reasons(a))
	}
}

func status(v *store.View, a *model.ScalingActivity) string {
	old, _, ok := v.Get(a.Key())
	if !ok {
		return ""
	}
	return string(old.(*model.ScalingActivity).Status)
}

func reasons(a *model.ScalingActivity) string {
	text := ""
	for _, n := range a.NotScaled {
		text += " (" + n.Code + ")"
	}
	return text
}

// shortAlarm leaves the ids out of an alarm's name.
func shortAlarm(a *model.Alarm) string {
	for _, part := range []string{"AlarmHigh", "AlarmLow"} {
		if strings.Contains(a.Name, part) {
			return part
		}
	}
	return a.Name
}

func number(t testing.TB, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func span(t testing.TB, text string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatal(err)
	}
	return d
}
