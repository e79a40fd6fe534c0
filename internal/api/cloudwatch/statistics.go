package cloudwatch

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// The bounds of GetMetricStatistics ("GetMetricStatistics").
const (
	statisticsPoints = 1440
	statisticsMax    = 5
	extendedMax      = 10
)

func (a *API) getMetricStatistics(_ context.Context, call control.Call, in *client.GetMetricStatisticsInput) (*client.GetMetricStatisticsOutput, error) {
	c := complaint(badValue)
	m, err := c.metricIn("", in.Namespace, in.MetricName, in.Dimensions)
	if err := first(err, checkStatistics(in), c.period("Period", in.Period), c.unit("Unit", in.Unit)); err != nil {
		return nil, err
	}
	span, err := c.span(call.Now, in.StartTime, in.EndTime, int(*in.Period))
	if err != nil {
		return nil, err
	}
	if n := spanCount(*in.StartTime, *in.EndTime, span.period); n > statisticsPoints {
		return nil, badCombination("You have requested up to %s datapoints, which exceeds the limit of %s. You may reduce the datapoints requested by "+
			"increasing Period, or decreasing the time range.", thousands(n), thousands(statisticsPoints))
	}
	if a.Reader == nil {
		return nil, errNoMetrics
	}
	out := &client.GetMetricStatisticsOutput{Label: in.MetricName, Datapoints: []types.Datapoint{}}
	if span = span.kept(call.Now); !span.start.Before(span.end) {
		return out, nil
	}
	units, err := a.units(call, *m, in.Unit)
	if err != nil {
		return nil, err
	}
	for _, unit := range units {
		points, err := a.datapoints(call, *m, unit, span, in)
		if err != nil {
			return nil, err
		}
		out.Datapoints = append(out.Datapoints, points...)
	}
	return out, nil
}

// checkStatistics wants either statistics or extended ones.
func checkStatistics(in *client.GetMetricStatisticsInput) error {
	switch {
	case len(in.Statistics) == 0 && len(in.ExtendedStatistics) == 0:
		return badCombination("At least one of the parameters Statistics and ExtendedStatistics must be specified.")
	case len(in.Statistics) > 0 && len(in.ExtendedStatistics) > 0:
		return badCombination("The parameters Statistics and ExtendedStatistics are mutually exclusive and you have specified both.")
	case len(in.Statistics) > statisticsMax:
		return badValue("The collection Statistics must not have a size greater than %d.", statisticsMax)
	case len(in.ExtendedStatistics) > extendedMax:
		return badValue("The collection ExtendedStatistics must not have a size greater than %d.", extendedMax)
	}
	for i, s := range in.Statistics {
		if !model.BasicStatistic(string(s)) {
			return badValue("The parameter Statistics.member.%d must be a value in the set [ Average, Sum, SampleCount, Maximum, Minimum ].", i+1)
		}
	}
	for i, s := range in.ExtendedStatistics {
		if parsed, err := metrics.ParseStatistic(s); err != nil || !parsed.NeedsValues() {
			return badValue("The value %.100s for parameter ExtendedStatistics.member.%d is not supported.", s, i+1)
		}
	}
	return nil
}

// units are the units to give data of: the one that is asked for, else those that the metric has had. "" stands for all
// together, where nobody knows them.
func (a *API) units(call control.Call, m model.Metric, unit types.StandardUnit) ([]string, error) {
	switch {
	case unit != "":
		return []string{string(unit)}, nil
	case a.Lister == nil:
		return []string{""}, nil
	}
	units, err := a.Lister.Units(call.Region, m)
	if err != nil {
		return nil, fmt.Errorf("list the units of %s: %w", m, err)
	}
	return units, nil
}

// datapoints reads all statistics of one unit, and puts those of one time together.
func (a *API) datapoints(call control.Call, m model.Metric, unit string, s span, in *client.GetMetricStatisticsInput) ([]types.Datapoint, error) {
	found := map[time.Time]*types.Datapoint{}
	names := slices.Clone(in.ExtendedStatistics)
	for _, s := range in.Statistics {
		names = append(names, string(s))
	}
	for _, name := range names {
		points, err := a.Reader.Read(metrics.Query{
			Region: call.Region, Metric: m, Unit: unit, Statistic: name, Period: s.period, Start: s.start, End: s.end,
		})
		if err != nil {
			return nil, fmt.Errorf("read %s of %s: %w", name, m, err)
		}
		for _, p := range points {
			d := found[p.At]
			if d == nil {
				d = &types.Datapoint{Timestamp: aws.Time(p.At), Unit: types.StandardUnit(cmp.Or(unit, string(types.StandardUnitNone)))}
				found[p.At] = d
			}
			setStatistic(d, name, p.Value)
		}
	}
	out := make([]types.Datapoint, 0, len(found))
	for _, d := range found {
		out = append(out, *d)
	}
	slices.SortFunc(out, func(x, y types.Datapoint) int { return x.Timestamp.Compare(*y.Timestamp) })
	return out, nil
}

func setStatistic(d *types.Datapoint, name string, v float64) {
	switch name {
	case model.StatAverage:
		d.Average = &v
	case model.StatSum:
		d.Sum = &v
	case model.StatMinimum:
		d.Minimum = &v
	case model.StatMaximum:
		d.Maximum = &v
	case model.StatSampleCount:
		d.SampleCount = &v
	default:
		if d.ExtendedStatistics == nil {
			d.ExtendedStatistics = map[string]float64{}
		}
		d.ExtendedStatistics[name] = v
	}
}

// span is a range of time in periods.
type span struct {
	start, end time.Time // inclusive, exclusive
	period     time.Duration
}

// spanCount is how many points lie between two times.
func spanCount(start, end time.Time, period time.Duration) int {
	return int((end.Sub(start) + period - 1) / period)
}

// kept leaves out of the span what is not kept in its period any more ("Metrics retention").
func (s span) kept(now time.Time) span {
	age := metrics.KeepSixty
	switch {
	case s.period%time.Minute != 0:
		age = metrics.KeepFine
	case s.period%(5*time.Minute) != 0:
		age = metrics.KeepOne
	case s.period%time.Hour != 0:
		age = metrics.KeepFive
	}
	if late := now.Add(-age).Sub(s.start); late > 0 {
		if within := late % s.period; within > 0 {
			late += s.period - within
		}
		s.start = s.start.Add(late)
	}
	return s
}

// span reads a range of time.
func (c complaint) span(now time.Time, start, end *time.Time, seconds int) (span, error) {
	switch {
	case start == nil:
		return span{}, c.required("StartTime")
	case end == nil:
		return span{}, c.required("EndTime")
	case !start.Before(*end):
		e := c("The parameter StartTime must be less than the parameter EndTime.")
		if e.Code == invalidParameter {
			e.Code = invalidCombination
		}
		return span{}, e
	case end.Sub(*start) > spanMax:
		return span{}, c("The parameters StartTime and EndTime are too far apart: at most %d days.", int(spanMax.Hours()/24))
	}
	return spanOf(now, *start, *end, seconds), nil
}

// spanMax is the longest range of time that can be asked for: nothing is kept for longer (455 days).
const spanMax = 500 * 24 * time.Hour

// spanOf rounds the start down to what is kept at its age. Periods count from there ("GetMetricStatistics").
func spanOf(now, start, end time.Time, seconds int) span {
	period := time.Duration(seconds) * time.Second
	return span{start: metrics.AlignStart(start, period, now), end: end.UTC(), period: period}
}

// thousands writes a number with commas.
func thousands(n int) string {
	digits := fmt.Sprint(n)
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}
