package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// The pauses of Lead after an error of the store.
const (
	firstRest = 50 * time.Millisecond
	lastRest  = 5 * time.Second
)

// Lead carries out terms as the leader of a name, whenever this process is elected, until ctx ends. A term ends by its own
// error, which is logged and followed by a pause and the next election; it has to heed l.Lost. The error is ErrClosed.
func (s *Store) Lead(ctx context.Context, name string, log *slog.Logger, term func(ctx context.Context, l *Leadership) error) error {
	pause := firstRest
	for {
		began := time.Now()
		err := s.lead(ctx, name, log, term)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // it was told to end, and that is how the term did
		}
		if errors.Is(err, ErrClosed) {
			return fmt.Errorf("the %s lost its store: %w", name, err)
		}
		log.Warn("a term as leader ended", "of", name, "reason", err)
		if time.Since(began) > lastRest {
			pause = firstRest
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
		pause = min(2*pause, lastRest)
	}
}

// lead waits to be elected and leads until the term ends.
func (s *Store) lead(ctx context.Context, name string, log *slog.Logger, term func(context.Context, *Leadership) error) error {
	l, err := s.Elect(ctx, name)
	if err != nil {
		return fmt.Errorf("elect: %w", err)
	}
	defer func() {
		resign, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if err := l.Resign(resign); err != nil {
			log.Debug("could not resign; the lease will run out", "of", name, "error", err)
		}
	}()
	log.Debug("leading", "of", name, "term", l.Fence.Term)
	s.leads(name, true)
	defer s.leads(name, false)
	return term(ctx, l)
}
