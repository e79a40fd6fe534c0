package store_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// The world of the benchmarks: 10,000 services of 10 tasks on 1,000 machines.
const (
	benchTasks    = 100_000
	benchServices = benchTasks / 10
	benchMachines = 1000
	benchBatch    = 100
)

const benchCluster = "arn:aws:ecs:us-east-1:000000000000:cluster/default"

func benchService(n int) string {
	return fmt.Sprintf("arn:aws:ecs:us-east-1:000000000000:service/default/svc-%05d", n)
}

func benchTask(n int) *model.Task {
	return &model.Task{
		ARN:     fmt.Sprintf("arn:aws:ecs:us-east-1:000000000000:task/default/%032x", uint32(n)*2654435761),
		Cluster: benchCluster, Machine: fmt.Sprintf("%032x", n%benchMachines), Service: benchService(n / 10),
		Desired: model.TaskRunning,
	}
}

// filled is a store with all tasks.
func filled(b *testing.B) (*store.Store, []*model.Task) {
	b.Helper()
	tasks := make([]*model.Task, benchTasks)
	for i := range tasks {
		tasks[i] = benchTask(i)
	}
	s := openSync(b, mem.New(mem.Options{}), store.Scope{})
	for i := 0; i < benchTasks; i += benchBatch {
		apply(b, s, asRecords(tasks[i:i+benchBatch]))
	}
	return s, tasks
}

func asRecords(tasks []*model.Task) []model.Record {
	list := make([]model.Record, len(tasks))
	for i, t := range tasks {
		list[i] = t
	}
	return list
}

func apply(b *testing.B, s *store.Store, list []model.Record) {
	if _, err := s.Apply(context.Background(), s.View(), store.Change{Puts: list}); err != nil {
		b.Fatal(err)
	}
}

// BenchmarkInsert puts 100,000 tasks, 100 at a time with a snapshot after each, through a synchronous store. It reports
// the memory of the indexes (rows and trees, without the records), and of everything in the store but its records.
func BenchmarkInsert(b *testing.B) {
	for range b.N {
		b.StopTimer()
		tasks := make([]*model.Task, benchTasks)
		for i := range tasks {
			tasks[i] = benchTask(i)
		}
		backend := mem.New(mem.Options{})
		s := openSync(b, backend, store.Scope{})
		before := heap()
		b.StartTimer()
		for i := 0; i < benchTasks; i += benchBatch {
			apply(b, s, asRecords(tasks[i:i+benchBatch]))
		}
		b.StopTimer()
		both := heap()
		// A second store shares the backend and the records, so it adds its cache alone.
		second := openSync(b, backend, store.Scope{})
		b.ReportMetric(float64(heap()-both)/benchTasks, "cacheB/task")
		b.ReportMetric(float64(both-before)/benchTasks, "allB/task")
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchTasks, "ns/task")
		runtime.KeepAlive(second)
		runtime.KeepAlive(tasks)
	}
}

func heap() uint64 {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// BenchmarkObserve changes 100 observations of 100,000 tasks at a time.
func BenchmarkObserve(b *testing.B) {
	s, tasks := filled(b)
	r := rand.New(rand.NewPCG(1, 2))
	b.ReportAllocs()
	for b.Loop() {
		list := make([]model.Record, 0, benchBatch)
		at := r.IntN(benchTasks - benchBatch*7)
		for i := range benchBatch {
			t := tasks[at+i*7]
			list = append(list, &model.Observed{Task: t.ARN, Machine: t.Machine, Status: model.TaskRunning})
		}
		apply(b, s, list)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchBatch, "ns/record")
}

// BenchmarkUpdateOne is a transaction of one record among 100,000 tasks.
func BenchmarkUpdateOne(b *testing.B) {
	s, tasks := filled(b)
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		t := tasks[i*7919%benchTasks]
		i++
		put(b, s, &model.Observed{Task: t.ARN, Machine: t.Machine, Status: model.TaskRunning})
	}
}

// BenchmarkScanServices counts the tasks alive of each of 10,000 services.
func BenchmarkScanServices(b *testing.B) {
	s, _ := filled(b)
	names := make([]string, benchServices)
	for i := range names {
		names[i] = benchService(i)
	}
	count := func(b *testing.B, alive func(*store.View, string) int) {
		b.ReportAllocs()
		for b.Loop() {
			v, n := s.View(), 0
			for _, name := range names {
				n += alive(v, name)
			}
			if n != benchTasks {
				b.Fatalf("counted %d tasks, want %d", n, benchTasks)
			}
		}
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/benchServices, "ns/service")
	}
	b.Run("iterator", func(b *testing.B) {
		count(b, func(v *store.View, name string) (n int) {
			for t := range v.TasksOfService(name) {
				if t.Alive() {
					n++
				}
			}
			return n
		})
	})
	b.Run("append", func(b *testing.B) {
		var buf []model.TaskState
		count(b, func(v *store.View, name string) (n int) {
			buf = v.AppendTasksOfService(buf[:0], name)
			for _, t := range buf {
				if t.Alive() {
					n++
				}
			}
			return n
		})
	})
}

// BenchmarkGet finds a task by ARN among 100,000.
func BenchmarkGet(b *testing.B) {
	s, tasks := filled(b)
	v, i := s.View(), 0
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := v.Task(tasks[i*7919%benchTasks].ARN); !ok {
			b.Fatal("a task is missing")
		}
		i++
	}
}
