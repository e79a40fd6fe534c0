package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/api/paging"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/model"
)

// The bounds of GetMetricData ("GetMetricData").
const (
	dataQueriesMax = 500
	dataPointsMax  = 100_800
	searchMax      = 100 // series that a search finds
)

func (a *API) getMetricData(_ context.Context, call control.Call, in *client.GetMetricDataInput) (*client.GetMetricDataOutput, error) {
	r, err := a.dataIn(call, in)
	if err != nil {
		return nil, err
	}
	place, err := r.place(in)
	if err != nil {
		return nil, err
	}
	if a.Reader == nil {
		return nil, errNoMetrics
	}
	results, err := r.evaluate()
	if err != nil {
		return nil, err
	}
	return r.page(results, place, in), nil
}

// dataRequest is what GetMetricData asks for.
type dataRequest struct {
	api        *API
	call       control.Call
	queries    []model.MetricQuery
	plan       *expr.Plan
	start, end time.Time
	zone       *time.Location // of times in labels
	ascending  bool
	limit      int
	messages   []types.MessageData
}

func (a *API) dataIn(call control.Call, in *client.GetMetricDataInput) (*dataRequest, error) {
	c := complaint(invalid)
	switch {
	case len(in.MetricDataQueries) == 0:
		return nil, c.required("MetricDataQueries")
	case len(in.MetricDataQueries) > dataQueriesMax:
		return nil, invalid("The collection MetricDataQueries must not have a size greater than %d.", dataQueriesMax)
	}
	if _, err := c.span(call.Now, in.StartTime, in.EndTime, 60); err != nil {
		return nil, err
	}
	if err := first(checkEnum("scanBy", in.ScanBy), number("maxDatapoints", in.MaxDatapoints, 1, dataPointsMax)); err != nil {
		return nil, err
	}
	r := &dataRequest{
		api: a, call: call, start: in.StartTime.UTC(), end: in.EndTime.UTC(), zone: time.UTC, ascending: in.ScanBy == types.ScanByTimestampAscending, limit: dataPointsMax,
	}
	if in.MaxDatapoints != nil {
		r.limit = int(*in.MaxDatapoints)
	}
	var err error
	if in.LabelOptions != nil && in.LabelOptions.Timezone != nil {
		if r.zone, err = zoneIn(*in.LabelOptions.Timezone); err != nil {
			return nil, err
		}
	}
	if r.queries, err = (queryReader{list: "MetricDataQueries"}).read(in.MetricDataQueries); err != nil {
		return nil, err
	}
	if r.plan, err = expr.NewPlan(r.queries); err != nil {
		return nil, invalid("%s", err.Error())
	}
	return r, nil
}

// zoneIn reads a timezone such as +0130 ("LabelOptions").
func zoneIn(s string) (*time.Location, error) {
	t, err := time.Parse("-0700", s)
	if err != nil {
		return nil, invalid("The value %.100s for parameter LabelOptions.Timezone is invalid: it must be + or - and four digits.", s)
	}
	return t.Location(), nil
}

// evaluate computes all queries: the series of each by id.
func (r *dataRequest) evaluate() (map[string][]expr.Series, error) {
	read := map[string]expr.Series{}
	names := defaultLabels(r.queries)
	for _, q := range r.queries {
		if q.Metric == nil {
			continue
		}
		series, err := r.read(*q.Metric, q.Unit, q.Statistic, time.Duration(q.Period)*time.Second)
		if err != nil {
			return nil, err
		}
		series.ID, series.Label = q.ID, names[q.ID]
		read[q.ID] = series
	}
	spanOfAll := spanOf(r.call.Now, r.start, r.end, int(max(r.plan.Period(), time.Minute)/time.Second))
	results, err := r.plan.Evaluate(expr.Env{Start: spanOfAll.start, End: spanOfAll.end, Period: r.plan.Period(), Search: r.search}, read)
	if wrong, ok := errors.AsType[*expr.Error](err); ok {
		return nil, invalid("%s", wrong.Error())
	}
	return results, err
}

// read gives the series of a statistic of a metric.
func (r *dataRequest) read(m model.Metric, unit, statistic string, period time.Duration) (expr.Series, error) {
	s := spanOf(r.call.Now, r.start, r.end, int(period/time.Second)).kept(r.call.Now)
	series := expr.Series{Period: period}
	if !s.start.Before(s.end) {
		return series, nil
	}
	points, err := r.api.Reader.Read(metrics.Query{
		Region: r.call.Region, Metric: m, Unit: unit, Statistic: statistic, Period: period, Start: s.start, End: s.end,
	})
	if err != nil {
		return series, fmt.Errorf("read %s of %s: %w", statistic, m, err)
	}
	series.Points = points
	return series, nil
}

// search reads the metrics that a SEARCH of an expression finds.
func (r *dataRequest) search(s *expr.Search) ([]expr.Series, error) {
	if r.api.Lister == nil {
		return nil, errNoMetrics
	}
	period := s.Period
	if period == 0 {
		period = max(r.plan.Period(), time.Minute)
	}
	found, err := r.find(s)
	if err != nil {
		return nil, err
	}
	if len(found) > searchMax {
		found = found[:searchMax]
		r.messages = append(r.messages, types.MessageData{
			Code: aws.String("MaxMetricsExceeded"), Value: aws.String(fmt.Sprintf("Maximum number of allowed metrics exceeded: a search gives the first %d", searchMax)),
		})
	}
	var all []expr.Series
	for _, m := range found {
		series, err := r.read(m, "", s.Statistic, period)
		if err != nil {
			return nil, err
		}
		series.Label = strings.Join(append(dimensionValues(m), m.Name), " ")
		all = append(all, series)
	}
	return all, nil
}

// find lists the metrics of a search, and stops when there are too many.
func (r *dataRequest) find(s *expr.Search) (found []model.Metric, err error) {
	page := keep.Page{Next: ""}
	for {
		page, err = r.api.Lister.List(keep.Filter{Region: r.call.Region, Namespace: s.Namespace, After: page.Next, Limit: listPage})
		if err != nil {
			return nil, fmt.Errorf("list metrics: %w", err)
		}
		for _, m := range page.Metrics {
			if s.Match(m) {
				found = append(found, m)
			}
		}
		if page.Next == "" || len(found) > searchMax {
			return found, nil
		}
	}
}

// place is where a page begins: in one of the results, which are numbered, behind a time, or at its beginning.
type place struct {
	result int
	at     time.Time
}

// String is the place as it stands in a token.
func (p place) String() string {
	if p.at.IsZero() {
		return strconv.Itoa(p.result) + "/"
	}
	return strconv.Itoa(p.result) + "/" + strconv.FormatInt(p.at.Unix(), 10)
}

// place reads the token.
func (r *dataRequest) place(in *client.GetMetricDataInput) (p place, err error) {
	key, ok := r.query(in).Key(in.NextToken)
	if !ok {
		return p, wire.Errorf("InvalidNextToken", "The specified NextToken is invalid")
	}
	number, at, _ := strings.Cut(key, "/") // the checksum says that it is ours
	if number != "" {
		p.result, err = strconv.Atoi(number)
	}
	if at != "" && err == nil {
		var seconds int64
		seconds, err = strconv.ParseInt(at, 10, 64)
		p.at = time.Unix(seconds, 0)
	}
	return p, err
}

// query is what the token is tied to.
func (r *dataRequest) query(in *client.GetMetricDataInput) paging.Query {
	all := *in
	all.NextToken, all.MaxDatapoints = nil, nil
	text, err := json.Marshal(all)
	if err != nil {
		return "" // not reached: it is plain data
	}
	return paging.Of(r.call, string(text))
}

// shown is a series that is returned.
type shown struct {
	query  model.MetricQuery
	series expr.Series
}

// shown are the series of the queries that are not hidden, in their order.
func (r *dataRequest) shown(results map[string][]expr.Series) (all []shown) {
	for _, q := range r.queries {
		for _, series := range results[q.ID] {
			if !q.Hidden {
				all = append(all, shown{q, series})
			}
		}
	}
	return all
}

// page gives the results behind a place, as many points as the limit allows. One that is not whole has PartialData.
func (r *dataRequest) page(results map[string][]expr.Series, from place, in *client.GetMetricDataInput) *client.GetMetricDataOutput {
	out := &client.GetMetricDataOutput{MetricDataResults: []types.MetricDataResult{}, Messages: append([]types.MessageData{}, r.messages...)}
	left := r.limit
	for i, s := range r.shown(results) {
		if i < from.result {
			continue
		}
		points := r.ordered(s.series.Points)
		if i == from.result && !from.at.IsZero() {
			points = r.after(points, from.at)
		}
		if left == 0 {
			out.NextToken = r.query(in).Token(place{result: i}.String())
			return out
		}
		result := r.result(s, points[:min(left, len(points))])
		if len(points) > left {
			result.StatusCode = types.StatusCodePartialData
			out.NextToken = r.query(in).Token(place{i, points[left-1].At}.String())
		}
		out.MetricDataResults = append(out.MetricDataResults, result)
		if out.NextToken != nil {
			return out
		}
		left -= len(points)
	}
	return out
}

// ordered gives the points of a series in the order that is asked for.
func (r *dataRequest) ordered(points []metrics.Point) []metrics.Point {
	if r.ascending {
		return points
	}
	points = slices.Clone(points)
	slices.Reverse(points)
	return points
}

// after are the points that come after a time in the order that is asked for.
func (r *dataRequest) after(points []metrics.Point, at time.Time) []metrics.Point {
	for i, p := range points {
		if r.ascending && p.At.After(at) || !r.ascending && p.At.Before(at) {
			return points[i:]
		}
	}
	return nil
}

func (r *dataRequest) result(s shown, points []metrics.Point) types.MetricDataResult {
	out := types.MetricDataResult{
		Id: aws.String(s.query.ID), Label: aws.String(r.label(s.query, s.series)), StatusCode: types.StatusCodeComplete,
		Timestamps: make([]time.Time, 0, len(points)), Values: make([]float64, 0, len(points)),
	}
	for _, p := range points {
		out.Timestamps, out.Values = append(out.Timestamps, p.At.UTC()), append(out.Values, p.Value)
	}
	return out
}
