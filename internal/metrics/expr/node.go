package expr

import (
	"fmt"
	"strings"
)

// node is a part of an expression.
type node interface {
	eval(env *Env) (Value, error)
}

type (
	constant float64
	ref      string
	text     string
	keyword  string // REPEAT, DESC …
	array    []node
	negation struct{ of node }
	binary   struct {
		op          operator
		left, right node
	}
	call struct {
		name string
		args []node
		run  func(env *Env, c *call) (Value, error)
	}
	searching struct{ query *Search }
)

func wrong(format string, args ...any) error { return &Error{Message: fmt.Sprintf(format, args...)} }

func (n constant) eval(*Env) (Value, error) { return Number(float64(n)), nil }

func (n ref) eval(env *Env) (Value, error) {
	v, ok := env.Results[string(n)]
	if !ok {
		return Value{}, wrong("Metric or expression '%s' not found", string(n))
	}
	return cleanAll(v), nil
}

func (n text) eval(*Env) (Value, error) {
	return Value{}, wrong("Invalid syntax: the string '%s' is not an argument of METRICS or SEARCH", string(n))
}

func (n keyword) eval(*Env) (Value, error) {
	return Value{}, wrong("Invalid syntax: '%s' cannot stand here", string(n))
}

// eval makes one array of series and arrays.
func (n array) eval(env *Env) (Value, error) {
	var all []Series
	for _, member := range n {
		v, err := member.eval(env)
		if err != nil {
			return Value{}, err
		}
		if v.Kind == Scalar {
			return Value{}, wrong("An array has time series, not scalars")
		}
		if all = append(all, v.Series...); len(all) > MaxSeries {
			return Value{}, tooMany()
		}
	}
	return Many(all), nil
}

func tooMany() error { return wrong("An array has at most %d time series", MaxSeries) }

func (n *negation) eval(env *Env) (Value, error) {
	v, err := n.of.eval(env)
	if err != nil {
		return Value{}, err
	}
	return v.map1(func(x float64) float64 { return -x }), nil
}

// map1 computes a value of each number in v.
func (v Value) map1(f func(float64) float64) Value {
	if v.Kind != Scalar {
		return v.perSeries(func(s Series) Series { return s.each(f) })
	}
	if !v.Known {
		return v
	}
	return Number(f(v.Number))
}

func (n *binary) eval(env *Env) (Value, error) {
	left, err := n.left.eval(env)
	if err != nil {
		return Value{}, err
	}
	right, err := n.right.eval(env)
	if err != nil {
		return Value{}, err
	}
	return n.op.apply(left, right)
}

func (c *call) eval(env *Env) (Value, error) { return c.run(env, c) }

// arg computes an argument and checks its kind.
func (c *call) arg(env *Env, i int, kinds ...Kind) (Value, error) {
	v, err := c.args[i].eval(env)
	if err != nil {
		return Value{}, err
	}
	names := make([]string, len(kinds))
	for j, k := range kinds {
		if v.Kind == k {
			return v, nil
		}
		names[j] = k.String()
	}
	return Value{}, wrong("Function '%s': argument %d is of type %s, not %s", c.name, i+1, v.Kind, strings.Join(names, " or "))
}

// word gives an argument that is one of some words.
func (c *call) word(i int, words ...string) (string, error) {
	k, _ := c.args[i].(keyword)
	for _, w := range words {
		if string(k) == w {
			return w, nil
		}
	}
	return "", wrong("Function '%s': argument %d must be %s", c.name, i+1, strings.Join(words, " or "))
}

func (n *searching) eval(env *Env) (Value, error) {
	if env.Search == nil {
		return Value{}, wrong("SEARCH is not supported here")
	}
	found, err := env.Search(n.query)
	if err != nil {
		return Value{}, err
	}
	if len(found) > MaxSeries {
		found = found[:MaxSeries]
	}
	return cleanAll(Many(found)), nil
}
