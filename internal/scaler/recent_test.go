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
		series, err := scaler.Seconds(ramp{&asked}, p, svc, 3, beginning.Add(10*time.Second+time.Millisecond))
		var got []float64
		for _, point := range series.Points {
			got = append(got, point.Value)
		}
		if err != nil || !slices.Equal(got, want) || asked[1].Namespace != model.NamespaceFast || asked[1].Period != time.Second {
			t.Errorf("%s: got %v, %v by %+v, want %v", statistic, got, err, asked, want)
		}
	}
}

// targetGroup answers with what was measured of a target group in each second.
type targetGroup map[string]float64

func (g targetGroup) Read(q metrics.Query) (points []metrics.Point, err error) {
	v, ok := g[q.Name]
	for at := q.Start; ok && at.Before(q.End); at = at.Add(q.Period) {
		points = append(points, metrics.Point{At: at, Value: v})
	}
	return points, nil
}

// TestTargets: requests per target were measured of the targets that got them, and of a group that others share not of more
// than the service's tasks.
func TestTargets(t *testing.T) {
	t.Parallel()
	svc := &model.Service{Name: "web", Cluster: "arn:aws:ecs:us-east-1:123456789012:cluster/default", Region: "us-east-1"}
	per := &model.Metric{Namespace: model.NamespaceApplication, Name: "RequestCountPerTarget", Dimensions: []model.Dimension{{Name: "TargetGroup", Value: "g"}}}
	p := &model.ScalingPolicy{Tracking: &model.Tracking{Queries: []model.MetricQuery{{ID: "m", Metric: per, Statistic: "Sum", Period: 60}}}}
	for name, test := range map[string]struct {
		of          targetGroup
		tasks, load float64
	}{
		"some are not healthy":    {targetGroup{"RequestCount": 30, "RequestCountPerTarget": 30, "RunningTaskCount": 3}, 1, 1800},
		"all are":                 {targetGroup{"RequestCount": 30, "RequestCountPerTarget": 10, "RunningTaskCount": 3}, 3, 1800},
		"others have it too":      {targetGroup{"RequestCount": 30, "RequestCountPerTarget": 5, "RunningTaskCount": 3}, 3, 900},
		"balancers do not agree":  {targetGroup{"RequestCount": 30, "RequestCountPerTarget": 15.0/3 + 15, "RunningTaskCount": 3}, 1.5, 1800},
		"no requests":             {targetGroup{"RequestCount": 0, "RequestCountPerTarget": 0, "RunningTaskCount": 3}, 3, 0},
		"running are of now only": {targetGroup{"RequestCount": 30, "RequestCountPerTarget": 5}, 4, 1200},
	} {
		series, err := scaler.Seconds(test.of, p, svc, 4, beginning.Add(10*time.Second))
		if err != nil || len(series.Points) == 0 {
			t.Fatalf("%s: got %+v, %v", name, series, err)
		}
		if got := series.Points[0]; got.Tasks != test.tasks || got.Tasks*got.Value != test.load {
			t.Errorf("%s: got %v of %v tasks, want a load of %v of %v", name, got.Value, got.Tasks, test.load, test.tasks)
		}
	}
}
