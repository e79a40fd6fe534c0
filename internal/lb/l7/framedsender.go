package l7

import (
	"cmp"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"unicode/utf8"
)

// framedSender sends requests by HTTP/2.
type framedSender struct{ *http.Transport }

// send implements sender. What comes before the answer is told on the goroutine that reads for all streams of the
// connection: the client is told on another, so that a slow one keeps nobody else waiting.
func (f framedSender) send(r *http.Request, to hint) (*http.Response, error) {
	l := &relay{to: to}
	defer l.end()
	trace := &httptrace.ClientTrace{Got1xxResponse: l.add}
	writable(r)
	return f.RoundTrip(r.WithContext(httptrace.WithClientTrace(r.Context(), trace))) //nolint:wrapcheck // judged by the exchange
}

// end implements sender. A connection of HTTP/2 on which something is under way lasts for IdleConnTimeout after that.
func (f framedSender) end() { f.CloseIdleConnections() }

// writable has net/http write a path that begins with two slashes as it is: an opaque URL that begins like this is written
// with its scheme, and in a request of HTTP/2 without it and the host again. Of a host that is not ASCII net/http makes
// another one first, which is not found there: then bytes that a URL should not have are percent-encoded.
func writable(r *http.Request) {
	u := r.URL
	if !strings.HasPrefix(u.Opaque, "//") {
		return
	}
	at := *u
	r.URL = &at
	if host := authority(r); host != "" {
		at.Opaque = "//" + host + u.Opaque
		return
	}
	at.Opaque, at.Path = "", u.Opaque
	if path, err := url.PathUnescape(u.Opaque); err == nil {
		at.Path, at.RawPath = path, u.Opaque
	}
}

// authority is what net/http writes as the host, "" if that is another one.
func authority(r *http.Request) string {
	host := cmp.Or(r.Host, r.URL.Host)
	for i := range len(host) {
		if host[i] >= utf8.RuneSelf {
			return ""
		}
	}
	return host
}
