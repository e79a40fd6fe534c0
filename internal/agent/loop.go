package agent

import (
	"cmp"
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/agent/addresses"
	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/agent/ports"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// loop is the state of a running agent. One goroutine owns it; what others have to say reaches it as events.
type loop struct {
	ctx    context.Context //nolint:containedctx // that of all calls that the loop makes, for as long as it runs
	a      *Agent
	driver driver.Driver
	log    *slog.Logger
	writer *writer
	ledger *ledger
	pool   *ports.Pool
	group  *sync.WaitGroup // of the jobs

	addresses                     *addresses.Pool
	starts, stops, checks, guards lane

	ready     bool                  // the driver has told what there is
	tasks     map[string]*entry     // by ARN
	ids       map[string]*entry     // the same by id
	undefined map[string]*undefined // by task id
	strays    map[string]*stray     // by container id
	boxes     map[string]*box       // by task id
	stale     bool                  // the firewall rules of tasks are not those of their security groups any more
	stopped   []*entry              // those whose end is durable, oldest first
	believed  []attempt             // what ran when the driver was last asked for a list

	dirty    []*entry
	alarms   alarms
	beat     alarm
	joinedAt time.Time
	halting  *halting
	changes  *store.Watcher
	settlers []chan<- struct{} // closed when there is nothing left to do
}

// undefined is a task whose definition is not there, so that nothing can be said of it yet.
type undefined struct {
	arn   string
	found []lifecycle.Found
}

// attempt is an attempt of a container of a task.
type attempt struct {
	e      *entry
	name   string
	number int
}

func newLoop(ctx context.Context, a *Agent, w *writer, kept *ledger, group *sync.WaitGroup) *loop {
	c := &a.config
	l := &loop{
		ctx: ctx, a: a, driver: c.Driver, log: c.Log, writer: w, ledger: kept, pool: ports.New(c.Ports), group: group,
		tasks: map[string]*entry{}, ids: map[string]*entry{}, undefined: map[string]*undefined{}, strays: map[string]*stray{},
		boxes: map[string]*box{}, addresses: addresses.New(c.AddressRest),
		joinedAt: c.Now().UTC().Round(0),
	}
	l.starts, l.stops, l.checks = lane{l: l, limit: c.Starts}, lane{l: l, limit: c.Stops}, lane{l: l, limit: c.Checks}
	l.guards = lane{l: l, limit: guardCalls}
	l.beat = newAlarm(l.heartbeat)
	return l
}

func (l *loop) now() time.Time { return l.a.config.Now() }

// run is the loop, until its ctx ends.
func (l *loop) run() {
	l.changes = l.a.config.Store.Watch(model.KindTask, model.KindTaskDefinition, model.KindSecurityGroup)
	defer l.changes.Close()
	l.heartbeat()
	timer := l.a.config.NewTimer()
	defer timer.Stop()
	for {
		l.arm(timer)
		var wanted <-chan struct{} // what is wanted matters once it is known what there is
		if l.ready {
			wanted = l.changes.C()
		}
		select {
		case <-l.ctx.Done():
			return
		case event := <-l.a.events:
			event(l)
			l.drain()
		case <-wanted:
			l.compare(l.changes.Take())
		case <-timer.C():
		}
		l.settle()
	}
}

// arm sets the one timer to what is due next.
func (l *loop) arm(timer Timer) {
	var next time.Time
	if len(l.alarms) > 0 {
		next = l.alarms[0].at
	}
	timer.Set(next)
}

// drain takes the events that are there already, but not for ever.
func (l *loop) drain() {
	for range cap(l.a.events) {
		select {
		case event := <-l.a.events:
			event(l)
		default:
			return
		}
	}
}

// settle does what is due, and lets every life about which something is new decide what follows.
func (l *loop) settle() {
	l.alarms.ringDue(l.now())
	for len(l.dirty) > 0 || l.stale {
		if l.stale {
			l.compile()
		}
		dirty := l.dirty
		l.dirty = nil
		for _, e := range dirty {
			e.dirty = false
			l.step(e)
		}
	}
	l.checkQuiet()
	l.checkSettled()
}

// touch has a life decide soon.
func (l *loop) touch(e *entry) {
	if !e.dirty {
		e.dirty = true
		l.dirty = append(l.dirty, e)
	}
}

// compare brings what the loop knows in line with what is wanted.
func (l *loop) compare(changes []store.Changed, all bool) {
	view := l.a.config.Store.View()
	if all {
		l.compareAll(view)
		return
	}
	for i := range changes {
		switch c := &changes[i]; {
		case c.Key.Kind == model.KindTaskDefinition:
			l.defined(view)
		case c.Key.Kind == model.KindSecurityGroup:
			l.stale = true
		case c.After == nil:
			l.forget(c.Before.(*model.Task).ARN)
		case c.After.(*model.Task).Machine == l.a.config.Machine.ID: // the store may hold more than this machine
			if t, ok := view.Task(c.After.(*model.Task).ARN); ok {
				l.want(view, t, nil)
			}
		}
	}
}

func (l *loop) compareAll(view *store.View) {
	l.stale = true
	wanted := map[string]bool{}
	for t := range view.TasksOnMachine(l.a.config.Machine.ID) {
		wanted[t.ARN] = true
		l.want(view, t, nil)
	}
	var gone []string
	for arn := range l.tasks {
		if !wanted[arn] {
			gone = append(gone, arn)
		}
	}
	for _, u := range l.undefined {
		if !wanted[u.arn] {
			gone = append(gone, u.arn)
		}
	}
	slices.Sort(gone)
	for _, arn := range gone {
		l.forget(arn)
	}
}

// defined looks again at the tasks that lack their definition.
func (l *loop) defined(view *store.View) {
	for _, u := range l.undefined {
		if t, ok := view.Task(u.arn); ok {
			l.want(view, t, nil)
		}
	}
}

// adopt meets what the driver has with what is wanted, once.
func (l *loop) adopt(list []driver.Status, sandboxes []string) {
	found := map[string][]lifecycle.Found{} // by task id
	for i := range list {
		task, name, number, ok := lifecycle.ParseID(list[i].ID)
		if !ok {
			l.log.Warn("the driver has a container that no agent has named; it is left alone", "container", list[i].ID)
			continue
		}
		found[task] = append(found[task], lifecycle.Found{Name: name, Attempt: number, Status: list[i]})
	}
	view := l.a.config.Store.View()
	l.hold(view, sandboxes) // before anybody chooses a port or an address
	for t := range view.TasksOnMachine(l.a.config.Machine.ID) {
		id := model.ShortID(t.ARN)
		l.want(view, t, found[id])
		if l.ids[id] != nil || l.undefined[id] != nil {
			delete(found, id)
		}
	}
	for task, rest := range found {
		for i := range rest {
			l.reap(lifecycle.ID(task, rest[i].Name, rest[i].Attempt), true)
		}
	}
	l.reclaim(sandboxes)
	l.settleLedger()
	slices.SortStableFunc(l.stopped, func(a, b *entry) int {
		return cmp.Or(a.end.StoppedAt.Compare(b.end.StoppedAt), cmp.Compare(a.arn, b.arn))
	})
	l.trim()
	l.ready = true
}

// unkeep forgets what a task was given.
func (l *loop) unkeep(task string) {
	if err := l.ledger.remove(task); err != nil {
		l.log.Warn("what a task was given that is over is still in a file", "taskArn", task, "error", err)
	}
}

// heartbeat tells that the machine is there.
func (l *loop) heartbeat() {
	l.writer.put(l.machine(true))
	l.alarms.set(&l.beat, l.now().Add(l.a.config.Heartbeat))
}

// machine is the machine's record as of now.
func (l *loop) machine(connected bool) *model.Machine {
	m := l.a.config.Machine
	m.JoinedAt, m.SeenAt, m.Connected = l.joinedAt, l.now().UTC().Round(0), connected
	return &m
}
