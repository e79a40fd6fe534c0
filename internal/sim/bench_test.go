package sim_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"runtime"
	"runtime/debug"
	"slices"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// The size of the large world.
const (
	largeMachines = 1_000
	largeServices = 10_000
	largeTasks    = 100_000
)

// large is a large world: the scheduler and its store alone, without faults.
type large struct {
	b       *testing.B
	store   *store.Store
	loop    *engine.Loop
	now     time.Time
	drawn   uint64
	timings model.Timings
}

func benchScope() arn.Scope { return arn.Scope{Region: "eu-west-1", Account: "123456789012"} }

// newLarge makes machines and services, and no task yet.
func newLarge(b *testing.B) *large {
	b.Helper()
	debug.SetGCPercent(100) // as in production, see TestMain
	st, err := store.OpenSync(b.Context(), mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		b.Fatal(err)
	}
	l := &large{b: b, store: st, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	l.timings, _ = model.TimingsByName("fast")
	cluster := benchScope().Cluster("demo")
	cause := model.Cause{Kind: model.CauseAPI, Subject: "CreateCluster", At: l.now}
	def := &model.TaskDefinition{
		ARN: benchScope().TaskDefinition("web:1"), Family: "web", Revision: 1, Region: "eu-west-1", Status: model.Active,
		Containers: []model.ContainerDefinition{{Name: "app", Essential: true, CPU: 64, Memory: 64}}, Cause: cause,
	}
	l.put(&model.Cluster{ARN: cluster, Name: "demo", Region: "eu-west-1", Status: model.Active, Cause: cause}, def)
	for i := range largeMachines {
		l.put(&model.Machine{
			ID: fmt.Sprintf("m%04d", i), Host: fmt.Sprintf("m%04d", i), Driver: "sim", Connected: true,
			Capacity:   model.Resources{CPU: 64 * 1024, Memory: 64 * 1024},
			Attributes: map[string]string{model.AttributeZone: string(rune('a' + i%3))},
		})
	}
	for i := range largeServices {
		call := control.Call{Scope: benchScope(), Operation: "CreateService", Now: l.now, IDs: l.id, Timings: l.timings, Refuse: anything}
		l.update(func(tx *store.Tx) error {
			_, err := control.CreateService(tx, call, control.NewService{
				Cluster: cluster, Name: fmt.Sprintf("s%05d", i), TaskDefinition: def.ARN, DesiredCount: largeTasks / largeServices,
				Scheduling: model.Replica, LaunchType: "EC2", MinHealthy: 100, MaxPercent: 200,
			})
			return err
		})
	}
	return l
}

func anything(*model.Machine, *model.TaskDefinition) string { return "" }

func (l *large) id() (b [16]byte) {
	l.drawn++
	binary.BigEndian.PutUint64(b[:8], l.drawn*0x9e3779b97f4a7c15)
	binary.BigEndian.PutUint64(b[8:], l.drawn)
	return b
}

func (l *large) update(use func(*store.Tx) error) {
	if _, err := l.store.Update(context.Background(), use); err != nil {
		l.b.Fatal(err)
	}
}

func (l *large) put(records ...model.Record) {
	for part := range slices.Chunk(records, 100) {
		l.update(func(tx *store.Tx) error {
			for _, r := range part {
				tx.Put(r)
			}
			return nil
		})
	}
}

// lead makes a new leader, to whom everything is new.
func (l *large) lead() {
	l.loop = engine.NewLoop(engine.Config{
		Store: l.store, Account: benchScope().Account, IDs: l.id, Timings: l.timings, Refuse: anything, Resync: time.Minute,
		Log: slog.New(slog.DiscardHandler),
	}, nil)
}

// settle lets the scheduler do all that there is to do.
func (l *large) settle() {
	for more := true; more; {
		var err error
		if more, err = l.loop.Turn(context.Background(), l.now); err != nil {
			l.b.Fatal(err)
		}
	}
}

// run makes all tasks run that are asked to.
func (l *large) run() {
	var seen []model.Record
	for t := range l.store.View().Tasks() {
		if t.Seen == nil {
			seen = append(seen, &model.Observed{Task: t.ARN, Machine: t.Machine, Status: model.TaskRunning, StartedAt: l.now})
		}
	}
	l.put(seen...)
}

// steady makes all services steady.
func (l *large) steady() {
	l.lead()
	l.settle()
	l.run()
	l.now = l.now.Add(time.Minute)
	l.settle()
	if n := l.store.View().Count(model.KindTask); n != largeTasks {
		l.b.Fatalf("got %d tasks, want %d", n, largeTasks)
	}
}

// BenchmarkColdStart is how long the scheduler takes for a hundred thousand tasks of ten thousand services on a thousand
// machines: to start them, and when they run, to find all services steady. The time of the agents does not count.
func BenchmarkColdStart(b *testing.B) {
	for b.Loop() {
		b.StopTimer()
		l := newLarge(b)
		l.lead()
		b.StartTimer()
		l.settle()
		b.StopTimer()
		l.run()
		l.now = l.now.Add(time.Minute)
		b.StartTimer()
		l.settle()
		b.StopTimer()
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		b.ReportMetric(float64(m.HeapInuse)/(1<<20), "MB")
		if n := l.store.View().Count(model.KindEvent); n != 3*largeServices {
			b.Fatalf("got %d events, want %d: not all services are steady", n, 3*largeServices)
		}
		l.loop.Close()
		b.StartTimer()
	}
}

// BenchmarkOneChange is how long the scheduler takes to replace one task of the large world.
func BenchmarkOneChange(b *testing.B) {
	l := newLarge(b)
	l.steady()
	var tasks []model.TaskState
	for t := range l.store.View().Tasks() {
		tasks = append(tasks, t)
	}
	runtime.GC()
	n := 0
	for b.Loop() {
		b.StopTimer()
		t := tasks[n*7919%len(tasks)]
		n++
		code := 1
		l.now = l.now.Add(time.Millisecond)
		l.put(&model.Observed{
			Task: t.ARN, Machine: t.Machine, Status: model.TaskStopped, StartedAt: t.Seen.StartedAt, StoppedAt: l.now,
			StopCode: model.StopContainerExited, Containers: []model.ObservedContainer{{Name: "app", ExitCode: &code}},
		})
		before := l.store.View().Count(model.KindTask)
		b.StartTimer()
		l.settle()
		b.StopTimer()
		if got := l.store.View().Count(model.KindTask); n < len(tasks) && got != before+1 {
			b.Fatalf("got %d tasks, want %d", got, before+1)
		}
		b.StartTimer()
	}
}

// BenchmarkResync is how long the slow full look takes that finds nothing to do.
func BenchmarkResync(b *testing.B) {
	l := newLarge(b)
	l.steady()
	runtime.GC()
	for b.Loop() {
		l.now = l.now.Add(time.Minute)
		l.settle()
	}
}

// BenchmarkNewLeader is the same for somebody who has just been elected, and has to make a picture of all machines first.
func BenchmarkNewLeader(b *testing.B) {
	l := newLarge(b)
	l.steady()
	runtime.GC()
	for b.Loop() {
		l.loop.Close()
		l.lead()
		l.settle()
	}
}

// BenchmarkWorld is how long the whole run of a small simulated world takes.
func BenchmarkWorld(b *testing.B) {
	seed := uint64(0)
	for b.Loop() {
		seed++
		runWorld(b, seed)
	}
}
