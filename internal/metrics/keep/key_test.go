package keep

import (
	"bytes"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

func drawSeries(t *rapid.T) (s metrics.Series) {
	text := rapid.StringOf(rapid.SampledFrom([]rune{0, 1, 'a', 'b', '=', 0xff}))
	s.Region, s.Namespace, s.Name, s.Unit = text.Draw(t, "region"), text.Draw(t, "ns"), text.Draw(t, "name"), text.Draw(t, "unit")
	for range rapid.IntRange(0, 3).Draw(t, "n") {
		s.Dimensions = append(s.Dimensions, model.Dimension{Name: text.Draw(t, "dimension"), Value: text.Draw(t, "value")})
	}
	return s
}

// TestKey: keys are read as they were written, and different series have different keys.
func TestKey(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawSeries(t), drawSeries(t)
		ka, kb := seriesKey(&a), seriesKey(&b)
		got, n, err := parseSeries(string(ka))
		if err != nil || !bytes.Equal(ka[:n], appendMetric(nil, a.Region, &a.Metric)) {
			t.Fatal(n, err)
		}
		slices.SortStableFunc(a.Dimensions, byName)
		slices.SortStableFunc(b.Dimensions, byName)
		if diff := cmp.Diff(a, got); diff != "" {
			t.Fatal(diff)
		}
		if cmp.Equal(a, b) != bytes.Equal(ka, kb) {
			t.Fatalf("%q and %q", ka, kb)
		}
	})
}

func FuzzParseSeries(f *testing.F) {
	s := metrics.Series{Region: "r", Metric: model.Metric{Namespace: "n", Name: "a\x00b", Dimensions: []model.Dimension{{Name: "x", Value: "y"}}}, Unit: "None"}
	f.Add(string(seriesKey(&s)))
	f.Fuzz(func(t *testing.T, key string) {
		s, n, err := parseSeries(key)
		if err != nil {
			return
		}
		if n > len(key) {
			t.Fatal(n)
		}
		again, _, err := parseSeries(string(seriesKey(&s)))
		slices.SortStableFunc(s.Dimensions, byName)
		if diff := cmp.Diff(s, again); diff != "" || err != nil {
			t.Fatal(diff, err)
		}
	})
}
