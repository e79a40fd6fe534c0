package etcd

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/maitred/maitred/internal/store"
)

// A commit may end with an error that does not say whether it happened: the time was up, the connection was lost, the
// leader changed. To look at the records is not enough then: somebody may have overwritten them already, and the
// request may still be under way. So every commit goes through a slot, a key of this client that it reads and writes:
//
//	if   guards… and slot unchanged since its last use
//	then puts…   and slot = mark of this commit
//
// To settle an unknown outcome, the slot is written by a second transaction under the same condition. If that one
// succeeds, the commit has not happened and can never happen any more. If not, the slot holds the mark, and its
// revision is that of the commit. There are as many slots as there were ever commits at once; each costs one key, and
// a commit pays a comparison and some 100 bytes more.

// slot is the right to have one commit under way.
type slot struct {
	key string
	rev int64 // that last wrote it, 0 for never
}

func (s *slot) free() clientv3.Cmp { return clientv3.Compare(clientv3.ModRevision(s.key), "=", s.rev) }

// refresh corrects what is remembered of a slot by an answer from etcd, and says whether it was wrong.
func (s *slot) refresh(answer *pb.RangeResponse) bool {
	var rev int64
	if len(answer.Kvs) > 0 {
		rev = answer.Kvs[0].ModRevision
	}
	wrong := rev != s.rev
	s.rev = rev
	return wrong
}

// slots are those that no commit uses.
type slots struct {
	prefix string

	mu     sync.Mutex
	unused []*slot
	made   int
	marks  int64
}

func (s *slots) take() *slot {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.unused); n > 0 {
		x := s.unused[n-1]
		s.unused = s.unused[:n-1]
		return x
	}
	s.made++
	return &slot{key: s.prefix + strconv.Itoa(s.made)}
}

func (s *slots) put(x *slot) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unused = append(s.unused, x)
}

// mark is unique to a commit.
func (b *Backend) mark() string {
	b.slots.mu.Lock()
	defer b.slots.mu.Unlock()
	b.slots.marks++
	return b.self.incarnation + "/" + strconv.FormatInt(b.slots.marks, 10)
}

// dropped is what settle writes into a slot whose commit has not happened.
const dropped = "dropped"

// settle finds out whether a commit happened that ended with cause. It goes on for a while after ctx has ended. The
// slot is not used again if nothing could be found out.
func (b *Backend) settle(ctx context.Context, s *slot, mark string, cause error) (int64, error) {
	late, cancel := context.WithTimeout(context.WithoutCancel(ctx), settleTime)
	defer cancel()
	if ctx.Err() == nil {
		// The caller still waits: as long as it does.
		late = ctx
	}
	for pause := time.Millisecond; ; pause = min(2*pause, 100*time.Millisecond) {
		rev, ok, err := b.inquire(late, s, mark, cause)
		if ok {
			b.slots.put(s)
			return rev, err
		}
		select {
		case <-late.Done():
			return 0, fmt.Errorf("%w: %w", store.ErrUnknownOutcome, cause)
		case <-b.ctx.Done():
			return 0, fmt.Errorf("%w: %w: %w", store.ErrUnknownOutcome, store.ErrClosed, cause)
		case <-time.After(pause):
		}
	}
}

// errNotCommitted is an error of a commit that has certainly not happened.
var errNotCommitted = errors.New("store: not committed")

// inquire makes one attempt to settle; ok says that rev and err are the outcome of the commit.
func (b *Backend) inquire(ctx context.Context, s *slot, mark string, cause error) (rev int64, ok bool, err error) {
	answer, err := b.client.Txn(ctx).If(s.free()).
		Then(clientv3.OpPut(s.key, dropped+"/"+mark)).Else(clientv3.OpGet(s.key)).Commit()
	if err != nil {
		return 0, false, nil //nolint:nilerr // the attempt is repeated
	}
	if answer.Succeeded {
		s.rev = answer.Header.Revision
		return 0, true, fmt.Errorf("%w: %w", errNotCommitted, b.translate(cause))
	}
	found := answer.Responses[0].GetResponseRange()
	s.refresh(found)
	value := ""
	if len(found.Kvs) > 0 {
		value = string(found.Kvs[0].Value)
	}
	switch value {
	case mark:
		return s.rev, true, nil
	case dropped + "/" + mark: // by an attempt before this one, whose answer was lost
		return 0, true, fmt.Errorf("%w: %w", errNotCommitted, b.translate(cause))
	}
	// Somebody else uses our slots: a second process under the same identity.
	return 0, true, fmt.Errorf("%w: slot %s is used by another process: %w", store.ErrUnknownOutcome, s.key, cause)
}
