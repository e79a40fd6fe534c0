package lifecycle

import (
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// Options are the delays that the agent, not the task definition, sets.
type Options struct {
	// StopTimeout is how long a container without a stopTimeout has between the stop signal and the kill.
	StopTimeout time.Duration
	// StartLimit is how long a start whose outcome the driver cannot tell is tried again.
	StartLimit time.Duration
	// Settle is how long a passing state (ACTIVATING, a STOPPING that was asked for) must last to be published at all.
	Settle time.Duration
	// ReleaseLimit is how long the end of a task waits for its network interface to be freed.
	ReleaseLimit time.Duration
	// FirstCheck makes health checks begin so soon after a start instead of an interval later. Until that interval is
	// over only successes count. Zero is one interval, as Docker does it.
	FirstCheck time.Duration
}

// DefaultOptions are ECS's delays ("Amazon ECS container agent configuration").
func DefaultOptions() Options {
	return Options{
		StopTimeout: 30 * time.Second, StartLimit: 3 * time.Minute, Settle: time.Second, ReleaseLimit: 30 * time.Second,
	}
}

// Verb is something that the shell of a life has to do.
type Verb string

// The verbs.
const (
	Start  Verb = "start"  // start the attempt; answer with Report, Failed or Unsure
	Cancel Verb = "cancel" // see to it that a start under way leads to nothing; answer with Report, Failed or Unsure
	Signal Verb = "signal" // send the stop signal; answer with Unsent if that fails
	Kill   Verb = "kill"   // kill the attempt; no answer but the report of its end
	Check  Verb = "check"  // run the health check; answer with Checked
	Reap   Verb = "reap"   // kill an attempt that should not be alive, until it is gone; no answer
)

// Action is one thing to do to one attempt of a container.
type Action struct {
	Verb    Verb
	Name    string // of the container
	Attempt int
	Command []string      // of a Check
	Timeout time.Duration // of a Check
}

// Plan is what follows from the facts at a time.
type Plan struct {
	Actions []Action
	// Seen is to be published; nil if there is nothing new to say.
	Seen *model.Observed
	// Wake is when to look again if nothing happens, zero for never.
	Wake time.Time
}

// Found is a container of the task that the driver knows when the life is made.
type Found struct {
	Name    string
	Attempt int
	Status  driver.Status
}

// Holdings is what a task was given of its machine before its first container is started.
type Holdings struct {
	Bindings   map[string][]model.PortBinding `json:"bindings,omitempty"` // host ports by container
	Attachment *model.Attachment              `json:"attachment,omitempty"`
}

// Life is the life of one task. It is not safe for concurrent use.
type Life struct {
	options    Options
	task       *model.Task
	def        *model.TaskDefinition
	holdings   Holdings
	containers []*container

	refused string // why this machine cannot run it
	halt    *halt

	status  model.TaskStatus
	since   time.Time // of status
	started time.Time
	// A stop that was decided is never taken back.
	stopping         bool
	stopped          time.Time
	stoppingAt       time.Time
	executionStopped time.Time
	freed            bool           // its network interface, if it had one
	pullStarted      time.Time      // of the first image that was pulled for it
	pullStopped      time.Time      // of the last one
	code             model.StopCode // of a stop that nobody asked for
	reason           string

	published *model.Observed
	reap      []Action
	plan      Plan // of the step under way
}

// halt is an order to stop what runs because the machine's agent goes away.
type halt struct {
	reason string
	killBy time.Time
}

// New makes the life of a task from all that is known of it: its definition with overrides applied (see TaskDefinition.With), what
// it was given, the last observation that was published (or nil), and what the driver has.
func New(
	task *model.Task, def *model.TaskDefinition, holdings Holdings,
	seen *model.Observed, found []Found, now time.Time, options Options,
) *Life {
	l := &Life{
		options: options, task: task, def: def, holdings: holdings,
		status: model.TaskPending, since: now, published: seen,
	}
	for i := range def.Containers {
		l.containers = append(l.containers, &container{def: &def.Containers[i], needs: needs(&def.Containers[i])})
	}
	if seen != nil {
		l.remember(seen)
	}
	for _, c := range l.containers {
		l.adopt(c, found, now)
	}
	for i := range found {
		if l.container(found[i].Name) == nil {
			l.leftover(found[i].Name, found[i].Attempt, found[i].Status.State)
		}
	}
	return l
}

// remember takes over what was published in an earlier run of the agent.
func (l *Life) remember(seen *model.Observed) {
	l.status = seen.Status
	l.started, l.stoppingAt, l.stopped = seen.StartedAt, seen.StoppingAt, seen.StoppedAt
	l.executionStopped, l.pullStarted, l.pullStopped = seen.ExecutionStoppedAt, seen.PullStartedAt, seen.PullStoppedAt
	l.stopping = seen.Status.Order() >= model.TaskStopping.Order()
	l.code, l.reason = seen.StopCode, seen.StopReason
	for i := range seen.Containers {
		if c := l.container(seen.Containers[i].Name); c != nil {
			c.remembered = &seen.Containers[i]
		}
	}
}

// container finds a container by name, nil if the definition has none.
func (l *Life) container(name string) *container {
	for _, c := range l.containers {
		if c.def.Name == name {
			return c
		}
	}
	return nil
}

// Task is what is wanted.
func (l *Life) Task() *model.Task { return l.task }

// Published is the last observation that a plan gave out, or that the life was made from; nil if there was none.
func (l *Life) Published() *model.Observed { return l.published }

// Over says that the task is STOPPED: nothing of it runs, and nothing ever will.
func (l *Life) Over() bool { return l.status == model.TaskStopped }

// Ended says that all containers are over, and none will ever run again: what they shared can be freed. It is true
// before the task is over when Released has to come first.
func (l *Life) Ended() bool {
	for _, c := range l.containers {
		if c.phase != ended {
			return false
		}
	}
	return true
}

// Released notes that what the containers shared is freed.
func (l *Life) Released() { l.freed = true }

// Peers are the ids of the newest attempts of the containers that have been executed, but for one container, by name.
func (l *Life) Peers(but string) map[string]string {
	var peers map[string]string
	for _, c := range l.containers {
		if c.ran && c.def.Name != but {
			if peers == nil {
				peers = map[string]string{}
			}
			peers[c.def.Name] = ID(l.task.ARN, c.def.Name, c.last)
		}
	}
	return peers
}

// Attempt gives the newest attempt of a container; ok is false if there is no such container or it was never started.
func (l *Life) Attempt(name string) (attempt int, ok bool) {
	c := l.container(name)
	if c == nil || c.began.IsZero() {
		return 0, false
	}
	return c.attempt, true
}

// Live says whether an attempt runs, as far as is known.
func (l *Life) Live(name string, attempt int) bool {
	c := l.container(name)
	return c != nil && c.phase == running && c.attempt == attempt
}

// Want notes what is wanted now. Who shall stop shall never run again; that its targets are drained, or take longer, comes later.
func (l *Life) Want(task *model.Task) {
	if l.task.Desired != model.TaskStopped || task.Desired == model.TaskStopped && (task.Drained || task.DrainBy.After(l.task.DrainBy)) {
		l.task = task
	}
}

// Refuse notes that this machine cannot run the task, and why, in the form of a container's reason.
func (l *Life) Refuse(reason string) { l.refused = reason }

// Halt notes that everything on the machine shall stop, though nobody wants the task STOPPED: at killBy whatever still
// runs is killed, in whatever order. A task that has not begun yet is left for another day.
func (l *Life) Halt(reason string, killBy time.Time) {
	if l.halt == nil || killBy.Before(l.halt.killBy) {
		l.halt = &halt{reason: reason, killBy: killBy}
	}
}

// Step decides what follows from the facts at a time.
func (l *Life) Step(now time.Time) Plan {
	l.plan = Plan{Actions: l.reap}
	l.reap = nil
	if l.Over() {
		return l.plan
	}
	for changed := true; changed; {
		l.plan.Wake = time.Time{}
		l.noteRunning(now)
		l.considerStop(now)
		if l.stopping {
			changed = l.windDown(now)
		} else {
			changed = l.halt == nil && l.startUp(now)
		}
	}
	if !l.stopping && l.halt == nil {
		l.check(now)
	}
	l.advance(now)
	l.publish(now)
	return l.plan
}

// do adds an action to the step's plan.
func (l *Life) do(verb Verb, c *container) {
	l.plan.Actions = append(l.plan.Actions, Action{Verb: verb, Name: c.def.Name, Attempt: c.attempt})
}

// look makes the step's plan wake up at a time.
func (l *Life) look(at time.Time) {
	if l.plan.Wake.IsZero() || at.Before(l.plan.Wake) {
		l.plan.Wake = at
	}
}

// leftover has an attempt killed that should not be alive.
func (l *Life) leftover(name string, attempt int, state driver.State) {
	if state != driver.Exited {
		l.reap = append(l.reap, Action{Verb: Reap, Name: name, Attempt: attempt})
	}
}
