package l7_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/model"
)

// told waits for the n-th sample.
func (r *rig) told(n int) l7.Sample {
	r.t.Helper()
	r.entry(n) // it comes after the sample
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.samples[n-1]
}

// TestSampleRules counts the rules that a request is compared with, in their order and without the default one.
func TestSampleRules(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.target(r.group("app", nil), newRecorder(t).addr)
	r.get("/")
	if s := r.told(1); s.Rules != 0 {
		t.Errorf("without rules: got %d", s.Rules)
	}
	for i, path := range []string{"/a", "/b"} {
		r.rules = append(r.rules, &model.Rule{
			ARN: listenerARN + path, Listener: listenerARN, Priority: 10 * (i + 1),
			Conditions: []model.Condition{{Field: model.FieldPath, Values: []string{path}}},
			Actions:    []model.Action{{Type: model.ActionFixed, Fixed: &model.FixedResponse{Status: http.StatusOK}}},
		})
	}
	r.compile()
	for i, c := range []struct {
		path string
		want int
	}{{"/a", 1}, {"/b", 2}, {"/c", 2}} {
		r.get(c.path)
		if s := r.told(i + 2); s.Rules != c.want {
			t.Errorf("%s: got %d rules, want %d", c.path, s.Rules, c.want)
		}
	}
}

// TestSampleInsecure: a target with which TLS fails has not refused the connection.
func TestSampleInsecure(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.target(r.group("app", func(g *model.TargetGroup) { g.Protocol = "HTTPS" }), newRecorder(t).addr)
	if resp, _ := r.get("/"); resp.StatusCode != http.StatusBadGateway {
		t.Errorf("got %d, want 502", resp.StatusCode)
	}
	if s := r.told(1); s.Insecure != 1 || s.Refusals != 0 {
		t.Errorf("got %d failures of TLS and %d refusals, want 1 and 0", s.Insecure, s.Refusals)
	}
}

// TestSampleNonSticky: the first request of a client gets a target that no cookie has named.
func TestSampleNonSticky(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.target(r.group("app", sticky("lb_cookie")), named(t, "a"))
	visit := r.visitor()
	for n, want := range []bool{true, false, false} {
		visit("/")
		if s := r.told(n + 1); s.NonSticky != want {
			t.Errorf("request %d: got %t, want %t", n+1, s.NonSticky, want)
		}
	}
}

// TestSampleInvalid tells of fields with names that are not valid, whether they are passed on or dropped, on the express way
// and off it.
func TestSampleInvalid(t *testing.T) {
	t.Parallel()
	for name, options := range map[string][]option{"forwarded": nil, "dropped": {attribute(model.AttributeDropInvalid, "true")}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, options...)
			r.target(r.group("app", nil), newRecorder(t).addr)
			for n, c := range []struct {
				fields  string
				invalid bool
			}{
				{"", false}, {"X-Plain: 1\r\n", false}, {"X_Odd: 1\r\n", true}, {"Connection: close, none\r\nX_Odd: 1\r\n", true}, {"Connection: close, none\r\n", false},
			} {
				r.raw("GET / HTTP/1.1\r\nHost: example.com\r\n" + c.fields + "Connection: close\r\n\r\n")
				s, drops := r.told(n+1), name == "dropped"
				if s.Invalid != (c.invalid && !drops) || (s.Dropped > 0) != (c.invalid && drops) {
					t.Errorf("%q: got %t passed on and %d dropped", c.fields, s.Invalid, s.Dropped)
				}
			}
		})
	}
}

// TestSampleLongRedirect: a redirect whose location is too long shows as one that failed.
func TestSampleLongRedirect(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.record.Actions = []model.Action{{Type: model.ActionRedirect, Redirect: &model.Redirect{
		Protocol: "HTTP", Host: "#{host}", Port: "80", Path: "/#{path}/#{path}", Query: "#{query}", Status: http.StatusMovedPermanently,
	}}}
	r.compile()
	r.raw("GET /" + strings.Repeat("a", 5000) + " HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
	if s := r.told(1); s.Action != model.ActionRedirect || s.Code != http.StatusInternalServerError || !s.Generated {
		t.Errorf("got %+v, want a redirect that has become 500", s)
	}
	r.raw("GET /a HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
	if s := r.told(2); s.Action != model.ActionRedirect || s.Code != http.StatusMovedPermanently {
		t.Errorf("got %+v, want a redirect", s)
	}
}
