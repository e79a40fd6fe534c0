package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/driver"
)

// TestTail keeps the last lines of an output, however it comes, and no part of a line.
func TestTail(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 3*outputBytes)
	for name, test := range map[string]struct {
		text string
		want []string
	}{
		"nothing":       {"", nil},
		"white space":   {"\n \r\n", nil},
		"some":          {"one\r\ntwo\n\n", []string{"one", "two"}},
		"many":          {numbered(30), strings.Split(strings.TrimSpace(numbered(30)), "\n")[20:]},
		"cut":           {long + "\nlast\n", []string{"last"}},
		"one long line": {long, []string{long[:outputBytes]}},
		"no text":       {"a\xffb", []string{"a\uFFFDb"}},
	} {
		for way, read := range map[string]func(io.Reader) io.Reader{
			"whole": func(r io.Reader) io.Reader { return r }, "bytes": iotest.OneByteReader,
		} {
			var end tail
			if _, err := io.Copy(&end, read(strings.NewReader(test.text))); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, end.lines()); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, way, diff)
			}
		}
	}
}

func numbered(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "line %d\n", i)
	}
	return b.String()
}

// TestOutput asks the agent of this process, and what it does not know is no output.
func TestOutput(t *testing.T) {
	t.Parallel()
	s := &server{cfg: Config{Log: slog.New(slog.DiscardHandler)}}
	if s.output(t.Context()) != nil {
		t.Error("got output without an agent, want none")
	}
	s.logs = func(
		_ context.Context, task, container string, _ driver.LogOptions,
	) (iter.Seq2[driver.Line, error], error) {
		if task != "t" || container != "c" {
			return nil, errors.New("no such container")
		}
		torn := io.MultiReader(strings.NewReader("bad\n"), iotest.ErrReader(errors.New("torn")))
		return driver.ReadLines(torn), nil
	}
	read := s.output(t.Context())
	if diff := cmp.Diff([]string{"bad"}, read("t", "c")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := read("t", "d"); got != nil {
		t.Errorf("got %q of a container that is not there, want nothing", got)
	}
}

// TestOutputIn finds the newest file of an attempt's log, and none of others.
func TestOutputIn(t *testing.T) {
	t.Parallel()
	s := &server{cfg: Config{DataDir: t.TempDir()}}
	if got := s.outputIn("x/t1", "app", 0); got != "" {
		t.Errorf("got %q without a keeper, want nothing", got)
	}
	dir := filepath.Join(s.cfg.DataDir, "keeper", "logs")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"t1-app-0.9", "t1-app-0.10.log", "t1-app-0.x", "t1-app-1.11.log", "t2-app-0.12.log"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := s.outputIn("x/t1", "app", 0), filepath.Join(dir, "t1-app-0.10.log"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := s.outputIn("x/t1", "app", 2); got != "" {
		t.Errorf("got %q of an attempt that printed nothing, want nothing", got)
	}
}
