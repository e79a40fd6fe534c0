package scaler

import (
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
)

// fastRange is how far back the fast lane reads.
const fastRange = 6 * time.Second

// fastPolicy is a policy that is looked at each second, and how it is measured then.
type fastPolicy struct {
	*model.ScalingPolicy
	queries []model.MetricQuery
	factor  float64
	whole   bool
	targets *model.Metric // the requests that each target got, where what is measured is of these; else nil
}

// fastPolicies are those of a service that are looked at each second.
func fastPolicies(policies []*model.ScalingPolicy, svc *model.Service) (all []fastPolicy) {
	for _, p := range policies {
		if p.Tracking == nil || !p.Tracking.Fast && !tagged(svc) {
			continue
		}
		all = append(all, fastOf(p, svc))
	}
	return all
}

func fastOf(p *model.ScalingPolicy, svc *model.Service) fastPolicy {
	queries, factor := bySecond(p, svc)
	return fastPolicy{p, queries, factor, whole(queries), perTarget(queries)}
}

// series reads the seconds of the policies of the fast lane.
func (l *Loop) series(t *turn, k *written, s *scaled) (all []scaling.Series) {
	if len(k.fast) == 0 {
		return nil
	}
	end := t.now.Truncate(time.Second)
	running := runningBySecond(l.Metrics, k.svc.Region, k.running, end)
	all = make([]scaling.Series, 0, len(k.fast))
	for i := range k.fast {
		p := &k.fast[i]
		r := seconds{from: l.Metrics, region: k.svc.Region, end: end, running: running, now: k.in.Running}
		one, err := r.of(p, s.plan(p.ScalingPolicy, p.queries))
		if err != nil {
			l.Log.Error("a policy of the fast lane cannot be measured; it follows its alarms", "policy", p.ARN, "error", err)
			continue
		}
		all = append(all, one)
	}
	return all
}

// seconds reads what policies of a service measured in the last ones before an end.
type seconds struct {
	from    metrics.Reader
	region  string
	end     time.Time
	running []metrics.Point // how many tasks ran
	now     int             // how many run
}

func (r *seconds) of(p *fastPolicy, plan *expr.Plan) (scaling.Series, error) {
	one := scaling.Series{Policy: p.Name, Whole: p.whole}
	start := r.end.Add(-fastRange)
	points, err := ReadQueries(r.from, r.region, p.queries, plan, start, r.end)
	if err != nil {
		return one, err
	}
	var targets byStart
	if p.targets != nil {
		if targets, err = targetsOf(r.from, r.region, p.targets, start, r.end, time.Second); err != nil {
			return one, err
		}
	}
	one.Points = make([]scaling.Second, 0, len(points))
	for _, point := range slices.Backward(points) {
		tasks := float64(runningAt(r.running, point.At, r.now))
		if n, ok := targets[point.At.Unix()]; ok {
			tasks = min(tasks, n)
		}
		one.Points = append(one.Points, scaling.Second{At: point.At, Value: point.Value * p.factor, Tasks: tasks})
	}
	return one, nil
}

// plan is the metric math of a policy, nil for a single metric.
func (s *scaled) plan(p *model.ScalingPolicy, queries []model.MetricQuery) *expr.Plan {
	if len(queries) == 1 && queries[0].Metric != nil {
		return nil
	}
	if s.plans[p.Name] == nil {
		plan, err := expr.NewPlan(queries)
		if err != nil { // it was checked when it was put
			return nil
		}
		s.plans[p.Name] = plan
	}
	return s.plans[p.Name]
}

// runningBySecond is how many tasks of a service ran, by second.
func runningBySecond(from metrics.Reader, region string, of model.Metric, end time.Time) []metrics.Point {
	points, err := from.Read(metrics.Query{
		Region: region, Metric: of, Statistic: "Maximum", Period: time.Second, Start: end.Add(-fastRange), End: end,
	})
	if err != nil {
		return nil // the count of now is used
	}
	return points
}

// runningAt is how many tasks ran in a second, or now if that is not known.
func runningAt(running []metrics.Point, at time.Time, now int) int {
	for i := range running {
		if running[i].At.Equal(at) {
			return int(running[i].Value)
		}
	}
	return now
}

func ofService(name string, svc *model.Service) model.Metric {
	return model.Metric{Namespace: model.NamespaceFast, Name: name, Dimensions: []model.Dimension{
		{Name: "ClusterName", Value: model.ShortID(svc.Cluster)}, {Name: "ServiceName", Value: svc.Name},
	}}
}

// bySecond are the queries of a policy for each second. A predefined metric is measured each second in the namespace of
// the fast lane. A Sum over a minute is what a second has, times the seconds of its period: the factor.
func bySecond(p *model.ScalingPolicy, svc *model.Service) (queries []model.MetricQuery, factor float64) {
	factor = 1
	for _, q := range p.Tracking.Queries {
		if q.Metric != nil {
			if q.Statistic == "Sum" && len(p.Tracking.Queries) == 1 {
				factor = float64(max(q.Period, 1))
			}
			q.Period = 1
			q.Metric = fastMetric(q.Metric, svc)
			q.Unit = "" // of one metric there is one unit here
		}
		queries = append(queries, q)
	}
	return queries, factor
}

// whole says whether what is measured is the load of all tasks together, and not of one.
func whole(queries []model.MetricQuery) bool {
	return len(queries) == 1 && queries[0].Metric != nil && queries[0].Metric.Namespace == model.NamespaceFast && queries[0].Metric.Name == backlog
}

// The metrics of how much work waits for a service, as package source publishes them.
const (
	backlog        = "Backlog"
	backlogPerTask = "BacklogPerTask"
)

// fastMetric is the metric of the fast lane for one that AWS has, and any other metric as it is.
func fastMetric(m *model.Metric, svc *model.Service) *model.Metric {
	switch {
	case m.Namespace == model.NamespaceFast && m.Name == backlogPerTask:
		// By how many tasks it was divided need not be how many run now; all that waits is known for sure.
		all := *m
		all.Name = backlog
		return &all
	case m.Namespace == model.NamespaceECS && (m.Name == model.MetricCPU || m.Name == model.MetricMemory):
		fast := ofService(m.Name, svc)
		return &fast
	case m.Namespace == model.NamespaceApplication && m.Name == requestsPerTarget:
		fast := model.Metric{Namespace: model.NamespaceFast, Name: m.Name}
		for _, d := range m.Dimensions {
			if d.Name == "TargetGroup" {
				fast.Dimensions = append(fast.Dimensions, d)
			}
		}
		return &fast
	}
	return m
}
