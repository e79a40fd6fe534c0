package store

import (
	"slices"
	"sync"

	"github.com/maitred/maitred/internal/model"
)

// maxPending is how many changed keys a watcher keeps before it says that everything may have changed.
const maxPending = 16384

// Changed is a record that is not what it was. Before is nil for a new record, After for a deleted one.
type Changed struct {
	Key           model.Key
	Before, After model.Record
}

// Watcher collects what changed in a Store since its owner last took it. However slow the owner is, it holds nothing
// up and costs a bounded amount of memory.
type Watcher struct {
	store *Store
	kinds []model.Kind // that are watched, none for all
	c     chan struct{}

	mu      sync.Mutex
	pending []Changed
	at      map[model.Key]int // in pending
	all     bool
}

// C is ready when there is something to take.
func (w *Watcher) C() <-chan struct{} { return w.c }

// Take gives what changed since the last time, one entry for a key, in the order in which the keys first changed. If
// all is true, everything may have changed and nothing is listed; so it is the first time. A view that is taken
// afterwards has these changes in it.
func (w *Watcher) Take() (changes []Changed, all bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	select {
	case <-w.c:
	default:
	}
	changes, all = w.pending, w.all
	w.pending, w.all = nil, false
	clear(w.at)
	// A record that came and went in between was never there.
	changes = slices.DeleteFunc(changes, func(c Changed) bool { return c.Before == nil && c.After == nil })
	return changes, all
}

// Snapshot is Take together with the view that has exactly these changes in it, and no later ones.
func (w *Watcher) Snapshot() (changes []Changed, all bool, view *View) {
	w.store.mu.Lock()
	defer w.store.mu.Unlock()
	changes, all = w.Take()
	return changes, all, w.store.View()
}

// Close ends the subscription.
func (w *Watcher) Close() { w.store.unwatch(w) }

func (w *Watcher) add(changes []Changed) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.all {
		return
	}
	news := false
	for i := range changes {
		if len(w.kinds) == 0 || slices.Contains(w.kinds, changes[i].Key.Kind) {
			w.merge(changes[i])
			news = true
		}
	}
	if len(w.pending) > maxPending {
		w.overflow()
	}
	if news {
		w.wake()
	}
}

func (w *Watcher) merge(c Changed) {
	if i, ok := w.at[c.Key]; ok {
		w.pending[i].After = c.After
		return
	}
	w.at[c.Key] = len(w.pending)
	w.pending = append(w.pending, c)
}

func (w *Watcher) overflow() {
	w.pending, w.all = nil, true
	clear(w.at)
}

func (w *Watcher) wake() {
	select {
	case w.c <- struct{}{}:
	default:
	}
}
