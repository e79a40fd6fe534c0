package block

import (
	"math"

	"github.com/maitred/maitred/internal/metrics"
)

// Set is a statistic set and the values that it is made of.
type Set struct {
	metrics.Stats
	Values Values
}

// Of makes the set of a datum: its values, if it has them; else what its statistic set tells, which is something only if
// there was one measurement or all were the same.
func Of(d *metrics.Datum) Set {
	s := Set{Stats: d.Stats}
	if len(d.Values) == 0 {
		s.guess(d.Stats)
		return s
	}
	var sum metrics.Stats
	for i, v := range d.Values {
		if n := d.Counts[i]; n > 0 {
			s.Values.Add(v, n)
			sum.Add(metrics.Stats{Count: n, Sum: v * n, Min: v, Max: v})
		}
	}
	if s.Count == 0 {
		s.Stats = sum
	}
	return s
}

// guess adds the values of a set that came without them.
func (s *Set) guess(o metrics.Stats) {
	if o.Count == 1 || o.Min == o.Max {
		s.Values.Add(min(max(o.Sum/o.Count, o.Min), o.Max), o.Count)
	} else {
		s.Values.lose()
	}
}

// Merge makes it the set of both.
func (s *Set) Merge(o *Set) {
	s.Stats.Add(o.Stats)
	s.Values.Merge(&o.Values)
}

// Compute gives a statistic of the set, and false if there is none: nothing was measured, or values are needed and not known
// ("CloudWatch statistics definitions").
func (s *Set) Compute(st metrics.Statistic) (float64, bool) {
	if s.Count == 0 {
		return 0, false
	}
	switch st.Function {
	case metrics.SampleCount:
		return s.Count, true
	case metrics.Sum:
		return s.Sum, true
	case metrics.Average:
		return s.Sum / s.Count, true
	case metrics.Minimum:
		return s.Min, true
	case metrics.Maximum:
		return s.Max, true
	default:
		if s.Values.lost || s.Min < 0 || len(s.Values.bins) == 0 {
			return 0, false
		}
		return s.ofValues(st)
	}
}

// Pairs gives the values of a set, with how often each was met; none if they are not known.
func (s *Set) Pairs() (values, counts []float64) {
	if s.Values.lost {
		return nil, nil
	}
	for _, b := range s.Values.bins {
		values, counts = append(values, s.at(b)), append(counts, b.n)
	}
	return values, counts
}

func (s *Set) ofValues(st metrics.Statistic) (float64, bool) {
	if st.Function == metrics.Percentile {
		return s.percentile(st.High), true
	}
	k := s.cut(st)
	switch st.Function {
	case metrics.TrimmedCount:
		return k.n, true
	case metrics.TrimmedSum:
		return k.sum, true
	case metrics.PercentileRank:
		return 100 * k.n / k.all, true
	case metrics.WinsorizedMean:
		return (k.sum + k.below*k.low + k.above*k.high) / k.all, true
	default: // TrimmedMean
		return k.sum / k.n, k.n > 0
	}
}

// percentile is the smallest value that at least p percent of the values do not exceed (nearest rank).
func (s *Set) percentile(p float64) float64 {
	rank, seen := rankUp(s.total()*p/100), 0.0
	for _, b := range s.Values.bins {
		if seen += b.n; seen >= rank {
			return s.at(b)
		}
	}
	return s.Max
}

// kept is what lies between the boundaries, and how much below and above them.
type kept struct {
	n, sum, below, above, all float64
	low, high                 float64 // what winsorizing sets the others to
}

func (s *Set) cut(st metrics.Statistic) kept {
	if st.Percent {
		return s.cutRanks(st.Low, st.High)
	}
	k := kept{all: s.total(), low: st.Low, high: st.High}
	if math.IsInf(k.low, 0) {
		k.low = 0 // nothing is below
	}
	if math.IsInf(k.high, 0) {
		k.high = 0
	}
	for _, b := range s.Values.bins {
		switch v := s.at(b); {
		case v <= st.Low:
			k.below += b.n
		case v > st.High:
			k.above += b.n
		default:
			k.n, k.sum = k.n+b.n, k.sum+b.n*v
		}
	}
	return k
}

// cutRanks keeps the values whose rank lies between two percentages of their number.
func (s *Set) cutRanks(low, high float64) kept {
	k := kept{all: s.total()}
	from, to, seen := rankDown(k.all*low/100), rankUp(k.all*high/100), 0.0
	for _, b := range s.Values.bins {
		n, v := min(seen+b.n, to)-max(seen, from), s.at(b)
		seen += b.n
		if n <= 0 {
			continue
		}
		if k.n == 0 {
			k.low = v
		}
		k.n, k.sum, k.high = k.n+n, k.sum+n*v, v
	}
	k.below, k.above = from, k.all-to
	return k
}

func (s *Set) total() (n float64) {
	for _, b := range s.Values.bins {
		n += b.n
	}
	return n
}

// at is the value of a bin; a bin's middle may lie outside of what was measured.
func (s *Set) at(b bin) float64 { return min(max(s.Values.value(b), s.Min), s.Max) }

// Ranks are whole where counts are; tiny excesses come from floating point.
func rankUp(x float64) float64   { return math.Ceil(x - x*rankError) }
func rankDown(x float64) float64 { return math.Floor(x + x*rankError) }

const rankError = 4e-15
