package etcd

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/maitred/maitred/internal/store"
)

// settleTime is how long the outcome of a commit is inquired into after the caller's context has ended.
const settleTime = 2 * time.Second

// Commit implements store.Backend.
func (b *Backend) Commit(ctx context.Context, txn *store.Txn) (int64, error) {
	if err := txn.Check(); err != nil {
		return 0, err
	}
	if b.ctx.Err() != nil {
		return 0, store.ErrClosed
	}
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	ops, err := operations(txn)
	if err != nil {
		return 0, err
	}
	ctx, cancel := b.joined(ctx)
	defer cancel()
	rev, err := b.marked(ctx, txn, ops)
	if errors.Is(err, store.ErrNoSpace) && len(txn.Puts) == 0 {
		// A full database takes deletions only, so no marker either.
		return b.unmarked(ctx, txn, ops)
	}
	return rev, err
}

// operations encodes what a transaction writes.
func operations(txn *store.Txn) ([]clientv3.Op, error) {
	ops := make([]clientv3.Op, 0, len(txn.Puts)+len(txn.Deletes)+1)
	size := 0
	for _, p := range txn.Puts {
		data, err := store.Encode(p.Record)
		if err != nil {
			return nil, err
		}
		size += len(p.Key.Path) + len(data)
		ops = append(ops, clientv3.OpPut(etcdKey(p.Key), string(data)))
	}
	if size > store.MaxBytes {
		return nil, fmt.Errorf("%w: its records take %d bytes", store.ErrTooLarge, size)
	}
	for _, k := range txn.Deletes {
		ops = append(ops, clientv3.OpDelete(etcdKey(k)))
	}
	return ops, nil
}

// comparisons are the guards and the fence of a transaction.
func comparisons(txn *store.Txn) []clientv3.Cmp {
	list := make([]clientv3.Cmp, 0, len(txn.Guards)+len(txn.Prefixes)+2)
	for _, g := range txn.Guards {
		list = append(list, clientv3.Compare(clientv3.ModRevision(etcdKey(g.Key)), "=", g.Version))
	}
	for _, p := range txn.Prefixes {
		prefix := recordPrefix + string(p.Kind) + "/" + p.Prefix
		list = append(list, clientv3.Compare(clientv3.ModRevision(prefix).WithPrefix(), "<", p.Since+1))
	}
	if f := txn.Fence; f != nil {
		list = append(list, clientv3.Compare(clientv3.CreateRevision(leaderPrefix+f.Name), "=", f.Term))
	}
	return list
}

// whyNot are the operations that tell why comparisons failed.
func whyNot(txn *store.Txn) []clientv3.Op {
	if txn.Fence == nil {
		return nil
	}
	return []clientv3.Op{clientv3.OpGet(leaderPrefix+txn.Fence.Name, clientv3.WithKeysOnly())}
}

// refused reads the answer of whyNot.
func refused(txn *store.Txn, answer *clientv3.TxnResponse) error {
	if f := txn.Fence; f != nil {
		leader := answer.Responses[0].GetResponseRange().Kvs
		if len(leader) == 0 || leader[0].CreateRevision != f.Term {
			return store.ErrFenced
		}
	}
	return &store.ConflictError{Rev: answer.Header.Revision}
}

// unmarked commits without a marker: an unknown outcome stays unknown.
func (b *Backend) unmarked(ctx context.Context, txn *store.Txn, ops []clientv3.Op) (int64, error) {
	answer, err := b.client.Txn(ctx).If(comparisons(txn)...).Then(ops...).Else(whyNot(txn)...).Commit()
	switch {
	case definite(err):
		return 0, b.translate(err)
	case err != nil:
		return 0, fmt.Errorf("%w: %w", store.ErrUnknownOutcome, err)
	case !answer.Succeeded:
		return 0, refused(txn, answer)
	}
	return answer.Header.Revision, nil
}

// marked commits with a marker, and if the outcome is unknown, finds it out by the marker.
func (b *Backend) marked(ctx context.Context, txn *store.Txn, ops []clientv3.Op) (int64, error) {
	slot := b.slots.take()
	mark := b.mark()
	for {
		answer, err := b.client.Txn(ctx).
			If(append(comparisons(txn), slot.free())...).
			Then(append(ops, clientv3.OpPut(slot.key, mark))...).
			Else(append(whyNot(txn), clientv3.OpGet(slot.key))...).
			Commit()
		switch {
		case definite(err):
			b.slots.put(slot)
			return 0, b.translate(err)
		case err != nil:
			return b.settle(ctx, slot, mark, err)
		case answer.Succeeded:
			slot.rev = answer.Header.Revision
			b.slots.put(slot)
			return slot.rev, nil
		}
		if slot.refresh(answer.Responses[len(answer.Responses)-1].GetResponseRange()) {
			continue // the slot was not as remembered, which says nothing of the guards
		}
		b.slots.put(slot)
		return 0, refused(txn, answer)
	}
}

// definite says of an error that nothing was, or will be, committed.
func definite(err error) bool {
	for _, known := range []error{
		rpctypes.ErrNoSpace, rpctypes.ErrRequestTooLarge, rpctypes.ErrTooManyOps, rpctypes.ErrDuplicateKey,
		rpctypes.ErrTooManyRequests, rpctypes.ErrPermissionDenied, rpctypes.ErrInvalidAuthToken, rpctypes.ErrUserEmpty,
		rpctypes.ErrNotCapable, rpctypes.ErrEmptyKey,
	} {
		if errors.Is(err, known) {
			return true
		}
	}
	return false
}
