package block

import (
	"math"

	"github.com/maitred/maitred/internal/metrics"
)

// ComputePacked is what Compute gives when packed values, and nothing else, have been unpacked into a set that has their
// statistics already. Percentiles of the usual bins, a byte for each count and for each step but the first, are read where
// they are; everything else is unpacked into scratch. The error is ErrDamaged.
func (s *Set) ComputePacked(st metrics.Statistic, packed []byte, scratch *Values) (v float64, ok bool, err error) {
	if st.Function == metrics.Percentile && s.Count > 0 && s.Min >= 0 {
		if v, ok := s.packedPercentile(packed, st.High); ok {
			return v, true, nil
		}
	}
	scratch.Reset()
	all := Set{Stats: s.Stats, Values: *scratch}
	if err := all.Unpack(packed); err != nil {
		return 0, false, err
	}
	v, ok = all.Compute(st)
	*scratch = all.Values
	return v, ok, nil
}

// packedPercentile is percentile of packed values; false if they are not of the usual form.
func (s *Set) packedPercentile(packed []byte, p float64) (float64, bool) {
	const head = 2 // the shift, the number of bins
	if len(packed) < head || packed[1] > math.MaxInt8 {
		return 0, false
	}
	shift, n := packed[0], int(packed[1])
	key, at := short(packed, head)
	switch {
	case at < 0 || len(packed) != at+2*n-1:
		return 0, false
	case shift < firstShift && (shift != 0 || n > exactMax), shift > 62:
		return 0, false
	}
	counts := packed[at:] // and between two of them the step to the key of the next
	steps, total, ok := addUp(counts)
	if top := math.Float64bits(math.MaxFloat64) >> shift; !ok || key > top || steps > top-key {
		return 0, false
	}
	rank, seen := rankUp(float64(total)*p/100), uint64(0)
	for i := 0; ; i += 2 {
		if seen += uint64(counts[i] >> 1); float64(seen) >= rank {
			of := Values{shift: shift}
			return min(max(of.value(bin{key: key}), s.Min), s.Max), true
		}
		if i+1 >= len(counts) {
			return 0, false
		}
		key += uint64(counts[i+1])
	}
}

// addUp adds up counts and the steps between them; false if one takes more than a byte or is damaged.
func addUp(counts []byte) (steps, total uint64, ok bool) {
	for i, b := range counts {
		switch {
		case i&1 == 0 && b-2 < 0x7e && b&1 == 0:
			total += uint64(b >> 1)
		case i&1 == 1 && b-1 < 0x7f:
			steps += uint64(b)
		default:
			return 0, 0, false
		}
	}
	return steps, total, total > 0
}
