// Package core decides. Step looks at the state of the world and says what is to be written next, so that services get
// the tasks that they shall have; nothing here acts, waits, or knows what time it is unless it is told.
//
// The contract: a View is an immutable snapshot; Dirty says where to look, never what to do; now and ids come from
// outside; a Plan is data. The same view, dirty, now and ids give the same plan, byte for byte. There is no "start
// container": starting is the write of a task whose desired status is RUNNING, and agents follow the store. Deadlines
// are fields of records, so that a new leader loses none.
package core

import (
	"iter"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/core/reconcile"
	"github.com/maitred/maitred/internal/model"
)

// View is what a decision sees: an immutable snapshot. Sequences are ordered and always the same.
type View interface {
	Cluster(arn string) (*model.Cluster, bool)
	Service(arn string) (*model.Service, bool)
	ServiceState(arn string) (*model.ServiceState, bool)
	TaskDefinition(arn string) (*model.TaskDefinition, bool)
	Deployments(service string) iter.Seq[*model.Deployment]
	Task(arn string) (model.TaskState, bool)
	TasksOfService(service string) iter.Seq[model.TaskState]
	TasksOnMachine(id string) iter.Seq[model.TaskState]
	Tasks() iter.Seq[model.TaskState]
	Instance(arn string) (*model.Instance, bool)
	InstancesOfMachine(id string) iter.Seq[*model.Instance]
	Machine(id string) (*model.Machine, bool)
	Machines() iter.Seq[*model.Machine]
	TargetGroup(arn string) (*model.TargetGroup, bool)
	Target(path string) (*model.Target, bool)
	TargetsOfService(service string) iter.Seq[*model.Target]
	TargetHealths(target string) iter.Seq[*model.TargetHealth]
	Balancers() iter.Seq[*model.Balancer]
	AlarmState(path string) (*model.AlarmState, bool)
}

// Input is what a step is told beside the view.
type Input struct {
	Dirty   Dirty
	Now     time.Time
	IDs     arn.IDs
	Timings model.Timings
	// Refuse says why a machine's driver cannot run a task definition, "" if it can.
	Refuse func(*model.Machine, *model.TaskDefinition) string
	// Room gives the room in the view, if the caller keeps one; it is asked for only if it is needed, and left as it was.
	// nil: the step makes its own.
	Room func() *place.Room
}

// Dirty says where to look. Order does not matter; a step handles it sorted.
type Dirty struct {
	Services []string // ARNs
	Tasks    []string // ARNs of standalone tasks
	Targets  []string // paths of targets that no service keeps
}

// Plan is what a step decided.
type Plan struct {
	Changes []Change
	Wakes   []Wake   // when something must be looked at again although nothing changed
	Waiting []string // services that found no room: look again when a machine has some
	Rest    Dirty    // what was left for the next step, because this plan is large enough
}

// Change is what is written for one service, task or target, all or nothing. Each put and delete is guarded by the version that
// the view has of it, and so is each of Guards. Touches are not: they mark the machines on which the change places tasks,
// for those who place tasks outside the scheduler.
type Change struct {
	Subject string // ARN, of a target the path
	Puts    []model.Record
	Deletes []model.Key
	Touches []model.Record
	Guards  []model.Key
}

// Size is how many operations the change has.
func (c Change) Size() int { return len(c.Puts) + len(c.Deletes) + len(c.Touches) }

// Wake says what is to be looked at, and when.
type Wake struct {
	Subject string // as of a change
	At      time.Time
}

// The bounds of a step. One change fits a transaction of 126 guarded records: at most maxMoves tasks end, stop and start
// on as many machines, which get a mark, each of those that stop has an event, which drives an old one out, and few
// events and deployments come to that. A plan ends when it has so many writes, so that others get their turn.
const (
	maxMoves  = 14   // tasks of one service that start, that stop, and whose ends are noted, in one step; fewer with targets
	maxWrites = 4096 // records of one plan
)

// Step decides what is to be written next for all that is dirty.
func Step(v View, in Input) Plan {
	s := &step{View: v, in: in, throttle: throttle(in.Timings), states: map[string]model.Status{}}
	defer s.leave()
	writes := 0
	services := sorted(in.Dirty.Services)
	for i, service := range services {
		if writes >= maxWrites {
			s.plan.Rest.Services = services[i:]
			break
		}
		if c := s.service(service); c.Size() > 0 {
			c.Touches = s.marks(&c)
			s.plan.Changes = append(s.plan.Changes, c)
			writes += c.Size()
		}
	}
	for _, task := range sorted(in.Dirty.Tasks) {
		if c := s.standalone(task); c.Size() > 0 {
			s.plan.Changes = append(s.plan.Changes, c)
		}
	}
	for _, path := range sorted(in.Dirty.Targets) {
		if c := s.byHand(path); c.Size() > 0 {
			s.plan.Changes = append(s.plan.Changes, c)
		}
	}
	return s.plan
}

// marks are the placement marks of the machines on which a change places tasks, in the order of the tasks.
func (s *step) marks(c *Change) []model.Record {
	var marks []model.Record
	marked := map[string]bool{}
	for _, r := range c.Puts {
		t, ok := r.(*model.Task)
		if !ok || marked[t.Machine] {
			continue
		}
		if _, exists := s.Task(t.ARN); !exists {
			marks = append(marks, &model.Placement{Machine: t.Machine})
			marked[t.Machine] = true
		}
	}
	return marks
}

// step is one run of Step: what it looks at, and the plan as far as it got.
type step struct {
	View
	in       Input
	plan     Plan
	throttle reconcile.Throttle
	made     *place.Room
	states   map[string]model.Status // of the container instances that were looked at; INACTIVE for one that is gone
	undo     []func()                // gives back what was taken in the room
}

// failuresFree is how many rounds of starts in a row may fail before the scheduler begins to pause.
const failuresFree = 3

func throttle(t model.Timings) reconcile.Throttle {
	return reconcile.Throttle{Free: failuresFree, Base: t.ThrottleBase, Cap: t.ThrottleCap, Quick: t.QuickExit}
}

// standalone takes note of the end of a task that no service keeps.
func (s *step) standalone(task string) Change {
	c := Change{Subject: task}
	if t, ok := s.Task(task); ok && t.Service == "" && t.Stopped() && t.Desired == model.TaskRunning {
		c.Puts = append(c.Puts, ended(t))
	}
	return c
}

// byHand removes a target that somebody registered and deregistered when its deregistration delay is over: until then it
// is draining, although nothing may be in flight any more ("DeregisterTargets").
func (s *step) byHand(path string) Change {
	c := Change{Subject: path}
	t, ok := s.Target(path)
	switch {
	case !ok || t.Service != "" || !t.Draining():
	case s.in.Now.Before(t.DrainBy):
		s.plan.Wakes = append(s.plan.Wakes, Wake{path, t.DrainBy})
	default:
		c.Deletes = append(c.Deletes, t.Key())
	}
	return c
}
