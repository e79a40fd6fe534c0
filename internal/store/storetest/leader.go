package storetest

import (
	"context"
	"errors"
	"testing"

	"github.com/maitred/maitred/internal/store"
)

func leader(t testing.TB, h Harness, name string) *store.Leadership {
	t.Helper()
	l, err := h.Backend.Elect(within(t), name)
	if err != nil {
		t.Fatalf("Elect(%s): %v", name, err)
	}
	t.Cleanup(func() { _ = l.Resign(context.Background()) })
	return l
}

func isLost(l *store.Leadership) bool {
	select {
	case <-l.Lost:
		return true
	default:
		return false
	}
}

func testLeadership(t *testing.T, h Harness) {
	first := leader(t, h, "x")
	leader(t, h, "y") // another name is another matter
	ctx, cancel := context.WithCancel(within(t))
	failed := make(chan error)
	go func() {
		_, err := h.Backend.Elect(ctx, "x")
		failed <- err
	}()
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) {
		t.Errorf("Elect given up: %v, want %v", err, context.Canceled)
	}
	elected := make(chan *store.Leadership)
	go func() {
		l, err := h.Backend.Elect(within(t), "x")
		if err != nil {
			t.Errorf("the second Elect: %v", err)
		}
		elected <- l
	}()
	if isLost(first) {
		t.Error("the first term ended by itself")
	}
	if err := first.Resign(within(t)); err != nil {
		t.Errorf("Resign: %v", err)
	}
	<-first.Lost
	second := <-elected
	if second == nil {
		return
	}
	if second.Fence.Term <= first.Fence.Term {
		t.Errorf("terms do not grow: %d, then %d", first.Fence.Term, second.Fence.Term)
	}
	if err := first.Resign(within(t)); err != nil || isLost(second) {
		t.Errorf("resigning twice: %v, ended the other's term: %v", err, isLost(second))
	}
	if err := second.Resign(within(t)); err != nil {
		t.Errorf("Resign: %v", err)
	}
}

func testFencing(t *testing.T, h Harness) {
	old := leader(t, h, "x")
	write := func(f *store.Fence) error {
		x := txn(machine("a", ""))
		x.Fence = f
		_, err := h.Backend.Commit(within(t), x)
		return err
	}
	if err := write(&old.Fence); err != nil {
		t.Errorf("a write of the leader: %v", err)
	}
	h.Depose(t, "x")
	if err := write(&old.Fence); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a write after the term: %v, want %v", err, store.ErrFenced)
	}
	now := leader(t, h, "x")
	if err := write(&now.Fence); err != nil {
		t.Errorf("a write of the next leader: %v", err)
	}
	if err := write(&old.Fence); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a write of the former leader: %v, want %v", err, store.ErrFenced)
	}
	x := txn(machine("a", ""))
	x.Fence, x.Guards = &old.Fence, []store.Guard{{Key: machine("a", "").Key()}}
	if _, err := h.Backend.Commit(within(t), x); !errors.Is(err, store.ErrFenced) {
		t.Errorf("a fenced write that also conflicts: %v, want %v", err, store.ErrFenced)
	}
	if err := write(nil); err != nil {
		t.Errorf("a write without a fence: %v", err)
	}
}
