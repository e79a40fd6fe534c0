package scaler

import (
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// The metrics of a target group's requests.
const (
	requestCount      = "RequestCount"
	requestsPerTarget = "RequestCountPerTarget"
)

// perTarget is the metric of the requests that each target got among what is measured, nil if it is not among it.
func perTarget(queries []model.MetricQuery) *model.Metric {
	for _, q := range queries {
		if q.Metric != nil && q.Metric.Name == requestsPerTarget && (q.Metric.Namespace == model.NamespaceFast || q.Metric.Namespace == model.NamespaceApplication) {
			return q.Metric
		}
	}
	return nil
}

// targetsOf is of how many targets RequestCountPerTarget was measured, by period: all requests are that times these. Tasks
// that run and are no targets yet are not among them, nor are those that are unhealthy. Where several balancers do not agree
// on who is healthy it lies between what they say, so that what it is multiplied with comes to all requests. Periods without
// requests are missing.
func targetsOf(from metrics.Reader, region string, per *model.Metric, start, end time.Time, period time.Duration) (byStart, error) {
	q := metrics.Query{Region: region, Metric: *per, Statistic: model.StatSum, Period: period, Start: start, End: end}
	each, err := from.Read(q)
	if err != nil {
		return nil, err
	}
	q.Metric.Name = requestCount
	all, err := from.Read(q)
	if err != nil {
		return nil, err
	}
	requests, targets := make(byStart, len(all)), make(byStart, len(each))
	for _, p := range all {
		requests[p.At.Unix()] = p.Value
	}
	for _, p := range each {
		if n := requests[p.At.Unix()]; n > 0 && p.Value > 0 {
			targets[p.At.Unix()] = n / p.Value
		}
	}
	return targets, nil
}

// byStart are numbers of periods, by their starts in Unix time.
type byStart map[int64]float64

// targetsOfAlarm is of how many targets an alarm measured what it did in the period that begins at a time; 0 if it measures
// something else, or that is not known.
func targetsOfAlarm(from metrics.Reader, a *model.Alarm, at time.Time) (float64, error) {
	per := perTarget(queriesOf(a))
	if per == nil || at.IsZero() {
		return 0, nil
	}
	targets, err := targetsOf(from, a.Region, per, at, at.Add(a.Resolution()), a.Resolution())
	return targets[at.Unix()], err
}

// RecentTargets gives of how many targets the newest point of Recent was measured; 0 if the alarm measures something else, or
// that is not known. The error is that of a metric that cannot be read.
func RecentTargets(from metrics.Reader, a *model.Alarm, now time.Time) (float64, error) {
	period := a.Resolution()
	if a.Composite() || period <= 0 {
		return 0, nil
	}
	return targetsOfAlarm(from, a, now.Truncate(period).Add(-period))
}
