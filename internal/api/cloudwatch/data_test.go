package cloudwatch_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/model"
)

func ownMetric(value string) model.Metric {
	return model.Metric{Namespace: "Own", Name: "m", Dimensions: []model.Dimension{{Name: "d", Value: value}}}
}

// metric is a query for the metric m of the namespace Own.
func metric(id string, period int32, stat string, dimensions ...string) types.MetricDataQuery {
	return types.MetricDataQuery{Id: &id, MetricStat: &types.MetricStat{
		Metric: &types.Metric{Namespace: aws.String("Own"), MetricName: aws.String("m"), Dimensions: dim(dimensions...)}, Period: &period, Stat: &stat,
	}}
}

func math(id, expression string) types.MetricDataQuery {
	return types.MetricDataQuery{Id: &id, Expression: &expression}
}

func hidden(q types.MetricDataQuery) types.MetricDataQuery {
	q.ReturnData = aws.Bool(false)
	return q
}

func labelled(q types.MetricDataQuery, label string) types.MetricDataQuery {
	q.Label = &label
	return q
}

// lastHour asks for data of the last hour.
func lastHour(queries ...types.MetricDataQuery) *client.GetMetricDataInput {
	return &client.GetMetricDataInput{StartTime: aws.Time(start.Add(-time.Hour)), EndTime: aws.Time(start.Add(time.Minute)), MetricDataQueries: queries}
}

// told writes results so that they can be compared: id (label) status: minutes before the start and values.
func told(results []types.MetricDataResult) string {
	var lines []string
	for _, r := range results {
		line := fmt.Sprintf("%s (%s) %s:", *r.Id, *r.Label, r.StatusCode)
		for i, v := range r.Values {
			line += fmt.Sprintf(" %d=%v", int(r.Timestamps[i].Sub(start.Truncate(time.Minute)).Minutes()), v)
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// backlog puts a queue's length and a number of tasks for each of the last three minutes.
func (w *world) backlog() {
	w.t.Helper()
	for i, n := range []float64{30, 20, 10} {
		ago := time.Duration(i) * time.Minute
		w.value(n, ago, "d", "queue")
		if i != 1 {
			w.value(2, ago, "d", "tasks")
		}
	}
}

func TestGetMetricData(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.backlog()
	m1, m2 := metric("m1", 60, "Sum", "d", "queue"), metric("m2", 60, "Average", "d", "tasks")
	for _, tc := range []struct {
		name    string
		queries []types.MetricDataQuery
		want    string
	}{
		{"metric", []types.MetricDataQuery{m1}, "m1 (m) Complete: 0=30 -1=20 -2=10"},
		{"two metrics", []types.MetricDataQuery{m1, m2}, "m1 (queue m) Complete: 0=30 -1=20 -2=10\nm2 (tasks m) Complete: 0=2 -2=2"},
		{
			"two statistics",
			[]types.MetricDataQuery{m1, metric("m3", 60, "Maximum", "d", "queue")},
			"m1 (queue m Sum) Complete: 0=30 -1=20 -2=10\nm3 (queue m Maximum) Complete: 0=30 -1=20 -2=10",
		},
		{"period", []types.MetricDataQuery{metric("m1", 300, "Sum", "d", "queue")}, "m1 (m) Complete: 0=30 -5=30"},
		{"backlog per task", []types.MetricDataQuery{math("e1", "m1/m2"), hidden(m1), hidden(m2)}, "e1 (e1) Complete: 0=15 -2=5"},
		{"expression of an expression", []types.MetricDataQuery{hidden(m1), hidden(math("e1", "m1*2")), math("e2", "e1+1")}, "e2 (e2) Complete: 0=61 -1=41 -2=21"},
		{"sum of all", []types.MetricDataQuery{hidden(m1), hidden(m2), labelled(math("e1", "SUM(METRICS())"), "all")}, "e1 (all) Complete: 0=32 -1=20 -2=12"},
		{
			"search",
			[]types.MetricDataQuery{math("e1", `SEARCH('{Own,d} MetricName="m"', 'Sum', 60)`)},
			"e1 (queue m) Complete: 0=30 -1=20 -2=10\ne1 (tasks m) Complete: 0=2 -2=2",
		},
		{"nothing", []types.MetricDataQuery{metric("m9", 60, "Sum", "d", "unknown")}, "m9 (m) Complete:"},
		{
			"labels",
			[]types.MetricDataQuery{labelled(m1, "${PROP('Dim.d')} ${PROP('Stat')} ${PROP('Region')} max ${MAX} at ${MAX_TIME} avg ${AVG} of ${DATAPOINT_COUNT}, ${LAST} ${NO} ${PROP('x')}")},
			"m1 (queue Sum eu-west-1 max 30 at 2026-03-01T12:00:00Z avg 20 of 3, 30 ${NO} ${PROP('x')}) Complete: 0=30 -1=20 -2=10",
		},
	} {
		out, err := w.GetMetricData(t.Context(), lastHour(tc.queries...))
		if err != nil {
			t.Errorf("%s: %v", tc.name, err)
		} else if got := told(out.MetricDataResults); got != tc.want || out.NextToken != nil {
			t.Errorf("%s: got\n%s\nwant\n%s", tc.name, got, tc.want)
		}
	}
	in := lastHour(labelled(m1, "${FIRST_TIME} ${LAST_TIME}"))
	in.ScanBy, in.LabelOptions = types.ScanByTimestampAscending, &types.LabelOptions{Timezone: aws.String("+0130")}
	want := "m1 (2026-03-01T13:28:00+01:30 2026-03-01T13:30:00+01:30) Complete: -2=10 -1=20 0=30"
	if got := told(must(w.GetMetricData(t.Context(), in))(t).MetricDataResults); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestGetMetricDataInPages gives all points once, in order, however small the pages are.
func TestGetMetricDataInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.backlog()
	queries := []types.MetricDataQuery{metric("m1", 60, "Sum", "d", "queue"), metric("m9", 60, "Sum", "d", "unknown"), metric("m2", 60, "Sum", "d", "tasks")}
	for _, scan := range []types.ScanBy{types.ScanByTimestampAscending, types.ScanByTimestampDescending} {
		whole := lastHour(queries...)
		whole.ScanBy = scan
		want := map[string]string{}
		for _, r := range must(w.GetMetricData(t.Context(), whole))(t).MetricDataResults {
			want[*r.Id] = fmt.Sprint(r.Timestamps, r.Values)
		}
		for limit := range int32(6) {
			in := lastHour(queries...)
			in.ScanBy, in.MaxDatapoints = scan, aws.Int32(limit+1)
			all := map[string]*types.MetricDataResult{}
			for p := client.NewGetMetricDataPaginator(w, in); p.HasMorePages(); {
				out := must(p.NextPage(t.Context()))(t)
				n := 0
				for _, r := range out.MetricDataResults {
					n += len(r.Values)
					if all[*r.Id] == nil {
						all[*r.Id] = &types.MetricDataResult{}
					}
					all[*r.Id].Timestamps, all[*r.Id].Values = append(all[*r.Id].Timestamps, r.Timestamps...), append(all[*r.Id].Values, r.Values...)
				}
				if n > int(limit)+1 {
					t.Errorf("a page has %d points, want at most %d", n, limit+1)
				}
			}
			for id, w := range want {
				if got := fmt.Sprint(all[id].Timestamps, all[id].Values); strings.Trim(got, "[] ") != strings.Trim(w, "[] ") {
					t.Errorf("%s in pages of %d: got %s, want %s", id, limit+1, got, w)
				}
			}
		}
	}
	first := lastHour(queries...)
	first.MaxDatapoints = aws.Int32(1)
	out := must(w.GetMetricData(t.Context(), first))(t)
	if out.MetricDataResults[0].StatusCode != types.StatusCodePartialData {
		t.Errorf("a part is %s", out.MetricDataResults[0].StatusCode)
	}
	other := lastHour(queries[1:]...)
	other.NextToken = out.NextToken
	wantError(t, failure(w.GetMetricData(t.Context(), other)), "InvalidNextToken", "NextToken")
}

// TestSearchIsBounded says that a search finds more than it gives.
func TestSearchIsBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 101 {
		w.value(1, 0, "d", fmt.Sprint(i))
	}
	out := must(w.GetMetricData(t.Context(), lastHour(math("e1", `SEARCH('{Own,d}', 'Sum', 60)`))))(t)
	if len(out.MetricDataResults) != 100 || len(out.Messages) != 1 || !strings.Contains(*out.Messages[0].Value, "Maximum number of allowed metrics exceeded") {
		t.Errorf("got %d results and %+v", len(out.MetricDataResults), out.Messages)
	}
}
