package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
)

// Exec implements driver.Driver. A command that cannot be executed in the container ends with 126 or 127, as in a shell.
// The daemon has no way to end an exec: when ctx ends, its processes are killed from here if they are this machine's and
// this process may signal them; else they run on, and that is logged.
//
// Standard input is read ahead of the command. When that has ended, a Read that is under way is left to itself, for
// nothing can end it; whoever gave the reader does so by closing it.
func (d *Driver) Exec(ctx context.Context, id string, e driver.Exec) (int, error) {
	code, err := d.exec(ctx, id, &e)
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return 0, fmt.Errorf("exec in container %s: %w", id, plain{err})
	}
	return code, nil
}

func (d *Driver) exec(ctx context.Context, id string, e *driver.Exec) (int, error) {
	quick, cancel := context.WithTimeout(ctx, d.limits.quick)
	defer cancel()
	made, err := d.client.ExecCreate(quick, d.name(id), client.ExecCreateOptions{
		Cmd: e.Command, TTY: e.Terminal, ConsoleSize: consoleSize(e),
		AttachStdin: e.Stdin != nil, AttachStdout: true, AttachStderr: true,
	})
	if err != nil {
		return 0, err
	}
	// From here on it may run, and what ends this call has to end the exec: so its start is not cut short.
	started, cancel := context.WithTimeout(context.WithoutCancel(ctx), d.limits.quick)
	defer cancel()
	stream, err := d.client.ExecAttach(started, made.ID, client.ExecAttachOptions{TTY: e.Terminal, ConsoleSize: consoleSize(e)})
	if err != nil {
		return 0, err
	}
	if err := d.converse(ctx, stream, made.ID, e); err != nil {
		return 0, err
	}
	return d.execCode(ctx, made.ID)
}

// endOfTransmission is what is typed on a terminal to end the input: Ctrl-D.
const endOfTransmission = 4

func consoleSize(e *driver.Exec) client.ConsoleSize {
	if !e.Terminal || e.Size == (driver.Size{}) {
		return client.ConsoleSize{}
	}
	return client.ConsoleSize{Height: uint(e.Size.Rows), Width: uint(e.Size.Columns)}
}

// converse carries what an exec reads and writes until it ends, or ctx does.
func (d *Driver) converse(ctx context.Context, stream client.ExecAttachResult, exec string, e *driver.Exec) error {
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		if e.Terminal {
			err = drain(e.Stdout, stream.Reader)
			return
		}
		err = (&demux{from: stream.Reader}).copyTo(e.Stdout, e.Stderr)
	}()
	if e.Stdin != nil {
		go func() {
			_, _ = io.Copy(stream.Conn, e.Stdin)
			if e.Terminal { // where the daemon would take the end of input for the end of output
				_, _ = stream.Conn.Write([]byte{endOfTransmission})
				return
			}
			_ = stream.CloseWrite()
		}()
	}
	d.attend(ctx, exec, e, done)
	if ctx.Err() != nil {
		d.endExec(context.WithoutCancel(ctx), exec, done)
	}
	stream.Close()
	<-done
	return err
}

// drain writes what a terminal shows. Where nobody wants it any more it is dropped: the command shall not be kept
// waiting. A connection that was cut by the daemon's end of it is the end.
func drain(to io.Writer, from io.Reader) error {
	if to != nil {
		if _, err := io.Copy(to, from); err == nil {
			return nil
		}
	}
	_, err := io.Copy(io.Discard, from)
	return err
}

// attend changes the terminal's size when it is asked to, until the exec's output or ctx ends.
func (d *Driver) attend(ctx context.Context, exec string, e *driver.Exec, done <-chan struct{}) {
	resize := e.Resize
	if !e.Terminal {
		resize = nil
	}
	if e.Terminal && e.Size != (driver.Size{}) {
		d.resize(ctx, exec, e.Size) // older daemons know no size at the start
	}
	for {
		select {
		case size, ok := <-resize:
			if !ok {
				resize = nil
				continue
			}
			d.resize(ctx, exec, size)
		case <-done:
			return
		case <-ctx.Done():
			return
		}
	}
}

func (d *Driver) resize(ctx context.Context, exec string, size driver.Size) {
	ctx, cancel := context.WithTimeout(ctx, d.limits.quick)
	defer cancel()
	_, err := d.client.ExecResize(ctx, exec, client.ExecResizeOptions{Height: uint(size.Rows), Width: uint(size.Columns)})
	if err != nil && ctx.Err() == nil && !errdefs.IsNotFound(err) {
		d.log.Debug("the size of a terminal was not changed", "exec", exec, "err", err)
	}
}

// execCode asks for the exit code. The daemon may close the stream a moment before it knows the code, and tells of it
// only by an event that nobody may be listening to.
func (d *Driver) execCode(ctx context.Context, exec string) (int, error) {
	pause := newPause()
	defer pause.stop()
	for {
		e, err := d.inspectExec(ctx, exec)
		if err != nil {
			return 0, err
		}
		if !e.Running {
			return e.ExitCode, nil
		}
		if err := pause.wait(ctx); err != nil {
			d.endExec(context.WithoutCancel(ctx), exec, nil)
			return 0, err
		}
	}
}

// endExec kills an exec, which may be on its way still, unless it is over.
func (d *Driver) endExec(ctx context.Context, exec string, over <-chan struct{}) {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	pause := newPause()
	defer pause.stop()
	for {
		e, err := d.inspectExec(ctx, exec)
		switch {
		case err == nil && e.PID > 0 && e.Running:
			err = killExec(e.PID, e.ContainerID)
		case err == nil && e.PID > 0:
			return // it has ended
		case err == nil:
			select {
			case <-over: // it could not be executed
				return
			default:
			}
			if err = pause.wait(ctx); err == nil {
				continue
			}
		}
		if err != nil && !errors.Is(err, errdefs.ErrNotFound) {
			d.log.Warn("an exec that took too long may run on", "exec", exec, "err", err)
		}
		return
	}
}

func (d *Driver) inspectExec(ctx context.Context, exec string) (client.ExecInspectResult, error) {
	ctx, cancel := context.WithTimeout(ctx, d.limits.quick)
	defer cancel()
	return d.client.ExecInspect(ctx, exec, client.ExecInspectOptions{})
}

// pause waits longer each time, from 1 ms to 0.1 s.
type pause struct {
	timer *time.Timer
	next  time.Duration
}

func newPause() *pause { return &pause{timer: time.NewTimer(time.Hour), next: time.Millisecond} }

func (p *pause) stop() { p.timer.Stop() }

func (p *pause) wait(ctx context.Context) error {
	p.timer.Reset(p.next)
	p.next = min(2*p.next, 100*time.Millisecond)
	select {
	case <-p.timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
