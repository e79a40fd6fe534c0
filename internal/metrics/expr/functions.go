package expr

import (
	"fmt"
	"math"
	"slices"
	"strings"
)

// function is a function of the language, with how many arguments it takes.
type function struct {
	least, most int
	run         func(env *Env, c *call) (Value, error)
}

func (f function) takes() string {
	switch {
	case f.least == f.most && f.most == 0:
		return "no arguments"
	case f.least == f.most && f.most == 1:
		return "1 argument"
	case f.least == f.most:
		return fmt.Sprintf("%d arguments", f.most)
	}
	return fmt.Sprintf("%d to %d arguments", f.least, f.most)
}

// unsupported names the functions of CloudWatch that there are no data for.
func unsupported(name string) bool {
	return slices.Contains([]string{
		"ANOMALY_DETECTION_BAND", "INSIGHT_RULE_METRIC", "SERVICE_QUOTA", "DB_PERF_INSIGHTS", "LAMBDA",
	}, name)
}

// functionOf finds a function by name.
func functionOf(name string) (function, bool) {
	switch name {
	case "SUM", "AVG", "MIN", "MAX", "STDDEV", "DATAPOINT_COUNT":
		return function{1, 1, aggregate}, true
	case "ABS", "CEIL", "FLOOR", "LOG", "LOG10":
		return function{1, 1, ofEachNumber}, true
	case "RATE", "DIFF", "DIFF_TIME", "RUNNING_SUM", "MINUTE", "HOUR", "DAY", "DATE", "MONTH", "YEAR", "EPOCH":
		return function{1, 1, ofEachSeries}, true
	case "FIRST", "LAST", "METRIC_COUNT", "REMOVE_EMPTY":
		return function{1, 1, ofArray}, true
	case "IF":
		return function{2, 3, choose}, true
	case "FILL":
		return function{2, 2, fill}, true
	case "PERIOD":
		return function{1, 1, period}, true
	case "TIME_SERIES":
		return function{1, 1, timeSeries}, true
	case "METRICS":
		return function{0, 1, allMetrics}, true
	case "SORT":
		return function{3, 4, sorted}, true
	case "SLICE":
		return function{2, 3, slice}, true
	case "SEARCH":
		return function{2, 3, nil}, true // a node of its own
	}
	return function{}, false
}

func ofEachNumber(env *Env, c *call) (Value, error) {
	v, err := c.arg(env, 0, TimeSeries, Array, Scalar)
	if err != nil {
		return Value{}, err
	}
	switch c.name {
	case "ABS":
		return v.map1(math.Abs), nil
	case "CEIL":
		return v.map1(math.Ceil), nil
	case "FLOOR":
		return v.map1(math.Floor), nil
	case "LOG":
		return v.map1(math.Log), nil
	}
	return v.map1(math.Log10), nil
}

func ofEachSeries(env *Env, c *call) (Value, error) {
	v, err := c.arg(env, 0, TimeSeries, Array)
	if err != nil {
		return Value{}, err
	}
	switch c.name {
	case "RATE":
		return v.perSeries(rate), nil
	case "DIFF":
		return v.perSeries(difference), nil
	case "DIFF_TIME":
		return v.perSeries(timeBetween), nil
	case "RUNNING_SUM":
		return v.perSeries(runningSum), nil
	}
	for _, s := range v.Series {
		if _, err := timesOf(env, s); err != nil {
			return Value{}, err
		}
	}
	return v.perSeries(func(s Series) Series { return calendar(env, c.name, s) }), nil
}

func ofArray(env *Env, c *call) (Value, error) {
	v, err := c.arg(env, 0, Array, TimeSeries)
	if err != nil {
		return Value{}, err
	}
	switch c.name {
	case "METRIC_COUNT":
		return Number(float64(len(v.Series))), nil
	case "REMOVE_EMPTY":
		return Many(slices.DeleteFunc(slices.Clone(v.Series), func(s Series) bool { return len(s.Points) == 0 })), nil
	}
	switch {
	case len(v.Series) == 0:
		return One(Series{Period: env.Period}), nil
	case c.name == "FIRST":
		return One(v.Series[0]), nil
	}
	return One(v.Series[len(v.Series)-1]), nil
}

// period gives the period of a series in seconds.
func period(env *Env, c *call) (Value, error) {
	v, err := c.arg(env, 0, TimeSeries)
	if err != nil {
		return Value{}, err
	}
	return Number(v.Series[0].Period.Seconds()), nil
}

// allMetrics gives the metrics of the request, or those with a string in their ids.
func allMetrics(env *Env, c *call) (Value, error) {
	var part text
	if len(c.args) == 1 {
		var ok bool
		if part, ok = c.args[0].(text); !ok {
			return Value{}, wrong("Function 'METRICS': argument 1 must be a string")
		}
	}
	found := []Series{}
	for _, s := range env.Metrics {
		if strings.Contains(s.ID, string(part)) {
			found = append(found, s)
		}
	}
	if len(found) > MaxSeries {
		return Value{}, tooMany()
	}
	return cleanAll(Many(found)), nil
}

// sorted orders an array by a statistic of its series; those without points come last.
func sorted(env *Env, c *call) (Value, error) {
	v, err := c.arg(env, 0, Array)
	if err != nil {
		return Value{}, err
	}
	by, err := c.word(1, "AVG", "MIN", "MAX", "SUM")
	if err != nil {
		return Value{}, err
	}
	order, err := c.word(2, "ASC", "DESC")
	if err != nil {
		return Value{}, err
	}
	limit := len(v.Series)
	if len(c.args) == 4 {
		if limit, err = c.index(env, 3, len(v.Series)); err != nil {
			return Value{}, err
		}
	}
	series := slices.Clone(v.Series)
	slices.SortStableFunc(series, func(a, b Series) int { return compareSeries(a, b, by, order == "DESC") })
	return Many(series[:limit]), nil
}

func compareSeries(a, b Series, by string, descending bool) int {
	x, y := summary(by, a), summary(by, b)
	switch {
	case x.Known != y.Known && x.Known, x.Known && y.Known && (x.Number < y.Number) != descending && x.Number != y.Number:
		return -1
	case x.Known == y.Known && x.Number == y.Number:
		return 0
	}
	return 1
}

// index computes a whole number that counts the series of an array, at most most.
func (c *call) index(env *Env, i, most int) (int, error) {
	v, err := c.arg(env, i, Scalar)
	switch {
	case err != nil:
		return 0, err
	case !v.Known || v.Number < 0 || v.Number != math.Trunc(v.Number):
		return 0, wrong("Function '%s': argument %d must be a whole number, not negative", c.name, i+1)
	}
	return int(min(v.Number, float64(most))), nil
}

// slice gives the series of an array from a first one (inclusive, counted from 0) to a last one (exclusive).
func slice(env *Env, c *call) (Value, error) {
	v, err := c.arg(env, 0, Array)
	if err != nil {
		return Value{}, err
	}
	from, err := c.index(env, 1, len(v.Series))
	if err != nil {
		return Value{}, err
	}
	to := len(v.Series)
	if len(c.args) == 3 {
		if to, err = c.index(env, 2, len(v.Series)); err != nil {
			return Value{}, err
		}
	}
	return Many(v.Series[from:max(from, to)]), nil
}
