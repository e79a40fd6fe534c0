package main

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"time"
)

// settleIn is how long tasks run before they are killed: one that ends within seconds of its start counts as failing to
// start, and that is another story.
const settleIn = 6 * time.Second

// kills measures how long it takes from kill -9 until a replacement runs.
func kills(ctx context.Context, w *world) error { return w.with(ctx, w.killAll) }

func (w *world) killAll(ctx context.Context, m *maitred) error {
	const service = "victims"
	n := 5 * w.n
	if err := m.define(ctx, w.sleeper); err != nil {
		return err
	}
	if err := m.createService(ctx, service, n); err != nil {
		return err
	}
	if err := m.untilRunning(ctx, service, n, w.poll); err != nil {
		return err
	}
	arns, err := m.list(ctx, service)
	if err != nil {
		return err
	}
	victims, err := m.describe(ctx, arns...)
	if err != nil {
		return err
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(settleIn):
	}
	d, err := openDisk(m.dir)
	if err != nil {
		return err
	}
	seen := w.figure(figure{
		Name: "kill -9 → replacement RUNNING", Unit: seconds, What: "wait, fork, exec, 2 fsync",
		Goal: limit{Amount: 0.005}, Gate: limit{Amount: 0.025},
	})
	recorded := w.figure(figure{Name: "the same by the records: stoppedAt → startedAt", Unit: seconds, What: "wait, fork, exec, 2 fsync"})
	w.progress("kill %d", len(victims))
	for i := range victims {
		if err := w.killFloor(d, seen, recorded); err != nil {
			return err
		}
		if err := w.kill(ctx, m, service, &victims[i], seen, recorded); err != nil {
			return err
		}
	}
	return d.close()
}

func (w *world) killFloor(d *disk, figures ...*figure) error {
	first, _, err := w.bare(1, 1)
	if err != nil {
		return err
	}
	began := time.Now()
	end(first, syscall.SIGKILL)
	second, _, err := w.bare(1, 1)
	if err != nil {
		return err
	}
	for range 2 {
		if _, err := d.write(); err != nil {
			return err
		}
	}
	took := time.Since(began)
	end(second, syscall.SIGKILL)
	for _, f := range figures {
		f.Floor.add(took.Seconds())
	}
	return nil
}

func (w *world) kill(ctx context.Context, m *maitred, service string, victim *task, seen, recorded *figure) error {
	before, err := m.list(ctx, service)
	if err != nil {
		return err
	}
	pid, err := victim.pid()
	if err != nil {
		return err
	}
	began := time.Now()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return fmt.Errorf("kill %d: %w", pid, err)
	}
	var replacement task
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	if err := wait(ctx, w.poll, func() (bool, error) {
		var err error
		replacement, err = m.newest(ctx, service, before)
		return replacement.LastStatus == "RUNNING", err
	}); err != nil {
		return fmt.Errorf("the task that was killed is not replaced: %w", err)
	}
	seen.Ours.add(time.Since(began).Seconds())
	dead, err := m.describe(ctx, victim.TaskArn)
	if err != nil {
		return err
	}
	recorded.Ours.add(replacement.StartedAt - dead[0].StoppedAt)
	return nil
}

// newest is a task of a service that was not there before; a zero task if there is none.
func (a *api) newest(ctx context.Context, service string, before []string) (task, error) {
	now, err := a.list(ctx, service)
	if err != nil {
		return task{}, err
	}
	for _, arn := range now {
		if slices.Contains(before, arn) {
			continue
		}
		tasks, err := a.describe(ctx, arn)
		if err != nil || len(tasks) == 0 {
			return task{}, err
		}
		return tasks[0], nil
	}
	return task{}, nil
}
