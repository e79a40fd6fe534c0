package expr

import (
	"time"

	"github.com/maitred/maitred/internal/metrics"
)

// choose is IF: where a condition is not 0 the second argument, else the third ("Using IF expressions"). Where the
// condition holds and the second has no point the result is 0; where it does not and the third has none, or was not
// given, there is no point.
func choose(env *Env, c *call) (Value, error) {
	var arg [3]Value
	for i := range c.args {
		v, err := c.arg(env, i, Scalar, TimeSeries)
		if err != nil {
			return Value{}, err
		}
		arg[i] = v
	}
	otherwise := len(c.args) == 3
	if arg[0].Kind == Scalar {
		return chosen(env, arg, otherwise), nil
	}
	condition := arg[0].Series[0]
	then, other := lookup(arg[1]), lookup(arg[2])
	var points []metrics.Point
	for _, p := range condition.Points {
		value, ok := then(p.At)
		ok = ok || arg[1].Kind == TimeSeries
		if p.Value == 0 {
			value, ok = other(p.At)
			ok = ok && otherwise
		}
		if ok {
			points = append(points, metrics.Point{At: p.At, Value: value})
		}
	}
	longest := condition.Period
	for _, v := range arg[1:] {
		for _, s := range v.Series {
			longest = max(longest, s.Period)
		}
	}
	return One(Series{Period: longest}.with(points)), nil
}

// chosen decides for all times at once.
func chosen(env *Env, arg [3]Value, otherwise bool) Value {
	switch {
	case !arg[0].Known:
	case arg[0].Number != 0:
		return arg[1]
	case otherwise:
		return arg[2]
	}
	return One(Series{Period: env.Period})
}

// lookup finds the value of a number or a series at a time; 0 and false if there is none.
func lookup(v Value) func(time.Time) (float64, bool) {
	if v.Kind == Scalar {
		return func(time.Time) (float64, bool) { return v.Number, v.Known }
	}
	at := map[int64]float64{}
	for _, p := range v.Series[0].Points {
		at[p.At.UnixNano()] = p.Value
	}
	return func(t time.Time) (float64, bool) {
		value, ok := at[t.UnixNano()]
		return value, ok
	}
}
