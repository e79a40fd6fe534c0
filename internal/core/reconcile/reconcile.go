// Package reconcile compares the tasks that a service has with those that it shall have: it sorts them into those that
// stay and those that go, tells who is healthy, and says which ones stop first. It is pure; how many may stop and start
// is the business of package rollout, and where they start that of package place.
package reconcile

import (
	"cmp"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Situation is all that there is to know of a service at one moment.
type Situation struct {
	Service *model.Service
	Desired int                 // how many tasks it shall have
	Primary *model.Deployment   // the one to be rolled out, or the last one that was
	Older   []*model.Deployment // those it replaces, while they may have tasks
	// Tasks are the service's, without those that were asked to stop and have ended. Sort puts them in order.
	Tasks []model.TaskState
	// Leaves says that tasks shall leave an instance: it is draining or gone, or it does not match a daemon.
	Leaves func(instance string) bool
	// Gone says that an instance was deregistered: what happens there is not followed any more.
	Gone func(instance string) bool
	// Checked says whether the health of a task definition's containers is checked.
	Checked func(taskDefinition string) bool
	// Targets is the health of a task as its load balancers see it, "" for a task that has none.
	Targets func(t model.TaskState) model.Health
	// HealthyAfter is how long a task without any check must run to count as healthy.
	HealthyAfter time.Duration
	// Tries is how many tasks of an older deployment may fail in a row before it is not owed anything any more.
	Tries int
	Now   time.Time
}

// Pool is a service's tasks, sorted by what is to be done with them. Each list is ordered by creation, then ARN.
type Pool struct {
	Ended []model.TaskState // ended by themselves; nobody has taken note yet
	Fresh Group             // shall stay
	Stale Group             // shall go: of an older deployment, or on a machine that they must leave
	Lost  []Lost            // what older deployments lost and are still owed

	Leaving      int       // asked to stop, not yet ended
	StaleRunning int       // stale ones whose containers still run, asked to stop or not
	Wake         time.Time // when the passing of time alone changes this picture; zero for never
}

// Group is alive tasks by health.
type Group struct {
	Surplus   []model.TaskState // stale ones that do not run yet and are not owed
	Unproved  []model.TaskState // stale ones that run, not healthy yet, of a deployment that never was either
	Pending   []model.TaskState // not RUNNING yet
	Unready   []model.TaskState // RUNNING, neither healthy nor unhealthy yet
	Healthy   []model.TaskState // counts as healthy, see TaskState.HealthyAt
	Unhealthy []model.TaskState // failed its checks and is past the grace period
}

// Alive is how many tasks the group has.
func (g *Group) Alive() int {
	return len(g.Surplus) + len(g.Unproved) + len(g.Pending) + len(g.Unready) + len(g.Healthy) + len(g.Unhealthy)
}

// All lists the group's tasks.
func (g *Group) All() []model.TaskState {
	return slices.Concat(g.Surplus, g.Unproved, g.Pending, g.Unready, g.Healthy, g.Unhealthy)
}

// Lost is how many tasks an older deployment lost.
type Lost struct {
	Deployment *model.Deployment
	Count      int
}

// Sort sorts a service's tasks.
func Sort(s Situation) Pool {
	p := Pool{}
	alive := map[string]int{} // by older deployment
	slices.SortFunc(s.Tasks, byCreation)
	for _, t := range s.Tasks {
		stale := t.Deployment != s.Primary.ID || s.Leaves(t.Instance)
		switch {
		case t.Desired == model.TaskStopped:
			if !s.Gone(t.Instance) {
				p.leaving(t, stale)
			}
		case t.Stopped():
			p.Ended = append(p.Ended, t)
		case stale:
			p.place(&p.Stale, t, s)
			p.StaleRunning += count(t.LastStatus() == model.TaskRunning)
			alive[t.Deployment]++
		default:
			p.place(&p.Fresh, t, s)
		}
	}
	p.owed(s, alive)
	return p
}

func count(yes bool) int {
	if yes {
		return 1
	}
	return 0
}

func byCreation(a, b model.TaskState) int {
	if c := a.CreatedAt.Compare(b.CreatedAt); c != 0 {
		return c
	}
	return cmp.Compare(a.ARN, b.ARN)
}

func (p *Pool) leaving(t model.TaskState, stale bool) {
	if t.Stopped() {
		return
	}
	p.Leaving++
	p.StaleRunning += count(stale && (t.LastStatus() == model.TaskRunning || t.LastStatus() == model.TaskDeactivating))
}

// place puts an alive task where its health says, and notes when that will change by itself.
func (p *Pool) place(g *Group, t model.TaskState, s Situation) {
	if t.Protected(s.Now) {
		p.wake(t.ProtectedUntil)
	}
	if !t.Running() {
		g.Pending = append(g.Pending, t)
		return
	}
	targets := model.Health("")
	if s.Targets != nil {
		targets = s.Targets(t)
	}
	if t.Health() == model.Unhealthy || targets == model.Unhealthy {
		grace := t.Seen.StartedAt.Add(s.Service.HealthGrace)
		if !s.Now.Before(grace) {
			g.Unhealthy = append(g.Unhealthy, t)
			return
		}
		p.wake(grace)
	}
	checked := s.Checked(t.TaskDefinition)
	at, known := t.HealthyAt(checked, s.HealthyAfter)
	if targets != "" { // the balancer's check is a check
		at, known, checked = t.Seen.StartedAt, (known || !checked) && targets == model.Healthy, true
	}
	switch {
	case known && (checked || !s.Now.Before(at)): // a check that passed is not undone by a clock that is set back
		if g.Healthy == nil {
			g.Healthy = make([]model.TaskState, 0, len(s.Tasks))
		}
		g.Healthy = append(g.Healthy, t)
		return
	case known:
		p.wake(at)
	}
	g.Unready = append(g.Unready, t)
}

func (p *Pool) wake(at time.Time) { p.Wake = Earlier(p.Wake, at) }

// Earlier is the earlier one of two times, of which zero means never.
func Earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

// owed finds what older deployments lost by themselves: a deployment that was once completed gets it back while it is
// being replaced, so that a new version that does not work cannot eat the service, unless it does not work any more
// either. The pending tasks of others are surplus ("Amazon ECS service availability during rolling deployments").
func (p *Pool) owed(s Situation, alive map[string]int) {
	if len(s.Older) == 0 && len(alive) == 0 {
		return
	}
	owed := map[string]int{}
	if s.Primary.Rollout == model.RolloutCompleted {
		owed[s.Primary.ID] = s.Desired
	}
	for _, d := range s.Older {
		if !d.Proved() || d.Failed > s.Tries {
			continue
		}
		owed[d.ID] = Owed(d, s.Desired)
		if lost := owed[d.ID] - alive[d.ID]; lost > 0 {
			p.Lost = append(p.Lost, Lost{d, lost})
		}
	}
	pending := p.Stale.Pending
	p.Stale.Pending = nil
	for _, t := range pending {
		if t.Deployment == s.Primary.ID || s.Leaves(t.Instance) || alive[t.Deployment] > owed[t.Deployment] {
			p.Stale.Surplus = append(p.Stale.Surplus, t)
			alive[t.Deployment]--
		} else {
			p.Stale.Pending = append(p.Stale.Pending, t)
		}
	}
	unready := p.Stale.Unready
	p.Stale.Unready = nil
	for _, t := range unready {
		if _, proved := owed[t.Deployment]; proved {
			p.Stale.Unready = append(p.Stale.Unready, t)
		} else {
			p.Stale.Unproved = append(p.Stale.Unproved, t)
		}
	}
}

// Owed is how many tasks an older deployment shall have, apart from those that a newer one stands in for: what was
// wanted of it, and what the service has grown by since.
func Owed(d *model.Deployment, desired int) int {
	if d.Want == 0 {
		return 0 // what was at rest when it was replaced is not started again
	}
	return min(d.Want+max(0, desired-d.Basis), desired)
}

// Missing sums up what was lost.
func (p *Pool) Missing() int {
	n := 0
	for _, l := range p.Lost {
		n += l.Count
	}
	return n
}

// Unprotected leaves out the tasks that are protected from scale-in ("Task scale-in protection").
func Unprotected(tasks []model.TaskState, now time.Time) []model.TaskState {
	return slices.DeleteFunc(slices.Clone(tasks), func(t model.TaskState) bool { return t.Protected(now) })
}
