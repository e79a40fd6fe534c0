package store

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Store is the typed world over a Backend: views to read, transactions to write, watchers to be told. All methods may
// be called by any goroutine.
type Store struct {
	backend Backend
	scope   Scope
	log     *slog.Logger
	sync    bool
	leads   func(name string, now bool)

	view   atomic.Pointer[View]
	broken atomic.Pointer[error] // why the view does not follow the backend now

	// feed is held by whoever follows the stream and changes the cache.
	feed  sync.Mutex
	cache *cache

	mu       sync.Mutex
	stream   Stream
	waiters  []waiter
	watchers []*Watcher
	closed   chan struct{} // closed by Close

	turn chan struct{} // full while an Update that has lost often is under way

	cancel context.CancelFunc
	done   chan struct{} // closed when run has ended; nil for a synchronous store
}

// waiter is somebody who waits for a revision.
type waiter struct {
	rev int64
	c   chan struct{}
}

// Option changes how a store is opened.
type Option func(*Store)

// WithLogger makes a store tell what goes wrong behind the scenes. Without it, nothing is told.
func WithLogger(log *slog.Logger) Option { return func(s *Store) { s.log = log } }

// WithLeads tells when this process begins and ceases to lead; it is called by many goroutines. Without it, nobody is told.
func WithLeads(leads func(name string, now bool)) Option { return func(s *Store) { s.leads = leads } }

// Open loads a scope of a backend and follows it, until Close, with one goroutine. The backend must outlive the store.
func Open(ctx context.Context, backend Backend, scope Scope, options ...Option) (*Store, error) {
	s := newStore(backend, scope, options)
	if err := s.list(ctx); err != nil {
		return nil, err
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	s.cancel, s.done = cancel, make(chan struct{})
	if err := s.attach(run); err != nil {
		cancel()
		return nil, err
	}
	go s.run(run)
	return s, nil
}

// OpenSync is Open for deterministic simulations: there is no goroutine and no clock. What the store itself commits is
// in its view when Update or Apply returns; what others commit gets there with Pump. The backend's streams must be
// Pollers.
func OpenSync(ctx context.Context, backend Backend, scope Scope, options ...Option) (*Store, error) {
	s := newStore(backend, scope, options)
	s.sync, s.cancel = true, func() {}
	if err := s.list(ctx); err != nil {
		return nil, err
	}
	if err := s.attach(ctx); err != nil {
		return nil, err
	}
	if _, ok := s.stream.(Poller); !ok {
		s.stream.Close()
		return nil, fmt.Errorf("%w: the backend cannot be followed synchronously", ErrInvalid)
	}
	return s, nil
}

func newStore(backend Backend, scope Scope, options []Option) *Store {
	s := &Store{
		backend: backend, scope: scope, log: slog.New(slog.DiscardHandler), cache: newCache(), closed: make(chan struct{}),
		turn: make(chan struct{}, 1), leads: func(string, bool) {},
	}
	s.view.Store(s.cache.view(0))
	for _, o := range options {
		o(s)
	}
	return s
}

// View is the newest view. It costs nothing.
func (s *Store) View() *View { return s.view.Load() }

// Scope is what the store holds.
func (s *Store) Scope() Scope { return s.scope }

// Err says why the view does not follow the backend at present, nil if it does. The store goes on trying by itself.
func (s *Store) Err() error {
	if err := s.broken.Load(); err != nil {
		return *err
	}
	return nil
}

// Close ends the store and waits for its goroutine. Views stay readable.
func (s *Store) Close() {
	s.mu.Lock()
	select {
	case <-s.closed:
	default:
		close(s.closed)
	}
	s.mu.Unlock()
	s.cancel()
	if s.done != nil {
		<-s.done
		return
	}
	s.feed.Lock()
	defer s.feed.Unlock()
	s.detach()
}

// Watch subscribes to the changes of some tables, of all if none is named. To begin with, everything may have changed.
func (s *Store) Watch(kinds ...model.Kind) *Watcher {
	w := &Watcher{store: s, kinds: kinds, c: make(chan struct{}, 1), at: map[model.Key]int{}, all: true}
	w.wake()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = append(s.watchers, w)
	return w
}

func (s *Store) unwatch(w *Watcher) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.watchers = slices.DeleteFunc(s.watchers, func(x *Watcher) bool { return x == w })
}

// publish puts batches into the cache, and then tells everybody. The caller holds feed.
func (s *Store) publish(batches []Batch) {
	var changes []Changed
	rev := s.View().rev
	for i := range batches {
		changes = s.cache.apply(&batches[i], changes)
		rev = batches[i].Rev
	}
	s.mu.Lock() // the view and what watchers are told change together, see Watcher.Snapshot
	defer s.mu.Unlock()
	s.view.Store(s.cache.view(rev))
	s.waiters = slices.DeleteFunc(s.waiters, func(w waiter) bool {
		if w.rev > rev {
			return false
		}
		close(w.c)
		return true
	})
	if len(changes) == 0 {
		return
	}
	for _, w := range s.watchers {
		w.add(changes)
	}
}

// list brings the cache to the newest state without a stream. The caller holds feed, or nobody else knows the store.
func (s *Store) list(ctx context.Context) error {
	list, rev, err := s.backend.Load(ctx, s.scope)
	if err != nil {
		return fmt.Errorf("load the store: %w", err)
	}
	s.publish([]Batch{difference(s.View(), list, rev)})
	return nil
}

// attach begins to follow the backend after the revision of the view.
func (s *Store) attach(ctx context.Context) error {
	stream, err := s.backend.Watch(ctx, s.scope, s.View().rev+1)
	if err != nil {
		return fmt.Errorf("watch the store: %w", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stream = stream
	return nil
}

func (s *Store) detach() {
	s.mu.Lock()
	stream := s.stream
	s.stream = nil
	s.mu.Unlock()
	if stream != nil {
		stream.Close()
	}
}

// run follows the stream, and lists again when it breaks.
func (s *Store) run(ctx context.Context) {
	defer close(s.done)
	defer s.detach()
	for {
		err := s.follow(ctx)
		if ctx.Err() != nil {
			return
		}
		s.broken.Store(&err)
		s.log.Warn("the stream of changes broke; listing everything again", "error", err)
		s.detach()
		if !s.resume(ctx) {
			return
		}
	}
}

func (s *Store) follow(ctx context.Context) error {
	for {
		batches, err := s.stream.Next(ctx)
		if err != nil {
			return err
		}
		s.feed.Lock()
		s.publish(batches)
		s.feed.Unlock()
	}
}

// The pauses between attempts to list again.
const (
	firstPause = 10 * time.Millisecond
	lastPause  = 2 * time.Second
)

// resume lists and attaches until it works, false if it was told to stop. Watchers are told the difference.
func (s *Store) resume(ctx context.Context) bool {
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := s.restart(ctx)
		if err == nil {
			s.broken.Store(nil)
			return true
		}
		s.broken.Store(&err)
		s.log.Warn("cannot list the store", "error", err, "pause", pause)
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

func (s *Store) restart(ctx context.Context) error {
	s.feed.Lock()
	defer s.feed.Unlock()
	if err := s.list(ctx); err != nil {
		return err
	}
	return s.attach(ctx)
}

// Pump brings a synchronous store up to what its stream delivers now, and says whether that changed anything. A broken
// stream is replaced.
func (s *Store) Pump(ctx context.Context) (changed bool, err error) {
	s.feed.Lock()
	defer s.feed.Unlock()
	if s.stream == nil {
		return false, ErrClosed
	}
	before := s.View().rev
	batches, err := s.stream.(Poller).Poll()
	switch {
	case errors.Is(err, ErrClosed):
		return false, err
	case err != nil:
		s.detach()
		if err := s.list(ctx); err != nil {
			return false, err
		}
		if err := s.attach(ctx); err != nil {
			return false, err
		}
	case len(batches) > 0:
		s.publish(batches)
	}
	return s.View().rev != before, nil
}
