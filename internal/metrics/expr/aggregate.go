package expr

import (
	"math"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/metrics"
)

// aggregate makes a number of a series, and a series of an array.
func aggregate(env *Env, c *call) (Value, error) {
	v, err := c.arg(env, 0, TimeSeries, Array)
	if err != nil {
		return Value{}, err
	}
	if v.Kind == TimeSeries {
		return summary(c.name, v.Series[0]), nil
	}
	return One(across(c.name, v.Series, env.Period)), nil
}

// summary is a statistic of the points of a series; not known without points, but for sums and counts.
func summary(name string, s Series) Value {
	values := make([]float64, len(s.Points))
	for i, p := range s.Points {
		values[i] = p.Value
	}
	switch {
	case name == "DATAPOINT_COUNT":
		return Number(float64(len(values)))
	case len(values) == 0 && name != "SUM":
		return Value{Kind: Scalar}
	}
	return Number(statistic(name, values, len(values)))
}

// statistic is one of n values, of which those that are not given are 0.
func statistic(name string, values []float64, n int) float64 {
	switch name {
	case "SUM":
		return sum(values)
	case "AVG":
		return sum(values) / float64(n)
	case "MIN":
		return slices.Min(values)
	case "MAX":
		return slices.Max(values)
	case "STDDEV":
		return deviation(values)
	}
	return float64(len(values))
}

func sum(values []float64) (total float64) {
	for _, v := range values {
		total += v
	}
	return total
}

// deviation is the standard deviation of a population.
func deviation(values []float64) float64 {
	mean, squares := sum(values)/float64(len(values)), 0.0
	for _, v := range values {
		squares += (v - mean) * (v - mean)
	}
	return math.Sqrt(squares / float64(len(values)))
}

// across computes a statistic over series at each time at which one of them has a point.
func across(name string, all []Series, period time.Duration) Series {
	if len(all) > 0 {
		period = 0
	}
	at := map[int64][]float64{}
	var points []metrics.Point
	for _, s := range all {
		period = max(period, s.Period)
		for _, p := range s.Points {
			t := p.At.UnixNano()
			if at[t] == nil {
				points = append(points, metrics.Point{At: p.At})
			}
			at[t] = append(at[t], p.Value)
		}
	}
	slices.SortFunc(points, func(p, q metrics.Point) int { return p.At.Compare(q.At) })
	for i, p := range points {
		points[i].Value = statistic(name, at[p.At.UnixNano()], len(all))
	}
	return Series{Period: period}.with(points)
}
