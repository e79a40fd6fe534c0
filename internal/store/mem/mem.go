// Package mem is the store's backend in memory, with the semantics of the one on etcd: revisions, versions, guards,
// ordered streams, compaction, terms of leadership. It is for simulations and tests, and never for data that somebody
// would miss: nothing is written anywhere.
//
// Records are kept as the immutable pointers that they are given as; nothing is encoded. The backend has no goroutine,
// looks at no clock and uses no randomness, so that the same calls give the same results. Faults are injected from
// outside: see Backend.Faults, Hold, Compact, Break and Depose.
package mem

import (
	"context"
	"fmt"
	"strings"
	"sync"

	"github.com/tidwall/btree"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// history is how many batches are kept for streams that begin in the past, and pending for one that is not read.
const (
	history = 1024
	pending = 65536
)

// Fault is what happens to a commit instead of what should.
type Fault struct {
	// Err is the answer, nil for no fault: a *store.ConflictError, store.ErrUnknownOutcome, store.ErrNoSpace …
	Err error
	// Applied says that the transaction is carried out all the same, if its guards hold.
	Applied bool
}

// Options of a Backend. The zero value is a backend without faults or size limit.
type Options struct {
	// Faults is asked before each commit. It must not call the backend.
	Faults func(*store.Txn) Fault
	// Committed is told the revision of each commit, after it. It must not call the backend.
	Committed func(rev int64)
	// Measure makes the backend encode every transaction to enforce store.MaxBytes, as etcd does.
	Measure bool
}

// Backend implements store.Backend.
type Backend struct {
	options Options

	mu        sync.Mutex
	rev       int64
	compacted int64 // changes before this revision are gone
	records   *btree.BTreeG[*store.Versioned]
	log       []store.Batch
	streams   subscribers
	terms     map[string]*term
	held      bool
	closed    chan struct{}
}

// New makes an empty backend.
func New(o Options) *Backend {
	return &Backend{
		options: o,
		rev:     1,
		records: btree.NewBTreeGOptions(byKey, btree.Options{NoLocks: true}),
		streams: subscribers{of: map[string][]*stream{}},
		terms:   map[string]*term{},
		closed:  make(chan struct{}),
	}
}

func byKey(a, b *store.Versioned) bool {
	if a.Key.Kind != b.Key.Kind {
		return a.Key.Kind < b.Key.Kind
	}
	return a.Key.Path < b.Key.Path
}

func (b *Backend) ended() bool {
	select {
	case <-b.closed:
		return true
	default:
		return false
	}
}

// Close implements store.Backend.
func (b *Backend) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended() {
		close(b.closed)
		for _, t := range b.terms {
			t.end()
		}
	}
	return nil
}

// Load implements store.Backend.
func (b *Backend) Load(ctx context.Context, scope store.Scope) ([]store.Versioned, int64, error) {
	if err := ctx.Err(); err != nil {
		return nil, 0, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended() {
		return nil, 0, store.ErrClosed
	}
	ranges := scope.Ranges()
	if ranges == nil {
		list := make([]store.Versioned, 0, b.records.Len())
		b.records.Scan(func(v *store.Versioned) bool {
			list = append(list, *v)
			return true
		})
		return list, b.rev, nil
	}
	var list []store.Versioned
	for _, r := range ranges {
		b.scan(r.Kind, r.Prefix, func(v *store.Versioned) bool {
			if r.Contains(v.Key) {
				list = append(list, *v)
			}
			return true
		})
	}
	return list, b.rev, nil
}

// scan visits the records under a prefix.
func (b *Backend) scan(kind model.Kind, prefix string, visit func(*store.Versioned) bool) {
	from := &store.Versioned{Key: model.Key{Kind: kind, Path: prefix}}
	b.records.Ascend(from, func(v *store.Versioned) bool {
		return v.Key.Kind == kind && strings.HasPrefix(v.Key.Path, prefix) && visit(v)
	})
}

// Commit implements store.Backend.
func (b *Backend) Commit(ctx context.Context, txn *store.Txn) (int64, error) {
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if err := b.check(txn); err != nil {
		return 0, err
	}
	var fault Fault
	if b.options.Faults != nil {
		fault = b.options.Faults(txn)
	}
	if fault.Err != nil && !fault.Applied {
		return 0, fault.Err
	}
	rev, err := b.commit(txn)
	if err == nil && b.options.Committed != nil {
		b.options.Committed(rev)
	}
	if fault.Err != nil {
		return 0, fault.Err
	}
	return rev, err
}

func (b *Backend) check(txn *store.Txn) error {
	if err := txn.Check(); err != nil {
		return err
	}
	if !b.options.Measure {
		return nil
	}
	size := 0
	for _, p := range txn.Puts {
		data, err := store.Encode(p.Record)
		if err != nil {
			return err
		}
		size += len(p.Key.Path) + len(data)
	}
	if size > store.MaxBytes {
		return fmt.Errorf("%w: its records take %d bytes", store.ErrTooLarge, size)
	}
	return nil
}

func (b *Backend) commit(txn *store.Txn) (int64, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended() {
		return 0, store.ErrClosed
	}
	if f := txn.Fence; f != nil {
		if t := b.terms[f.Name]; t == nil || t.rev != f.Term {
			return 0, store.ErrFenced
		}
	}
	if !b.holds(txn) {
		return 0, &store.ConflictError{Rev: b.rev}
	}
	batch := store.Batch{Rev: b.rev + 1, Puts: make([]store.Versioned, len(txn.Puts))}
	for i, p := range txn.Puts {
		v := &store.Versioned{Key: p.Key, Record: p.Record, Version: batch.Rev}
		batch.Puts[i] = *v
		b.records.Set(v)
	}
	for _, k := range txn.Deletes {
		if _, ok := b.records.Delete(&store.Versioned{Key: k}); ok {
			batch.Deletes = append(batch.Deletes, k)
		}
	}
	if len(batch.Puts)+len(batch.Deletes) == 0 {
		return b.rev, nil
	}
	b.rev = batch.Rev
	b.append(batch)
	return batch.Rev, nil
}

// holds says whether all guards of a transaction hold.
func (b *Backend) holds(txn *store.Txn) bool {
	var pivot store.Versioned
	for _, g := range txn.Guards {
		pivot.Key = g.Key
		v, ok := b.records.Get(&pivot)
		if ok != (g.Version != 0) || ok && v.Version != g.Version {
			return false
		}
	}
	for _, p := range txn.Prefixes {
		quiet := true
		b.scan(p.Kind, p.Prefix, func(v *store.Versioned) bool {
			quiet = v.Version <= p.Since
			return quiet
		})
		if !quiet {
			return false
		}
	}
	return true
}

// append logs a batch and hands it to the streams.
func (b *Backend) append(batch store.Batch) {
	if len(b.log) >= 2*history {
		b.compact(b.log[len(b.log)-history].Rev)
	}
	b.log = append(b.log, batch)
	b.streams.offer(batch)
}

// Compact forgets the changes before a revision, as etcd does now and then: a stream cannot begin there any more.
func (b *Backend) Compact(rev int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.compact(rev)
}

func (b *Backend) compact(rev int64) {
	b.compacted = max(b.compacted, min(rev, b.rev))
	n := 0
	for n < len(b.log) && b.log[n].Rev < b.compacted {
		n++
	}
	b.log = append([]store.Batch(nil), b.log[n:]...)
}

// Break ends all streams as if they had been too slow and what they had not seen had been compacted.
func (b *Backend) Break() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.streams.each((*stream).lose)
}

// Hold keeps the streams from delivering anything until it is called with false, or until somebody who waits for a
// revision asks for it.
func (b *Backend) Hold(on bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = on
	b.streams.each((*stream).wake)
}

// Revision is that of the newest commit.
func (b *Backend) Revision() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.rev
}
