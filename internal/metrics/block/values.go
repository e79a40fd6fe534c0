package block

import (
	"math"
	"slices"
)

const (
	// exactMax is how many different values are kept as they are; more are put into bins.
	exactMax = 16
	// firstShift makes 64 bins for each doubling: a value is off by at most 1/128 = 0.8 % of itself.
	firstShift = 46
	// maxBins bounds what a set costs. When more are in use, two neighbours become one, and the error doubles.
	maxBins = 1024
)

// Values says which values a set is made of, and how many of each. Up to 16 different values are exact. More are counted in
// bins, 64 to each doubling (0.8 % off at most), of which at most 1,024 are in use; beyond that bins are joined in pairs.
// Bins are ranges of the bits of a float, so that finer bins nest in coarser ones and errors do not add up by merging.
//
// The zero value has no values. Values are lost when a set came without them, or when one is negative: CloudWatch has no
// percentiles then.
type Values struct {
	lost  bool
	shift uint8 // 0: exact
	bins  []bin // ordered by key
}

type bin struct {
	key uint64 // bits of the value, shifted right
	n   float64
}

// Known says whether all values are known.
func (v *Values) Known() bool { return !v.lost }

func (v *Values) lose() { *v = Values{lost: true} }

// Add counts a value n times.
func (v *Values) Add(value, n float64) {
	switch {
	case v.lost:
	case value < 0:
		v.lose()
	default:
		v.add(math.Float64bits(value+0)>>v.shift, n) // +0 makes -0 zero
		v.bound()
	}
}

func (v *Values) add(key uint64, n float64) {
	if l := len(v.bins); l == 0 || v.bins[l-1].key < key { // values often come in order
		v.bins = append(v.bins, bin{key, n})
		return
	}
	v.insert(key, n)
}

func (v *Values) insert(key uint64, n float64) {
	i, found := v.find(key)
	if found {
		v.bins[i].n += n
		return
	}
	v.bins = slices.Insert(v.bins, i, bin{key, n})
}

func (v *Values) find(key uint64) (i int, found bool) {
	return slices.BinarySearchFunc(v.bins, key, func(b bin, k uint64) int {
		switch {
		case b.key < k:
			return -1
		case b.key > k:
			return 1
		default:
			return 0
		}
	})
}

// bound makes the bins coarser until they are few enough.
func (v *Values) bound() {
	if v.shift == 0 && len(v.bins) > exactMax {
		v.coarsen(firstShift)
	}
	for len(v.bins) > maxBins {
		v.coarsen(v.shift + 1)
	}
}

func (v *Values) coarsen(shift uint8) {
	by, kept := shift-v.shift, v.bins[:0]
	for _, b := range v.bins {
		b.key >>= by
		if l := len(kept); l > 0 && kept[l-1].key == b.key {
			kept[l-1].n += b.n
		} else {
			kept = append(kept, b)
		}
	}
	v.bins, v.shift = kept, shift
}

// Merge adds all values of o.
func (v *Values) Merge(o *Values) {
	if v.lost || o.lost {
		v.lose()
		return
	}
	if o.shift > v.shift {
		v.coarsen(o.shift)
	}
	for _, b := range o.bins {
		v.add(b.key>>(v.shift-o.shift), b.n)
	}
	v.bound()
}

// Reset forgets everything but the memory.
func (v *Values) Reset() { *v = Values{bins: v.bins[:0]} }

// value is the middle of a bin.
func (v *Values) value(b bin) float64 {
	if v.shift == 0 || b.key == 0 {
		return math.Float64frombits(b.key << v.shift)
	}
	return math.Float64frombits(b.key<<v.shift | 1<<(v.shift-1))
}
