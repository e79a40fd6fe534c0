package store

import (
	"iter"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// View is the world as it was at one revision: immutable, free to take and safe to share. Every method answers in a
// fixed order. Records must not be changed; who wants to change one copies it first.
type View struct {
	rev     int64
	tables  [tables]*ordered[*item]
	indexes [indexes]*ordered[*item]
	tasks   taskView
}

// Revision is that of the newest change in the view.
func (v *View) Revision() int64 { return v.rev }

// Get gives the record under a key and its version.
func (v *View) Get(k model.Key) (r model.Record, version int64, ok bool) {
	switch k.Kind {
	case model.KindTask:
		row, found := v.tasks.machine.Get(rowOf(k.Path))
		if !found || row.Task == nil {
			return nil, 0, false
		}
		return row.Task, row.version, true
	case model.KindObserved:
		row, found := v.tasks.machine.Get(rowOf(k.Path))
		if !found || row.Seen == nil {
			return nil, 0, false
		}
		return row.Seen, row.seenVersion, true
	}
	n := tableOf(k.Kind)
	if n == tNone {
		return nil, 0, false
	}
	x, ok := v.tables[n].Get(&item{path: k.Path})
	if !ok {
		return nil, 0, false
	}
	return x.record, x.version, true
}

// Version is the version of the record under a key, 0 if there is none.
func (v *View) Version(k model.Key) int64 {
	_, version, _ := v.Get(k)
	return version
}

// Count is the number of records of a table.
func (v *View) Count(k model.Kind) int {
	switch k {
	case model.KindTask:
		return v.tasks.tasks
	case model.KindObserved:
		return v.tasks.seen
	}
	if n := tableOf(k); n != tNone {
		return v.tables[n].Len()
	}
	return 0
}

// Counts gives the number of records of every table.
func (v *View) Counts() map[model.Kind]int {
	counts := make(map[model.Kind]int, tables+2)
	for _, k := range model.Kinds() {
		counts[k] = v.Count(k)
	}
	return counts
}

// All yields every record, table by table in the order of model.Kinds, each ordered by path.
func (v *View) All() iter.Seq[Versioned] {
	return func(yield func(Versioned) bool) {
		for _, k := range model.Kinds() {
			for x := range v.Table(k) {
				if !yield(x) {
					return
				}
			}
		}
	}
}

// Table yields the records of one table, ordered by path.
func (v *View) Table(k model.Kind) iter.Seq[Versioned] {
	return func(yield func(Versioned) bool) {
		switch n := tableOf(k); {
		case k == model.KindTask || k == model.KindObserved:
			v.tasks.machine.Scan(func(r *taskRow) bool {
				x, ok := r.side(k)
				return !ok || yield(x)
			})
		case n != tNone:
			v.tables[n].Scan(func(x *item) bool {
				return yield(Versioned{Key: model.Key{Kind: k, Path: x.path}, Record: x.record, Version: x.version})
			})
		}
	}
}

// side gives one of the two records of a row.
func (r *taskRow) side(k model.Kind) (Versioned, bool) {
	key := model.Key{Kind: k, Path: r.path()}
	if k == model.KindTask {
		return Versioned{Key: key, Record: r.Task, Version: r.version}, r.Task != nil
	}
	return Versioned{Key: key, Record: r.Seen, Version: r.seenVersion}, r.Seen != nil
}

// lookup finds a record of a table by path.
func lookup[R model.Record](v *View, table int, path string) (r R, ok bool) {
	x, ok := v.tables[table].Get(&item{path: path})
	if !ok {
		return r, false
	}
	return x.record.(R), true
}

// whole yields a table by path.
func whole[R model.Record](v *View, table int) iter.Seq[R] {
	return prefixed[R](v, table, "")
}

// prefixed yields the records of a table whose paths have a prefix.
func prefixed[R model.Record](v *View, table int, prefix string) iter.Seq[R] {
	return records[R](ascend(v.tables[table], &item{path: prefix}, func(x *item) bool {
		return strings.HasPrefix(x.path, prefix)
	}))
}

// grouped yields the records of a group, ordered by path.
func grouped[R model.Record](v *View, index int, group string, of func(model.Record) string) iter.Seq[R] {
	return records[R](ascend(v.indexes[index], &item{record: pivot(group)}, func(x *item) bool {
		return of(x.record) == group
	}))
}
