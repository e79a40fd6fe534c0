package sim

import (
	"time"

	"github.com/maitred/maitred/internal/core/health"
	"github.com/maitred/maitred/internal/model"
)

// place says of all targets what is wanted of them, and has new ones checked.
func (b *balancer) place() {
	used := map[string]bool{}
	for l := range b.view.Listeners("") {
		for i := range l.Actions {
			for _, g := range l.Actions[i].Forward.Groups {
				used[g.Group] = true
			}
		}
	}
	for t := range b.view.Targets("") {
		group, ok := b.view.TargetGroup(t.Group)
		if !ok {
			panic("a target without a group")
		}
		path := t.Path()
		c := b.checked[path]
		if c == nil {
			c = &checked{}
			if r, _, ok := b.view.Get(model.TargetHealthKey(b.id, path)); ok {
				c.machine = health.Resume(r.(*model.TargetHealth))
			}
			b.checked[path] = c
		}
		fresh := c.target == nil || !c.machine.Checked()
		c.target, c.group = t, group
		c.machine = c.machine.Place(health.Placement{InUse: used[t.Group], Draining: t.Draining()}, b.w.now)
		if fresh && c.machine.Checked() {
			c.turn, c.backoff = b.turn(c), 0
			b.planCheck(c, 0)
		}
	}
}

func (b *balancer) turn(c *checked) time.Time {
	return health.Next(b.id+c.target.Path(), c.group.Check.Interval, b.w.now)
}

// planCheck plans the next check of a target: at its turn, or after extra if it has to prove itself.
func (b *balancer) planCheck(c *checked, extra time.Duration) {
	at := c.turn
	if eager := c.machine.Suspect || c.machine.State == model.TargetInitial; eager && b.w.now.Add(extra).Before(at) {
		at = b.w.now.Add(extra)
	}
	c.planned++
	mine := c.planned
	b.later(at.Sub(b.w.now), func() {
		if c.planned == mine && b.checked[c.target.Path()] == c && c.machine.Checked() {
			b.probe(c)
		}
	})
}

// probe checks a target, and takes what it finds into account.
func (b *balancer) probe(c *checked) {
	outcome := health.Outcome{Kind: health.Failed}
	if s := b.w.reached(c.target); s != nil {
		outcome = health.Outcome{Kind: health.Answered, Code: s.answers(b.w)}
	}
	result, before := health.Interpret(c.group, outcome), c.machine
	extra := c.turn.After(b.w.now)
	if extra {
		c.machine = c.machine.Try(result, b.w.now)
	} else {
		c.turn = b.turn(c)
		c.machine = c.machine.Check(result, health.ThresholdsOf(&c.group.Check), b.w.now)
	}
	if c.group.Wake != nil {
		c.backoff = health.Hurry(c.backoff)
	} else {
		c.backoff = health.Backoff(c.backoff, c.group.Check.Interval)
	}
	b.judged(c, before)
	b.planCheck(c, c.backoff)
}

// judged tells what changed of a target.
func (b *balancer) judged(c *checked, before health.Machine) {
	if before.Same(c.machine) && before.Suspect == c.machine.Suspect {
		return
	}
	path := c.target.Path()
	b.w.tell("  balancer %s: target %s is %s (suspect: %v)", b.id, shortPath(path), c.machine.State, c.machine.Suspect)
	b.retable()
	b.observe(path)
}

// suspect notes that a connection was refused.
func (b *balancer) suspect(path string) {
	c := b.checked[path]
	if c == nil || c.machine.Suspect || !c.machine.Checked() {
		return
	}
	before := c.machine
	c.machine = c.machine.Doubt()
	b.judged(c, before)
	b.planCheck(c, c.backoff)
}

// answers is the code with which a container answers a check.
func (c *container) answers(w *world) int {
	if !w.calm && (w.now.Before(c.sickUntil) || w.now.Before(w.epidemic[c.program.family])) || c.program.unready {
		return 503
	}
	return 200
}

// epidemics make targets fail their checks for a while: one of them, or all of a family at once, as when something that
// they all need is away.
func (w *world) fallSick() {
	var all []*container
	for _, task := range sortedKeys(w.listening) {
		all = append(all, w.listening[task])
	}
	if len(all) == 0 {
		return
	}
	c := pick(w, all)
	until := w.now.Add(w.between(10*time.Second, 90*time.Second))
	if w.chance(0.5) {
		w.tell("task %s fails its checks until %v", short(c.task), until.Sub(w.start))
		c.sickUntil = until
		return
	}
	w.tell("all tasks of %s fail their checks until %v", c.program.family, until.Sub(w.start))
	w.epidemic[c.program.family] = until
}
