package main

import (
	"context"
	"fmt"
	"syscall"
	"time"
)

// deploys measures how long a service takes until all its tasks run, and to be scaled to none again.
func deploys(ctx context.Context, w *world) error { return w.with(ctx, w.deployAll) }

func (w *world) deployAll(ctx context.Context, m *maitred) error {
	if err := m.define(ctx, w.sleeper); err != nil {
		return err
	}
	looks := samples{}
	for _, n := range []int{1, 50, 200} {
		goal, gate := limit{Ratio: 2}, limit{Ratio: 4}
		if n == 1 { // one is a matter of latency, not of throughput
			goal, gate = limit{Amount: 0.005}, limit{Amount: 0.025}
		}
		start := w.figure(figure{
			Name: fmt.Sprintf("CreateService → %d RUNNING", n), Unit: seconds, What: "bare start, the better of 1 and 2 workers", Goal: goal, Gate: gate,
		})
		stop := w.figure(figure{
			Name: fmt.Sprintf("scale %d → 0, all gone", n), Unit: seconds, What: "SIGTERM and wait",
		})
		for i := range w.n {
			name := fmt.Sprintf("s-%d-%d", n, i)
			w.progress("deploy %d, %d of %d", n, i+1, w.n)
			if err := w.deployFloor(n, start, stop); err != nil {
				return err
			}
			if err := w.deploy(ctx, m, name, n, start, stop); err != nil {
				return err
			}
			began := time.Now()
			if err := m.untilRunning(ctx, name, 0, w.poll); err != nil {
				return err
			}
			looks.add(time.Since(began).Seconds())
		}
	}
	w.notes = append(w.notes, fmt.Sprintf("Looking: every %v (%v while many tasks start and stop), a call takes %s. On average that adds half the pause and one call.",
		w.poll, w.pollMany(many), format(looks.median(), seconds)))
	return nil
}

// pollMany is the pause between looks at n tasks. To look takes of the cores that start processes, so it is not done as
// often when it takes long anyway.
func (w *world) pollMany(n int) time.Duration {
	if n > 1 {
		return 5 * w.poll
	}
	return w.poll
}

func (w *world) deployFloor(n int, start, stop *figure) error {
	one, serial, err := w.bare(n, 1)
	ended := end(one, syscall.SIGTERM)
	if err != nil {
		return err
	}
	two, parallel, err := w.bare(n, 2)
	end(two, syscall.SIGTERM)
	start.Floor.add(min(serial, parallel).Seconds())
	stop.Floor.add(ended.Seconds())
	return err
}

func (w *world) deploy(ctx context.Context, m *maitred, name string, n int, start, stop *figure) error {
	began := time.Now()
	if err := m.createService(ctx, name, n); err != nil {
		return err
	}
	if err := m.untilRunning(ctx, name, n, w.pollMany(n)); err != nil {
		return fmt.Errorf("%s does not run: %w", name, err)
	}
	start.Ours.add(time.Since(began).Seconds())
	pids, err := m.pids(ctx, name)
	if err != nil {
		return err
	}
	if len(pids) != n {
		return fmt.Errorf("%s has %d processes, want %d", name, len(pids), n)
	}
	began = time.Now()
	if err := m.scale(ctx, name, 0); err != nil {
		return err
	}
	if err := m.untilRunning(ctx, name, 0, w.pollMany(n)); err != nil {
		return fmt.Errorf("%s does not stop: %w", name, err)
	}
	if err := wait(ctx, w.poll, func() (bool, error) { return gone(pids), nil }); err != nil {
		return err
	}
	stop.Ours.add(time.Since(began).Seconds())
	return nil
}

func gone(pids []int) bool {
	for _, pid := range pids {
		if syscall.Kill(pid, 0) == nil {
			return false
		}
	}
	return true
}
