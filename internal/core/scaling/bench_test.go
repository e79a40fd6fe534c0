package scaling_test

import (
	"testing"
	"time"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
)

// BenchmarkDecideFast is what each fast target costs each second.
func BenchmarkDecideFast(b *testing.B) {
	series := scaling.Series{Policy: "cpu"}
	for i := range 5 {
		series.Points = append(series.Points, scaling.Second{At: start().Add(-time.Duration(i) * time.Second), Value: 44, Tasks: 10})
	}
	in := scaling.Input{
		Now: start(), Target: &model.ScalableTarget{Min: 1, Max: 100}, Running: 10, Desired: 10, Series: []scaling.Series{series},
		Policies: []*model.ScalingPolicy{{Name: "cpu", Tracking: &model.Tracking{Value: 50, Fast: true}}},
	}
	b.ReportAllocs()
	for b.Loop() {
		d := scaling.Decide(in)
		in.State = &d.State
	}
}
