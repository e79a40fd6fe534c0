package scaler

import (
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
)

// Recent gives what an alarm measures, newest first: the points of as many of its newest whole periods as it evaluates, but
// not fewer than three. A composite alarm measures nothing. The error is that of a query that cannot be read.
func Recent(from metrics.Reader, a *model.Alarm, now time.Time) ([]float64, error) {
	period := a.Resolution()
	if a.Composite() || period <= 0 {
		return nil, nil
	}
	queries := a.Queries
	if a.Metric != nil {
		queries = []model.MetricQuery{{ID: "m", Metric: a.Metric, Statistic: a.Statistic, Unit: a.Unit, Period: a.Period}}
	}
	plan, err := planOf(queries)
	if err != nil {
		return nil, err
	}
	end := now.Truncate(period)
	points, err := ReadQueries(from, a.Region, queries, plan, end.Add(-period*time.Duration(max(3, a.EvaluationPeriods))), end)
	return newestValues(points), err
}

// Seconds gives what a target tracking policy measured in each of the last seconds that the fast lane reads, newest first.
// running is how many tasks run, for the seconds of which that is not known. The error is that of a query that cannot be read.
func Seconds(from metrics.Reader, p *model.ScalingPolicy, svc *model.Service, running int, now time.Time) (scaling.Series, error) {
	policy := fastOf(p, svc)
	plan, err := planOf(policy.queries)
	if err != nil {
		return scaling.Series{Policy: p.Name}, err
	}
	end := now.Truncate(time.Second)
	r := seconds{
		from: from, region: svc.Region, end: end, now: running,
		running: runningBySecond(from, svc.Region, ofService("RunningTaskCount", svc), end),
	}
	return r.of(&policy, plan)
}

// planOf is the metric math of queries, nil for a single metric.
func planOf(queries []model.MetricQuery) (*expr.Plan, error) {
	if len(queries) == 1 && queries[0].Metric != nil {
		return nil, nil
	}
	return expr.NewPlan(queries)
}

func newestValues(points []metrics.Point) (values []float64) {
	for _, p := range slices.Backward(points) {
		values = append(values, p.Value)
	}
	return values
}
