package expr

import (
	"time"

	"github.com/maitred/maitred/internal/metrics"
)

// between makes a series of what lies between each point and the one before.
func between(s Series, f func(p, before metrics.Point) float64) Series {
	var points []metrics.Point
	for i := 1; i < len(s.Points); i++ {
		points = append(points, metrics.Point{At: s.Points[i].At, Value: f(s.Points[i], s.Points[i-1])})
	}
	return s.with(points)
}

func difference(s Series) Series {
	return between(s, func(p, before metrics.Point) float64 { return p.Value - before.Value })
}

func timeBetween(s Series) Series {
	return between(s, func(p, before metrics.Point) float64 { return p.At.Sub(before.At).Seconds() })
}

func rate(s Series) Series {
	return between(s, func(p, before metrics.Point) float64 {
		return (p.Value - before.Value) / p.At.Sub(before.At).Seconds()
	})
}

func runningSum(s Series) Series {
	total := 0.0
	return s.each(func(v float64) float64 {
		total += v
		return total
	})
}

// timesOf are the times of a series without gaps: the range of the request in steps of the series' period, in step with
// the points that it has. Without a range it begins and ends with its points.
func timesOf(env *Env, s Series) ([]time.Time, error) {
	step := s.Period
	if step <= 0 {
		step = env.Period
	}
	start, stop := env.Start, env.End
	if n := len(s.Points); n > 0 {
		first, last := s.Points[0].At, s.Points[n-1].At
		if start.IsZero() {
			start = first
		}
		if stop.IsZero() {
			stop = last.Add(1)
		}
		if step > 0 { // in step: as far after start as the points are after a multiple of the step
			start = start.Add((first.Sub(start)%step + step) % step)
		}
	}
	switch {
	case step <= 0 || !start.Before(stop):
		return nil, nil
	case (stop.Sub(start)-1)/step >= MaxPoints:
		return nil, wrong("A time series has at most %d points", MaxPoints)
	}
	var times []time.Time
	for t := start; t.Before(stop); t = t.Add(step) {
		times = append(times, t)
	}
	return times, nil
}

// calendar gives what a clock and a calendar in UTC show at each time of a series.
func calendar(env *Env, what string, s Series) Series {
	times, _ := timesOf(env, s) // the caller has checked that there are not too many
	points := make([]metrics.Point, len(times))
	for i, t := range times {
		points[i] = metrics.Point{At: t, Value: float64(shown(what, t.UTC()))}
	}
	return s.with(points)
}

func shown(what string, t time.Time) int64 {
	switch what {
	case "MINUTE":
		return int64(t.Minute())
	case "HOUR":
		return int64(t.Hour())
	case "DAY": // Monday is 1, Sunday 7
		return int64((t.Weekday()+6)%7) + 1
	case "DATE":
		return int64(t.Day())
	case "MONTH":
		return int64(t.Month())
	case "YEAR":
		return int64(t.Year())
	}
	return t.Unix()
}

// timeSeries makes a series of a number.
func timeSeries(env *Env, c *call) (Value, error) {
	v, err := c.arg(env, 0, Scalar)
	if err != nil {
		return Value{}, err
	}
	s := Series{Period: env.Period}
	times, err := timesOf(env, s)
	if err != nil || !v.Known {
		return One(s), err
	}
	for _, t := range times {
		s.Points = append(s.Points, metrics.Point{At: t, Value: v.Number})
	}
	return One(s), nil
}
