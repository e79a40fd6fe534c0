package store

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// A revision that changed nothing in the scope does not show by itself; after these pauses the backend is asked how
// far it has come.
const (
	firstNudge = 2 * time.Millisecond
	lastNudge  = 500 * time.Millisecond
)

// WaitFor waits until the view has reached a revision, or ctx or the store ends. A synchronous store does not wait: it
// asks its stream for all that there is, and the answer is ErrNotSeen if the revision is not among it.
func (s *Store) WaitFor(ctx context.Context, rev int64) error {
	if s.View().rev >= rev {
		return nil
	}
	if s.sync {
		return s.pumpTo(ctx, rev)
	}
	w, ok := s.wait(rev)
	if !ok {
		return nil
	}
	defer s.forget(w)
	timer := time.NewTimer(firstNudge)
	defer timer.Stop()
	for pause := firstNudge; ; pause = min(2*pause, lastNudge) {
		timer.Reset(pause)
		select {
		case <-w.c:
			return nil
		case <-ctx.Done():
			return fmt.Errorf("%w: revision %d, the view is at %d: %w", ErrNotSeen, rev, s.View().rev, ctx.Err())
		case <-s.closed:
			return fmt.Errorf("%w: revision %d: %w", ErrNotSeen, rev, ErrClosed)
		case <-timer.C:
			s.nudge(ctx)
		}
	}
}

// wait registers a waiter; false if there is nothing to wait for any more.
func (s *Store) wait(rev int64) (waiter, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.View().rev >= rev {
		return waiter{}, false
	}
	w := waiter{rev: rev, c: make(chan struct{})}
	s.waiters = append(s.waiters, w)
	return w, true
}

func (s *Store) forget(w waiter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiters = slices.DeleteFunc(s.waiters, func(x waiter) bool { return x == w })
}

// nudge asks the stream, if there is one now, to show how far the backend has come.
func (s *Store) nudge(ctx context.Context) {
	s.mu.Lock()
	stream := s.stream
	s.mu.Unlock()
	if stream == nil {
		return
	}
	if err := stream.Nudge(ctx); err != nil {
		s.log.Debug("cannot ask how far the store has come", "error", err)
	}
}

func (s *Store) pumpTo(ctx context.Context, rev int64) error {
	if _, err := s.Pump(ctx); err != nil {
		return err
	}
	if s.View().rev >= rev {
		return nil
	}
	s.nudge(ctx)
	if _, err := s.Pump(ctx); err != nil {
		return err
	}
	if now := s.View().rev; now < rev {
		return fmt.Errorf("%w: revision %d, the view is at %d", ErrNotSeen, rev, now)
	}
	return nil
}
