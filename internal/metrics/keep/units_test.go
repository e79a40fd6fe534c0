package keep

import (
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// TestUnitsOfAMetric lists the units of one metric alone, from memory and from the database.
func TestUnitsOfAMetric(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	dir := t.TempDir()
	m := model.Metric{Namespace: "N", Name: "a"}
	other := model.Metric{Namespace: "N", Name: "a", Dimensions: []model.Dimension{{Name: "X", Value: "1"}}}
	want := "Count"
	for _, unit := range []string{"Count", "Bytes"} {
		s, err := Open(Config{Dir: dir, Now: func() time.Time { return now }})
		if err != nil {
			t.Fatal(err)
		}
		for at, metric := range map[string]model.Metric{unit: m, "Percent": other} {
			s.Put([]metrics.Datum{{Series: metrics.Series{Region: "r", Metric: metric, Unit: at}, At: now, Stats: metrics.One(1), Resolution: 60}})
		}
		if got, err := s.Units("r", m); err != nil || strings.Join(got, " ") != want {
			t.Errorf("got %v, %v, want %s", got, err, want)
		}
		if got, err := s.Units("elsewhere", m); err != nil || got != nil {
			t.Errorf("in another region: %v, %v", got, err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Units("r", m); err == nil {
			t.Error("a closed store answers")
		}
		now, want = now.Add(time.Hour), "Bytes Count"
	}
}
