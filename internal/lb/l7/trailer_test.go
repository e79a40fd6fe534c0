package l7_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/model"
)

// TestRequestTrailers passes on what follows the body of a request, and what follows that of the answer.
func TestRequestTrailers(t *testing.T) {
	t.Parallel()
	for name, v := range versions() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			r.target(r.group("app", func(g *model.TargetGroup) { g.ProtocolVersion = v.target }), speaks(t, func(w http.ResponseWriter, req *http.Request) {
				said := slices.Sorted(maps.Keys(req.Trailer))
				b, err := io.ReadAll(req.Body)
				w.Header().Set("Trailer", "X-Answer-Sum")
				_, _ = fmt.Fprintf(w, "%s %v said %v came %v", b, err, said, req.Trailer)
				w.Header().Set("X-Answer-Sum", "7")
			}))
			for _, text := range []string{"", "hello", strings.Repeat("a", 100_000)} {
				trailer := http.Header{"X-Sum": nil, "X-Other": nil}
				req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+r.addr, &ending{strings.NewReader(text), func() {
					trailer["X-Sum"], trailer["X-Other"] = []string{"1", "2"}, []string{"3"}
				}})
				if err != nil {
					t.Fatal(err)
				}
				req.Trailer = trailer
				resp, err := speaking(t, "", v.http2, false).Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got, want := body(t, resp), text+" <nil> said [X-Other X-Sum] came map[X-Other:[3] X-Sum:[1 2]]"
				if got != want || resp.Trailer.Get("X-Answer-Sum") != "7" {
					t.Errorf("got %.200q, want %.200q; the answer's trailer is %v", got, want, resp.Trailer)
				}
			}
		})
	}
}

// ending is a body that tells its end.
type ending struct {
	io.Reader
	end func()
}

func (e *ending) Read(p []byte) (int, error) {
	n, err := e.Reader.Read(p)
	if err != nil {
		e.end()
	}
	return n, err
}

// TestHostileTrailers drops what must not be said in a trailer, and refuses what is none. The next request of the
// connection is not disturbed.
func TestHostileTrailers(t *testing.T) {
	t.Parallel()
	const head = "POST /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, Host, x-forwarded-for\r\n\r\n5\r\nhello\r\n0\r\n"
	for name, tt := range map[string]struct {
		trailer, passed, codes string
	}{
		"one":            {"X-Sum: 1\r\n", "X-Sum: 1\r\n", "200 200"},
		"unannounced":    {"x-more:  a b \r\n", "X-More: a b\r\n", "200 200"},
		"framing":        {"Content-Length: 5\r\nTransfer-Encoding: chunked\r\nX-Sum: 1\r\n", "X-Sum: 1\r\n", "200 200"},
		"routing":        {"Host: evil\r\nX-Forwarded-For: 1.2.3.4\r\nX-Forwarded-Proto: https\r\nForwarded: for=1.2.3.4\r\nX-Real-IP: 1.2.3.4\r\n", "", "200 200"},
		"who it is":      {"Authorization: Basic YTpi\r\nCookie: a=b\r\nX-Amzn-Oidc-Identity: evil\r\nX-Amzn-Mtls-Clientcert-Subject: evil\r\n", "", "200 200"},
		"hop-by-hop":     {"Connection: close\r\nUpgrade: h2c\r\nTE: gzip\r\nTrailer: x\r\nKeep-Alive: 1\r\n", "", "200 200"},
		"look-alikes":    {"Content_Length: 5\r\nTransfer_Encoding: chunked\r\nX_Forwarded_For: 1.2.3.4\r\nX-Amzn_Oidc-Identity: evil\r\n", "", "200 200"},
		"a folded one":   {"X-Sum: 1\r\n 2\r\n", "", "400"},
		"no colon":       {"X-Sum\r\n", "", "400"},
		"a space":        {"X-Sum : 1\r\n", "", "400"},
		"a bare CR":      {"X-Sum: 1\rEvil: 2\r\n", "", "400"},
		"a bare LF":      {"X-Sum: 1\nEvil: 2\r\n", "", "400"},
		"a NUL":          {"X-Sum: \x00\r\n", "", "400"},
		"a name of ours": {"X(Sum): 1\r\n", "", "200 200"},
		"16 KiB":         {"X-Sum: " + strings.Repeat("a", 16<<10) + "\r\n", "", "400"},
		"many":           {strings.Repeat("X-Sum: 1\r\n", 2000), "", "400"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rec := newRecorder(t)
			r := newRig(t)
			r.target(r.group("app", nil), rec.addr)
			got := r.raw(head + tt.trailer + "\r\nGET /b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
			if codes(t, got) != tt.codes {
				t.Errorf("got %q, want %s", got, tt.codes)
			}
			first, _, _ := strings.Cut(rec.bytes(), "GET /b ")
			_, trailer, ended := strings.Cut(first, "\r\nhello\r\n0\r\n")
			if ended != strings.HasPrefix(tt.codes, "200") || ended && (trailer != tt.passed+"\r\n" || !strings.Contains(first, "\r\nTrailer: X-Sum\r\n")) {
				t.Errorf("the target got %q, want the trailer %q", rec.bytes(), tt.passed)
			}
		})
	}
}
