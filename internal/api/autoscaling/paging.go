package autoscaling

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

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

// page cuts the page that is wanted out of all results, and gives the token of the next one, nil for the last. The key of a
// result gives its place among all. A token has the key of the last result of the page before, so that pages neither repeat
// nor leave out what was there all the time, whatever is added or removed meanwhile; a checksum ties it to the operation and
// its filters.
func page[T any](p pages, all []T, key func(T) string) ([]T, *string, error) {
	limit := p.most
	if p.size != nil {
		if limit = int(*p.size); limit < 1 || limit > p.most {
			return nil, nil, broken("maxResults", fmt.Sprintf("'%d'", limit), fmt.Sprintf("have value between 1 and %d", p.most))
		}
	}
	query := strings.Join(append([]string{p.call.Region, p.call.Operation}, p.query...), "\x00")
	slices.SortFunc(all, func(x, y T) int { return strings.Compare(key(x), key(y)) })
	if aws.ToString(p.token) != "" {
		data, err := base64.RawURLEncoding.DecodeString(*p.token)
		if err != nil || len(data) <= checksumBytes || !bytes.Equal(data[:checksumBytes], checksum(query, string(data[checksumBytes:]))) {
			return nil, nil, wire.Errorf("InvalidNextTokenException", "The NextToken '%.100s' is not valid: it has to come from an answer to %s with the same filters", aws.ToString(p.token), p.call.Operation)
		}
		after := string(data[checksumBytes:])
		all = slices.DeleteFunc(all, func(x T) bool { return key(x) <= after })
	}
	if len(all) <= limit {
		return all, nil, nil
	}
	last := key(all[limit-1])
	next := base64.RawURLEncoding.EncodeToString(append(checksum(query, last), last...))
	return all[:limit], &next, nil
}

const checksumBytes = 9

func checksum(query, key string) []byte {
	sum := sha256.Sum256([]byte(query + "\x00" + key))
	return sum[:checksumBytes]
}

// named checks a list of names that choose some of many, and says how to choose: all, if there are none.
func named(member string, names []string) (func(string) bool, error) {
	if len(names) > pageMax {
		return nil, broken(member, fmt.Sprintf("of %d items", len(names)), fmt.Sprintf("have length less than or equal to %d", pageMax))
	}
	return func(name string) bool { return len(names) == 0 || slices.Contains(names, name) }, nil
}
