package health_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/core/health"
	"github.com/maitred/maitred/internal/model"
)

// TestStories runs the scripts of testdata/scripts: what happens to one target, and what its health is then.
//
//	target protocol=HTTP healthy=5 unhealthy=2   a new target; arguments are settings of its group
//	do                                           what happens, a line each, 30 s apart; it prints the health after each
//
// What happens: the outcome of a check (ok, a code, timeout, refused, unable), "try" with an outcome (an extra check),
// doubt, use, unuse, drain, register, disable, enable, "set" with settings of the group, restart of the balancer. "×3"
// at the end repeats a line.
func TestStories(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/scripts", func(t *testing.T, path string) {
		s := &story{}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			switch d.Cmd {
			case "target":
				*s = story{now: start, placement: health.Placement{InUse: true}}
				s.group = model.TargetGroup{Protocol: "HTTP", Check: model.TargetCheck{Protocol: "HTTP", Healthy: 5, Unhealthy: 2}}
				for _, a := range d.CmdArgs {
					s.set(t, a.Key, a.Vals[0])
				}
				s.machine = s.machine.Place(s.placement, s.now)
				return s.show()
			case "do":
				return s.do(t, d.Input)
			}
			t.Fatalf("what is %s?", d.Cmd)
			return ""
		})
	})
}

var start = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

type story struct {
	group     model.TargetGroup
	placement health.Placement
	machine   health.Machine
	now       time.Time
}

func (s *story) do(t *testing.T, input string) string {
	var out strings.Builder
	for line := range strings.Lines(input) {
		what, times, _ := strings.Cut(strings.TrimSpace(line), " ×")
		n, err := strconv.Atoi(times)
		if err != nil {
			n = 1
		}
		for range n {
			s.now = s.now.Add(30 * time.Second)
			s.act(t, strings.Fields(what))
			fmt.Fprintf(&out, "%-11s %s", what, s.show())
		}
	}
	return out.String()
}

func (s *story) act(t *testing.T, words []string) {
	switch words[0] {
	case "use", "unuse":
		s.placement.InUse = words[0] == "use"
	case "drain", "register":
		s.placement.Draining = words[0] == "drain"
	case "disable", "enable":
		s.placement.Disabled = words[0] == "disable"
	case "doubt":
		s.machine = s.machine.Doubt()
	case "restart":
		s.machine = health.Resume(&model.TargetHealth{
			State: s.machine.State, Reason: s.machine.Reason, Description: s.machine.Description, Since: s.machine.Since,
		})
	case "set":
		for _, w := range words[1:] {
			key, value, _ := strings.Cut(w, "=")
			s.set(t, key, value)
		}
	case "try":
		s.machine = s.machine.Try(health.Interpret(&s.group, outcome(t, words[1])), s.now)
	default:
		result := health.Interpret(&s.group, outcome(t, words[0]))
		s.machine = s.machine.Check(result, health.ThresholdsOf(&s.group.Check), s.now)
	}
	s.machine = s.machine.Place(s.placement, s.now)
}

func outcome(t *testing.T, word string) health.Outcome {
	switch word {
	case "ok":
		return health.Outcome{Kind: health.Accepted}
	case "timeout":
		return health.Outcome{Kind: health.TimedOut}
	case "refused":
		return health.Outcome{Kind: health.Failed}
	case "unable":
		return health.Outcome{Kind: health.Unable}
	}
	return health.Outcome{Kind: health.Answered, Code: number(t, word)}
}

func (s *story) set(t *testing.T, key, value string) {
	switch key {
	case "protocol":
		s.group.Protocol = value
	case "version":
		s.group.ProtocolVersion = value
	case "matcher":
		s.group.Check.Matcher = value
	case "healthy":
		s.group.Check.Healthy = number(t, value)
	case "unhealthy":
		s.group.Check.Unhealthy = number(t, value)
	case "in-use":
		s.placement.InUse = value == "true"
	default:
		t.Fatalf("what is %s?", key)
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// show prints the health, with how long its state has lasted.
func (s *story) show() string {
	text := fmt.Sprintf("%-9s for %s", s.machine.State, s.now.Sub(s.machine.Since))
	if s.machine.Suspect {
		text += " (suspect)"
	}
	if s.machine.Reason != "" {
		text += fmt.Sprintf("  %s: %s", s.machine.Reason, s.machine.Description)
	}
	return text + "\n"
}
