package cli_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/why"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.Local)

// started is the start of a task, for a cause that has one behind it.
func started(id string, at time.Time) why.Step {
	call := model.Cause{Kind: model.CauseAPI, Subject: "CreateService", At: noon}
	verb := "of web:1 is started on vm"
	return why.Step{
		At: at, Task: "x/" + id, Verb: verb, Text: "task " + id + " " + verb,
		Because: []model.Cause{{Kind: model.CauseService, Subject: "x/web", At: noon, By: &call}, call},
	}
}

// body is what is written of steps, without the head of the story and the causes.
func body(steps []why.Step, shown int) []string {
	_, text, _ := strings.Cut(cli.New(nil, nil).Story(why.Story{Kind: "service", Subject: "web", Now: "ACTIVE", Steps: steps}, shown), "\n\n")
	var lines []string
	for line := range strings.Lines(text) {
		if !strings.Contains(line, " because ") {
			lines = append(lines, strings.TrimSuffix(line, "\n"))
		}
	}
	return lines
}

// TestTogether tells what happened to several tasks at once in one line, unless every step is asked for.
func TestTogether(t *testing.T) {
	t.Parallel()
	steps := []why.Step{
		started("5f66eef5aaaa", noon), started("b51d0db7bbbb", noon.Add(time.Microsecond)), started("0de241d3cccc", noon),
		started("1111111111", noon.Add(-time.Second)),
	}
	want := []string{
		"2026-01-01 12:00:00.000  3 tasks of web:1 are started on vm: 5f66eef5 b51d0db7 0de241d3",
		"2026-01-01 11:59:59.000  task 1111111111 of web:1 is started on vm",
	}
	if diff := cmp.Diff(want, body(steps, 20)); diff != "" {
		t.Errorf("20 steps (-want +got):\n%s", diff)
	}
	want[1] = "… and 1 earlier steps (--all shows them)"
	if diff := cmp.Diff(want, body(steps, 1)); diff != "" {
		t.Errorf("one step (-want +got):\n%s", diff)
	}
	if got := body(steps, len(steps)); len(got) != len(steps) {
		t.Errorf("got %q, want each step by itself", got)
	}
}

// TestApart tells steps one by one that differ in anything.
func TestApart(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*why.Step){
		"verb":   func(s *why.Step) { s.Verb = "is stopped" },
		"none":   func(s *why.Step) { s.Verb = "" },
		"time":   func(s *why.Step) { s.At = s.At.Add(time.Millisecond) },
		"cause":  func(s *why.Step) { s.Because[1].Detail = "another" },
		"chain":  func(s *why.Step) { s.Because = s.Because[:1] },
		"output": func(s *why.Step) { s.Output = []string{"bad"} },
		"file":   func(s *why.Step) { s.OutputIn = "/log" },
	} {
		other := started("2222222222", noon)
		change(&other)
		for _, line := range body([]why.Step{started("1111111111", noon), other}, 20) {
			if strings.Contains(line, "2 tasks") {
				t.Errorf("steps with another %s are told as one: %q", name, line)
			}
		}
	}
}

// TestVerbs: what several tasks do, they do in the plural.
func TestVerbs(t *testing.T) {
	t.Parallel()
	for verb, want := range map[string]string{
		"runs": "2 tasks run: 1111 1111", "is stopped: it is late": "2 tasks are stopped: it is late: 1111 1111",
	} {
		step := why.Step{At: noon, Task: "x/1111", Verb: verb}
		if got := body([]why.Step{step, step}, 20); len(got) != 1 || !strings.HasSuffix(got[0], "  "+want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestOutput shows what a program printed, and lets it not steer the terminal.
func TestOutput(t *testing.T) {
	t.Parallel()
	steps := []why.Step{
		{At: noon, Text: "stopped", Output: []string{"plain\tä", "\x1b[31;1mred\x1b[0m", "\x1b]0;title\x07bell\x07\r\u009bm", "\x1bc"}},
		{At: noon, Text: "stopped", OutputIn: "/logs/t-app-0.1"},
	}
	want := []string{
		"2026-01-01 12:00:00.000  stopped",
		"                           | plain    ä", "                           | red", "                           | bellm", "                           | c",
		"2026-01-01 12:00:00.000  stopped", "                           its output is in /logs/t-app-0.1",
	}
	if diff := cmp.Diff(want, body(steps, 20)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
