// Package etcd is the store's backend on etcd: an embedded member in this process (Embed), or a client of one
// elsewhere (Dial): another process on this machine by its unix socket, or an external cluster by TLS.
//
// A record is the JSON of package store under /maitred/v1/<kind>/<path>. A commit is one etcd transaction: its guards
// are comparisons of modification revisions, its fence one of the creation revision of the leader's key, and one more
// operation writes a marker by which an unknown outcome is settled (see slots.go).
package etcd

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.etcd.io/etcd/api/v3/mvccpb"
	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Where things are kept. What is not a record is outside of the prefix that streams follow.
const (
	recordPrefix = "/maitred/v1/"
	leaderPrefix = "/maitred/leader/"
	slotPrefix   = "/maitred/commit/"
)

// farewell is how long a client that closes tries to tidy up.
const farewell = 500 * time.Millisecond

// Backend implements store.Backend.
type Backend struct {
	client *clientv3.Client
	member *member // nil for a client of another process
	log    *slog.Logger
	self   self
	slots  slots

	// ctx ends when the backend closes; owned are the goroutines that then end.
	ctx     context.Context
	cancel  context.CancelFunc
	owned   sync.WaitGroup
	streams atomic.Int64 // numbers them
}

// self is who leads, and whose markers these are.
type self struct {
	identity    string // the same after a restart
	incarnation string // another one after a restart
}

func newBackend(client *clientv3.Client, who self, log *slog.Logger) *Backend {
	ctx, cancel := context.WithCancel(context.Background())
	return &Backend{
		client: client, log: log, self: who, ctx: ctx, cancel: cancel,
		slots: slots{prefix: slotPrefix + who.identity + "/"},
	}
}

// Close implements store.Backend: it ends terms of leadership, connections and the embedded member, in this order.
func (b *Backend) Close() error {
	select {
	case <-b.ctx.Done():
		return nil
	default:
	}
	b.forget()
	b.cancel()
	b.owned.Wait()
	err := b.client.Close()
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	if b.member != nil {
		err = errors.Join(err, b.member.close())
	}
	return err
}

// forget deletes the slots of a client that nobody will look for under this identity again.
func (b *Backend) forget() {
	if b.self.identity != b.self.incarnation {
		return
	}
	ctx, cancel := context.WithTimeout(b.ctx, farewell)
	defer cancel()
	if _, err := b.client.Delete(ctx, b.slots.prefix, clientv3.WithPrefix()); err != nil {
		b.log.Debug("the markers of this client stay behind", "error", err)
	}
}

// joined gives a context that also ends when the backend closes.
func (b *Backend) joined(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	stop := context.AfterFunc(b.ctx, func() { cancel(store.ErrClosed) })
	return ctx, func() { stop(); cancel(nil) }
}

func etcdKey(k model.Key) string { return recordPrefix + string(k.Kind) + "/" + k.Path }

// modelKey is the inverse of etcdKey.
func modelKey(key []byte) (model.Key, bool) {
	rest, ok := strings.CutPrefix(string(key), recordPrefix)
	if !ok {
		return model.Key{}, false
	}
	kind, path, ok := strings.Cut(rest, "/")
	return model.Key{Kind: model.Kind(kind), Path: path}, ok
}

// span is a range of etcd's keys.
type span struct{ from, to string }

// spans gives the ranges of keys of a scope.
func spans(scope store.Scope) []span {
	ranges := scope.Ranges()
	if ranges == nil {
		return []span{{recordPrefix, clientv3.GetPrefixRangeEnd(recordPrefix)}}
	}
	list := make([]span, 0, len(ranges))
	for _, r := range ranges {
		from := etcdKey(model.Key{Kind: r.Kind, Path: r.Prefix})
		to := clientv3.GetPrefixRangeEnd(from)
		if r.Exact {
			to = from + "\x00"
		}
		list = append(list, span{from, to})
	}
	return list
}

// decode reads a pair of etcd as a record; ok is false for what a newer version keeps in a table unknown to this one.
func (b *Backend) decode(kv *mvccpb.KeyValue) (v store.Versioned, ok bool, err error) {
	k, ok := modelKey(kv.Key)
	if !ok || model.New(k.Kind) == nil {
		b.log.Warn("a record of an unknown table is ignored", "key", string(kv.Key))
		return store.Versioned{}, false, nil
	}
	r, err := store.Decode(k, kv.Value)
	if err != nil {
		return store.Versioned{}, false, err
	}
	return store.Versioned{Key: k, Record: r, Version: kv.ModRevision}, true, nil
}

// translate gives etcd's errors the names of package store.
func (b *Backend) translate(err error) error {
	switch {
	case err == nil:
		return nil
	case b.ctx.Err() != nil:
		return fmt.Errorf("%w: %w", store.ErrClosed, err)
	case errors.Is(err, rpctypes.ErrCompacted):
		return fmt.Errorf("%w: %w", store.ErrCompacted, err)
	case errors.Is(err, rpctypes.ErrNoSpace):
		return fmt.Errorf("%w: %w", store.ErrNoSpace, err)
	case errors.Is(err, rpctypes.ErrRequestTooLarge), errors.Is(err, rpctypes.ErrTooManyOps):
		return fmt.Errorf("%w: %w", store.ErrTooLarge, err)
	}
	return err
}
