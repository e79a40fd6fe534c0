package sim

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// plan checks what the scheduler decided against what it knew.
func (c *checker) plan(v core.View, in core.Input, plan core.Plan) {
	for i := range plan.Changes {
		change := &plan.Changes[i]
		if n := change.Size() + len(change.Guards); n > store.MaxOps {
			c.w.fail("a change fits a transaction", "%d operations and guards for %s", n, change.Subject)
		}
		if svc, ok := v.Service(change.Subject); ok {
			c.change(v, in.Now, svc, change)
			c.heals(v, svc, change)
		}
	}
	if c.w.taken%16 == 0 {
		c.room(v, in)
	}
}

// room checks that the room that the loop keeps is the one in the view.
func (c *checker) room(v core.View, in core.Input) {
	id := func() [16]byte { return [16]byte{1, 2, 3, 4, 5, 6, 7, 8} }
	in.IDs = id
	kept := core.Step(v, in)
	in.Room = nil
	made := core.Step(v, in)
	if a, b := encoded(kept), encoded(made); a != b {
		c.w.fail("the room is the view's", "in the loop's room: %s\nin a new one: %s", a, b)
	}
}

func encoded(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return string(data)
}

// change checks the percentages of a service, counted anew.
func (c *checker) change(v core.View, now time.Time, svc *model.Service, change *core.Change) {
	alive, healthy := c.count(v, svc, now)
	before, started := healthy, 0
	on := map[string]string{}
	for _, r := range change.Puts {
		t, ok := r.(*model.Task)
		if !ok {
			continue
		}
		known, exists := v.Task(t.ARN)
		switch {
		case !exists:
			started++
			c.placed(v, t)
			c.apart(v, svc, t, on, change)
		case known.Alive() && t.Desired == model.TaskStopped:
			alive--
			c.patient(svc, known, t.Stop, now)
			if c.healthy(v, known, now) {
				healthy--
				c.mayStop(svc, known, now)
			}
		}
	}
	c.within(svc, c.desired(v, svc), counts{alive: alive, started: started, healthy: healthy, before: before})
}

// count counts the tasks of a service that are there, and of them those that are healthy.
func (c *checker) count(v core.View, svc *model.Service, now time.Time) (alive, healthy int) {
	for t := range v.TasksOfService(svc.ARN) {
		if t.Alive() {
			alive++
		}
		if c.healthy(v, t, now) {
			healthy++
		}
	}
	return alive, healthy
}

// mayStop checks that a healthy task may be stopped.
func (c *checker) mayStop(svc *model.Service, t model.TaskState, now time.Time) {
	if t.Protected(now) && svc.Status == model.Active {
		c.w.fail("protection", "task %s is protected until %v and stopped", short(t.ARN), t.ProtectedUntil)
	}
}

// counts are what a change makes of a service's tasks.
type counts struct {
	alive   int // that stay
	started int
	healthy int // that stay
	before  int // healthy before
}

// within checks the percentages of a service.
func (c *checker) within(svc *model.Service, desired int, n counts) {
	if svc.Status == model.Active && n.healthy < n.before && n.healthy*100 < desired*svc.MinHealthy {
		c.w.fail("minimumHealthyPercent", "%d of %d healthy tasks of %s stay; %d%% of %d must", n.healthy, n.before, svc.Name, svc.MinHealthy, desired)
	}
	if n.started == 0 {
		return
	}
	if (n.alive+n.started)*100 > desired*svc.MaxPercent {
		c.w.fail("maximumPercent", "%d tasks of %s are alive, %d more start; %d%% of %d are allowed", n.alive, svc.Name, n.started, svc.MaxPercent, desired)
	}
	if svc.Status != model.Active {
		c.w.fail("no task for the deleted", "%d tasks of %s start", n.started, svc.Name)
	}
}

// desired is how many tasks a service shall have.
func (c *checker) desired(v core.View, svc *model.Service) int {
	if svc.Scheduling != model.Daemon {
		return svc.DesiredCount
	}
	n := 0
	for m := range v.Machines() {
		for i := range v.InstancesOfMachine(m.ID) {
			if i.Status == model.Active || i.Status == model.Draining && lingers(v, svc, i) {
				n++
			}
		}
	}
	return n
}

// lingers says whether a daemon still counts on a draining instance: it is there, and so is a task that it serves.
func lingers(v core.View, daemon *model.Service, i *model.Instance) bool {
	there, serves := false, false
	for t := range v.TasksOnMachine(i.Machine) {
		if t.Instance != i.ARN || t.Service == "" {
			continue
		}
		svc, ok := v.Service(t.Service)
		there = there || t.Service == daemon.ARN && t.Alive()
		serves = serves || ok && svc.Scheduling == model.Replica && !t.Stopped()
	}
	return there && serves
}

// healthy says whether a task counts as healthy.
func (c *checker) healthy(v core.View, t model.TaskState, now time.Time) bool {
	if !t.Running() {
		return false
	}
	def, ok := v.TaskDefinition(t.TaskDefinition)
	checked := ok && slices.ContainsFunc(def.Containers, func(c model.ContainerDefinition) bool { return c.HealthCheck != nil })
	if has, healthy := c.balanced(v, t); has {
		return healthy && (!checked || t.Seen.Health == model.Healthy)
	}
	if checked {
		return t.Seen.Health == model.Healthy
	}
	return !now.Before(t.Seen.StartedAt.Add(c.w.timings.HealthyAfter))
}

// apart checks that distinctInstance holds for a new task. on has the other new ones.
func (c *checker) apart(v core.View, svc *model.Service, t *model.Task, on map[string]string, change *core.Change) {
	if len(svc.Constraints) == 0 || svc.Constraints[0].Type != model.DistinctInstance {
		return
	}
	other := on[t.Instance]
	on[t.Instance] = t.ARN
	for o := range v.TasksOfService(svc.ARN) {
		stops := slices.ContainsFunc(change.Puts, func(r model.Record) bool { return r.Key() == o.Key() })
		if o.Instance == t.Instance && o.Alive() && !stops {
			other = o.ARN
		}
	}
	if other != "" {
		c.w.fail("placement constraints", "tasks %s and %s of %s are both on %s", short(t.ARN), short(other), svc.Name, t.Machine)
	}
}

// placed checks that a new task goes where it may.
func (c *checker) placed(v core.View, t *model.Task) {
	i, ok := v.Instance(t.Instance)
	there := false
	for m := range v.Machines() {
		there = there || m.ID == t.Machine && m.Connected
	}
	if !ok || !there || i.Status != model.Active || i.Machine != t.Machine {
		c.w.fail("placement", "task %s goes to %+v", short(t.ARN), i)
	}
}
