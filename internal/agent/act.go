package agent

import (
	"context"
	"errors"
	"fmt"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/agent/policy"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// start is a call of the driver's Start that is queued or under way.
type start struct {
	job    *job
	cancel context.CancelFunc
	turn   int // of the firewall rules that it brings
}

// outcome is what became of a start or its cancellation.
type outcome struct {
	status driver.Status // if err is nil
	err    error
	sure   bool   // it is certain that nothing of it runs, or ever will
	name   string // ECS's name of the error if it is not sure
}

// act does what a life decided.
func (l *loop) act(e *entry, a lifecycle.Action) {
	id := lifecycle.ID(e.arn, a.Name, a.Attempt)
	switch a.Verb {
	case lifecycle.Start:
		l.start(e, a, id)
	case lifecycle.Cancel:
		l.cancel(e, a, id)
	case lifecycle.Signal:
		l.signal(e, a, id)
	case lifecycle.Kill:
		l.kill(id)
	case lifecycle.Check:
		l.check(e, a, id)
	case lifecycle.Reap:
		l.reap(id, false)
	}
}

func (l *loop) start(e *entry, a lifecycle.Action, id string) {
	task, def := e.life.Task(), e.def
	spec := lifecycle.Spec(task, def, def.Container(a.Name), lifecycle.Placing{
		Attempt: a.Attempt, Bindings: e.holdings.Bindings[a.Name], HostNetwork: l.a.config.HostNetwork,
		Attachment: e.holdings.Attachment, Rules: e.guard.rules, Peers: e.life.Peers(a.Name),
	})
	e.know(id)
	e.boxed = true
	ctx, cancel := context.WithCancel(l.ctx)
	s := &start{cancel: cancel, turn: e.guard.turn}
	e.starts[id] = s
	s.job = l.starts.add(func() func() {
		defer cancel()
		o := l.launch(ctx, task, def, spec)
		return func() {
			delete(e.starts, id)
			l.answer(e, a, id, o)
			if s.turn != e.guard.turn {
				l.secure(e)
			}
			l.left(e.id)
		}
	})
}

// launch completes what is to be started and calls the driver's Start. When it was canceled, what it may have come to is
// killed.
func (l *loop) launch(ctx context.Context, task *model.Task, def *model.TaskDefinition, spec driver.Spec) outcome {
	if ctx.Err() != nil {
		return l.undo(spec.ID)
	}
	var status driver.Status
	name, err := "ResourceInitializationError", l.prepare(ctx, task, def, &spec)
	if err == nil {
		name = "CannotStartContainerError"
		status, err = l.driver.Start(ctx, spec)
	}
	var failure *driver.Failure
	switch {
	case err == nil:
		return outcome{status: status}
	case ctx.Err() != nil:
		return l.undo(spec.ID)
	}
	return outcome{err: err, sure: errors.As(err, &failure), name: name}
}

// prepare finds out what is to be started in full: the paths of this machine as they are now, and what has to be
// fetched.
func (l *loop) prepare(ctx context.Context, task *model.Task, def *model.TaskDefinition, spec *driver.Spec) error {
	volumes, err := policy.ResolveAll(l.a.config.Machine.Policy, def)
	if err != nil {
		return &driver.Failure{Name: "CannotCreateContainerError", Err: err}
	}
	spec.Sandbox.Volumes = volumes
	if l.a.config.Prepare == nil {
		return nil
	}
	return l.a.config.Prepare(ctx, task, def, spec)
}

// errCanceled says that a start was called off and has come to nothing.
var errCanceled = errors.New("canceled")

// undo sees to it that a start leads to nothing.
func (l *loop) undo(id string) outcome {
	ctx, cancel := context.WithTimeout(l.ctx, callTimeout)
	defer cancel()
	if err := l.driver.Kill(ctx, id); err != nil {
		return outcome{err: err}
	}
	return outcome{err: errCanceled, sure: true}
}

// answer tells a life what became of a start.
func (l *loop) answer(e *entry, a lifecycle.Action, id string, o outcome) {
	if e.life == nil {
		if !o.sure {
			l.reap(id, l.tasks[e.arn] != e)
		}
		return
	}
	switch {
	case o.err == nil:
		e.life.Report(a.Name, a.Attempt, &o.status, l.now())
		if a.Attempt >= 2 { // the log of the last attempt is kept, those before are not
			old := lifecycle.ID(e.arn, a.Name, a.Attempt-2)
			e.unknow(old)
			l.reap(old, true)
		}
	case errors.Is(o.err, errCanceled):
		e.life.Failed(a.Name, a.Attempt, "")
	case o.sure:
		e.life.Failed(a.Name, a.Attempt, o.err.Error())
	default:
		l.log.Warn("the driver cannot tell what became of a start", "container", id, "error", o.err)
		e.life.Unsure(a.Name, a.Attempt, o.name+": "+o.err.Error(), l.now())
	}
	l.touch(e)
}

// cancel calls off a start: one that waits for its turn, one under way, or one whose outcome nobody knows.
func (l *loop) cancel(e *entry, a lifecycle.Action, id string) {
	if s := e.starts[id]; s != nil {
		s.cancel()
		if !l.starts.drop(s.job) {
			return // the start itself answers
		}
		delete(e.starts, id)
	}
	l.stops.add(func() func() {
		o := l.undo(id)
		return func() { l.answer(e, a, id, o) }
	})
}

func (l *loop) signal(e *entry, a lifecycle.Action, id string) {
	l.stops.add(func() func() {
		ctx, cancel := context.WithTimeout(l.ctx, callTimeout)
		defer cancel()
		err := l.driver.Signal(ctx, id, "")
		return func() {
			if err == nil || e.life == nil {
				return
			}
			l.log.Warn("a stop signal did not arrive", "container", id, "error", err)
			e.life.Unsent(a.Name, a.Attempt, l.now())
			l.touch(e)
		}
	})
}

// kill needs no answer: it is repeated until the end is reported.
func (l *loop) kill(id string) {
	l.stops.add(func() func() {
		ctx, cancel := context.WithTimeout(l.ctx, callTimeout)
		defer cancel()
		err := l.driver.Kill(ctx, id)
		return func() {
			if err != nil {
				l.log.Warn("a container could not be killed; it is tried again", "container", id, "error", err)
			}
		}
	})
}

func (l *loop) check(e *entry, a lifecycle.Action, id string) {
	l.checks.add(func() func() {
		ctx, cancel := context.WithTimeout(l.ctx, a.Timeout)
		defer cancel()
		code, output, err := driver.Output(ctx, l.driver, id, a.Command)
		r := lifecycle.Result{ExitCode: code, Output: string(output)}
		switch {
		case err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded):
			r.Err = fmt.Sprintf("no answer within %v", a.Timeout)
		case err != nil:
			r.Err = err.Error()
		}
		return func() {
			if e.life != nil {
				e.life.Checked(a.Name, a.Attempt, r, l.now())
				l.touch(e)
			}
		}
	})
}
