package fellow

import (
	"log/slog"
	"net/http"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/keep"
)

// step is how far apart seconds are that are measured: each would take long.
const step = 10 * time.Second

// seconds puts one measurement of each such second of some time.
func seconds(s *keep.Store, from, to time.Time) {
	for at := from; at.Before(to); at = at.Add(step) {
		d := metrics.Datum{Series: of("Maitred"), At: at, Resolution: 1}
		d.Add(metrics.One(1))
		s.Put([]metrics.Datum{d})
	}
}

// TestOnce: a server that was away, measures again and asks another one, however often, has each second once, in whichever of
// them the seconds have become minutes meanwhile.
func TestOnce(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(r *rapid.T) {
		clock := now
		begin := now.Add(-5 * time.Minute)
		open := func() *keep.Store {
			s, err := keep.Open(keep.Config{Now: func() time.Time { return clock }})
			if err != nil {
				r.Fatal(err)
			}
			return s
		}
		there, here := open(), open()
		defer func() { _, _ = there.Close(), here.Close() }()
		age := func(s *keep.Store, what string) {
			if rapid.Bool().Draw(r, what) {
				if err := s.Flush(); err != nil {
					r.Fatal(err)
				}
			}
		}
		at := func(what string, after time.Time) time.Time {
			return after.Add(time.Duration(rapid.IntRange(0, 9).Draw(r, what)) * step)
		}
		seconds(there, begin, now)
		went := at("went", begin)
		seconds(here, begin, went)
		late := rapid.Bool().Draw(r, "hours later")
		if late { // nobody measured any more, and what was measured grew old
			clock = now.Add(metrics.KeepFine - time.Minute*time.Duration(rapid.IntRange(0, 10).Draw(r, "grown old")))
		}
		age(there, "there ages first")
		age(here, "here ages first")
		to := at("came", went.Add(time.Minute))
		f := &Filler{
			Archive: here, From: went, To: to, Log: slog.New(slog.DiscardHandler),
			Client: &http.Client{Transport: direct{&History{
				Archive: there, Log: slog.New(slog.DiscardHandler), most: rapid.IntRange(500, 10_000).Draw(r, "line"),
			}}},
		}
		before := rapid.Bool().Draw(r, "measured before it was filled")
		if before {
			seconds(here, to, now)
		}
		for range rapid.IntRange(1, 3).Draw(r, "asked") {
			if _, err := f.ask(t.Context(), "a"); err != nil {
				r.Fatal(err)
			}
			age(here, "here ages")
			age(there, "there ages")
		}
		if !before {
			seconds(here, to, now)
		}
		q := metrics.Query{
			Region: "us-east-1", Metric: of("Maitred").Metric, Statistic: "SampleCount", Period: time.Minute, Start: begin, End: now,
		}
		points, err := here.Read(q)
		if err != nil {
			r.Fatal(err)
		}
		for _, p := range points {
			whole := !p.At.Equal(went.Truncate(time.Minute)) && (!late || !p.At.Equal(to.Truncate(time.Minute)))
			if all := float64(time.Minute / step); p.Value > all || whole && p.Value < all {
				r.Errorf("%v counts %v seconds; it went at %v, and came at %v", p.At.Sub(begin), p.Value, went.Sub(begin), to.Sub(begin))
			}
		}
	})
}
