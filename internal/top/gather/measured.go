package gather

import (
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// metric is a metric of each second; dimensions are sorted by name.
func metric(name string, of ...model.Dimension) model.Metric {
	return model.Metric{Namespace: model.NamespaceFast, Name: name, Dimensions: of}
}

// read gives what was measured; nothing where it cannot be read.
func (g Gatherer) read(region string, m model.Metric, statistic string, period, back time.Duration) []metrics.Point {
	end := g.Now.Add(-late).Truncate(period)
	points, err := g.Metrics.Read(metrics.Query{
		Region: region, Metric: m, Statistic: statistic, Period: period, Start: end.Add(-back), End: end,
	})
	if err != nil {
		return nil
	}
	return points
}

// latest is the mean of the newest few seconds; nil if none of them was measured.
func (g Gatherer) latest(region string, m model.Metric, statistic string) *float64 {
	points := g.read(region, m, statistic, time.Second, recent)
	if len(points) == 0 {
		return nil
	}
	all := 0.0
	for _, p := range points {
		all += p.Value
	}
	return new(all / float64(len(points)))
}

// p99 is that of the newest ten seconds in which there were answers, of the last twenty.
func (g Gatherer) p99(region string, m model.Metric) *float64 {
	const period = 10 * time.Second
	points := g.read(region, m, "p99", period, 2*period)
	if len(points) == 0 {
		return nil
	}
	return new(points[len(points)-1].Value)
}

// load is each second of the last minute; nil if none was measured.
func (g Gatherer) load(region string, m model.Metric) []*float64 {
	points := g.read(region, m, model.StatAverage, time.Second, minute*time.Second)
	if len(points) == 0 {
		return nil
	}
	begin := g.Now.Add(-late).Truncate(time.Second).Add(-minute * time.Second)
	load := make([]*float64, minute)
	for _, p := range points {
		if i := int(p.At.Sub(begin) / time.Second); i >= 0 && i < minute {
			load[i] = new(p.Value)
		}
	}
	return load
}

// sum and largest take numbers together that may not be known.
func sum(a, b *float64) *float64 {
	if a == nil || b == nil {
		if a == nil {
			return b
		}
		return a
	}
	return new(*a + *b)
}

func largest(a, b *float64) *float64 {
	if a == nil || b != nil && *b > *a {
		return b
	}
	return a
}
