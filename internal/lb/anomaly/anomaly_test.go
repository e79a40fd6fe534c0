package anomaly_test

import (
	"testing"

	"github.com/maitred/maitred/internal/lb/anomaly"
)

// TestJudge lets three targets serve 100 requests a second, of which the first fails some for five seconds.
func TestJudge(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name      string
		targets   int
		requests  int64
		fails     []int64 // of each target
		anomalous bool
	}{
		{"all well", 3, 100, []int64{0, 0, 0}, false},
		{"one fails", 3, 100, []int64{50, 1, 0}, true},
		{"one fails a little", 3, 100, []int64{5, 0, 0}, false},
		{"all fail", 3, 100, []int64{60, 50, 55}, false},
		{"two are too few", 2, 100, []int64{50, 0}, false},
		{"nothing to judge by", 3, 1, []int64{1, 0, 0}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			all := make([]*anomaly.Target, tt.targets)
			for i := range all {
				all[i] = &anomaly.Target{}
			}
			for range 5 {
				for i, x := range all {
					x.Count(tt.requests, tt.fails[i])
				}
				anomaly.Judge(all)
			}
			if got := all[0].Anomalous; got != tt.anomalous {
				t.Errorf("anomalous: got %v, want %v", got, tt.anomalous)
			}
			if got := all[0].Weight(); (got < 0.1) != tt.anomalous {
				t.Errorf("weight: got %v", got)
			}
			if all[1].Anomalous || all[1].Weight() != 1 {
				t.Errorf("a peer has weight %v", all[1].Weight())
			}
		})
	}
}

// TestRecovery lets a target fail and then be well: it gets its share back little by little.
func TestRecovery(t *testing.T) {
	t.Parallel()
	all := []*anomaly.Target{{}, {}, {}}
	second := func(fails int64) float64 {
		for _, x := range all {
			x.Count(100, 0)
		}
		all[0].Count(0, fails)
		anomaly.Judge(all)
		return all[0].Weight()
	}
	for range 10 {
		second(100)
	}
	before, seconds := all[0].Weight(), 0
	for ; all[0].Weight() < 1 && seconds < 1000; seconds++ {
		if now := second(0); now > before+0.051 {
			t.Fatalf("the weight jumps from %v to %v", before, now)
		} else {
			before = now
		}
	}
	if seconds < 20 || seconds > 60 {
		t.Errorf("recovered after %d s", seconds)
	}
}
