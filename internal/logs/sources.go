package logs

import (
	"container/heap"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
)

// Sources is several sources read as one. What cannot be read of one of them is left out, and its error told to Failed:
// a machine that is away must not hide the logs of the others.
type Sources struct {
	List   []Source
	Failed func(error) // may be nil
}

var _ Source = Sources{}

// Streams implements Source. A stream that is kept in several places is told once.
func (s Sources) Streams(ctx context.Context, g Group, prefix string) ([]Stream, error) {
	var all []Stream
	for _, source := range s.List {
		list, err := source.Streams(ctx, g, prefix)
		if err != nil {
			s.failed(err)
			continue
		}
		all = append(all, list...)
	}
	slices.SortStableFunc(all, func(a, b Stream) int { return strings.Compare(a.Name, b.Name) })
	merged := all[:0]
	for _, st := range all {
		if n := len(merged); n > 0 && merged[n-1].Name == st.Name {
			merged[n-1] = join(merged[n-1], st)
			continue
		}
		merged = append(merged, st)
	}
	return merged, ctx.Err()
}

// join puts together what two places tell of a stream.
func join(a, b Stream) Stream {
	a.Created = min(a.Created, b.Created)
	if a.Ingested == 0 || b.Ingested != 0 && b.First < a.First {
		a.First = b.First
	}
	a.Last, a.Ingested, a.Bytes = max(a.Last, b.Last), max(a.Ingested, b.Ingested), a.Bytes+b.Bytes
	return a
}

// DeleteStream implements Source. When it fails at one place, what could be deleted is deleted.
func (s Sources) DeleteStream(ctx context.Context, g Group, stream string) (bool, error) {
	found := false
	var errs []error
	for _, source := range s.List {
		there, err := source.DeleteStream(ctx, g, stream)
		found = found || there
		errs = append(errs, err)
	}
	return found, errors.Join(errs...)
}

// Events implements Source.
func (s Sources) Events(ctx context.Context, q Query) iter.Seq2[Event, error] {
	if len(s.List) == 1 {
		return s.List[0].Events(ctx, q)
	}
	return func(yield func(Event, error) bool) {
		m := heads{q: &q}
		defer m.stop()
		for _, source := range s.List {
			next, stop := iter.Pull2(source.Events(ctx, q))
			h := &headOf{next: next, stop: stop}
			if s.advance(h) {
				m.list = append(m.list, h)
			}
		}
		heap.Init(&m)
		for len(m.list) > 0 {
			h := m.list[0]
			if !yield(h.event, nil) {
				return
			}
			if !s.advance(h) {
				heap.Pop(&m)
				continue
			}
			heap.Fix(&m, 0)
		}
		if err := ctx.Err(); err != nil {
			yield(Event{}, err)
		}
	}
}

// advance takes a source's next event; a source that is over, or has failed, is stopped.
func (s Sources) advance(h *headOf) bool {
	e, err, ok := h.next()
	if ok && err == nil {
		h.event = e
		return true
	}
	if err != nil {
		s.failed(err)
	}
	h.stop()
	return false
}

func (s Sources) failed(err error) {
	if s.Failed != nil {
		s.Failed(err)
	}
}

// headOf is the next event of a source.
type headOf struct {
	event Event
	next  func() (Event, error, bool)
	stop  func()
}

// heads is a heap of the next events.
type heads struct {
	q    *Query
	list []*headOf
}

func (m *heads) stop() {
	for _, h := range m.list {
		h.stop()
	}
}

func (m *heads) Len() int      { return len(m.list) }
func (m *heads) Swap(i, j int) { m.list[i], m.list[j] = m.list[j], m.list[i] }
func (m *heads) Less(i, j int) bool {
	return m.q.Compare(m.list[i].event.Place, m.list[j].event.Place) < 0
}
func (m *heads) Push(x any) { m.list = append(m.list, x.(*headOf)) }
func (m *heads) Pop() any {
	last := m.list[len(m.list)-1]
	m.list = m.list[:len(m.list)-1]
	return last
}
