package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"

	"golang.org/x/term"

	"github.com/maitred/maitred/internal/top"
)

// The sequences that the live view needs ("XTerm Control Sequences"): the alternate screen, and no cursor.
const (
	enterScreen = "\x1b[?1049h\x1b[?25l"
	leaveScreen = "\x1b[?25h\x1b[?1049l"
)

// endless is the width of a table that nothing is cut from.
const endless = 1 << 12

// TopTable writes a snapshot once: as wide as the terminal, or with nothing cut off for programs.
func (p *Printer) TopTable(snap *top.Snapshot, ask top.Ask) string {
	width := endless
	if f, ok := p.out.(*os.File); ok {
		if columns, _, err := term.GetSize(int(f.Fd())); err == nil && columns > 0 {
			width = columns
		}
	}
	return top.PlainText(snap, ask, width)
}

// Interactive says whether a person looks and types: the standard streams are a terminal that can move its cursor.
func Interactive() bool {
	return IsTerminal(os.Stdin) && IsTerminal(os.Stdout) && os.Getenv("TERM") != "dumb"
}

// Top shows the live view on the terminal until the person has enough of it.
func (p *Printer) Top(ctx context.Context, source top.Source, first top.Snapshot) (err error) {
	restore, err := Raw(os.Stdin)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, restore()) }()
	keyboard, err := openKeyboard()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var work sync.WaitGroup
	defer work.Wait()
	defer func() { _ = keyboard.Close() }() // which ends the read
	defer cancel()
	terminal := top.Terminal{Draw: p.draw}
	terminal.Sizes = sizes(ctx, &work)
	terminal.Input = input(ctx, &work, keyboard)
	_, _ = io.WriteString(p.out, enterScreen)
	defer func() { _, _ = io.WriteString(p.out, leaveScreen) }()
	return top.Run(ctx, source, first, terminal)
}

// openKeyboard opens the terminal once more, so that a read that waits can be ended, which one of standard input cannot.
func openKeyboard() (*os.File, error) {
	f, err := os.OpenFile("/dev/tty", os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("open the terminal: %w", err)
	}
	return f, nil
}

func sizes(ctx context.Context, work *sync.WaitGroup) <-chan top.Size {
	changed := make(chan top.Size)
	work.Go(func() {
		Sizes(ctx, os.Stdout, func(columns, rows uint16) {
			select {
			case changed <- top.Size{Columns: int(columns), Rows: int(rows)}:
			case <-ctx.Done():
			}
		})
	})
	return changed
}

func input(ctx context.Context, work *sync.WaitGroup, from io.Reader) <-chan []byte {
	typed := make(chan []byte)
	work.Go(func() {
		defer close(typed)
		for {
			part := make([]byte, 256)
			n, err := from.Read(part)
			if err != nil {
				return
			}
			select {
			case typed <- part[:n]:
			case <-ctx.Done():
				return
			}
		}
	})
	return typed
}

// draw writes lines over those that are there, in one write, so that nothing flickers.
func (p *Printer) draw(lines []top.Line) error {
	var b strings.Builder
	b.WriteString("\x1b[H")
	for i, line := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		b.WriteString(p.styled(line) + "\x1b[K")
	}
	b.WriteString("\x1b[J")
	_, err := io.WriteString(p.out, b.String())
	return err
}

func (p *Printer) styled(line top.Line) string {
	switch line.Style {
	case top.Bold:
		return p.Bold(line.Text)
	case top.Dim:
		return p.Dim(line.Text)
	case top.Red:
		return p.Red(line.Text)
	case top.Selected:
		return "\x1b[7m" + line.Text + "\x1b[0m" // also without colours: it is where the cursor is
	default:
		return line.Text
	}
}
