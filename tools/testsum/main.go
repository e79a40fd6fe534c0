// Testsum runs `go test -v` with the arguments given and prints what a person wants to read of it: everything of the
// packages that failed, then each reason for which tests were skipped, with their number, and last the summary lines
// as go test itself prints them. Its exit code is go test's.
package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	code, err := run(os.Args[1:], os.Stdout, os.Stderr)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// run is go test's exit code, and an error when it could not be run or read.
func run(args []string, stdout, stderr io.Writer) (int, error) {
	command := exec.Command("go", append([]string{"test", "-v"}, args...)...)
	command.Stderr = stderr
	output, err := command.StdoutPipe()
	if err != nil {
		return 1, err
	}
	if err := command.Start(); err != nil {
		return 1, err
	}
	readErr := summarize(output, stdout)
	if readErr != nil {
		_, _ = io.Copy(io.Discard, output) // so that go test can end; readErr tells the loss
	}
	err = command.Wait()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		return max(exit.ExitCode(), 1), readErr
	}
	return 0, errors.Join(readErr, err)
}

// summarize reads the output of go test -v.
func summarize(from io.Reader, to io.Writer) error {
	out := bufio.NewWriter(to)
	s := newSummary(out)
	lines := bufio.NewReader(from)
	for {
		line, err := lines.ReadString('\n')
		if line != "" {
			s.line(line)
		}
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return fmt.Errorf("reading the output of go test: %w", err)
		}
	}
	s.finish()
	return out.Flush()
}
