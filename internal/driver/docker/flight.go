package docker

import (
	"context"
	"fmt"
	"sync"
)

// flights lets those who want the same at the same time share one effort. Its zero value is ready.
type flights[T any] struct {
	mu  sync.Mutex
	air map[string]*flight[T]
}

type flight[T any] struct {
	done chan struct{}
	val  T
	err  error
	cut  bool // who made it gave up
}

// do gives what work gives, by whoever asked for the key first; who waits for one that gives up takes over.
func (f *flights[T]) do(ctx context.Context, key string, work func(context.Context) (T, error)) (T, error) {
	for {
		f.mu.Lock()
		other, busy := f.air[key]
		if !busy {
			mine := &flight[T]{done: make(chan struct{})}
			if f.air == nil {
				f.air = map[string]*flight[T]{}
			}
			f.air[key] = mine
			f.mu.Unlock()
			return f.fly(ctx, key, mine, work)
		}
		f.mu.Unlock()
		select {
		case <-other.done:
			if !other.cut {
				return other.val, other.err
			}
		case <-ctx.Done():
			var none T
			return none, fmt.Errorf("wait for %s: %w", key, ctx.Err())
		}
	}
}

func (f *flights[T]) fly(ctx context.Context, key string, mine *flight[T], work func(context.Context) (T, error)) (T, error) {
	mine.cut = true // unless work returns
	defer func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.air, key)
		close(mine.done)
	}()
	mine.val, mine.err = work(ctx)
	mine.cut = mine.err != nil && ctx.Err() != nil
	return mine.val, mine.err
}
