package live

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// following is what is being followed. One goroutine owns it; each source has one that reads it.
type following struct {
	ctx     context.Context //nolint:containedctx // that of all sources, for as long as it runs
	r       *Reader
	subject Subject
	since   time.Time
	cancel  context.CancelFunc
	readers sync.WaitGroup
	lines   chan Line
	ended   chan sourceKey

	known map[sourceKey]bool
	tasks map[string]*followed // by ARN
}

// followed is a task of which something is followed.
type followed struct {
	reading int
	started bool // a log of it was opened
	over    bool
}

func newFollowing(ctx context.Context, r *Reader, s Subject, o Options) *following {
	ctx, cancel := context.WithCancel(ctx)
	return &following{
		ctx: ctx, cancel: cancel, r: r, subject: s, since: o.Since, lines: make(chan Line, 64), ended: make(chan sourceKey, 16),
		known: map[sourceKey]bool{}, tasks: map[string]*followed{},
	}
}

// stop ends all readers and waits for them.
func (f *following) stop() {
	f.cancel()
	done := make(chan struct{})
	go func() { f.readers.Wait(); close(done) }()
	for {
		select {
		case <-f.lines:
		case <-f.ended:
		case <-done:
			return
		}
	}
}

// run tells lines as they come, until ctx ends or the subject is over.
func (f *following) run(watcher *store.Watcher, sources []*source, yield func(Line, error) bool) {
	for _, x := range sources {
		f.begin(x)
	}
	for {
		var line Line
		select {
		case <-f.ctx.Done():
			return
		case line = <-f.lines:
		case key := <-f.ended:
			f.task(key.task).reading--
		case <-watcher.C():
			watcher.Take()
			f.look()
		}
		if line.Task != "" && !yield(line, nil) {
			return
		}
		if !f.farewell(yield) {
			return
		}
	}
}

func (f *following) task(arn string) *followed {
	t := f.tasks[arn]
	if t == nil {
		t = &followed{}
		f.tasks[arn] = t
	}
	return t
}

// look finds containers that have been started meanwhile.
func (f *following) look() {
	for _, t := range tasks(f.r.Store.View(), f.subject) {
		if t.Stopped() && f.tasks[t.ARN] == nil {
			continue // it was over before
		}
		for _, x := range sourcesOf(t, f.subject.Container) {
			if !f.known[x.sourceKey] {
				f.begin(x)
			}
		}
	}
}

// begin follows a source.
func (f *following) begin(x *source) {
	f.known[x.sourceKey] = true
	t := f.task(x.sourceKey.task)
	t.reading++
	t.started = true
	f.readers.Go(func() {
		f.follow(x)
		select {
		case f.ended <- x.sourceKey:
		case <-f.ctx.Done():
		}
	})
}

// farewell says which tasks are over, all of whose lines have been told. It is false when nothing more can come.
func (f *following) farewell(yield func(Line, error) bool) bool {
	view := f.r.Store.View()
	for arn, t := range f.tasks {
		if t.over || t.reading > 0 {
			continue
		}
		state, known := view.Task(arn)
		if known && !state.Stopped() {
			continue
		}
		if len(f.lines) > 0 {
			return true // first what it wrote
		}
		t.over = true
		if !yield(Line{At: stoppedAt(state), Task: arn, Note: obituary(state)}, nil) {
			return false
		}
	}
	if f.subject.Task != "" {
		t := f.tasks[f.subject.Task]
		state, known := view.Task(f.subject.Task)
		return t != nil && !t.over || t == nil && known && !state.Stopped()
	}
	service, ok := view.Service(f.subject.Service)
	return ok && service.Status != model.Inactive
}

func stoppedAt(t model.TaskState) time.Time {
	if t.Task == nil || t.Seen == nil {
		return time.Time{}
	}
	return t.Seen.StoppedAt
}

// obituary says how a task ended.
func obituary(t model.TaskState) string {
	if t.Task == nil {
		return "the task is over"
	}
	reason := t.StopReason
	if t.Seen != nil && t.Seen.StopReason != "" {
		reason = t.Seen.StopReason
	}
	text := "the task has stopped"
	if reason != "" {
		text += ": " + reason
	}
	if t.Seen == nil {
		return text
	}
	for i := range t.Seen.Containers {
		if c := &t.Seen.Containers[i]; c.ExitCode != nil {
			text += fmt.Sprintf(" (%s: exit code %d)", c.Name, *c.ExitCode)
		}
	}
	return text
}

// The pauses between two attempts to read a log.
const (
	firstPause = 200 * time.Millisecond
	lastPause  = 5 * time.Second
)

// follow reads a source until its end. When that breaks, it tries again until the task is over.
func (f *following) follow(x *source) {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := f.attempt(x)
		if err == nil || f.ctx.Err() != nil {
			return
		}
		if t, ok := f.r.Store.View().Task(x.sourceKey.task); !ok || t.Stopped() {
			return
		}
		select {
		case <-time.After(pause):
		case <-f.ctx.Done():
			return
		}
	}
}

// attempt reads a source from its mark on. The last line that was told is read again: it may not have been complete.
func (f *following) attempt(x *source) error {
	if x.mark.At.IsZero() && x.mark.Lines == 0 {
		x.mark.At = f.since
	}
	behind := x.mark
	again := behind.Lines > 0
	if again {
		behind.Lines--
	}
	open := func(since time.Time) iter.Seq2[driver.Line, error] {
		log, err := f.r.Open(f.ctx, x.task, x.container, driver.LogOptions{Since: since, Follow: true})
		if err != nil {
			return driver.Failed(err)
		}
		return log
	}
	for l, err := range behind.After(open) {
		if err != nil {
			return err
		}
		line := x.line(l)
		if rest, ok := strings.CutPrefix(line.Text, x.last); again && ok && l.At.Equal(x.mark.At) {
			again = false
			if rest == "" {
				continue
			}
			line.Text = rest
		} else {
			again = false
			x.mark.Take(l)
		}
		x.last = string(l.Text)
		select {
		case f.lines <- line:
		case <-f.ctx.Done():
			return errors.Join(f.ctx.Err())
		}
	}
	return nil
}
