package ecs

import (
	"fmt"

	"github.com/maitred/maitred/internal/api/paging"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// pageLimits are how many results a page of an operation has: by default, and at most.
type pageLimits struct{ standard, most int }

// pager is what a listing request says about the page that it wants.
type pager struct {
	limit int
	after string // key of the last result of the page before; "" for the first page
	query paging.Query
}

// newPager reads maxResults and nextToken. The filters are all other members of the request that choose results.
func newPager(call control.Call, limits pageLimits, maxResults *int32, token *string, filters ...string) (pager, error) {
	p := pager{limit: limits.standard, query: paging.Of(call, filters...)}
	if maxResults != nil {
		p.limit = int(*maxResults)
	}
	if p.limit < 1 || p.limit > limits.most {
		return p, model.InvalidParameter(fmt.Sprintf("maxResults should be between 1 and %d, got %d.", limits.most, p.limit))
	}
	var ok bool
	if p.after, ok = p.query.Key(token); !ok {
		return p, model.InvalidParameter("nextToken is not valid: it has to come from an answer to " + call.Operation + " with the same filters.")
	}
	return p, nil
}

// page cuts the page out of all results, which are in the order of compare by their keys, and gives the token of the next
// page, nil for the last one.
func page[T any](p pager, all []T, key func(T) string, compare func(a, b string) int) ([]T, *string) {
	return paging.Cut(p.query, all, key, compare, p.after, p.limit)
}

// itself is the key of a string.
func itself(s string) string { return s }
