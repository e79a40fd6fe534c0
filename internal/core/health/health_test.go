package health_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/health"
	"github.com/maitred/maitred/internal/model"
)

// TestMachineAgainstHistory compares the machine with the rule as it is written down: a state ends when the last
// results since it began are as many of the other kind as the threshold says.
func TestMachineAgainstHistory(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		thresholds := health.Thresholds{
			Healthy: rapid.IntRange(2, 10).Draw(t, "healthy"), Unhealthy: rapid.IntRange(2, 10).Draw(t, "unhealthy"),
		}
		now := start
		m := health.Machine{}.Place(health.Placement{InUse: true}, now)
		state, since := model.TargetInitial, now
		var history []bool
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			now = now.Add(time.Second)
			r := result(rapid.SampledFrom([]string{"ok", "ok", "500", "503", "timeout"}).Draw(t, "result"))
			extra := rapid.Bool().Draw(t, "extra")
			if rapid.Bool().Draw(t, "doubted") {
				m = m.Doubt()
			}
			before := m
			if extra {
				m = m.Try(r, now)
			} else {
				m = m.Check(r, thresholds, now)
				history = append(history, r.OK)
			}
			if next := expect(state, history, thresholds, extra && r.OK); next != state {
				state, since, history = next, now, nil
			}
			if m.State != state || !m.Since.Equal(since) {
				t.Fatalf("%+v after %+v (extra: %v) on %+v, want %s since %s", m, r, extra, before, state, since)
			}
			if (m.Reason == "") != (m.State == model.TargetHealthy) || (m.Reason == "") != (m.Description == "") {
				t.Fatalf("%+v: exactly the healthy ones have no reason and no description", m)
			}
			if m.Suspect != (before.Suspect && !r.OK) {
				t.Fatalf("%+v after %+v on %+v: a success ends suspicion, nothing else does", m, r, before)
			}
			if again := m.Place(health.Placement{InUse: true}, now.Add(time.Hour)); again != m {
				t.Fatalf("%+v becomes %+v when nothing else is wanted of it", m, again)
			}
		}
	})
}

func expect(s model.TargetState, history []bool, t health.Thresholds, extraSuccess bool) model.TargetState {
	run := func(ok bool) (n int) {
		for n < len(history) && history[len(history)-1-n] == ok {
			n++
		}
		return n
	}
	switch {
	case s == model.TargetInitial && (extraSuccess || run(true) > 0):
		return model.TargetHealthy
	case s == model.TargetUnhealthy && run(true) >= t.Healthy:
		return model.TargetHealthy
	case s != model.TargetUnhealthy && run(false) >= t.Unhealthy:
		return model.TargetUnhealthy
	}
	return s
}

func result(word string) health.Result {
	g := &model.TargetGroup{Protocol: "HTTP"}
	switch word {
	case "ok":
		return health.Interpret(g, health.Outcome{Kind: health.Answered, Code: 200})
	case "timeout":
		return health.Interpret(g, health.Outcome{Kind: health.TimedOut})
	}
	var code int
	fmt.Sscan(word, &code)
	return health.Interpret(g, health.Outcome{Kind: health.Answered, Code: code})
}

func TestMatcher(t *testing.T) {
	t.Parallel()
	alb, nlb, grpc := health.CodesOf("HTTP", "HTTP1"), health.CodesOf("TCP", ""), health.CodesOf("HTTPS", "GRPC")
	tests := []struct {
		text  string
		codes health.Codes
		yes   []int
		no    []int
		err   string // part of it
	}{
		{text: alb.Default, codes: alb, yes: []int{200}, no: []int{0, 199, 201, 499}},
		{text: nlb.Default, codes: nlb, yes: []int{200, 302, 399}, no: []int{400, 503}},
		{text: grpc.Default, codes: grpc, yes: []int{12}, no: []int{0, 13, 200}},
		{text: "200,202", codes: alb, yes: []int{200, 202}, no: []int{201}},
		{text: "200,202,300-399", codes: alb, yes: []int{200, 202, 300, 350, 399}, no: []int{201, 299, 400}},
		{text: "200-499", codes: alb, yes: []int{200, 499}, no: []int{500}},
		{text: "404-404", codes: alb, yes: []int{404}, no: []int{403, 405}},
		{text: "0-99", codes: grpc, yes: []int{0, 99}, no: []int{100}},
		{text: "200-599", codes: nlb, yes: []int{599}},
		{text: "", codes: alb, err: "'' is neither a code nor a range"},
		{text: "200,", codes: alb, err: "'' is neither a code nor a range"},
		{text: "200, 202", codes: alb, err: "' 202' is neither a code nor a range"},
		{text: "2xx", codes: alb, err: "'2xx' is neither"},
		{text: "-200", codes: alb, err: "'' is neither"},
		{text: "200-", codes: alb, err: "'' is neither"},
		{text: "200-300-400", codes: alb, err: "'300-400' is neither"},
		{text: "300-200", codes: alb, err: "'300-200' ends before it begins"},
		{text: "+200", codes: alb, err: "'+200' is neither"},
		{text: "99999999999999999999", codes: alb, err: "is neither"},
		{text: "500", codes: alb, err: "'500' is not within 200-499"},
		{text: "199", codes: nlb, err: "'199' is not within 200-599"},
		{text: "100", codes: grpc, err: "health check matcher GrpcCode '100' is not valid: '100' is not within 0-99"},
		{text: strings.Repeat("200,", 2000) + "200", codes: alb, err: "is longer than"},
	}
	for _, tt := range tests {
		m, err := health.ParseMatcher(tt.text, tt.codes)
		if tt.err != "" {
			if err == nil || !strings.Contains(err.Error(), tt.err) {
				t.Errorf("%q: error %v, want one with %q", tt.text, err, tt.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
		}
		for _, code := range tt.yes {
			if !m.Match(code) {
				t.Errorf("%q does not match %d", tt.text, code)
			}
		}
		for _, code := range tt.no {
			if m.Match(code) {
				t.Errorf("%q matches %d", tt.text, code)
			}
		}
	}
}

// FuzzMatcher: whatever is accepted is digits, commas and hyphens, and matches nothing outside of the codes' range.
func FuzzMatcher(f *testing.F) {
	for _, seed := range []string{"200", "200,202", "200-299", "200,202,300-399", "12", "-", "200-", ",,", "999"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		codes := health.CodesOf("HTTP", "HTTP1")
		m, err := health.ParseMatcher(text, codes)
		if err != nil {
			return
		}
		if strings.Trim(text, "0123456789,-") != "" {
			t.Errorf("%q is accepted", text)
		}
		matches := 0
		for code := range 1000 {
			if m.Match(code) {
				matches++
				if code < codes.Min || code > codes.Max {
					t.Errorf("%q matches %d", text, code)
				}
			}
		}
		if matches == 0 {
			t.Errorf("%q matches nothing", text)
		}
	})
}

func TestInterpretBadMatcher(t *testing.T) {
	t.Parallel()
	g := &model.TargetGroup{Protocol: "HTTP", Check: model.TargetCheck{Matcher: "what?"}}
	want := health.Result{Reason: health.ReasonInternal, Description: "Health checks failed due to an internal error"}
	if got := health.Interpret(g, health.Outcome{Kind: health.Answered, Code: 200}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
