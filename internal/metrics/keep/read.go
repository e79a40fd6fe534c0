package keep

import (
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/block"
)

// maxPeriods is how many periods one Read can span: GetMetricData gives 100,800 points at most.
const maxPeriods = 500_000

// Read implements metrics.Reader. Periods are counted from the start, which is rounded down to whole minutes (below a minute:
// to the period); the last one is whole even if the end lies within it. What is kept in longer periods than the one asked
// for, because it is old, gives no points; neither does a period whose values are needed and not known, as those of
// statistic sets are.
func (s *Store) Read(q metrics.Query) ([]metrics.Point, error) {
	if err := metrics.CheckPeriod(q.Period); err != nil {
		return nil, err
	}
	st, err := metrics.ParseStatistic(q.Statistic)
	if err != nil {
		return nil, err
	}
	f := newFold(&q, st.NeedsValues())
	if f.end <= f.start {
		return nil, nil
	}
	if (f.end-f.start)/f.period > maxPeriods {
		return nil, fmt.Errorf("more than %d periods lie between %v and %v", maxPeriods, q.Start, q.End)
	}
	if err := s.gather(&q, f); err != nil {
		return nil, err
	}
	return f.points(st)
}

// gather puts what is kept of what is asked for into the periods.
func (s *Store) gather(q *metrics.Query, f *fold) error {
	v, err := s.look(q, f)
	if err != nil {
		return err
	}
	if !v.enough {
		if err := s.disk.read(v, f); err != nil {
			return s.disk.wrap(err)
		}
	}
	for i := range v.streams {
		if err := v.streams[i].fold(f, v.applied, &v.marks); err != nil {
			return err
		}
	}
	return nil
}

// fold puts points into the periods that are asked for.
type fold struct {
	start, end, period int64
	values             bool
	sets               []block.Set // one for each period
	// packed are the values of periods that have those of one point alone, as they are in its block: most have when minutes are
	// asked for. They are unpacked one after the other, into the same memory.
	packed [][]byte
}

func newFold(q *metrics.Query, values bool) *fold {
	f := &fold{start: q.Start.Unix(), end: q.End.Unix(), period: int64(q.Period / time.Second), values: values}
	if q.End.Nanosecond() > 0 {
		f.end++
	}
	unit := min(f.period, minuteSpan)
	f.start -= (f.start%unit + unit) % unit
	if n := max(f.end-f.start+f.period-1, 0) / f.period; n <= maxPeriods {
		f.sets = make([]block.Set, n)
		if values {
			f.packed = make([][]byte, n)
		}
		f.end = f.start + n*f.period
	}
	return f
}

// seconds says whether points of less than a minute are asked for.
func (f *fold) seconds() bool { return f.period < minuteSpan }

// add puts in the points of a block, which is not changed any more if values are asked for. Its offsets are units of seconds
// from at on, and they are kept in that width.
func (f *fold) add(b []byte, at, unit, width int64) error {
	for len(b) > 0 {
		p, rest, err := block.Next(b)
		if err != nil {
			return err
		}
		b = rest
		w := width
		if p.Minute {
			w = max(w, minuteSpan)
		}
		t := at + int64(p.Offset)*unit
		t -= t % w
		if f.period%w == 0 && t >= f.start && t < f.end {
			if err := f.put(int((t-f.start)/f.period), &p); err != nil {
				return err
			}
		}
	}
	return nil
}

// put adds a point to a period.
func (f *fold) put(i int, p *block.Point) error {
	s := &f.sets[i]
	if !f.values {
		return p.AddTo(s, false)
	}
	if packed := p.Packed(); len(packed) > 0 && s.Count == 0 {
		f.packed[i] = packed
		return p.AddTo(s, false)
	}
	if err := f.unpack(i, s); err != nil {
		return err
	}
	return p.AddTo(s, true)
}

// unpack gives a set the values of its period that are packed.
func (f *fold) unpack(i int, s *block.Set) error {
	packed := f.packed[i]
	if packed == nil {
		return nil
	}
	f.packed[i] = nil
	return s.Unpack(packed)
}

func (f *fold) points(st metrics.Statistic) ([]metrics.Point, error) {
	n := f.known()
	if n == 0 {
		return nil, nil
	}
	points := make([]metrics.Point, 0, n)
	var scratch block.Values // of the periods whose values are packed
	for i := range f.sets {
		v, ok, err := f.compute(i, st, &scratch)
		if err != nil {
			return nil, err
		}
		if ok {
			at := time.Unix(f.start+int64(i)*f.period, 0).UTC()
			points = append(points, metrics.Point{At: at, Value: v, Samples: f.sets[i].Count})
		}
	}
	return points, nil
}

// compute gives the statistic of a period.
func (f *fold) compute(i int, st metrics.Statistic, scratch *block.Values) (v float64, ok bool, err error) {
	if f.values && f.packed[i] != nil {
		return f.sets[i].ComputePacked(st, f.packed[i], scratch)
	}
	v, ok = f.sets[i].Compute(st)
	return v, ok, nil
}

// known is how many periods have been measured.
func (f *fold) known() (n int) {
	for i := range f.sets {
		if f.sets[i].Count > 0 {
			n++
		}
	}
	return n
}

// view is what memory has of what is asked for, at one moment.
type view struct {
	streams []streamView
	// prefix is the key of what is looked for in the database: of a series if exact, else of a metric with all its series.
	prefix []byte
	exact  bool
	marks  marks
	// applied is the epoch that the database had when it was read.
	applied int64
	// enough says that the database has no more.
	enough bool
}

type streamView struct {
	key   string
	slots []slotView
}

// slotView is a slot with the epochs of what is not in the database. What a slot has is only ever appended to, or replaced.
type slotView struct {
	slot
	leavingOf, freshOf int64
}

func (s *Store) look(q *metrics.Query, f *fold) (*view, error) {
	v := &view{prefix: appendMetric(nil, q.Region, &q.Metric), exact: q.Unit != ""}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	v.marks, v.applied = s.marks, -1
	if m := s.table[string(v.prefix)]; m != nil {
		for _, st := range m.streams {
			if q.Unit == "" || st.unit == q.Unit {
				v.streams = append(v.streams, s.viewOf(st, f))
			}
		}
	}
	if v.exact {
		v.prefix = appendPart(v.prefix, q.Unit)
	}
	v.enough = f.start/slotSpan > s.flushed || s.covered(v, f)
	return v, nil
}

// covered says whether memory has all that is looked for. Series in other units, that the view does not have because they
// have been without data for long, have none in slots that are still in memory; what was there before the store was opened is
// not known.
func (s *Store) covered(v *view, f *fold) bool {
	if len(v.streams) == 0 || !v.exact && f.start/slotSpan <= s.inherited {
		return false
	}
	for i := range v.streams {
		if !v.streams[i].covers(f, s.flushed) {
			return false
		}
	}
	return true
}

func (s *Store) viewOf(st *stream, f *fold) streamView {
	v := streamView{key: st.key}
	for _, sl := range st.slots {
		if at := sl.number * slotSpan; at < f.end && at+slotSpan > f.start {
			v.slots = append(v.slots, slotView{*sl, s.frozen, s.epoch})
		}
	}
	return v
}

// covers says whether memory has all of the series: each slot is whole, or newer than anything in the database.
func (v *streamView) covers(f *fold, flushed int64) bool {
	for n := f.start / slotSpan; n <= min(flushed, (f.end-1)/slotSpan); n++ {
		if !v.whole(n) {
			return false
		}
	}
	return true
}

func (v *streamView) whole(number int64) bool {
	for i := range v.slots {
		if v.slots[i].number == number {
			return v.slots[i].whole
		}
	}
	return false
}

// fold puts in what memory has and the database had not.
func (v *streamView) fold(f *fold, applied int64, m *marks) error {
	for i := range v.slots {
		sl := &v.slots[i]
		blocks := [][]byte{sl.saved, sl.leaving, sl.fresh}
		if !sl.whole {
			blocks[0] = nil
			if applied >= sl.leavingOf {
				blocks[1] = nil
			}
			if applied >= sl.freshOf {
				blocks[2] = nil
			}
		}
		at, width := sl.number*slotSpan, int64(1)
		switch k := m.tier(at); {
		case k == len(tiers):
			continue
		case k > 0:
			width = tiers[k].width
		}
		for _, b := range blocks {
			if err := f.add(b, at, 1, width); err != nil {
				return err
			}
		}
	}
	return nil
}
