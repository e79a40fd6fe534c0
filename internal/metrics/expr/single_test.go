package expr_test

import (
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
)

// TestSingle: what gives one series, whatever was measured, is told from what cannot be looked at by an alarm.
func TestSingle(t *testing.T) {
	t.Parallel()
	metric := func(id string, period int) model.MetricQuery {
		return model.MetricQuery{ID: id, Metric: &model.Metric{Name: id}, Statistic: "Sum", Period: period, Hidden: true}
	}
	const several, scalar = "must return a single time series", "not a scalar"
	for expression, want := range map[string]string{
		"m1 / m2": "", "SUM(METRICS())": "", "FIRST(METRICS())": "", "SUM([m1, m2])": "", "IF(m1 > 1, m2, 0)": "",
		"FILL(m1, REPEAT) + TIME_SERIES(1)": "", "HOUR(m1)": "", "METRICS('m1')": "", "SLICE(METRICS(), 0, 1)": "",
		"IF(AVG(m1) > 2, m1, m2)": "", "IF(AVG(m1) > 2, m1, 0)": "", // a number only at times
		"IF(AVG(m1) < 2, 0, m1)": "", "m1 - AVG(m1)": "",
		"METRICS()": several, "[m1, m2]": several, "METRICS() * 2": several, "METRICS('x')": several,
		"REMOVE_EMPTY([m1])": several, "SORT(METRICS(), AVG, ASC)": several,
		"AVG(m1)": scalar, "1": scalar, "METRIC_COUNT(METRICS())": scalar,
		"IF(METRICS(), 1, 0)": "argument 1 is of type Array[TimeSeries]", "PERIOD(METRICS()) * m1": "argument 1 is of type",
		`SUM(SEARCH('{A} x', 'Sum'))`: "SEARCH is not supported", `m1 + FIRST(SEARCH('x', 'Sum', 60))`: "SEARCH is not supported",
	} {
		for _, period := range []int{60, 86400, 1} {
			plan, err := expr.NewPlan([]model.MetricQuery{metric("m1", period), metric("m2", 60), {ID: "e1", Expression: expression}})
			if err != nil {
				t.Fatalf("%s: %v", expression, err)
			}
			switch err := plan.Single(); {
			case want == "" && err != nil:
				t.Errorf("%s: %v", expression, err)
			case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "'e1'")):
				t.Errorf("%s: got %v, want %q", expression, err, want)
			}
		}
	}
}

// TestSingleOfSteps: what the result needs is looked at too.
func TestSingleOfSteps(t *testing.T) {
	t.Parallel()
	m1 := model.MetricQuery{ID: "m1", Metric: &model.Metric{Name: "m"}, Statistic: "Sum", Hidden: true}
	for _, x := range []struct{ hidden, shown, want string }{
		{"METRICS()", "SUM(e1)", ""},
		{"[m1, m1]", "e1 / 2", "'e2': It must return a single time series, not an array of 2"},
		{"SEARCH('x', 'Sum')", "SUM(e1)", "'e1': SEARCH is not supported"},
		{"AVG(m1)", "m1 * e1", "'e1': The expression must return a time series"},
	} {
		plan, err := expr.NewPlan([]model.MetricQuery{m1, {ID: "e1", Expression: x.hidden, Hidden: true}, {ID: "e2", Expression: x.shown}})
		if err != nil {
			t.Fatal(err)
		}
		if err := plan.Single(); (err == nil) != (x.want == "") || err != nil && !strings.Contains(err.Error(), x.want) {
			t.Errorf("%s, %s: got %v, want %q", x.hidden, x.shown, err, x.want)
		}
	}
	plan, err := expr.NewPlan([]model.MetricQuery{m1})
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.Single(); err == nil || !strings.Contains(err.Error(), "Exactly one element") {
		t.Errorf("of nothing shown: %v", err)
	}
}
