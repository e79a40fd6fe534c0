// Package engine is the shell of core: it elects a leader, and on the leader runs one loop that takes a snapshot, lets
// core decide, and writes the plan in guarded transactions. It is woken by the store's watch or by the plan's own
// deadlines, never by polling; on start everything is dirty, and a slow full look can do all that the watch does.
package engine

import (
	"context"
	"errors"
	"time"

	"github.com/maitred/maitred/internal/store"
)

// leader is the name under which schedulers are elected.
const leader = "scheduler"

// Run leads whenever this process is elected, until ctx ends. Errors of the store are logged and tried again.
func Run(ctx context.Context, c Config) error {
	return c.Store.Lead(ctx, leader, c.Log, func(ctx context.Context, lead *store.Leadership) error {
		loop := NewLoop(c, &lead.Fence)
		defer loop.Close()
		return loop.run(ctx, lead.Lost)
	})
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
