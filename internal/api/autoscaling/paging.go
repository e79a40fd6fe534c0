package autoscaling

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/api/paging"
	"github.com/maitred/maitred/internal/api/wire"
	"github.com/maitred/maitred/internal/control"
)

// The largest pages, which are also those that are given when none is asked for ("Describe…").
const (
	pageMax       = 50
	policyPageMax = 10
)

// pages is what a request wants of many results.
type pages struct {
	call  control.Call
	most  int // on a page
	token *string
	size  *int32
	query []string // the filters
}

// cut cuts the page that is wanted out of all results, and gives the token of the next one, nil for the last. The key of a
// result gives its place among all.
func page[T any](p pages, all []T, key func(T) string) ([]T, *string, error) {
	limit := p.most
	if p.size != nil {
		if limit = int(*p.size); limit < 1 || limit > p.most {
			return nil, nil, broken("maxResults", fmt.Sprintf("'%d'", limit), fmt.Sprintf("have value between 1 and %d", p.most))
		}
	}
	query := paging.Of(p.call, p.query...)
	after, ok := query.Key(p.token)
	if !ok {
		return nil, nil, wire.Errorf("InvalidNextTokenException", "The NextToken '%.100s' is not valid: it has to come from an answer to %s with the same filters", aws.ToString(p.token), p.call.Operation)
	}
	slices.SortFunc(all, func(x, y T) int { return strings.Compare(key(x), key(y)) })
	part, next := paging.Cut(query, all, key, strings.Compare, after, limit)
	return part, next, nil
}

// named checks a list of names that choose some of many, and says how to choose: all, if there are none.
func named(member string, names []string) (func(string) bool, error) {
	if len(names) > pageMax {
		return nil, broken(member, fmt.Sprintf("of %d items", len(names)), fmt.Sprintf("have length less than or equal to %d", pageMax))
	}
	return func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }, nil
}
