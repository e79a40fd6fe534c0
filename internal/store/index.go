package store

import (
	"iter"
	"strings"
	"time"

	"github.com/tidwall/btree"

	"github.com/maitred/maitred/internal/model"
)

// degree of the trees. From 8 to 64 the times are the same; a transaction of one record copies 8 to 20 KB of nodes, and a
// task costs 157 to 123 bytes of rows and trees. 16 is near the better end of both.
const degree = 16

// ordered is an immutable tree, as a View holds it.
type ordered[T any] = btree.BTreeG[T]

// tree is an ordered set with free snapshots. Items are immutable.
type tree[T any] struct {
	live *ordered[T]
	snap *ordered[T] // of live as it is now; nil after a change
	less func(a, b T) bool
}

func newTree[T any](less func(a, b T) bool) *tree[T] {
	return &tree[T]{less: less, live: btree.NewBTreeGOptions(less, btree.Options{NoLocks: true, Degree: degree})}
}

func (t *tree[T]) set(x T) {
	t.snap = nil
	t.live.Set(x)
}

func (t *tree[T]) del(x T) {
	t.snap = nil
	t.live.Delete(x)
}

// move replaces old by x, which may be ordered elsewhere.
func (t *tree[T]) move(old, x T) {
	if t.less(old, x) || t.less(x, old) {
		t.del(old)
	}
	t.set(x)
}

func (t *tree[T]) snapshot() *ordered[T] {
	if t.snap == nil {
		t.snap = t.live.Copy()
	}
	return t.snap
}

// item is a record in the table of its kind.
type item struct {
	path    string
	record  model.Record
	version int64
}

// pivot stands for a record when one looks for the start of a group.
type pivot string

// Key implements model.Record.
func (pivot) Key() model.Key { return model.Key{} }

func byPath(a, b *item) bool { return a.path < b.path }

// byGroup orders records by a group that they belong to, then by path.
func byGroup(group func(model.Record) string) func(a, b *item) bool {
	of := func(x *item) string {
		if p, ok := x.record.(pivot); ok {
			return string(p)
		}
		return group(x.record)
	}
	return func(a, b *item) bool {
		if c := strings.Compare(of(a), of(b)); c != 0 {
			return c < 0
		}
		return a.path < b.path
	}
}

func clusterOfService(r model.Record) string  { return r.(*model.Service).Cluster }
func clusterOfInstance(r model.Record) string { return r.(*model.Instance).Cluster }
func machineOfInstance(r model.Record) string { return r.(*model.Instance).Machine }
func serviceOfTarget(r model.Record) string   { return r.(*model.Target).Service }
func targetOfHealth(r model.Record) string    { return r.(*model.TargetHealth).Target }

// byRevision orders task definitions by region, family and the number of the revision.
func byRevision(a, b *item) bool {
	x, y := a.record.(*model.TaskDefinition), b.record.(*model.TaskDefinition)
	if c := strings.Compare(x.Region, y.Region); c != 0 {
		return c < 0
	}
	if c := strings.Compare(x.Family, y.Family); c != 0 {
		return c < 0
	}
	if x.Revision != y.Revision {
		return x.Revision < y.Revision
	}
	return a.path < b.path
}

// byAge orders deployments by service, and those of a service from the newest to the oldest.
func byAge(a, b *item) bool {
	x, y := a.record.(*model.Deployment), b.record.(*model.Deployment)
	if c := strings.Compare(x.Service, y.Service); c != 0 {
		return c < 0
	}
	if c := x.CreatedAt.Compare(y.CreatedAt); c != 0 {
		return c > 0
	}
	return a.path > b.path
}

// lastInstant sorts before every deployment of a service.
func lastInstant() time.Time { return time.Unix(1<<40, 0) }

// ascend yields the items from pivot on while they belong.
func ascend[T any](t *ordered[T], pivot T, belongs func(T) bool) iter.Seq[T] {
	return func(yield func(T) bool) {
		t.Ascend(pivot, func(x T) bool { return belongs(x) && yield(x) })
	}
}

// records yields the typed records of a sequence.
func records[R model.Record](items iter.Seq[*item]) iter.Seq[R] {
	return func(yield func(R) bool) {
		for x := range items {
			if !yield(x.record.(R)) {
				return
			}
		}
	}
}
