package cli

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// ExitError is the end of somebody else's program with an exit code, which becomes ours. There is nothing to say of it.
type ExitError struct{ Code int }

// Error gives the code.
func (e *ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// IsTerminal says whether a file is a terminal.
func IsTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// Raw makes a terminal pass every key on at once, Ctrl-C too, until restore is called.
func Raw(f *os.File) (restore func() error, err error) {
	state, err := term.MakeRaw(int(f.Fd()))
	if err != nil {
		return nil, fmt.Errorf("set the terminal: %w", err)
	}
	return func() error { return term.Restore(int(f.Fd()), state) }, nil
}

// Sizes tells the size of a terminal, now and whenever it changes, until ctx ends; 0 and 0 where it is not known.
func Sizes(ctx context.Context, f *os.File, tell func(columns, rows uint16)) {
	changed := make(chan os.Signal, 1)
	signal.Notify(changed, syscall.SIGWINCH)
	defer signal.Stop(changed)
	for {
		columns, rows, _ := term.GetSize(int(f.Fd())) // 0 and 0 when it is not known
		tell(uint16(min(columns, 1<<16-1)), uint16(min(rows, 1<<16-1)))
		select {
		case <-changed:
		case <-ctx.Done():
			return
		}
	}
}

// ReadHidden reads a line that a person types, without showing it.
func ReadHidden(f *os.File) ([]byte, error) { return term.ReadPassword(int(f.Fd())) }

// Columns is how wide a terminal is; 80 for anything else.
func Columns(f *os.File) int {
	const otherwise = 80
	if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
		return columns
	}
	return otherwise
}
