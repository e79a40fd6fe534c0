package l7_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/model"
)

// handler starts a target of net/http.
func handler(t testing.TB, f http.HandlerFunc) string {
	s := httptest.NewServer(f)
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

func TestForward(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.group("app", nil)
	rec := newRecorder(t)
	r.target(g, rec.addr)
	resp, text := r.get("/a%2fb/%7Ec?x=%20y&z")
	if resp.StatusCode != http.StatusOK || text != "ok" || resp.Header.Get("Server") != "" {
		t.Errorf("got %d %q %v", resp.StatusCode, text, resp.Header)
	}
	if got := rec.bytes(); !strings.HasPrefix(got, "GET /a%2fb/%7Ec?x=%20y&z HTTP/1.1\r\n") ||
		!strings.Contains(got, "\r\nX-Forwarded-For: 127.0.0.1\r\n") || !strings.Contains(got, "\r\nX-Amzn-Trace-Id: Root=1-") {
		t.Errorf("the target got %q", got)
	}
	e := r.entry(1)
	if e.Code != 200 || e.TargetCode != 200 || e.Target != rec.addr || e.Actions != "forward" || e.Priority != 0 || e.Received == 0 || e.Sent == 0 {
		t.Errorf("the access log says %s", e.Append(nil))
	}
}

func TestGeneratedCodes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.group("app", nil)
	resp, text := r.get("/")
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Server") != "awselb/2.0" || !strings.Contains(text, "<h1>503 Service Temporarily Unavailable</h1>") {
		t.Errorf("without targets: got %d %q %v", resp.StatusCode, text, resp.Header)
	}
	_ = g
	r.record.Actions = []model.Action{{Type: model.ActionFixed, Fixed: &model.FixedResponse{Status: 418, ContentType: "text/plain", Body: "tea"}}}
	r.compile()
	if resp, text := r.get("/"); resp.StatusCode != http.StatusTeapot || text != "tea" {
		t.Errorf("a fixed response: got %d %q", resp.StatusCode, text)
	}
}
