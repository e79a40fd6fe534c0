package store

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// The bounds of Update: how often it computes its transaction in all, and how often before it waits for its turn.
const (
	maxTries   = 64
	eagerTries = 2
)

// op is a put, or a delete if there is no record.
type op struct {
	key    model.Key
	record model.Record
}

// draft is a transaction before it is guarded.
type draft struct {
	ops      []op
	touches  []model.Record
	guards   []model.Key
	prefixes []Range
	fence    *Fence
}

// Tx collects what a transaction reads and writes. It belongs to the function that Update calls.
type Tx struct {
	view  *View
	draft draft
	at    map[model.Key]int // in draft.ops
}

// View is the snapshot that the transaction is computed from. It does not show what the transaction itself writes.
func (tx *Tx) View() *View { return tx.view }

// Put writes a record, provided that it has not changed since the snapshot. The last Put or Delete of a key counts.
// The record must not be changed any more.
func (tx *Tx) Put(r model.Record) { tx.write(op{key: r.Key(), record: r}) }

// Delete removes a record, provided that it has not changed since the snapshot.
func (tx *Tx) Delete(k model.Key) { tx.write(op{key: k}) }

func (tx *Tx) write(o op) {
	if i, ok := tx.at[o.key]; ok {
		tx.draft.ops[i] = o
		return
	}
	if tx.at == nil {
		tx.at = map[model.Key]int{}
	}
	tx.at[o.key] = len(tx.draft.ops)
	tx.draft.ops = append(tx.draft.ops, o)
}

// Guard makes the transaction depend on a record that it does not write: it must be as in the snapshot, or as absent.
func (tx *Tx) Guard(k model.Key) { tx.draft.guards = append(tx.draft.guards, k) }

// GuardPrefix makes the transaction depend on no record of a table under a prefix having been written since the
// snapshot. It does not notice deletions.
func (tx *Tx) GuardPrefix(kind model.Kind, prefix string) {
	tx.draft.prefixes = append(tx.draft.prefixes, Range{Kind: kind, Prefix: prefix})
}

// Fence makes the transaction depend on a term of leadership.
func (tx *Tx) Fence(f Fence) { tx.draft.fence = &f }

// Update carries out a transaction that fn computes from a snapshot. Everything that it writes or guards must not have
// changed since; if it has, fn is called again with a newer snapshot, at most 64 times in all, then the answer is
// ErrContended. An error of fn ends it with nothing written, and so does a transaction that writes nothing.
//
// One of many that change the same would lose again and again: each round has one winner. So those of this store that
// have lost a few times go on one after the other.
//
// When Update returns, View shows the transaction; its revision is returned. A revision other than 0 together with an
// error (ErrNotSeen) means that it was committed, but ctx or the store ended before View showed it.
//
// A commit whose outcome is unknown (a timeout, a lost connection) is never repeated blindly. The backend finds out
// what happened where that can be found out; else the answer is ErrUnknownOutcome, and the caller has to look.
func (s *Store) Update(ctx context.Context, fn func(tx *Tx) error) (rev int64, err error) {
	for try := range maxTries {
		if try == eagerTries {
			if err := s.takeTurn(ctx); err != nil {
				return 0, err
			}
			defer s.passTurn() //nolint:gocritic // it comes once
		}
		tx := &Tx{view: s.View()}
		if err := fn(tx); err != nil {
			return 0, err
		}
		rev, err = s.commit(ctx, tx.view, &tx.draft)
		if err == nil {
			return rev, s.WaitFor(ctx, rev)
		}
		var conflict *ConflictError
		if !errors.As(err, &conflict) {
			return 0, err
		}
		if err := s.WaitFor(ctx, conflict.Rev); err != nil {
			return 0, fmt.Errorf("after a conflict: %w", err)
		}
	}
	return 0, fmt.Errorf("%w: %w", ErrContended, err)
}

// UpdateAll carries out Update again and again, as long as fn says that there is more.
func (s *Store) UpdateAll(ctx context.Context, fn func(tx *Tx) (more bool, err error)) error {
	for more := true; more; {
		if _, err := s.Update(ctx, func(tx *Tx) (err error) {
			more, err = fn(tx)
			return err
		}); err != nil {
			return err
		}
	}
	return nil
}

// takeTurn waits until no other Update that has lost often is under way.
func (s *Store) takeTurn(ctx context.Context) error {
	select {
	case s.turn <- struct{}{}:
		return nil
	case <-s.closed:
		return ErrClosed
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (s *Store) passTurn() { <-s.turn }

// Change is a transaction computed from a view.
type Change struct {
	Puts    []model.Record
	Deletes []model.Key
	// Touches are written without a guard, whatever became of them since the view. They are marks for others to guard:
	// changes that touch the same record do not get into each other's way. One that is written as well, or touched twice,
	// is written once.
	Touches  []model.Record
	Guards   []model.Key // records that must not have changed, besides those that are written
	Prefixes []Range     // where nothing may have been written
	Fence    *Fence
}

// Empty says that the change writes nothing.
func (c *Change) Empty() bool { return len(c.Puts)+len(c.Deletes)+len(c.Touches) == 0 }

func (c *Change) draft() *draft {
	d := &draft{
		ops: make([]op, 0, len(c.Puts)+len(c.Deletes)), touches: c.Touches, guards: c.Guards, prefixes: c.Prefixes,
		fence: c.Fence,
	}
	for _, r := range c.Puts {
		d.ops = append(d.ops, op{key: r.Key(), record: r})
	}
	for _, k := range c.Deletes {
		d.ops = append(d.ops, op{key: k})
	}
	return d
}

// Apply makes one attempt to carry out a change that was computed from a view, and gives its revision as soon as it is
// durable; WaitFor waits until it can be seen. If anything that it puts, deletes or guards has changed since the view, the
// answer is ErrConflict. Several may be in flight. A synchronous store shows the change at once.
func (s *Store) Apply(ctx context.Context, view *View, c Change) (rev int64, err error) {
	rev, err = s.commit(ctx, view, c.draft())
	if s.sync && err == nil {
		if _, err := s.Pump(ctx); err != nil {
			return rev, err
		}
	}
	return rev, err
}

// commit is one attempt. What writes nothing succeeds as of the view.
func (s *Store) commit(ctx context.Context, view *View, d *draft) (int64, error) {
	select {
	case <-s.closed:
		return 0, ErrClosed
	default:
	}
	txn, err := s.build(view, d)
	if err != nil {
		return 0, err
	}
	if len(txn.Puts)+len(txn.Deletes) == 0 {
		return view.rev, nil
	}
	rev, err := s.backend.Commit(ctx, txn)
	if err != nil {
		return 0, fmt.Errorf("commit: %w", err)
	}
	return rev, nil
}

// build guards a draft by the versions of a view. A delete of what the view does not have becomes a guard. What is only
// touched is not guarded.
func (s *Store) build(view *View, d *draft) (*Txn, error) {
	n := len(d.ops) + len(d.guards)
	txn := &Txn{Guards: make([]Guard, 0, n), Puts: make([]Put, 0, len(d.ops)+len(d.touches)), Fence: d.fence}
	guarded := make(map[model.Key]struct{}, n)
	guard := func(k model.Key) (version int64) {
		version = view.Version(k)
		if _, ok := guarded[k]; !ok {
			guarded[k] = struct{}{}
			txn.Guards = append(txn.Guards, Guard{Key: k, Version: version})
		}
		return version
	}
	for _, o := range d.ops {
		switch version := guard(o.key); {
		case o.record != nil:
			txn.Puts = append(txn.Puts, Put{Key: o.key, Record: o.record})
		case version != 0:
			txn.Deletes = append(txn.Deletes, o.key)
		}
	}
	txn.Puts = append(txn.Puts, d.untouched()...)
	for _, k := range d.guards {
		guard(k)
	}
	for _, r := range d.prefixes {
		txn.Prefixes = append(txn.Prefixes, PrefixGuard{Kind: r.Kind, Prefix: r.Prefix, Since: view.rev})
	}
	return txn, s.within(txn)
}

// untouched are the touches of records that the draft does not write anyhow, each once.
func (d *draft) untouched() (puts []Put) {
	for _, r := range d.touches {
		k := r.Key()
		if !slices.ContainsFunc(d.ops, func(o op) bool { return o.key == k }) &&
			!slices.ContainsFunc(puts, func(p Put) bool { return p.Key == k }) {
			puts = append(puts, Put{Key: k, Record: r})
		}
	}
	return puts
}

// within refuses what this store cannot see, and so could neither guard nor show.
func (s *Store) within(txn *Txn) error {
	for _, p := range txn.Puts {
		if !known(p.Key.Kind) {
			return fmt.Errorf("%w: unknown table %q", ErrInvalid, p.Key.Kind)
		}
		if !s.scope.Contains(p.Key) {
			return fmt.Errorf("%w: %s", ErrOutOfScope, p.Key)
		}
	}
	for _, g := range txn.Guards {
		if !s.scope.Contains(g.Key) {
			return fmt.Errorf("%w: %s", ErrOutOfScope, g.Key)
		}
	}
	for _, p := range txn.Prefixes {
		if !s.scope.Contains(model.Key{Kind: p.Kind, Path: p.Prefix}) {
			return fmt.Errorf("%w: %s/%s", ErrOutOfScope, p.Kind, p.Prefix)
		}
	}
	return nil
}

// Chunk cuts a change that is too large to be carried out at once into several of at most ops puts and deletes, in
// order. Each keeps all touches, guards, prefixes and the fence, so ops and the touches, and ops and the guards, together must not
// exceed MaxOps.
func Chunk(c Change, ops int) []Change {
	var chunks []Change
	next := func() *Change {
		chunks = append(chunks, Change{Touches: c.Touches, Guards: c.Guards, Prefixes: c.Prefixes, Fence: c.Fence})
		return &chunks[len(chunks)-1]
	}
	for part := range slices.Chunk(c.Puts, ops) {
		next().Puts = part
	}
	for part := range slices.Chunk(c.Deletes, ops) {
		if n := len(chunks); n > 0 && len(chunks[n-1].Puts)+len(part) <= ops {
			chunks[n-1].Deletes = part
			continue
		}
		next().Deletes = part
	}
	return chunks
}

// Elect waits until nobody else leads under a name, and then leads.
func (s *Store) Elect(ctx context.Context, name string) (*Leadership, error) {
	return s.backend.Elect(ctx, name)
}
