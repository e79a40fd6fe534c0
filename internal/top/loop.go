package top

import (
	"context"
	"fmt"
	"strings"
	"time"
)

// Interval is how often a snapshot is asked for.
const Interval = time.Second

// Source asks for a snapshot.
type Source func(ctx context.Context, ask Ask) (Snapshot, error)

// Terminal is where the view is shown, and what comes from there.
type Terminal struct {
	// Input is what was typed; the view ends when it is closed. Sizes gives the size, first of all, and whenever it changes.
	Input <-chan []byte
	Sizes <-chan Size
	// Draw shows lines in place of what was shown before.
	Draw func([]Line) error
}

// Run shows what a source tells, from a first snapshot on, until q is typed, the input or ctx ends, or the terminal
// refuses to show it, which is the error. What the source cannot tell is shown in place of it.
func Run(ctx context.Context, source Source, first Snapshot, term Terminal) error {
	ctx, cancel := context.WithCancel(ctx)
	l := &loop{source: source, term: term, snap: first, answers: make(chan answer, 1)}
	defer l.wait()
	defer cancel()
	tick := time.NewTicker(Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case l.size = <-term.Sizes:
		case a := <-l.answers:
			l.take(a)
		case <-tick.C:
			l.ask(ctx)
			continue
		case typed, open := <-term.Input:
			if !open || l.typed(ctx, typed) {
				return nil
			}
		}
		if err := term.Draw(l.screen.Lines(&l.snap, l.trouble, l.size)); err != nil {
			return fmt.Errorf("draw: %w", err)
		}
	}
}

// loop is what a view remembers.
type loop struct {
	source  Source
	term    Terminal
	screen  Screen
	keys    Keys
	size    Size
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

// typed does what keys mean, and asks at once when they need something else to be known; true for the end.
func (l *loop) typed(ctx context.Context, typed []byte) (quit bool) {
	before := l.screen.Asks()
	for _, k := range l.keys.Read(typed) {
		if l.screen.Press(k, &l.snap) {
			return true
		}
	}
	if now := l.screen.Asks(); now != before {
		l.snap.Tasks, l.snap.Machines = nil, nil
		l.ask(ctx)
	}
	return false
}

// wait is over when the source has answered, which it does at once when its context has ended.
func (l *loop) wait() {
	if l.asking {
		<-l.answers
	}
}

// Keys makes keys of what a terminal sends ("ECMA-48", "XTerm Control Sequences"). A sequence may come in parts.
type Keys struct{ rest string }

// Read gives the keys in what was typed. An escape that is the last byte is the key Esc.
func (k *Keys) Read(typed []byte) (keys []Key) {
	left := k.rest + string(typed)
	k.rest = ""
	for left != "" {
		key, n := readKey(left)
		if n == 0 { // there is more to come
			k.rest = left
			break
		}
		if key != None {
			keys = append(keys, key)
		}
		left = left[n:]
	}
	return keys
}

// maxSequence is how long a sequence may be that is waited for.
const maxSequence = 16

// readKey gives the first key, and of how many bytes it is; 0 for a sequence that is not complete.
func readKey(s string) (Key, int) {
	if s[0] != '\x1b' {
		return plainKeys(s[0]), 1
	}
	switch {
	case len(s) == 1:
		return Back, 1
	case s[1] != '[' && s[1] != 'O':
		return Back, 1
	case s[1] == 'O' && len(s) > 2:
		return sequence(s[2:3]), 3
	}
	end := strings.IndexFunc(s[2:], func(r rune) bool { return r >= '@' && r <= '~' })
	switch {
	case end >= 0 && s[1] == '[':
		return sequence(s[2 : 2+end+1]), 2 + end + 1
	case len(s) > maxSequence:
		return None, len(s)
	}
	return None, 0
}

func plainKeys(b byte) Key {
	const ctrlC, ctrlD = 3, 4
	switch b {
	case 'q', 'Q', ctrlC, ctrlD:
		return Quit
	case 'k':
		return Up
	case 'j':
		return Down
	case '\r', '\n', 'l':
		return Enter
	case 'h', '\x7f', '\b':
		return Back
	case 'm':
		return MachinesKey
	case 's':
		return SortKey
	case '?':
		return HelpKey
	case 'g':
		return Home
	case 'G':
		return End
	}
	return None
}

func sequence(s string) Key {
	return map[string]Key{
		"A": Up, "B": Down, "C": Enter, "D": Back, "H": Home, "F": End, "5~": PageUp, "6~": PageDown, "1~": Home, "4~": End,
	}[s]
}
