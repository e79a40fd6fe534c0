package meter

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
)

// subject is what a metric is about, by the values of its dimensions; "" for those that it does not have.
type subject struct {
	region                         string
	cluster, service, task, family string
	balancer, group                string // app/NAME/ID and targetgroup/NAME/ID
}

// key is a series.
type key struct {
	subject
	namespace, name, unit string
}

func (k key) series() metrics.Series {
	s := metrics.Series{Region: k.region, Metric: model.Metric{Namespace: k.namespace, Name: k.name}, Unit: k.unit}
	// In the order of their names.
	all := [...]model.Dimension{
		{Name: "ClusterName", Value: k.cluster},
		{Name: "LoadBalancer", Value: k.balancer},
		{Name: "ServiceName", Value: k.service},
		{Name: "TargetGroup", Value: k.group},
		{Name: "TaskDefinitionFamily", Value: k.family},
		{Name: "TaskId", Value: k.task},
	}
	for _, d := range all {
		if d.Value != "" {
			s.Dimensions = append(s.Dimensions, d)
		}
	}
	return s
}

// sheet adds up what there is to say of one period.
type sheet struct {
	cells map[key]*cell
	// zone is where it was measured: what AWS tells of zones (zonal) is said of it as well. "" is none.
	zone string
}

func newSheet() *sheet { return &sheet{cells: map[key]*cell{}} }

type cell struct {
	metrics.Stats
	single  bool                // Sum is one sample, that grows
	highest bool                // Max is one sample
	windows map[int64]float64   // sums of windows, of which the busiest one is the one sample, each second
	values  map[float64]float64 // that were met, with how often; nil where nobody asks for percentiles
	latency *reading.Latency
}

func (s *sheet) cell(k key) *cell {
	c := s.cells[k]
	if c == nil {
		c = &cell{}
		s.cells[k] = c
	}
	return c
}

// add adds a sample.
func (s *sheet) add(k key, v float64) { s.cell(k).Add(metrics.One(v)) }

// sample is add where percentiles are asked for.
func (s *sheet) sample(k key, v float64) {
	c := s.cell(k)
	c.Add(metrics.One(v))
	if c.values == nil {
		c.values = map[float64]float64{}
	}
	c.values[v]++
}

// count adds n samples of 1: so CloudWatch has what is counted. Nothing is said of 0.
func (s *sheet) count(k key, n int64) {
	if n > 0 {
		s.cell(k).Add(metrics.Stats{Count: float64(n), Sum: float64(n), Min: 1, Max: 1})
	}
}

// always is count that says 0 as well.
func (s *sheet) always(k key, n int64) {
	s.cell(k)
	s.count(k, n)
}

// grow adds to the one sample of a series.
func (s *sheet) grow(k key, v float64) {
	c := s.cell(k)
	c.single = true
	c.Add(metrics.One(v))
}

// peak keeps the highest value as the one sample of a series.
func (s *sheet) peak(k key, v float64) {
	c := s.cell(k)
	c.highest = true
	c.Add(metrics.One(v))
}

// window is how long the windows of busiest are, in seconds.
const window = 10

// busiest adds to a window of ten seconds. The one sample of a series is what the busiest one had, each second; of none that
// had anything nothing is said.
func (s *sheet) busiest(k key, second int64, v float64) {
	if v == 0 {
		return
	}
	c := s.cell(k)
	if c.windows == nil {
		c.windows = map[int64]float64{}
	}
	c.windows[second/window] += v
}

func (s *sheet) times(k key, l *reading.Latency) {
	if l.Count == 0 {
		return
	}
	c := s.cell(k)
	if c.latency == nil {
		c.latency = &reading.Latency{}
	}
	c.latency.Add(l)
	c.Add(metrics.Stats{Count: float64(l.Count), Sum: l.Sum, Min: l.Min, Max: l.Max})
}

// data gives all series, ordered.
func (s *sheet) data(at time.Time, resolution int) []metrics.Datum {
	data := make([]metrics.Datum, 0, len(s.cells))
	for k, c := range s.cells {
		d := metrics.Datum{Series: k.series(), At: at, Stats: c.Stats, Resolution: resolution}
		switch {
		case c.windows != nil:
			d.Stats = metrics.One(slices.Max(slices.Collect(maps.Values(c.windows))) / window)
		case c.single:
			d.Stats = metrics.One(c.Sum)
		case c.highest:
			d.Stats = metrics.One(c.Max)
		case c.Count == 0:
			d.Stats = metrics.One(0)
		case c.latency != nil:
			d.Values, d.Counts = c.latency.Values()
		case c.values != nil:
			for _, v := range slices.Sorted(maps.Keys(c.values)) {
				d.Values, d.Counts = append(d.Values, v), append(d.Counts, c.values[v])
			}
		}
		data = append(data, d)
		if s.zone != "" && zonal(&k) {
			d.Dimensions = append([]model.Dimension{{Name: "AvailabilityZone", Value: s.zone}}, d.Dimensions...)
			data = append(data, d)
		}
	}
	slices.SortFunc(data, func(a, b metrics.Datum) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Region, b.Region),
			slices.CompareFunc(a.Dimensions, b.Dimensions, compareDimensions))
	})
	return data
}

func compareDimensions(a, b model.Dimension) int {
	return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
}
