package probe

import (
	"cmp"
	"container/heap"
	"context"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/core/health"
	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// workers is how many checks run at once unless Config says otherwise.
const workers = 512

// Config is what a Runner needs.
type Config struct {
	// Check executes one check: Prober.Check. It returns soon after its context has ended.
	Check func(context.Context, Target) health.Outcome
	// Changed is told of each change of what DescribeTargetHealth would say of a target, in order; a change that did not
	// last until it could be told is left out. Like Suspected it should be quick: checks wait for it.
	Changed func(path string, state model.TargetState, reason, description string, since time.Time)
	// Suspected is told when a target becomes suspect, or stops to be: it should get no requests in between, as long as
	// there are other targets that may.
	Suspected func(path string, suspect bool)
	// Now is the clock; nil is the machine's.
	Now func() time.Time
	// Workers is how many checks run at once at most, 512 if it is zero. Targets whose last check timed out never take
	// more than half of them, so that those that hang cannot hold up the checks of those that answer.
	Workers int
	// Balancer is the id of this balancer: several do not check a target at the same time.
	Balancer string
}

// Runner keeps the health of targets. All methods may be called at any time by anyone; Changed and Suspected are called
// by Run alone, and may call the other methods.
type Runner struct {
	cfg  Config
	wake chan struct{} // holds one: there is something to do before the time that Run waits for
	busy sync.WaitGroup

	mu     sync.Mutex
	known  map[string]*entry
	round  int // of Set
	due    queue
	lanes  [2]lane // of targets that answer, and of those that timed out
	untold []*entry
}

// New makes a Runner; Run makes it run.
func New(cfg Config) *Runner {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	n := max(2, cmp.Or(cfg.Workers, workers))
	r := &Runner{cfg: cfg, wake: make(chan struct{}, 1), known: map[string]*entry{}}
	r.lanes[quick].room, r.lanes[slow].room = n-n/2, n/2
	return r
}

// Set says which targets there are: all of them, each time. Those that are gone are forgotten, with nothing said.
func (r *Runner) Set(targets []Target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Now()
	r.round++
	for _, t := range targets {
		r.put(t, now)
	}
	for _, e := range r.known {
		if e.round != r.round {
			r.drop(e)
		}
	}
	r.poke()
}

// Put is Set for one target: it is new, or something of it has changed.
func (r *Runner) Put(t Target) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.put(t, r.cfg.Now())
	r.poke()
}

// Drop is Set for one target that is gone.
func (r *Runner) Drop(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e, ok := r.known[path]; ok {
		r.drop(e)
	}
}

func (r *Runner) put(t Target, now time.Time) {
	e, ok := r.known[t.Path]
	if !ok {
		e = newEntry(t)
		r.known[t.Path] = e
	}
	e.round = r.round
	r.place(e, t, now)
}

func (r *Runner) drop(e *entry) {
	delete(r.known, e.target.Path)
	r.stop(e)
	e.gone = true
}

// place applies what is wanted of a target.
func (r *Runner) place(e *entry, t Target, now time.Time) {
	if e.target.Address != t.Address || e.target.Port != t.Port {
		r.stop(e)
		e.machine = health.Machine{} // whatever was there, this is somebody else
	}
	interval := e.target.Group.Check.Interval
	e.target = t
	was := e.machine.Checked()
	placement := health.Placement{InUse: t.InUse, Draining: t.Draining, Disabled: t.Group.Check.Disabled}
	e.machine = e.machine.Place(placement, now)
	switch {
	case !e.machine.Checked():
		r.stop(e)
	case !was || !e.scheduled():
		r.begin(e, now)
	case interval != t.Group.Check.Interval:
		e.turn = r.next(e, now)
		r.schedule(e)
	}
	r.tell(e)
}

// Suspect says that a connection to a target was refused: the target is checked at once, and suspect until a check
// succeeds. It costs next to nothing to say so again and again.
func (r *Runner) Suspect(path string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.known[path]
	if !ok {
		return
	}
	e.doubts++
	if e.machine.Suspect || !e.machine.Checked() {
		return
	}
	now := r.cfg.Now()
	e.machine = e.machine.Doubt()
	e.extra = now
	if again := e.tried.Add(e.backoff); again.After(now) {
		e.extra = again // its checks succeed and its connections are refused, in turns: not ever faster
	}
	r.schedule(e)
	r.tell(e)
	r.poke()
}

// Current is what is known of a target, and whether it is suspect. A target that Set did not name has no state.
func (r *Runner) Current(path string) (h routing.Health, suspect bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e, ok := r.known[path]
	if !ok {
		return routing.Health{}, false
	}
	return routing.Health{State: e.machine.State, Since: e.machine.Since}, e.machine.Suspect
}

// Run has targets checked until ctx ends. Then it cuts off the checks that run, and returns when nothing of them is left.
func (r *Runner) Run(ctx context.Context) {
	defer r.busy.Wait()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, news := r.step(ctx)
		for _, n := range news {
			r.say(n)
		}
		timer.Reset(wait)
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		case <-r.wake:
		}
	}
}

// idle is how long Run waits when no check is due.
const idle = time.Hour

// step starts what is due; it says how long until there is more to do, and what has changed.
func (r *Runner) step(ctx context.Context) (wait time.Duration, told []news) {
	r.mu.Lock()
	defer r.mu.Unlock()
	now := r.cfg.Now()
	for len(r.due) > 0 && !r.due[0].at.After(now) {
		e := heap.Pop(&r.due).(*entry)
		e.queued = true
		r.lanes[e.lane].push(e)
	}
	for i := range r.lanes {
		for e := r.lanes[i].take(); e != nil; e = r.lanes[i].take() {
			r.start(ctx, e, now)
		}
	}
	wait = idle
	if len(r.due) > 0 {
		wait = r.due[0].at.Sub(now)
	}
	return wait, r.collect()
}

// start starts the check of a target: the one whose turn it is, or else an extra one.
func (r *Runner) start(ctx context.Context, e *entry, now time.Time) {
	ctx, cancel := context.WithCancel(ctx)
	a := &attempt{entry: e, target: e.target, lane: e.lane, doubts: e.doubts, cancel: cancel, extra: e.turn.After(now)}
	if !a.extra {
		e.turn = r.next(e, now)
	}
	e.running, e.tried = a, now
	e.backoff = e.pause()
	e.extra = now.Add(e.backoff)
	r.lanes[a.lane].room--
	r.busy.Go(func() {
		defer cancel()
		o := r.cfg.Check(ctx, a.target)
		r.finish(a, o, ctx.Err() != nil)
	})
}

// finish takes the outcome of a check into account, unless it was cut off.
func (r *Runner) finish(a *attempt, o health.Outcome, cut bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.poke() // there is room for another one
	r.lanes[a.lane].room++
	e := a.entry
	if e.running != a {
		return // it is not wanted any more
	}
	e.running = nil
	if cut {
		return // nothing is checked any more
	}
	e.lane = quick
	if o.Kind == health.TimedOut {
		e.lane = slow
	}
	r.judge(e, a, health.Interpret(a.target.Group, o))
	r.schedule(e)
	r.tell(e)
}

func (r *Runner) judge(e *entry, a *attempt, result health.Result) {
	now, before := r.cfg.Now(), e.machine
	if a.extra && !e.turn.After(now) { // its turn came meanwhile: this one is it
		a.extra, e.turn = false, r.next(e, now)
	}
	if a.extra {
		e.machine = before.Try(result, now)
	} else {
		e.machine = before.Check(result, health.ThresholdsOf(&a.target.Group.Check), now)
	}
	if before.Suspect && e.doubts != a.doubts {
		e.machine = e.machine.Doubt() // a connection was refused after this one was begun
	}
	if result.OK && !a.extra && !before.Suspect {
		e.backoff = 0
	}
}

// begin has a target checked: at once, and then whenever it is its turn.
func (r *Runner) begin(e *entry, now time.Time) {
	e.turn, e.extra, e.backoff, e.lane = r.next(e, now), now, 0, quick
	r.schedule(e)
}

// next is when it is a target's turn. No record can make that be at every moment.
func (r *Runner) next(e *entry, now time.Time) time.Time {
	return health.Next(r.cfg.Balancer+e.target.Path, max(time.Second, e.target.Group.Check.Interval), now)
}

// poke has Run look at what there is to do now.
func (r *Runner) poke() {
	select {
	case r.wake <- struct{}{}:
	default:
	}
}
