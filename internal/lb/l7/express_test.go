package l7_test

import (
	"bufio"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

// mirror is a target that tells in its body what it was sent, in an answer with the given fields.
func mirror(t *testing.T, fields string) string {
	t.Helper()
	return listen(t, func(c net.Conn) {
		in := bufio.NewReader(c)
		for {
			r, err := http.ReadRequest(in)
			if err != nil {
				return
			}
			sent, err := io.ReadAll(r.Body)
			if err != nil {
				return
			}
			text := fmt.Sprintf("%s %s %s %q %d %v %q\n", r.Method, r.RequestURI, r.Proto, r.Host, r.ContentLength, r.TransferEncoding, sent)
			for _, name := range slices.Sorted(maps.Keys(r.Header)) {
				text += fmt.Sprintf("%s: %q\n", name, r.Header[name])
			}
			if _, err := fmt.Fprintf(c, "HTTP/1.1 200 Fine\r\n%sContent-Length: %d\r\n\r\n%s", fields, len(text), text); err != nil {
				return
			}
		}
	})
}

// TestExpress sends each request twice: plain, and with a Connection field that changes nothing but takes it off the
// express way. Target and client must see the same.
func TestExpress(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		request string // after "GET /"
		answer  string
		options []option
	}{
		"simple":             {request: "a?b=c HTTP/1.1\r\nHost: example.com\r\nUser-Agent: x/1\r\nAccept: */*\r\n"},
		"no query":           {request: "a? HTTP/1.1\r\nHost: example.com:81\r\n"},
		"two slashes":        {request: "/a HTTP/1.1\r\nHost: example.com\r\n"},
		"case of names":      {request: " HTTP/1.1\r\nhost: example.com\r\nuser-agent: x\r\nX-FORWARDED-FOR: 1.2.3.4\r\n"},
		"empty agent":        {request: " HTTP/1.1\r\nHost: example.com\r\nUser-Agent:\r\nX-Empty:\r\n"},
		"hops":               {request: " HTTP/1.1\r\nHost: example.com\r\nKeep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nTrailer: X\r\nProxy-Authorization: x\r\nHTTP2-Settings: x\r\n"},
		"only ours":          {request: " HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 1\r\nX-Amzn-Oidc-Data: x\r\nX-Amzn-Mtls-Clientcert-And-More-Than-32-Bytes: x\r\nX-Amzn-Tls-Version: x\r\n"},
		"forwarded":          {request: " HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-For: 1.2.3.4, 5.6.7.8\r\nX-Forwarded-For: 9.9.9.9\r\n"},
		"too many":           {request: " HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-For: " + strings.Repeat("1.2.3.4,", 31) + "1.1.1.1\r\n"},
		"trace":              {request: " HTTP/1.1\r\nHost: example.com\r\nX-Amzn-Trace-Id: Root=1-67891233-abcdef012345678912345678;Parent=x\r\n"},
		"same names":         {request: " HTTP/1.1\r\nHost: example.com\r\nCookie: a=b\r\nCookie: c=d\r\nX-A: 1\r\nx-a: 2\r\n"},
		"underscores":        {request: " HTTP/1.1\r\nHost: example.com\r\nX_A: 1\r\n"},
		"underscores go":     {request: " HTTP/1.1\r\nHost: example.com\r\nX_A: 1\r\n", options: []option{attribute(model.AttributeDropInvalid, "true")}},
		"preserve":           {request: " HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-For: 1.2.3.4\r\n", options: []option{attribute(model.AttributeXFFMode, "preserve")}},
		"remove":             {request: " HTTP/1.1\r\nHost: example.com\r\nX-Forwarded-For: 1.2.3.4\r\n", options: []option{attribute(model.AttributeXFFMode, "remove")}},
		"host is kept":       {request: " HTTP/1.1\r\nHost: example.com:80\r\n", options: []option{attribute(model.AttributePreserveHost, "true")}},
		"folded":             {request: " HTTP/1.1\r\nHost: example.com\r\nContent-Type: a\r\n b\r\nUser-Agent: x\r\n"},
		"fields of answers":  {request: " HTTP/1.1\r\nHost: example.com\r\n", answer: "Server: x\r\nset-cookie: a=b\r\nSet-Cookie: c=d\r\nKeep-Alive: 5\r\nUpgrade: x\r\nX-Tab:\tx\t\r\n"},
		"dated answer":       {request: " HTTP/1.1\r\nHost: example.com\r\n", answer: "Date: Mon, 01 Jan 2024 00:00:00 GMT\r\n"},
		"last answer":        {request: " HTTP/1.1\r\nHost: example.com\r\n", answer: "Connection: close\r\n"},
		"two lengths":        {request: " HTTP/1.1\r\nHost: example.com\r\n", answer: "Content-Length: 1\r\n"},
		"malformed answer":   {request: " HTTP/1.1\r\nHost: example.com\r\n", answer: "X Y: 1\r\n"},
		"answer of controls": {request: " HTTP/1.1\r\nHost: example.com\r\n", answer: "X: a\x01b\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, test.options...)
			r.target(r.group("app", nil), mirror(t, test.answer))
			first := ask(t, r, "GET /prime HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n") // the target's connection is kept
			if first == "" {
				t.Fatal("no answer")
			}
			plain := ask(t, r, "GET /"+test.request+"Connection: close\r\n\r\n")
			other := ask(t, r, "GET /"+test.request+"Connection: close, none\r\n\r\n")
			if diff := cmp.Diff(other, plain); diff != "" {
				t.Errorf("the express way differs (-general +express):\n%s", diff)
			}
		})
	}
}

// TestExpressBody is TestExpress of requests that may have bodies.
func TestExpressBody(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct{ request, body string }{
		"a body":            {"POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Type: text/plain\r\n", "body"},
		"no length":         {"POST / HTTP/1.1\r\n", ""},
		"an empty one":      {"PUT / HTTP/1.1\r\nContent-Length: 0\r\n", ""},
		"of another method": {"DELETE / HTTP/1.1\r\nContent-Length: 4\r\n", "body"},
		"the longest":       {"PATCH / HTTP/1.1\r\nContent-Length: 8192\r\n", strings.Repeat("x", 8192)},
		"a longer one":      {"POST / HTTP/1.1\r\nContent-Length: 8193\r\n", strings.Repeat("x", 8193)},
		"chunks":            {"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", "4\r\nbody\r\n0\r\n\r\n"},
		"one that expects":  {"POST / HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n", "body"},
		"two lengths":       {"POST / HTTP/1.1\r\nContent-Length: 4\r\nContent-Length: 4\r\n", "body"},
		"more than its own": {"POST / HTTP/1.1\r\nContent-Length: 4\r\n", "bodyGET / HTTP/1.1\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.target(r.group("app", nil), mirror(t, ""))
			ask(t, r, "GET /prime HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n") // the target's connection is kept
			r.entry(1)
			plain := ask(t, r, test.request+"Host: example.com\r\nConnection: close\r\n\r\n"+test.body)
			first := r.entry(2).Received
			other := ask(t, r, test.request+"Host: example.com\r\nConnection: close, none\r\n\r\n"+test.body)
			if diff := cmp.Diff(other, plain); diff != "" {
				t.Errorf("the express way differs (-general +express):\n%s", diff)
			}
			if second := r.entry(3).Received; first != second-int64(len(", none")) {
				t.Errorf("%d bytes were received, and %d off the express way", first, second)
			}
		})
	}
}

// TestExpressBodyFails has the kept connection to the target break: the body must go to the next one whole, or nowhere.
func TestExpressBodyFails(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		breaks func(c net.Conn) // when the target has answered once
		want   int
		times  int32 // that a target has seen the request
	}{
		"before it was sent": {func(c net.Conn) { _ = c.Close() }, http.StatusOK, 1},
		"instead of an answer": {func(c net.Conn) {
			_, _ = http.ReadRequest(bufio.NewReader(c))
			_ = c.Close()
		}, http.StatusBadGateway, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			var seen atomic.Int32
			broken := make(chan struct{}, 8)
			r.target(r.group("app", nil), listen(t, func(c net.Conn) {
				req, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				if body, _ := io.ReadAll(req.Body); string(body) == "body" {
					seen.Add(1)
				}
				_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
				test.breaks(c)
				broken <- struct{}{}
			}))
			r.get("/prime")
			if test.times > 0 {
				<-broken
			}
			resp, err := client(t).Post("http://"+r.addr+"/", "text/plain", strings.NewReader("body"))
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != test.want || seen.Load() != test.times {
				t.Errorf("got %d, want %d; seen %d times, want %d", resp.StatusCode, test.want, seen.Load(), test.times)
			}
		})
	}
}

// ask sends one request and gives the answer, with its fields in order, and without what is never the same.
func ask(t *testing.T, r *rig, request string) string {
	t.Helper()
	c := r.dial()
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.Header.Get("Date") != "Mon, 01 Jan 2024 00:00:00 GMT" {
		resp.Header.Del("Date")
	}
	all := fmt.Sprintf("%s %v %d %v\n%s", resp.Status, resp.Header, resp.ContentLength, resp.Close, text)
	return regexp.MustCompile(`1-[0-9a-f]{8}-[0-9a-f]{24}`).ReplaceAllString(all, "ID")
}
