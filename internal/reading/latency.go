package reading

import (
	"math/bits"
	"time"
)

// Latency is a distribution of times, in seconds.
type Latency struct {
	Count   int64     `json:"n"`
	Sum     float64   `json:"s"`
	Min     float64   `json:"a"`
	Max     float64   `json:"z"`
	Buckets []InRange `json:"b"`
}

// InRange is how many times fell into a bucket.
type InRange struct {
	Bucket int
	Count  int64
}

// Buckets have the width of a sixteenth of the power of two below them, so that a time is off by 3 % at most when the
// middle of its bucket stands for it. Times below 16 units are counted by the unit.
const (
	unit      = 8 * time.Microsecond
	perOctave = 16
	octaves   = 21 // the last one ends at 16·2^20 units, 134 s; what is longer is in its last bucket
	// Buckets is how many there are.
	Buckets = perOctave * octaves
)

// BucketOf is the bucket of a time.
func BucketOf(d time.Duration) int {
	n := uint64(max(d, 0) / unit)
	if n < perOctave {
		return int(n)
	}
	octave := bits.Len64(n) - 4 // 1 for 16 to 31
	return min(octave*perOctave+int(n>>(octave-1))-perOctave, Buckets-1)
}

// Middle is the time that stands for those in a bucket, in seconds; what is no bucket is the first or the last one.
func Middle(bucket int) float64 {
	bucket = min(max(bucket, 0), Buckets-1)
	low, width := float64(bucket), 1.0
	if octave := bucket / perOctave; octave > 0 {
		width = float64(uint64(1) << (octave - 1))
		low = float64(perOctave+bucket%perOctave) * width
	}
	return (low + width/2) * unit.Seconds()
}

// Upper is the end of a bucket, in seconds.
func Upper(bucket int) float64 {
	bucket = min(max(bucket, 0), Buckets-1)
	octave := bucket / perOctave
	if octave == 0 {
		return float64(bucket+1) * unit.Seconds()
	}
	return float64(perOctave+bucket%perOctave+1) * float64(uint64(1)<<(octave-1)) * unit.Seconds()
}

// Values gives the times with how often each was met. None is outside of Min and Max.
func (l *Latency) Values() (values, counts []float64) {
	for _, b := range l.Buckets {
		values = append(values, min(max(Middle(b.Bucket), l.Min), l.Max))
		counts = append(counts, float64(b.Count))
	}
	return values, counts
}

// Add makes it the distribution of both. Buckets are in order, and stay so.
func (l *Latency) Add(o *Latency) {
	switch {
	case o.Count == 0:
		return
	case l.Count == 0:
		l.Min, l.Max = o.Min, o.Max
	}
	l.Count, l.Sum = l.Count+o.Count, l.Sum+o.Sum
	l.Min, l.Max = min(l.Min, o.Min), max(l.Max, o.Max)
	l.Buckets = merge(l.Buckets, o.Buckets)
}

func merge(a, b []InRange) []InRange {
	sum := make([]InRange, 0, len(a)+len(b))
	for len(a) > 0 && len(b) > 0 {
		switch {
		case a[0].Bucket < b[0].Bucket:
			sum, a = append(sum, a[0]), a[1:]
		case a[0].Bucket > b[0].Bucket:
			sum, b = append(sum, b[0]), b[1:]
		default:
			sum = append(sum, InRange{a[0].Bucket, a[0].Count + b[0].Count})
			a, b = a[1:], b[1:]
		}
	}
	return append(append(sum, a...), b...)
}
