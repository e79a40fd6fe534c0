package etcd

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// faulty loses answers: the hook stands in for the commit of each transaction, which it may call or not.
type faulty struct {
	clientv3.KV
	hook func(commit func() (*clientv3.TxnResponse, error)) (*clientv3.TxnResponse, error)
}

func (f *faulty) Txn(ctx context.Context) clientv3.Txn {
	return &faultyTxn{f.KV.Txn(context.WithoutCancel(ctx)), f} // a request that is under way stays so
}

type faultyTxn struct {
	clientv3.Txn
	f *faulty
}

func (t *faultyTxn) If(c ...clientv3.Cmp) clientv3.Txn  { t.Txn = t.Txn.If(c...); return t }
func (t *faultyTxn) Then(o ...clientv3.Op) clientv3.Txn { t.Txn = t.Txn.Then(o...); return t }
func (t *faultyTxn) Else(o ...clientv3.Op) clientv3.Txn { t.Txn = t.Txn.Else(o...); return t }
func (t *faultyTxn) Commit() (*clientv3.TxnResponse, error) {
	return t.f.hook(t.Txn.Commit)
}

type commit = func() (*clientv3.TxnResponse, error)

// times carries out a fault the first n times.
func times(n int, fault func(commit) (*clientv3.TxnResponse, error)) func(commit) (*clientv3.TxnResponse, error) {
	var seen atomic.Int64
	return func(c commit) (*clientv3.TxnResponse, error) {
		if seen.Add(1) > int64(n) {
			return c()
		}
		return fault(c)
	}
}

func lost(commit) (*clientv3.TxnResponse, error) { return nil, rpctypes.ErrTimeout }

func answerLost(c commit) (*clientv3.TxnResponse, error) {
	if _, err := c(); err != nil {
		return nil, err
	}
	return nil, rpctypes.ErrTimeoutDueToConnectionLost
}

func host(t *testing.T, b *Backend, id string) (string, int64) {
	t.Helper()
	list, _, err := b.Load(within(t), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range list {
		if m, ok := v.Record.(*model.Machine); ok && m.ID == id {
			return m.Host, v.Version
		}
	}
	return "", 0
}

func machineTxn(id, host string, version int64) *store.Txn {
	m := &model.Machine{ID: id, Host: host}
	return &store.Txn{
		Guards: []store.Guard{{Key: m.Key(), Version: version}}, Puts: []store.Put{{Key: m.Key(), Record: m}},
	}
}

// injected is a member whose client loses answers on demand.
func injected(t *testing.T) (b *Backend, real clientv3.KV, inject func(func(commit) (*clientv3.TxnResponse, error))) {
	b = start(t, t.TempDir())
	real = b.client.KV
	return b, real, func(hook func(commit) (*clientv3.TxnResponse, error)) { b.client.KV = &faulty{real, hook} }
}

func TestUnknownOutcome(t *testing.T) {
	t.Parallel()
	b, real, inject := injected(t)

	t.Run("committed", func(t *testing.T) {
		inject(times(1, answerLost))
		rev, err := b.Commit(within(t), machineTxn("a", "1", 0))
		if got, version := host(t, b, "a"); err != nil || got != "1" || version != rev {
			t.Errorf("Commit = %d, %v; there is %q of version %d; want 1 of that version", rev, err, got, version)
		}
	})
	t.Run("committed, and overwritten before we look", func(t *testing.T) {
		var first int64
		inject(times(1, func(c commit) (*clientv3.TxnResponse, error) {
			answer, err := c()
			if err != nil {
				return nil, err
			}
			first = answer.Header.Revision
			b.client.KV = real
			if _, err := b.Commit(within(t), machineTxn("b", "theirs", first)); err != nil {
				t.Errorf("the other's commit: %v", err)
			}
			return nil, rpctypes.ErrTimeout
		}))
		rev, err := b.Commit(within(t), machineTxn("b", "ours", 0))
		if got, _ := host(t, b, "b"); err != nil || rev != first || got != "theirs" {
			t.Errorf("Commit = %d, %v; there is %q; want %d, and theirs", rev, err, got, first)
		}
	})
	t.Run("never sent", func(t *testing.T) {
		inject(times(1, lost))
		rev, err := b.Commit(within(t), machineTxn("c", "1", 0))
		if got, _ := host(t, b, "c"); !errors.Is(err, errNotCommitted) || errors.Is(err, store.ErrUnknownOutcome) || got != "" {
			t.Errorf("Commit = %d, %v; there is %q; want %v, and nothing", rev, err, got, errNotCommitted)
		}
		if _, err := b.Commit(within(t), machineTxn("c", "2", 0)); err != nil {
			t.Errorf("the next Commit: %v", err)
		}
	})
}

func TestUnknownOutcomeOfInquiry(t *testing.T) {
	t.Parallel()
	b, real, inject := injected(t)
	t.Run("late", func(t *testing.T) {
		var late commit
		inject(times(1, func(c commit) (*clientv3.TxnResponse, error) { late = c; return lost(c) }))
		if _, err := b.Commit(within(t), machineTxn("d", "1", 0)); !errors.Is(err, errNotCommitted) {
			t.Errorf("Commit: %v, want %v", err, errNotCommitted)
		}
		if answer, err := late(); err != nil || answer.Succeeded {
			t.Errorf("a commit that was given up happened later (%v)", err)
		}
		if got, _ := host(t, b, "d"); got != "" {
			t.Errorf("there is %q, want nothing", got)
		}
	})
	t.Run("the inquiry's answers are lost too", func(t *testing.T) {
		inject(times(3, answerLost))
		if _, err := b.Commit(within(t), machineTxn("e", "1", 0)); err != nil {
			t.Errorf("Commit: %v", err)
		}
		inject(times(1, lost))
		first := b.client.KV.(*faulty).hook
		inject(times(1, func(c commit) (*clientv3.TxnResponse, error) {
			inject(times(2, answerLost))
			return first(c)
		}))
		if _, err := b.Commit(within(t), machineTxn("f", "1", 0)); !errors.Is(err, errNotCommitted) {
			t.Errorf("Commit: %v, want %v", err, errNotCommitted)
		}
	})
	t.Run("nobody answers", func(t *testing.T) {
		ctx, cancel := context.WithCancel(within(t))
		defer cancel()
		inject(func(c commit) (*clientv3.TxnResponse, error) { // the caller gives up once it is sent
			cancel()
			return lost(c)
		})
		if _, err := b.Commit(ctx, machineTxn("g", "1", 0)); !errors.Is(err, store.ErrUnknownOutcome) {
			t.Errorf("Commit: %v, want %v", err, store.ErrUnknownOutcome)
		}
		b.client.KV = real
		if _, err := b.Commit(within(t), machineTxn("g", "2", 0)); err != nil {
			t.Errorf("the next Commit: %v", err)
		}
	})
}
