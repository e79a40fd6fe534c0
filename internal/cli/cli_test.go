package cli_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/why"
)

func TestCodes(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		cli.OK: nil, cli.Failed: errors.New("no"), cli.Wrong: fmt.Errorf("up: %w", cli.Usagef("no such %s", "flag")),
	} {
		if got := cli.Code(err); got != want {
			t.Errorf("Code(%v) = %d, want %d", err, got, want)
		}
	}
}

// TestJSON: a program that reads gets the value alone.
func TestJSON(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := cli.New(&out, &out)
	p.JSON(true)
	p.Linef("hello")
	if err := p.Value(map[string]int{"n": 1}, func() string { return "n is 1" }); err != nil {
		t.Fatal(err)
	}
	if got, want := out.String(), "{\n  \"n\": 1\n}\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestNoTerminal: there are no colours where nobody sees them.
func TestNoTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := cli.New(&out, &out)
	p.Error(errors.New("gone"))
	p.Linef("%s %s %s", p.Bold("a"), p.Dim("b"), p.Green("c"))
	if got, want := out.String(), "maitred: gone\na b c\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestTable(t *testing.T) {
	t.Parallel()
	got := cli.New(nil, nil).Table([][]string{{"NAME", "VALUE"}, {"a", "1"}, {"longer", ""}})
	if want := "NAME    VALUE\na       1\nlonger\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestStory tells every sort of cause, and no more steps than asked for.
func TestStory(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 1, 12, 0, 0, 0, time.Local)
	step := func(kind model.CauseKind, subject string) why.Step {
		return why.Step{At: at, Text: "something", Because: []model.Cause{{Kind: kind, Subject: subject, ID: "r1", At: at, Detail: "3 of 4"}}}
	}
	s := why.Story{Kind: "service", Subject: "web", Now: "ACTIVE", Held: []string{"no room"}, Steps: []why.Step{
		step(model.CauseAPI, "CreateService"), step(model.CauseExit, "x/t1"), step(model.CauseHealth, "x/t2"), step(model.CauseMachine, "m1"),
		step(model.CauseOperator, ""), step(model.CauseDeployment, "ecs-svc/1"), step(model.CauseService, "x/web"), step(model.CauseRetry, "x/db"),
	}}
	p := cli.New(nil, nil)
	got := p.Story(s, len(s.Steps))
	for _, want := range []string{
		"service web\nACTIVE\nheld up: no room\n", "2026-01-01 12:00:00.000  something\n",
		"because somebody called CreateService at 12:00:00.000: 3 of 4, request r1", "because task t1 ended", "because task t2 failed its health check",
		"because machine m1", "because the operator", "because deployment ecs-svc/1 went on", "because service web was looked at", "because service db was looked at",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in:\n%s", want, got)
		}
	}
	if short := p.Story(s, 2); strings.Count(short, "something") != 2 || !strings.Contains(short, "6 earlier steps") {
		t.Errorf("got %s, want 2 steps and a word on the other 6", short)
	}
}
