package elbv2

import (
	"cmp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/api/paging"
	"github.com/maitred/maitred/internal/control"
)

// pageMax is the largest page, and the one that is given when none is asked for ("DescribeLoadBalancers").
const pageMax = 400

// page cuts the page that a request wants out of all results, and gives the marker of the next one, nil for the last.
func page[T any](call control.Call, all []T, key func(T) string, marker *string, size *int32, filters ...[]string) ([]T, *string, error) {
	if err := number("pageSize", size, 1, pageMax); err != nil {
		return nil, nil, err
	}
	limit := pageMax
	if size != nil {
		limit = int(*size)
	}
	query := paging.Of(call, slices.Concat(filters...)...)
	after, ok := query.Key(marker)
	if !ok {
		return nil, nil, invalid("The marker '%.100s' is not valid: it has to come from an answer to %s with the same filters", aws.ToString(marker), call.Operation)
	}
	slices.SortFunc(all, func(x, y T) int { return cmp.Compare(key(x), key(y)) })
	part, next := paging.Cut(query, all, key, cmp.Compare, after, limit)
	return part, next, nil
}
