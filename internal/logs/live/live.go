// Package live tells what the containers of a task, or of all tasks of a service, write: as one, in the order of time,
// and, following, what they write from then on, those too that are started later. It reads the drivers' own logs, so it
// works whatever log driver the containers have.
package live

import (
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Line is a line of a container, or a note about its task.
type Line struct {
	At        time.Time `json:"at"` // zero where nobody noted it
	Task      string    `json:"task"`
	Container string    `json:"container,omitempty"`
	Stream    string    `json:"stream,omitempty"`
	Text      string    `json:"text"`
	Note      string    `json:"note,omitempty"` // instead of a text: what happened to the task
}

// Options say what is wanted.
type Options struct {
	Since  time.Time // not before; zero for all
	Tail   int       // so many of the last lines that there are; negative for all
	Follow bool
}

// Reader reads logs. Open opens the log of a container of a task, wherever it runs.
type Reader struct {
	Store *store.Store
	Open  func(ctx context.Context, t model.TaskState, container string, o driver.LogOptions) (iter.Seq2[driver.Line, error], error)
}

// Read tells the lines of a subject. A task whose machine is away, or that was forgotten, gets a note.
func (r *Reader) Read(ctx context.Context, s Subject, o Options) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		var watcher *store.Watcher
		if o.Follow { // before looking: nothing is missed
			watcher = r.Store.Watch(model.KindTask, model.KindObserved)
			defer watcher.Close()
		}
		sources := r.sources(s, o.Since)
		for _, line := range history(ctx, r, sources, o) {
			if !yield(line, nil) {
				return
			}
		}
		if !o.Follow {
			if err := ctx.Err(); err != nil {
				yield(Line{}, err)
			}
			return
		}
		f := newFollowing(ctx, r, s, o)
		defer f.stop()
		f.run(watcher, sources, yield)
	}
}

// source is one attempt of a container of a task.
type source struct {
	sourceKey
	task model.TaskState
	mark driver.Mark // behind what was told
	last string      // the last line that was told
}

type sourceKey struct {
	task, container string
	attempt         int
}

// sources lists the containers that have a log: those of tasks that are not over, and of those that ended since a time.
// When all are over, those of the last one are meant.
func (r *Reader) sources(s Subject, since time.Time) []*source {
	view := r.Store.View()
	var chosen []model.TaskState
	var newest model.TaskState
	for _, t := range tasks(view, s) {
		if s.Task != "" || !t.Stopped() || !since.IsZero() && t.Seen.StoppedAt.After(since) {
			chosen = append(chosen, t)
		} else if newest.Task == nil || t.Seen.StoppedAt.After(newest.Seen.StoppedAt) {
			newest = t
		}
	}
	if len(chosen) == 0 && newest.Task != nil {
		chosen = append(chosen, newest)
	}
	var list []*source
	for _, t := range chosen {
		list = append(list, sourcesOf(t, s.Container)...)
	}
	return list
}

// tasks lists the tasks of a subject.
func tasks(view *store.View, s Subject) []model.TaskState {
	if s.Task != "" {
		if t, ok := view.Task(s.Task); ok {
			return []model.TaskState{t}
		}
		return nil
	}
	return slices.Collect(view.TasksOfService(s.Service))
}

// sourcesOf lists the containers of a task that have been started.
func sourcesOf(t model.TaskState, container string) []*source {
	var list []*source
	if t.Seen == nil {
		return nil
	}
	for i := range t.Seen.Containers {
		c := &t.Seen.Containers[i]
		started := c.RuntimeID != "" || c.ExitCode != nil
		if started && (container == "" || container == c.Name) {
			list = append(list, &source{sourceKey: sourceKey{t.ARN, c.Name, c.Restarts}, task: t})
		}
	}
	return list
}

// line makes a line of a source's.
func (x *source) line(l driver.Line) Line {
	return Line{At: l.At, Task: x.sourceKey.task, Container: x.container, Stream: l.Stream, Text: string(l.Text)}
}

// unreadable is a note that a log cannot be read.
func (x *source) unreadable(err error) Line {
	return Line{Task: x.sourceKey.task, Container: x.container, Note: "its log cannot be read: " + err.Error()}
}

// history merges what there is. Of what it takes of a source, the source's mark is behind it.
func history(ctx context.Context, r *Reader, sources []*source, o Options) []Line {
	if o.Tail == 0 && !o.Follow {
		return nil
	}
	var lines []Line
	for _, x := range sources {
		x.mark = driver.Mark{At: o.Since}
		log, err := r.Open(ctx, x.task, x.container, driver.LogOptions{Since: o.Since})
		if err != nil {
			lines = append(lines, x.unreadable(err))
			continue
		}
		lines = append(lines, x.read(log, o.Tail)...)
	}
	slices.SortStableFunc(lines, func(a, b Line) int { return a.At.Compare(b.At) })
	if o.Tail >= 0 && len(lines) > o.Tail {
		lines = lines[len(lines)-o.Tail:]
	}
	return lines
}

// read takes what there is of a log, of which only so many last lines are wanted.
func (x *source) read(log iter.Seq2[driver.Line, error], tail int) []Line {
	var lines []Line
	for l, err := range log {
		if err != nil {
			if !errors.Is(err, context.Canceled) {
				lines = append(lines, x.unreadable(err))
			}
			break
		}
		x.mark.Take(l)
		x.last = string(l.Text)
		lines = append(lines, x.line(l))
		if tail >= 0 && len(lines) > 2*tail+tailSlack {
			lines = append(lines[:0], lines[len(lines)-tail:]...)
		}
	}
	return lines
}

// tailSlack is how many lines more than wanted are kept before those that are not wanted go.
const tailSlack = 1000
