package ship

import (
	"regexp"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/logs/frame"
)

// assembler makes events of lines: one of each, or one of several. Empty lines make none.
type assembler struct {
	begin *regexp.Regexp // finds the first line of an event; nil if each line is one
	now   func() time.Time

	seen    driver.Mark // behind the last line
	done    driver.Mark // behind the last line of which the event is complete
	changed bool        // done has changed since it was taken
	events  []frame.Event
	bytes   int
	pending *frame.Event // that may have another line
}

// The bounds of an event and of what is written at once, in bytes ("CloudWatch Logs quotas").
const (
	eventBytes = 256 << 10
	batchBytes = 256 << 10
)

func newAssembler(begin *regexp.Regexp, mark driver.Mark, now func() time.Time) *assembler {
	return &assembler{begin: begin, now: now, seen: mark, done: mark}
}

// drain takes a line and those that have come already. It is false when there will be no more.
func (a *assembler) drain(line driver.Line, ok bool, lines <-chan driver.Line) bool {
	for ok {
		a.add(line)
		if a.bytes >= batchBytes {
			return true
		}
		select {
		case line, ok = <-lines:
		default:
			return true
		}
	}
	return false
}

// add takes a line.
func (a *assembler) add(line driver.Line) {
	text := strings.TrimSuffix(strings.ToValidUTF8(string(line.Text), "\uFFFD"), "\r")
	at := line.At
	if at.IsZero() {
		at = a.now()
	}
	if a.begin == nil {
		a.seen.Take(line)
		a.pending = &frame.Event{At: at.UnixMilli(), Message: text}
		a.finish()
		return
	}
	if a.pending == nil || a.begin.MatchString(text) || len(a.pending.Message)+len(text) >= eventBytes {
		a.finish()
		a.pending = &frame.Event{At: at.UnixMilli(), Message: text}
	} else {
		a.pending.Message += "\n" + text
	}
	a.seen.Take(line)
}

// finish says that nothing will be added to the event that waits for more lines.
func (a *assembler) finish() {
	if a.pending != nil && a.pending.Message != "" {
		a.events = append(a.events, *a.pending)
		a.bytes += len(a.pending.Message)
	}
	a.pending = nil
	a.changed = a.changed || a.done != a.seen
	a.done = a.seen
}

// taken is how far a log is taken with what is written.
type taken struct {
	driver.Mark
	changed bool
}

// take gives the events that are complete, and the mark behind them.
func (a *assembler) take() ([]frame.Event, taken) {
	events, mark := a.events, taken{a.done, a.changed}
	a.events, a.bytes, a.changed = nil, 0, false
	return events, mark
}
