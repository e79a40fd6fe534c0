package alarm_test

import (
	"cmp"
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/alarm"
	"github.com/maitred/maitred/internal/model"
)

func anyAlarm(t *rapid.T) *model.Alarm {
	n := rapid.IntRange(1, 20).Draw(t, "n")
	return &model.Alarm{
		Name: "a", EvaluationPeriods: n, DatapointsToAlarm: rapid.IntRange(0, n).Draw(t, "m"), Statistic: "Average",
		Period:       rapid.SampledFrom([]int{1, 5, 10, 20, 30, 60, 120, 300, 3600}).Draw(t, "period"),
		Comparison:   rapid.SampledFrom([]string{model.Less, model.LessOrEqual, model.Greater, model.GreaterOrEqual}).Draw(t, "op"),
		Threshold:    float64(rapid.IntRange(-2, 2).Draw(t, "threshold")),
		TreatMissing: rapid.SampledFrom([]string{"", model.MissingMissing, model.MissingIgnore, model.MissingBreaching, model.MissingNotBreaching}).Draw(t, "missing"),
	}
}

func anyTime(t *rapid.T) time.Time {
	return noon.Add(time.Duration(rapid.Int64Range(0, int64(24*time.Hour)).Draw(t, "now")))
}

// anyPoints draws a point for each period of the window, newest first, or none.
func anyPoints(t *rapid.T, a *model.Alarm, now time.Time, gaps bool) []alarm.Point {
	start, at := alarm.Window(a, now)
	var points []alarm.Point
	for at = at.Add(-a.Resolution()); !at.Before(start); at = at.Add(-a.Resolution()) {
		if gaps && rapid.Bool().Draw(t, "gap") {
			continue
		}
		points = append(points, alarm.Point{At: at, Value: float64(rapid.IntRange(-3, 3).Draw(t, "value")), Samples: 1})
	}
	return points
}

// TestNewestDecide: when there are enough points, older ones, their order and the way to treat missing data do not matter.
func TestNewestDecide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, now := anyAlarm(t), anyTime(t)
		points := anyPoints(t, a, now, false)
		want := alarm.Evaluate(a, nil, points[:a.EvaluationPeriods], now)
		if got := alarm.Evaluate(a, nil, points, now); gocmp.Diff(want, got) != "" {
			t.Fatalf("with older points: %s", gocmp.Diff(want, got))
		}
		breaching := 0
		for _, p := range points[:a.EvaluationPeriods] {
			if breaches(a, p.Value) {
				breaching++
			}
		}
		if (want.Value == model.AlarmAlarm) != (breaching >= a.Needed()) || want.Kept {
			t.Fatalf("%+v with %d breaching of %d, %d needed", want, breaching, a.EvaluationPeriods, a.Needed())
		}
	})
}

func breaches(a *model.Alarm, v float64) bool {
	c := cmp.Compare(v, a.Threshold)
	switch a.Comparison {
	case model.Less:
		return c < 0
	case model.LessOrEqual:
		return c <= 0
	case model.Greater:
		return c > 0
	}
	return c >= 0
}

// TestVerdicts: whatever the points are, the same ones in another order give the same verdict, and its texts fit.
func TestVerdicts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, now := anyAlarm(t), anyTime(t)
		points := anyPoints(t, a, now, true)
		for range rapid.IntRange(0, 3).Draw(t, "strangers") { // off the grid, outside, twice
			at := now.Add(time.Duration(rapid.Int64Range(-int64(time.Hour), int64(time.Minute)).Draw(t, "at")))
			points = append(points, alarm.Point{At: at, Value: float64(rapid.IntRange(-3, 3).Draw(t, "value"))})
		}
		want := alarm.Evaluate(a, nil, points, now)
		shuffled := slices.Clone(points)
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		r.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
		if got := alarm.Evaluate(a, nil, shuffled, now); gocmp.Diff(want, got) != "" {
			t.Fatalf("in another order: %s", gocmp.Diff(want, got))
		}
		start, end := alarm.Window(a, now)
		for i, p := range want.Points {
			if p.At.Before(start) || p.At.Add(a.Resolution()).After(end) || i > 0 && !p.At.Before(want.Points[i-1].At) {
				t.Fatalf("points %v of the window %s to %s", want.Points, start, end)
			}
		}
		if len(want.Reason) > 1023 || len(want.ReasonData) > 4000 || !want.Kept && !json.Valid([]byte(want.ReasonData)) {
			t.Fatalf("%d and %d bytes: %s, %s", len(want.Reason), len(want.ReasonData), want.Reason, want.ReasonData)
		}
		if _, transition := alarm.Become(a, &model.AlarmState{Value: want.Value}, want, now); transition {
			t.Fatal("a verdict of the same value is a transition")
		}
	})
}

// TestUnfinishedPeriod: points of five full minutes are looked at each minute; one counts once its own period has ended.
func TestUnfinishedPeriod(t *testing.T) {
	t.Parallel()
	a := &model.Alarm{EvaluationPeriods: 1, Period: 300, Comparison: model.Greater, Threshold: 50}
	points := []alarm.Point{{At: noon.Add(-5 * time.Minute), Value: 40}, {At: noon, Value: 60}}
	for minute, want := range []model.AlarmValue{"OK", "OK", "OK", "OK", "OK", "ALARM", "ALARM"} {
		now := noon.Add(time.Duration(minute)*time.Minute + 10*time.Second)
		if v := alarm.Evaluate(a, nil, points, now); v.Value != want || len(v.Points) != 1 {
			t.Errorf("at minute %d: got %+v, want %s", minute, v, want)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	a := &model.Alarm{EvaluationPeriods: 15, Period: 1, Comparison: model.Less, Threshold: 50, Statistic: "Average"}
	var points []alarm.Point
	for i := range 15 {
		points = append(points, alarm.Point{At: noon.Add(-time.Duration(i+1) * time.Second), Value: 10.5, Samples: 3})
	}
	for name, prev := range map[string]*model.AlarmState{"transition": nil, "same": {Value: model.AlarmAlarm}} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if v := alarm.Evaluate(a, prev, points, noon); v.Value != model.AlarmAlarm {
					b.Fatal(v)
				}
			}
		})
	}
}

// TestNext: the next evaluation is later, and looks at the next piece of the same range.
func TestNext(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, now := anyAlarm(t), anyTime(t)
		next := alarm.Next(a, now)
		start, end := alarm.Window(a, now)
		start2, end2 := alarm.Window(a, next)
		if !next.After(now) || end.After(now) || !end2.Equal(next) || end2.Sub(end) != start2.Sub(start) || end2.Sub(end) > time.Minute {
			t.Fatalf("at %s: %s to %s; next at %s: %s to %s", now, start, end, next, start2, end2)
		}
		if alarm.Next(a, next.Add(-1)) != next {
			t.Fatalf("between %s and %s there is another evaluation", now, next)
		}
	})
}

// TestRuleLimits: 100 alarms and 500 elements, of which a pair of parentheses is one.
func TestRuleLimits(t *testing.T) {
	t.Parallel()
	names := func(n int) string {
		terms := make([]string, n)
		for i := range terms {
			terms[i] = "ALARM(a" + strings.Repeat("x", i) + ")"
		}
		return strings.Join(terms, " OR ")
	}
	for name, c := range map[string]struct {
		text string
		fine bool
	}{
		"100 alarms":       {names(100), true},
		"101 alarms":       {names(101), false},
		"500 elements":     {strings.Repeat("OK(a) OR ", 499) + "TRUE", true},
		"501 elements":     {strings.Repeat("OK(a) OR ", 500) + "TRUE", false},
		"499 pairs":        {strings.Repeat("(", 499) + "TRUE" + strings.Repeat(")", 499), true},
		"500 pairs":        {strings.Repeat("(", 500) + "TRUE" + strings.Repeat(")", 500), false},
		"10240 characters": {"TRUE" + strings.Repeat(" ", 10240-11) + "OR TRUE", true},
		"10241 characters": {"TRUE" + strings.Repeat(" ", 10241-11) + "OR TRUE", false},
		"only NOT":         {strings.Repeat("NOT ", 2500) + "TRUE", true},
		"a space before":   {" TRUE", false},
		"a line after":     {"TRUE\n", false},
		"nothing":          {"", false},
		"not UTF-8":        {"ALARM(\xff)", false},
	} {
		if _, err := alarm.ParseRule(c.text); (err == nil) != c.fine {
			t.Errorf("%s: got %v, want fine: %t", name, err, c.fine)
		}
	}
}

func TestCyclic(t *testing.T) {
	t.Parallel()
	graph := map[string][]string{"a": {"b", "m"}, "b": {"c", "m"}, "c": {"b"}, "d": {"d"}, "e": {"a"}, "f": {"m", "g"}, "g": {"m"}}
	for name, want := range map[string]bool{"a": false, "b": true, "c": true, "d": true, "e": false, "f": false, "m": false} {
		if got := alarm.Cyclic(name, func(a string) []string { return graph[a] }); got != want {
			t.Errorf("%s: got %t, want %t", name, got, want)
		}
	}
}

func FuzzParseRule(f *testing.F) {
	for _, seed := range []string{
		"ALARM(a) AND NOT OK(\"b\") OR INSUFFICIENT_DATA(arn:aws:cloudwatch:eu-west-1:1:alarm:c)", "(TRUE OR False) AND NOT NOT ALARM(a b)",
		`ALARM("a \"b\" \\ (c)")`, "ALARM(é) OR", "((", "AT_LEAST(1, ALARM, (a))", "NOT", "ALARM(a))",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rule, err := alarm.ParseRule(text)
		if err != nil {
			if rule != nil || err.Error() == "" || !utf8.ValidString(err.Error()) {
				t.Fatalf("ParseRule(%q) gives %v and %q", text, rule, err)
			}
			return
		}
		printed := rule.String()
		again, err := alarm.ParseRule(printed)
		if utf8.RuneCountInString(printed) > alarm.MaxRuleLength { // quotes were put around names
			return
		}
		if err != nil || again.String() != printed || gocmp.Diff(again.Alarms(), rule.Alarms()) != "" {
			t.Fatalf("ParseRule(%q) prints %q, then %v (%v)", text, printed, again, err)
		}
		for _, value := range []model.AlarmValue{model.AlarmAlarm, model.AlarmOK, model.AlarmInsufficient, ""} {
			state := func(name string) (model.AlarmValue, bool) {
				if len(name)%2 == 0 && value == model.AlarmOK {
					return model.AlarmAlarm, true
				}
				return value, value != ""
			}
			if rule.Eval(state) != again.Eval(state) {
				t.Fatalf("%q and %q mean different things", text, printed)
			}
		}
	})
}
