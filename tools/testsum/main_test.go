package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// verbose is a run of go test -v.
const verbose = `=== RUN   TestA
--- PASS: TestA (0.00s)
=== RUN   TestDocker
=== PAUSE TestDocker
=== RUN   TestOther
    a_test.go:4: noise
=== CONT  TestDocker
    a_test.go:9: needs a Docker daemon
--- SKIP: TestDocker (0.00s)
=== RUN   TestSub
=== RUN   TestSub/one
    a_test.go:12: needs a Docker daemon
--- PASS: TestSub (0.00s)
    --- SKIP: TestSub/one (0.00s)
=== NAME  TestOther
    a_test.go:5: more noise
--- PASS: TestOther (0.00s)
PASS
ok  	example/a	0.1s
?   	example/b	[no test files]
=== RUN   TestBad
    c_test.go:3: got 1, want 2
--- FAIL: TestBad (0.00s)
=== RUN   TestMute
--- SKIP: TestMute (0.00s)
=== RUN   TestFine
    c_test.go:4: all is well
--- PASS: TestFine (0.00s)
=== RUN   TestHang
panic: test timed out
FAIL	example/c	0.2s
FAIL	example/d [build failed]
ok  	example/e	(cached)
FAIL
`

// summed is what testsum makes of it.
const summed = `=== NAME  TestBad
    c_test.go:3: got 1, want 2
--- FAIL: TestBad (0.00s)
=== NAME  TestHang
panic: test timed out
FAIL	example/c	0.2s
FAIL	example/d [build failed]
skipped 1: gives no reason: TestMute
skipped 2: needs a Docker daemon
3 tests skipped, 2 of 5 packages failed
ok  	example/a	0.1s
FAIL	example/c	0.2s
FAIL	example/d [build failed]
ok  	example/e	(cached)
FAIL
`

func TestSummarize(t *testing.T) {
	t.Parallel()
	var got bytes.Buffer
	if err := summarize(strings.NewReader(verbose), &got); err != nil {
		t.Fatalf("summarize: %v", err)
	}
	if got.String() != summed {
		t.Errorf("got:\n%s\nwant:\n%s", got.String(), summed)
	}
}

// TestRun runs the real go test, so that a change of its forms is noticed.
func TestRun(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatalf("writing: %v", err)
		}
	}
	write("go.mod", "module example\n\ngo 1.26.0\n")
	write("x_test.go", `package example
import "testing"
func TestSkipped(t *testing.T) { t.Parallel(); t.Skip("needs a moon") }
func TestGroup(t *testing.T) { t.Run("sub", func(t *testing.T) { t.Skip("needs a moon") }) }
`)
	var out, errs bytes.Buffer
	code, err := run([]string{"./..."}, &out, &errs)
	if code != 0 || err != nil {
		t.Fatalf("run: code %d, %v, %s", code, err, errs.String())
	}
	want := "skipped 2: needs a moon\n2 tests skipped, 0 of 1 packages failed\nok  \texample\t"
	if !strings.HasPrefix(out.String(), want) {
		t.Errorf("got %q, want it to begin with %q", out.String(), want)
	}

	write("x_test.go", "package example\nimport \"testing\"\nfunc TestBad(t *testing.T) { t.Error(\"it is bad\") }\n")
	out.Reset()
	code, err = run([]string{"./..."}, &out, &errs)
	if code != 1 || err != nil {
		t.Errorf("run of a failing test: code %d, %v, want 1 and no error", code, err)
	}
	if text := out.String(); !strings.Contains(text, "it is bad") || !strings.HasSuffix(text, "\nFAIL\n") {
		t.Errorf("got %q, want the failure and FAIL at the end", text)
	}

	write("x_test.go", "package example\nfunc broken() { missing() }\n")
	out.Reset()
	errs.Reset()
	if code, err = run([]string{"./..."}, &out, &errs); code == 0 || err != nil {
		t.Errorf("run of what does not compile: code %d, %v, want not 0 and no error", code, err)
	}
	if all := errs.String() + out.String(); !strings.Contains(all, "undefined: missing") {
		t.Errorf("got %q, want the compiler's message", all)
	}
}
