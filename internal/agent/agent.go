package agent

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// ErrStopped is the answer of an agent that does not run.
var ErrStopped = errors.New("agent: it does not run")

// Agent is the agent of one machine.
type Agent struct {
	config Config
	events chan func(*loop) // what the loop is to do next
	over   chan struct{}    // closed when Run has ended
	once   sync.Once
	meter  meter
}

// New makes an agent. Nothing happens before Run.
func New(c Config) (*Agent, error) {
	if err := c.fill(); err != nil {
		return nil, err
	}
	return &Agent{config: c, events: make(chan func(*loop), 64), over: make(chan struct{})}, nil
}

// Run runs the agent until ctx ends, and then waits for all that it has begun; containers run on. It may be called
// once. The error is about what the agent cannot do without.
func (a *Agent) Run(ctx context.Context) error {
	err := ErrStopped
	a.once.Do(func() { err = a.run(ctx) })
	return err
}

func (a *Agent) run(ctx context.Context) error {
	defer close(a.over)
	unlock, err := lockDir(a.config.Dir)
	if err != nil {
		return err
	}
	defer unlock()
	kept, err := openLedger(a.config.Dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	var group sync.WaitGroup
	defer group.Wait()
	defer cancel()
	w := newWriter(a.config.Store, a.config.Log, func(done []model.Record) {
		a.post(ctx, func(l *loop) { l.writer.told(); l.wrote(done) })
	})
	l := newLoop(ctx, a, w, kept, &group)
	group.Go(func() { w.run(ctx) })
	group.Go(func() { a.follow(ctx) })
	if a.config.SampleEvery > 0 {
		group.Go(func() { a.sample(ctx) })
	}
	l.run()
	cancel()
	group.Wait()
	a.farewell(l, w)
	return nil
}

// farewell writes what is left to be said, and that the agent goes.
func (a *Agent) farewell(l *loop, w *writer) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(l.ctx), flushTimeout)
	defer cancel()
	w.put(l.machine(false))
	if err := w.flush(ctx); err != nil {
		a.config.Log.Warn("the last observations could not be written", "error", err)
	}
}

// post gives the loop something to do, unless ctx ends first.
func (a *Agent) post(ctx context.Context, event func(*loop)) {
	select {
	case a.events <- event:
	case <-ctx.Done():
	}
}

// ask makes the loop do something and waits until it is done.
func (a *Agent) ask(ctx context.Context, question func(*loop)) error {
	done := make(chan struct{})
	select {
	case a.events <- func(l *loop) { question(l); close(done) }:
	case <-a.over:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	select {
	case <-done:
		return nil
	case <-a.over:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}

// StopAll stops what all tasks of the machine run, in the order of their dependencies: with the stop signal, and after
// grace by killing. That does not make the tasks wanted any less: they are observed as STOPPED, for the given reason
// and with the stop code TerminationNotice, so that whoever wants a service's tasks replaces them; a task that had not
// begun stays as it is. From now on the agent starts nothing. StopAll returns when all has ended and was written, or
// with ctx's error.
func (a *Agent) StopAll(ctx context.Context, reason string, grace time.Duration) error {
	quiet := make(chan struct{})
	if err := a.ask(ctx, func(l *loop) { l.halt(reason, grace, quiet) }); err != nil {
		return err
	}
	select {
	case <-quiet:
		return nil
	case <-a.over:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
}
