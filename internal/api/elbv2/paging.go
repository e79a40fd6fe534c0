package elbv2

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/control"
)

// pageMax is the largest page, and the one that is given when none is asked for ("DescribeLoadBalancers").
const pageMax = 400

// page cuts the page that a request wants out of all results, and gives the marker of the next one, nil for the last. A
// marker names the last result of the page before, so that pages neither repeat nor leave out what was there all the time,
// whatever is added or removed meanwhile; a checksum ties it to the operation and its filters.
func page[T any](call control.Call, all []T, key func(T) string, marker *string, size *int32, filters ...[]string) ([]T, *string, error) {
	if err := number("pageSize", size, 1, pageMax); err != nil {
		return nil, nil, err
	}
	limit := pageMax
	if size != nil {
		limit = int(*size)
	}
	query := strings.Join(append([]string{call.Region, call.Operation}, slices.Concat(filters...)...), "\x00")
	slices.SortFunc(all, func(x, y T) int { return cmp.Compare(key(x), key(y)) })
	if m := aws.ToString(marker); m != "" {
		data, err := base64.RawURLEncoding.DecodeString(m)
		if err != nil || len(data) <= checksumBytes || !bytes.Equal(data[:checksumBytes], checksum(query, string(data[checksumBytes:]))) {
			return nil, nil, invalid("The marker '%.100s' is not valid: it has to come from an answer to %s with the same filters", m, call.Operation)
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
