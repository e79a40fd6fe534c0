package keep

import (
	"math"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/block"
	"github.com/maitred/maitred/internal/model"
)

const (
	slotSpan   = 300 // seconds of a slot
	minuteSpan = 60
	// maxValue is 2^360, the largest value of "PutMetricData", and minus it the smallest.
	maxValue = 1 << 360
	// crowded is from how many bytes on a block is merged in place: more than 5 minutes of seconds take.
	crowded = 8 << 10
	// What a series and a slot take in memory beside their keys and blocks: structs, map entries, headers of slices.
	seriesBytes = 480
	slotBytes   = 128
)

// metric is a metric in memory, with a stream for each unit.
type metric struct {
	model.Metric
	region  string
	key     string
	streams []*stream
}

// stream is a series in memory.
type stream struct {
	metric *metric
	unit   string
	key    string
	id     int64 // in the database; 0: not known
	number uint32
	named  int64 // the epoch in whose segment it has that number
	last   int64 // the newest time that it has data of
	saved  int64 // the last that the database knows
	slots  []*slot
}

// slot is 5 minutes of a series in memory.
type slot struct {
	number int64 // Unix time / slotSpan
	// saved is what the database has, if whole says so. leaving is on its way into it, fresh is not.
	saved, leaving, fresh []byte
	// whole says that nothing but what is here was ever put.
	whole   bool
	crowded int
}

// Put implements metrics.Putter. What cannot be taken is counted: see Counts.
func (s *Store) Put(data []metrics.Datum) {
	now := s.now()
	s.mu.Lock()
	for i := range data {
		s.put(&data[i], now)
	}
	early := s.dirty > s.limits.Bytes/4
	s.mu.Unlock()
	if early {
		select {
		case s.early <- struct{}{}:
		default: // it is known already
		}
	}
}

func (s *Store) put(d *metrics.Datum, now time.Time) {
	switch {
	case s.closed:
		s.counts.AfterClose++
		return
	case d.At.Before(now.Add(-metrics.MaxPast)) || d.At.After(now.Add(metrics.MaxAhead)):
		s.counts.OutOfTime++
		return
	case !valid(d):
		s.counts.Invalid++
		return
	case s.counts.Bytes > s.limits.Bytes:
		s.counts.OverMemory++
		return
	}
	st := s.lookup(d)
	if st == nil {
		s.counts.OverSeries++
		return
	}
	set := block.Of(d)
	at := d.At.Unix()
	if d.Resolution != 1 {
		at -= at % minuteSpan
	}
	s.entry = block.Append(s.entry[:0], int(at%slotSpan), d.Resolution != 1, &set)
	s.append(st, at/slotSpan, s.entry)
	if s.dir != nil {
		s.journal(st, at/slotSpan)
	}
}

// valid refuses what is no measurement: no count, infinities, values beyond 2^360.
func valid(d *metrics.Datum) bool {
	if len(d.Values) != len(d.Counts) || d.At.Unix() < 0 {
		return false
	}
	n := 0.0
	for i, v := range d.Values {
		if !inRange(v) || !inRange(d.Counts[i]) || d.Counts[i] < 0 {
			return false
		}
		n += d.Counts[i]
	}
	if d.Count == 0 || len(d.Values) > 0 && n == 0 {
		return n > 0 && d.Stats == (metrics.Stats{})
	}
	return validSet(&d.Stats)
}

func validSet(s *metrics.Stats) bool {
	return s.Count > 0 && inRange(s.Count) && !math.IsNaN(s.Sum) && !math.IsInf(s.Sum, 0) &&
		inRange(s.Min) && inRange(s.Max) && s.Min <= s.Max
}

func inRange(v float64) bool { return v >= -maxValue && v <= maxValue }

// lookup gives the stream of a datum, nil if there are too many.
func (s *Store) lookup(d *metrics.Datum) *stream {
	s.key = appendMetric(s.key[:0], d.Region, &d.Metric)
	if m := s.table[string(s.key)]; m != nil {
		for _, st := range m.streams {
			if st.unit == d.Unit {
				return st
			}
		}
	}
	if s.counts.Series >= s.limits.Series {
		return nil
	}
	series, prefix, err := parseSeries(string(appendPart(s.key, d.Unit))) // strings of its own, dimensions in order
	if err != nil {
		return nil
	}
	key := string(seriesKey(&series))
	return s.streamOf(key[:prefix], &series, key)
}

// streamOf gives the stream of a series, which is made if it is not there.
func (s *Store) streamOf(metricKey string, series *metrics.Series, key string) *stream {
	m := s.table[metricKey]
	if m == nil {
		m = &metric{Metric: series.Metric, region: series.Region, key: metricKey}
		s.table[metricKey] = m
	}
	for _, st := range m.streams {
		if st.unit == series.Unit {
			return st
		}
	}
	st := &stream{metric: m, unit: series.Unit, key: key}
	m.streams = append(m.streams, st)
	s.counts.Series++
	s.counts.Bytes += st.bytes()
	return st
}

func (st *stream) bytes() int64 { return seriesBytes + int64(3*len(st.key)) }

// append adds an entry to a slot.
func (s *Store) append(st *stream, number int64, entry []byte) {
	sl := st.slot(number)
	if sl == nil {
		sl = &slot{number: number, whole: number > s.flushed, crowded: crowded}
		st.slots = append(st.slots, sl)
		s.counts.Bytes += slotBytes
	}
	before := cap(sl.fresh)
	sl.fresh = append(sl.fresh, entry...)
	if len(sl.fresh) > sl.crowded {
		s.uncrowd(sl)
	}
	grown := int64(cap(sl.fresh) - before)
	s.counts.Bytes += grown
	s.dirty += grown
	st.last = max(st.last, number*slotSpan+int64(block.Offset(entry)))
}

func (st *stream) slot(number int64) *slot {
	for _, sl := range slices.Backward(st.slots) {
		if sl.number == number {
			return sl
		}
	}
	return nil
}

// uncrowd merges entries of the same second, of which there can be any number.
func (s *Store) uncrowd(sl *slot) {
	b := block.Builder{Split: true}
	if err := b.Add(sl.fresh, 0, 1); err != nil {
		s.log.Error("a block of metrics in memory is damaged", "error", err)
		s.counts.Damaged++
	}
	sl.fresh = b.AppendTo(nil)
	sl.crowded = max(crowded, 2*len(sl.fresh))
}

// journal adds the entry that was just put to the journal's frame.
func (s *Store) journal(st *stream, number int64) {
	if st.named != s.epoch {
		if s.namesOf != s.epoch {
			s.names, s.namesOf = 0, s.epoch
		}
		s.names++
		st.named, st.number = s.epoch, s.names
		s.frame.Name(st.key)
	}
	s.frame.Entry(st.number, number, s.entry)
}
