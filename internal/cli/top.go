package cli

import (
	"context"
	"os"

	"golang.org/x/term"

	"github.com/maitred/maitred/internal/top"
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
func (p *Printer) Top(ctx context.Context, source top.Source, first top.Snapshot) error {
	return top.Live(ctx, source, first)
}
