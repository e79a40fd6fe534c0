package daemon

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestTopAnswers: a snapshot, a refusal, and what is not maitred.
func TestTopAnswers(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status     int
		body, want string
	}{
		"a snapshot":     {http.StatusOK, `{"at":"2026-01-01T12:00:00Z","services":[{"name":"web"}]}`, ""},
		"a refusal":      {http.StatusNotFound, `{"code":"ServiceNotFoundException","message":"There is no service \"x\"."}`, `There is no service "x".`},
		"another server": {http.StatusOK, `{"hello":"world"}`, "is not maitred (it answered 200 OK)"},
		"a web page":     {http.StatusNotFound, `<html>`, "is not maitred (it answered 404 Not Found)"},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if got := r.URL.String(); got != "/maitred/v1/top?machines=true&service=arn" {
				t.Errorf("asked for %s", got)
			}
			w.WriteHeader(test.status)
			_, _ = fmt.Fprint(w, test.body)
		}))
		snap, err := Top(t.Context(), server.URL, TopRequest{Service: "arn", Machines: true})
		server.Close()
		switch {
		case test.want == "" && (err != nil || len(snap.Services) != 1):
			t.Errorf("%s: got %+v, %v", name, snap, err)
		case test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)):
			t.Errorf("%s: got %v, want %q", name, err, test.want)
		}
	}
	if _, err := Top(t.Context(), "http://127.0.0.1:1", TopRequest{}); err == nil || !strings.Contains(err.Error(), "is it running?") {
		t.Errorf("without a server: got %v", err)
	}
}
