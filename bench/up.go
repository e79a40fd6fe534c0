package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

// up measures how long maitred takes from its start until it serves writes.
func up(ctx context.Context, w *world) error {
	what := "the same binary says its version"
	first := w.figure(figure{
		Name: "start to /healthz 200, new data directory", Unit: seconds, What: what, Goal: limit{Amount: 0.2}, Gate: limit{Amount: 1},
	})
	again := w.figure(figure{
		Name: "start to /healthz 200, again on the same", Unit: seconds, What: what, Goal: limit{Amount: 0.2}, Gate: limit{Amount: 1},
	})
	for i := range w.n {
		w.progress("up, %d of %d", i+1, w.n)
		dir, err := w.dataDir()
		if err != nil {
			return err
		}
		for _, f := range []*figure{first, again} {
			if err := w.startOnce(ctx, dir, f); err != nil {
				return err
			}
		}
	}
	return nil
}

func (w *world) startOnce(ctx context.Context, dir string, f *figure) error {
	began := time.Now()
	if text, err := exec.CommandContext(ctx, w.binary, "version").CombinedOutput(); err != nil {
		return fmt.Errorf("version: %w\n%s", err, text)
	}
	f.Floor.add(time.Since(began).Seconds())
	began = time.Now()
	m, err := w.start(ctx, dir)
	if err != nil {
		return err
	}
	f.Ours.add(time.Since(began).Seconds())
	return m.stop()
}
