package cloudwatch_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/api/cloudwatch"
	"github.com/maitred/maitred/internal/metrics"
)

// TestPutForms puts measurements in all forms, and looks at what is kept.
func TestPutForms(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.PutMetricData(t.Context(), &client.PutMetricDataInput{
		Namespace: aws.String("Own"),
		MetricData: []types.MetricDatum{
			{MetricName: aws.String("one"), Value: aws.Float64(2.5), Dimensions: dim("z", "1", "a", "2")},
			{MetricName: aws.String("many"), Values: []float64{1, 4}, Counts: []float64{3, 2}, StorageResolution: aws.Int32(1), Unit: types.StandardUnitCount},
			{MetricName: aws.String("uncounted"), Values: []float64{1, 4}, Timestamp: aws.Time(start.Add(-time.Hour))},
			{MetricName: aws.String("set"), StatisticValues: &types.StatisticSet{
				SampleCount: aws.Float64(3), Sum: aws.Float64(11), Minimum: aws.Float64(2), Maximum: aws.Float64(5),
			}},
			{MetricName: aws.String("same"), StatisticValues: &types.StatisticSet{
				SampleCount: aws.Float64(3), Sum: aws.Float64(6), Minimum: aws.Float64(2), Maximum: aws.Float64(2),
			}},
		},
		EntityMetricData: []types.EntityMetricData{{MetricData: []types.MetricDatum{{MetricName: aws.String("entity"), Value: aws.Float64(-1)}}}},
	}))(t)
	var got []string
	for _, d := range w.kept.data {
		got = append(got, fmt.Sprintf("%s %s %d %s %v %v %v", d.Metric, d.Unit, d.Resolution, start.Sub(d.At), d.Stats, d.Values, d.Counts))
	}
	want := []string{
		"Own one a=2 z=1 None 60 0s {1 2.5 2.5 2.5} [2.5] [1]",
		"Own many Count 1 0s {5 11 1 4} [1 4] [3 2]",
		"Own uncounted None 60 1h0m0s {2 5 1 4} [1 4] [1 1]",
		"Own set None 60 0s {3 11 2 5} [] []",
		"Own same None 60 0s {3 6 2 2} [2] [3]",
		"Own entity None 60 0s {1 -1 -1 -1} [-1] [1]",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPutIsWholeOrNothing keeps nothing of a request with a mistake.
func TestPutIsWholeOrNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	data := []types.MetricDatum{{MetricName: aws.String("m"), Value: aws.Float64(1)}, {MetricName: aws.String("m")}}
	wantError(t, failure(w.PutMetricData(t.Context(), &client.PutMetricDataInput{Namespace: aws.String("Own"), MetricData: data})),
		"MissingParameter", "The parameter MetricData.member.2.Value is required.")
	if len(w.kept.data) != 0 {
		t.Errorf("%d measurements are kept", len(w.kept.data))
	}
}

// TestPutIsCompressed counts a request by what is sent: the client compresses large ones.
func TestPutIsCompressed(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	var data []types.MetricDatum
	for i := range 1000 {
		data = append(data, types.MetricDatum{
			MetricName: aws.String("m"), Value: aws.Float64(float64(i)), Dimensions: dim("a", strings.Repeat("x", 1000), "b", strings.Repeat("y", 1000)),
		})
	}
	in := &client.PutMetricDataInput{Namespace: aws.String("Own"), MetricData: data}
	must(w.PutMetricData(t.Context(), in))(t)
	if n := len(w.kept.data); n != 1000 {
		t.Errorf("%d measurements are kept, want 1000", n)
	}
	_, err := w.PutMetricData(t.Context(), in, func(o *client.Options) { o.DisableRequestCompression = true })
	wantError(t, err, "RequestEntityTooLarge", "at most 1048576 are allowed")
}

func statistics(from, to time.Duration, statistics ...types.Statistic) *client.GetMetricStatisticsInput {
	return &client.GetMetricStatisticsInput{
		Namespace: aws.String("Own"), MetricName: aws.String("m"), StartTime: aws.Time(start.Add(from)), EndTime: aws.Time(start.Add(to)), Period: aws.Int32(60), Statistics: statistics,
	}
}

// TestStatistics gives all statistics of a minute, stamped with its beginning (V56), and each unit for itself.
func TestStatistics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, v := range []float64{2, 4, 5} {
		w.value(v, 30*time.Second)
	}
	must(w.PutMetricData(t.Context(), &client.PutMetricDataInput{Namespace: aws.String("Own"), MetricData: []types.MetricDatum{
		{MetricName: aws.String("m"), Value: aws.Float64(7), Unit: types.StandardUnitCount},
	}}))(t)
	in := statistics(-10*time.Minute, time.Minute, "Sum", "Minimum", "Maximum", "Average", "SampleCount")
	out := must(w.GetMetricStatistics(t.Context(), in))(t)
	if len(out.Datapoints) != 2 || *out.Label != "m" {
		t.Fatalf("got %+v", out)
	}
	i := slices.IndexFunc(out.Datapoints, func(d types.Datapoint) bool { return d.Unit == types.StandardUnitNone })
	d := out.Datapoints[i]
	if *d.Sum != 11 || *d.Minimum != 2 || *d.Maximum != 5 || *d.SampleCount != 3 || *d.Average != 11.0/3 || !d.Timestamp.Equal(start.Truncate(time.Minute).Add(-time.Minute)) {
		t.Errorf("got %+v", d)
	}
	in.Unit = types.StandardUnitCount
	if out := must(w.GetMetricStatistics(t.Context(), in))(t); len(out.Datapoints) != 1 || *out.Datapoints[0].Sum != 7 {
		t.Errorf("of one unit: %+v", out.Datapoints)
	}
	in.Statistics, in.ExtendedStatistics = nil, []string{"p100", "p0"}
	if out := must(w.GetMetricStatistics(t.Context(), in))(t); len(out.Datapoints) != 1 || out.Datapoints[0].ExtendedStatistics["p100"] != 7 || out.Datapoints[0].Sum != nil {
		t.Errorf("of extended statistics: %+v", out.Datapoints)
	}
}

// asked notes what is asked of it.
type asked struct{ queries []metrics.Query }

func (a *asked) Read(q metrics.Query) ([]metrics.Point, error) {
	a.queries = append(a.queries, q)
	return nil, nil
}

// TestRounding rounds the start as it is long ago (V58), and leaves out what is not kept any more.
func TestRounding(t *testing.T) {
	t.Parallel()
	day := 24 * time.Hour
	at := func(ago time.Duration, clock string) time.Time {
		c, err := time.Parse("15:04:05", clock)
		if err != nil {
			t.Fatal(err)
		}
		return start.Add(-ago).Truncate(day).Add(c.Sub(c.Truncate(day)))
	}
	for _, tc := range []struct {
		ago       time.Duration
		clock     string
		period    int32
		wantAgo   time.Duration
		wantClock string
	}{
		{day, "12:32:34", 60, day, "12:32:00"},
		{day, "12:32:34", 300, day, "12:32:00"},
		{20 * day, "12:32:34", 300, 20 * day, "12:30:00"},
		{100 * day, "12:32:34", 3600, 100 * day, "12:00:00"},
		{0, "11:05:23", 10, 0, "11:05:20"},
		{0, "11:07:17", 5, 0, "11:07:15"},
		{20 * day, "12:30:00", 60, 15 * day, "12:01:00"},     // by the minute: 15 days
		{day, "12:00:00", 10, 0, "09:00:10"},                 // by the second: 3 hours
		{100 * day, "12:00:00", 300, 63 * day, "12:05:00"},   // by 5 minutes: 63 days
		{460 * day, "12:00:00", 3600, 455 * day, "13:00:00"}, // by the hour: 455 days
	} {
		a := &asked{}
		w := newWorldWith(t, func(d *cloudwatch.Deps) { d.Reader, d.Lister = a, nil })
		begin := at(tc.ago, tc.clock)
		must(w.GetMetricData(t.Context(), &client.GetMetricDataInput{
			StartTime: &begin, EndTime: aws.Time(start), MetricDataQueries: []types.MetricDataQuery{metric("m1", tc.period, "Sum")},
		}))(t)
		if want := at(tc.wantAgo, tc.wantClock); len(a.queries) != 1 || !a.queries[0].Start.Equal(want) || !a.queries[0].End.Equal(start.Truncate(time.Millisecond)) {
			t.Errorf("start %s, period %d: asked for %+v, want from %s", begin, tc.period, a.queries, want)
		}
	}
}

// TestStatisticsAreBounded allows 1440 points.
func TestStatisticsAreBounded(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.GetMetricStatistics(t.Context(), statistics(-24*time.Hour, 0, "Sum")))(t)
	_, err := w.GetMetricStatistics(t.Context(), statistics(-24*time.Hour-2*time.Minute, 0, "Sum"))
	wantError(t, err, "InvalidParameterCombination", "You have requested up to 1,442 datapoints, which exceeds the limit of 1,440.")
}

func TestListMetrics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.value(1, 0, "a", "1")
	w.value(1, 0, "a", "1", "b", "2")
	w.value(1, 4*time.Hour, "b", "1")
	must(w.PutMetricData(t.Context(), &client.PutMetricDataInput{Namespace: aws.String("Other"), MetricData: []types.MetricDatum{
		{MetricName: aws.String("n"), Value: aws.Float64(7), Unit: types.StandardUnitCount}, {MetricName: aws.String("n"), Value: aws.Float64(7)},
	}}))(t)
	text := func(in *client.ListMetricsInput) (got []string) {
		for _, m := range must(w.ListMetrics(t.Context(), in))(t).Metrics {
			line := *m.Namespace + " " + *m.MetricName
			for _, d := range m.Dimensions {
				line += " " + *d.Name + "=" + *d.Value
			}
			got = append(got, line)
		}
		return got
	}
	for _, tc := range []struct {
		in   client.ListMetricsInput
		want string
	}{
		{client.ListMetricsInput{}, "Other n, Own m a=1, Own m a=1 b=2, Own m b=1"},
		{client.ListMetricsInput{Namespace: aws.String("Other")}, "Other n"},
		{client.ListMetricsInput{MetricName: aws.String("m"), RecentlyActive: types.RecentlyActivePt3h}, "Own m a=1, Own m a=1 b=2"},
		{client.ListMetricsInput{Dimensions: []types.DimensionFilter{{Name: aws.String("b")}}}, "Own m a=1 b=2, Own m b=1"},
		{client.ListMetricsInput{Dimensions: []types.DimensionFilter{{Name: aws.String("b"), Value: aws.String("1")}}}, "Own m b=1"},
		{client.ListMetricsInput{Dimensions: []types.DimensionFilter{{Name: aws.String("b")}, {Name: aws.String("a")}}}, "Own m a=1 b=2"},
		{client.ListMetricsInput{Namespace: aws.String("Nothing")}, ""},
	} {
		if got := strings.Join(text(&tc.in), ", "); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	if out := must(w.ListMetrics(t.Context(), &client.ListMetricsInput{IncludeLinkedAccounts: aws.Bool(true)}))(t); len(out.OwningAccounts) != 4 || out.OwningAccounts[0] != account {
		t.Errorf("owners: %v", out.OwningAccounts)
	}
	w.pass(14*24*time.Hour - time.Hour)
	if got := strings.Join(text(&client.ListMetricsInput{}), ", "); got != "Other n, Own m a=1, Own m a=1 b=2" {
		t.Errorf("after two weeks there is %q", got)
	}
}

func TestListMetricsInPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for i := range 1001 {
		w.kept.Put([]metrics.Datum{{At: start, Stats: metrics.One(1), Resolution: 60, Series: metrics.Series{Region: region, Metric: ownMetric(fmt.Sprint(i))}}})
	}
	seen := map[string]bool{}
	pages := 0
	for p := client.NewListMetricsPaginator(w, &client.ListMetricsInput{Namespace: aws.String("Own")}); p.HasMorePages(); pages++ {
		for _, m := range must(p.NextPage(t.Context()))(t).Metrics {
			seen[*m.Dimensions[0].Value] = true
		}
	}
	if len(seen) != 1001 || pages != 3 {
		t.Errorf("saw %d metrics on %d pages, want 1001 on 3", len(seen), pages)
	}
	first := must(w.ListMetrics(t.Context(), &client.ListMetricsInput{}))(t)
	_, err := w.ListMetrics(t.Context(), &client.ListMetricsInput{NextToken: first.NextToken, MetricName: aws.String("m")})
	wantError(t, err, "InvalidParameterValue", "for parameter NextToken is invalid")
}

// TestNobodyKeepsMetrics answers an error of the server where measurements are not kept.
func TestNobodyKeepsMetrics(t *testing.T) {
	t.Parallel()
	w := newWorldWith(t, func(d *cloudwatch.Deps) { d.Reader, d.Putter, d.Lister = nil, nil, nil })
	_, err := w.PutMetricData(t.Context(), &client.PutMetricDataInput{Namespace: aws.String("Own"), MetricData: []types.MetricDatum{{MetricName: aws.String("m"), Value: aws.Float64(1)}}})
	wantError(t, err, "InternalServiceError", "not kept")
	wantError(t, failure(w.ListMetrics(t.Context(), &client.ListMetricsInput{})), "InternalServiceError", "not kept")
	wantError(t, failure(w.GetMetricStatistics(t.Context(), statistics(-time.Hour, 0, "Sum"))), "InternalServiceError", "not kept")
	wantError(t, failure(w.GetMetricData(t.Context(), &client.GetMetricDataInput{
		StartTime: aws.Time(start.Add(-time.Hour)), EndTime: aws.Time(start), MetricDataQueries: []types.MetricDataQuery{metric("m1", 60, "Sum")},
	})), "InternalServiceError", "not kept")
}
