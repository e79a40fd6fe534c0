package storetest

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// world is the model of a store: a plain map, and what each record's version must be.
type world struct {
	records  map[model.Key]model.Record
	versions map[model.Key]int64
	told     map[model.Key]model.Record // as the watcher tells it
}

// testModel drives a store and a plain map with the same random operations.
func testModel(t *testing.T, h Harness) {
	rapid.Check(t, func(r *rapid.T) {
		wipe(t, h.Backend)
		s := openStore(t, h.Backend, store.Scope{})
		defer s.Close()
		w := s.Watch()
		defer w.Close()
		w.Take()
		m := &world{map[model.Key]model.Record{}, map[model.Key]int64{}, map[model.Key]model.Record{}}
		views := []*store.View{s.View()}
		r.Repeat(map[string]func(*rapid.T){
			"update": func(r *rapid.T) { m.update(r, t, s) },
			"apply":  func(r *rapid.T) { m.apply(r, t, s, views[rapid.IntRange(0, len(views)-1).Draw(r, "view")]) },
			"behind": func(r *rapid.T) { m.behind(r, t, h.Backend, s) },
			"compact": func(*rapid.T) {
				h.Compact(t, s.View().Revision())
			},
			"": func(r *rapid.T) {
				if len(views) < 20 {
					views = append(views, s.View())
				}
				m.check(r, s, w)
			},
		})
	})
}

// wipe deletes everything.
func wipe(t testing.TB, b store.Backend) {
	t.Helper()
	list, _ := load(t, b, store.Scope{})
	for part := range slices.Chunk(list, store.MaxOps) {
		x := &store.Txn{}
		for _, v := range part {
			x.Deletes = append(x.Deletes, v.Key)
		}
		if _, err := b.Commit(within(t), x); err != nil {
			t.Fatalf("wipe: %v", err)
		}
	}
}

// drawn is a transaction of random records.
type drawn struct {
	puts    []model.Record
	deletes []model.Key
}

func draw(r *rapid.T) drawn {
	var d drawn
	used := map[model.Key]bool{}
	for _, x := range rapid.SliceOfN(Records(), 1, 6).Draw(r, "records") {
		if used[x.Key()] {
			continue
		}
		used[x.Key()] = true
		if rapid.IntRange(0, 3).Draw(r, "delete") == 0 {
			d.deletes = append(d.deletes, x.Key())
		} else {
			d.puts = append(d.puts, x)
		}
	}
	return d
}

// commit carries out on the model what was committed.
func (m *world) commit(d drawn, rev int64) {
	for _, x := range d.puts {
		m.records[x.Key()], m.versions[x.Key()] = x, rev
	}
	for _, k := range d.deletes {
		delete(m.records, k)
		delete(m.versions, k)
	}
}

func (m *world) update(r *rapid.T, t testing.TB, s *store.Store) {
	d := draw(r)
	rev, err := s.Update(within(t), func(tx *store.Tx) error {
		for _, x := range d.puts {
			tx.Put(x)
		}
		for _, k := range d.deletes {
			tx.Delete(k)
		}
		return nil
	})
	if err != nil {
		r.Fatalf("Update: %v", err)
	}
	m.commit(d, rev)
}

// apply makes a change from a view that may be old.
func (m *world) apply(r *rapid.T, t testing.TB, s *store.Store, view *store.View) {
	d := draw(r)
	c := store.Change{Puts: d.puts, Deletes: d.deletes, Guards: []model.Key{Records().Draw(r, "guard").Key()}}
	if rapid.Bool().Draw(r, "prefix") {
		c.Prefixes = []store.Range{{Kind: rapid.SampledFrom(model.Kinds()).Draw(r, "table")}}
	}
	if touched := Records().Draw(r, "touch"); rapid.Bool().Draw(r, "touches") {
		c.Touches = []model.Record{touched, touched}
	}
	want, writes := m.holds(view, &c), writes(view, &c)
	rev, err := s.Apply(within(t), view, c)
	switch {
	case want && err != nil, !want && !errors.Is(err, store.ErrConflict):
		r.Fatalf("Apply from the view of %d: %v, want it to succeed: %v", view.Revision(), err, want)
	case err != nil || writes == 0:
		return
	}
	if err := s.WaitFor(within(t), rev); err != nil {
		r.Fatalf("WaitFor(%d): %v", rev, err)
	}
	for _, x := range c.Touches {
		if k := x.Key(); !d.writes(k) {
			m.records[k], m.versions[k] = x, rev
		}
	}
	m.commit(d, rev)
}

func (d *drawn) writes(k model.Key) bool {
	return slices.Contains(d.deletes, k) || slices.ContainsFunc(d.puts, func(x model.Record) bool { return x.Key() == k })
}

// writes counts what a change does that is computed from a view: to delete what the view does not have is nothing.
func writes(view *store.View, c *store.Change) int {
	n := len(c.Puts)
	for _, x := range c.Touches {
		if !slices.Contains(c.Deletes, x.Key()) {
			n++
		}
	}
	for _, k := range c.Deletes {
		if view.Version(k) != 0 {
			n++
		}
	}
	return n
}

// holds says whether nothing that a change writes or guards has changed since a view. What writes nothing holds.
func (m *world) holds(view *store.View, c *store.Change) bool {
	if writes(view, c) == 0 {
		return true
	}
	keys := slices.Concat(c.Guards, c.Deletes)
	for _, x := range c.Puts {
		keys = append(keys, x.Key())
	}
	for _, k := range keys {
		if view.Version(k) != m.versions[k] {
			return false
		}
	}
	for _, p := range c.Prefixes {
		for k, version := range m.versions {
			if p.Contains(k) && version > view.Revision() {
				return false
			}
		}
	}
	return true
}

// behind writes to the backend without the store's doing.
func (m *world) behind(r *rapid.T, t testing.TB, b store.Backend, s *store.Store) {
	d := draw(r)
	x := txn(d.puts...)
	x.Deletes = d.deletes
	rev, err := b.Commit(within(t), x)
	if err != nil {
		r.Fatalf("Commit: %v", err)
	}
	if err := s.WaitFor(within(t), rev); err != nil {
		r.Fatalf("WaitFor(%d): %v", rev, err)
	}
	m.commit(d, rev)
}

func (m *world) check(r *rapid.T, s *store.Store, w *store.Watcher) {
	v := s.View()
	got := map[model.Key]model.Record{}
	for x := range v.All() {
		got[x.Key] = x.Record
		if x.Version != m.versions[x.Key] {
			r.Fatalf("%s has version %d, want %d", x.Key, x.Version, m.versions[x.Key])
		}
	}
	if diff := cmp.Diff(m.records, got); diff != "" {
		r.Fatalf("the view differs from the model (-want +got):\n%s", diff)
	}
	replay(r, w, m.told)
	if diff := cmp.Diff(m.records, m.told); diff != "" {
		r.Fatalf("what the watcher was told differs from the model (-want +got):\n%s", diff)
	}
	CheckView(r, v)
}
