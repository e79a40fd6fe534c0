package l7

import (
	"errors"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/maitred/maitred/internal/lb/desync"
)

// Trailer fields are passed on both ways (RFC 9110, 6.5), but for those that would say something about the message itself,
// about who sends it, or about what we vouch for: some who read a message add its trailer fields to its header.

// barredTrailers are the fields that are not passed on in trailers, beside those that are hop-by-hop.
var barredTrailers = func() map[string]bool {
	barred := map[string]bool{}
	for _, name := range append(hopByHop(),
		"Content-Length", "Content-Encoding", "Content-Type", "Content-Range", "Host", "Expect", "Range", "Max-Forwards",
		"Authorization", "Www-Authenticate", "Cookie", "Set-Cookie", "Forwarded", "X-Real-Ip",
	) {
		barred[name] = true
	}
	return barred
}()

// passable says whether a trailer field may be passed on. Its name is in the form of net/http. Many programs take an
// underscore for a hyphen, so it is looked at in that way too.
func passable(name string) bool {
	alike := http.CanonicalHeaderKey(strings.ReplaceAll(name, "_", "-"))
	return desync.IsToken(name) && !desync.Reserved(name) && !barredTrailers[alike] &&
		!strings.HasPrefix(alike, "X-Forwarded-") && !strings.HasPrefix(alike, "X-Amzn-")
}

// trailersOf gives the trailer fields of a response that may be passed on.
func trailersOf(resp *http.Response) http.Header {
	if len(resp.Trailer) == 0 {
		return nil
	}
	out := http.Header{}
	addTrailers(out, resp.Trailer)
	return out
}

// addTrailers adds those that may be passed on.
func addTrailers(to, from http.Header) {
	for name, values := range from {
		if !passable(name) {
			continue
		}
		for _, v := range values {
			if desync.IsValue(v) {
				to[name] = append(to[name], v)
			}
		}
	}
}

// announced is what a Trailer field says will come, as far as it may be passed on: names without values.
func announced(fields []string) http.Header {
	h := http.Header{}
	for _, f := range fields {
		for name := range strings.SplitSeq(f, ",") {
			if name = http.CanonicalHeaderKey(strings.Trim(name, " \t")); passable(name) {
				h[name] = nil
			}
		}
	}
	return h
}

// trailerNames is a Trailer field.
func trailerNames(trailer http.Header) string {
	return strings.Join(slices.Sorted(maps.Keys(trailer)), ", ")
}

// uploaded is the body of a request on its way to a target. Transports close bodies, also of requests that were never sent:
// the client's is left open for the next target.
type uploaded struct {
	from    io.Reader
	came    func() http.Header // the client's trailer fields, at the end of the body; nil: it cannot send any
	trailer http.Header        // what becomes of them
	closed  atomic.Bool
}

// upload gives an outgoing request its body, and the trailer that may follow.
func (ex *exchange) upload(out *http.Request) {
	r := ex.request
	if r.body == nil {
		return
	}
	u := &uploaded{from: r.body}
	if r.trailers != nil && r.length < 0 {
		u.came, u.trailer = r.trailers, maps.Clone(r.announced)
		if u.trailer == nil {
			u.trailer = http.Header{}
		}
	}
	out.Body, out.Trailer = u, u.trailer
}

func (u *uploaded) Read(p []byte) (int, error) {
	if u.closed.Load() {
		return 0, errBodyClosed
	}
	n, err := u.from.Read(p)
	if errors.Is(err, io.EOF) && u.came != nil {
		addTrailers(u.trailer, u.came())
		u.came = nil
	}
	return n, err //nolint:wrapcheck // its end is io.EOF
}

// Close implements io.Closer.
func (u *uploaded) Close() error {
	u.closed.Store(true)
	return nil
}
