package mem

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// stream implements store.Poller. Its fields are under the backend's mutex.
type stream struct {
	b      *Backend
	scope  store.Scope
	queue  []store.Batch
	seen   int64 // the revision of the last batch that was delivered
	nudged bool  // deliver even while held, and even nothing
	lost   bool
	news   chan struct{}
}

// Watch implements store.Backend.
func (b *Backend) Watch(ctx context.Context, scope store.Scope, from int64) (store.Stream, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended() {
		return nil, store.ErrClosed
	}
	s := &stream{b: b, scope: scope, seen: from - 1, news: make(chan struct{}, 1)}
	if from < b.compacted {
		s.lose()
	} else {
		for _, batch := range b.log {
			if batch.Rev >= from {
				s.offer(batch)
			}
		}
	}
	b.streams.add(s)
	return s, nil
}

// offer queues what a batch has in the scope.
func (s *stream) offer(batch store.Batch) {
	if s.lost {
		return
	}
	if s.scope.Machine != "" {
		batch = within(s.scope, batch)
		if len(batch.Puts)+len(batch.Deletes) == 0 {
			return
		}
	}
	if len(s.queue) >= pending {
		s.lose()
		return
	}
	s.queue = append(s.queue, batch)
	s.wake()
}

func within(scope store.Scope, batch store.Batch) store.Batch {
	part := store.Batch{Rev: batch.Rev}
	for i := range batch.Puts {
		if scope.Contains(batch.Puts[i].Key) {
			part.Puts = append(part.Puts, batch.Puts[i])
		}
	}
	for _, k := range batch.Deletes {
		if scope.Contains(k) {
			part.Deletes = append(part.Deletes, k)
		}
	}
	return part
}

func (s *stream) lose() {
	s.lost, s.queue = true, nil
	s.wake()
}

func (s *stream) wake() {
	select {
	case s.news <- struct{}{}:
	default:
	}
}

// Poll implements store.Poller.
func (s *stream) Poll() ([]store.Batch, error) {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	switch {
	case s.b.ended():
		return nil, store.ErrClosed
	case s.b.held && !s.nudged:
		return nil, nil
	case s.lost:
		return nil, fmt.Errorf("%w: before revision %d", store.ErrCompacted, s.b.compacted)
	}
	batches := s.queue
	s.queue = nil
	if n := len(batches); n > 0 {
		s.seen = batches[n-1].Rev
	}
	if s.nudged && s.seen < s.b.rev {
		s.seen = s.b.rev
		batches = append(batches, store.Batch{Rev: s.seen})
	}
	s.nudged = false
	return batches, nil
}

// Next implements store.Stream.
func (s *stream) Next(ctx context.Context) ([]store.Batch, error) {
	for {
		batches, err := s.Poll()
		if err != nil || len(batches) > 0 {
			return batches, err
		}
		select {
		case <-s.news:
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-s.b.closed:
		}
	}
}

// Nudge implements store.Stream.
func (s *stream) Nudge(context.Context) error {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.nudged = true
	s.wake()
	return nil
}

// Close implements store.Stream.
func (s *stream) Close() {
	s.b.mu.Lock()
	defer s.b.mu.Unlock()
	s.b.streams.remove(s)
}

// subscribers are the open streams. Those of one machine are found by its id: with a thousand agents, a batch costs no
// more than with one.
type subscribers struct {
	whole  []*stream
	scoped []*stream
	of     map[string][]*stream // the scoped ones by machine
}

func (u *subscribers) add(s *stream) {
	if s.scope.Machine == "" {
		u.whole = append(u.whole, s)
		return
	}
	u.scoped = append(u.scoped, s)
	u.of[s.scope.Machine] = append(u.of[s.scope.Machine], s)
}

func (u *subscribers) remove(s *stream) {
	is := func(x *stream) bool { return x == s }
	u.whole = slices.DeleteFunc(u.whole, is)
	u.scoped = slices.DeleteFunc(u.scoped, is)
	if m := s.scope.Machine; m != "" {
		u.of[m] = slices.DeleteFunc(u.of[m], is)
	}
}

// each visits all streams.
func (u *subscribers) each(visit func(*stream)) {
	for _, s := range u.whole {
		visit(s)
	}
	for _, s := range u.scoped {
		visit(s)
	}
}

// offer hands a batch to the streams that it concerns.
func (u *subscribers) offer(batch store.Batch) {
	for _, s := range u.whole {
		s.offer(batch)
	}
	if len(u.scoped) == 0 {
		return
	}
	machines, everybody := concerned(batch)
	if everybody {
		for _, s := range u.scoped {
			s.offer(batch)
		}
		return
	}
	for _, m := range machines {
		for _, s := range u.of[m] {
			s.offer(batch)
		}
	}
}

// concerned lists the machines in whose scope a batch has something, or says that it is in everybody's.
func concerned(batch store.Batch) (machines []string, everybody bool) {
	for i := range batch.Puts {
		machines, everybody = concern(machines, everybody, batch.Puts[i].Key)
	}
	for _, k := range batch.Deletes {
		machines, everybody = concern(machines, everybody, k)
	}
	return machines, everybody
}

func concern(machines []string, everybody bool, k model.Key) ([]string, bool) {
	switch k.Kind {
	case model.KindTaskDefinition, model.KindVPC, model.KindSubnet, model.KindSecurityGroup, model.KindSecret,
		model.KindLogGroup:
		return machines, true
	case model.KindMachine, model.KindTask, model.KindObserved:
		m, _, _ := strings.Cut(k.Path, "/")
		if !slices.Contains(machines, m) {
			machines = append(machines, m)
		}
	}
	return machines, everybody
}
