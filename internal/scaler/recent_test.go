package scaler_test

import (
	"slices"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/scaler"
)

// ramp has a point in each period: its number since the epoch of the test.
type ramp struct{ asked *[]metrics.Query }

func (r ramp) Read(q metrics.Query) (points []metrics.Point, err error) {
	*r.asked = append(*r.asked, q)
	for at := q.Start; at.Before(q.End); at = at.Add(q.Period) {
		points = append(points, metrics.Point{At: at, Value: at.Sub(beginning).Seconds() / q.Period.Seconds()})
	}
	return points, nil
}

var beginning = time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)

// TestRecent gives the whole periods that an alarm looks at, of a metric and of metric math, newest first.
func TestRecent(t *testing.T) {
	t.Parallel()
	cpu := &model.Metric{Namespace: model.NamespaceECS, Name: "CPUUtilization"}
	for name, test := range map[string]struct {
		alarm model.Alarm
		want  []float64
	}{
		"metric":    {model.Alarm{Metric: cpu, Statistic: "Average", Period: 60, EvaluationPeriods: 4}, []float64{9, 8, 7, 6}},
		"short":     {model.Alarm{Metric: cpu, Statistic: "Average", Period: 60, EvaluationPeriods: 1}, []float64{9, 8, 7}},
		"composite": {model.Alarm{Rule: "ALARM(a)"}, nil},
		"math": {model.Alarm{EvaluationPeriods: 3, Queries: []model.MetricQuery{
			{ID: "m", Metric: cpu, Statistic: "Average", Period: 60, Hidden: true}, {ID: "e", Expression: "m*10", Period: 60},
		}}, []float64{90, 80, 70}},
	} {
		var asked []metrics.Query
		got, err := scaler.Recent(ramp{&asked}, &test.alarm, beginning.Add(10*time.Minute+30*time.Second))
		if err != nil || !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, %v, want %v", name, got, err, test.want)
		}
	}
}

// TestSeconds reads a policy by the second, and makes of a Sum of a second one of the policy's period.
func TestSeconds(t *testing.T) {
	t.Parallel()
	svc := &model.Service{Name: "web", Cluster: "arn:aws:ecs:us-east-1:123456789012:cluster/default", Region: "us-east-1"}
	for statistic, want := range map[string][]float64{
		"Average": {9, 8, 7, 6, 5, 4}, "Sum": {540, 480, 420, 360, 300, 240},
	} {
		p := &model.ScalingPolicy{Tracking: &model.Tracking{Value: 50, Queries: []model.MetricQuery{{
			ID: "m", Metric: &model.Metric{Namespace: model.NamespaceECS, Name: "CPUUtilization"}, Statistic: statistic, Period: 60,
		}}}}
		var asked []metrics.Query
		got, err := scaler.Seconds(ramp{&asked}, p, svc, beginning.Add(10*time.Second+time.Millisecond))
		if err != nil || !slices.Equal(got, want) || asked[0].Namespace != model.NamespaceFast || asked[0].Period != time.Second {
			t.Errorf("%s: got %v, %v by %+v, want %v", statistic, got, err, asked, want)
		}
	}
}
