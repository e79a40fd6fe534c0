package lb

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const (
	batchMax     = 100 // records that are written at once
	writeTimeout = 5 * time.Second
	pauseFirst   = 50 * time.Millisecond // after a write that failed
	pauseLast    = 2 * time.Second
)

// writer writes the newest of each record that it is given, all that is pending in few commits. Nobody waits for it: while
// the store is away, only the newest state of each record is kept.
type writer struct {
	store *store.Store
	log   *slog.Logger

	mu      sync.Mutex
	pending map[model.Key]model.Record // nil: to be deleted
	news    chan struct{}
	held    bool // nothing may be written
	cut     context.CancelFunc
	turn    chan struct{} // full while something is being written
	away    bool          // the last write failed, and that was said
}

func newWriter(s *store.Store, log *slog.Logger) *writer {
	return &writer{store: s, log: log, pending: map[model.Key]model.Record{}, news: make(chan struct{}, 1), turn: make(chan struct{}, 1)}
}

// put gives the writer a record, which must not be changed any more.
func (w *writer) put(r model.Record) { w.set(r.Key(), r) }

// remove has a record deleted.
func (w *writer) remove(k model.Key) { w.set(k, nil) }

func (w *writer) set(k model.Key, r model.Record) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.pending[k] = r
	w.wake()
}

func (w *writer) wake() {
	select {
	case w.news <- struct{}{}:
	default:
	}
}

// hold has nothing written until release, and cuts off what is being written. When it returns, nothing is.
func (w *writer) hold() {
	w.mu.Lock()
	w.held = true
	if w.cut != nil {
		w.cut()
	}
	w.mu.Unlock()
	w.turn <- struct{}{}
	<-w.turn
}

func (w *writer) release() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.held = false
	w.wake()
}

func (w *writer) isHeld() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.held
}

// asked gives what a record will be once all is written.
func (w *writer) asked(k model.Key) (r model.Record, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	r, ok = w.pending[k]
	return r, ok
}

// run writes until ctx ends.
func (w *writer) run(ctx context.Context) {
	pause := pauseFirst
	for {
		select {
		case <-ctx.Done():
			return
		case <-w.news:
		}
		for w.flush(ctx) != nil {
			timer := time.NewTimer(pause)
			select {
			case <-ctx.Done():
				timer.Stop()
				return
			case <-timer.C:
			}
			pause = min(2*pause, pauseLast)
		}
		pause = pauseFirst
	}
}

// flush writes what is pending, or gives up.
func (w *writer) flush(ctx context.Context) error {
	for {
		batch := w.take()
		if len(batch) == 0 {
			return nil
		}
		if err := w.write(ctx, batch); err != nil {
			if w.isHeld() {
				return nil
			}
			if ctx.Err() == nil && !w.away {
				w.away = true
				w.log.Warn("what was observed of targets cannot be written; it is kept until it can", "error", err)
			}
			return err
		}
		w.away = false
	}
}

// change is a record that is written, or deleted.
type change struct {
	key    model.Key
	record model.Record
}

func (w *writer) take() []change {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.held {
		return nil
	}
	batch := make([]change, 0, len(w.pending))
	for k, r := range w.pending {
		batch = append(batch, change{k, r})
	}
	slices.SortFunc(batch, func(a, b change) int {
		return cmp.Or(cmp.Compare(a.key.Kind, b.key.Kind), cmp.Compare(a.key.Path, b.key.Path))
	})
	return batch[:min(len(batch), batchMax)]
}

func (w *writer) write(ctx context.Context, batch []change) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	w.turn <- struct{}{}
	defer func() { <-w.turn }()
	if !w.begin(cancel) {
		return nil
	}
	rev, err := w.store.Update(ctx, func(tx *store.Tx) error {
		for _, c := range batch {
			switch {
			case c.record != nil:
				tx.Put(c.record)
			case tx.View().Version(c.key) != 0:
				tx.Delete(c.key)
			}
		}
		return nil
	})
	if err != nil && rev == 0 { // with a revision it is durable, though not seen yet
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, c := range batch {
		if r, ok := w.pending[c.key]; ok && r == c.record {
			delete(w.pending, c.key)
		}
	}
	return nil
}

// begin notes how a write is cut off; it says false if there must be none.
func (w *writer) begin(cut context.CancelFunc) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.cut = cut
	return !w.held
}
