package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/maitred/maitred/internal/model"
)

// What one transaction may hold. An etcd transaction takes 128 comparisons and 128 operations; one of each is kept for
// the marker that settles unknown outcomes, and one comparison for the fence.
const (
	// MaxOps limits the puts and deletes of a transaction, and likewise its guards of all sorts.
	MaxOps = 126
	// MaxBytes limits the keys and encoded values of a transaction, in bytes.
	MaxBytes = 1536*1024 - 64*1024
)

// The errors of a store. After ErrUnknownOutcome a commit may have happened or not, and nobody could find out; after any
// other error of a commit it has not happened and never will.
var (
	ErrConflict       = errors.New("store: a guarded record has changed")
	ErrFenced         = errors.New("store: no longer the leader")
	ErrUnknownOutcome = errors.New("store: it is unknown whether the transaction was committed")
	ErrTooLarge       = fmt.Errorf("store: transaction too large (limits: %d operations, %d bytes)", MaxOps, MaxBytes)
	ErrNoSpace        = errors.New("store: the database is full and takes deletions only")
	ErrContended      = errors.New("store: given up after too many conflicts")
	ErrNotSeen        = errors.New("store: the revision has not been seen yet")
	ErrCompacted      = errors.New("store: the changes asked for are no longer kept")
	ErrOutOfScope     = errors.New("store: the key is outside of this store's scope")
	ErrInvalid        = errors.New("store: invalid transaction")
	ErrClosed         = errors.New("store: closed")
)

// ConflictError is an ErrConflict with the revision at which the guards were compared: a view of that revision shows
// what was in the way.
type ConflictError struct{ Rev int64 }

// Error implements error.
func (e *ConflictError) Error() string {
	return fmt.Sprintf("%v (compared at revision %d)", ErrConflict, e.Rev)
}

// Is makes it an ErrConflict.
func (e *ConflictError) Is(target error) bool { return target == ErrConflict }

// Backend keeps records durably. It is the only thing that differs between the memory of a test and etcd; package
// storetest says what it must do.
//
// Revisions count the commits of the whole backend, upwards and possibly with gaps. The version of a record is the
// revision that last wrote it.
type Backend interface {
	// Load lists the records of a scope as they are at one revision, ordered by kind and path.
	Load(ctx context.Context, scope Scope) ([]Versioned, int64, error)
	// Watch follows the changes of a scope from revision from on, that one included.
	Watch(ctx context.Context, scope Scope, from int64) (Stream, error)
	// Commit carries out a transaction wholly or not at all, and gives its revision.
	Commit(ctx context.Context, txn *Txn) (int64, error)
	// Elect waits until nobody else leads, and then leads.
	Elect(ctx context.Context, name string) (*Leadership, error)
	// Close lets go of everything. It waits for all goroutines of the backend. Stores come first.
	Close() error
}

// Stream is a gap-free, ordered run of changes. Next and Close belong to one goroutine; Nudge may be called by any.
type Stream interface {
	// Next waits for the next batches. ErrCompacted, or any other error, ends the stream: one has to list again.
	Next(ctx context.Context) ([]Batch, error)
	// Nudge asks for a batch, possibly an empty one, that shows how far the backend has come.
	Nudge(ctx context.Context) error
	// Close ends the stream.
	Close()
}

// Poller is a Stream that can be asked without waiting, as OpenSync needs it.
type Poller interface {
	Stream
	// Poll gives the batches that are there already, none if there are none.
	Poll() ([]Batch, error)
}

// Batch is what happened up to a revision since the batch before. A key appears in it once.
type Batch struct {
	Rev     int64
	Puts    []Versioned
	Deletes []model.Key
}

// Versioned is a record with the revision that last wrote it.
type Versioned struct {
	Key     model.Key
	Record  model.Record
	Version int64
}

// Put is a record to write under its key.
type Put struct {
	Key    model.Key
	Record model.Record
}

// Txn is a guarded transaction: all of it happens if all guards hold, else nothing. A delete of what does not exist
// changes nothing; the revision of a transaction that changes nothing is one at which its guards held. No key may be both put and deleted, or either twice.
type Txn struct {
	Guards   []Guard
	Prefixes []PrefixGuard
	Puts     []Put
	Deletes  []model.Key
	Fence    *Fence
}

// Guard holds while a record has a version; version 0 is that of a record that does not exist.
type Guard struct {
	Key     model.Key
	Version int64
}

// PrefixGuard holds while no record whose path starts with Prefix ("" for the whole table) was written after revision
// Since. It does not notice deletions.
type PrefixGuard struct {
	Kind   model.Kind
	Prefix string
	Since  int64
}

// Fence identifies one term of leadership. A transaction with a fence fails with ErrFenced when that term is over,
// even if the leader has not noticed yet.
type Fence struct {
	Name string
	Term int64
}

// Leadership is a term as the leader.
type Leadership struct {
	Fence Fence
	// Lost is closed when the term is over, for whatever reason.
	Lost <-chan struct{}
	// Resign ends the term, so that somebody else can lead at once.
	Resign func(ctx context.Context) error
}

// Check says whether a transaction is well formed and within the limits that can be told without encoding it. Backends
// call it first.
func (t *Txn) Check() error {
	ops := len(t.Puts) + len(t.Deletes)
	guards := len(t.Guards) + len(t.Prefixes)
	if ops > MaxOps || guards > MaxOps {
		return fmt.Errorf("%w: it has %d operations and %d guards", ErrTooLarge, ops, guards)
	}
	if ops == 0 {
		return fmt.Errorf("%w: it writes nothing", ErrInvalid)
	}
	if ops == 1 {
		return nil
	}
	seen := make(map[model.Key]struct{}, ops)
	for i := range t.Puts {
		seen[t.Puts[i].Key] = struct{}{}
	}
	for _, k := range t.Deletes {
		seen[k] = struct{}{}
	}
	if len(seen) != ops {
		return fmt.Errorf("%w: it writes a key twice", ErrInvalid)
	}
	return nil
}
