// Package scaler is the shell of core/alarm and core/scaling: on the leader it reads measurements, lets core decide what
// alarms are and how many tasks services shall have, and writes that in guarded transactions.
//
//	metrics ──read──▶ alarms ──transition, fire──▶ targets ──Decide──▶ Service.DesiredCount, ScalingActivity
//	                    └──▶ AlarmState, AlarmEvent, webhooks
//
// It is woken by the time at which an alarm, a scheduled action or a policy of the fast lane is next looked at, and by
// changes of what people wrote; never by polling the metrics. What it keeps in memory alone can be lost: a new leader
// looks at everything once.
package scaler

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/store"
)

// leader is the name under which scalers are elected.
const leader = "scaler"

// Config is what a scaler works with.
type Config struct {
	Store   *store.Store
	Metrics metrics.Reader
	IDs     arn.IDs
	// Post tells a URL of an alarm's transition; it returns when that has been answered. It is called by one goroutine.
	Post func(ctx context.Context, url string, body []byte) error
	Log  *slog.Logger
	// Told is told of each turn; nil: nobody.
	Told func(Turned)
}

// Turned is what a turn came to.
type Turned struct {
	Took        time.Duration
	Transitions int // of alarms
	Scaled      int // services whose desired count was changed
}

// Run leads whenever this process is elected, until ctx ends. Errors of the store are logged and tried again.
func Run(ctx context.Context, c Config) error {
	return c.Store.Lead(ctx, leader, c.Log, func(ctx context.Context, lead *store.Leadership) error {
		l := NewLoop(c, &lead.Fence)
		defer l.Close()
		hooks, stop := context.WithCancel(ctx)
		posted := make(chan struct{})
		go func() { l.hooks.run(hooks); close(posted) }()
		defer func() { stop(); <-posted }()
		return l.run(ctx, lead.Lost)
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
		case <-l.watcher.C():
		case <-timer.C:
		}
		if err := l.Turn(ctx, time.Now().UTC()); err != nil {
			return err
		}
		if next := l.Next(); next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(max(0, time.Until(next)))
		}
	}
}
