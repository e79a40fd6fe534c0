package engine

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Config is what a loop works with.
type Config struct {
	Store   *store.Store
	Account string
	IDs     arn.IDs
	Timings model.Timings
	// Refuse says why a machine's driver cannot run a task definition, "" if it can.
	Refuse func(*model.Machine, *model.TaskDefinition) string
	// Connected says whether a machine's agent is there; nil: as its record says. One that went without a word is found
	// at the next full look.
	Connected func(m *model.Machine, now time.Time) bool
	// Resync is how often everything is looked at, whether anything changed or not: constant work that can do all that
	// the watch does.
	Resync time.Duration
	Log    *slog.Logger
	// Step decides; nil: core.Step. Tests put themselves in between.
	Step func(core.View, core.Input) core.Plan
	// Told is told of each turn in which core was asked; nil: nobody.
	Told func(Turned)
}

// Turned is what a turn came to.
type Turned struct {
	Took             time.Duration
	Written, Refused int // changes; those that were refused are computed again
}

// Loop is the scheduler without a goroutine and without a clock: each Turn looks at what changed and writes what core
// decides. Run drives it in production, the simulator by hand.
type Loop struct {
	Config
	fence   *store.Fence
	watcher *store.Watcher
	dirty   dirty
	wakes   wakes
	room    *place.Room                // mirrors the tasks of the last snapshot; nil when it must be made anew
	placed  map[string]model.TaskState // what the room has of each task that is not over
	waiting map[string]bool
	follow  map[string]map[string]bool // services whose deployments follow an alarm, by the alarm's path
	resync  time.Time
	alone   bool // the last turn met a conflict: apply changes one by one
}

// NewLoop starts with everything dirty. A fence makes each write depend on a term of leadership.
func NewLoop(c Config, fence *store.Fence) *Loop {
	if c.Step == nil {
		c.Step = core.Step
	}
	return &Loop{
		Config: c, fence: fence, watcher: c.Store.Watch(watched()...), waiting: map[string]bool{},
		dirty: newDirty(), wakes: newWakes(), follow: map[string]map[string]bool{},
	}
}

// watched are the tables whose changes may give the scheduler something to do.
func watched() []model.Kind {
	return []model.Kind{
		model.KindBalancer, model.KindTarget, model.KindTargetHealth,
		model.KindCluster, model.KindService, model.KindDeployment, model.KindTask, model.KindObserved,
		model.KindMachine, model.KindInstance, model.KindAlarmState,
	}
}

// Close ends the loop's subscription.
func (l *Loop) Close() { l.watcher.Close() }

// C is ready when something changed.
func (l *Loop) C() <-chan struct{} { return l.watcher.C() }

// Next is when the passing of time alone gives the loop something to do.
func (l *Loop) Next() time.Time {
	next := l.resync
	if at := l.wakes.next(); !at.IsZero() && at.Before(next) {
		next = at
	}
	return next
}

// Turn takes what changed, decides, and writes. It says whether it knows that there is more to do at once. The error is
// about the store or the end of leadership; a refused plan is none: it is dropped and computed again.
func (l *Loop) Turn(ctx context.Context, now time.Time) (more bool, err error) {
	changes, all, view := l.watcher.Snapshot()
	if all || !now.Before(l.resync) {
		l.everything(view)
		l.resync = now.Add(l.Resync)
		if err := l.sweep(ctx, view, now); err != nil {
			return false, err
		}
	}
	l.mark(view, changes, now)
	if l.dirty.machines {
		l.dirty.machines = false
		if joined, err := l.join(ctx, view, now); joined || err != nil {
			return true, err
		}
	}
	for _, subject := range l.wakes.due(now) {
		l.dirty.again(subject)
	}
	if l.dirty.empty() {
		return false, nil
	}
	began, turned := time.Now(), Turned{}
	more, err = l.decide(ctx, view, now, &turned)
	if turned.Took = time.Since(began); l.Told != nil {
		l.Told(turned)
	}
	return more, err
}

// decide runs one step of core and applies its plan.
func (l *Loop) decide(ctx context.Context, view *store.View, now time.Time, turned *Turned) (more bool, err error) {
	room := func() *place.Room {
		if l.room == nil {
			l.furnish(view, now)
		}
		return l.room
	}
	plan := l.Step(view, core.Input{
		Dirty: l.dirty.take(), Now: now, IDs: l.IDs, Timings: l.Timings, Refuse: l.Refuse, Room: room,
	})
	for _, w := range plan.Wakes {
		l.wakes.set(w.Subject, w.At)
	}
	for _, s := range plan.Waiting {
		l.waiting[s] = true
	}
	l.dirty.put(plan.Rest)
	rev, err := l.apply(ctx, view, plan.Changes, turned)
	if err != nil {
		return false, err
	}
	if err := l.Store.WaitFor(ctx, rev); err != nil {
		return false, fmt.Errorf("wait for revision %d: %w", rev, err)
	}
	return len(plan.Changes) > 0 || !l.dirty.empty(), nil
}

// furnish makes the room anew.
func (l *Loop) furnish(view *store.View, now time.Time) {
	l.room = core.NewRoom(view, func(m *model.Machine) bool { return l.connected(m, now) })
	l.placed = make(map[string]model.TaskState, view.Count(model.KindTask))
	for t := range view.Tasks() {
		if !t.Stopped() {
			l.placed[t.ARN] = t
		}
	}
}

func (l *Loop) connected(m *model.Machine, now time.Time) bool {
	return m.Connected && (l.Connected == nil || l.Connected(m, now))
}

// sweep removes what has been kept long enough.
func (l *Loop) sweep(ctx context.Context, view *store.View, now time.Time) error {
	if _, err := l.apply(ctx, view, core.Sweep(view, now, l.Timings), &Turned{}); err != nil {
		return err
	}
	if err := l.Store.UpdateAll(ctx, func(tx *store.Tx) (more bool, err error) {
		l.guard(tx)
		return control.ForgetTaskDefinitions(tx), nil
	}); err != nil {
		return fmt.Errorf("remove deleted task definitions: %w", err)
	}
	return nil
}

// guard makes a transaction depend on this term of leadership.
func (l *Loop) guard(tx *store.Tx) {
	if l.fence != nil {
		tx.Fence(*l.fence)
	}
}

// join makes machines container instances of the clusters that they belong to, and has targets follow those that are
// reached at another address. It says whether there was anything to do.
func (l *Loop) join(ctx context.Context, view *store.View, now time.Time) (joined bool, err error) {
	for m := range view.Machines() {
		call := control.Call{Scope: arn.Scope{Account: l.Account}, Operation: "machine", Now: now, IDs: l.IDs, Timings: l.Timings}
		for more := true; more; {
			rev, err := l.Store.Update(ctx, func(tx *store.Tx) error {
				l.guard(tx)
				more = control.JoinMachine(tx, call, m) || control.FollowMachine(tx, m)
				return nil
			})
			if err != nil {
				return joined, fmt.Errorf("machine %s joins its clusters: %w", m.ID, err)
			}
			joined = joined || rev > view.Revision()
		}
	}
	return joined, nil
}

// apply writes the changes of a plan in as few transactions as their size allows. What is refused, because something
// that it was computed from has changed, is computed again in the next turn.
func (l *Loop) apply(ctx context.Context, view *store.View, changes []core.Change, turned *Turned) (last int64, err error) {
	limit := len(changes)
	if l.alone {
		limit = 1
	}
	l.alone = false
	for len(changes) > 0 {
		n := fitting(changes[:min(limit, len(changes))])
		rev, err := l.Store.Apply(ctx, view, l.merge(changes[:n]))
		switch {
		case errors.Is(err, store.ErrTooLarge) && n > 1:
			limit = n / 2 // how many bytes the records take is not known before
			continue
		case errors.Is(err, store.ErrTooLarge):
			// It must not keep the others from being written. The next full look tries it again.
			l.Log.Error("a change is too large to be written; it is left out", "subject", changes[0].Subject, "error", err)
		case errors.Is(err, store.ErrConflict):
			l.refused(changes[:n], err)
			turned.Refused += n
			if conflict, ok := errors.AsType[*store.ConflictError](err); ok {
				last = max(last, conflict.Rev)
			}
		case errors.Is(err, store.ErrUnknownOutcome):
			l.refused(changes[:n], err) // whatever happened, the next turn sees it
			turned.Refused += n
		case err != nil:
			return last, fmt.Errorf("apply a plan: %w", err)
		default:
			turned.Written += n
		}
		last = max(last, rev)
		changes = changes[n:]
	}
	return last, nil
}

func (l *Loop) refused(changes []core.Change, err error) {
	l.alone = true
	l.Log.Debug("a plan was refused; it is computed again", "reason", err, "changes", len(changes))
	for _, c := range changes {
		l.dirty.again(c.Subject)
	}
}

// fitting is how many of the changes fit one transaction.
func fitting(changes []core.Change) int {
	ops, guards := 0, 0
	for i, c := range changes {
		ops += c.Size()
		guards += len(c.Puts) + len(c.Deletes) + len(c.Guards)
		if i > 0 && (ops > store.MaxOps || guards > store.MaxOps) {
			return i
		}
	}
	return len(changes)
}

func (l *Loop) merge(changes []core.Change) store.Change {
	merged := store.Change{Fence: l.fence}
	for _, c := range changes {
		merged.Puts = append(merged.Puts, c.Puts...)
		merged.Deletes = append(merged.Deletes, c.Deletes...)
		merged.Touches = append(merged.Touches, c.Touches...)
		merged.Guards = append(merged.Guards, c.Guards...)
	}
	return merged
}
