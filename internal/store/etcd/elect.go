package etcd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"go.etcd.io/etcd/api/v3/mvccpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/maitred/maitred/internal/store"
)

// termTTL is how long, in seconds, a leader that is not heard of stays the leader.
const termTTL = 5

// Elect implements store.Backend. The leader holds a key under a lease; the fence is the revision that created the key.
//
// A key left behind by an earlier run of this same member is taken over at once: the lock on the data directory says
// that it cannot run any more. So a restart after a crash need not wait for the lease.
func (b *Backend) Elect(ctx context.Context, name string) (*store.Leadership, error) {
	ctx, cancel := b.joined(ctx)
	defer cancel()
	lease, err := b.client.Grant(ctx, termTTL)
	if err != nil {
		return nil, fmt.Errorf("elect %s: %w", name, b.translate(err))
	}
	term, err := b.campaign(ctx, leaderPrefix+name, lease.ID)
	if err == nil {
		var l *store.Leadership
		if l, err = b.lead(store.Fence{Name: name, Term: term}, lease.ID); err == nil {
			return l, nil
		}
	}
	err = b.translate(err)
	if failure := b.revoke(context.WithoutCancel(ctx), lease.ID); failure != nil {
		b.log.Debug("the lease will run out", "error", failure)
	}
	return nil, fmt.Errorf("elect %s: %w", name, err)
}

// campaign waits until the leader's key is free and creates it; it gives the revision of that. The lease is kept alive
// meanwhile.
func (b *Backend) campaign(ctx context.Context, key string, lease clientv3.LeaseID) (int64, error) {
	alive, cancel := context.WithCancel(ctx)
	defer cancel()
	beats, err := b.client.KeepAlive(alive, lease)
	if err != nil {
		return 0, err
	}
	me := b.self.identity + "/" + b.self.incarnation
	for {
		answer, err := b.client.Txn(ctx).If(clientv3.Compare(clientv3.CreateRevision(key), "=", 0)).
			Then(clientv3.OpPut(key, me, clientv3.WithLease(lease))).Else(clientv3.OpGet(key)).Commit()
		if err != nil {
			return 0, err
		}
		if answer.Succeeded {
			return answer.Header.Revision, nil
		}
		holder := answer.Responses[0].GetResponseRange().Kvs[0]
		if b.formerSelf(holder) {
			err = b.evict(ctx, holder)
		} else {
			err = b.vacancy(ctx, key, answer.Header.Revision+1, beats)
		}
		if err != nil {
			return 0, err
		}
	}
}

func (b *Backend) formerSelf(holder *mvccpb.KeyValue) bool {
	identity, incarnation, _ := strings.Cut(string(holder.Value), "/")
	return b.member != nil && identity == b.self.identity && incarnation != b.self.incarnation
}

func (b *Backend) evict(ctx context.Context, holder *mvccpb.KeyValue) error {
	key := string(holder.Key)
	_, err := b.client.Txn(ctx).If(clientv3.Compare(clientv3.ModRevision(key), "=", holder.ModRevision)).
		Then(clientv3.OpDelete(key)).Commit()
	return err
}

var errLeaseLost = errors.New("the lease was lost")

// vacancy waits until the key is deleted. The beats end with the lease, or with ctx, which tells which: a context made
// from it may learn of its end after they do.
func (b *Backend) vacancy(ctx context.Context, key string, from int64, beats <-chan *clientv3.LeaseKeepAliveResponse) error {
	watching, cancel := context.WithCancel(ctx)
	defer cancel()
	watch := b.client.Watch(watching, key, clientv3.WithRev(from), clientv3.WithFilterPut())
	for {
		select {
		case r, ok := <-watch:
			switch {
			case !ok:
				return errors.Join(errEnded, ctx.Err())
			case r.CompactRevision != 0:
				return nil // look again
			case r.Err() != nil:
				return r.Err()
			case len(r.Events) > 0:
				return nil
			}
		case _, ok := <-beats:
			if !ok {
				return errors.Join(errLeaseLost, ctx.Err())
			}
		}
	}
}

// lead keeps the lease of a term alive until it is lost, resigned, or the backend closes.
func (b *Backend) lead(f store.Fence, lease clientv3.LeaseID) (*store.Leadership, error) {
	ctx, cancel := context.WithCancel(b.ctx)
	beats, err := b.client.KeepAlive(ctx, lease)
	if err != nil {
		cancel()
		return nil, err
	}
	lost := make(chan struct{})
	b.owned.Go(func() {
		defer close(lost)
		defer cancel()
		for range beats {
			continue // each says that the lease goes on
		}
	})
	var once sync.Once
	resign := func(ctx context.Context) (err error) {
		once.Do(func() {
			cancel()
			<-lost
			err = b.revoke(ctx, lease)
		})
		return err
	}
	return &store.Leadership{Fence: f, Lost: lost, Resign: resign}, nil
}

// revoke ends a lease, and with it the leader's key.
func (b *Backend) revoke(ctx context.Context, lease clientv3.LeaseID) error {
	if b.ctx.Err() != nil {
		return store.ErrClosed
	}
	ctx, cancel := context.WithTimeout(ctx, settleTime)
	defer cancel()
	if _, err := b.client.Revoke(ctx, lease); err != nil {
		return fmt.Errorf("revoke the lease: %w", b.translate(err))
	}
	return nil
}
