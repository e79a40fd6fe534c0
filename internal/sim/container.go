package sim

import (
	"cmp"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// program is how the containers of a task definition behave.
type program struct {
	name       string
	family     string
	startsIn   time.Duration // at most
	cannot     bool          // be started
	runs       time.Duration // then it exits by itself; 0: for ever
	sick       bool          // fails its health checks
	recovers   bool          // is sick at first
	unready    bool          // fails the checks of load balancers
	deaf       bool          // to the stop signal
	stopsIn    time.Duration // at most
	standalone bool
}

// broken says that a service of it never gets steady.
func (p *program) broken() bool { return p.cannot || p.runs > 0 || p.sick || p.unready }

// container is one attempt of a container, as the driver knows it.
type container struct {
	task     string
	name     string
	attempt  int
	program  *program
	status   driver.Status
	canceled bool

	sickUntil time.Time // fails the checks of load balancers until then
	ours      bool      // it was asked to end
	forsaken  bool      // and that when no scheduler had come in time
}

// knows says whether the driver has a container of a task.
func (m *machine) knows(task string) bool {
	for _, c := range m.containers {
		if c.task == task {
			return true
		}
	}
	return false
}

// found lists the containers of a task that the driver knows.
func (m *machine) found(task string) []lifecycle.Found {
	var found []lifecycle.Found
	for _, c := range m.containers {
		if c.task == task {
			found = append(found, lifecycle.Found{Name: c.name, Attempt: c.attempt, Status: c.status})
		}
	}
	slices.SortFunc(found, func(a, b lifecycle.Found) int { return cmp.Compare(a.Attempt, b.Attempt) })
	return found
}

// act carries out what a life wants.
func (m *machine) act(task *model.Task, a lifecycle.Action) {
	id := lifecycle.ID(task.ARN, a.Name, a.Attempt)
	c := m.containers[id]
	switch a.Verb {
	case lifecycle.Start:
		m.startContainer(task, a, id)
	case lifecycle.Cancel:
		m.cancel(task.ARN, a, c)
	case lifecycle.Signal:
		m.w.check.signalled(m, task, c)
		m.asked(task.ARN, c)
		switch {
		case c == nil:
		case !m.w.calm && m.w.chance(0.05):
			m.answer(task.ARN, time.Second, func(l *life) { l.Unsent(a.Name, a.Attempt, m.w.now) })
		case !c.program.deaf:
			m.exit(c, m.w.between(10*time.Millisecond, c.program.stopsIn), 143)
		}
	case lifecycle.Kill, lifecycle.Reap:
		m.asked(task.ARN, c)
		if c != nil {
			m.exit(c, m.w.between(time.Millisecond, 100*time.Millisecond), 137)
		}
	case lifecycle.Check:
		m.checkHealth(task.ARN, a, c)
	}
}

// asked notes that a container was asked to end, and has it checked that it may be.
func (m *machine) asked(task string, c *container) {
	if c == nil || c.status.State != driver.Running {
		return
	}
	m.w.check.maySignal(task, c)
	c.ours = true
}

// answer lets a life know something, if the agent still runs then.
func (m *machine) answer(task string, d time.Duration, tell func(*life)) {
	m.later(d, func() {
		if l := m.tasks[task]; l != nil {
			tell(l)
			m.step(task)
		}
	})
}

// startContainer starts an attempt, which takes its time. It may go on although nobody waits for it any more.
func (m *machine) startContainer(task *model.Task, a lifecycle.Action, id string) {
	w := m.w
	if c := m.containers[id]; c != nil { // asked again
		m.report(c)
		return
	}
	p := w.people.programs[task.TaskDefinition]
	c := &container{task: task.ARN, name: a.Name, attempt: a.Attempt, program: p}
	c.status = driver.Status{ID: id, State: driver.Starting}
	w.check.starts(m, task, c)
	m.containers[id] = c
	if !w.calm && w.chance(w.faults.Broken*0.1) {
		m.answer(task.ARN, time.Second, func(l *life) {
			l.Unsure(a.Name, a.Attempt, "CannotStartContainerError: the driver does not answer", w.now)
		})
	}
	w.after(w.between(20*time.Millisecond, p.startsIn), func() {
		if m.containers[id] != c || c.canceled {
			return
		}
		if p.cannot {
			delete(m.containers, id)
			m.failed(c, "CannotStartContainerError: no such file")
			return
		}
		m.run(c)
	})
}

func (m *machine) failed(c *container, reason string) {
	if l := m.tasks[c.task]; l != nil && m.store != nil {
		l.Failed(c.name, c.attempt, reason)
		m.step(c.task)
	}
}

func (m *machine) run(c *container) {
	w := m.w
	c.status.State, c.status.StartedAt, c.status.RuntimeID = driver.Running, w.now, "pid"
	w.check.runs(m, c)
	w.listens(c)
	m.report(c)
	if c.program.runs > 0 {
		m.exit(c, w.between(0, c.program.runs), 1)
	} else if !w.calm && w.chance(w.faults.Exits) {
		m.exit(c, w.between(0, time.Minute), 137)
	}
}

// report is the driver's stream of changes.
func (m *machine) report(c *container) {
	if l := m.tasks[c.task]; l != nil && m.store != nil && c.status.State != driver.Starting {
		l.Report(c.name, c.attempt, &c.status, m.w.now)
		m.step(c.task)
	}
}

// exit ends a container after a while, unless something else has ended it by then.
func (m *machine) exit(c *container, d time.Duration, code int) {
	m.w.after(d, func() {
		if m.containers[c.status.ID] != c || c.status.State == driver.Exited {
			return
		}
		c.canceled = true
		c.status.State, c.status.ExitedAt, c.status.ExitCode = driver.Exited, m.w.now, &code
		m.w.hangsUp(c, c.ours)
		m.report(c)
	})
}

// cancel sees to it that a start leads to nothing.
func (m *machine) cancel(task string, a lifecycle.Action, c *container) {
	switch {
	case c == nil:
		m.answer(task, 0, func(l *life) { l.Failed(a.Name, a.Attempt, "") })
	case c.status.State == driver.Starting:
		c.canceled = true
		delete(m.containers, c.status.ID)
		m.answer(task, 10*time.Millisecond, func(l *life) { l.Failed(a.Name, a.Attempt, "") })
	case c.status.State == driver.Running:
		m.asked(task, c)
		m.exit(c, 10*time.Millisecond, 137)
	default:
		m.answer(task, 0, func(l *life) { l.Report(a.Name, a.Attempt, &c.status, m.w.now) })
	}
}

func (m *machine) checkHealth(task string, a lifecycle.Action, c *container) {
	r := lifecycle.Result{ExitCode: 1, Output: "no"}
	if c != nil && c.status.State == driver.Running {
		p := c.program
		young := m.w.now.Sub(c.status.StartedAt) < 30*time.Second
		if !p.sick && (!p.recovers || !young || m.w.calm) {
			r = lifecycle.Result{}
		}
	}
	m.answer(task, 50*time.Millisecond, func(l *life) { l.Checked(a.Name, a.Attempt, r, m.w.now) })
}
