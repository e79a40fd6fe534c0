// Package paging cuts many results into pages, and makes the tokens that lead from one page to the next.
//
// A token names the last result of the page before, so that pages neither repeat nor leave out what was there all the time,
// whatever is added or removed meanwhile. A checksum ties it to the operation, its region and its filters.
package paging

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/control"
)

// Query is what a token is tied to.
type Query string

// Of is the query of a call. The filters are all members of the request that choose results.
func Of(call control.Call, filters ...string) Query {
	return Query(strings.Join(append([]string{call.Region, call.Operation}, filters...), "\x00"))
}

const checksumBytes = 9

func (q Query) checksum(key string) []byte {
	sum := sha256.Sum256([]byte(string(q) + "\x00" + key))
	return sum[:checksumBytes]
}

// Token makes the token of the page behind a key.
func (q Query) Token(key string) *string {
	return aws.String(base64.RawURLEncoding.EncodeToString(append(q.checksum(key), key...)))
}

// Key gives the key in a token, "" if there is none. ok is false for what is no token of this query.
func (q Query) Key(token *string) (key string, ok bool) {
	if aws.ToString(token) == "" {
		return "", true
	}
	data, err := base64.RawURLEncoding.DecodeString(*token)
	if err != nil || len(data) <= checksumBytes {
		return "", false
	}
	key = string(data[checksumBytes:])
	return key, bytes.Equal(data[:checksumBytes], q.checksum(key))
}

// Cut cuts the page behind a key ("" for the first one) out of all results, which are in the order of compare by their
// keys, and gives the token of the next page, nil for the last one.
func Cut[T any](q Query, all []T, key func(T) string, compare func(a, b string) int, after string, limit int) ([]T, *string) {
	if after != "" {
		start := slices.IndexFunc(all, func(x T) bool { return compare(key(x), after) > 0 })
		if start < 0 {
			return all[:0], nil
		}
		all = all[start:]
	}
	if len(all) <= limit {
		return all, nil
	}
	return all[:limit], q.Token(key(all[limit-1]))
}
