package docker

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/client"

	"github.com/maitred/maitred/internal/driver"
)

// maxOutput is how many bytes of an exec's output are kept.
const maxOutput = 4 << 10

// Exec implements driver.Driver. A command that cannot be executed in the container ends with 126 or 127, as in a shell.
// The daemon has no way to end an exec: when ctx ends, its processes are killed from here if they are this machine's and
// this process may signal them; else they run on, and that is logged.
func (d *Driver) Exec(ctx context.Context, id string, e driver.Exec) (int, error) {
	code, output, err := d.exec(ctx, id, e.Command)
	if e.Stdout != nil {
		_, _ = e.Stdout.Write(output)
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return 0, fmt.Errorf("exec in container %s: %w", id, err)
	}
	return code, nil
}

func (d *Driver) exec(ctx context.Context, id string, command []string) (int, []byte, error) {
	c, err := d.inspect(ctx, d.name(id))
	if err != nil {
		return 0, nil, err
	}
	quick, cancel := context.WithTimeout(ctx, quickTimeout)
	defer cancel()
	e, err := d.client.ExecCreate(quick, c.ID, client.ExecCreateOptions{Cmd: command, AttachStdout: true, AttachStderr: true})
	if err != nil {
		return 0, nil, err
	}
	// From here on it may run, and what ends this call has to end the exec: so its start is not cut short.
	started, cancel := context.WithTimeout(context.WithoutCancel(ctx), quickTimeout)
	defer cancel()
	stream, err := d.client.ExecAttach(started, e.ID, client.ExecAttachOptions{})
	if err != nil {
		return 0, nil, err
	}
	output, err := d.follow(ctx, stream, e.ID)
	if err != nil {
		return 0, output, err
	}
	code, err := d.execCode(ctx, e.ID)
	return code, output, err
}

// follow reads what an exec writes until it ends, or ctx does.
func (d *Driver) follow(ctx context.Context, stream client.ExecAttachResult, exec string) ([]byte, error) {
	var kept head
	var err error
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, err = io.Copy(&kept, &demux{from: stream.Reader})
	}()
	select {
	case <-done:
	case <-ctx.Done():
		d.endExec(context.WithoutCancel(ctx), exec, done)
	}
	stream.Close()
	<-done
	return kept, err
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
		if err != nil {
			d.log.Warn("an exec that took too long may run on", "exec", exec, "err", err)
		}
		return
	}
}

func (d *Driver) inspectExec(ctx context.Context, exec string) (client.ExecInspectResult, error) {
	ctx, cancel := context.WithTimeout(ctx, quickTimeout)
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

// head keeps the first bytes that are written to it.
type head []byte

func (h *head) Write(p []byte) (int, error) {
	*h = append(*h, p[:min(len(p), maxOutput-len(*h))]...)
	return len(p), nil
}
