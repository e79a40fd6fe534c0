package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
)

// pipes is a listener without a network: what is sent to it is accepted.
type pipes struct {
	conns  chan net.Conn
	closed chan struct{}
}

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.closed:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error {
	close(p.closed)
	return nil
}

func (*pipes) Addr() net.Addr { return &net.UnixAddr{Name: "pipe"} }

// TestStalled: who begins to send a request and never ends does not hold a connection for ever.
func TestStalled(t *testing.T) {
	t.Parallel()
	for name, sent := range map[string]string{
		"header": "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\n",
		"body":   "POST / HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				listener := &pipes{conns: make(chan net.Conn), closed: make(chan struct{})}
				reads := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { _, _ = io.ReadAll(r.Body) })
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan error, 1)
				go func() { done <- serve(ctx, listener, reads, slog.New(slog.DiscardHandler)) }()
				here, there := net.Pipe()
				listener.conns <- there
				if _, err := io.WriteString(here, sent); err != nil {
					t.Fatal(err)
				}
				// Time passes by itself while everybody waits; without a bound, that is for ever, and the bubble says so.
				if _, err := io.ReadAll(here); err != nil && !errors.Is(err, io.ErrClosedPipe) {
					t.Errorf("got %v, want the end of the connection", err)
				}
				cancel()
				if err := <-done; err != nil {
					t.Errorf("serve = %v", err)
				}
			})
		})
	}
}

// TestRoot: a browser gets the page, an AWS client the API's answer.
func TestRoot(t *testing.T) {
	t.Parallel()
	says := func(text string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
	}
	for name, c := range map[string]struct{ url, authorization, want string }{
		"a browser":          {"/", "", "page"},
		"a browser's query":  {"/?tab=tasks", "", "page"},
		"another credential": {"/", "Basic bWU6bWU=", "page"},
		"signed":             {"/", "AWS4-HMAC-SHA256 Credential=A/20260101/us-east-1/s3/aws4_request", "api"},
		"presigned":          {"/?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=0", "", "api"},
	} {
		r := httptest.NewRequest(http.MethodGet, c.url, http.NoBody)
		if c.authorization != "" {
			r.Header.Set("Authorization", c.authorization)
		}
		w := httptest.NewRecorder()
		statusOr(says("api"), says("page")).ServeHTTP(w, r)
		if got := w.Body.String(); got != c.want {
			t.Errorf("%s: the %s answers, want the %s", name, got, c.want)
		}
	}
}

// TestWhyAsksMaitred: what is no answer of maitred's is not taken for one.
func TestWhyAsksMaitred(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		status     int
		body, want string // want: of the error, "" for none
	}{
		"a story":           {http.StatusOK, `{"subject":"arn","kind":"service","now":"ACTIVE"}`, ""},
		"a refusal":         {http.StatusNotFound, `{"code":"ResourceNotFoundException","message":"There is no task"}`, "There is no task"},
		"a page":            {http.StatusOK, "<!doctype html>", "is not maitred"},
		"no page":           {http.StatusNotFound, "404 page not found", "is not maitred"},
		"another's JSON":    {http.StatusOK, "{}", "is not maitred"},
		"another's refusal": {http.StatusForbidden, `{"message":"no"}`, "is not maitred"},
	} {
		other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = io.WriteString(w, c.body)
		}))
		_, err := Why(t.Context(), other.URL, "web")
		other.Close()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: Why = %v, want an error with %q", name, err, c.want)
		}
	}
}
