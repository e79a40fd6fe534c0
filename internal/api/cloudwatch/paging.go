package cloudwatch

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/maitred/maitred/internal/control"
)

// Tokens name the last result of the page before, so that pages neither repeat nor leave out what was there all the time,
// whatever is added or removed meanwhile; a checksum ties a token to the operation, its region and its filters.

const checksumBytes = 9

func checksum(query, key string) []byte {
	sum := sha256.Sum256([]byte(query + "\x00" + key))
	return sum[:checksumBytes]
}

// newToken makes the token of the page behind a key.
func newToken(query, key string) *string {
	return aws.String(base64.RawURLEncoding.EncodeToString(append(checksum(query, key), key...)))
}

// readToken gives the key in a token, "" if there is none. ok is false for what is no token of this query.
func readToken(query string, token *string) (key string, ok bool) {
	text := aws.ToString(token)
	if text == "" {
		return "", true
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(data) <= checksumBytes || !bytes.Equal(data[:checksumBytes], checksum(query, string(data[checksumBytes:]))) {
		return "", false
	}
	return string(data[checksumBytes:]), true
}

// queryOf is what a token is tied to.
func queryOf(call control.Call, filters ...string) string {
	return strings.Join(append([]string{call.Region, call.Operation}, filters...), "\x00")
}

// page cuts the page behind a key out of all results, which are sorted by their keys, and gives the token of the next one, nil
// for the last.
func page[T any](all []T, key func(T) string, after, query string, limit int) ([]T, *string) {
	for len(all) > 0 && after != "" && key(all[0]) <= after {
		all = all[1:]
	}
	if len(all) <= limit {
		return all, nil
	}
	return all[:limit], newToken(query, key(all[limit-1]))
}
