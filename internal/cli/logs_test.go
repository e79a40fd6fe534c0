package cli_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/cli"
)

func printed(t *testing.T, bare, times, asJSON bool, lines ...cli.LogLine) (out, err string) {
	t.Helper()
	var o, e bytes.Buffer
	p := cli.New(&o, &e)
	p.JSON(asJSON)
	printer := p.NewLogPrinter(bare, times)
	for _, l := range lines {
		if err := printer.Print(l); err != nil {
			t.Fatalf("Print = %v", err)
		}
	}
	return o.String(), e.String()
}

func TestLogLines(t *testing.T) {
	t.Parallel()
	lines := []cli.LogLine{
		{At: noon, Task: "x/0123456789", Container: "app", Text: "one"},
		{Task: "x/0123456789", Container: "sidecar", Text: "two"},
		{At: noon, Task: "x/0123456789", Container: "app", Text: "\x1b[31mred\x1b[0m\x07\tafter\x1b]0;title\x07\r"},
		{At: noon, Task: "x/0123456789", Note: "the task has stopped\x1b[2J"},
	}
	got, _ := printed(t, false, false, false, lines...)
	want := "01234567/app | one\n01234567/sidecar | two\n01234567/app     | red    after\n01234567         | -- the task has stopped\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("lines (-want +got):\n%s", diff)
	}
	got, notes := printed(t, true, true, false, lines...)
	want = "2026-01-01 12:00:00.000  one\ntwo\n2026-01-01 12:00:00.000  red    after\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("bare lines with times (-want +got):\n%s", diff)
	}
	if !strings.Contains(notes, "01234567: the task has stopped") {
		t.Errorf("standard error has %q, want the note", notes)
	}
	got, _ = printed(t, false, false, true, lines[1])
	if want := `{"task":"x/0123456789","container":"sidecar","text":"two"}` + "\n"; got != want {
		t.Errorf("JSON is %q, want %q", got, want)
	}
}
