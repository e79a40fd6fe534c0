// Package engine is the shell of core: it elects a leader, and on the leader runs one loop that takes a snapshot, lets
// core decide, and writes the plan in guarded transactions. It is woken by the store's watch or by the plan's own
// deadlines, never by polling; on start everything is dirty, and a slow full look can do all that the watch does.
package engine

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/store"
)

// leader is the name under which schedulers are elected.
const leader = "scheduler"

// The pauses after an error of the store.
const (
	firstPause = 50 * time.Millisecond
	lastPause  = 5 * time.Second
)

// Run leads whenever this process is elected, until ctx ends. Errors of the store are logged and tried again.
func Run(ctx context.Context, c Config) error {
	pause := firstPause
	for {
		began := time.Now()
		err := term(ctx, c)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end, and that is how the term did
		}
		if errors.Is(err, store.ErrClosed) {
			return fmt.Errorf("the scheduler lost its store: %w", err)
		}
		c.Log.Warn("the scheduler's term as leader ended", "reason", err)
		if time.Since(began) > lastPause {
			pause = firstPause
		}
		if !wait(ctx, pause) {
			return nil
		}
		pause = min(2*pause, lastPause)
	}
}

func wait(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// term waits to be elected and leads until the term ends.
func term(ctx context.Context, c Config) error {
	lead, err := c.Store.Elect(ctx, leader)
	if err != nil {
		return fmt.Errorf("elect: %w", err)
	}
	defer func() {
		resign, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := lead.Resign(resign); err != nil {
			c.Log.Debug("could not resign; the lease will run out", "error", err)
		}
	}()
	c.Log.Debug("leading", "term", lead.Fence.Term)
	loop := NewLoop(c, &lead.Fence)
	defer loop.Close()
	return loop.run(ctx, lead.Lost)
}

var errLost = errors.New("another server leads now")

// run takes turns until the term or ctx ends.
func (l *Loop) run(ctx context.Context, lost <-chan struct{}) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-lost:
			return errLost
		case <-l.C():
		case <-timer.C:
		}
		for more := true; more; {
			var err error
			if more, err = l.Turn(ctx, time.Now().UTC()); err != nil {
				return err
			}
		}
		timer.Reset(max(0, time.Until(l.Next())))
	}
}
