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

// fast says whether a target has a policy that is looked at each second.
func (l *Loop) fast(in scaling.Input, svc *model.Service) bool {
	return slices.ContainsFunc(in.Policies, func(p *model.ScalingPolicy) bool {
		return p.Tracking != nil && (p.Tracking.Fast || tagged(svc))
	})
}

// series reads the seconds of the policies of the fast lane.
func (l *Loop) series(t *turn, in scaling.Input, svc *model.Service, s *scaled) (all []scaling.Series) {
	if !l.fast(in, svc) {
		return nil
	}
	end := t.now.Truncate(time.Second)
	running := l.runningBySecond(svc, end)
	for _, p := range in.Policies {
		if p.Tracking == nil || !p.Tracking.Fast && !tagged(svc) {
			continue
		}
		queries, factor := bySecond(p, svc)
		points, err := ReadQueries(l.Metrics, svc.Region, queries, s.plan(p, queries), end.Add(-fastRange), end)
		if err != nil {
			l.Log.Error("a policy of the fast lane cannot be measured; it follows its alarms", "policy", p.ARN, "error", err)
			continue
		}
		one := scaling.Series{Policy: p.Name, Whole: whole(queries)}
		for _, point := range slices.Backward(points) {
			n, known := running[point.At.Unix()]
			if !known {
				n = in.Running
			}
			one.Points = append(one.Points, scaling.Second{At: point.At, Value: point.Value * factor, Running: n})
		}
		all = append(all, one)
	}
	return all
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
func (l *Loop) runningBySecond(svc *model.Service, end time.Time) map[int64]int {
	points, err := l.Metrics.Read(metrics.Query{
		Region: svc.Region, Metric: ofService("RunningTaskCount", svc), Statistic: "Maximum", Period: time.Second,
		Start: end.Add(-fastRange), End: end,
	})
	if err != nil {
		return nil // the count of now is used
	}
	running := make(map[int64]int, len(points))
	for _, p := range points {
		running[p.At.Unix()] = int(p.Value)
	}
	return running
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
	case m.Namespace == model.NamespaceApplication && m.Name == "RequestCountPerTarget":
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
