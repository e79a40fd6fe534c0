package main

import (
	"bufio"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
)

// summary follows the output of go test -v, which prints one package after the other.
type summary struct {
	is      forms
	out     *bufio.Writer
	pending []output          // the lines of the package that is being read
	current string            // the test whose lines are being read
	said    map[string]string // the last line that each test of the package has logged
	fine    map[string]bool   // the tests of the package that passed or were skipped
	skips   map[string]int    // tests by the reason for which they were skipped
	results []string          // one line a package
	failed  int
}

// output is one line with the test that it belongs to, "" for none.
type output struct{ test, text string }

// forms are those of testing and of cmd/go: "=== RUN   TestX", "    x_test.go:10: text", "--- SKIP: TestX (0.00s)",
// "ok  \tpackage\t0.1s".
type forms struct{ header, logged, outcome, passed, failed *regexp.Regexp }

func newSummary(out *bufio.Writer) *summary {
	return &summary{
		is: forms{
			header:  regexp.MustCompile(`^=== (?:RUN|PAUSE|CONT|NAME)\s+(\S*)`),
			logged:  regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)`),
			outcome: regexp.MustCompile(`^\s*--- (PASS|SKIP|FAIL): (\S+) \(`),
			passed:  regexp.MustCompile(`^(?:ok  |\?   )\t\S+\t`),
			failed:  regexp.MustCompile(`^FAIL\t\S+`),
		},
		out:   out,
		said:  map[string]string{},
		fine:  map[string]bool{},
		skips: map[string]int{},
	}
}

func (s *summary) line(text string) {
	switch {
	case s.is.passed.MatchString(text):
		s.end(text)
	case s.is.failed.MatchString(text):
		s.failed++
		s.printFailures()
		fmt.Fprint(s.out, text)
		_ = s.out.Flush() // somebody may be waiting for it; the error is kept until the last Flush
		s.end(text)
	case text == "FAIL\n" || text == "PASS\n":
		// said before each package's own line, and once more at the very end
	default:
		s.test(text)
	}
}

// test notes what a line says about a test.
func (s *summary) test(text string) {
	if m := s.is.header.FindStringSubmatch(text); m != nil {
		s.current = m[1]
		return
	}
	if m := s.is.outcome.FindStringSubmatch(text); m != nil {
		s.outcome(m[1], m[2], text)
		return
	}
	if m := s.is.logged.FindStringSubmatch(text); m != nil {
		s.said[s.current] = m[1]
	}
	s.pending = append(s.pending, output{s.current, text})
}

func (s *summary) outcome(result, test, text string) {
	s.fine[test] = result != "FAIL"
	switch result {
	case "FAIL":
		s.pending = append(s.pending, output{test, text})
	case "SKIP":
		reason := s.said[test]
		if reason == "" {
			reason = "gives no reason: " + test
		}
		s.skips[reason]++
	}
}

// printFailures prints the lines of the package's tests that failed or never ended, and those that are of no test.
func (s *summary) printFailures() {
	last := ""
	for _, line := range s.pending {
		if s.fine[line.test] {
			continue
		}
		if line.test != last && line.test != "" {
			fmt.Fprintln(s.out, "=== NAME ", line.test)
		}
		last = line.test
		fmt.Fprint(s.out, line.text)
	}
}

// end closes a package.
func (s *summary) end(result string) {
	s.results = append(s.results, result)
	s.pending, s.current = nil, ""
	clear(s.said)
	clear(s.fine)
}

// finish prints what remains after the last package.
func (s *summary) finish() {
	s.printFailures() // go test's own complaint, of a pattern that matches nothing say
	total := 0
	for _, reason := range slices.Sorted(maps.Keys(s.skips)) {
		total += s.skips[reason]
		fmt.Fprintf(s.out, "skipped %d: %s\n", s.skips[reason], reason)
	}
	fmt.Fprintf(s.out, "%d tests skipped, %d of %d packages failed\n", total, s.failed, len(s.results))
	for _, line := range s.results {
		if !strings.HasPrefix(line, "?") { // no test files: nothing to tell
			fmt.Fprint(s.out, line)
		}
	}
	if s.failed > 0 {
		fmt.Fprintln(s.out, "FAIL")
	}
}
