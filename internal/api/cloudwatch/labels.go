package cloudwatch

import (
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
)

func dimensionValues(m model.Metric) (values []string) {
	for _, d := range m.Dimensions {
		values = append(values, d.Value)
	}
	return values
}

// defaultLabels names the metrics of queries by their ids, for those that have no label: by the metric's name, and where
// several have the same, with the values of the dimensions before it, and then with the statistic behind it.
func defaultLabels(queries []model.MetricQuery) map[string]string {
	labels := map[string]string{}
	forms := []func(q model.MetricQuery) string{
		func(q model.MetricQuery) string { return q.Metric.Name },
		func(q model.MetricQuery) string {
			return strings.Join(append(dimensionValues(*q.Metric), q.Metric.Name), " ")
		},
		func(q model.MetricQuery) string {
			return strings.Join(append(dimensionValues(*q.Metric), q.Metric.Name, q.Statistic), " ")
		},
	}
	for _, form := range forms {
		met := map[string]int{}
		for _, label := range labels {
			met[label]++
		}
		for _, q := range queries {
			if old, ok := labels[q.ID]; q.Metric != nil && (!ok || met[old] > 1) {
				labels[q.ID] = form(q)
			}
		}
	}
	return labels
}

// dynamic is a part of a label that is worked out from the data ("Use dynamic labels").
var dynamic = regexp.MustCompile(`\$\{([A-Z_]+)(?:\('([^']*)'\))?\}`)

// label is the label of a result, with its dynamic parts. What is not known stays as it is.
func (r *dataRequest) label(q model.MetricQuery, series expr.Series) string {
	label := series.Label
	if label == "" {
		label = q.ID
	}
	return dynamic.ReplaceAllStringFunc(label, func(part string) string {
		m := dynamic.FindStringSubmatch(part)
		if m[1] == "PROP" {
			return r.property(q, m[2], part)
		}
		if text, ok := r.summary(series, m[1]); ok && m[2] == "" {
			return text
		}
		return part
	})
}

// property is a property of a metric; otherwise is what stands for one that it has not.
func (r *dataRequest) property(q model.MetricQuery, name, otherwise string) string {
	switch name {
	case "AccountId":
		return r.call.Account
	case "Region":
		return r.call.Region
	}
	if q.Metric == nil {
		return otherwise
	}
	switch name {
	case "MetricName":
		return q.Metric.Name
	case "Namespace":
		return q.Metric.Namespace
	case "Period":
		return strconv.Itoa(q.Period)
	case "Stat":
		return q.Statistic
	}
	for _, d := range q.Metric.Dimensions {
		if name == "Dim."+d.Name {
			return d.Value
		}
	}
	return otherwise
}

// summary is a number or a time that is worked out from all points of a series: "--" if there are none.
func (r *dataRequest) summary(series expr.Series, name string) (text string, ok bool) {
	switch name {
	case "DATAPOINT_COUNT":
		return strconv.Itoa(len(series.Points)), true
	case "LABEL":
		return series.ID, true
	}
	kind, isTime := strings.CutSuffix(name, "_TIME")
	value, at, ok := summarised(series.Points, kind)
	switch {
	case !ok || isTime && at.IsZero() && len(series.Points) > 0:
		return "", false
	case len(series.Points) == 0:
		return "--", true
	case isTime:
		return at.In(r.zone).Format(time.RFC3339), true
	}
	return strconv.FormatFloat(value, 'g', -1, 64), true
}

// summarised gives a number that is worked out from points, and the time of the one that it is of, zero if of all; ok is false
// if kind is not known.
func summarised(points []metrics.Point, kind string) (value float64, at time.Time, ok bool) {
	var chosen, first, least, most, last metrics.Point
	var sum float64
	for i, p := range points {
		if i == 0 {
			first, least, most = p, p, p
		}
		if p.Value < least.Value {
			least = p
		}
		if p.Value > most.Value {
			most = p
		}
		last = p
		sum += p.Value
	}
	switch kind {
	case "MIN":
		chosen = least
	case "MAX":
		chosen = most
	case "FIRST":
		chosen = first
	case "LAST":
		chosen = last
	case "SUM":
		chosen.Value = sum
	case "AVG":
		chosen.Value = sum / float64(max(1, len(points)))
	default:
		return 0, time.Time{}, false
	}
	return chosen.Value, chosen.At, true
}
