package schedule_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/schedule"
)

// TestSchedules runs the scripts of testdata: each prints the next times, in the schedule's zone.
//
//	next expr [zone=Europe/Berlin] after=2026-03-01T12:00:00Z [n=3] [created=…] [start=…] [end=…]
func TestSchedules(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/schedules", func(t *testing.T, path string) {
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			var out strings.Builder
			for expr := range strings.SplitSeq(strings.TrimSpace(d.Input), "\n") {
				fmt.Fprintf(&out, "%s\n", show(t, d, expr))
			}
			return out.String()
		})
	})
}

func show(t *testing.T, d *datadriven.TestData, expr string) string {
	t.Helper()
	s, err := schedule.Parse(expr, zone(t, arg(d, "zone", "UTC")))
	if err != nil {
		return "error: " + err.Error()
	}
	s = s.Bounded(moment(t, arg(d, "created", "")), moment(t, arg(d, "start", "")), moment(t, arg(d, "end", "")))
	n, err := strconv.Atoi(arg(d, "n", "3"))
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{expr + ":"}
	at := moment(t, arg(d, "after", "2026-03-01T12:00:00Z"))
	for range n {
		next, ok := s.Next(at)
		if !ok {
			parts = append(parts, "never")
			break
		}
		at = next
		parts = append(parts, at.In(s.Zone()).Format("Mon 2006-01-02T15:04:05 MST"))
	}
	return strings.Join(parts, "\n  ")
}

func arg(d *datadriven.TestData, name, otherwise string) string {
	for _, a := range d.CmdArgs {
		if a.Key == name {
			return a.Vals[0]
		}
	}
	return otherwise
}

func moment(t *testing.T, text string) time.Time {
	t.Helper()
	if text == "" {
		return time.Time{}
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func zone(t interface {
	Helper()
	Fatal(...any)
}, name string,
) *time.Location {
	t.Helper()
	z, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return z
}

// field is a generated field of a cron expression with what it means, told apart from the parser.
type field struct {
	text string
	is   func(n int) bool
}

// fields generates a field of numbers.
func fields(lo, hi int) *rapid.Generator[field] {
	return rapid.Custom(func(t *rapid.T) field {
		n := func(what string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, what) }
		switch n("shape", 0, 5) {
		case 0, 1:
			return field{"*", func(int) bool { return true }}
		case 2:
			a := n("a", lo, hi)
			return field{strconv.Itoa(a), func(v int) bool { return v == a }}
		case 3:
			a := n("a", lo, hi)
			b := n("b", a, hi)
			return field{fmt.Sprintf("%d-%d", a, b), func(v int) bool { return a <= v && v <= b }}
		case 4:
			a, step := n("a", lo, hi), n("step", 1, hi)
			return field{fmt.Sprintf("%d/%d", a, step), func(v int) bool { return v >= a && (v-a)%step == 0 }}
		default:
			list := []int{n("a", lo, hi), n("b", lo, hi)}
			return field{fmt.Sprintf("%d,%d", list[0], list[1]), func(v int) bool { return slices.Contains(list, v) }}
		}
	})
}

// day is a generated pair of day fields with what it means for a date.
type day struct {
	dom, dow string
	is       func(time.Time) bool
}

func dayFields() *rapid.Generator[day] {
	return rapid.Custom(func(t *rapid.T) day {
		weekday := rapid.IntRange(1, 7).Draw(t, "weekday")
		matches := func(d time.Time) bool { return int(d.Weekday())+1 == weekday }
		switch rapid.IntRange(0, 5).Draw(t, "days") {
		case 0:
			f := fields(1, 31).Draw(t, "dom")
			return day{f.text, "?", func(d time.Time) bool { return f.is(d.Day()) }}
		case 1:
			f := fields(1, 7).Draw(t, "dow")
			return day{"?", f.text, func(d time.Time) bool { return f.is(int(d.Weekday()) + 1) }}
		case 2:
			return day{"L", "?", func(d time.Time) bool { return d.AddDate(0, 0, 1).Day() == 1 }}
		case 3:
			return day{"?", fmt.Sprintf("%dL", weekday), func(d time.Time) bool {
				return matches(d) && d.AddDate(0, 0, 7).Month() != d.Month()
			}}
		case 4:
			n := rapid.IntRange(1, 5).Draw(t, "nth")
			return day{"?", fmt.Sprintf("%d#%d", weekday, n), func(d time.Time) bool {
				return matches(d) && d.AddDate(0, 0, -7*n).Month() != d.Month() && d.AddDate(0, 0, -7*(n-1)).Month() == d.Month()
			}}
		default:
			n := rapid.IntRange(1, 28).Draw(t, "day")
			return day{fmt.Sprintf("%dW", n), "?", func(d time.Time) bool { return d.Equal(nearest(d, n)) }}
		}
	})
}

// nearest is the weekday of a date's month that has the least distance to a day.
func nearest(d time.Time, day int) time.Time {
	want := time.Date(d.Year(), d.Month(), day, 0, 0, 0, 0, time.UTC)
	for _, away := range []int{0, -1, 1, -2, 2} {
		at := want.AddDate(0, 0, away)
		if at.Month() == want.Month() && at.Weekday() != time.Sunday && at.Weekday() != time.Saturday {
			return at
		}
	}
	panic("no weekday near " + want.String())
}

// changes are times near which zones do something odd.
func changes() []string {
	return []string{
		"2026-03-29T01:00:00Z Europe/Berlin", "2026-10-25T01:00:00Z Europe/Berlin",
		"2026-03-08T07:00:00Z America/New_York", "2026-11-01T06:00:00Z America/New_York",
		"2026-04-04T15:00:00Z Australia/Lord_Howe", "2026-10-03T15:30:00Z Australia/Lord_Howe", // half an hour
		"2011-12-30T10:00:00Z Pacific/Apia",        // a day is skipped
		"2026-09-06T04:00:00Z America/Santiago",    // midnight is skipped
		"2026-04-05T03:00:00Z America/Santiago",    // and comes twice
		"2026-02-28T12:00:00Z Asia/Kathmandu",      // a quarter of an hour off
		"2028-02-28T12:00:00Z Etc/GMT+12",          // a leap year
		"2026-12-31T12:00:00Z Pacific/Kiritimati",  // a new year
		"2026-01-31T12:00:00Z Africa/Johannesburg", // no daylight saving time
	}
}

// TestNextAgainstMinutes compares Next with a look at each minute.
func TestNextAgainstMinutes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		near, name, _ := strings.Cut(rapid.SampledFrom(changes()).Draw(t, "near"), " ")
		loc := zone(t, name)
		around, err := time.Parse(time.RFC3339, near)
		if err != nil {
			t.Fatal(err)
		}
		after := around.Add(time.Duration(rapid.IntRange(-40*3600, 4*3600).Draw(t, "shift")) * time.Second)
		minute, hour, month := fields(0, 59).Draw(t, "minute"), fields(0, 23).Draw(t, "hour"), fields(1, 12).Draw(t, "month")
		d := dayFields().Draw(t, "day")
		expr := fmt.Sprintf("cron(%s %s %s %s %s *)", minute.text, hour.text, d.dom, month.text, d.dow)
		s, err := schedule.Parse(expr, loc)
		if err != nil {
			t.Fatal(err)
		}
		is := func(w time.Time) bool {
			date := time.Date(w.Year(), w.Month(), w.Day(), 0, 0, 0, 0, time.UTC)
			return minute.is(w.Minute()) && hour.is(w.Hour()) && month.is(int(w.Month())) && d.is(date)
		}
		limit := after.Add(96 * time.Hour)
		want := byMinute(after, limit, loc, is)
		got, ok := s.Next(after)
		switch {
		case ok && !got.After(after):
			t.Fatalf("%s in %s: %s is not after %s", expr, name, got, after)
		case want.IsZero() && ok && !got.After(limit), !want.IsZero() && !got.Equal(want):
			t.Fatalf("%s in %s after %s: got %s, want %s", expr, name, after, got.In(loc), want.In(loc))
		}
	})
}

// byMinute looks at each minute up to a limit. A local time that was there before within a day does not count.
func byMinute(after, limit time.Time, loc *time.Location, is func(time.Time) bool) time.Time {
	for at := after.Truncate(time.Minute).Add(time.Minute); !at.After(limit); at = at.Add(time.Minute) {
		if local := at.In(loc); is(local) && !wasThere(local) {
			return at
		}
	}
	return time.Time{}
}

func wasThere(local time.Time) bool {
	for back := time.Minute; back <= 3*time.Hour; back += time.Minute {
		if local.Add(-back).Format(time.DateTime) == local.Format(time.DateTime) {
			return true
		}
	}
	return false
}

// TestNextOfRates: a rate is met at whole multiples from its anchor, and nowhere else.
func TestNextOfRates(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 500).Draw(t, "n")
		unit := rapid.SampledFrom([]string{"minutes", "hours", "days"}).Draw(t, "unit")
		s, err := schedule.Parse(fmt.Sprintf("rate(%d %s)", n, unit), nil)
		if err != nil {
			t.Fatal(err)
		}
		every := time.Duration(n) * map[string]time.Duration{"minutes": time.Minute, "hours": time.Hour, "days": 24 * time.Hour}[unit]
		created := time.Unix(0, rapid.Int64Range(0, 2e18).Draw(t, "created"))
		after := time.Unix(0, rapid.Int64Range(0, 2e18).Draw(t, "after"))
		got, ok := s.Bounded(created, time.Time{}, time.Time{}).Next(after)
		if !ok || !got.After(after) || got.Sub(created)%every != 0 || got.Sub(created) < every {
			t.Fatalf("rate(%d %s) from %s after %s: %s %v", n, unit, created, after, got, ok)
		}
		if before := got.Add(-every); before.After(after) && before.After(created) {
			t.Fatalf("%s was left out", before)
		}
	})
}

// TestRemember: what is remembered is what would be found, in whichever order it is asked for.
func TestRemember(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 3, 27, 0, 0, 0, 0, time.UTC)
	moments := rapid.Custom(func(t *rapid.T) time.Time {
		return base.Add(time.Duration(rapid.IntRange(0, 96*60).Draw(t, "minutes")) * time.Minute)
	})
	rapid.Check(t, func(t *rapid.T) {
		loc := zone(t, "Europe/Berlin")
		s, err := schedule.Parse(rapid.SampledFrom([]string{
			"at(2026-03-28T12:00:00)", "rate(7 hours)", "cron(0/20 2,3 * * ? *)", "cron(30 8 * * ? *)", "cron(0 0 1 1 ? 2020)",
		}).Draw(t, "expression"), loc)
		if err != nil {
			t.Fatal(err)
		}
		if rapid.Bool().Draw(t, "bounded") {
			s = s.Bounded(moments.Draw(t, "created"), moments.Draw(t, "start"), moments.Draw(t, "end"))
		}
		remembered := s.Remember()
		for _, after := range rapid.SliceOfN(moments, 1, 30).Draw(t, "after") {
			got, ok := remembered(after)
			if want, is := s.Next(after); ok != is || !got.Equal(want) {
				t.Fatalf("%s after %s: remembered %s %v, want %s %v", s, after, got, ok, want, is)
			}
		}
	})
}

// FuzzParse: whatever is accepted answers in bounded time with a time that lies after.
func FuzzParse(f *testing.F) {
	for _, expr := range []string{
		"at(2026-03-29T03:30:00)", "rate(5 minutes)", "cron(0/15 * * * ? *)", "cron(0 9 LW,15W 1-3/2 ? 2026-2030)",
		"cron(30 10 ? * FRI#2,2L,SUN *)", "cron(*/20 0 0 ? * 1 *)", "cron(0 0 31 2 ? *)", "cron(59 59 23 31 12 ? 2199)",
	} {
		f.Add(expr, int64(1_772_366_400))
	}
	loc := zone(f, "Europe/Berlin")
	f.Fuzz(func(t *testing.T, expr string, after int64) {
		s, err := schedule.Parse(expr, loc)
		if err != nil {
			return
		}
		at := time.Unix(after, 0)
		next, ok := s.Next(at)
		if ok && !next.After(at) {
			t.Fatalf("%q: %s is not after %s", expr, next, at)
		}
		if again, _ := s.Next(at); !again.Equal(next) {
			t.Fatalf("%q: first %s, then %s", expr, next, again)
		}
	})
}
