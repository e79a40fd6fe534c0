package probe

import (
	"container/heap"
	"context"
	"time"

	"github.com/maitred/maitred/internal/core/health"
	"github.com/maitred/maitred/internal/model"
)

// The lanes of a Runner.
const (
	quick = iota
	slow
)

// entry is a target with its health. It waits in the queue for its time, then in a lane for a worker, or it is being
// checked; while it is not to be checked it is in none of them.
type entry struct {
	target  Target
	machine health.Machine
	round   int  // of the last Set that named it
	gone    bool // no Set names it any more

	turn    time.Time // of the next check that counts
	extra   time.Time // of the next one that comes before its turn, if the target needs it then
	backoff time.Duration
	tried   time.Time // start of the last check
	doubts  int       // how often it was suspected

	at      time.Time // when it is due
	index   int       // in the queue, -1 when it is not there
	queued  bool      // in a lane
	lane    int
	running *attempt

	untold bool
	told   health.Machine // as the callbacks know it
}

func newEntry(t Target) *entry {
	e := &entry{target: t, index: -1}
	if t.Known != nil {
		e.machine = health.Resume(t.Known)
		e.told = e.machine
	}
	return e
}

// attempt is a check that runs.
type attempt struct {
	entry  *entry
	target Target // as it was when the check began
	lane   int
	doubts int
	extra  bool
	cancel context.CancelFunc
}

// scheduled says that the target's next check is arranged for.
func (e *entry) scheduled() bool { return e.index >= 0 || e.queued || e.running != nil }

// eager says that the target needs checks before its turn: it has yet to prove itself.
func (e *entry) eager() bool { return e.machine.Suspect || e.machine.State == model.TargetInitial }

// pause is how long after the check that begins now the next one before its turn is made.
func (e *entry) pause() time.Duration {
	switch interval := e.target.Group.Check.Interval; {
	case e.machine.State != model.TargetInitial:
		return health.Backoff(e.backoff, interval)
	case e.target.Group.Wake != nil:
		return health.Hurry(e.backoff)
	default:
		return health.Begin(e.backoff, interval)
	}
}

// schedule puts a target in the queue, or moves it there, unless it is about to be checked anyway.
func (r *Runner) schedule(e *entry) {
	if e.queued || e.running != nil {
		return
	}
	e.at = e.turn
	if e.eager() && e.extra.Before(e.turn) {
		e.at = e.extra
	}
	if e.index >= 0 {
		heap.Fix(&r.due, e.index)
		return
	}
	heap.Push(&r.due, e)
}

// stop takes a target from wherever it is; what its check finds out is not wanted any more.
func (r *Runner) stop(e *entry) {
	if e.index >= 0 {
		heap.Remove(&r.due, e.index)
	}
	e.queued = false
	if e.running != nil {
		e.running.cancel()
		e.running = nil
	}
}

// news is something to say of a target.
type news struct {
	path      string
	machine   health.Machine
	changed   bool
	suspected bool
}

// tell notes that a target may have changed.
func (r *Runner) tell(e *entry) {
	if !e.untold {
		e.untold = true
		r.untold = append(r.untold, e)
	}
}

// collect gives what has changed since it was asked last.
func (r *Runner) collect() []news {
	var all []news
	for _, e := range r.untold {
		e.untold = false
		n := news{
			path: e.target.Path, machine: e.machine,
			changed: !e.machine.Same(e.told), suspected: e.machine.Suspect != e.told.Suspect,
		}
		if e.told = e.machine; !e.gone && (n.changed || n.suspected) {
			all = append(all, n)
		}
	}
	r.untold = r.untold[:0]
	return all
}

func (r *Runner) say(n news) {
	m := n.machine
	if n.changed {
		r.cfg.Changed(n.path, m.State, m.Reason, m.Description, m.Since)
	}
	if n.suspected {
		r.cfg.Suspected(n.path, m.Suspect)
	}
}

// queue orders targets by when they are due; see container/heap.
type queue []*entry

func (q queue) Len() int           { return len(q) }
func (q queue) Less(i, j int) bool { return q[i].at.Before(q[j].at) }
func (q queue) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

// Push implements heap.Interface.
func (q *queue) Push(x any) {
	e := x.(*entry)
	e.index = len(*q)
	*q = append(*q, e)
}

// Pop implements heap.Interface.
func (q *queue) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	e.index = -1
	return e
}

// lane are targets whose checks are due, in the order in which they became so, with the workers that they may take.
type lane struct {
	waiting []*entry
	room    int
}

func (l *lane) push(e *entry) { l.waiting = append(l.waiting, e) }

// take gives the first target that still waits, nil if there is none or no room.
func (l *lane) take() *entry {
	for l.room > 0 && len(l.waiting) > 0 {
		e := l.waiting[0]
		l.waiting[0] = nil
		l.waiting = l.waiting[1:]
		if e.queued {
			e.queued = false
			return e
		}
	}
	return nil
}
