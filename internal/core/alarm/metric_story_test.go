package alarm_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/core/alarm"
	"github.com/maitred/maitred/internal/model"
)

// TestMetricStories runs the scripts of testdata/metric, about one metric alarm each.
//
//	alarm n=3 m=2 period=60 op=> threshold=50 missing=ignore   a new alarm; arguments that are not given keep a default
//	treat                    a line each, "3/2: 0 - X -": what each way to treat missing data makes of these points (0 does
//	                         not breach, X does, - is missing, the newest on the right)
//	minutes                  a line each, the values of the newest periods, "40 - 60×9": evaluates them a period later than
//	                         the line before, and prints the transition, its reason and data. A value may have samples:
//	                         60/999
//	set VALUE                SetAlarmState
//	window                   a line each, a time of day: what an evaluation then would look at, and when the next one is
//	validate                 a line each, arguments as of alarm: what is wrong with it
func TestMetricStories(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/metric", func(t *testing.T, path string) {
		s := &metricStory{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "alarm":
				*s = metricStory{alarm: newAlarm(t, arguments(d)), now: noon}
				return ""
			case "treat":
				return eachLine(d.Input, func(line string) string { return treat(t, line) })
			case "minutes":
				return eachLine(d.Input, func(line string) string { return s.evaluate(t, line) })
			case "set":
				s.state = &model.AlarmState{Value: model.AlarmValue(d.CmdArgs[0].Key), Reason: "testing", Set: true, Since: s.now}
				return ""
			case "window":
				return eachLine(d.Input, func(line string) string { return s.window(t, line) })
			case "validate":
				return eachLine(d.Input, func(line string) string { return validity(newAlarm(t, strings.Fields(line))) })
			}
			t.Fatalf("what is %s?", d.Cmd)
			return ""
		})
	})
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type metricStory struct {
	alarm *model.Alarm
	state *model.AlarmState
	now   time.Time
}

func arguments(d *datadriven.TestData) []string {
	words := make([]string, len(d.CmdArgs))
	for i, a := range d.CmdArgs {
		words[i] = a.Key + "=" + strings.Join(a.Vals, ",")
	}
	return words
}

func eachLine(input string, show func(string) string) string {
	var out strings.Builder
	for line := range strings.Lines(input) {
		out.WriteString(show(strings.TrimSpace(line)) + "\n")
	}
	return out.String()
}

func newAlarm(t *testing.T, words []string) *model.Alarm {
	a := &model.Alarm{
		Name: "high", Region: "eu-west-1", EvaluationPeriods: 1, Period: 60, Comparison: model.Greater, Threshold: 50, Statistic: "Average",
	}
	for _, word := range words {
		set(t, a, word)
	}
	return a
}

func set(t *testing.T, a *model.Alarm, word string) {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "n":
		a.EvaluationPeriods = number(t, value)
	case "m":
		a.DatapointsToAlarm = number(t, value)
	case "period":
		a.Period = number(t, value)
	case "threshold":
		a.Threshold = value64(t, value)
	case "op":
		a.Comparison = map[string]string{
			">": model.Greater, ">=": model.GreaterOrEqual, "<": model.Less, "<=": model.LessOrEqual,
		}[value]
	case "missing":
		a.TreatMissing = value
	case "stat":
		a.Statistic = value
	case "samples":
		a.LowSamples = value
	case "math":
		a.Period, a.Statistic = 0, ""
		a.Queries = []model.MetricQuery{
			{ID: "m1", Metric: &model.Metric{Name: "x"}, Statistic: "Sum", Period: number(t, value), Hidden: true},
			{ID: "e1", Expression: "m1 * 2"},
		}
	default:
		t.Fatalf("what is %s?", key)
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func value64(t *testing.T, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func treat(t *testing.T, line string) string {
	numbers, points, _ := strings.Cut(line, ":")
	n, m, _ := strings.Cut(numbers, "/")
	out := fmt.Sprintf("%-15s", line)
	for _, way := range []string{model.MissingMissing, model.MissingIgnore, model.MissingBreaching, model.MissingNotBreaching} {
		a := newAlarm(t, []string{"n=" + n, "m=" + m, "missing=" + way})
		values := strings.NewReplacer("X", "99").Replace(points)
		v := alarm.Evaluate(a, nil, pointsOf(t, a, values, noon), noon)
		result := string(v.Value)
		if v.Kept {
			result = "keep"
		}
		out += fmt.Sprintf("  %s: %s", way, result)
	}
	return out
}

// pointsOf puts values into the periods that end at now.
func pointsOf(t *testing.T, a *model.Alarm, line string, now time.Time) []alarm.Point {
	var values []string
	for word := range strings.FieldsSeq(line) {
		value, times, repeated := strings.Cut(word, "×")
		if !repeated {
			times = "1"
		}
		values = append(values, slices.Repeat([]string{value}, number(t, times))...)
	}
	var points []alarm.Point
	for i, word := range values {
		if word == "-" {
			continue
		}
		value, samples, found := strings.Cut(word, "/")
		if !found {
			samples = "1"
		}
		points = append(points, alarm.Point{
			At:    now.Add(-time.Duration(len(values)-i) * a.Resolution()),
			Value: value64(t, value), Samples: value64(t, samples),
		})
	}
	return points
}

func (s *metricStory) evaluate(t *testing.T, line string) string {
	s.now = s.now.Add(s.alarm.Resolution())
	v := alarm.Evaluate(s.alarm, s.state, pointsOf(t, s.alarm, line, s.now), s.now.Add(123*time.Millisecond))
	next, transition := alarm.Become(s.alarm, s.state, v, s.now)
	s.state = next
	switch {
	case v.Kept && !transition:
		return fmt.Sprintf("%s: %s, kept", line, v.Value)
	case !transition:
		return fmt.Sprintf("%s: %s, as before", line, v.Value)
	}
	return fmt.Sprintf("%s: %s\n  %s\n  %s", line, v.Value, v.Reason, v.ReasonData)
}

func (s *metricStory) window(t *testing.T, line string) string {
	at, err := time.Parse(time.RFC3339Nano, "2026-03-01T"+line+"Z")
	if err != nil {
		t.Fatal(err)
	}
	const clock = "15:04:05"
	start, end := alarm.Window(s.alarm, at)
	return fmt.Sprintf("%s: looks at %s to %s, next at %s", line, start.Format(clock), end.Format(clock), alarm.Next(s.alarm, at).Format(clock))
}

func validity(a *model.Alarm) string {
	text := fmt.Sprintf("period %d × n %d: ", a.Period, a.EvaluationPeriods)
	if err := alarm.Validate(a); err != nil {
		return text + err.Error()
	}
	return text + "fine"
}
