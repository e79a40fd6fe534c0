package etcd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// percentiles reports the median and the 99th percentile of times.
func percentiles(b *testing.B, times []time.Duration) {
	slices.Sort(times)
	b.ReportMetric(float64(times[len(times)/2].Microseconds()), "p50-µs")
	b.ReportMetric(float64(times[len(times)*99/100].Microseconds()), "p99-µs")
}

func benchRecord(n int) *model.Observed {
	return &model.Observed{
		Task:    fmt.Sprintf("arn:aws:ecs:us-east-1:000000000000:task/default/%032x", n),
		Machine: fmt.Sprintf("%032x", n%100), Status: model.TaskRunning, Health: model.Healthy,
		StartedAt:  time.Unix(1700000000, 123456789).UTC(),
		Containers: []model.ObservedContainer{{Name: "app", Status: model.TaskRunning, RuntimeID: "0123456789abcdef", Image: "sha256:0123456789abcdef"}},
	}
}

func openBench(b *testing.B) *store.Store {
	b.Helper()
	s, err := store.Open(context.Background(), start(b, b.TempDir()), store.Scope{})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return s
}

func update(s *store.Store, records ...model.Record) error {
	_, err := s.Update(context.Background(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	})
	return err
}

// BenchmarkFsync is the floor of a durable write: 512 bytes appended and synced.
func BenchmarkFsync(b *testing.B) {
	f, err := os.Create(filepath.Join(b.TempDir(), "floor"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 512)
	var times []time.Duration
	for b.Loop() {
		begin := time.Now()
		if _, err := f.Write(block); err != nil {
			b.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(begin))
	}
	percentiles(b, times)
}

// BenchmarkUpdate is one writer of one record, until it is durable and can be seen.
func BenchmarkUpdate(b *testing.B) {
	s := openBench(b)
	var times []time.Duration
	for b.Loop() {
		begin := time.Now()
		if err := update(s, benchRecord(len(times)%1000)); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(begin))
	}
	percentiles(b, times)
}

// BenchmarkUpdate100 is one writer of 100 records at a time.
func BenchmarkUpdate100(b *testing.B) {
	s := openBench(b)
	var times []time.Duration
	for b.Loop() {
		records := make([]model.Record, 100)
		for i := range records {
			records[i] = benchRecord(i)
		}
		begin := time.Now()
		if err := update(s, records...); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(begin))
	}
	percentiles(b, times)
}

// BenchmarkUpdate64 is 64 writers of one record each.
func BenchmarkUpdate64(b *testing.B) {
	s := openBench(b)
	const writers = 64
	var next atomic.Int64
	var group sync.WaitGroup
	times := make([][]time.Duration, writers)
	b.ResetTimer()
	for w := range writers {
		group.Go(func() {
			for n := w; next.Add(1) <= int64(b.N); n += writers {
				begin := time.Now()
				if err := update(s, benchRecord(n%6400)); err != nil {
					b.Error(err)
					return
				}
				times[w] = append(times[w], time.Since(begin))
			}
		})
	}
	group.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "txn/s")
	percentiles(b, slices.Concat(times...))
}

// BenchmarkSeen is the time from the answer to a commit until another store's view shows it.
func BenchmarkSeen(b *testing.B) {
	ctx := context.Background()
	backend := start(b, b.TempDir())
	s, err := store.Open(ctx, backend, store.Scope{})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	var times []time.Duration
	for b.Loop() {
		r := benchRecord(len(times) % 1000)
		rev, err := backend.Commit(ctx, &store.Txn{Puts: []store.Put{{Key: r.Key(), Record: r}}})
		begin := time.Now()
		if err != nil {
			b.Fatal(err)
		}
		if err := s.WaitFor(ctx, rev); err != nil {
			b.Fatal(err)
		}
		times = append(times, time.Since(begin))
	}
	percentiles(b, times)
}

// BenchmarkStart starts a member, in a new directory and again in one with 10,000 records, until a store is open.
func BenchmarkStart(b *testing.B) {
	open := func(b *testing.B, dir string) (*Backend, *store.Store) {
		backend, err := Embed(context.Background(), Member{Dir: dir})
		if err != nil {
			b.Fatal(err)
		}
		s, err := store.Open(context.Background(), backend, store.Scope{})
		if err != nil {
			b.Fatal(err)
		}
		return backend, s
	}
	end := func(b *testing.B, backend *Backend, s *store.Store) {
		s.Close()
		closeBackend(b, backend)
	}
	b.Run("new", func(b *testing.B) {
		for b.Loop() {
			backend, s := open(b, b.TempDir())
			b.StopTimer()
			end(b, backend, s)
			b.StartTimer()
		}
	})
	b.Run("again", func(b *testing.B) {
		dir := b.TempDir()
		backend, s := open(b, dir)
		for n := 0; n < 10000; n += 100 {
			var records []model.Record
			for i := range 100 {
				records = append(records, benchRecord(n+i))
			}
			if err := update(s, records...); err != nil {
				b.Fatal(err)
			}
		}
		end(b, backend, s)
		for b.Loop() {
			backend, s := open(b, dir)
			if n := s.View().Count(model.KindObserved); n != 10000 {
				b.Fatalf("there are %d records, want 10000", n)
			}
			b.StopTimer()
			end(b, backend, s)
			b.StartTimer()
		}
	})
}
