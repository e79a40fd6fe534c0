package cloudwatch

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// The bounds of what names a metric ("Metric", "Dimension").
const (
	nameMax           = 255
	dimensionValueMax = 1024
	dimensionsMax     = 30
)

// complaint makes the error of an operation for a bad value: the operations disagree in the code.
type complaint func(format string, args ...any) *wire.Error

// required refuses a parameter that is not given, with the code that the operation has for it.
func (c complaint) required(parameter string) error {
	e := c("The parameter %s is required.", parameter)
	if e.Code == invalidParameter {
		e.Code = missingParameter
	}
	return e
}

// metricIn reads what names a metric. prefix stands before the names of the parameters.
func (c complaint) metricIn(prefix string, namespace, name *string, in []types.Dimension) (*model.Metric, error) {
	if err := first(c.namespace(prefix+"Namespace", aws.ToString(namespace)), c.name(prefix+"MetricName", aws.ToString(name), nameMax)); err != nil {
		return nil, err
	}
	dimensions, err := c.dimensions(prefix+"Dimensions", in)
	return &model.Metric{Namespace: *namespace, Name: *name, Dimensions: dimensions}, err
}

func (c complaint) namespace(parameter, value string) error {
	if err := c.name(parameter, value, nameMax); err != nil {
		return err
	}
	if value[0] == ':' || strings.ContainsFunc(value, func(r rune) bool { return r > unicode.MaxASCII }) {
		return c("The value %.300s for parameter %s is invalid.", value, parameter)
	}
	return nil
}

// name checks a text that is required, is not blank and has no control characters.
func (c complaint) name(parameter, value string, most int) error {
	switch {
	case value == "":
		return c.required(parameter)
	case len([]rune(value)) > most:
		return c("The parameter %s must be shorter than %d characters.", parameter, most+1)
	case strings.TrimSpace(value) == "" || strings.ContainsFunc(value, unicode.IsControl):
		return c("The value %.300q for parameter %s is invalid.", value, parameter)
	}
	return nil
}

func (c complaint) dimensions(parameter string, in []types.Dimension) ([]model.Dimension, error) {
	if len(in) > dimensionsMax {
		return nil, c("The collection %s must not have a size greater than %d.", parameter, dimensionsMax)
	}
	dimensions := make([]model.Dimension, 0, len(in))
	for i, d := range in {
		member := fmt.Sprintf("%s.member.%d.", parameter, i+1)
		name, value := aws.ToString(d.Name), aws.ToString(d.Value)
		if err := first(c.name(member+"Name", name, nameMax), c.name(member+"Value", value, dimensionValueMax)); err != nil {
			return nil, err
		}
		if name[0] == ':' {
			return nil, c("The value %.300s for parameter %sName is invalid.", name, member)
		}
		dimensions = append(dimensions, model.Dimension{Name: name, Value: value})
	}
	slices.SortFunc(dimensions, func(x, y model.Dimension) int { return cmp.Compare(x.Name, y.Name) })
	for i := range dimensions[min(1, len(dimensions)):] {
		if dimensions[i].Name == dimensions[i+1].Name {
			return nil, c("The parameter %s has the dimension %s more than once.", parameter, dimensions[i].Name)
		}
	}
	return dimensions, nil
}

func dimensionsOut(dimensions []model.Dimension) []types.Dimension {
	out := make([]types.Dimension, 0, len(dimensions))
	for _, d := range dimensions {
		out = append(out, types.Dimension{Name: aws.String(d.Name), Value: aws.String(d.Value)})
	}
	return out
}

// unit checks a unit that is given.
func (c complaint) unit(parameter string, unit types.StandardUnit) error {
	if unit == "" || slices.Contains(unit.Values(), unit) {
		return nil
	}
	names := make([]string, 0, len(unit.Values()))
	for _, u := range unit.Values() {
		names = append(names, string(u))
	}
	return c("The parameter %s must be a value in the set [ %s ].", parameter, strings.Join(names, ", "))
}

// period checks a period in seconds: 1, 5, 10, 20, 30 or whole minutes, of a day at most.
func (c complaint) period(parameter string, period *int32) error {
	switch p := aws.ToInt32(period); {
	case period == nil:
		return c.required(parameter)
	case !goodPeriod(int(p)):
		return c("The value %d for parameter %s is invalid: it must be 1, 5, 10, 20, 30 or a multiple of 60, and at most %d.", p, parameter, periodMax)
	}
	return nil
}

// periodMax is the longest period, of a year: longer ones have no data.
const periodMax = 365 * 24 * 60 * 60

func goodPeriod(seconds int) bool {
	return seconds <= periodMax && metrics.CheckPeriod(time.Duration(seconds)*time.Second) == nil
}
