package expr

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Plan is a list of queries that was found to be in order, with their expressions parsed.
type Plan struct {
	queries []model.MetricQuery
	steps   []Step // each after those that it needs
}

// QueryError says what is wrong with a list of queries, in the words of a ValidationError.
type QueryError struct{ Message string }

// Error gives the message.
func (e *QueryError) Error() string { return e.Message }

func invalid(format string, args ...any) error { return &QueryError{fmt.Sprintf(format, args...)} }

// Step is one query of a plan.
type Step struct {
	Query model.MetricQuery
	Expr  *Expr // nil for a metric
}

// NewPlan checks the queries of a request ("MetricDataQuery"): their ids, that each is a metric or an expression, that
// the expressions can be read and name only ids that there are, and that none depends on itself. The error is a *QueryError
// or an *Error, its text the message of a ValidationError.
func NewPlan(queries []model.MetricQuery) (*Plan, error) {
	p := &Plan{queries: slices.Clone(queries)}
	steps := make(map[string]Step, len(queries))
	for i, q := range queries {
		if err := checkID(q, i); err != nil {
			return nil, err
		}
		if _, twice := steps[q.ID]; twice {
			return nil, invalid("The values for parameter id in MetricDataQueries are not unique.")
		}
		step, err := stepOf(q)
		if err != nil {
			return nil, err
		}
		steps[q.ID] = step
	}
	order := &ordering{steps: steps, done: map[string]bool{}}
	for _, q := range queries { // metrics first: METRICS() needs all of them
		if q.Metric != nil {
			order.add(q.ID)
		}
	}
	for _, q := range queries {
		if err := order.visit(q.ID, nil); err != nil {
			return nil, err
		}
	}
	p.steps = order.sorted
	return p, nil
}

func checkID(q model.MetricQuery, i int) error {
	pattern := regexp.MustCompile(`^[a-z][a-zA-Z0-9_]*$`)
	switch {
	case !pattern.MatchString(q.ID):
		return invalid("The value %s for parameter MetricDataQueries.member.%d.Id is not matching the expected pattern %s.",
			q.ID, i+1, pattern)
	case len(q.ID) > 255:
		return invalid("The value for parameter MetricDataQueries.member.%d.Id is longer than 255 characters.", i+1)
	case (q.Metric == nil) == (q.Expression == ""):
		return invalid("The parameters MetricDataQueries.member.%d.MetricStat and MetricDataQueries.member.%d.Expression "+
			"are mutually exclusive and you have to specify exactly one of them.", i+1, i+1)
	}
	return nil
}

func stepOf(q model.MetricQuery) (Step, error) {
	if q.Metric != nil {
		return Step{Query: q}, nil
	}
	e, err := Parse(q.Expression)
	return Step{Query: q, Expr: e}, in(q.ID, err)
}

// in says in which query an error was.
func in(id string, err error) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	named := *e
	named.ID = id
	return &named
}

// ordering puts queries behind those that they need.
type ordering struct {
	steps  map[string]Step
	done   map[string]bool
	sorted []Step
}

func (o *ordering) add(id string) {
	o.done[id] = true
	o.sorted = append(o.sorted, o.steps[id])
}

// visit adds a query after what it needs; path are those that need it.
func (o *ordering) visit(id string, path []string) error {
	if o.done[id] {
		return nil
	}
	if i := slices.Index(path, id); i >= 0 {
		return &Error{ID: id, Message: "Circular reference: " + strings.Join(append(path[i:], id), " -> ")}
	}
	for _, needed := range o.steps[id].Expr.refs {
		if _, ok := o.steps[needed]; !ok {
			return &Error{ID: id, Message: fmt.Sprintf("Metric or expression '%s' not found", needed)}
		}
		if err := o.visit(needed, append(path, id)); err != nil {
			return err
		}
	}
	o.add(id)
	return nil
}

// Steps are the queries in the order in which they can be computed, the metrics first.
func (p *Plan) Steps() []Step { return slices.Clone(p.steps) }

// Period is the shortest period of the queries, 0 if none has one: that of series which are made of numbers.
func (p *Plan) Period() time.Duration {
	shortest := 0
	for _, q := range p.queries {
		if q.Period > 0 && (shortest == 0 || q.Period < shortest) {
			shortest = q.Period
		}
	}
	return time.Duration(shortest) * time.Second
}

// Returned is the id of the only query that is not hidden, as alarms and scaling policies want it.
func (p *Plan) Returned() (string, error) {
	var shown []string
	for _, q := range p.queries {
		if !q.Hidden {
			shown = append(shown, q.ID)
		}
	}
	if len(shown) != 1 {
		return "", invalid("Exactly one element of the metrics list should return data.")
	}
	return shown[0], nil
}

// Evaluate computes all queries: data has the series of those that are metrics, by id, and env the range of the request.
// The results are the series of each query by id, several where an expression comes to an array. A single series has the
// id and the label of its query; the members of an array have those of what they were made of, the label with that of the
// query before it, if it has one ("Adding a math expression to a CloudWatch graph"). env and data are only read.
func (p *Plan) Evaluate(env Env, data map[string]Series) (map[string][]Series, error) {
	if env.Period == 0 {
		env.Period = p.Period()
	}
	env.Results, env.Metrics = make(map[string]Value, len(p.steps)), nil
	for _, q := range p.queries {
		if q.Metric != nil {
			s := data[q.ID]
			s.ID, s.Label = q.ID, label(s.Label, q)
			env.Results[q.ID] = One(clean(s))
			env.Metrics = append(env.Metrics, clean(s))
		}
	}
	results := make(map[string][]Series, len(p.steps))
	for _, step := range p.steps {
		series, err := step.evaluate(&env)
		if err != nil {
			return nil, in(step.Query.ID, err)
		}
		results[step.Query.ID] = series
	}
	return results, nil
}

func (s Step) evaluate(env *Env) ([]Series, error) {
	q := s.Query
	if s.Expr == nil {
		return env.Results[q.ID].Series, nil
	}
	v, err := s.Expr.Eval(env)
	if err != nil {
		return nil, err
	}
	if v.Kind == TimeSeries {
		one := v.Series[0]
		one.ID, one.Label = q.ID, label("", q)
		v = One(one)
	}
	env.Results[q.ID] = v
	series, err := v.Result()
	if v.Kind != Array || q.Label == "" {
		return series, err
	}
	labelled := slices.Clone(series)
	for i := range labelled {
		labelled[i].Label = q.Label + " " + labelled[i].Label
	}
	return labelled, nil
}

// label is the label of a query: the one it has, one that its series has, or its id.
func label(of string, q model.MetricQuery) string {
	switch {
	case q.Label != "":
		return q.Label
	case of != "":
		return of
	}
	return q.ID
}
