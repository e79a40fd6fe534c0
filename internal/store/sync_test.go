package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
	"github.com/maitred/maitred/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func openSync(t testing.TB, b store.Backend, scope store.Scope) *store.Store {
	t.Helper()
	s, err := store.OpenSync(context.Background(), b, scope)
	if err != nil {
		t.Fatalf("OpenSync: %v", err)
	}
	t.Cleanup(s.Close)
	return s
}

func put(t testing.TB, s *store.Store, records ...model.Record) int64 {
	t.Helper()
	rev, err := s.Update(context.Background(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	})
	if err != nil {
		t.Fatalf("Update: %v", err)
	}
	return rev
}

func TestSync(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var told []int64
	b := mem.New(mem.Options{Committed: func(rev int64) { told = append(told, rev) }})
	s := openSync(t, b, store.Scope{})
	agent := openSync(t, b, store.Scope{Machine: "m1"})
	task := &model.Task{ARN: "t", Machine: "m1"}
	first := put(t, s, task)
	if _, ok := s.View().Task("t"); !ok {
		t.Error("Update returned before the view shows it")
	}
	if _, ok := agent.View().Task("t"); ok {
		t.Error("the agent's view moved by itself")
	}
	if changed, err := agent.Pump(ctx); err != nil || !changed {
		t.Errorf("Pump = %v, %v; want a change", changed, err)
	}
	if changed, err := agent.Pump(ctx); err != nil || changed {
		t.Errorf("a second Pump = %v, %v; want none", changed, err)
	}
	second := put(t, agent, &model.Observed{Task: "t", Machine: "m1", Status: model.TaskRunning})
	if x, _ := agent.View().Task("t"); x.LastStatus() != model.TaskRunning {
		t.Errorf("the agent's task is %s, want RUNNING", x.LastStatus())
	}
	rev, err := s.Apply(ctx, s.View(), store.Change{Deletes: []model.Key{task.Key()}})
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	if got := slices.Collect(s.View().Orphans()); len(got) != 1 || s.View().Count(model.KindTask) != 0 {
		t.Errorf("after the task is deleted there are %d orphans, want its observation", len(got))
	}
	if want := []int64{first, second, rev}; !cmp.Equal(told, want) {
		t.Errorf("told of commits %v, want %v", told, want)
	}
	if err := s.WaitFor(ctx, rev+1); !errors.Is(err, store.ErrNotSeen) {
		t.Errorf("WaitFor the future: %v, want %v", err, store.ErrNotSeen)
	}
}

// TestEveryKind catches a table that was added to the model and not to the store.
func TestEveryKind(t *testing.T) {
	t.Parallel()
	s := openSync(t, mem.New(mem.Options{}), store.Scope{})
	for i, k := range model.Kinds() {
		r := storetest.Fill(rand.New(rand.NewPCG(uint64(i), 1)), k)
		rev := put(t, s, r)
		if got, version, ok := s.View().Get(r.Key()); !ok || got != r || version != rev || s.View().Count(k) != 1 {
			t.Errorf("a %s was put and the view has %v of version %d, %v", k, got, version, ok)
		}
	}
}

func TestSyncHeldAndBroken(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	b := mem.New(mem.Options{})
	s := openSync(t, b, store.Scope{})
	w := s.Watch()
	w.Take()
	b.Hold(true)
	rev, err := s.Apply(ctx, s.View(), store.Change{Puts: []model.Record{&model.Machine{ID: "a"}}})
	if err != nil || s.View().Revision() >= rev {
		t.Errorf("Apply (%v) shows through a stream that is held", err)
	}
	if _, err := s.Apply(ctx, s.View(), store.Change{Puts: []model.Record{&model.Machine{ID: "a"}}}); !errors.Is(err, store.ErrConflict) {
		t.Errorf("Apply from a view that is behind: %v, want %v", err, store.ErrConflict)
	}
	put(t, s, &model.Machine{ID: "b"})
	if n := s.View().Count(model.KindMachine); n != 2 {
		t.Errorf("Update answered when the view showed %d machines, want 2", n)
	}
	b.Hold(false)
	b.Break()
	put(t, s, &model.Machine{ID: "c"})
	b.Break()
	if _, err := s.Pump(ctx); err != nil {
		t.Errorf("Pump of a broken stream: %v", err)
	}
	changes, all := w.Take()
	var got []string
	for _, c := range changes {
		got = append(got, c.Key.String())
	}
	if diff := cmp.Diff([]string{"machine/a", "machine/b", "machine/c"}, got); diff != "" || all {
		t.Errorf("the watcher was told (all %v, -want +got):\n%s", all, diff)
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	var faults []mem.Fault
	b := mem.New(mem.Options{Faults: func(*store.Txn) mem.Fault {
		if len(faults) == 0 {
			return mem.Fault{}
		}
		f := faults[0]
		faults = faults[1:]
		return f
	}})
	s := openSync(t, b, store.Scope{})
	faults = []mem.Fault{{Err: &store.ConflictError{}}, {Err: &store.ConflictError{}}}
	put(t, s, &model.Machine{ID: "a"})
	write := func(id string, f mem.Fault) error {
		faults = []mem.Fault{f}
		_, err := s.Update(ctx, func(tx *store.Tx) error { tx.Put(&model.Machine{ID: id}); return nil })
		return err
	}
	for _, c := range []struct {
		id      string
		fault   mem.Fault
		applied bool
	}{
		{"b", mem.Fault{Err: store.ErrUnknownOutcome}, false},
		{"c", mem.Fault{Err: store.ErrUnknownOutcome, Applied: true}, true},
		{"d", mem.Fault{Err: store.ErrNoSpace}, false},
	} {
		if err := write(c.id, c.fault); !errors.Is(err, c.fault.Err) {
			t.Errorf("Update: %v, want %v", err, c.fault.Err)
		}
		if _, err := s.Pump(ctx); err != nil {
			t.Fatal(err)
		}
		if _, ok := s.View().Machine(c.id); ok != c.applied {
			t.Errorf("after %v (applied: %v) the record is there: %v", c.fault.Err, c.fault.Applied, ok)
		}
	}
}

func TestSyncHasNoGoroutine(t *testing.T) {
	before := runtime.NumGoroutine()
	s := openSync(t, mem.New(mem.Options{}), store.Scope{})
	put(t, s, &model.Machine{ID: "a"})
	if n := runtime.NumGoroutine(); n > before {
		t.Errorf("a synchronous store runs %d goroutines", n-before)
	}
}

func TestWatcherOverflow(t *testing.T) {
	t.Parallel()
	s := openSync(t, mem.New(mem.Options{}), store.Scope{})
	w := s.Watch()
	w.Take()
	for n := 0; n < 20000; n += 100 {
		var batch []model.Record
		for i := range 100 {
			batch = append(batch, &model.Machine{ID: fmt.Sprint(n + i)})
		}
		put(t, s, batch...)
	}
	if changes, all := w.Take(); !all || len(changes) != 0 {
		t.Errorf("a watcher that slept has %d changes, all %v; want everything", len(changes), all)
	}
	put(t, s, &model.Machine{ID: "x"})
	if changes, all := w.Take(); all || len(changes) != 1 {
		t.Errorf("after that it has %d changes, all %v; want 1", len(changes), all)
	}
}

func TestChunk(t *testing.T) {
	t.Parallel()
	var c store.Change
	for i := range 250 {
		c.Puts = append(c.Puts, &model.Machine{ID: fmt.Sprint(i)})
	}
	for i := range 30 {
		c.Deletes = append(c.Deletes, model.MachineKey(fmt.Sprint("gone", i)))
	}
	c.Guards = []model.Key{model.ServiceKey("s")}
	var puts []model.Record
	var deletes []model.Key
	chunks := store.Chunk(c, 100)
	for _, x := range chunks {
		if n := len(x.Puts) + len(x.Deletes); n > 100 || len(x.Guards) != 1 {
			t.Errorf("a chunk has %d operations and %d guards, want at most 100 and 1", n, len(x.Guards))
		}
		puts = append(puts, x.Puts...)
		deletes = append(deletes, x.Deletes...)
	}
	if len(chunks) != 3 || !slices.Equal(puts, c.Puts) || !slices.Equal(deletes, c.Deletes) {
		t.Errorf("%d chunks with %d puts and %d deletes, want 3 with %d and %d",
			len(chunks), len(puts), len(deletes), len(c.Puts), len(c.Deletes))
	}
}
