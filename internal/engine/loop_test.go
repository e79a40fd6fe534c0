package engine_test

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

func scope() arn.Scope { return arn.Scope{Region: "eu-west-1", Account: "123456789012"} }

func clusterARN() string { return scope().Cluster("demo") }

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

// random gives ids that nobody else has.
func random() (b [16]byte) {
	_, _ = rand.Read(b[:])
	return b
}

func runs(*model.Machine, *model.TaskDefinition) string { return "" }

func config(st *store.Store) engine.Config {
	timings, _ := model.TimingsByName("fast")
	return engine.Config{
		Store: st, Account: scope().Account, IDs: random, Timings: timings, Refuse: runs, Resync: time.Minute,
		Log: slog.New(slog.DiscardHandler),
	}
}

func open(t *testing.T, b *mem.Backend) *store.Store {
	t.Helper()
	st, err := store.OpenSync(t.Context(), b, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	return st
}

func put(t testing.TB, st *store.Store, records ...model.Record) {
	t.Helper()
	_, err := st.Update(t.Context(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func machine(id string) *model.Machine {
	return &model.Machine{ID: id, Host: id, Connected: true, Capacity: model.Resources{CPU: 1 << 20, Memory: 1 << 20}}
}

// found makes a cluster with a machine and a task definition.
func found(t testing.TB, st *store.Store) {
	t.Helper()
	put(t, st,
		&model.Cluster{ARN: clusterARN(), Name: "demo", Region: "eu-west-1", Status: model.Active},
		machine("m1"),
		&model.TaskDefinition{
			ARN: scope().TaskDefinition("web:1"), Region: "eu-west-1", Family: "web", Revision: 1, Status: model.Active,
			Containers: []model.ContainerDefinition{{Name: "app", Essential: true, CPU: 1, Memory: 1}},
		},
	)
}

func create(t testing.TB, st *store.Store, name string, desired int) {
	t.Helper()
	call := control.Call{Scope: scope(), Operation: "CreateService", Now: start(), IDs: random, Refuse: runs}
	_, err := st.Update(t.Context(), func(tx *store.Tx) error {
		_, err := control.CreateService(tx, call, control.NewService{
			Cluster: clusterARN(), Name: name, TaskDefinition: scope().TaskDefinition("web:1"), DesiredCount: desired,
			Scheduling: model.Replica, LaunchType: "EC2", MinHealthy: 100, MaxPercent: 200,
		})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func settle(t testing.TB, l *engine.Loop, now time.Time) {
	t.Helper()
	for range 100 {
		more, err := l.Turn(t.Context(), now)
		if err != nil {
			t.Fatal(err)
		}
		if !more {
			return
		}
	}
	t.Fatal("the loop does not come to rest")
}

func tasks(st *store.Store) int { return st.View().Count(model.KindTask) }

// TestDeposed: a leader whose term is over writes nothing, and ends.
func TestDeposed(t *testing.T) {
	t.Parallel()
	b := mem.New(mem.Options{})
	st := open(t, b)
	found(t, st)
	lead, _, err := b.TryElect("scheduler")
	if err != nil {
		t.Fatal(err)
	}
	l := engine.NewLoop(config(st), &lead.Fence)
	defer l.Close()
	settle(t, l, start())
	create(t, st, "web", 1)
	b.Depose("scheduler")
	before := b.Revision()
	if _, err := l.Turn(t.Context(), start()); !errors.Is(err, store.ErrFenced) {
		t.Errorf("got error %v, want %v", err, store.ErrFenced)
	}
	if got := b.Revision(); got != before {
		t.Errorf("got revision %d, want %d: something was written", got, before)
	}
}

// TestRefused: a plan that is refused, or of which nobody knows what became, is computed again, and nothing is done
// twice.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, fault := range map[string]mem.Fault{
		"refused":                {Err: &store.ConflictError{}},
		"unknown, not committed": {Err: store.ErrUnknownOutcome},
		"unknown, committed":     {Err: store.ErrUnknownOutcome, Applied: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			faults := 0
			b := mem.New(mem.Options{Faults: func(*store.Txn) mem.Fault {
				if faults == 0 {
					return mem.Fault{}
				}
				faults--
				return fault
			}})
			st := open(t, b)
			found(t, st)
			l := engine.NewLoop(config(st), nil)
			defer l.Close()
			settle(t, l, start())
			create(t, st, "web", 2)
			create(t, st, "api", 3)
			faults = 2
			settle(t, l, start())
			if got := tasks(st); got != 5 || faults != 0 {
				t.Errorf("got %d tasks with %d faults left, want 5 with 0", got, faults)
			}
		})
	}
}

// TestDown: an error of the store ends the term, and the next leader does what is left.
func TestDown(t *testing.T) {
	t.Parallel()
	down := errors.New("down")
	broken := false
	b := mem.New(mem.Options{Faults: func(*store.Txn) mem.Fault {
		if broken {
			return mem.Fault{Err: down}
		}
		return mem.Fault{}
	}})
	st := open(t, b)
	found(t, st)
	l := engine.NewLoop(config(st), nil)
	settle(t, l, start())
	create(t, st, "web", 2)
	broken = true
	if _, err := l.Turn(t.Context(), start()); !errors.Is(err, down) {
		t.Errorf("got error %v, want %v", err, down)
	}
	l.Close()
	broken = false
	next := engine.NewLoop(config(st), nil)
	defer next.Close()
	settle(t, next, start())
	if got := tasks(st); got != 2 {
		t.Errorf("got %d tasks, want 2", got)
	}
}

// TestTransactions: many changes are written in few transactions, none of them larger than the store takes.
func TestTransactions(t *testing.T) {
	t.Parallel()
	n, largest := 0, 0
	b := mem.New(mem.Options{Faults: func(txn *store.Txn) mem.Fault {
		n++
		largest = max(largest, len(txn.Puts)+len(txn.Deletes), len(txn.Guards))
		return mem.Fault{}
	}})
	st := open(t, b)
	found(t, st)
	l := engine.NewLoop(config(st), nil)
	defer l.Close()
	settle(t, l, start())
	for i := range 300 {
		create(t, st, fmt.Sprintf("s%d", i), 1)
	}
	n = 0
	settle(t, l, start())
	if got := tasks(st); got != 300 {
		t.Errorf("got %d tasks, want 300", got)
	}
	if n > 20 || largest > store.MaxOps {
		t.Errorf("got %d transactions of at most %d operations or guards, want at most 20 of at most %d", n, largest, store.MaxOps)
	}
}

// TestTooLarge: changes that together are too large for a transaction are written in several, and one that is too large
// by itself keeps none of the others from being written.
func TestTooLarge(t *testing.T) {
	t.Parallel()
	b := mem.New(mem.Options{Measure: true})
	st := open(t, b)
	found(t, st)
	c := config(st)
	const services = 5
	c.Step = func(_ core.View, in core.Input) core.Plan {
		var plan core.Plan
		for i, name := range in.Dirty.Services {
			size := store.MaxBytes / 2
			if i == 1 {
				size = store.MaxBytes + 1
			}
			plan.Changes = append(plan.Changes, core.Change{
				Subject: name, Puts: []model.Record{&model.Family{Region: "r", Name: fmt.Sprint(i), Last: 1}, &model.Cluster{
					ARN: scope().Cluster(fmt.Sprint(i)), Region: "r", Name: strings.Repeat("x", size),
				}},
			})
		}
		return plan
	}
	l := engine.NewLoop(c, nil)
	defer l.Close()
	for i := range services {
		create(t, st, fmt.Sprintf("s%d", i), 1)
	}
	settle(t, l, start())
	var got []string
	for i := range services {
		if _, ok := st.View().Family("r", fmt.Sprint(i)); ok {
			got = append(got, fmt.Sprint(i))
		}
	}
	if diff := cmp.Diff([]string{"0", "2", "3", "4"}, got); diff != "" {
		t.Errorf("what was written (-want +got):\n%s", diff)
	}
}

// TestHeartbeat: a machine's sign of life gives nobody anything to decide, its coming back does.
func TestHeartbeat(t *testing.T) {
	t.Parallel()
	st := open(t, mem.New(mem.Options{}))
	found(t, st)
	c := config(st)
	looks := 0
	c.Step = func(v core.View, in core.Input) core.Plan {
		looks++
		return core.Step(v, in)
	}
	l := engine.NewLoop(c, nil)
	defer l.Close()
	create(t, st, "web", 1)
	m := machine("m1")
	m.Connected = false
	put(t, st, m)
	settle(t, l, start())
	if got := tasks(st); got != 0 {
		t.Fatalf("got %d tasks on a machine that is cut off, want 0", got)
	}
	looks = 0
	sign := *m
	sign.SeenAt = start().Add(time.Second)
	put(t, st, &sign)
	settle(t, l, start())
	if looks != 0 {
		t.Errorf("got %d looks after a sign of life, want 0", looks)
	}
	back := sign
	back.Connected = true
	put(t, st, &back)
	settle(t, l, start())
	if got := tasks(st); got != 1 {
		t.Errorf("got %d tasks when the machine is back, want 1", got)
	}
}

// TestNext: a loop that rests wants to be woken for what time alone changes, and for the full look.
func TestNext(t *testing.T) {
	t.Parallel()
	st := open(t, mem.New(mem.Options{}))
	found(t, st)
	l := engine.NewLoop(config(st), nil)
	defer l.Close()
	settle(t, l, start())
	if got, want := l.Next(), start().Add(time.Minute); !got.Equal(want) {
		t.Errorf("got next look at %v, want the full one at %v", got, want)
	}
	create(t, st, "web", 1)
	settle(t, l, start())
	for task := range st.View().Tasks() {
		put(t, st, &model.Observed{Task: task.ARN, Machine: task.Machine, Status: model.TaskRunning, StartedAt: start().Add(time.Second)})
	}
	settle(t, l, start().Add(time.Second))
	if got, want := l.Next(), start().Add(3*time.Second); !got.Equal(want) {
		t.Errorf("got next look at %v, want %v, when the task has run for two seconds", got, want)
	}
}

// TestRun: of two that run, one leads; when it ends, the other does.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		b := mem.New(mem.Options{})
		stores := make([]*store.Store, 2)
		ends := make([]context.CancelFunc, 2)
		done := make(chan error, 2)
		for i := range stores {
			st, err := store.Open(t.Context(), b, store.Scope{})
			if err != nil {
				t.Fatal(err)
			}
			stores[i] = st
			t.Cleanup(st.Close)
			if i == 0 {
				found(t, st)
			}
			ctx, cancel := context.WithCancel(t.Context())
			ends[i] = cancel
			t.Cleanup(cancel)
			c := config(st)
			go func() { done <- engine.Run(ctx, c) }()
			synctest.Wait()
		}
		create(t, stores[0], "web", 2)
		wait(t, stores[1], 2)
		ends[0]()
		if err := <-done; err != nil {
			t.Errorf("got error %v from one that was told to end, want none", err)
		}
		create(t, stores[1], "api", 3)
		wait(t, stores[1], 5)
		ends[1]()
		if err := <-done; err != nil {
			t.Errorf("got error %v from one that was told to end, want none", err)
		}
	})
}

// wait waits until there are so many tasks; the time that passes is virtual.
func wait(t *testing.T, st *store.Store, want int) {
	t.Helper()
	for range 100 {
		synctest.Wait()
		if tasks(st) == want {
			return
		}
		tick := time.NewTimer(100 * time.Millisecond)
		<-tick.C
	}
	t.Fatalf("got %d tasks, want %d", tasks(st), want)
}
