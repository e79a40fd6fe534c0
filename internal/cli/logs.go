package cli

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// LogLine is a line of a container's log for people, or a note about its task.
type LogLine struct {
	At        time.Time `json:"at,omitzero"`
	Task      string    `json:"task"`                // ARN
	Container string    `json:"container,omitempty"` // "" in a note about the whole task
	Stream    string    `json:"stream,omitempty"`    // stdout or stderr, "" where they cannot be told apart
	Text      string    `json:"text"`
	Note      string    `json:"note,omitempty"`
}

// LogPrinter writes lines of several containers, each behind the name of its own in a colour of its own.
type LogPrinter struct {
	p      *Printer
	bare   bool // without names: there is only one
	times  bool
	colors map[string]string // by name
	width  int
}

// NewLogPrinter makes a printer of lines; bare ones have no names before them, and times shows when they were written.
func (p *Printer) NewLogPrinter(bare, times bool) *LogPrinter {
	return &LogPrinter{p: p, bare: bare, times: times, colors: map[string]string{}}
}

// Print writes a line. What would steer the reader's terminal is left out.
func (l *LogPrinter) Print(line LogLine) error {
	if l.p.json {
		return json.NewEncoder(l.p.out).Encode(line) // a line of JSON for each
	}
	var b strings.Builder
	if l.times && !line.At.IsZero() {
		b.WriteString(l.p.Dim(line.At.Local().Format(stepTime)) + "  ")
	}
	if !l.bare {
		b.WriteString(l.name(line))
	}
	if line.Note != "" {
		if l.bare { // it is no line of the program's
			l.p.Note("%s: %s", shortTask(line), plain(line.Note))
			return nil
		}
		b.WriteString(l.p.Dim("-- " + plain(line.Note)))
	} else {
		b.WriteString(plain(line.Text))
	}
	_, err := fmt.Fprintln(l.p.out, b.String())
	return err
}

// name is what stands before a line: TASK/CONTAINER, lined up.
func (l *LogPrinter) name(line LogLine) string {
	task := shortTask(line)
	name := task
	if line.Container != "" {
		name += "/" + plain(line.Container)
	}
	color, ok := l.colors[name]
	if !ok {
		colors := []string{"36", "33", "32", "35", "34", "96", "93", "92", "95", "94"}
		color = colors[len(l.colors)%len(colors)]
		l.colors[name] = color
	}
	l.width = max(l.width, len(name))
	return l.p.paint(color, name) + strings.Repeat(" ", l.width-len(name)) + " | "
}

func shortTask(line LogLine) string {
	id := model.ShortID(line.Task)
	return id[:min(len(id), 8)]
}
