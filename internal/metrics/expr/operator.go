package expr

import (
	"iter"
	"math"
	"time"

	"github.com/maitred/maitred/internal/metrics"
)

// operator is an operator between two values.
type operator struct {
	name string
	of   func(a, b float64) float64
	zero bool // a missing point counts as 0, if the other series has one
}

// operatorOf finds an operator by the way it is written.
func operatorOf(name string) operator {
	switch name {
	case "+":
		return operator{name, func(a, b float64) float64 { return a + b }, false}
	case "-":
		return operator{name, func(a, b float64) float64 { return a - b }, false}
	case "*":
		return operator{name, func(a, b float64) float64 { return a * b }, false}
	case "/":
		return operator{name, func(a, b float64) float64 { return a / b }, false}
	case "^":
		return operator{name, math.Pow, false}
	case "AND", "&&":
		return logical("AND", func(a, b float64) bool { return a != 0 && b != 0 })
	case "OR", "||":
		return logical("OR", func(a, b float64) bool { return a != 0 || b != 0 })
	}
	return comparison(name)
}

func comparison(name string) operator {
	switch name {
	case "==":
		return logical(name, func(a, b float64) bool { return a == b })
	case "!=":
		return logical(name, func(a, b float64) bool { return a != b })
	case "<":
		return logical(name, func(a, b float64) bool { return a < b })
	case "<=":
		return logical(name, func(a, b float64) bool { return a <= b })
	case ">":
		return logical(name, func(a, b float64) bool { return a > b })
	}
	return logical(name, func(a, b float64) bool { return a >= b })
}

func logical(name string, holds func(a, b float64) bool) operator {
	return operator{name, func(a, b float64) float64 {
		if holds(a, b) {
			return 1
		}
		return 0
	}, true}
}

// apply computes a value of two. Arrays go with numbers and single series.
func (o operator) apply(left, right Value) (Value, error) {
	switch {
	case left.Kind == Array && right.Kind == Array:
		return Value{}, wrong("Unsupported operand type(s) for %s: '[%s, %s]'", o.name, left.Kind, right.Kind)
	case left.Kind == Scalar && right.Kind == Scalar:
		if !left.Known || !right.Known {
			return Value{Kind: Scalar}, nil
		}
		return Number(o.of(left.Number, right.Number)), nil
	case left.Kind == Scalar:
		return right.perSeries(func(s Series) Series { return o.withNumber(s, left, true) }), nil
	case right.Kind == Scalar:
		return left.perSeries(func(s Series) Series { return o.withNumber(s, right, false) }), nil
	case right.Kind == Array:
		return right.perSeries(func(s Series) Series { return named(o.join(left.Series[0], s), s) }), nil
	}
	return left.perSeries(func(s Series) Series { return named(o.join(s, right.Series[0]), s) }), nil
}

// named gives a result the name of the member of an array that it was made of.
func named(s, of Series) Series {
	s.ID, s.Label = of.ID, of.Label
	return s
}

func (o operator) withNumber(s Series, n Value, onTheLeft bool) Series {
	switch {
	case !n.Known:
		return s.with(nil)
	case onTheLeft:
		return s.each(func(v float64) float64 { return o.of(n.Number, v) })
	}
	return s.each(func(v float64) float64 { return o.of(v, n.Number) })
}

// join goes through the points of two series by time.
func (o operator) join(a, b Series) Series {
	var points []metrics.Point
	for t, p := range pairs(a.Points, b.Points) {
		if p.a != nil && p.b != nil || o.zero {
			points = append(points, metrics.Point{At: t, Value: o.of(valueOf(p.a), valueOf(p.b))})
		}
	}
	return Series{Period: max(a.Period, b.Period)}.with(points)
}

// pair are the points of two series at one time; nil is none.
type pair struct{ a, b *metrics.Point }

func valueOf(p *metrics.Point) float64 {
	if p == nil {
		return 0
	}
	return p.Value
}

// pairs yields the times at which one of two series has a point.
func pairs(a, b []metrics.Point) iter.Seq2[time.Time, pair] {
	return func(yield func(time.Time, pair) bool) {
		for len(a) > 0 || len(b) > 0 {
			var at time.Time
			var p pair
			takeA := len(b) == 0 || len(a) > 0 && !a[0].At.After(b[0].At)
			takeB := len(a) == 0 || len(b) > 0 && !b[0].At.After(a[0].At)
			if takeA {
				at, p.a, a = a[0].At, &a[0], a[1:]
			}
			if takeB {
				at, p.b, b = b[0].At, &b[0], b[1:]
			}
			if !yield(at, p) {
				return
			}
		}
	}
}
