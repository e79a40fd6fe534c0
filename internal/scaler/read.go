package scaler

import (
	"fmt"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
)

// ReadQueries reads what queries come to from start to end: a metric, or metric math by its plan. Points are ordered by
// time.
func ReadQueries(
	from metrics.Reader, region string, queries []model.MetricQuery, plan *expr.Plan, start, end time.Time,
) ([]metrics.Point, error) {
	if plan == nil {
		return readMetric(from, region, queries[0], start, end)
	}
	series := map[string]expr.Series{}
	for _, q := range queries {
		if q.Metric == nil {
			continue
		}
		points, err := readMetric(from, region, q, start, end)
		if err != nil {
			return nil, err
		}
		series[q.ID] = expr.Series{ID: q.ID, Label: q.Label, Period: time.Duration(q.Period) * time.Second, Points: points}
	}
	results, err := plan.Evaluate(expr.Env{Start: start, End: end}, series)
	if err != nil {
		return nil, err
	}
	id, err := plan.Returned()
	if err != nil {
		return nil, err
	}
	if len(results[id]) != 1 {
		return nil, fmt.Errorf("the expression %q gives %d series, not one", id, len(results[id]))
	}
	return results[id][0].Points, nil
}

func readMetric(from metrics.Reader, region string, q model.MetricQuery, start, end time.Time) ([]metrics.Point, error) {
	return from.Read(metrics.Query{
		Region: region, Metric: *q.Metric, Unit: q.Unit, Statistic: q.Statistic,
		Period: time.Duration(q.Period) * time.Second, Start: start, End: end,
	})
}

// parentOf is the path of the scalable target that a policy or a scheduled action (given by path) belongs to:
// region/service/cluster/service/name.
func parentOf(path string) string {
	const parts = 4
	at := 0
	for range parts {
		i := strings.IndexByte(path[at:], '/')
		if i < 0 {
			return path
		}
		at += i + 1
	}
	return path[:at-1]
}
