package expr

import (
	"time"

	"github.com/maitred/maitred/internal/metrics"
)

// filler gives the value of a time without a point, between the points before and after it, which are nil at the ends.
// false leaves it missing.
type filler func(t time.Time, before, after *metrics.Point) (float64, bool)

// fill fills the missing points of series: with a number, the points of another series, the last value (REPEAT), or
// values on the line between the points on both sides (LINEAR).
func fill(env *Env, c *call) (Value, error) {
	v, err := c.arg(env, 0, TimeSeries, Array)
	if err != nil {
		return Value{}, err
	}
	with, err := c.filler(env)
	if err != nil {
		return Value{}, err
	}
	filled := make([]Series, len(v.Series))
	for i, s := range v.Series {
		times, err := timesOf(env, s)
		if err != nil {
			return Value{}, err
		}
		filled[i] = s.with(fillPoints(s.Points, times, with))
	}
	return Value{Kind: v.Kind, Series: filled}, nil
}

func (c *call) filler(env *Env) (filler, error) {
	if k, ok := c.args[1].(keyword); ok {
		switch k {
		case "REPEAT":
			return repeat, nil
		case "LINEAR":
			return linear, nil
		}
	}
	v, err := c.arg(env, 1, Scalar, TimeSeries)
	if err != nil {
		return nil, err
	}
	at := lookup(v)
	return func(t time.Time, _, _ *metrics.Point) (float64, bool) { return at(t) }, nil
}

func repeat(_ time.Time, before, _ *metrics.Point) (float64, bool) {
	if before == nil {
		return 0, false
	}
	return before.Value, true
}

func linear(t time.Time, before, after *metrics.Point) (float64, bool) {
	if before == nil || after == nil {
		return 0, false
	}
	part := float64(t.Sub(before.At)) / float64(after.At.Sub(before.At))
	return before.Value*(1-part) + after.Value*part, true
}

// fillPoints adds to points those that are missing at some times.
func fillPoints(points []metrics.Point, times []time.Time, with filler) []metrics.Point {
	missing := make([]metrics.Point, len(times))
	for i, t := range times {
		missing[i].At = t
	}
	var filled []metrics.Point
	var before *metrics.Point
	next := 0
	for t, p := range pairs(points, missing) {
		if p.a != nil {
			before = p.a
			next++
			filled = append(filled, metrics.Point{At: t, Value: p.a.Value})
			continue
		}
		var after *metrics.Point
		if next < len(points) {
			after = &points[next]
		}
		if v, ok := with(t, before, after); ok {
			filled = append(filled, metrics.Point{At: t, Value: v})
		}
	}
	return filled
}
