package etcd

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/maitred/maitred/internal/store"
)

// page is how many pairs are asked for at once, so that no answer is huge.
const page = 5000

// Load implements store.Backend.
func (b *Backend) Load(ctx context.Context, scope store.Scope) ([]store.Versioned, int64, error) {
	ctx, cancel := b.joined(ctx)
	defer cancel()
	for {
		list, rev, err := b.load(ctx, scope)
		if errors.Is(err, store.ErrCompacted) && ctx.Err() == nil {
			continue // between two pages; the next attempt begins at a newer revision
		}
		return list, rev, err
	}
}

func (b *Backend) load(ctx context.Context, scope store.Scope) ([]store.Versioned, int64, error) {
	var (
		list []store.Versioned
		rev  int64 // of the first answer; the others are of the same
	)
	for _, s := range spans(scope) {
		for from := s.from; from != ""; {
			answer, err := b.client.Get(ctx, from, clientv3.WithRange(s.to), clientv3.WithLimit(page), clientv3.WithRev(rev))
			if err != nil {
				return nil, 0, fmt.Errorf("list %s: %w", from, b.translate(err))
			}
			if rev == 0 {
				rev = answer.Header.Revision
			}
			part, err := b.decodeAll(answer.Kvs)
			if err != nil {
				return nil, 0, err
			}
			list = append(list, part...)
			from = ""
			if answer.More {
				from = string(answer.Kvs[len(answer.Kvs)-1].Key) + "\x00"
			}
		}
	}
	return list, rev, nil
}

// decodeAll decodes pairs on all processors: it is what takes the time when a large store is opened.
func (b *Backend) decodeAll(kvs []*mvccpb.KeyValue) ([]store.Versioned, error) {
	const least = 256
	share := max(least, (len(kvs)+runtime.GOMAXPROCS(0)-1)/runtime.GOMAXPROCS(0))
	parts := slices.Collect(slices.Chunk(kvs, share))
	lists := make([][]store.Versioned, len(parts))
	errs := make([]error, len(parts))
	var group sync.WaitGroup
	for i, part := range parts {
		group.Go(func() { lists[i], errs[i] = b.decodeSome(part) })
	}
	group.Wait()
	return slices.Concat(lists...), errors.Join(errs...)
}

func (b *Backend) decodeSome(kvs []*mvccpb.KeyValue) ([]store.Versioned, error) {
	list := make([]store.Versioned, 0, len(kvs))
	for _, kv := range kvs {
		v, ok, err := b.decode(kv)
		if err != nil {
			return nil, err
		}
		if ok {
			list = append(list, v)
		}
	}
	return list, nil
}
