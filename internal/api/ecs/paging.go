package ecs

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// pageLimits are how many results a page of an operation has: by default, and at most.
type pageLimits struct{ standard, most int }

// pager is what a listing request says about the page that it wants.
//
// A token names the last result of the page before, so that pages neither repeat nor leave out what was there all the
// time, whatever is added or removed meanwhile. A checksum ties it to the region, the operation and its filters.
type pager struct {
	limit int
	after string // key of the last result of the page before; "" for the first page
	query string
}

// newPager reads maxResults and nextToken. The filters are all other members of the request that choose results.
func newPager(call control.Call, limits pageLimits, maxResults *int32, token *string, filters ...string) (pager, error) {
	p := pager{limit: limits.standard, query: strings.Join(append([]string{call.Region, call.Operation}, filters...), "\x00")}
	if maxResults != nil {
		p.limit = int(*maxResults)
	}
	if p.limit < 1 || p.limit > limits.most {
		return p, model.InvalidParameter(fmt.Sprintf("maxResults should be between 1 and %d, got %d.", limits.most, p.limit))
	}
	if aws.ToString(token) == "" {
		return p, nil
	}
	data, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || len(data) <= checksumBytes || !bytes.Equal(data[:checksumBytes], p.checksum(string(data[checksumBytes:]))) {
		return p, model.InvalidParameter("nextToken is not valid: it has to come from an answer to " + call.Operation + " with the same filters.")
	}
	p.after = string(data[checksumBytes:])
	return p, nil
}

const checksumBytes = 9

func (p pager) checksum(key string) []byte {
	sum := sha256.Sum256([]byte(p.query + "\x00" + key))
	return sum[:checksumBytes]
}

// page cuts the page out of all results, which are in the order of compare by their keys, and gives the token of the
// next page, nil for the last one.
func page[T any](p pager, all []T, key func(T) string, compare func(a, b string) int) ([]T, *string) {
	if p.after != "" {
		start := slices.IndexFunc(all, func(x T) bool { return compare(key(x), p.after) > 0 })
		if start < 0 {
			return all[:0], nil
		}
		all = all[start:]
	}
	if len(all) <= p.limit {
		return all, nil
	}
	all = all[:p.limit]
	last := key(all[p.limit-1])
	return all, aws.String(base64.RawURLEncoding.EncodeToString(append(p.checksum(last), last...)))
}

// itself is the key of a string.
func itself(s string) string { return s }
