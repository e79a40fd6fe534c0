package mem

import (
	"context"
	"sync"

	"github.com/maitred/maitred/internal/store"
)

// term is a term of leadership.
type term struct {
	rev  int64
	lost chan struct{}
	once sync.Once
}

func (t *term) end() { t.once.Do(func() { close(t.lost) }) }

// Elect implements store.Backend.
func (b *Backend) Elect(ctx context.Context, name string) (*store.Leadership, error) {
	for {
		leadership, taken, err := b.TryElect(name)
		if err != nil || leadership != nil {
			return leadership, err
		}
		select {
		case <-taken:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.closed:
			return nil, store.ErrClosed
		}
	}
}

// TryElect leads if nobody else does; else the leadership is nil and taken is closed when the other term is over.
func (b *Backend) TryElect(name string) (l *store.Leadership, taken <-chan struct{}, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended() {
		return nil, nil, store.ErrClosed
	}
	if t := b.terms[name]; t != nil {
		return nil, t.lost, nil
	}
	b.rev++
	t := &term{rev: b.rev, lost: make(chan struct{})}
	b.terms[name] = t
	return &store.Leadership{
		Fence:  store.Fence{Name: name, Term: t.rev},
		Lost:   t.lost,
		Resign: func(context.Context) error { b.finish(name, t); return nil },
	}, nil, nil
}

// Depose ends the present term under a name, as when its lease runs out.
func (b *Backend) Depose(name string) {
	b.mu.Lock()
	t := b.terms[name]
	b.mu.Unlock()
	if t != nil {
		b.finish(name, t)
	}
}

func (b *Backend) finish(name string, t *term) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.terms[name] == t {
		delete(b.terms, name)
		b.rev++
	}
	t.end()
}
