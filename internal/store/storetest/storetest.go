// Package storetest says what a store must do: one suite of tests that every backend passes, a check of views against
// themselves, and records filled at random.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Harness is an empty backend with the levers that tests need.
type Harness struct {
	Backend store.Backend
	// Compact forgets the changes before a revision.
	Compact func(t testing.TB, rev int64)
	// Depose ends the term under a name behind the leader's back.
	Depose func(t testing.TB, name string)
}

// Run runs the suite. open gives a new, empty backend, and closes it with the test; closing twice must do no harm.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	for _, c := range []struct {
		name string
		test func(t *testing.T, h Harness)
	}{
		{"empty", testEmpty},
		{"put, replace, delete", testCRUD},
		{"load is ordered and scoped", testLoad},
		{"guards", testGuards},
		{"prefix guards", testPrefixGuards},
		{"malformed transactions", testMalformed},
		{"too large", testTooLarge},
		{"stream is ordered and gap-free", testStream},
		{"stream of a machine", testScopedStream},
		{"stream is compacted", testCompacted},
		{"nudge", testNudge},
		{"leadership", testLeadership},
		{"fencing", testFencing},
		{"read your own writes", testReadYourWrites},
		{"update conflicts", testUpdateConflicts},
		{"update in a crowd", testUpdateCrowd},
		{"update errors", testUpdateErrors},
		{"apply", testApply},
		{"apply touches", testTouches},
		{"relist after compaction", testRelist},
		{"watcher", testWatcher},
		{"scope of a machine", testScopedStore},
		{"close", testClose},
		{"model", testModel},
	} {
		t.Run(c.name, func(t *testing.T) { c.test(t, open(t)) })
	}
}

// patience is how long a test waits for what must happen.
const patience = 20 * time.Second

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func openStore(t testing.TB, b store.Backend, scope store.Scope) *store.Store {
	t.Helper()
	s, err := store.Open(within(t), b, scope)
	if err != nil {
		t.Fatalf("Open: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

const (
	cluster = "arn:aws:ecs:us-east-1:000000000000:cluster/c"
	other   = "arn:aws:ecs:us-east-1:000000000000:cluster/d"
)

func machine(id, host string) *model.Machine { return &model.Machine{ID: id, Host: host} }

func task(machine, id string) *model.Task {
	return &model.Task{ARN: "arn:aws:ecs:us-east-1:000000000000:task/c/" + id, Cluster: cluster, Machine: machine}
}

func seen(t *model.Task, status model.TaskStatus) *model.Observed {
	return &model.Observed{Task: t.ARN, Machine: t.Machine, Status: status}
}

// put commits records without guards.
func put(t testing.TB, b store.Backend, records ...model.Record) int64 {
	t.Helper()
	rev, err := b.Commit(within(t), txn(records...))
	if err != nil {
		t.Fatalf("Commit(%d puts): %v", len(records), err)
	}
	return rev
}

func txn(records ...model.Record) *store.Txn {
	x := &store.Txn{}
	for _, r := range records {
		x.Puts = append(x.Puts, store.Put{Key: r.Key(), Record: r})
	}
	return x
}

func load(t testing.TB, b store.Backend, scope store.Scope) ([]store.Versioned, int64) {
	t.Helper()
	list, rev, err := b.Load(within(t), scope)
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	return list, rev
}

func follow(t testing.TB, b store.Backend, scope store.Scope, from int64) store.Stream {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	s, err := b.Watch(ctx, scope, from)
	if err != nil {
		cancel()
		t.Fatalf("Watch(from %d): %v", from, err)
	}
	t.Cleanup(func() { s.Close(); cancel() })
	return s
}

// until reads a stream up to a revision. Batches that only show progress are left out.
func until(t testing.TB, s store.Stream, rev int64) []store.Batch {
	t.Helper()
	var list []store.Batch
	ctx := within(t)
	for {
		batches, err := s.Next(ctx)
		if err != nil {
			t.Fatalf("Next, waiting for revision %d: %v", rev, err)
		}
		for _, b := range batches {
			if len(b.Puts)+len(b.Deletes) > 0 {
				list = append(list, b)
			}
			if b.Rev >= rev {
				return list
			}
		}
	}
}

func keys(list []store.Versioned) []string {
	var names []string
	for _, v := range list {
		names = append(names, v.Key.String())
	}
	return names
}
