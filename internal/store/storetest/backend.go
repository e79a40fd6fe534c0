package storetest

import (
	"errors"
	"fmt"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func testEmpty(t *testing.T, h Harness) {
	list, rev := load(t, h.Backend, store.Scope{})
	if len(list) != 0 || rev < 1 {
		t.Errorf("an empty backend has %d records at revision %d, want none at 1 or later", len(list), rev)
	}
}

func testCRUD(t *testing.T, h Harness) {
	a := machine("a", "one")
	first := put(t, h.Backend, a)
	second := put(t, h.Backend, machine("a", "two"), machine("b", ""))
	if second <= first {
		t.Errorf("revisions do not grow: %d, then %d", first, second)
	}
	got, rev := load(t, h.Backend, store.Scope{})
	want := []store.Versioned{
		{Key: a.Key(), Record: machine("a", "two"), Version: second},
		{Key: model.MachineKey("b"), Record: machine("b", ""), Version: second},
	}
	if diff := cmp.Diff(want, got); diff != "" || rev != second {
		t.Errorf("Load at %d, want %d, differs (-want +got):\n%s", rev, second, diff)
	}
	third, err := h.Backend.Commit(within(t), &store.Txn{Deletes: []model.Key{a.Key()}})
	if err != nil {
		t.Fatalf("Commit of a delete: %v", err)
	}
	if got, rev := load(t, h.Backend, store.Scope{}); rev != third || !cmp.Equal(keys(got), []string{"machine/b"}) {
		t.Errorf("after a delete: %v at %d, want machine/b at %d", keys(got), rev, third)
	}
	same, err := h.Backend.Commit(within(t), &store.Txn{Deletes: []model.Key{a.Key()}})
	if err != nil || same < third {
		t.Errorf("delete of nothing = %d, %v; want %d or later", same, err, third)
	}
}

func testLoad(t *testing.T, h Harness) {
	records := []model.Record{
		task("m1", "1"), task("m10", "2"), task("m2", "3"), seen(task("m1", "1"), model.TaskRunning),
		seen(task("m10", "2"), model.TaskRunning), machine("m1", ""), machine("m10", ""),
		&model.TaskDefinition{ARN: "td"}, &model.Service{ARN: "s"}, &model.ServiceState{Service: "s"},
	}
	put(t, h.Backend, records...)
	all, _ := load(t, h.Backend, store.Scope{})
	if got := keys(all); len(got) != len(records) || !sort.StringsAreSorted(got) {
		t.Errorf("Load gives %d records, want %d in order: %v", len(got), len(records), got)
	}
	some, _ := load(t, h.Backend, store.Scope{Machine: "m1"})
	want := []string{
		"machine/m1", "observed/m1/" + task("m1", "1").ARN, "task/m1/" + task("m1", "1").ARN, "taskdef/td",
	}
	if diff := cmp.Diff(want, keys(some)); diff != "" {
		t.Errorf("the scope of m1 differs (-want +got):\n%s", diff)
	}
}

func testGuards(t *testing.T, h Harness) {
	k := model.MachineKey("a")
	rev := put(t, h.Backend, machine("a", "one"))
	for _, c := range []struct {
		guard store.Guard
		holds bool
	}{
		{store.Guard{Key: k, Version: 0}, false},
		{store.Guard{Key: k, Version: rev - 1}, false},
		{store.Guard{Key: k, Version: rev + 1}, false},
		{store.Guard{Key: model.MachineKey("b"), Version: rev}, false},
		{store.Guard{Key: model.MachineKey("b"), Version: 0}, true},
		{store.Guard{Key: k, Version: rev}, true},
	} {
		x := txn(machine("z", ""))
		x.Guards = []store.Guard{c.guard}
		got, err := h.Backend.Commit(within(t), x)
		var conflict *store.ConflictError
		switch {
		case c.holds && err != nil:
			t.Errorf("guard %v: %v, want it to hold", c.guard, err)
		case !c.holds && !errors.As(err, &conflict):
			t.Errorf("guard %v: revision %d, %v; want a conflict", c.guard, got, err)
		case !c.holds && (conflict.Rev < rev || !errors.Is(err, store.ErrConflict)):
			t.Errorf("guard %v: conflict at revision %d, want %d or later, and ErrConflict", c.guard, conflict.Rev, rev)
		}
	}
}

func testPrefixGuards(t *testing.T, h Harness) {
	before := put(t, h.Backend, task("m1", "1"), task("m2", "1"))
	after := put(t, h.Backend, task("m1", "2"))
	_, err := h.Backend.Commit(within(t), &store.Txn{Deletes: []model.Key{task("m2", "1").Key()}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		guard store.PrefixGuard
		holds bool
	}{
		{store.PrefixGuard{Kind: model.KindTask, Prefix: "m1/", Since: before}, false},
		{store.PrefixGuard{Kind: model.KindTask, Prefix: "", Since: before}, false},
		{store.PrefixGuard{Kind: model.KindTask, Prefix: "m1/", Since: after}, true},
		{store.PrefixGuard{Kind: model.KindTask, Prefix: "m2/", Since: before}, true},
		{store.PrefixGuard{Kind: model.KindObserved, Prefix: "m1/", Since: before}, true},
	} {
		x := txn(machine("z", ""))
		x.Prefixes = []store.PrefixGuard{c.guard}
		if _, err := h.Backend.Commit(within(t), x); c.holds != (err == nil) || !c.holds && !errors.Is(err, store.ErrConflict) {
			t.Errorf("prefix guard %+v: %v, want it to hold: %v", c.guard, err, c.holds)
		}
	}
}

func testMalformed(t *testing.T, h Harness) {
	a := machine("a", "")
	for name, x := range map[string]*store.Txn{
		"nothing":        {},
		"twice":          txn(a, a),
		"put and delete": {Puts: txn(a).Puts, Deletes: []model.Key{a.Key()}},
	} {
		if _, err := h.Backend.Commit(within(t), x); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v, want %v", name, err, store.ErrInvalid)
		}
	}
}

func testTooLarge(t *testing.T, h Harness) {
	many := &store.Txn{}
	for i := range store.MaxOps + 1 {
		r := machine(fmt.Sprintf("m%03d", i), "")
		many.Puts = append(many.Puts, store.Put{Key: r.Key(), Record: r})
		many.Guards = append(many.Guards, store.Guard{Key: r.Key()})
	}
	if _, err := h.Backend.Commit(within(t), many); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("%d operations: %v, want %v", len(many.Puts), err, store.ErrTooLarge)
	}
	huge := txn(machine("huge", strings.Repeat("x", store.MaxBytes)))
	if _, err := h.Backend.Commit(within(t), huge); !errors.Is(err, store.ErrTooLarge) {
		t.Errorf("%d bytes: %v, want %v", store.MaxBytes, err, store.ErrTooLarge)
	}
	if list, _ := load(t, h.Backend, store.Scope{}); len(list) != 0 {
		t.Errorf("%d records were written by refused transactions", len(list))
	}
	many.Puts, many.Guards = many.Puts[1:], many.Guards[1:]
	many.Fence = &leader(t, h, "limits").Fence
	if _, err := h.Backend.Commit(within(t), many); err != nil {
		t.Errorf("%d operations with a fence: %v, want them to fit", len(many.Puts), err)
	}
	large := txn(machine("large", strings.Repeat("x", store.MaxBytes-1000)))
	if _, err := h.Backend.Commit(within(t), large); err != nil {
		t.Errorf("%d bytes: %v, want them to fit", store.MaxBytes-1000, err)
	}
}

func testStream(t *testing.T, h Harness) {
	first := put(t, h.Backend, machine("a", "1"), machine("b", "1"))
	s := follow(t, h.Backend, store.Scope{}, first)
	second := put(t, h.Backend, machine("b", "2"))
	third, err := h.Backend.Commit(within(t), &store.Txn{Puts: txn(machine("c", "3")).Puts, Deletes: []model.Key{model.MachineKey("a")}})
	if err != nil {
		t.Fatal(err)
	}
	at := func(rev int64, r model.Record) store.Versioned {
		return store.Versioned{Key: r.Key(), Record: r, Version: rev}
	}
	want := []store.Batch{
		{Rev: first, Puts: []store.Versioned{at(first, machine("a", "1")), at(first, machine("b", "1"))}},
		{Rev: second, Puts: []store.Versioned{at(second, machine("b", "2"))}},
		{Rev: third, Puts: []store.Versioned{at(third, machine("c", "3"))}, Deletes: []model.Key{model.MachineKey("a")}},
	}
	if diff := cmp.Diff(want, until(t, s, third)); diff != "" {
		t.Errorf("stream from %d differs (-want +got):\n%s", first, diff)
	}
	late := follow(t, h.Backend, store.Scope{}, second)
	if diff := cmp.Diff(want[1:], until(t, late, third)); diff != "" {
		t.Errorf("stream from %d differs (-want +got):\n%s", second, diff)
	}
}

func testScopedStream(t *testing.T, h Harness) {
	_, rev := load(t, h.Backend, store.Scope{})
	s := follow(t, h.Backend, store.Scope{Machine: "m1"}, rev+1)
	mine := task("m1", "1")
	both := put(t, h.Backend, mine, seen(mine, model.TaskRunning), task("m2", "2"), machine("m10", ""))
	put(t, h.Backend, machine("m2", ""), &model.Service{ARN: "s"})
	last := put(t, h.Backend, &model.TaskDefinition{ARN: "td"}, machine("m1", ""))
	var got []string
	for _, b := range until(t, s, last) {
		sort.Slice(b.Puts, func(i, j int) bool { return b.Puts[i].Key.String() < b.Puts[j].Key.String() })
		got = append(got, fmt.Sprint(b.Rev, keys(b.Puts)))
	}
	want := []string{
		fmt.Sprint(both, []string{seen(mine, "").Key().String(), mine.Key().String()}),
		fmt.Sprint(last, []string{"machine/m1", "taskdef/td"}),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("stream differs (-want +got):\n%s", diff)
	}
}

func testCompacted(t *testing.T, h Harness) {
	first := put(t, h.Backend, machine("a", "1"))
	put(t, h.Backend, machine("a", "2"))
	last := put(t, h.Backend, machine("a", "3"))
	h.Compact(t, last)
	s := follow(t, h.Backend, store.Scope{}, first)
	if batches, err := s.Next(within(t)); !errors.Is(err, store.ErrCompacted) {
		t.Errorf("a stream from before a compaction = %v, %v; want %v", batches, err, store.ErrCompacted)
	}
	next := follow(t, h.Backend, store.Scope{}, last+1)
	after := put(t, h.Backend, machine("a", "4"))
	if got := until(t, next, after); len(got) != 1 {
		t.Errorf("a stream from after a compaction has %d batches, want 1", len(got))
	}
}

func testNudge(t *testing.T, h Harness) {
	_, rev := load(t, h.Backend, store.Scope{})
	s := follow(t, h.Backend, store.Scope{Machine: "m1"}, rev+1)
	last := put(t, h.Backend, machine("m2", "")) // outside of the scope
	stop := make(chan struct{})
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				if err := s.Nudge(within(t)); err != nil {
					t.Errorf("Nudge: %v", err)
					return
				}
			}
		}
	}()
	if got := until(t, s, last); len(got) != 0 {
		t.Errorf("changes outside of the scope are delivered: %v", got)
	}
	close(stop)
	<-done
}
