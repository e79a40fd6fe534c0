// Package cli is the one place through which everything goes that a person reads: it knows whether there is a terminal,
// whether colours are wanted (NO_COLOR), and whether a program reads instead (--json). It holds the exit codes too.
package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"golang.org/x/term"
)

// The exit codes.
const (
	OK     = 0
	Failed = 1
	Wrong  = 2 // wrong usage
)

// UsageError is a command line that makes no sense.
type UsageError struct{ Err error }

// Error gives the reason.
func (e *UsageError) Error() string { return e.Err.Error() }

// Unwrap gives the reason.
func (e *UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

// Code is the exit code of a command that ended with err.
func Code(err error) int {
	var usage *UsageError
	var exit *ExitError
	switch {
	case errors.As(err, &exit):
		return exit.Code
	case err == nil:
		return OK
	case errors.As(err, &usage):
		return Wrong
	}
	return Failed
}

// Printer writes for people, or for programs.
type Printer struct {
	out, err io.Writer
	json     bool
	color    bool
}

// New makes a printer on two streams. Colours are used on a terminal, unless NO_COLOR is set ("no-color.org").
func New(out, err io.Writer) *Printer {
	p := &Printer{out: out, err: err}
	if f, ok := out.(*os.File); ok {
		p.color = term.IsTerminal(int(f.Fd())) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	}
	return p
}

// JSON makes the printer write for programs.
func (p *Printer) JSON(on bool) { p.json = on }

// Linef writes a line, unless a program reads.
func (p *Printer) Linef(format string, args ...any) {
	if !p.json {
		_, _ = fmt.Fprintf(p.out, format+"\n", args...)
	}
}

// Value writes a value for programs, or what text makes of it for people.
func (p *Printer) Value(v any, text func() string) error {
	if !p.json {
		_, err := io.WriteString(p.out, text())
		return err
	}
	e := json.NewEncoder(p.out)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// Note says something to a person that is not the answer: it goes beside it.
func (p *Printer) Note(format string, args ...any) {
	_, _ = fmt.Fprintln(p.err, p.Dim(fmt.Sprintf(format, args...)))
}

// Error tells what went wrong, unless the exit code tells it.
func (p *Printer) Error(err error) {
	if _, ok := errors.AsType[*ExitError](err); ok {
		return
	}
	_, _ = fmt.Fprintln(p.err, p.Red("maitred: ")+err.Error())
}

// Table lines up rows of cells; the first row is the head.
func (p *Printer) Table(rows [][]string) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 8, 2, ' ', 0)
	for _, row := range rows {
		_, _ = fmt.Fprintln(w, strings.Join(row, "\t"))
	}
	_ = w.Flush()
	lines := strings.Split(b.String(), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
	}
	return strings.Join(lines, "\n")
}

func (p *Printer) paint(code, s string) string {
	if !p.color || s == "" {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Bold makes text stand out on a terminal.
func (p *Printer) Bold(s string) string { return p.paint("1", s) }

// Dim makes text stand back on a terminal.
func (p *Printer) Dim(s string) string { return p.paint("2", s) }

// Red is for what went wrong.
func (p *Printer) Red(s string) string { return p.paint("31", s) }

// Green is for what works.
func (p *Printer) Green(s string) string { return p.paint("32", s) }
