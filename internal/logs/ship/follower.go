package ship

import (
	"context"
	"errors"
	"iter"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/logs/frame"
)

// follower is one attempt to ship a container's log.
type follower struct {
	s       *shipper
	id      string
	target  Target
	group   logs.Group // as it was when lines were last shipped
	found   bool       // there was one
	missed  bool       // it was said that there is none
	shipped bool       // something was
	from    int64
}

// waiting is how many lines may wait until what came before has been written.
const waiting = 256

// eventWait is how long an event of several lines waits for another one.
const eventWait = 5 * time.Second

// run ships until the container's end. The error is about reading or writing the log.
func (f *follower) run(ctx context.Context) error {
	mark, err := f.mark(ctx)
	if err != nil {
		return err
	}
	reading, cancel := context.WithCancel(ctx)
	lines, ended := make(chan driver.Line, waiting), make(chan error, 1)
	go func() {
		defer close(lines)
		ended <- read(reading, mark.After(func(since time.Time) iter.Seq2[driver.Line, error] {
			return f.s.Driver.Logs(reading, f.id, driver.LogOptions{Since: since, Follow: true})
		}), lines)
	}()
	err = f.write(ctx, newAssembler(f.target.Begin, mark, f.s.Now), lines, ended)
	cancel()
	for range lines { // until the reader has ended
	}
	return err
}

// read hands lines over until the log ends.
func read(ctx context.Context, log iter.Seq2[driver.Line, error], to chan<- driver.Line) error {
	for line, err := range log {
		if err != nil {
			return err
		}
		select {
		case to <- line:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// mark tells how far the log has been taken.
func (f *follower) mark(ctx context.Context) (driver.Mark, error) {
	if f.group, f.from, f.found = f.s.Group(ctx, f.target); !f.found {
		return driver.Mark{}, nil
	}
	kept, err := f.s.Store.Mark(f.group, f.target.Stream, f.id)
	mark := driver.Mark{Lines: kept.Lines}
	if kept.At != 0 {
		mark.At = time.Unix(0, kept.At).UTC()
	}
	return mark, err
}

// write writes lines as they come: those that have come by then at once. How the reading ended is told by ended, before
// lines is closed: the last event is complete if all was read.
func (f *follower) write(ctx context.Context, a *assembler, lines <-chan driver.Line, ended <-chan error) error {
	timer := time.NewTimer(eventWait)
	defer timer.Stop()
	for {
		select {
		case line, ok := <-lines:
			if a.drain(line, ok, lines) {
				if err := f.flush(ctx, a); err != nil {
					return err
				}
				timer.Reset(eventWait)
				continue
			}
			err := <-ended
			if err == nil {
				a.finish()
			}
			return errors.Join(err, f.flush(ctx, a))
		case <-timer.C:
			a.finish()
			if err := f.flush(ctx, a); err != nil {
				return err
			}
		}
	}
}

// flush writes the events that are complete.
func (f *follower) flush(ctx context.Context, a *assembler) error {
	events, mark := a.take()
	if !mark.changed {
		return nil
	}
	f.group, f.from, f.found = f.s.Group(ctx, f.target)
	if !f.found {
		if !f.missed {
			f.s.Log.Warn("lines are dropped: the log group does not exist", "container", f.id, "logGroup", f.target.Group)
		}
		f.missed = true
		return nil
	}
	f.missed = false
	kept := frame.Mark{Lines: mark.Lines}
	if !mark.At.IsZero() {
		kept.At = mark.At.UnixNano()
	}
	err := f.s.Store.Append(f.group, f.target.Stream, disk.Batch{
		Ingested: f.s.Now().UnixMilli(), Source: f.id, Mark: kept, Events: recent(events, f.from),
	})
	f.shipped = err == nil
	return err
}

// recent leaves out the events that the group does not keep any more.
func recent(events []frame.Event, from int64) []frame.Event {
	kept := events[:0]
	for _, e := range events {
		if e.At >= from {
			kept = append(kept, e)
		}
	}
	return kept
}
