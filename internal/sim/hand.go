package sim

import (
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// hand is a target group of which people register and deregister the targets by hand: hosts that no agent looks after.
type hand struct {
	w     *world
	group string               // ARN
	left  map[string]time.Time // since when it is acknowledged that a host is deregistered
}

// hosts is how many there are.
const hosts = 3

// heardOf is how long a balancer that reaches the store may take to hear of something, and election how long it may be
// until there is a leader when the one that there was does not know yet that its term is over.
const (
	heardOf  = 2 * time.Second
	election = 8 * time.Second
)

// hold makes the group and its hosts, and plans what people do with them.
func (p *people) hold() {
	h := &hand{w: p.w, left: map[string]time.Time{}}
	var listener string
	h.group, listener = p.lead("hand", "ip")
	p.hand = h
	p.w.traffic(listener, h.group)
	for i := range hosts {
		c := &container{task: host(i), name: host(i), program: &program{name: "host", family: "host"}}
		c.status.State = driver.Running
		p.w.listens(c)
	}
	for range 3 + p.w.rng.IntN(6) {
		p.w.after(p.w.within(), func() {
			if !p.w.calm {
				h.change()
			}
		})
	}
}

func host(i int) string { return fmt.Sprintf("10.9.0.%d", i+1) }

// reached is what answers at a target.
func (w *world) reached(t *model.Target) *container {
	if t.Task == "" {
		return w.listening[t.ID]
	}
	return w.listening[t.Task]
}

// change registers a host, or deregisters one.
func (h *hand) change() {
	if h.w.people.server() == nil {
		return
	}
	id := host(h.w.rng.IntN(hosts))
	if h.w.chance(0.5) {
		h.register(id)
	} else {
		h.deregister(id)
	}
}

func (h *hand) register(id string) {
	h.w.tell("somebody registers host %s", id)
	delete(h.left, id)
	_, _ = h.w.people.server().call("RegisterTargets", func(tx *store.Tx, call control.Call) error {
		_, err := control.RegisterTargets(tx, call, h.group, []control.NewTarget{{ID: id}})
		return err
	})
}

func (h *hand) deregister(id string) {
	h.w.tell("somebody deregisters host %s", id)
	_, err := h.w.people.server().call("DeregisterTargets", func(tx *store.Tx, call control.Call) error {
		_, err := control.DeregisterTargets(tx, call, h.group, []control.NewTarget{{ID: id}})
		return err
	})
	if err == nil {
		h.leaves(id)
	}
}

// leaves notes that it was acknowledged that a host is deregistered.
func (h *hand) leaves(id string) {
	if _, known := h.left[id]; !known {
		h.left[id] = h.w.now
	}
}

// settle has some hosts stay and one leave when the faults are over.
func (h *hand) settle() {
	for i := range hosts {
		h.register(host(i))
	}
	h.deregister(host(0))
}

// sent checks a request to a host.
func (h *hand) sent(b *balancer, t *model.Target) {
	left, ok := h.left[t.ID]
	if ok && h.w.now.Sub(left) > heardOf && h.w.now.Sub(b.cut) > heardOf {
		h.w.fail("what was deregistered by hand gets no request", "balancer %s sends one to %s, %v after that", b.id, t.ID, h.w.now.Sub(left))
	}
}

// removed checks that a host that was deregistered stays for its deregistration delay, and no longer.
func (c *checker) removed(t *knownTarget) {
	if t.Service != "" || !c.strict() {
		return
	}
	if c.w.now.Before(t.DrainBy) {
		c.w.fail("a deregistration has its time", "target %s is removed %v too early", shortPath(t.Path()), t.DrainBy.Sub(c.w.now))
	}
	if late := c.w.now.Sub(t.DrainBy); c.w.mended && late > election {
		c.w.fail("a deregistration has its time", "target %s is removed %v too late", shortPath(t.Path()), late)
	}
}

// handy says what the targets that no service keeps lack.
func (w *world) handy(v *store.View, t *model.Target) string {
	switch {
	case t.Draining():
		return fmt.Sprintf("target %s still leaves", shortPath(t.Path()))
	case w.reached(t) == nil:
		return fmt.Sprintf("target %s is left over", shortPath(t.Path()))
	}
	return w.ill(v, t)
}

// ill says for how many balancers a target is healthy, if those are not all.
func (w *world) ill(v *store.View, t *model.Target) string {
	healthy := 0
	for h := range v.TargetHealths(t.Path()) {
		if h.State == model.TargetHealthy {
			healthy++
		}
	}
	if healthy != len(w.balancers) {
		return fmt.Sprintf("target %s is healthy for %d of %d balancers", shortPath(t.Path()), healthy, len(w.balancers))
	}
	return ""
}
