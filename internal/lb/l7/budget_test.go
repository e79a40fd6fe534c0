package l7_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/model"
)

// TestRetryBudget lets nobody listen: retries end when the budget for them is empty, and go on as other requests fill it.
func TestRetryBudget(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	g := r.group("app", nil)
	for range 3 {
		r.target(g, refusing(t))
	}
	asked := 0
	retries := func() int {
		t.Helper()
		resp, _ := r.get("/")
		asked++
		e := r.entry(asked)
		if resp.StatusCode != http.StatusBadGateway {
			t.Fatalf("request %d: got %d; the access log says %s", asked, resp.StatusCode, e.Append(nil))
		}
		return strings.Count(e.Targets, " ")
	}
	spent := 0
	for n := 2; n > 0; spent += n {
		if n = retries(); spent > 200 {
			t.Fatal("the budget is not bounded")
		}
	}
	// 100 are there from the start, each request adds a fifth of one, and a request retries twice at most.
	if least, most := 100, 100+asked/5; spent < least || spent > most {
		t.Errorf("got %d retries in %d requests, want %d to %d", spent, asked, least, most)
	}
	spent = 0
	for range 50 {
		spent += retries()
	}
	if spent != 10 {
		t.Errorf("with an empty budget, got %d retries in 50 requests, want 10", spent)
	}
	actions := r.record.Actions
	r.record.Actions = []model.Action{{Type: model.ActionFixed, Fixed: &model.FixedResponse{Status: http.StatusOK, ContentType: "text/plain"}}}
	r.compile()
	for range 10 {
		r.get("/")
		asked++
	}
	r.record.Actions = actions
	r.compile()
	if n := retries(); n != 2 {
		t.Errorf("after 10 requests that needed none, got %d retries, want 2", n)
	}
}
