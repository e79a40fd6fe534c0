package cloudwatch

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"

	"github.com/maitred/maitred/internal/api/paging"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/model"
)

// The bounds of ListMetrics ("ListMetrics").
const (
	listPage       = 500
	listFiltersMax = 10
)

func (a *API) listMetrics(_ context.Context, call control.Call, in *client.ListMetricsInput) (*client.ListMetricsOutput, error) {
	if err := checkList(call, in); err != nil {
		return nil, err
	}
	query := paging.Of(call, listQuery(in)...)
	after, ok := query.Key(in.NextToken)
	if !ok {
		return nil, badValue("The value %.100s for parameter NextToken is invalid.", aws.ToString(in.NextToken))
	}
	if a.Lister == nil {
		return nil, errNoMetrics
	}
	found, err := a.Lister.List(listFilter(call, in, after))
	if err != nil {
		return nil, fmt.Errorf("list metrics: %w", err)
	}
	out := &client.ListMetricsOutput{Metrics: []types.Metric{}}
	if found.Next != "" {
		out.NextToken = query.Token(found.Next)
	}
	for _, m := range found.Metrics {
		out.Metrics = append(out.Metrics, types.Metric{
			Namespace: aws.String(m.Namespace), MetricName: aws.String(m.Name), Dimensions: dimensionsOut(m.Dimensions),
		})
		if aws.ToBool(in.IncludeLinkedAccounts) {
			out.OwningAccounts = append(out.OwningAccounts, call.Account)
		}
	}
	return out, nil
}

func listFilter(call control.Call, in *client.ListMetricsInput, after string) keep.Filter {
	f := keep.Filter{
		Region: call.Region, Namespace: aws.ToString(in.Namespace), Name: aws.ToString(in.MetricName), RecentlyActive: in.RecentlyActive != "",
		After: after, Limit: listPage,
	}
	for _, d := range in.Dimensions {
		f.Dimensions = append(f.Dimensions, keep.DimensionFilter{Name: aws.ToString(d.Name), Value: d.Value})
	}
	return f
}

// checkList checks filters that are given.
func checkList(call control.Call, in *client.ListMetricsInput) error {
	c := complaint(badValue)
	if in.Namespace != nil {
		if err := c.namespace("Namespace", *in.Namespace); err != nil {
			return err
		}
	}
	if in.MetricName != nil {
		if err := c.name("MetricName", *in.MetricName, nameMax); err != nil {
			return err
		}
	}
	if owner := aws.ToString(in.OwningAccount); owner != "" && (owner != call.Account || !aws.ToBool(in.IncludeLinkedAccounts)) {
		return badValue("The value %.100s for parameter OwningAccount is invalid: there are no linked accounts.", owner)
	}
	if r := in.RecentlyActive; r != "" && r != types.RecentlyActivePt3h {
		return badValue("The parameter RecentlyActive must be a value in the set [ PT3H ].")
	}
	if len(in.Dimensions) > listFiltersMax {
		return badValue("The collection Dimensions must not have a size greater than %d.", listFiltersMax)
	}
	for i, d := range in.Dimensions {
		if err := c.name(fmt.Sprintf("Dimensions.member.%d.Name", i+1), aws.ToString(d.Name), nameMax); err != nil {
			return err
		}
	}
	return nil
}

// listQuery is what the token of a list is tied to.
func listQuery(in *client.ListMetricsInput) []string {
	parts := []string{aws.ToString(in.Namespace), aws.ToString(in.MetricName), string(in.RecentlyActive)}
	for _, d := range in.Dimensions {
		parts = append(parts, aws.ToString(d.Name), aws.ToString(d.Value))
	}
	return parts
}

// metricKey tells metrics apart: names have no control characters.
func metricKey(m model.Metric) string {
	parts := make([]string, 0, 2+2*len(m.Dimensions))
	parts = append(parts, m.Namespace, m.Name)
	for _, d := range m.Dimensions {
		parts = append(parts, d.Name, d.Value)
	}
	return strings.Join(parts, "\x00")
}
