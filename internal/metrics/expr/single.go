package expr

import (
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/metrics"
)

// Single says why a plan does not come to one series, as alarms and scaling policies want it: it has a SEARCH, which may find
// any number, it gives an array of several, or it cannot be computed at all. What kind a value is may depend on what was
// measured (IF with a condition that is a number): a plan that can be computed at times is let pass. The error is a
// *QueryError or an *Error, its text the message of a ValidationError.
func (p *Plan) Single() error {
	id, err := p.Returned()
	if err != nil {
		return err
	}
	for _, step := range p.steps {
		if step.Expr != nil && len(step.Expr.searches) > 0 {
			return &Error{ID: step.Query.ID, Message: "SEARCH is not supported where one time series is looked at"}
		}
	}
	failed, computed := error(nil), false
	for _, values := range trials() {
		results, err := p.try(values)
		switch {
		case err == nil && len(results[id]) != 1:
			return &Error{ID: id, Message: fmt.Sprintf("It must return a single time series, not an array of %d", len(results[id]))}
		case err == nil:
			computed = true
		case failed == nil:
			failed = err
		}
	}
	if computed {
		return nil
	}
	return failed
}

// trials are what might have been measured.
func trials() [][]float64 {
	return [][]float64{{1, 2, 3}, {3, 2, 1}, {0, 0, 0}, {}, {-1e9, -1e9, -1e9}, {1e9, 1e9, 1e9}}
}

// try computes the plan of metrics with some values.
func (p *Plan) try(values []float64) (map[string][]Series, error) {
	step := p.Period()
	if step == 0 {
		step = time.Minute
	}
	start := time.Unix(0, 0).UTC()
	points := make([]metrics.Point, 0, len(values))
	for i, v := range values {
		points = append(points, metrics.Point{At: start.Add(time.Duration(i) * step), Value: v})
	}
	data := map[string]Series{}
	for _, q := range p.queries {
		if q.Metric != nil {
			data[q.ID] = Series{Period: time.Duration(q.Period) * time.Second, Points: points}
		}
	}
	return p.Evaluate(Env{Start: start, End: start.Add(3 * step)}, data)
}
