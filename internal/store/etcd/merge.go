package etcd

import (
	"cmp"
	"slices"

	"github.com/maitred/maitred/internal/store"
)

// merger makes one ordered run of batches out of the watches of several ranges, each of which is ordered in itself.
// A revision may have changes in several ranges, so it is complete when every range is known to have come that far.
type merger struct {
	seen []int64       // by range: its changes up to this revision have come
	held []store.Batch // not complete yet, by revision
}

func newMerger(ranges int, rev int64) *merger {
	m := &merger{seen: make([]int64, ranges)}
	for i := range m.seen {
		m.seen[i] = rev
	}
	return m
}

// add takes the changes of a range, and the revision up to which these are all.
func (m *merger) add(i int, batches []store.Batch, upTo int64) {
	for _, b := range batches {
		m.hold(b)
	}
	m.seen[i] = max(m.seen[i], upTo)
}

func (m *merger) hold(b store.Batch) {
	at, found := slices.BinarySearchFunc(m.held, b.Rev, func(x store.Batch, rev int64) int { return cmp.Compare(x.Rev, rev) })
	if !found {
		m.held = slices.Insert(m.held, at, b)
		return
	}
	m.held[at].Puts = append(m.held[at].Puts, b.Puts...)
	m.held[at].Deletes = append(m.held[at].Deletes, b.Deletes...)
}

// complete is the revision up to which everything has come.
func (m *merger) complete() int64 { return slices.Min(m.seen) }

// behind says that there are changes which are not complete.
func (m *merger) behind() bool { return len(m.held) > 0 && m.held[len(m.held)-1].Rev > m.complete() }

// take gives what is complete.
func (m *merger) take() []store.Batch {
	n, rev := 0, m.complete()
	for n < len(m.held) && m.held[n].Rev <= rev {
		n++
	}
	batches := slices.Clone(m.held[:n])
	m.held = slices.Delete(m.held, 0, n)
	return batches
}
