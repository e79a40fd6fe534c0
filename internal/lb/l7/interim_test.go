package l7_test

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/http2"

	"github.com/maitred/maitred/internal/model"
)

// speaks is a target that speaks HTTP/1.1 and, without TLS, HTTP/2.
func speaks(t testing.TB, do http.HandlerFunc) string {
	t.Helper()
	var p http.Protocols
	p.SetHTTP1(true)
	p.SetUnencryptedHTTP2(true)
	s := httptest.NewUnstartedServer(do)
	s.Config.Protocols = &p
	s.Start()
	t.Cleanup(s.Close)
	return s.Listener.Addr().String()
}

// versions are the ways of a request: what the client speaks, and the target.
func versions() map[string]struct {
	http2  bool
	target string
} {
	return map[string]struct {
		http2  bool
		target string
	}{"1 to 1": {false, "HTTP1"}, "2 to 1": {true, "HTTP1"}, "2 to 2": {true, "HTTP2"}}
}

// hinted counts interim answers, as the codes of one request and the Link fields that came with them.
type hinted struct{ codes, links []string }

func (h *hinted) watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		h.codes = append(h.codes, http.StatusText(code))
		h.links = append(h.links, header.Get("Link"))
		if header.Get("Connection") != "" || header.Get("Content-Length") != "" {
			h.codes = append(h.codes, "fields that are not for the client")
		}
		return nil
	}})
}

// TestHints passes interim answers on, in their order, and then the answer, which they are not mixed up with.
func TestHints(t *testing.T) {
	t.Parallel()
	for name, v := range versions() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.target(r.group("app", func(g *model.TargetGroup) { g.ProtocolVersion = v.target }), speaks(t, func(w http.ResponseWriter, _ *http.Request) {
				h := w.Header()
				h.Set("Link", "</a.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
				h.Set("Link", "</b.css>; rel=preload")
				w.WriteHeader(http.StatusEarlyHints)
				h.Del("Link")
				w.WriteHeader(http.StatusProcessing)
				w.WriteHeader(http.StatusAccepted)
				_, _ = io.WriteString(w, "done")
			}))
			c := speaking(t, "", v.http2, false)
			for i := range 3 { // on new connections, and on those that are there
				var got hinted
				req, err := http.NewRequestWithContext(got.watch(t.Context()), http.MethodGet, "http://"+r.addr, http.NoBody)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				text := body(t, resp)
				if resp.StatusCode != http.StatusAccepted || text != "done" || resp.Header.Get("Link") != "" {
					t.Errorf("the answer is %d %q %v", resp.StatusCode, text, resp.Header)
				}
				if !slices.Equal(got.codes, []string{"Early Hints", "Early Hints", "Processing"}) ||
					!slices.Equal(got.links, []string{"</a.css>; rel=preload", "</b.css>; rel=preload", ""}) {
					t.Errorf("before it came %v with %v", got.codes, got.links)
				}
				if e := r.entry(i + 1); e.Code != http.StatusAccepted || e.TargetCode != http.StatusAccepted {
					t.Errorf("the access log says %d, and %d of the target", e.Code, e.TargetCode)
				}
			}
		})
	}
}

// TestHintsNotForAll leaves interim answers out where the client cannot know them, or has not asked.
func TestHintsNotForAll(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.target(r.group("app", nil), answering(t, "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\nContent-Length: 9\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"))
	if got := r.raw("GET / HTTP/1.0\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 200 OK\r\n") || strings.Contains(got, "103") {
		t.Errorf("HTTP/1.0: got %q", got)
	}
	if got := r.raw("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"); !strings.HasPrefix(got, "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\n") {
		t.Errorf("HTTP/1.1: got %q", got)
	}
}

// TestEndlessHints is a target of HTTP/2 that does not come to an end, or switches to what nobody asked for.
func TestEndlessHints(t *testing.T) {
	t.Parallel()
	for name, answer := range map[string][]string{
		"endless": slices.Repeat([]string{"103"}, 1000), "101": {"101"}, "100 and then 101": {"100", "101"},
		"large": slices.Repeat([]string{"103 " + strings.Repeat("x", 3000)}, 20),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.target(r.group("app", func(g *model.TargetGroup) { g.ProtocolVersion = "HTTP2" }), listen(t, func(c net.Conn) { hintsOnly(c, answer) }))
			var got hinted
			req, err := http.NewRequestWithContext(got.watch(t.Context()), http.MethodGet, "http://"+r.addr, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := speaking(t, "", true, false).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			if body(t, resp); resp.StatusCode != http.StatusBadGateway || len(got.codes) > 16 || slices.Contains(got.codes, "Switching Protocols") {
				t.Errorf("got %d after %d interim answers %v", resp.StatusCode, len(got.codes), got.codes[:min(len(got.codes), 3)])
			}
		})
	}
}

// hintsOnly answers the first stream with these codes, each with a field if one follows it.
func hintsOnly(c net.Conn, answer []string) {
	if _, err := io.ReadFull(c, make([]byte, len(http2.ClientPreface))); err != nil {
		return
	}
	f := &frames{conn: c, Framer: http2.NewFramer(c, c)}
	f.begin()
	_ = f.WriteSettings()
	for {
		fr, err := f.ReadFrame()
		if err != nil {
			return
		}
		if h, ok := fr.(*http2.HeadersFrame); ok {
			for _, a := range answer {
				code, value, _ := strings.Cut(a, " ")
				if f.WriteHeaders(http2.HeadersFrameParam{StreamID: h.StreamID, BlockFragment: f.block(":status", code, "x", value), EndHeaders: true}) != nil {
					return
				}
			}
		}
	}
}
