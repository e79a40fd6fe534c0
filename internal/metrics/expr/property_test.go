package expr_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
)

// world is an environment whose series are as bad as can be: not finite, not ordered, twice at a time, with gaps.
func world() *expr.Env {
	at := func(minute int, v float64) metrics.Point {
		return metrics.Point{At: noon.Add(time.Duration(minute) * time.Minute), Value: v, Samples: 1}
	}
	all := []expr.Series{
		{ID: "m1", Period: time.Minute, Points: []metrics.Point{at(0, 1), at(1, 0), at(3, -2.5), at(4, math.MaxFloat64)}},
		{ID: "m2", Period: time.Minute, Points: []metrics.Point{at(4, 7), at(1, math.NaN()), at(1, 3), at(1, 4), at(0, math.Inf(1))}},
		{ID: "m3", Period: 5 * time.Minute},
	}
	env := &expr.Env{
		Results: map[string]expr.Value{"s1": {Kind: expr.Scalar, Known: true, Number: math.NaN()}, "a1": expr.Many(all)},
		Metrics: all, Start: noon, End: noon.Add(6 * time.Minute), Period: time.Minute,
		Search: func(*expr.Search) ([]expr.Series, error) { return all[1:], nil },
	}
	for _, s := range all {
		env.Results[s.ID] = expr.One(s)
	}
	return env
}

// check says what is wrong with a value that may come out.
func check(v expr.Value) error {
	if math.IsNaN(v.Number) || math.IsInf(v.Number, 0) {
		return fmt.Errorf("the number is %v", v.Number)
	}
	if (v.Kind == expr.TimeSeries) != (len(v.Series) == 1) && v.Kind != expr.Array || len(v.Series) > expr.MaxSeries {
		return fmt.Errorf("%s with %d series", v.Kind, len(v.Series))
	}
	for _, s := range v.Series {
		for i, p := range s.Points {
			if math.IsNaN(p.Value) || math.IsInf(p.Value, 0) || i > 0 && !s.Points[i-1].At.Before(p.At) {
				return fmt.Errorf("points %v", s.Points)
			}
		}
	}
	return nil
}

func FuzzEval(f *testing.F) {
	for _, seed := range []string{
		"m1 + m2 * m3 / 2 ^ -1", "-m1 ^ 2 > 0 AND m2 <= 3 || NOT", "IF(m1 > AVG(m1), m2, 0)", "SUM([m1, METRICS()]) / AVG(a1)", "s1 + m1",
		"FILL(m1, LINEAR) - FILL(METRICS(\"2\"), REPEAT)", "SORT(a1, MAX, DESC, 2)", "SLICE(SORT(METRICS(), SUM, ASC), 0, 1)", "RATE(RUNNING_SUM(m1))",
		"TIME_SERIES(STDDEV(m2) * 1e308 * 10)", "EPOCH(m1) + MINUTE(m3)", "SUM(SEARCH('{AWS/ECS, ClusterName} MetricName=\"CPU\" OR (a NOT b)', 'Sum', 60))",
		"LOG(m1) + LOG10(-1)", "s1", "DIFF_TIME(FILL(m2, m1))", "FIRST(REMOVE_EMPTY(a1)) == LAST(METRICS(\"x\"))", "PERIOD(m3)/DATAPOINT_COUNT(m3)",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := expr.Parse(text)
		if err != nil {
			if e != nil || !utf8.ValidString(err.Error()) {
				t.Fatalf("Parse(%q) gives %v and %q", text, e, err)
			}
			return
		}
		env, untouched := world(), world()
		v, err := e.Eval(env)
		again, errAgain := e.Eval(env)
		if problem := check(v); problem != nil {
			t.Fatalf("%q: %v", text, problem)
		}
		if cmp.Diff(v, again) != "" || (err == nil) != (errAgain == nil) {
			t.Fatalf("%q is now %v (%v), now %v (%v)", text, v, err, again, errAgain)
		}
		if d := cmp.Diff(untouched.Metrics, env.Metrics, cmp.Comparer(sameFloat)); d != "" {
			t.Fatalf("%q changed its environment: %s", text, d)
		}
		for _, q := range e.Searches() {
			q.Match(model.Metric{Namespace: "AWS/ECS", Name: "CPUUtilization", Dimensions: []model.Dimension{{Name: "ClusterName", Value: "a b"}}})
		}
	})
}

func sameFloat(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }

func anySeries(t *rapid.T, id string) expr.Series {
	s := expr.Series{ID: id, Period: time.Minute}
	for i := range 8 {
		if rapid.Bool().Draw(t, "there") {
			s.Points = append(s.Points, metrics.Point{At: noon.Add(time.Duration(i) * time.Minute), Value: float64(rapid.IntRange(-2, 2).Draw(t, "value"))})
		}
	}
	return s
}

// TestJoin: where points come from, by operator.
func TestJoin(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := anySeries(t, "a"), anySeries(t, "b")
		env := &expr.Env{Results: map[string]expr.Value{"a": expr.One(a), "b": expr.One(b)}}
		inA, inB := points(a), points(b)
		for text, want := range map[string]func(x, y *float64) (float64, bool){
			"a + b": func(x, y *float64) (float64, bool) { return zero(x) + zero(y), x != nil && y != nil },
			"a / b": func(x, y *float64) (float64, bool) { return zero(x) / zero(y), x != nil && y != nil && *y != 0 },
			"a > b": func(x, y *float64) (float64, bool) { return truth(zero(x) > zero(y)), x != nil || y != nil },
			"SUM([a, b])": func(x, y *float64) (float64, bool) {
				return zero(x) + zero(y), x != nil || y != nil
			},
			"FILL(a, b)": func(x, y *float64) (float64, bool) {
				if x != nil {
					return *x, true
				}
				return zero(y), y != nil && len(a.Points) > 0
			},
		} {
			env.Start, env.End = noon, noon.Add(8*time.Minute)
			v := eval(t, text, env)
			got := points(v.Series[0])
			for i := range 8 {
				at := noon.Add(time.Duration(i) * time.Minute)
				value, there := want(inA[at], inB[at])
				if text == "FILL(a, b)" && len(a.Points) == 0 {
					value, there = zero(inB[at]), inB[at] != nil
				}
				if p := got[at]; there != (p != nil) || there && *p != value {
					t.Fatalf("%s at %s: got %v, want %v (%t) of %v and %v", text, at, p, value, there, a.Points, b.Points)
				}
			}
		}
	})
}

func eval(t *rapid.T, text string, env *expr.Env) expr.Value {
	e, err := expr.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	v, err := e.Eval(env)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func points(s expr.Series) map[time.Time]*float64 {
	all := map[time.Time]*float64{}
	for i := range s.Points {
		all[s.Points[i].At] = &s.Points[i].Value
	}
	return all
}

func zero(p *float64) float64 {
	if p == nil {
		return 0
	}
	return *p
}

func truth(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// TestPlanOrder: each query comes after those that it names, or the plan is refused because one depends on itself.
func TestPlanOrder(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "n")
		queries := make([]model.MetricQuery, n)
		needs := map[string][]string{}
		for i := range queries {
			queries[i] = model.MetricQuery{ID: fmt.Sprintf("q%d", i)}
			others := rapid.SliceOfN(rapid.IntRange(0, n-1), 0, 2).Draw(t, "needs")
			if len(others) == 0 {
				queries[i].Metric = &model.Metric{Name: "x"}
			}
			for _, o := range others {
				queries[i].Expression += fmt.Sprintf("+q%d", o)
				needs[queries[i].ID] = append(needs[queries[i].ID], fmt.Sprintf("q%d", o))
			}
			if len(others) > 0 {
				queries[i].Expression = queries[i].Expression[1:]
			}
		}
		plan, err := expr.NewPlan(queries)
		if (err != nil) != cyclic(needs) {
			t.Fatalf("%v: got %v", needs, err)
		}
		if err != nil {
			return
		}
		var done []string
		for _, step := range plan.Steps() {
			for _, needed := range needs[step.Query.ID] {
				if !slices.Contains(done, needed) {
					t.Fatalf("%s comes after %v, but needs %s", step.Query.ID, done, needed)
				}
			}
			done = append(done, step.Query.ID)
		}
		if len(done) != n {
			t.Fatalf("%v of %d queries", done, n)
		}
	})
}

// cyclic takes away what needs nothing that is left, until nothing is left or nothing can be taken.
func cyclic(needs map[string][]string) bool {
	left := maps.Clone(needs)
	for range needs {
		for id, of := range left {
			if !slices.ContainsFunc(of, func(o string) bool { return left[o] != nil }) {
				delete(left, id)
			}
		}
	}
	return len(left) > 0
}

// TestLimits: what is too much is refused before it takes memory.
func TestLimits(t *testing.T) {
	t.Parallel()
	env := world()
	env.End = noon.Add(expr.MaxPoints * time.Minute)
	for text, fine := range map[string]bool{
		"TIME_SERIES(1)": true, "FILL(m1, 0)": true, "HOUR(m1)": true, "[METRICS(), METRICS()]": true, "[big, m1]": false, "[big]": true,
	} {
		env.Results["big"] = expr.Many(make([]expr.Series, expr.MaxSeries))
		e, err := expr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.Eval(env); (err == nil) != fine {
			t.Errorf("%s: got %v, want fine: %t", text, err, fine)
		}
	}
	env.End = env.End.Add(time.Minute)
	for _, text := range []string{"TIME_SERIES(1)", "FILL(m1, 0)", "HOUR(m1)", "YEAR(METRICS())"} {
		e, err := expr.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		if v, err := e.Eval(env); err == nil {
			t.Errorf("%s: got %d points, want an error", text, len(v.Series[0].Points))
		}
	}
	for text, fine := range map[string]bool{"1": true, string(slices.Repeat([]byte("-"), 2047)) + "1": true, string(slices.Repeat([]byte("-"), 2048)) + "1": false} {
		if _, err := expr.Parse(text); (err == nil) != fine {
			t.Errorf("%d characters: got %v, want fine: %t", len(text), err, fine)
		}
	}
}
