package cloudwatch

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// The bounds of PutMetricData ("PutMetricData", "CloudWatch service quotas").
const (
	putBytesMax  = 1 << 20 // as sent
	putDataMax   = 1000
	putValuesMax = 150
	putOldest    = metrics.MaxPast
	putNewest    = metrics.MaxAhead
	valueExp     = 360 // values are between -2^360 and 2^360
)

// putMetricDataOp makes the operation, which has to know how large the request was.
func (a *API) putMetricDataOp() wire.Operation {
	return wire.Op("PutMetricData", func(ctx context.Context, r *wire.Request, in *client.PutMetricDataInput) (*client.PutMetricDataOutput, error) {
		if r.BodyBytes > putBytesMax {
			return nil, &wire.Error{
				Code: "RequestEntityTooLarge", HTTPStatus: http.StatusRequestEntityTooLarge,
				Message: fmt.Sprintf("The request has %d bytes; at most %d are allowed.", r.BodyBytes, putBytesMax),
			}
		}
		call, err := a.Call(ctx, r)
		if err != nil {
			return nil, err
		}
		data, err := putIn(call, in)
		if err != nil {
			return nil, err
		}
		if a.Putter == nil {
			return nil, errNoMetrics
		}
		a.Putter.Put(data)
		return &client.PutMetricDataOutput{}, nil
	})
}

// putIn checks all of a request before anything of it is put.
func putIn(call control.Call, in *client.PutMetricDataInput) ([]metrics.Datum, error) {
	c := complaint(badValue)
	namespace := aws.ToString(in.Namespace)
	if err := c.namespace("Namespace", namespace); err != nil {
		return nil, err
	}
	if strings.HasPrefix(namespace, "AWS/") || namespace == model.NamespaceFast {
		return nil, badValue("The value %s for parameter Namespace is invalid: namespaces that begin with AWS/, and %s, are not for users.",
			namespace, model.NamespaceFast)
	}
	groups, err := putGroups(in)
	if err != nil {
		return nil, err
	}
	var data []metrics.Datum
	for _, g := range groups {
		for i, d := range g.data {
			p := putter{complaint: c, member: fmt.Sprintf("%s.member.%d.", g.name, i+1), now: call.Now}
			datum, err := p.datum(call.Region, namespace, d)
			if err != nil {
				return nil, err
			}
			data = append(data, datum)
		}
	}
	return data, nil
}

// putGroup is a list of measurements in a request.
type putGroup struct {
	name string
	data []types.MetricDatum
}

// putGroups are the lists in a request. Data of entities is taken, and the entities are not kept: that is what CloudWatch does
// with entities that it does not know, unless they are to be checked strictly.
func putGroups(in *client.PutMetricDataInput) ([]putGroup, error) {
	groups := []putGroup{{"MetricData", in.MetricData}}
	n := len(in.MetricData)
	for i, e := range in.EntityMetricData {
		name := fmt.Sprintf("EntityMetricData.member.%d.MetricData", i+1)
		if e.Entity != nil && aws.ToBool(in.StrictEntityValidation) {
			return nil, badValue("The value for parameter EntityMetricData.member.%d.Entity is invalid: entities are not kept by this version of maitred; "+
				"send the data without one, or without StrictEntityValidation.", i+1)
		}
		groups = append(groups, putGroup{name, e.MetricData})
		n += len(e.MetricData)
	}
	switch {
	case n == 0:
		return nil, complaint(badValue).required("MetricData")
	case n > putDataMax:
		return nil, badValue("The collection MetricData must not have a size greater than %d.", putDataMax)
	}
	return groups, nil
}

// putter reads one measurement.
type putter struct {
	complaint
	member string // what stands before the names of its parameters
	now    time.Time
}

func (p putter) datum(region, namespace string, in types.MetricDatum) (d metrics.Datum, err error) {
	if err := p.name(p.member+"MetricName", aws.ToString(in.MetricName), nameMax); err != nil {
		return d, err
	}
	dimensions, err := p.dimensions(p.member+"Dimensions", in.Dimensions)
	if err := first(err, p.unit(p.member+"Unit", in.Unit)); err != nil {
		return d, err
	}
	d.Series = metrics.Series{
		Region: region, Metric: model.Metric{Namespace: namespace, Name: *in.MetricName, Dimensions: dimensions}, Unit: string(in.Unit),
	}
	if d.Unit == "" {
		d.Unit = string(types.StandardUnitNone)
	}
	if d.At, err = p.at(in.Timestamp); err != nil {
		return d, err
	}
	if d.Resolution, err = p.resolution(in.StorageResolution); err != nil {
		return d, err
	}
	err = p.values(&d, in)
	return d, err
}

func (p putter) at(at *time.Time) (time.Time, error) {
	switch {
	case at == nil:
		return p.now, nil
	case at.Before(p.now.Add(-putOldest)):
		return time.Time{}, p.complaint("The parameter %sTimestamp must specify a time no more than two weeks in the past.", p.member)
	case at.After(p.now.Add(putNewest)):
		return time.Time{}, p.complaint("The parameter %sTimestamp must specify a time no more than two hours in the future.", p.member)
	}
	return at.UTC(), nil
}

func (p putter) resolution(r *int32) (int, error) {
	switch aws.ToInt32(r) {
	case 1:
		return 1, nil
	case 60:
		return 60, nil
	}
	if r != nil {
		return 0, p.complaint("The value %d for parameter %sStorageResolution is invalid: it must be 1 or 60.", *r, p.member)
	}
	return 60, nil
}

// values reads what was measured, in one of its three forms.
func (p putter) values(d *metrics.Datum, in types.MetricDatum) error {
	var given []string
	for _, form := range []struct {
		name string
		is   bool
	}{{"Value", in.Value != nil}, {"Values", in.Values != nil}, {"StatisticValues", in.StatisticValues != nil}} {
		if form.is {
			given = append(given, p.member+form.name)
		}
	}
	switch {
	case len(given) == 0:
		return p.required(p.member + "Value")
	case len(given) > 1:
		return badCombination("The parameters %s and %s are mutually exclusive and you have specified both.", given[0], given[1])
	case in.Counts != nil && in.Values == nil:
		return badCombination("The parameter %sCounts must not be specified without %sValues.", p.member, p.member)
	case in.StatisticValues != nil:
		return p.set(d, in.StatisticValues)
	case in.Value != nil:
		return p.list(d, "Value", []float64{*in.Value}, nil)
	}
	return p.list(d, "Values", in.Values, in.Counts)
}

// list reads single values, with how often each was met.
func (p putter) list(d *metrics.Datum, name string, values, counts []float64) error {
	switch {
	case len(values) == 0:
		return p.required(p.member + name)
	case len(values) > putValuesMax:
		return p.complaint("The collection %s%s must not have a size greater than %d.", p.member, name, putValuesMax)
	case counts != nil && len(counts) != len(values):
		return p.complaint("The parameters %sValues and %sCounts must have the same size; they have %d and %d.", p.member, p.member, len(values), len(counts))
	}
	for i, v := range values {
		n := 1.0
		if counts != nil {
			n = counts[i]
		}
		if err := first(p.value(name, v), p.sampled("Counts", n)); err != nil {
			return err
		}
		d.Add(metrics.Stats{Count: n, Sum: v * n, Min: v, Max: v})
		d.Values, d.Counts = append(d.Values, v), append(d.Counts, n)
	}
	return p.value(name, d.Sum)
}

// set reads a statistic set.
func (p putter) set(d *metrics.Datum, in *types.StatisticSet) error {
	for _, part := range []struct {
		name string
		from *float64
		to   *float64
	}{{"SampleCount", in.SampleCount, &d.Count}, {"Sum", in.Sum, &d.Sum}, {"Minimum", in.Minimum, &d.Min}, {"Maximum", in.Maximum, &d.Max}} {
		name := "StatisticValues." + part.name
		if part.from == nil {
			return p.required(p.member + name)
		}
		if err := p.value(name, *part.from); err != nil {
			return err
		}
		*part.to = *part.from
	}
	if err := p.sampled("StatisticValues.SampleCount", d.Count); err != nil {
		return err
	}
	if d.Min > d.Max {
		return p.complaint("The parameter %sStatisticValues.Maximum must be greater than or equal to the parameter %sStatisticValues.Minimum.", p.member, p.member)
	}
	if d.Min == d.Max { // then all samples are known
		d.Values, d.Counts = []float64{d.Min}, []float64{d.Count}
	}
	return nil
}

// value checks a number that was measured.
func (p putter) value(name string, v float64) error {
	if math.IsNaN(v) || math.Abs(v) > math.Ldexp(1, valueExp) {
		return p.complaint("The value %s for parameter %s%s is invalid: values are between -2^%d and 2^%d.",
			strconv.FormatFloat(v, 'g', -1, 64), p.member, name, valueExp, valueExp)
	}
	return nil
}

// sampled checks how often something was measured.
func (p putter) sampled(name string, n float64) error {
	if err := p.value(name, n); err != nil {
		return err
	}
	if n <= 0 {
		return p.complaint("The value %s for parameter %s%s is invalid: it must be greater than 0.", strconv.FormatFloat(n, 'g', -1, 64), p.member, name)
	}
	return nil
}
