package agent

import (
	"slices"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// entry is a task of this machine.
type entry struct {
	arn, id  string
	life     *lifecycle.Life // nil when its end is durable, or the store does not have the task any more
	def      *model.TaskDefinition
	holdings lifecycle.Holdings
	starts   map[string]*start // under way, by container id
	known    []string          // ids of containers that the driver may know
	boxed    bool              // the driver may have a sandbox of it
	freeing  bool              // its containers are over, and nothing of it is needed any more
	guard    guard
	alarm    alarm
	dirty    bool

	// end is the durable end of a task whose life is over.
	end *model.Observed
}

// want notes what is wanted of a task, and what of it was found when the agent began.
func (l *loop) want(view *store.View, t model.TaskState, found []lifecycle.Found) {
	e := l.tasks[t.ARN]
	switch {
	case e != nil && e.life != nil:
		e.life.Want(t.Task)
		l.touch(e)
		l.remind(t, e.life.Published())
	case e != nil:
		l.remind(t, e.end)
	case t.Stopped():
		l.adoptStopped(t, found)
	default:
		l.begin(view, t, found)
	}
}

// remind says again what the store knew once: it was restored from a backup, or what was said is still on its way.
func (l *loop) remind(t model.TaskState, said *model.Observed) {
	if said != nil && (t.Seen == nil || t.Seen.Status.Order() < said.Status.Order()) {
		l.writer.put(said)
	}
}

// begin makes the life of a task.
func (l *loop) begin(view *store.View, t model.TaskState, found []lifecycle.Found) {
	id := model.ShortID(t.ARN)
	if u := l.undefined[id]; u != nil {
		found = u.found
		delete(l.undefined, id)
	}
	def, ok := view.TaskDefinition(t.TaskDefinition)
	switch {
	case ok:
		def = def.With(t.Overrides)
	case t.Desired == model.TaskStopped:
		def = guess(t, found)
	default:
		l.log.Warn("a task waits for its definition", "taskArn", t.ARN, "taskDefinition", t.TaskDefinition)
		l.undefined[id] = &undefined{arn: t.ARN, found: found}
		return
	}
	e := l.enter(t)
	e.def = def
	for i := range found {
		e.know(lifecycle.ID(e.arn, found[i].Name, found[i].Attempt))
	}
	fresh := t.Seen == nil && len(found) == 0
	refused := l.assign(view, e, t, fresh)
	e.life = lifecycle.New(t.Task, def, e.holdings, t.Seen, found, l.now(), l.a.config.Lifecycle)
	if refused != "" {
		e.life.Refuse(refused)
	}
	if l.halting != nil {
		e.life.Halt(l.halting.reason, l.halting.killBy)
	}
	l.touch(e)
}

// guess is what can be said of a definition that is gone: enough to stop the task.
func guess(t model.TaskState, found []lifecycle.Found) *model.TaskDefinition {
	def := &model.TaskDefinition{ARN: t.TaskDefinition}
	add := func(name string) {
		if def.Container(name) == nil {
			def.Containers = append(def.Containers, model.ContainerDefinition{Name: name, Essential: true})
		}
	}
	for i := range found {
		add(found[i].Name)
	}
	if t.Seen != nil {
		for i := range t.Seen.Containers {
			add(t.Seen.Containers[i].Name)
		}
	}
	return def
}

func (l *loop) enter(t model.TaskState) *entry {
	e := &entry{arn: t.ARN, id: model.ShortID(t.ARN), starts: map[string]*start{}}
	e.alarm = newAlarm(func() { l.touch(e) })
	e.guard.alarm = newAlarm(func() { l.secure(e) })
	e.guard.pause = backoff{first: time.Second, last: time.Minute}
	l.tasks[e.arn], l.ids[e.id] = e, e
	l.a.meter.name(e.id, e.arn)
	return e
}

// know notes that the driver may know a container.
func (e *entry) know(id string) {
	if !slices.Contains(e.known, id) {
		e.known = append(e.known, id)
	}
}

// adoptStopped takes over what is left of a task that was over when the agent began. Of one that ended later there is
// an entry already.
func (l *loop) adoptStopped(t model.TaskState, found []lifecycle.Found) {
	if len(found) == 0 {
		return
	}
	e := l.enter(t)
	e.end = t.Seen
	for i := range found {
		id := lifecycle.ID(e.arn, found[i].Name, found[i].Attempt)
		e.know(id)
		if alive(found[i].Status.State) {
			l.reap(id, false)
		}
	}
	l.stopped = append(l.stopped, e)
}

// step lets a life decide, and does what it says.
func (l *loop) step(e *entry) {
	if e.life == nil {
		return
	}
	plan := e.life.Step(l.now())
	for _, a := range plan.Actions {
		l.act(e, a)
	}
	if plan.Seen != nil {
		l.writer.put(plan.Seen)
	}
	l.alarms.set(&e.alarm, plan.Wake)
	if e.life.Ended() && !e.freeing {
		l.vacate(e)
	}
	if e.life.Over() {
		l.pool.Release(e.holdings.Bindings, e.arn, l.now())
	}
}

// wrote notes what is durable by now.
func (l *loop) wrote(done []model.Record) {
	for _, r := range done {
		seen, ok := r.(*model.Observed)
		if !ok || seen.Status != model.TaskStopped {
			continue
		}
		e := l.tasks[seen.Task]
		if e == nil || e.life == nil {
			continue
		}
		e.life, e.def, e.holdings, e.end = nil, nil, lifecycle.Holdings{}, seen
		l.rest(e)
		if l.boxes[e.id] == nil {
			l.unkeep(e.arn)
		}
		l.stopped = append(l.stopped, e)
	}
	l.trim()
}

// rest takes back the alarms of a task of which nothing has to be decided any more.
func (l *loop) rest(e *entry) {
	l.alarms.set(&e.alarm, time.Time{})
	l.alarms.set(&e.guard.alarm, time.Time{})
}

// trim has the driver forget the oldest stopped tasks, if there are too many.
func (l *loop) trim() {
	for len(l.stopped) > l.a.config.KeepStopped {
		l.discard(l.stopped[0])
		l.stopped = l.stopped[1:]
	}
}

// discard forgets a task and has the driver forget its containers.
func (l *loop) discard(e *entry) {
	for _, id := range e.known {
		l.reap(id, true)
	}
	l.rest(e)
	delete(l.tasks, e.arn)
	delete(l.ids, e.id)
	l.a.meter.name(e.id, "")
}

// forget ends a task that the store does not have any more.
func (l *loop) forget(arn string) {
	if u := l.undefined[model.ShortID(arn)]; u != nil {
		for i := range u.found {
			l.reap(lifecycle.ID(arn, u.found[i].Name, u.found[i].Attempt), true)
		}
		delete(l.undefined, model.ShortID(arn))
		l.free(model.ShortID(arn), nil)
	}
	e := l.tasks[arn]
	if e == nil {
		return
	}
	if e.life == nil {
		l.stopped = slices.DeleteFunc(l.stopped, func(x *entry) bool { return x == e })
	} else {
		l.log.Warn("a task that is not over was deleted; what it runs is killed", "taskArn", arn)
		l.pool.Release(e.holdings.Bindings, e.arn, l.now())
		e.life, l.stale = nil, true
		for _, s := range e.starts {
			s.cancel()
		}
		defer l.evict(e)
	}
	l.discard(e)
}
