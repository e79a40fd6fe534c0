package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
	"github.com/maitred/maitred/internal/store/storetest"
)

// twin is a backend under comparison. Its revisions mean nothing by themselves, so they are numbered by the
// transactions that made them.
type twin struct {
	backend store.Backend
	streams []store.Stream
	revs    []int64 // of the transactions that wrote something
	terms   []store.Fence
	leader  *store.Leadership
	number  map[int64]int
}

func newTwin(t *rapid.T, ctx context.Context, b store.Backend) *twin {
	_, rev, err := b.Load(ctx, store.Scope{})
	if err != nil {
		t.Fatalf("Load: %v", err)
	}
	w := &twin{backend: b, revs: []int64{rev}, number: map[int64]int{rev: 0}}
	for _, scope := range scopes {
		s, err := b.Watch(ctx, scope, rev+1)
		if err != nil {
			t.Fatalf("Watch: %v", err)
		}
		w.streams = append(w.streams, s)
	}
	return w
}

var scopes = []store.Scope{{}, {Machine: "x"}, {Machine: "y"}}

// symbolic is a transaction whose revisions are numbers of transactions.
type symbolic struct {
	puts     []model.Record
	deletes  []model.Key
	guards   map[model.Key]int // 0: must not exist
	prefixes []store.PrefixGuard
	term     int // 0 for no fence
}

func drawTxn(r *rapid.T, revs, terms int) symbolic {
	x := symbolic{guards: map[model.Key]int{}}
	used := map[model.Key]bool{}
	for _, record := range rapid.SliceOfN(storetest.Records(), 1, 5).Draw(r, "records") {
		k := record.Key()
		switch {
		case used[k]:
		case rapid.IntRange(0, 3).Draw(r, "delete") == 0:
			x.deletes = append(x.deletes, k)
		default:
			x.puts = append(x.puts, record)
		}
		used[k] = true
		if rapid.IntRange(0, 3).Draw(r, "guarded") == 0 {
			x.guards[k] = rapid.IntRange(0, revs-1).Draw(r, "version")
		}
	}
	if rapid.IntRange(0, 3).Draw(r, "prefixed") == 0 {
		prefix := rapid.SampledFrom([]string{"", "x/", "s", "y"}).Draw(r, "prefix")
		kind := rapid.SampledFrom(model.Kinds()).Draw(r, "kind")
		since := rapid.IntRange(0, revs-1).Draw(r, "since")
		x.prefixes = append(x.prefixes, store.PrefixGuard{Kind: kind, Prefix: prefix, Since: int64(since)})
	}
	x.term = rapid.IntRange(0, terms).Draw(r, "term")
	return x
}

// commit carries out a transaction and tells the outcome in words.
func (w *twin) commit(ctx context.Context, x symbolic) string {
	txn := &store.Txn{Deletes: x.deletes}
	for _, p := range x.puts {
		txn.Puts = append(txn.Puts, store.Put{Key: p.Key(), Record: p})
	}
	for k, n := range x.guards {
		g := store.Guard{Key: k}
		if n > 0 {
			g.Version = w.revs[n]
		}
		txn.Guards = append(txn.Guards, g)
	}
	for _, p := range x.prefixes {
		p.Since = w.revs[p.Since]
		txn.Prefixes = append(txn.Prefixes, p)
	}
	if x.term > 0 {
		txn.Fence = &w.terms[x.term-1]
	}
	before, _, _ := w.backend.Load(ctx, store.Scope{})
	rev, err := w.backend.Commit(ctx, txn)
	for _, known := range []error{store.ErrConflict, store.ErrFenced, store.ErrInvalid} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	if err != nil {
		return err.Error()
	}
	writes := len(x.puts) > 0 || slices.ContainsFunc(before, func(v store.Versioned) bool { return slices.Contains(x.deletes, v.Key) })
	if !writes {
		return "nothing to do"
	}
	w.number[rev] = len(w.revs)
	w.revs = append(w.revs, rev)
	return fmt.Sprint("committed as ", w.number[rev])
}

// elect ends the term that there is and begins another.
func (w *twin) elect(ctx context.Context) error {
	if w.leader != nil {
		if err := w.leader.Resign(ctx); err != nil {
			return err
		}
	}
	var err error
	if w.leader, err = w.backend.Elect(ctx, "x"); err == nil {
		w.terms = append(w.terms, w.leader.Fence)
	}
	return err
}

// state is the world with numbered versions.
func (w *twin) state(ctx context.Context, scope store.Scope) ([]store.Versioned, error) {
	list, _, err := w.backend.Load(ctx, scope)
	return w.numbered(list), err
}

func (w *twin) numbered(list []store.Versioned) []store.Versioned {
	list = slices.Clone(list)
	for i := range list {
		list[i].Version = int64(w.number[list[i].Version])
	}
	return list
}

// changes reads the stream of a scope to its end.
func (w *twin) changes(ctx context.Context, i int) ([]store.Batch, error) {
	var list []store.Batch
	last := w.revs[len(w.revs)-1]
	for seen := w.revs[0]; seen < last; {
		if err := w.streams[i].Nudge(ctx); err != nil {
			return nil, err
		}
		batches, err := w.streams[i].Next(ctx)
		if err != nil {
			return nil, err
		}
		for _, b := range batches {
			if len(b.Puts)+len(b.Deletes) > 0 {
				list = append(list, store.Batch{Rev: int64(w.number[b.Rev]), Puts: w.numbered(b.Puts), Deletes: b.Deletes})
			}
			seen = b.Rev
		}
	}
	return list, nil
}

// TestDifferential gives the same operations to the memory and to etcd, and wants the same answers, the same world and
// the same streams.
func TestDifferential(t *testing.T) {
	t.Parallel()
	real := start(t, t.TempDir())
	rapid.Check(t, func(r *rapid.T) {
		ctx, cancel := context.WithCancel(within(t))
		defer cancel()
		wipe(r, ctx, real)
		fake := mem.New(mem.Options{Measure: true})
		defer fake.Close()
		twins := []*twin{newTwin(r, ctx, fake), newTwin(r, ctx, real)}
		defer func() {
			for _, w := range twins {
				for _, s := range w.streams {
					s.Close()
				}
				if w.leader != nil {
					_ = w.leader.Resign(ctx)
				}
			}
		}()
		for range rapid.IntRange(1, 30).Draw(r, "steps") {
			if rapid.IntRange(0, 9).Draw(r, "elect") == 0 {
				for _, w := range twins {
					if err := w.elect(ctx); err != nil {
						r.Fatalf("elect: %v", err)
					}
				}
				continue
			}
			x := drawTxn(r, len(twins[0].revs), len(twins[0].terms))
			if want, got := twins[0].commit(ctx, x), twins[1].commit(ctx, x); want != got {
				r.Fatalf("%+v: mem says %q, etcd %q", x, want, got)
			}
		}
		for i, scope := range scopes {
			compare(r, ctx, twins, i, scope)
		}
	})
}

func compare(r *rapid.T, ctx context.Context, twins []*twin, i int, scope store.Scope) {
	want, err := twins[0].state(ctx, scope)
	if err != nil {
		r.Fatalf("mem: %v", err)
	}
	got, err := twins[1].state(ctx, scope)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); diff != "" || err != nil {
		r.Fatalf("the worlds of %+v differ (%v; -mem +etcd):\n%s", scope, err, diff)
	}
	first, err := twins[0].changes(ctx, i)
	if err != nil {
		r.Fatalf("mem: %v", err)
	}
	second, err := twins[1].changes(ctx, i)
	// Within a revision, there is no order.
	anyOrder := cmp.Options{
		cmpopts.SortSlices(func(a, b store.Versioned) bool { return a.Key.String() < b.Key.String() }),
		cmpopts.SortSlices(func(a, b model.Key) bool { return a.String() < b.String() }),
		cmpopts.EquateEmpty(),
	}
	if diff := cmp.Diff(first, second, anyOrder); diff != "" || err != nil {
		r.Fatalf("the streams of %+v differ (%v; -mem +etcd):\n%s", scope, err, diff)
	}
}

// wipe deletes everything.
func wipe(r *rapid.T, ctx context.Context, b *Backend) {
	list, _, err := b.Load(ctx, store.Scope{})
	if err != nil {
		r.Fatalf("Load: %v", err)
	}
	for part := range slices.Chunk(list, store.MaxOps) {
		txn := &store.Txn{}
		for _, v := range part {
			txn.Deletes = append(txn.Deletes, v.Key)
		}
		if _, err := b.Commit(ctx, txn); err != nil {
			r.Fatalf("wipe: %v", err)
		}
	}
}
