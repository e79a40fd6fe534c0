package engine

import (
	"container/heap"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// dirty is where to look next.
type dirty struct {
	services map[string]struct{}
	tasks    map[string]struct{}
	targets  map[string]struct{}
	machines bool // machines came or went, or clusters did
}

func newDirty() dirty {
	return dirty{services: map[string]struct{}{}, tasks: map[string]struct{}{}, targets: map[string]struct{}{}}
}

func (d *dirty) empty() bool { return len(d.services)+len(d.tasks)+len(d.targets) == 0 }

func (d *dirty) add(services ...string) {
	for _, s := range services {
		d.services[s] = struct{}{}
	}
}

// again marks what a refused change was about, or what is to be looked at now.
func (d *dirty) again(subject string) {
	switch {
	case strings.Contains(subject, ":targetgroup/"):
		d.targets[subject] = struct{}{}
	case strings.Contains(subject, ":task/"):
		d.tasks[subject] = struct{}{}
	default:
		d.services[subject] = struct{}{}
	}
}

func (d *dirty) put(rest core.Dirty) {
	d.add(rest.Services...)
	for _, t := range rest.Tasks {
		d.tasks[t] = struct{}{}
	}
	for _, t := range rest.Targets {
		d.targets[t] = struct{}{}
	}
}

// take empties it.
func (d *dirty) take() core.Dirty {
	out := core.Dirty{Services: keys(d.services), Tasks: keys(d.tasks), Targets: keys(d.targets)}
	clear(d.services)
	clear(d.tasks)
	clear(d.targets)
	return out
}

func keys(m map[string]struct{}) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// everything marks all there is.
func (l *Loop) everything(v *store.View) {
	for s := range v.AllServices() {
		if s.Status != model.Inactive {
			l.dirty.add(s.ARN)
			l.followed(v, s)
		}
	}
	for t := range v.Tasks() {
		if t.Service == "" && unnoticed(t) {
			l.dirty.tasks[t.ARN] = struct{}{}
		}
	}
	for t := range v.Targets("") {
		l.byHand(t)
	}
	l.dirty.machines = true
	l.room = nil
}

// unnoticed says that a task ended by itself and nobody has taken note.
func unnoticed(t model.TaskState) bool { return t.Stopped() && t.Desired == model.TaskRunning }

// mark says where to look because of changes, and keeps the room in step with them.
func (l *Loop) mark(v *store.View, changes []store.Changed, now time.Time) {
	moved := false
	for _, c := range changes {
		switch after := c.After.(type) {
		case *model.Service:
			l.dirty.add(after.ARN)
		case *model.Deployment:
			l.dirty.add(after.Service)
			l.follows(v, after)
		case *model.AlarmState:
			l.alarmed(v, after)
		case *model.Cluster:
			l.dirty.machines = true
		}
		l.markTarget(v, c)
		switch c.Key.Kind {
		case model.KindTask, model.KindObserved:
			l.markTask(v, c.Key)
		case model.KindMachine:
			if !l.heartbeat(c, now) {
				l.dirty.machines, moved = true, true
			}
		case model.KindInstance:
			moved = true
		}
	}
	if moved {
		l.moved(v)
	}
}

// followed notes which alarms the newest deployment of a service follows.
func (l *Loop) followed(v *store.View, s *model.Service) {
	if d, ok := v.Deployment(s.ARN, s.Primary); ok {
		l.follows(v, d)
	}
}

// follows notes which alarms a deployment follows while it is under way.
func (l *Loop) follows(v *store.View, d *model.Deployment) {
	s, ok := v.Service(d.Service)
	if !ok || !following(s, d) {
		return
	}
	for _, name := range d.Monitors.Alarms.Names {
		path := model.AlarmPath(s.Region, name)
		if l.follow[path] == nil {
			l.follow[path] = map[string]bool{}
		}
		l.follow[path][d.Service] = true
	}
}

func following(s *model.Service, d *model.Deployment) bool {
	return d.ID == s.Primary && d.Rollout == model.RolloutInProgress && d.Monitors.Alarms != nil
}

// alarmed marks the services whose deployments follow an alarm that changed, and forgets those that do not any more.
func (l *Loop) alarmed(v *store.View, a *model.AlarmState) {
	for service := range l.follow[a.Alarm] {
		s, ok := v.Service(service)
		var d *model.Deployment
		if ok {
			d, ok = v.Deployment(service, s.Primary)
		}
		if !ok || !following(s, d) {
			delete(l.follow[a.Alarm], service)
			continue
		}
		l.dirty.add(service)
	}
	if len(l.follow[a.Alarm]) == 0 {
		delete(l.follow, a.Alarm)
	}
}

// markTarget marks the service of a target that came, went, or is seen otherwise; of all targets, when a balancer came or
// went.
func (l *Loop) markTarget(v *store.View, c store.Changed) {
	if c.Key.Kind == model.KindBalancer && connected(c.Before) != connected(c.After) {
		for t := range v.Targets("") {
			l.targetOf(t.Service)
		}
	}
	for _, r := range []model.Record{c.Before, c.After} {
		switch r := r.(type) {
		case *model.Target:
			l.targetOf(r.Service)
			l.byHand(r)
		case *model.TargetHealth:
			l.targetOf(r.Service)
		}
	}
}

// byHand marks a target that is being deregistered and that no service keeps.
func (l *Loop) byHand(t *model.Target) {
	if t.Service == "" && t.Draining() {
		l.dirty.targets[t.Path()] = struct{}{}
	}
}

func (l *Loop) targetOf(service string) {
	if service != "" {
		l.dirty.add(service)
	}
}

// connected says that a record is of a balancer that serves.
func connected(r model.Record) bool {
	b, ok := r.(*model.Balancer)
	return ok && b.Connected
}

// heartbeat says that a machine's change is none that anybody decides by: it was there before, and is the same.
func (l *Loop) heartbeat(c store.Changed, now time.Time) bool {
	before, _ := c.Before.(*model.Machine)
	after, _ := c.After.(*model.Machine)
	return before != nil && after != nil && sameMachine(before, after) && l.connected(before, now) == l.connected(after, now)
}

func sameMachine(a, b *model.Machine) bool {
	return a.Connected == b.Connected && a.Address == b.Address && a.JoinedAt.Equal(b.JoinedAt) && a.Driver == b.Driver && a.Capacity.CPU == b.Capacity.CPU &&
		a.Capacity.Memory == b.Capacity.Memory && a.Capacity.GPUs == b.Capacity.GPUs &&
		slices.Equal(a.Clusters, b.Clusters) && slices.Equal(a.Capacity.Ports, b.Capacity.Ports) &&
		slices.Equal(a.Capacity.UDPPorts, b.Capacity.UDPPorts) && sameAttributes(a.Attributes, b.Attributes)
}

func sameAttributes(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

// moved is for machines and container instances that came, went or changed: daemons and drained services are concerned,
// and every service that waits for room.
func (l *Loop) moved(v *store.View) {
	l.room = nil
	for s := range v.AllServices() {
		if s.Status != model.Inactive {
			l.dirty.add(s.ARN)
		}
	}
}

// markTask marks whose task it is, and those that may now find room.
func (l *Loop) markTask(v *store.View, key model.Key) {
	_, task, _ := strings.Cut(key.Path, "/")
	after, ok := v.Task(task)
	l.replace(task, after, ok)
	if !ok {
		return
	}
	if after.Service != "" {
		l.dirty.add(after.Service)
	} else if unnoticed(after) {
		l.dirty.tasks[after.ARN] = struct{}{}
	}
	if after.Stopped() {
		for s := range l.waiting {
			l.dirty.add(s)
		}
		clear(l.waiting)
		l.left(v, after)
	}
}

// left marks the daemons of a draining instance when another task has left it: they go last.
func (l *Loop) left(v *store.View, t model.TaskState) {
	if i, ok := v.Instance(t.Instance); !ok || i.Status != model.Draining {
		return
	}
	for other := range v.TasksOnMachine(t.Machine) {
		if other.Service != "" && other.Service != t.Service && other.Alive() {
			l.dirty.add(other.Service)
		}
	}
}

// replace puts the new state of a task into the room in place of the old one.
func (l *Loop) replace(task string, after model.TaskState, exists bool) {
	if l.room == nil {
		return
	}
	exists = exists && !after.Stopped()
	before, known := l.placed[task]
	if known && exists && before.Alive() == after.Alive() {
		return // it takes and counts as before
	}
	if known {
		l.room.Remove(before)
		delete(l.placed, task)
	}
	if exists {
		l.room.Add(after)
		l.placed[task] = after
	}
}

// wakes is when to look at services and targets although nothing changed: one heap, no timer of their own.
type wakes struct {
	at   map[string]time.Time
	heap wakeHeap
}

func newWakes() wakes { return wakes{at: map[string]time.Time{}} }

// set replaces the wake of a subject.
func (w *wakes) set(subject string, at time.Time) {
	if old, ok := w.at[subject]; ok && old.Equal(at) {
		return
	}
	w.at[subject] = at
	heap.Push(&w.heap, core.Wake{Subject: subject, At: at})
}

// next is the earliest wake, zero if there is none.
func (w *wakes) next() time.Time {
	for len(w.heap) > 0 && !w.at[w.heap[0].Subject].Equal(w.heap[0].At) {
		heap.Pop(&w.heap) // replaced by another
	}
	if len(w.heap) == 0 {
		return time.Time{}
	}
	return w.heap[0].At
}

// due takes the subjects whose time has come.
func (w *wakes) due(now time.Time) []string {
	var due []string
	for at := w.next(); !at.IsZero() && !now.Before(at); at = w.next() {
		wake := heap.Pop(&w.heap).(core.Wake)
		delete(w.at, wake.Subject)
		due = append(due, wake.Subject)
	}
	return due
}

type wakeHeap []core.Wake

func (h wakeHeap) Len() int           { return len(h) }
func (h wakeHeap) Less(i, j int) bool { return h[i].At.Before(h[j].At) }
func (h wakeHeap) Swap(i, j int)      { h[i], h[j] = h[j], h[i] }
func (h *wakeHeap) Push(x any)        { *h = append(*h, x.(core.Wake)) }
func (h *wakeHeap) Pop() any {
	last := len(*h) - 1
	x := (*h)[last]
	*h = (*h)[:last]
	return x
}
