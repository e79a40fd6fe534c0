package whatif

import (
	"slices"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// kind is what the model knows of a service.
type kind int

const (
	cpu kind = iota
	requests
	perTarget
	response
	running
	pending
	desired
	backlog
	backlogPerTask
	kinds
)

const minute = 60 // seconds

// known is a metric that the model publishes.
type known struct {
	model.Metric
	of   kind
	fast bool // each second; else each minute, when it is over
}

// recorder is what was measured in a simulation, as the production store of metrics gives it: metrics of AWS by the minute,
// those of maitred by the second. Other metrics come from what was recorded, as they were.
type recorder struct {
	start  int64 // Unix time, a whole minute
	names  []known
	fast   [kinds]lane
	slow   [kinds]lane
	others metrics.Reader // nil: there are none
}

// lane is a metric over time.
type lane struct {
	seconds []metrics.Stats // a ring
	minutes []metrics.Stats
	end     int64 // the second after the newest
}

const keptSeconds = int64(metrics.KeepFine / time.Second)

func newRecorder(start time.Time, length int, names []known, others metrics.Reader) *recorder {
	r := &recorder{start: start.Unix(), names: names, others: others}
	for k := range kinds {
		r.fast[k] = lane{seconds: make([]metrics.Stats, keptSeconds), minutes: make([]metrics.Stats, length/minute+1)}
		r.slow[k].minutes = make([]metrics.Stats, length/minute+1)
	}
	return r
}

// put adds a second, counted from the start. Seconds are put in order.
func (l *lane) put(i int64, s metrics.Stats) {
	l.seconds[i%keptSeconds] = s
	l.end = i + 1
	l.minutes[i/minute].Add(s)
}

// find says which of the metrics a metric is.
func (r *recorder) find(m *model.Metric) *known {
	for i := range r.names {
		n := &r.names[i]
		if n.Name == m.Name && n.Namespace == m.Namespace && slices.Equal(n.Dimensions, m.Dimensions) {
			return n
		}
	}
	return nil
}

// Read implements metrics.Reader. Units do not matter: of each metric there is one. Percentiles are not known.
func (r *recorder) Read(q metrics.Query) ([]metrics.Point, error) {
	n := r.find(&q.Metric)
	if n == nil {
		if r.others == nil {
			return nil, nil
		}
		return r.others.Read(q)
	}
	period := int64(q.Period / time.Second)
	from := &r.slow[n.of]
	if n.fast {
		from = &r.fast[n.of]
	}
	const most = 24 * 60 // that are made room for at once
	unit := min(period, minute)
	at := q.Start.Unix() - r.start
	at -= (at%unit + unit) % unit
	end := q.End.Unix() - r.start
	var points []metrics.Point
	if n := (end - at + period - 1) / period; n > 0 {
		points = make([]metrics.Point, 0, min(n, most))
	}
	for ; at < end; at += period {
		s := from.fold(at, period)
		if v, ok := compute(&s, q.Statistic); ok {
			points = append(points, metrics.Point{At: time.Unix(r.start+at, 0).UTC(), Value: v, Samples: s.Count})
		}
	}
	if len(points) == 0 {
		return nil, nil
	}
	return points, nil
}

// fold adds up a period.
func (l *lane) fold(at, period int64) (s metrics.Stats) {
	if period%minute == 0 {
		for i := max(0, at/minute); i < min((at+period)/minute, int64(len(l.minutes))); i++ {
			s.Add(l.minutes[i])
		}
		return s
	}
	if l.seconds == nil {
		return s
	}
	for i := max(at, 0, l.end-keptSeconds); i < min(at+period, l.end); i++ {
		s.Add(l.seconds[i%keptSeconds])
	}
	return s
}

func compute(s *metrics.Stats, statistic string) (float64, bool) {
	if s.Count == 0 {
		return 0, false
	}
	switch statistic {
	case model.StatAverage:
		return s.Sum / s.Count, true
	case model.StatSum:
		return s.Sum, true
	case model.StatMinimum:
		return s.Min, true
	case model.StatMaximum:
		return s.Max, true
	case model.StatSampleCount:
		return s.Count, true
	}
	return 0, false
}

// same is a set of n samples of the same value.
func same(n, v float64) metrics.Stats {
	if n == 0 {
		return metrics.Stats{}
	}
	return metrics.Stats{Count: n, Sum: n * v, Min: v, Max: v}
}

// link is how traffic comes to a service: a target group, and a load balancer that leads to it, as dimensions have them.
type link struct{ group, balancer string }

// namesOf lists what the model publishes for a service, under the names of package meter and of package source.
func namesOf(svc *model.Service, links []link) []known {
	of := []model.Dimension{{Name: "ClusterName", Value: arn.Name(svc.Cluster)}, {Name: "ServiceName", Value: svc.Name}}
	var all []known
	add := func(namespace, name string, k kind, dims []model.Dimension) {
		all = append(all, known{model.Metric{Namespace: namespace, Name: name, Dimensions: dims}, k, namespace == model.NamespaceFast})
	}
	add(model.NamespaceECS, "CPUUtilization", cpu, of)
	add(model.NamespaceFast, "CPUUtilization", cpu, of)
	for _, namespace := range []string{model.NamespaceFast, model.NamespaceInsights} {
		add(namespace, "RunningTaskCount", running, of)
		add(namespace, "DesiredTaskCount", desired, of)
	}
	add(model.NamespaceInsights, "PendingTaskCount", pending, of)
	add(model.NamespaceFast, "Backlog", backlog, of)
	add(model.NamespaceFast, "BacklogPerTask", backlogPerTask, of)
	for _, l := range links {
		group := []model.Dimension{{Name: "TargetGroup", Value: l.group}}
		both := []model.Dimension{{Name: "LoadBalancer", Value: l.balancer}, group[0]}
		for _, m := range []struct {
			name string
			kind kind
		}{{"RequestCount", requests}, {"RequestCountPerTarget", perTarget}, {"TargetResponseTime", response}} {
			add(model.NamespaceApplication, m.name, m.kind, both)
			add(model.NamespaceFast, m.name, m.kind, group)
		}
		add(model.NamespaceApplication, "RequestCountPerTarget", perTarget, group)
	}
	return all
}
