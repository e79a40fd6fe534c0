package sim

import (
	"math"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// freeFailures is how many rounds of starts may fail before the scheduler pauses.
const freeFailures = 3

// ended counts a task that failed to start, and forgets failures once a task proved itself.
func (c *checker) ended(t *tracked) {
	d, s := t.task.Deployment, t.state()
	if d == "" || !s.Stopped() {
		return
	}
	quick := !s.EverRan() || s.Seen.StoppedAt.Sub(s.Seen.StartedAt) < c.w.timings.QuickExit
	if !quick {
		delete(c.failing, d)
		return
	}
	if t.task.Desired == model.TaskStopped || killed(s) {
		return
	}
	f := c.failing[d]
	if s, ok := c.services[t.task.Service]; f == nil || ok && s.Cause.At.After(f.since) { // its owner begins anew
		f = &failing{since: c.w.now}
		c.failing[d] = f
	}
	f.tasks++
}

func killed(t model.TaskState) bool {
	for _, c := range t.Seen.Containers {
		if c.ExitCode != nil && *c.ExitCode == 137 {
			return true
		}
	}
	return t.Seen.StopCode != model.StopContainerExited && t.EverRan()
}

// backsOff checks that a deployment of which no task works is tried less and less often: a round more each time that the
// pause doubles.
func (c *checker) backsOff(t *model.Task) {
	f, s := c.failing[t.Deployment], c.services[t.Service]
	if f == nil || c.w.faults.Skew > 0 || s.Scheduling == model.Daemon || s.Cause.At.After(f.since) {
		return
	}
	for _, other := range c.tasks {
		if other.task.Deployment == t.Deployment && other.state().Running() &&
			c.w.now.Sub(other.seen.StartedAt) >= c.w.timings.QuickExit {
			delete(c.failing, t.Deployment)
			return
		}
	}
	passed := c.w.now.Sub(f.since)
	doubled := math.Log2(float64(passed)/float64(c.w.timings.ThrottleBase) + 1)
	capped := float64(passed) / float64(c.w.timings.ThrottleCap)
	rounds := freeFailures + 3 + doubled + capped
	most := max(s.DesiredCount, 1) * max(s.MaxPercent, 100) / 100
	if float64(f.tasks) > rounds*float64(max(most, c.widest(t.Deployment))) {
		c.w.fail("back-off", "task %s is started although %d tasks of %s failed in %v", short(t.ARN), f.tasks, t.Deployment, passed)
	}
}

// widest is the most tasks of a deployment that were started at one moment.
func (c *checker) widest(deployment string) int {
	at, most := map[time.Time]int{}, 0
	for _, t := range c.tasks {
		if t.task.Deployment == deployment {
			at[t.task.CreatedAt]++
			most = max(most, at[t.task.CreatedAt])
		}
	}
	return most
}

// starts checks that a container may be started.
func (c *checker) starts(m *machine, t *model.Task, next *container) {
	if t.Machine != m.id {
		c.w.fail("one incarnation", "%s starts task %s of %s", m.id, short(t.ARN), t.Machine)
	}
	if known := c.tasks[t.ARN]; known.state().Stopped() {
		c.w.fail("a stopped task never runs again", "task %s", short(t.ARN))
	}
	for _, other := range m.containers {
		if other.task == next.task && other.name == next.name && other.status.State != driver.Exited {
			c.w.fail("one incarnation", "container %s is started while %s is %s", next.status.ID, other.status.ID, other.status.State)
		}
	}
}

// runs checks that a container may run.
func (c *checker) runs(m *machine, run *container) {
	c.w.tell("  %s: container %s runs", m.id, run.status.ID[:6])
	c.began[run.task] = run
	for _, other := range m.containers {
		if other != run && other.task == run.task && other.name == run.name && other.status.State == driver.Running {
			c.w.fail("one incarnation", "container %s runs beside %s", run.status.ID, other.status.ID)
		}
	}
}

// signalled checks that a container may be asked to stop.
func (c *checker) signalled(m *machine, t *model.Task, to *container) {
	c.w.tell("  %s: SIGTERM for task %s", m.id, short(t.ARN))
	if c.tasks[t.ARN].task.Desired != model.TaskStopped && to != nil && to.status.State == driver.Running {
		c.w.fail("what is wanted runs on", "SIGTERM for task %s, which is wanted", short(t.ARN))
	}
}
