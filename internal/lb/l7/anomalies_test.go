package l7_test

import (
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/model"
)

// TestAnomalies has one of three targets fail: that is found, and mitigated where it shall be. Nobody looks for it in groups
// of another algorithm.
func TestAnomalies(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		algorithm, mitigation string
		want                  l7.Anomaly
		looks                 bool
	}{
		"mitigated":         {"weighted_random", "on", l7.Anomaly{Anomalous: 1, Mitigated: 1}, true},
		"found":             {"weighted_random", "off", l7.Anomaly{Anomalous: 1}, true},
		"another algorithm": {algorithm: "round_robin", mitigation: "off"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var later atomic.Int64
			r := newRig(t, func(_ *rig, c *l7.Config) {
				c.Now = func() time.Time { return time.Now().Add(time.Duration(later.Load())) }
			})
			g := r.group("app", func(g *model.TargetGroup) {
				g.Attributes[model.AttributeAlgorithm], g.Attributes[model.AttributeMitigation] = c.algorithm, c.mitigation
			})
			r.target(g, named(t, "a"))
			r.target(g, named(t, "b"))
			r.target(g, handler(t, func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) }))
			for range 5 {
				for range 50 {
					r.get("/")
				}
				later.Add(int64(2 * time.Second)) // the next request looks at what was
			}
			r.get("/")
			got, ok := r.server.Anomalies()[g.ARN]
			if got != c.want || ok != c.looks {
				t.Errorf("got %+v (%t), want %+v (%t)", got, ok, c.want, c.looks)
			}
		})
	}
}
