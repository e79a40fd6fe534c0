package cli

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// progressEvery is how often a person is told how far something is.
const progressEvery = 200 * time.Millisecond

// Progress tells on one line of a terminal how much has been moved; nothing where there is no terminal.
type Progress struct {
	to *os.File // nil for nowhere

	mu    sync.Mutex
	bytes int64
	next  time.Time
	shown bool
}

// NewProgress makes one. The first line comes after a moment: what is quick needs none.
func NewProgress(to *os.File) *Progress {
	p := &Progress{next: time.Now().Add(progressEvery)}
	if term.IsTerminal(int(to.Fd())) {
		p.to = to
	}
	return p
}

// Add counts bytes.
func (p *Progress) Add(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.bytes += int64(n)
	if now := time.Now(); p.to != nil && !now.Before(p.next) {
		p.next, p.shown = now.Add(progressEvery), true
		_, _ = fmt.Fprintf(p.to, "\r\x1b[K%s", Bytes(p.bytes))
	}
}

// End takes the line away.
func (p *Progress) End() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown {
		_, _ = fmt.Fprint(p.to, "\r\x1b[K")
	}
}

// Bytes writes a number of bytes for people, in powers of 1,024.
func Bytes(n int64) string {
	if n < 1<<10 {
		return fmt.Sprintf("%d B", n)
	}
	value, unit := float64(n)/(1<<10), 0
	for value >= 1<<10 && unit < 4 {
		value, unit = value/(1<<10), unit+1
	}
	return fmt.Sprintf("%.1f %ciB", value, "KMGTP"[unit])
}
