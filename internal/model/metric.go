package model

import "strings"

// Dimension is one part of what a metric is about ("Dimensions" of CloudWatch).
type Dimension struct {
	Name  string `json:"n"`
	Value string `json:"v"`
}

// Metric names what is measured: a namespace, a name and the exact set of dimensions. Dimensions are sorted by name.
type Metric struct {
	Namespace  string      `json:"ns"`
	Name       string      `json:"name"`
	Dimensions []Dimension `json:"dims,omitempty"`
}

// String gives the metric as a person reads it: namespace, name, dimensions.
func (m Metric) String() string {
	parts := []string{m.Namespace, m.Name}
	for _, d := range m.Dimensions {
		parts = append(parts, d.Name+"="+d.Value)
	}
	return strings.Join(parts, " ")
}

// The namespaces that maitred itself publishes in. Those of AWS have AWS's metrics; NamespaceFast has the same services,
// targets and tasks each second.
const (
	NamespaceECS         = "AWS/ECS"
	NamespaceInsights    = "ECS/ContainerInsights"
	NamespaceApplication = "AWS/ApplicationELB"
	NamespaceNetwork     = "AWS/NetworkELB"
	NamespaceFast        = "Maitred"
)

// The metrics of how much of what is reserved is used, of services and clusters ("Amazon ECS service utilization metrics").
const (
	MetricCPU    = "CPUUtilization"
	MetricMemory = "MemoryUtilization"
)

// MetricQuery is one part of what is asked of metrics: a statistic of a metric, or an expression over other parts
// ("MetricDataQuery").
type MetricQuery struct {
	ID         string  `json:"id"`
	Expression string  `json:"expr,omitempty"`
	Label      string  `json:"label,omitempty"`
	Metric     *Metric `json:"metric,omitempty"` // nil for an expression
	Statistic  string  `json:"stat,omitempty"`   // Average, Sum, Minimum, Maximum, SampleCount, p99, tm95 …
	Unit       string  `json:"unit,omitempty"`   // "": all units
	Period     int     `json:"period,omitempty"` // seconds
	Hidden     bool    `json:"hidden,omitempty"` // ReturnData is false
}

// Returned names what queries give back: the metric or the expression of the one that is not hidden, "" if all are.
func Returned(queries []MetricQuery) string {
	for _, q := range queries {
		switch {
		case q.Hidden:
		case q.Metric != nil:
			return q.Metric.String()
		default:
			return q.Expression
		}
	}
	return ""
}

// The statistics that every series has ("Statistic").
const (
	StatAverage     = "Average"
	StatSum         = "Sum"
	StatMinimum     = "Minimum"
	StatMaximum     = "Maximum"
	StatSampleCount = "SampleCount"
)

// BasicStatistic says whether a statistic can be told from a statistic set alone: all others are "extended".
func BasicStatistic(s string) bool {
	switch s {
	case StatAverage, StatSum, StatMinimum, StatMaximum, StatSampleCount:
		return true
	}
	return false
}
