package etcd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"google.golang.org/grpc/metadata"

	"github.com/maitred/maitred/internal/store"
)

// maxRanges is how many ranges a scope has at most.
const maxRanges = 9

// The pauses after which etcd is asked again how far it has come; it does not answer while a watch is catching up.
const (
	firstAsk = 5 * time.Millisecond
	lastAsk  = 100 * time.Millisecond
)

// stream implements store.Stream.
type stream struct {
	b      *Backend
	ctx    context.Context // of the watches
	cancel context.CancelFunc
	watch  [maxRanges]clientv3.WatchChan // nil beyond the ranges of the scope
	merger *merger
	shown  int64 // the revision of the last batch that was delivered
}

// Watch implements store.Backend.
func (b *Backend) Watch(ctx context.Context, scope store.Scope, from int64) (store.Stream, error) {
	if b.ctx.Err() != nil {
		return nil, store.ErrClosed
	}
	ranges := spans(scope)
	// Watches of one stream share a connection, apart from all others: to ask how far it has come concerns them alone.
	run := metadata.AppendToOutgoingContext(ctx, "maitred-stream", strconv.FormatInt(b.streams.Add(1), 10))
	if b.member == nil {
		run = clientv3.WithRequireLeader(run)
	}
	run, cancel := b.joined(run)
	s := &stream{b: b, ctx: run, cancel: cancel, merger: newMerger(len(ranges), from-1), shown: from - 1}
	for i, r := range ranges {
		s.watch[i] = b.client.Watch(run, r.from, clientv3.WithRange(r.to), clientv3.WithRev(from))
	}
	return s, nil
}

// Close implements store.Stream.
func (s *stream) Close() { s.cancel() }

// Nudge implements store.Stream.
func (s *stream) Nudge(ctx context.Context) error {
	// The request travels with the metadata of the stream, but does not wait longer than the caller.
	ask, cancel := context.WithCancel(s.ctx)
	defer cancel()
	defer context.AfterFunc(ctx, cancel)()
	return s.b.client.RequestProgress(ask)
}

// Next implements store.Stream.
func (s *stream) Next(ctx context.Context) ([]store.Batch, error) { //nolint:gocyclo // one case for each watch
	var again <-chan time.Time
	pause := firstAsk
	for {
		if batches := s.take(); len(batches) > 0 {
			return batches, nil
		}
		if s.merger.behind() && again == nil {
			again = time.After(0)
		}
		var err error
		select {
		case r, ok := <-s.watch[0]:
			err = s.receive(0, &r, ok)
		case r, ok := <-s.watch[1]:
			err = s.receive(1, &r, ok)
		case r, ok := <-s.watch[2]:
			err = s.receive(2, &r, ok)
		case r, ok := <-s.watch[3]:
			err = s.receive(3, &r, ok)
		case r, ok := <-s.watch[4]:
			err = s.receive(4, &r, ok)
		case r, ok := <-s.watch[5]:
			err = s.receive(5, &r, ok)
		case r, ok := <-s.watch[6]:
			err = s.receive(6, &r, ok)
		case r, ok := <-s.watch[7]:
			err = s.receive(7, &r, ok)
		case r, ok := <-s.watch[8]:
			err = s.receive(8, &r, ok)
		case <-again:
			again, pause = time.After(pause), min(2*pause, lastAsk)
			err = s.Nudge(ctx)
		case <-ctx.Done():
			err = ctx.Err()
		}
		if err != nil {
			return nil, s.b.translate(err)
		}
	}
}

// take gives what is complete: batches, or an empty one that shows progress.
func (s *stream) take() []store.Batch {
	batches := s.merger.take()
	if n := len(batches); n > 0 {
		s.shown = batches[n-1].Rev
	}
	if rev := s.merger.complete(); rev > s.shown {
		s.shown = rev
		batches = append(batches, store.Batch{Rev: rev})
	}
	return batches
}

var errEnded = errors.New("the watch ended")

// receive takes what one of the watches says.
func (s *stream) receive(i int, r *clientv3.WatchResponse, ok bool) error {
	if !ok {
		return errEnded
	}
	if err := r.Err(); err != nil {
		return err
	}
	if len(r.Events) == 0 {
		if r.IsProgressNotify() {
			s.merger.add(i, nil, r.Header.Revision)
		}
		return nil
	}
	batches, err := s.batches(r.Events)
	if err != nil {
		return err
	}
	s.merger.add(i, batches, r.Events[len(r.Events)-1].Kv.ModRevision)
	return nil
}

// batches sorts events by revision; etcd sends them in that order and never half of a revision.
func (s *stream) batches(events []*clientv3.Event) ([]store.Batch, error) {
	var list []store.Batch
	for _, e := range events {
		if n := len(list); n == 0 || list[n-1].Rev != e.Kv.ModRevision {
			list = append(list, store.Batch{Rev: e.Kv.ModRevision})
		}
		b := &list[len(list)-1]
		if e.Type == clientv3.EventTypeDelete {
			if k, ok := modelKey(e.Kv.Key); ok {
				b.Deletes = append(b.Deletes, k)
			}
			continue
		}
		v, ok, err := s.b.decode(e.Kv)
		if err != nil {
			return nil, fmt.Errorf("revision %d: %w", e.Kv.ModRevision, err)
		}
		if ok {
			b.Puts = append(b.Puts, v)
		}
	}
	return list, nil
}
