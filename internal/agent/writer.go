package agent

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// batchMax is how many records are written at once.
const batchMax = 100

// writer writes the newest of each record that it is given: all that is pending in one commit, and then again. Nothing
// waits while it is idle, and while the store cannot be reached only the newest state is kept.
type writer struct {
	store *store.Store
	log   *slog.Logger
	wrote func([]model.Record) // is told what is durable

	mu      sync.Mutex
	pending map[model.Key]model.Record
	news    chan struct{}
	limit   int // of a batch; smaller for a while when one was too large
	untold  int // batches that were written, before the loop knows
}

func newWriter(s *store.Store, log *slog.Logger, wrote func([]model.Record)) *writer {
	return &writer{
		store: s, log: log, wrote: wrote, pending: map[model.Key]model.Record{}, news: make(chan struct{}, 1), limit: batchMax,
	}
}

// put gives the writer a record, which must not be changed any more.
func (w *writer) put(r model.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending[r.Key()] = r
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// run writes until ctx ends.
func (w *writer) run(ctx context.Context) {
	pause := backoff{first: 50 * time.Millisecond, last: 2 * time.Second}
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.news:
		}
		for {
			more, err := w.write(ctx)
			if err == nil {
				pause.reset()
				if !more {
					break
				}
				continue
			}
			if ctx.Err() != nil {
				return
			}
			w.log.Warn("observations could not be written; they are kept", "error", err)
			select {
			case <-time.After(pause.next()):
			case <-ctx.Done():
				return
			}
		}
	}
}

// flush writes what is pending, or gives up.
func (w *writer) flush(ctx context.Context) error {
	for {
		more, err := w.write(ctx)
		if err != nil || !more {
			return err
		}
	}
}

// write makes one commit, and says whether there is more to be written.
func (w *writer) write(ctx context.Context) (more bool, err error) {
	batch, limit := w.take()
	if len(batch) == 0 {
		return false, nil
	}
	bounded, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	rev, err := w.store.Update(bounded, func(tx *store.Tx) error {
		for _, r := range batch {
			if worthWriting(tx.View(), r) {
				tx.Put(r)
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, store.ErrTooLarge) && limit > 1:
		w.mu.Lock()
		w.limit = limit / 2
		w.mu.Unlock()
		return true, nil
	case err != nil && rev == 0: // with a revision it is durable, though not seen yet
		return true, err
	}
	more = w.done(batch)
	w.wrote(batch)
	return more, nil
}

// take gives the records to write next, in the order of their keys: the machine's own would come too late behind those
// of a thousand tasks, so it is first.
func (w *writer) take() (batch []model.Record, limit int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, r := range w.pending {
		batch = append(batch, r)
	}
	slices.SortFunc(batch, func(a, b model.Record) int {
		x, y := a.Key(), b.Key()
		return cmp.Or(cmp.Compare(x.Kind, y.Kind), cmp.Compare(x.Path, y.Path))
	})
	limit = min(len(batch), w.limit)
	return batch[:limit], limit
}

// done forgets what was written, unless there is something newer to say by now.
func (w *writer) done(batch []model.Record) (more bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.untold++
	for _, r := range batch {
		if w.pending[r.Key()] == r {
			delete(w.pending, r.Key())
		}
	}
	w.limit = batchMax
	return len(w.pending) > 0
}

// worthWriting keeps an observation's status from going back, and those of deleted tasks from being written.
func worthWriting(v *store.View, r model.Record) bool {
	seen, ok := r.(*model.Observed)
	if !ok {
		return true
	}
	if v.Version(model.TaskKey(seen.Machine, seen.Task)) == 0 {
		return false
	}
	before, _, ok := v.Get(seen.Key())
	if !ok {
		return true
	}
	was := before.(*model.Observed).Status
	return was != model.TaskStopped && was.Order() <= seen.Status.Order()
}
