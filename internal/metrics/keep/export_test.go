package keep

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/metrics"
)

// TestExportOfBothResolutions: a series that was put by the second at times, and by the minute at others, is told wholly.
func TestExportOfBothResolutions(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 4, 12, 0, 30, 0, time.UTC)
	for _, dir := range []string{"", t.TempDir()} {
		s := open(t, Config{Dir: dir, Now: fixed(now)})
		at := func(ago time.Duration, resolution int, v float64) metrics.Datum {
			d := datum("m", now.Add(-ago), v)
			d.Resolution = resolution
			return d
		}
		s.Put([]metrics.Datum{
			at(5*time.Hour, 1, 1), // by the minute by now
			at(4*time.Hour, 60, 2),
			at(2*time.Hour, 60, 3),
			at(time.Hour, 1, 4),
			at(30*time.Minute, 60, 5), at(30*time.Minute+5*time.Second, 60, 6),
			at(10*time.Second, 1, 7), at(5*time.Second, 1, 8),
		})
		flush(t, s)
		export := func(from, to time.Duration) (got []string) {
			t.Helper()
			data, err := s.Export(datum("m", now, 0).Series, now.Add(-from), now.Add(-to))
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range data {
				got = append(got, fmt.Sprint(d.At.Format(time.TimeOnly), " ", d.Resolution, " ", d.Sum))
			}
			return got
		}
		want := []string{"07:00:00 60 1", "08:00:00 60 2", "10:00:00 60 3", "11:30:00 60 11", "11:00:30 1 4", "12:00:20 1 7", "12:00:25 1 8"}
		if diff := cmp.Diff(want, export(6*time.Hour, 0)); diff != "" {
			t.Errorf("all (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff([]string{"10:00:00 60 3", "11:30:00 60 11", "11:00:30 1 4"}, export(2*time.Hour, time.Minute)); diff != "" {
			t.Errorf("the middle (-want +got):\n%s", diff)
		}
		// What begins within a minute has its seconds, and they are not told as a minute too.
		if diff := cmp.Diff([]string{"12:00:20 1 7", "12:00:25 1 8"}, export(2*time.Second, 0)); diff != "" {
			t.Errorf("the end (-want +got):\n%s", diff)
		}
	}
}
