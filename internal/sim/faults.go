package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// faults are what goes wrong in a world, and how often. Each seed draws its own: many faults at once hide bugs that
// few of them show.
type faults struct {
	Servers, Machines int
	Balancers         int           // 0: no service has a load balancer
	Actions           int           // what people do
	Trouble           time.Duration // how long
	Tight             bool          // machines are small
	Sleep             bool          // services may have no tasks while nobody asks for them

	Refused float64 // a commit is refused
	Unknown float64 // nobody learns what became of a commit
	Down    float64 // a commit fails outright
	Missed  float64 // the scheduler does not hear of a change
	Stale   float64 // the scheduler decides by what was true a moment ago
	Broken  float64 // a new revision does not work
	Exits   float64 // a container is killed by chance
	Late    bool    // all goes slowly, now and then

	Depose, Crash, Freeze, Skew, Break int // times that it happens: to servers and the store
	Restart, Power, Cut                int // to machines
	Kill, Stop, Part                   int // to balancers
	Sick                               int // targets fail their checks
}

func drawFaults(r *rand.Rand) faults {
	f := faults{
		Servers: 1 + r.IntN(2), Machines: 1 + r.IntN(5), Actions: 6 + r.IntN(14),
		Trouble: time.Duration(30+r.IntN(120)) * time.Second, Tight: r.IntN(4) == 0, Late: r.IntN(3) == 0,
	}
	if r.IntN(2) == 0 {
		f.Balancers, f.Sleep = 1+r.IntN(2), r.IntN(4) == 0
	}
	for _, rate := range []*float64{&f.Refused, &f.Unknown, &f.Down, &f.Missed, &f.Stale, &f.Broken, &f.Exits} {
		if r.IntN(2) == 0 {
			*rate = r.Float64() * 0.3
		}
	}
	for _, times := range []*int{&f.Depose, &f.Crash, &f.Freeze, &f.Skew, &f.Break, &f.Restart, &f.Power, &f.Cut, &f.Kill, &f.Stop, &f.Part, &f.Sick} {
		if r.IntN(3) == 0 {
			*times = 1 + r.IntN(3)
		}
	}
	return f
}

// errDown is a store that does not answer.
var errDown = errors.New("the store is down")

// backend is the store's backend with faults, under the eyes of the checker.
type backend struct {
	*mem.Backend
	w     *world
	actor actor
	term  int64 // of the present leader
}

// actor is who commits.
type actor struct {
	server   *server   // nil: no server
	machine  *machine  // nil: no agent
	balancer *balancer // nil: no balancer
	api      bool      // a server on behalf of a caller of the API
	scaler   bool      // a server that scales
}

// as lets somebody do something to the store.
func (b *backend) as(a actor, do func()) {
	before := b.actor
	b.actor = a
	do()
	b.actor = before
}

// Commit implements store.Backend.
func (b *backend) Commit(ctx context.Context, txn *store.Txn) (int64, error) {
	w := b.w
	if w.Options.Commit != nil {
		w.Options.Commit(txn)
	}
	unknown := false
	if !w.calm {
		switch {
		case w.chance(w.faults.Refused * 0.3):
			w.tell("  a commit is refused")
			return 0, &store.ConflictError{Rev: b.Revision()}
		case w.chance(w.faults.Down * 0.2):
			w.tell("  a commit fails: the store is down")
			return 0, errDown
		case w.chance(w.faults.Unknown * 0.5):
			w.tell("  a commit's outcome stays unknown")
			if w.chance(0.5) {
				return 0, store.ErrUnknownOutcome
			}
			unknown = true
		}
	}
	rev, err := b.Backend.Commit(ctx, txn)
	if err == nil {
		w.committed(txn, b.actor)
	}
	if unknown {
		return 0, store.ErrUnknownOutcome
	}
	return rev, err
}

// committed checks a transaction that was carried out, and wakes those whom it concerns.
func (w *world) committed(txn *store.Txn, by actor) {
	w.commits++
	w.note(txn)
	w.check.committed(txn, by)
	for _, s := range w.servers {
		s.wake(w.between(0, w.faults.lag(5*time.Millisecond)))
	}
	if len(w.balancers) > 0 && interesting(txn) {
		for _, b := range w.balancers {
			b.wake(w.between(0, w.faults.lag(5*time.Millisecond)))
		}
	}
	for _, m := range w.fleet {
		if m.concerned(txn) {
			m.wake(w.between(0, w.faults.lag(5*time.Millisecond)))
		}
	}
}

// lag stretches a delay where all goes slowly.
func (f *faults) lag(d time.Duration) time.Duration {
	if f.Late {
		return 100 * d
	}
	return d
}

// trouble draws when what goes wrong.
func (w *world) trouble() {
	f := &w.faults
	for _, t := range []struct {
		times int
		do    func()
	}{
		{f.Depose, w.depose},
		{f.Crash, func() { pick(w, w.servers).crash() }},
		{f.Freeze, func() { pick(w, w.servers).freeze(w.between(100*time.Millisecond, time.Minute)) }},
		{f.Skew, func() { pick(w, w.servers).jump(w.between(time.Second, 10*time.Minute)) }},
		{f.Break, func() { w.tell("all streams of changes break"); w.backend.Break() }},
		{f.Restart, func() { pick(w, w.fleet).restart(w.between(0, 30*time.Second)) }},
		{f.Power, func() { pick(w, w.fleet).powerCut(w.between(time.Second, time.Minute)) }},
		{f.Cut, func() { pick(w, w.fleet).cutOff(w.between(time.Second, time.Minute)) }},
		{f.Kill, w.toBalancer(func(b *balancer) { b.kill(w.between(100*time.Millisecond, 20*time.Second)) })},
		{f.Stop, w.toBalancer(func(b *balancer) { b.restart(w.between(100*time.Millisecond, 20*time.Second)) })},
		{f.Part, w.toBalancer(func(b *balancer) { b.cutOff(w.between(time.Second, time.Minute)) })},
		{f.Sick, w.fallSick},
	} {
		for range t.times {
			w.after(w.within(), func() {
				if !w.calm {
					t.do()
				}
			})
		}
	}
}

// toBalancer does something to one of the balancers, if there are any.
func (w *world) toBalancer(do func(*balancer)) func() {
	return func() {
		if len(w.balancers) > 0 {
			do(pick(w, w.balancers))
		}
	}
}

// within draws a moment of the time of trouble.
func (w *world) within() time.Duration { return time.Duration(w.rng.Int64N(int64(w.faults.Trouble))) }

// depose ends the term of the leader, who has not heard of it yet.
func (w *world) depose() {
	w.tell("the leader is deposed")
	w.backend.resign(store.Fence{Name: leader, Term: w.backend.term})
	for _, s := range w.servers {
		w.after(w.between(0, 2*time.Second), s.campaign)
	}
}
