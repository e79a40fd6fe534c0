package expr

import (
	"math"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/metrics"
)

// Kind is what sort of value it is.
type Kind int

// The kinds of values.
const (
	Scalar     Kind = iota // S
	TimeSeries             // TS
	Array                  // TS[]
)

// String names the kind as CloudWatch's errors do.
func (k Kind) String() string { return [...]string{"Scalar", "TimeSeries", "Array[TimeSeries]"}[k] }

// Series are points over time. Those of the members of an array keep the ID and the label of what they were made of.
type Series struct {
	ID     string // of the query
	Label  string
	Period time.Duration
	Points []metrics.Point // by time, the oldest first; what is computed has no Samples
}

// Value is what an expression comes to.
type Value struct {
	Kind   Kind
	Number float64  // of a Scalar
	Known  bool     // false for a Scalar that has no value, such as the average of no points
	Series []Series // of a TimeSeries one, of an Array any number
}

// Number is a scalar, not known if it is not finite.
func Number(v float64) Value {
	if !finite(v) {
		return Value{Kind: Scalar}
	}
	return Value{Kind: Scalar, Number: unsigned(v), Known: true}
}

// One is the value of a single series.
func One(s Series) Value { return Value{Kind: TimeSeries, Series: []Series{s}} }

// Many is the value of an array of series.
func Many(all []Series) Value { return Value{Kind: Array, Series: all} }

// Result gives the series of a value that is the result of a query; a number is an error.
func (v Value) Result() ([]Series, error) {
	if v.Kind == Scalar {
		return nil, &Error{Message: "The expression must return a time series or an array of time series, not a scalar"}
	}
	return v.Series, nil
}

// Env is what an expression is computed in.
type Env struct {
	// Results are the values of other queries, by id.
	Results map[string]Value
	// Metrics are the series of those queries that are metrics, for METRICS(), in the order of the request.
	Metrics []Series
	// Start (inclusive), End (exclusive) and Period are those of the request: what TIME_SERIES covers, and FILL.
	Start, End time.Time
	Period     time.Duration
	// Search resolves a search; nil where there can be none.
	Search func(*Search) ([]Series, error)
}

// unsigned makes -0, which nobody expects, a plain 0.
func unsigned(v float64) float64 {
	if v == 0 {
		return 0
	}
	return v
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// clean makes the points of a series what everything here relies on: finite, ordered, one for a time (the last).
func clean(s Series) Series {
	fine := true
	for i, p := range s.Points {
		fine = fine && finite(p.Value) && (i == 0 || s.Points[i-1].At.Before(p.At))
	}
	if fine {
		return s
	}
	points := slices.DeleteFunc(slices.Clone(s.Points), func(p metrics.Point) bool { return !finite(p.Value) })
	slices.SortStableFunc(points, func(p, q metrics.Point) int { return p.At.Compare(q.At) })
	kept := points[:0]
	for _, p := range points {
		if n := len(kept); n > 0 && kept[n-1].At.Equal(p.At) {
			kept[n-1] = p
			continue
		}
		kept = append(kept, p)
	}
	s.Points = kept
	return s
}

// cleanAll cleans the members of a value that comes from outside.
func cleanAll(v Value) Value {
	series := make([]Series, len(v.Series))
	for i, s := range v.Series {
		series[i] = clean(s)
	}
	v.Series = series
	if v.Kind == Scalar && v.Known {
		return Number(v.Number)
	}
	v.Number = 0
	return v
}

// with gives the series other points, which become its own: those that are finite.
func (s Series) with(points []metrics.Point) Series {
	s.Points = slices.DeleteFunc(points, func(p metrics.Point) bool { return !finite(p.Value) })
	for i := range s.Points {
		s.Points[i].Value = unsigned(s.Points[i].Value)
	}
	return s
}

// each computes a value of each point.
func (s Series) each(f func(float64) float64) Series {
	points := make([]metrics.Point, len(s.Points))
	for i, p := range s.Points {
		points[i] = metrics.Point{At: p.At, Value: f(p.Value)}
	}
	return s.with(points)
}

// perSeries computes a series of each one of a TS or TS[].
func (v Value) perSeries(f func(Series) Series) Value {
	series := make([]Series, len(v.Series))
	for i, s := range v.Series {
		series[i] = f(s)
	}
	return Value{Kind: v.Kind, Series: series}
}
