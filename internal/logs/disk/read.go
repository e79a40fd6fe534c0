package disk

import (
	"container/heap"
	"context"
	"errors"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/logs"
)

// Streams implements logs.Source.
func (s *Store) Streams(_ context.Context, g logs.Group, prefix string) ([]logs.Stream, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.group(g, false)
	if err != nil || in == nil {
		return nil, err
	}
	var list []logs.Stream
	for name, st := range in.streams {
		if strings.HasPrefix(name, prefix) {
			list = append(list, st.describe())
		}
	}
	slices.SortFunc(list, func(a, b logs.Stream) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

// DeleteStream implements logs.Source.
func (s *Store) DeleteStream(_ context.Context, g logs.Group, stream string) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.group(g, false)
	if err != nil || in == nil || in.streams[stream] == nil {
		return false, err
	}
	st := in.streams[stream]
	_ = s.deactivate(st)
	delete(in.streams, stream)
	if err := os.Remove(filepath.Join(st.dir, metaName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return true, err
	}
	return true, os.RemoveAll(st.dir)
}

// Events implements logs.Source. A segment is read when its time comes, and forgotten when it is over: as a rule, one of
// each stream is in memory at a time.
func (s *Store) Events(ctx context.Context, q logs.Query) iter.Seq2[logs.Event, error] {
	return func(yield func(logs.Event, error) bool) {
		m := merger{q: &q}
		for _, st := range s.wanted(&q) {
			m.parts = append(m.parts, st.parts(&q)...)
		}
		heap.Init(&m)
		for len(m.parts) > 0 {
			if err := ctx.Err(); err != nil {
				yield(logs.Event{}, err)
				return
			}
			e, ok, err := m.next()
			if err != nil {
				s.cfg.Log.Error("log events are lost", "error", err)
			}
			if ok && !yield(e, nil) {
				return
			}
		}
	}
}

// wanted gives the streams that a query is about.
func (s *Store) wanted(q *logs.Query) []*stream {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.group(q.Group, false)
	if err != nil || in == nil {
		return nil
	}
	var list []*stream
	for name, st := range in.streams {
		if q.Wants(name) {
			list = append(list, st)
		}
	}
	return list
}

// part is what a query wants of a segment.
type part struct {
	st     *stream
	seg    *segment
	size   int64      // of the segment when the query began
	at     logs.Place // before all its events, in the query's order
	loaded bool
	events []logs.Event // in the query's order; the first one is at the place at
}

// parts lists the segments of a stream that may hold what a query wants.
func (st *stream) parts(q *logs.Query) []*part {
	st.mu.Lock()
	defer st.mu.Unlock()
	var list []*part
	for _, seg := range st.segments {
		if seg.count == 0 || seg.first >= q.To || seg.last < q.From {
			continue
		}
		if q.After != nil && (!q.Reverse && seg.last < q.After.At || q.Reverse && seg.first > q.After.At) {
			continue
		}
		p := &part{st: st, seg: seg, size: seg.size, at: logs.Place{Stream: st.name, Source: st.store.cfg.Source}}
		if p.at.At = max(seg.first, q.From); q.Reverse {
			p.at.At, p.at.Seq = min(seg.last, q.To-1), ^uint64(0)
		}
		list = append(list, p)
	}
	return list
}

// load reads the part's events.
func (p *part) load(q *logs.Query) (err error) {
	p.loaded = true
	p.st.mu.Lock() // a segment's name changes when it is sealed
	file, err := os.Open(p.seg.path())
	p.st.mu.Unlock()
	if errors.Is(err, os.ErrNotExist) {
		return nil // it has expired
	}
	if err != nil {
		return err
	}
	p.events, err = p.seg.events(file, p.size, q, p.at)
	slices.SortFunc(p.events, func(a, b logs.Event) int { return q.Compare(a.Place, b.Place) })
	return err
}

// merger is a heap of parts by the place of what comes next of each.
type merger struct {
	q     *logs.Query
	parts []*part
}

func (m *merger) Len() int           { return len(m.parts) }
func (m *merger) Swap(i, j int)      { m.parts[i], m.parts[j] = m.parts[j], m.parts[i] }
func (m *merger) Less(i, j int) bool { return m.q.Compare(m.parts[i].at, m.parts[j].at) < 0 }
func (m *merger) Push(x any)         { m.parts = append(m.parts, x.(*part)) }
func (m *merger) Pop() any {
	last := m.parts[len(m.parts)-1]
	m.parts = m.parts[:len(m.parts)-1]
	return last
}

// next takes the next event. ok is false when a part had to be read, or was over.
func (m *merger) next() (e logs.Event, ok bool, err error) {
	p := m.parts[0]
	if !p.loaded {
		err = p.load(m.q)
	} else {
		e, ok = p.events[0], true
		p.events[0].Message = ""
		p.events = p.events[1:]
	}
	if len(p.events) == 0 {
		heap.Pop(m)
		return e, ok, err
	}
	p.at = p.events[0].Place
	heap.Fix(m, 0)
	return e, ok, err
}
