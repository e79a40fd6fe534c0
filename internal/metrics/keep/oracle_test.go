package keep

import (
	"math"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/metrics"
)

// oracle remembers each measurement, and computes everything anew each time.
type oracle struct {
	data []metrics.Datum
}

func (o *oracle) put(d metrics.Datum, now time.Time) {
	if d.At.Before(now.Add(-metrics.MaxPast)) || d.At.After(now.Add(metrics.MaxAhead)) {
		return
	}
	o.data = append(o.data, d)
}

// width says how coarse a time is kept by the marks; 0: not any more.
func width(m marks, at int64) int64 {
	for i, w := range []int64{1, 60, 300, 3600} {
		if at >= m[i] {
			return w
		}
	}
	return 0
}

func (o *oracle) read(q metrics.Query, m marks) (points []metrics.Point) {
	st, err := metrics.ParseStatistic(q.Statistic)
	if err != nil {
		return nil
	}
	period := int64(q.Period / time.Second)
	for at := q.Start.Unix(); at < q.End.Unix(); at += period {
		var in []metrics.Datum
		for _, d := range o.data {
			if d.Region != q.Region || d.Metric.String() != q.Metric.String() || q.Unit != "" && q.Unit != d.Unit {
				continue
			}
			w := width(m, d.At.Unix())
			if w != 0 && d.Resolution != 1 {
				w = max(w, 60)
			}
			if w == 0 || period%w != 0 {
				continue
			}
			if t := d.At.Unix() / w * w; t >= at && t < at+period {
				in = append(in, d)
			}
		}
		if v, n, ok := naive(in, st); ok {
			points = append(points, metrics.Point{At: time.Unix(at, 0).UTC(), Value: v, Samples: n})
		}
	}
	return points
}

// naive computes a statistic from a list of all values.
func naive(in []metrics.Datum, st metrics.Statistic) (v, n float64, ok bool) {
	var all metrics.Stats
	var values []float64
	known := true
	for _, d := range in {
		all.Add(d.Stats)
		switch {
		case len(d.Values) > 0:
			for i, v := range d.Values {
				values = append(values, slices.Repeat([]float64{v}, int(d.Counts[i]))...)
			}
		case d.Count == 1 || d.Min == d.Max:
			values = append(values, slices.Repeat([]float64{d.Min}, int(d.Count))...)
		default:
			known = false
		}
	}
	if all.Count == 0 {
		return 0, 0, false
	}
	switch st.Function {
	case metrics.SampleCount:
		return all.Count, all.Count, true
	case metrics.Sum:
		return all.Sum, all.Count, true
	case metrics.Average:
		return all.Sum / all.Count, all.Count, true
	case metrics.Minimum:
		return all.Min, all.Count, true
	case metrics.Maximum:
		return all.Max, all.Count, true
	}
	if !known || all.Min < 0 {
		return 0, 0, false
	}
	slices.Sort(values)
	v, ok = naiveOfValues(values, st)
	return v, all.Count, ok
}

func naiveOfValues(values []float64, st metrics.Statistic) (float64, bool) {
	n := float64(len(values))
	if st.Function == metrics.Percentile {
		return values[max(int(math.Ceil(n*st.High/100-1e-9)), 1)-1], true
	}
	var in, all []float64
	from, to := int(math.Floor(n*st.Low/100+1e-9)), int(math.Ceil(n*st.High/100-1e-9))
	for i, v := range values {
		inside := v > st.Low && v <= st.High
		low, high := st.Low, st.High
		if st.Percent {
			inside = i >= from && i < to
			low, high = values[from], values[to-1]
		}
		switch {
		case inside:
			in, all = append(in, v), append(all, v)
		case st.Percent && i < from || !st.Percent && v <= st.Low:
			all = append(all, low)
		default:
			all = append(all, high)
		}
	}
	switch st.Function {
	case metrics.TrimmedCount:
		return float64(len(in)), true
	case metrics.TrimmedSum:
		return total(in), true
	case metrics.PercentileRank:
		return 100 * float64(len(in)) / n, true
	case metrics.WinsorizedMean:
		return total(all) / n, true
	default:
		return total(in) / float64(len(in)), len(in) > 0
	}
}

func total(values []float64) (sum float64) {
	for _, v := range values {
		sum += v
	}
	return sum
}
