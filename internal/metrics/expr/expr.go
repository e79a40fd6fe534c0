// Package expr is metric math: expressions over series of points, as in GetMetricData, alarms and scaling policies ("Using
// metric math", "CloudWatch search expression syntax"). It is pure: who asks has read the metrics, and finds what a SEARCH
// means.
//
//	or      = and { ( "OR" | "||" ) and }
//	and     = compare { ( "AND" | "&&" ) compare }
//	compare = sum { ( "==" | "!=" | "<=" | ">=" | "<" | ">" ) sum }
//	sum     = product { ( "+" | "-" ) product }
//	product = minus { ( "*" | "/" ) minus }
//	minus   = "-" minus | power
//	power   = single [ "^" minus ]
//	single  = NUMBER | STRING | ID | "(" or ")" | "[" or { "," or } "]" | FUNCTION "(" [ or { "," or } ] ")"
//
// A value is a number (S), a series (TS) or an array of series (TS[]). Series are joined by the times of their points.
//
// Where the user guide and CloudWatch differ, or the guide is silent, this package decides:
//   - Arithmetic has a point where both series have one. The guide speaks of 0 for a missing one, which CloudWatch does not
//     do. Comparisons and AND and OR do take it for 0, as the guide's examples have it.
//   - What is not a finite number is no point: a division by zero, a logarithm of 0. A number that is not known, such as
//     the average of no points, makes everything unknown that is made of it.
//   - AVG of an array divides by the number of its series, STDDEV is that of a population.
//   - Functions for each time without gaps (TIME_SERIES, FILL, HOUR …) cover the range and period of the request, in step
//     with the points that there are.
package expr

import (
	"fmt"
	"slices"
	"unicode/utf8"
)

// Limits of expressions and of what they come to.
const (
	MaxLength = 2048   // characters of an expression ("MetricDataQuery")
	MaxSeries = 500    // of an array
	MaxPoints = 100800 // of a series ("GetMetricData")
)

// Expr is a parsed expression. It never changes and may be used from several goroutines.
type Expr struct {
	root     node
	refs     []string
	searches []*Search
	all      bool // it has METRICS()
}

// Error says what is wrong with an expression, in the words of a ValidationError.
type Error struct {
	ID       string // of the query; "" if it is not known
	Position int    // of the character, counted from 1; 0 where the whole is meant
	Message  string
}

// Error gives "Error in expression 'e1': message".
func (e *Error) Error() string {
	text := e.Message
	if e.Position > 0 {
		text += fmt.Sprintf(" at position %d", e.Position)
	}
	if e.ID == "" {
		return "Error in expression: " + text
	}
	return fmt.Sprintf("Error in expression '%s': %s", e.ID, text)
}

// Parse reads an expression. The error is an *Error without ID.
func Parse(text string) (*Expr, error) {
	if !utf8.ValidString(text) {
		return nil, &Error{Message: "Invalid syntax: not UTF-8"}
	}
	if n := utf8.RuneCountInString(text); n > MaxLength {
		return nil, &Error{Message: fmt.Sprintf("Invalid syntax: %d characters, of at most %d", n, MaxLength)}
	}
	p := &parser{lex: lexer{src: text}}
	root, err := p.parse()
	if err != nil {
		return nil, err
	}
	return &Expr{root: root, refs: p.refs, searches: p.searches, all: p.all}, nil
}

// Refs are the ids of the metrics and expressions that it names, each once, in the order of the text. What METRICS()
// means is not among them.
func (e *Expr) Refs() []string { return slices.Clone(e.refs) }

// UsesMetrics says whether it has METRICS(): it depends on all metrics of the request.
func (e *Expr) UsesMetrics() bool { return e.all }

// Searches are the searches that it has, for whom will be asked to resolve them (Env.Search).
func (e *Expr) Searches() []*Search { return slices.Clone(e.searches) }

// Eval computes the expression. The error is an *Error without ID, or one of Env.Search. The same environment always
// gives the same value; it is only read.
func (e *Expr) Eval(env *Env) (Value, error) {
	v, err := e.root.eval(env)
	if err != nil {
		return Value{}, err
	}
	return v, nil
}
