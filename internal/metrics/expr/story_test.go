package expr_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
)

// TestStories runs the scripts of testdata/scripts.
//
//	data [from=TIME]         metrics, a line each, "m1 60: 30 - 0": the points of successive periods from noon on, - is none.
//	                         The request is about all of these periods
//	eval                     an expression a line: what it comes to, as points of successive periods; of an array a line each
//	parse                    an expression a line: what it names, or what is wrong with it
//	plan                     queries, a line each, "m1" (a metric) or "e1 = m1 / 2 as LABEL": the
//	                         order in which they are computed, and what they come to
//	search                   an expression with a SEARCH: which of the metrics below it finds
func TestStories(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := &story{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "data":
				s.start = noon
				if d.HasArg("from") {
					var from string
					d.ScanArgs(t, "from", &from)
					s.start = moment(t, from)
				}
				s.read(t, d.Input)
				return ""
			case "eval":
				return eachLine(d.Input, s.eval)
			case "parse":
				return eachLine(d.Input, parsed)
			case "plan":
				return s.plan(d.Input)
			case "search":
				return eachLine(d.Input, searched)
			}
			t.Fatalf("what is %s?", d.Cmd)
			return ""
		})
	})
}

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) // a Sunday

type story struct {
	start time.Time
	env   expr.Env
}

func moment(t *testing.T, text string) time.Time {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

func eachLine(input string, show func(string) string) string {
	var out strings.Builder
	for line := range strings.Lines(input) {
		line = strings.TrimSuffix(line, "\n")
		out.WriteString(line + "\n")
		for answer := range strings.Lines(show(line)) {
			out.WriteString("  " + strings.TrimRight(answer, " \n") + "\n")
		}
	}
	return out.String()
}

func (s *story) read(t *testing.T, input string) {
	s.env = expr.Env{Results: map[string]expr.Value{}, Start: s.start, End: s.start, Period: time.Minute}
	for line := range strings.Lines(input) {
		name, values, _ := strings.Cut(line, ":")
		id, seconds, _ := strings.Cut(name, " ")
		n, err := strconv.Atoi(seconds)
		if err != nil {
			t.Fatal(err)
		}
		series := expr.Series{ID: id, Label: "the " + id, Period: time.Duration(n) * time.Second}
		at := s.start
		for word := range strings.FieldsSeq(values) {
			if v, err := strconv.ParseFloat(word, 64); err == nil {
				series.Points = append(series.Points, metrics.Point{At: at, Value: v, Samples: 1})
			}
			at = at.Add(series.Period)
		}
		if at.After(s.env.End) {
			s.env.End = at
		}
		s.env.Period = min(s.env.Period, series.Period)
		s.env.Metrics = append(s.env.Metrics, series)
		s.env.Results[id] = expr.One(series)
	}
}

func (s *story) eval(text string) string {
	e, err := expr.Parse(text)
	if err != nil {
		return err.Error()
	}
	env := s.env
	env.Search = func(q *expr.Search) ([]expr.Series, error) { return s.env.Metrics[:1], nil }
	v, err := e.Eval(&env)
	switch {
	case err != nil:
		return err.Error()
	case v.Kind == expr.Scalar && !v.Known:
		return "unknown"
	case v.Kind == expr.Scalar:
		return "= " + strconv.FormatFloat(v.Number, 'g', 6, 64)
	case v.Kind == expr.TimeSeries:
		return s.show(v.Series[0])
	}
	out := fmt.Sprintf("%d series\n", len(v.Series))
	for _, one := range v.Series {
		out += one.ID + ": " + s.show(one) + "\n"
	}
	return out
}

// show prints the points of a series in steps of its period.
func (s *story) show(one expr.Series) string {
	points := map[time.Time]float64{}
	for _, p := range one.Points {
		points[p.At] = p.Value
	}
	words := []string{}
	for at := s.start; at.Before(s.env.End) && one.Period > 0; at = at.Add(one.Period) {
		word := "-"
		if v, ok := points[at]; ok {
			word = strconv.FormatFloat(v, 'g', 6, 64)
			delete(points, at)
		}
		words = append(words, word)
	}
	if len(points) > 0 {
		words = append(words, fmt.Sprint("and ", points))
	}
	return fmt.Sprintf("%s every %s", strings.Join(words, " "), one.Period)
}

func parsed(text string) string {
	e, err := expr.Parse(text)
	if err != nil {
		return err.Error()
	}
	out := fmt.Sprintf("names %s", e.Refs())
	if e.UsesMetrics() {
		out += " and all metrics"
	}
	for _, q := range e.Searches() {
		out += fmt.Sprintf("\nsearches %q %q, %s every %s", q.Namespace, q.Dimensions, q.Statistic, q.Period)
	}
	return out
}

func (s *story) plan(input string) string {
	var queries []model.MetricQuery
	for line := range strings.Lines(input) {
		id, expression, ok := strings.Cut(strings.TrimSpace(line), " =")
		q := model.MetricQuery{ID: id, Expression: strings.TrimSpace(expression), Period: 60, Hidden: strings.HasPrefix(id, "h")}
		q.Expression, q.Label, _ = strings.Cut(q.Expression, " as ")
		if !ok {
			q.Metric = &model.Metric{Name: id}
		}
		queries = append(queries, q)
	}
	plan, err := expr.NewPlan(queries)
	if err != nil {
		return err.Error() + "\n"
	}
	series := map[string]expr.Series{}
	for _, one := range s.env.Metrics {
		series[one.ID] = one
	}
	results, err := plan.Evaluate(expr.Env{Start: s.env.Start, End: s.env.End}, series)
	if err != nil {
		return err.Error() + "\n"
	}
	var out strings.Builder
	for _, step := range plan.Steps() {
		for _, one := range results[step.Query.ID] {
			fmt.Fprintf(&out, "%s: %s (%s, %s)\n", step.Query.ID, s.show(one), one.ID, one.Label)
		}
	}
	if returned, err := plan.Returned(); err != nil {
		fmt.Fprintln(&out, err)
	} else {
		fmt.Fprintln(&out, "returns", returned)
	}
	return out.String()
}

func searched(text string) string {
	e, err := expr.Parse(text)
	if err != nil {
		return err.Error()
	}
	found := []string{}
	for _, m := range []model.Metric{
		{Namespace: "AWS/EC2", Name: "CPUUtilization", Dimensions: []model.Dimension{{Name: "InstanceId", Value: "i-1"}}},
		{Namespace: "AWS/EC2", Name: "CPUUtilization", Dimensions: []model.Dimension{{Name: "InstanceType", Value: "t2.micro"}}},
		{Namespace: "AWS/EC2", Name: "NetworkPacketsIn", Dimensions: []model.Dimension{{Name: "InstanceId", Value: "i-2"}}},
		{Namespace: "AWS/ECS", Name: "CPUUtilization", Dimensions: []model.Dimension{{Name: "ClusterName", Value: "c"}, {Name: "ServiceName", Value: "ProjectA-web"}}},
		{Namespace: "My Space", Name: "CustomCount1"},
		{Namespace: "My Space", Name: "Network-Errors_2"},
		{Namespace: "My Space", Name: `Europe\France Traffic(Network)`},
		{Namespace: "My Space", Name: "SDBFailure"},
	} {
		if e.Searches()[0].Match(m) {
			found = append(found, m.String())
		}
	}
	if len(found) == 0 {
		return "nothing"
	}
	return strings.Join(found, "\n")
}
