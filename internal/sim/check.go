package sim

import (
	"slices"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// checker knows the invariants. It keeps its own picture of the world, from the transactions that were carried out.
type checker struct {
	w        *world
	tasks    map[string]*tracked // by ARN
	machines map[string]*model.Machine
	services map[string]*model.Service
	defs     map[string]*model.TaskDefinition
	events   map[string][]int // the numbers that are kept, by service
	failing  map[string]*failing
	acted    time.Time // when the scheduler last wrote something
	live     map[string]*container
	targets  map[string]*knownTarget // by path
	began    map[string]*container   // the last one that ran, by task
	atRest   bool                    // all is as it shall be

	deployments map[string]*model.Deployment // by id
	unstarted   map[string]*unstarted        // by deployment
}

// tracked is a task as it is written.
type tracked struct {
	task *model.Task
	seen *model.Observed
}

func (t *tracked) state() model.TaskState { return model.TaskState{Task: t.task, Seen: t.seen} }

// failing counts the tasks of a deployment that failed to start since one last did not.
type failing struct {
	tasks int
	since time.Time
}

func newChecker(w *world) *checker {
	return &checker{
		w: w, tasks: map[string]*tracked{}, machines: map[string]*model.Machine{}, services: map[string]*model.Service{},
		defs: map[string]*model.TaskDefinition{}, events: map[string][]int{}, failing: map[string]*failing{},
		live: map[string]*container{}, targets: map[string]*knownTarget{}, began: map[string]*container{},
		deployments: map[string]*model.Deployment{}, unstarted: map[string]*unstarted{},
	}
}

// committed checks a transaction that was carried out.
func (c *checker) committed(txn *store.Txn, by actor) { //nolint:gocyclo // one case for each kind of record
	scheduler := by.server != nil && !by.api && !by.scaler
	if scheduler {
		c.acted = c.w.now
		if txn.Fence == nil || txn.Fence.Term != c.w.backend.term {
			c.w.fail("only the leader schedules", "server %d writes %v", by.server.id, txn.Puts[0].Key)
		}
	}
	started := map[string]int{}
	for i := range txn.Puts {
		switch r := txn.Puts[i].Record.(type) {
		case *model.Task:
			c.wrote(r, by, scheduler, started)
		case *model.Observed:
			c.observed(r, by)
		case *model.ServiceEvent:
			c.said(r)
		case *model.Service:
			if by.scaler {
				c.scaled(r)
			}
			c.services[r.ARN] = r
		case *model.Machine:
			c.machines[r.ID] = r
		case *model.TaskDefinition:
			c.defs[r.ARN] = r
		case *model.Target:
			c.complete(&r.Cause, "target %s", r.Path())
			c.targeted(r)
		case *model.TargetHealth:
			c.judgedBy(r, by)
		case *model.Instance:
			c.complete(&r.Cause, "container instance %s", r.ARN)
		case *model.Deployment:
			c.rolled(r)
		}
	}
	for _, k := range txn.Deletes {
		c.deleted(k)
	}
	c.atMost(started)
}

func (c *checker) complete(cause *model.Cause, what string, args ...any) {
	if !cause.Complete() {
		c.w.fail("every change has a cause", what+": %+v", append(args, cause.Chain())...)
	}
}

// wrote checks a task that was written.
func (c *checker) wrote(t *model.Task, by actor, scheduler bool, started map[string]int) {
	if by.machine != nil {
		c.w.fail("one writer per key", "the agent of %s writes task %s", by.machine.id, short(t.ARN))
	}
	before := c.tasks[t.ARN]
	if before == nil || before.task == nil {
		c.complete(&t.Start, "task %s starts", short(t.ARN))
		c.begins(t, scheduler, started)
		return
	}
	old := before.task
	if t.Desired != old.Desired {
		if old.Desired != model.TaskRunning {
			c.w.fail("states move forward", "task %s is wanted %s after %s", short(t.ARN), t.Desired, old.Desired)
		}
		c.w.tell("  task %s of %s on %s is wanted %s: %s %s", short(t.ARN), t.Group, t.Machine, t.Desired, t.StopCode, t.Stop.Detail)
		if t.Stop == nil {
			c.w.fail("every change has a cause", "task %s stops", short(t.ARN))
		}
		c.complete(t.Stop, "task %s stops", short(t.ARN))
	}
	if t.Machine != old.Machine || t.Deployment != old.Deployment || t.TaskDefinition != old.TaskDefinition || t.Service != old.Service {
		c.w.fail("a task stays what it is", "task %s: %+v was %+v", short(t.ARN), t, old)
	}
	before.task = t
}

// begins checks a new task.
func (c *checker) begins(t *model.Task, scheduler bool, started map[string]int) {
	c.w.tell("  task %s of %s starts on %s: %s %s", short(t.ARN), t.Group, t.Machine, t.Start.Kind, t.Start.Detail)
	c.tasks[t.ARN] = &tracked{task: t}
	if t.Service != "" {
		if !scheduler {
			c.w.fail("one writer per key", "somebody else starts task %s of %s", short(t.ARN), t.Group)
		}
		started[t.Service]++
		c.backsOff(t)
		c.ends(t)
	}
	c.roomOn(t)
}

// roomOn checks that the tasks on a machine do not take more than there is.
func (c *checker) roomOn(t *model.Task) {
	capacity := c.machines[t.Machine].Capacity
	for _, other := range c.tasks {
		if o := other.task; o.Machine == t.Machine && !other.state().Stopped() {
			capacity.CPU -= o.Reserved.CPU
			capacity.Memory -= o.Reserved.Memory
			for _, port := range o.Reserved.Ports {
				if slices.Contains(t.Reserved.Ports, port) && o.ARN != t.ARN {
					c.w.fail("one task for a host port", "tasks %s and %s on port %d of %s", short(o.ARN), short(t.ARN), port, t.Machine)
				}
			}
		}
	}
	if capacity.CPU < 0 || capacity.Memory < 0 {
		c.w.fail("no more than there is", "with task %s, %d CPU units and %d MiB are left on %s", short(t.ARN), capacity.CPU, capacity.Memory, t.Machine)
	}
}

// atMost checks the upper bound of the services of which tasks were started, on what is really there.
func (c *checker) atMost(started map[string]int) {
	for arn, n := range started {
		s := c.services[arn]
		if s.Scheduling == model.Daemon {
			continue // its desired count depends on what the scheduler knew, see plan
		}
		alive := 0
		for _, t := range c.tasks {
			if t.task.Service == arn && t.state().Alive() {
				alive++
			}
		}
		if alive*100 > s.DesiredCount*s.MaxPercent {
			c.w.fail("maximumPercent", "%d tasks of %s are alive, %d more than before; %d%% of %d are allowed", alive, s.Name, n, s.MaxPercent, s.DesiredCount)
		}
	}
}

// observed checks what an agent wrote.
func (c *checker) observed(o *model.Observed, by actor) {
	if by.machine == nil || by.machine.id != o.Machine {
		c.w.fail("one writer per key", "an observation of task %s on %s", short(o.Task), o.Machine)
	}
	t := c.tasks[o.Task]
	if t == nil {
		return
	}
	if t.seen != nil {
		if o.Status.Order() < t.seen.Status.Order() {
			c.w.fail("states move forward", "task %s is %s after %s", short(o.Task), o.Status, t.seen.Status)
		}
		if !t.seen.StartedAt.IsZero() && !o.StartedAt.Equal(t.seen.StartedAt) {
			c.w.fail("a task starts once", "task %s started at %v, and at %v", short(o.Task), t.seen.StartedAt, o.StartedAt)
		}
	}
	if o.Status == model.TaskRunning && (t.seen == nil || t.seen.Status != o.Status) {
		c.w.people.hasty(o.Task)
	}
	if t.seen == nil || t.seen.Status != o.Status || t.seen.Health != o.Health {
		c.w.tell("  task %s of %s on %s is %s %s %s", short(o.Task), t.task.Group, o.Machine, o.Status, o.Health, o.StopReason)
	}
	t.seen = o
	c.ended(t)
	c.counts(t)
}

// said checks the numbers of events.
func (c *checker) said(e *model.ServiceEvent) {
	c.w.tell("  %s", e.Message)
	numbers := c.events[e.Service]
	if n := len(numbers); n > 0 && e.Number != numbers[n-1]+1 {
		c.w.fail("events are numbered", "event %d of %s comes after event %d", e.Number, e.Service, numbers[n-1])
	}
	c.events[e.Service] = append(numbers, e.Number)
}

func (c *checker) deleted(k model.Key) {
	if t := c.targets[k.Path]; k.Kind == model.KindTarget && t != nil {
		c.w.tell("  target %s is removed", shortPath(k.Path))
		t.gone = true
		c.removed(t)
	}
	if k.Kind == model.KindTask {
		c.w.fail("nothing is lost", "%v is deleted before its time", k)
	}
}
