package top

import (
	"context"
	"fmt"
	"time"

	"github.com/gdamore/tcell/v3"
)

// Interval is how often a snapshot is asked for.
const Interval = time.Second

// Source asks for a snapshot.
type Source func(ctx context.Context, ask Ask) (Snapshot, error)

// Terminal is what of a tcell.Screen the view needs.
type Terminal interface {
	// EventQ tells of keys and sizes; the view ends when it is closed.
	EventQ() chan tcell.Event
	Size() (columns, rows int)
	PutStrStyled(x, y int, text string, style tcell.Style)
	Clear()
	Show()
}

// Run shows what a source tells, from a first snapshot on, until q is pressed or ctx ends, or the terminal fails, which is
// the error. What the source cannot tell is shown in place of it.
func Run(ctx context.Context, source Source, first Snapshot, term Terminal) error {
	ctx, cancel := context.WithCancel(ctx)
	l := &loop{source: source, term: term, snap: first, answers: make(chan answer, 1)}
	defer l.wait()
	defer cancel()
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		l.draw()
		select {
		case <-ctx.Done():
			return nil
		case a := <-l.answers:
			l.take(a)
		case <-tick.C:
			l.ask(ctx)
		case event := <-term.EventQ():
			if quit, err := l.happened(ctx, event); quit || err != nil {
				return err
			}
		}
	}
}

// loop is what a view remembers.
type loop struct {
	source  Source
	term    Terminal
	screen  Screen
	snap    Snapshot
	trouble error
	answers chan answer
	asking  bool // one question at a time
}

type answer struct {
	ask  Ask
	snap Snapshot
	err  error
}

// ask begins to ask the source, unless it has not answered the last question yet.
func (l *loop) ask(ctx context.Context) {
	if l.asking {
		return
	}
	l.asking = true
	ask := l.screen.Asks()
	go func() {
		snap, err := l.source(ctx, ask)
		l.answers <- answer{ask, snap, err}
	}()
}

// take remembers an answer. One to what is no longer asked has no rows for the page, so those that are there stay.
func (l *loop) take(a answer) {
	l.asking = false
	if a.err != nil {
		l.trouble = fmt.Errorf("no news since %s: %w", l.snap.At.Local().Format("15:04:05"), a.err)
		return
	}
	l.trouble = nil
	if a.ask != l.screen.Asks() {
		a.snap.Tasks, a.snap.Machines = l.snap.Tasks, l.snap.Machines
	}
	l.snap = a.snap
}

// happened does what an event of the terminal means: true for the end.
func (l *loop) happened(ctx context.Context, event tcell.Event) (quit bool, err error) {
	switch event := event.(type) {
	case nil: // it is closed
		return true, nil
	case *tcell.EventError:
		return true, fmt.Errorf("read the terminal: %w", event)
	case *tcell.EventKey:
		return l.pressed(ctx, keyOf(event)), nil
	}
	return false, nil // another size: it is drawn again
}

// pressed does what a key means, and asks at once when something else needs to be known; true for the end.
func (l *loop) pressed(ctx context.Context, k Key) (quit bool) {
	before := l.screen.Asks()
	if l.screen.Press(k, &l.snap) {
		return true
	}
	if now := l.screen.Asks(); now != before {
		l.snap.Tasks, l.snap.Machines = nil, nil
		l.ask(ctx)
	}
	return false
}

// draw shows the screen as it is now; the terminal writes what differs from what it shows.
func (l *loop) draw() {
	columns, rows := l.term.Size()
	l.term.Clear()
	for y, line := range l.screen.Lines(&l.snap, l.trouble, Size{Columns: columns, Rows: rows}) {
		l.term.PutStrStyled(0, y, line.Text, look(line.Style))
	}
	l.term.Show()
}

// wait is over when the source has answered, which it does at once when its context has ended.
func (l *loop) wait() {
	if l.asking {
		<-l.answers
	}
}
