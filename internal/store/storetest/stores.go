package storetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// update writes records through a store.
func update(t testing.TB, s *store.Store, records ...model.Record) int64 {
	t.Helper()
	rev, err := s.Update(within(t), func(tx *store.Tx) error {
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

func hostOf(v *store.View, id string) string {
	m, ok := v.Machine(id)
	if !ok {
		return "none"
	}
	return m.Host
}

func testReadYourWrites(t *testing.T, h Harness) {
	s := openStore(t, h.Backend, store.Scope{})
	old := s.View()
	for i := range 50 {
		host := fmt.Sprint(i)
		rev := update(t, s, machine("a", host))
		v := s.View()
		if hostOf(v, "a") != host || v.Revision() < rev || v.Version(model.MachineKey("a")) != rev {
			t.Fatalf("after Update to %s at %d the view at %d has %s of version %d",
				host, rev, v.Revision(), hostOf(v, "a"), v.Version(model.MachineKey("a")))
		}
	}
	if got := hostOf(old, "a"); got != "none" {
		t.Errorf("an old view changed: it has %s", got)
	}
	rev, err := s.Update(within(t), func(tx *store.Tx) error { tx.Delete(model.MachineKey("a")); return nil })
	if err != nil || hostOf(s.View(), "a") != "none" {
		t.Errorf("after a delete (%v) the view has %s", err, hostOf(s.View(), "a"))
	}
	same, err := s.Update(within(t), func(tx *store.Tx) error { tx.Delete(model.MachineKey("a")); return nil })
	if err != nil || same < rev {
		t.Errorf("delete of nothing = %d, %v; want %d or later", same, err, rev)
	}
}

func testUpdateConflicts(t *testing.T, h Harness) {
	s := openStore(t, h.Backend, store.Scope{})
	update(t, s, &model.Family{Region: "r", Name: "f"})
	const writers, rounds = 8, 10
	var group sync.WaitGroup
	contended := make(chan int, writers)
	for range writers {
		group.Go(func() {
			given := 0
			for done := 0; done < rounds; {
				_, err := s.Update(within(t), func(tx *store.Tx) error {
					f, _ := tx.View().Family("r", "f")
					next := *f
					next.Last++
					tx.Put(&next)
					return nil
				})
				switch {
				case err == nil:
					done++
				case errors.Is(err, store.ErrContended):
					given++
				default:
					t.Errorf("Update: %v", err)
					return
				}
			}
			contended <- given
		})
	}
	group.Wait()
	if f, _ := s.View().Family("r", "f"); f == nil || f.Last != writers*rounds {
		t.Errorf("%d writers counted to %v in %d rounds each, want %d", writers, f, rounds, writers*rounds)
	}
}

// testUpdateCrowd: many that change the same at once all get through.
func testUpdateCrowd(t *testing.T, h Harness) {
	s := openStore(t, h.Backend, store.Scope{})
	update(t, s, &model.Family{Region: "r", Name: "f"})
	const crowd = 64
	var group sync.WaitGroup
	begin := make(chan struct{})
	for range crowd {
		group.Go(func() {
			<-begin
			_, err := s.Update(within(t), func(tx *store.Tx) error {
				f, _ := tx.View().Family("r", "f")
				next := *f
				next.Last++
				runtime.Gosched() // so that others see what this one sees
				tx.Put(&next)
				return nil
			})
			if err != nil {
				t.Errorf("Update in a crowd of %d: %v", crowd, err)
			}
		})
	}
	close(begin)
	group.Wait()
	if f, _ := s.View().Family("r", "f"); f == nil || f.Last != crowd {
		t.Errorf("a crowd of %d counted to %v", crowd, f)
	}
}

func testUpdateErrors(t *testing.T, h Harness) {
	s := openStore(t, h.Backend, store.Scope{})
	update(t, s, machine("a", "1"))
	mine := errors.New("mine")
	_, err := s.Update(within(t), func(tx *store.Tx) error {
		tx.Put(machine("a", "2"))
		return mine
	})
	if !errors.Is(err, mine) || hostOf(s.View(), "a") != "1" {
		t.Errorf("an Update that fails: %v, the view has %s; want %v and 1", err, hostOf(s.View(), "a"), mine)
	}
	before := s.View().Revision()
	if rev, err := s.Update(within(t), func(tx *store.Tx) error { tx.Guard(model.MachineKey("a")); return nil }); err != nil || rev < before {
		t.Errorf("an Update that writes nothing = %d, %v; want %d", rev, err, before)
	}
	_, err = s.Update(within(t), func(tx *store.Tx) error {
		for i := range store.MaxOps + 1 {
			tx.Put(machine(fmt.Sprint("m", i), ""))
		}
		return nil
	})
	if !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("an Update of %d records: %v, want %v", store.MaxOps+1, err, store.ErrTooLarge)
	}
	calls := 0
	_, err = s.Update(within(t), func(tx *store.Tx) error {
		calls++
		put(t, h.Backend, machine("a", fmt.Sprint("behind the back", calls)))
		tx.Put(machine("a", "late"))
		return nil
	})
	if !errors.Is(err, store.ErrContended) || !errors.Is(err, store.ErrConflict) || calls < 2 {
		t.Errorf("an Update that always conflicts: %v after %d calls, want %v", err, calls, store.ErrContended)
	}
	gone, cancel := context.WithCancel(within(t))
	cancel()
	if _, err := s.Update(gone, func(tx *store.Tx) error { tx.Put(machine("b", "")); return nil }); err == nil {
		t.Error("an Update whose context has ended says that it worked")
	}
}

func testApply(t *testing.T, h Harness) {
	s := openStore(t, h.Backend, store.Scope{})
	update(t, s, machine("a", "1"), machine("b", "1"), task("m1", "1"))
	v := s.View()
	rev, err := s.Apply(within(t), v, store.Change{Puts: []model.Record{machine("a", "2")}, Guards: []model.Key{model.MachineKey("c")}})
	if err != nil {
		t.Fatalf("Apply: %v", err)
	}
	if err := s.WaitFor(within(t), rev); err != nil || hostOf(s.View(), "a") != "2" {
		t.Errorf("WaitFor(%d): %v, the view has %s, want 2", rev, err, hostOf(s.View(), "a"))
	}
	for name, c := range map[string]store.Change{
		"put":    {Puts: []model.Record{machine("a", "3")}},
		"delete": {Deletes: []model.Key{model.MachineKey("a")}},
		"guard":  {Puts: []model.Record{machine("b", "3")}, Guards: []model.Key{model.MachineKey("a")}},
		"prefix": {Puts: []model.Record{machine("b", "3")}, Prefixes: []store.Range{{Kind: model.KindMachine}}},
	} {
		if _, err := s.Apply(within(t), v, c); !errors.Is(err, store.ErrConflict) {
			t.Errorf("a stale Apply (%s): %v, want %v", name, err, store.ErrConflict)
		}
	}
	_, err = s.Apply(within(t), v, store.Change{
		Puts: []model.Record{machine("b", "4")}, Deletes: []model.Key{task("m1", "1").Key(), model.MachineKey("none")},
		Prefixes: []store.Range{{Kind: model.KindTask, Prefix: "m1/"}},
	})
	if err != nil {
		t.Errorf("an Apply from an old view of what has not changed: %v", err)
	}
	if _, err := s.Apply(within(t), s.View(), store.Change{Puts: []model.Record{machine("x", ""), machine("x", "")}}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("an Apply that writes a key twice: %v, want %v", err, store.ErrInvalid)
	}
}

// testTouches touches a record from an old view: that is no conflict, but whoever guards the record has one.
func testTouches(t *testing.T, h Harness) {
	s := openStore(t, h.Backend, store.Scope{})
	update(t, s, machine("mark", "0"), machine("gone", "0"))
	old := s.View()
	touch := func(host string, c store.Change) error {
		t.Helper()
		c.Touches = []model.Record{machine("mark", host), machine("mark", host)}
		rev, err := s.Apply(within(t), old, c)
		if err != nil {
			return err
		}
		return s.WaitFor(within(t), rev)
	}
	for i, c := range []store.Change{
		{Puts: []model.Record{machine("a", "")}}, {Deletes: []model.Key{model.MachineKey("gone")}}, {},
	} {
		host := fmt.Sprint(i + 1)
		if err := touch(host, c); err != nil || hostOf(s.View(), "mark") != host {
			t.Errorf("touch %s: %v, the record has %s", host, err, hostOf(s.View(), "mark"))
		}
	}
	if err := touch("4", store.Change{Puts: []model.Record{machine("a", "again")}}); !errors.Is(err, store.ErrConflict) || hostOf(s.View(), "mark") != "3" {
		t.Errorf("a touch with a stale put: %v, the record has %s; want %v and 3", err, hostOf(s.View(), "mark"), store.ErrConflict)
	}
	guarded := store.Change{Puts: []model.Record{machine("b", "")}, Guards: []model.Key{model.MachineKey("mark")}}
	if _, err := s.Apply(within(t), old, guarded); !errors.Is(err, store.ErrConflict) {
		t.Errorf("a change that guards what was touched: %v, want %v", err, store.ErrConflict)
	}
	if _, err := s.Apply(within(t), s.View(), guarded); err != nil {
		t.Errorf("a change that guards what was not touched any more: %v", err)
	}
	agent := openStore(t, h.Backend, store.Scope{Machine: "m1"})
	if _, err := agent.Apply(within(t), agent.View(), store.Change{Touches: []model.Record{machine("m2", "")}}); !errors.Is(err, store.ErrOutOfScope) {
		t.Errorf("the agent of m1 touches m2: %v, want %v", err, store.ErrOutOfScope)
	}
}

// flaky is a backend whose streams break, and whose lists fail for a while after that.
type flaky struct {
	store.Backend
	mu    sync.Mutex
	cut   chan struct{}
	fails int    // of Load that follow
	after func() // called between a Load and what follows it, once
}

func (f *flaky) breakStreams(fails int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	close(f.cut)
	f.cut, f.fails = make(chan struct{}), fails
}

func (f *flaky) mend() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fails = 0
}

func (f *flaky) Load(ctx context.Context, scope store.Scope) ([]store.Versioned, int64, error) {
	f.mu.Lock()
	fail := f.fails > 0
	f.fails--
	after := f.after
	f.after = nil
	f.mu.Unlock()
	if fail {
		return nil, 0, errors.New("no list today")
	}
	if after != nil {
		defer after()
	}
	return f.Backend.Load(ctx, scope)
}

func (f *flaky) Watch(ctx context.Context, scope store.Scope, from int64) (store.Stream, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	s, err := f.Backend.Watch(ctx, scope, from)
	return &flakyStream{s, f.cut}, err
}

type flakyStream struct {
	store.Stream
	cut chan struct{}
}

func (s *flakyStream) Next(ctx context.Context) ([]store.Batch, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan struct{})
	var group sync.WaitGroup
	group.Go(func() {
		select {
		case <-s.cut:
			cancel()
		case <-done:
		}
	})
	batches, err := s.Stream.Next(ctx)
	close(done)
	group.Wait()
	if err != nil {
		err = fmt.Errorf("%w: %w", store.ErrCompacted, err)
	}
	return batches, err
}

func testRelist(t *testing.T, h Harness) {
	f := &flaky{Backend: h.Backend, cut: make(chan struct{})}
	f.after = func() { put(t, h.Backend, machine("a", "between the list and the stream")) }
	s := openStore(t, f, store.Scope{})
	_, rev := load(t, h.Backend, store.Scope{})
	if err := s.WaitFor(within(t), rev); err != nil || hostOf(s.View(), "a") == "none" {
		t.Fatalf("a change right after the list is missed (%v)", err)
	}
	_, err := s.Update(within(t), func(tx *store.Tx) error { tx.Delete(model.MachineKey("a")); return nil })
	if err != nil {
		t.Fatal(err)
	}
	w := s.Watch()
	defer w.Close()
	w.Take()
	update(t, s, machine("a", "1"), machine("b", "1"))
	for i := range 5 {
		put(t, h.Backend, machine("a", fmt.Sprint(i)))
		_, rev := load(t, h.Backend, store.Scope{})
		h.Compact(t, rev)
		f.breakStreams(i % 3)
		update(t, s, machine("c", fmt.Sprint(i)))
	}
	last, err := h.Backend.Commit(within(t), &store.Txn{Deletes: []model.Key{model.MachineKey("b")}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.WaitFor(within(t), last); err != nil {
		t.Fatalf("after compactions: %v", err)
	}
	if hostOf(s.View(), "a") != "4" || hostOf(s.View(), "b") != "none" {
		t.Errorf("after compactions the view has %s and %s, want 4 and none", hostOf(s.View(), "a"), hostOf(s.View(), "b"))
	}
	f.breakStreams(1 << 30)
	for ctx := within(t); s.Err() == nil; runtime.Gosched() {
		if ctx.Err() != nil {
			t.Fatal("a store that cannot follow its backend does not say so")
		}
	}
	f.mend()
	last = put(t, h.Backend, machine("a", "5"))
	if err := s.WaitFor(within(t), last); err != nil || hostOf(s.View(), "a") != "5" {
		t.Fatalf("after the backend came back: %v, the view has %s, want 5", err, hostOf(s.View(), "a"))
	}
	world := map[model.Key]model.Record{}
	replay(t, w, world)
	want := map[model.Key]model.Record{model.MachineKey("a"): machine("a", "5"), model.MachineKey("c"): machine("c", "4")}
	if diff := cmp.Diff(want, world); diff != "" {
		t.Errorf("what the watcher was told differs (-want +got):\n%s", diff)
	}
}

// replay carries out on a world what a watcher has to tell.
func replay(t T, w *store.Watcher, world map[model.Key]model.Record) {
	t.Helper()
	changes, all, _ := w.Snapshot() // Take alone may be a moment behind a view that was looked at before
	if all {
		t.Errorf("the watcher says that everything may have changed")
	}
	for _, c := range changes {
		if before := world[c.Key]; !cmp.Equal(before, c.Before) {
			t.Errorf("%s changed from %v, want from %v", c.Key, c.Before, before)
		}
		world[c.Key] = c.After
		if c.After == nil {
			delete(world, c.Key)
		}
	}
}

func testWatcher(t *testing.T, h Harness) {
	s := openStore(t, h.Backend, store.Scope{})
	w, some := s.Watch(), s.Watch(model.KindService)
	defer w.Close()
	defer some.Close()
	<-w.C()
	if changes, all := w.Take(); !all || len(changes) != 0 {
		t.Errorf("a new watcher has %v, all %v; want everything", changes, all)
	}
	some.Take()
	update(t, s, machine("a", "1"))
	update(t, s, machine("b", "1"))
	update(t, s, machine("a", "2"))
	_, err := s.Update(within(t), func(tx *store.Tx) error { tx.Delete(model.MachineKey("b")); return nil })
	if err != nil {
		t.Fatal(err)
	}
	<-w.C()
	got, all := w.Take()
	want := []store.Changed{{Key: model.MachineKey("a"), After: machine("a", "2")}}
	if diff := cmp.Diff(want, got); diff != "" || all {
		t.Errorf("coalesced changes differ (all %v, -want +got):\n%s", all, diff)
	}
	select {
	case <-some.C():
		t.Error("a watcher of services was woken by machines")
	default:
	}
	update(t, s, &model.Service{ARN: "s"})
	<-some.C()
	if got, _ := some.Take(); len(got) != 1 || got[0].Key != model.ServiceKey("s") || got[0].Before != nil {
		t.Errorf("the watcher of services has %v, want the new service", got)
	}
	w.Close()
	w.Take()
	update(t, s, machine("a", "3"))
	if got, _ := w.Take(); len(got) != 0 {
		t.Errorf("a closed watcher still gets %v", got)
	}
}

func testScopedStore(t *testing.T, h Harness) {
	whole := openStore(t, h.Backend, store.Scope{})
	agent := openStore(t, h.Backend, store.Scope{Machine: "m1"})
	mine, theirs := task("m1", "1"), task("m2", "2")
	update(t, whole, mine, theirs, &model.TaskDefinition{ARN: "td"})
	last := update(t, whole, machine("m2", ""))
	if err := agent.WaitFor(within(t), last); err != nil {
		t.Fatalf("a revision outside of the scope is waited for in vain: %v", err)
	}
	if got := agent.View().Counts(); got[model.KindTask] != 1 || got[model.KindTaskDefinition] != 1 || got[model.KindMachine] != 0 {
		t.Errorf("the agent of m1 sees %v, want one task, one task definition, no machine", got)
	}
	update(t, agent, seen(mine, model.TaskRunning))
	if x, ok := agent.View().Task(mine.ARN); !ok || x.LastStatus() != model.TaskRunning {
		t.Errorf("the agent's task is %v, %v; want RUNNING", x, ok)
	}
	for name, r := range map[string]model.Record{"task": seen(theirs, model.TaskRunning), "service": &model.Service{ARN: "s"}} {
		if _, err := agent.Update(within(t), func(tx *store.Tx) error { tx.Put(r); return nil }); !errors.Is(err, store.ErrOutOfScope) {
			t.Errorf("the agent of m1 writes somebody else's %s: %v, want %v", name, err, store.ErrOutOfScope)
		}
	}
}

func testClose(t *testing.T, h Harness) {
	s := openStore(t, h.Backend, store.Scope{})
	update(t, s, machine("a", "1"))
	waiting := make(chan error)
	go func() { waiting <- s.WaitFor(within(t), s.View().Revision()+1000) }()
	s.Close()
	s.Close()
	if err := <-waiting; !errors.Is(err, store.ErrClosed) {
		t.Errorf("WaitFor of a store that is closed: %v, want %v", err, store.ErrClosed)
	}
	if hostOf(s.View(), "a") != "1" {
		t.Error("the view of a closed store cannot be read")
	}
	if _, err := s.Update(within(t), func(tx *store.Tx) error { tx.Put(machine("b", "")); return nil }); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Update of a closed store: %v, want %v", err, store.ErrClosed)
	}
	l := leader(t, h, "x")
	for range 2 {
		if err := h.Backend.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	<-l.Lost
	if _, _, err := h.Backend.Load(within(t), store.Scope{}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Load of a closed backend: %v, want %v", err, store.ErrClosed)
	}
	if _, err := h.Backend.Commit(within(t), txn(machine("a", ""))); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Commit to a closed backend: %v, want %v", err, store.ErrClosed)
	}
	if _, err := h.Backend.Watch(within(t), store.Scope{}, 1); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Watch of a closed backend: %v, want %v", err, store.ErrClosed)
	}
	if _, err := h.Backend.Elect(within(t), "y"); !errors.Is(err, store.ErrClosed) {
		t.Errorf("Elect on a closed backend: %v, want %v", err, store.ErrClosed)
	}
}
