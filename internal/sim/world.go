package sim

import (
	"container/heap"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash"
	"hash/fnv"
	"io"
	"math/rand/v2"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// Options say which world is to be run.
type Options struct {
	Seed uint64
	// Story is told what happens, a line for each event; nil: nobody is.
	Story io.Writer
	// Hash makes the result carry a hash of all that happened and was written.
	Hash bool

	// What follows plants mistakes, to see that they are found. The zero values are the production code.

	// Step decides in place of core.Step.
	Step func(core.View, core.Input) core.Plan
	// Commit changes transactions before they are carried out.
	Commit func(*store.Txn)
	// NoResync leaves out the slow full look.
	NoResync bool
	// Unused makes all that is measured of target groups 0.
	Unused bool
}

// Result is how a run went.
type Result struct {
	Events  int           // that were taken from the heap
	Commits int           // transactions that were carried out
	Time    time.Duration // virtual
	Sent    int           // requests that balancers took
	Rest    time.Duration // from the moment at which people had mended what they broke until all was as it shall be
	Hash    uint64
}

// ViolationError is a broken invariant.
type ViolationError struct {
	Seed uint64
	At   time.Duration // virtual, since the start
	Rule string
	What string
}

// Error says which seed breaks which rule.
func (v *ViolationError) Error() string {
	return fmt.Sprintf("seed %d: after %v: %s: %s", v.Seed, v.At, v.Rule, v.What)
}

// Run runs the world of a seed to its end. The error is a *ViolationError.
func Run(ctx context.Context, o Options) (result Result, err error) {
	w := newWorld(ctx, o)
	defer func() {
		r := recover()
		v, broken := r.(*ViolationError)
		switch {
		case broken:
			w.tell("VIOLATION %s: %s", v.Rule, v.What)
			result, err = w.result(), v
		case r != nil:
			panic(r)
		}
	}()
	w.live()
	return w.result(), nil
}

const (
	region  = "eu-west-1"
	account = "123456789012"
)

func scope() arn.Scope { return arn.Scope{Region: region, Account: account} }

func clusterARN() string { return scope().Cluster("demo") }

// event is something that happens at a time.
type event struct {
	at  time.Time
	seq int
	do  func()
}

// world is everything there is.
type world struct {
	Options
	ctx     context.Context // of the one call of Run
	rng     *rand.Rand
	ids     *rand.Rand
	start   time.Time
	now     time.Time
	queue   events
	seq     int
	taken   int
	commits int
	hash    hash.Hash64

	faults  faults
	calm    bool          // the faults are over
	mended  bool          // and people have mended what they broke
	rest    time.Duration // see Result
	timings model.Timings
	backend *backend
	servers []*server
	fleet   []*machine
	people  *people
	check   *checker

	balancers []*balancer
	listening map[string]*container // what takes requests, by task
	epidemic  map[string]time.Time  // until when all targets of a family fail their checks
	dozing    map[string]*use       // target groups of services that may sleep
	sent      int                   // requests
	unserved  int                   // requests for which there was no target

	observer *store.Store // to see whether all is as it shall be
}

// generator makes the same numbers from the same seed.
func generator(seed, of uint64) *rand.Rand {
	return rand.New(rand.NewPCG(seed, of)) //nolint:gosec // that they can be foreseen is the point
}

func newWorld(ctx context.Context, o Options) *world {
	w := &world{
		Options: o, ctx: ctx, rng: generator(o.Seed, 1), ids: generator(o.Seed, 2),
		start: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC), hash: fnv.New64a(),
		listening: map[string]*container{}, epidemic: map[string]time.Time{}, dozing: map[string]*use{},
	}
	w.now = w.start
	w.timings, _ = model.TimingsByName("fast")
	w.timings.SteadyRepeat = 24 * time.Hour
	w.faults = drawFaults(w.rng)
	w.backend = &backend{Backend: mem.New(mem.Options{}), w: w}
	observer, err := store.OpenSync(ctx, w.backend.Backend, store.Scope{})
	if err != nil {
		panic(err)
	}
	w.observer = observer
	w.check = newChecker(w)
	w.people = newPeople(w)
	return w
}

// live is the life of the world: it is made, there is trouble, then there is peace.
func (w *world) live() {
	w.tell("%+v", w.faults)
	for i := range w.faults.Servers {
		w.servers = append(w.servers, newServer(w, i))
	}
	w.people.found()
	for range w.faults.Machines {
		w.newMachine()
	}
	for _, s := range w.servers {
		w.after(0, s.boot)
	}
	for i := range w.faults.Balancers {
		b := newBalancer(w, fmt.Sprintf("b%d", i+1))
		w.balancers = append(w.balancers, b)
		w.after(w.between(0, 2*time.Second), b.boot)
	}
	w.people.begin()
	w.trouble()
	w.until(w.start.Add(w.faults.Trouble))
	w.peace()
}

func (w *world) result() Result {
	return Result{Events: w.taken, Commits: w.commits, Sent: w.sent, Time: w.now.Sub(w.start), Rest: w.rest, Hash: w.hash.Sum64()}
}

// tell writes a line of the story.
func (w *world) tell(format string, args ...any) {
	if w.Story != nil {
		fmt.Fprintf(w.Story, "%10.3fs %s\n", w.now.Sub(w.start).Seconds(), fmt.Sprintf(format, args...))
	}
}

// fail ends the run: an invariant does not hold.
func (w *world) fail(rule, format string, args ...any) {
	panic(&ViolationError{Seed: w.Seed, At: w.now.Sub(w.start), Rule: rule, What: fmt.Sprintf(format, args...)})
}

// note puts something into the hash of the run.
func (w *world) note(v any) {
	if !w.Hash {
		return
	}
	if err := json.NewEncoder(w.hash).Encode(v); err != nil {
		panic(err)
	}
}

// after makes something happen when a time has passed.
func (w *world) after(d time.Duration, do func()) { w.at(w.now.Add(d), do) }

func (w *world) at(t time.Time, do func()) {
	if t.Before(w.now) {
		t = w.now
	}
	w.seq++
	heap.Push(&w.queue, event{at: t, seq: w.seq, do: do})
}

// until lets everything happen up to a time.
func (w *world) until(end time.Time) {
	for len(w.queue) > 0 && !w.queue[0].at.After(end) {
		e := heap.Pop(&w.queue).(event)
		w.now = e.at
		w.taken++
		if w.taken > 100_000 {
			w.fail("bounded work", "%d events", w.taken)
		}
		e.do()
	}
	w.now = end
}

// id draws 16 bytes.
func (w *world) id() (b [16]byte) {
	binary.BigEndian.PutUint64(b[:8], w.ids.Uint64())
	binary.BigEndian.PutUint64(b[8:], w.ids.Uint64())
	return b
}

// chance is true so often.
func (w *world) chance(p float64) bool { return p > 0 && w.rng.Float64() < p }

// between draws a duration, short ones more often.
func (w *world) between(least, most time.Duration) time.Duration {
	x := w.rng.Float64()
	return least + time.Duration(x*x*float64(most-least))
}

func pick[T any](w *world, list []T) T { return list[w.rng.IntN(len(list))] }

type events []event

func (h events) Len() int { return len(h) }

func (h events) Less(i, j int) bool {
	return h[i].at.Before(h[j].at) || h[i].at.Equal(h[j].at) && h[i].seq < h[j].seq
}
func (h events) Swap(i, j int) { h[i], h[j] = h[j], h[i] }
func (h *events) Push(x any)   { *h = append(*h, x.(event)) }
func (h *events) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	(*h)[last] = event{}
	*h = (*h)[:last]
	return x
}
