package sim

import (
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/lb/park"
	"github.com/maitred/maitred/internal/model"
)

// parked is a request that waits for a target.
type parked struct {
	place *park.Place
	group string
	at    time.Time
}

// lots makes the lot of this life, and takes back what an earlier one said.
func (b *balancer) lots() {
	b.waits, b.lot = nil, park.New(func() time.Time { return b.w.now }, func(group string, since time.Time) {
		d := &model.Demand{Balancer: b.id, Group: group, Since: since}
		if since.IsZero() {
			b.put(nil, d.Key())
			return
		}
		b.put(d)
	})
	for d := range b.store.View().Demands(b.id) {
		b.put(nil, d.Key())
	}
}

// park has a request wait, as l7 does; it says whether it may.
func (b *balancer) park(g *routing.Group) bool {
	wake := g.Record.Wake
	if wake == nil {
		return false
	}
	place, ok := b.lot.Enter(g.Record.ARN, wake.Queue)
	if !ok {
		return false
	}
	p := &parked{place: place, group: g.Record.ARN, at: b.w.now}
	b.waits = append(b.waits, p)
	b.later(wake.Deadline, func() { b.late(p) })
	b.callParked()
	return true
}

// callParked lets go on who is called.
func (b *balancer) callParked() {
	b.lot.Look(func(group string) bool { return b.table.Groups[group].Awake() })
	for i := 0; i < len(b.waits); i++ {
		p := b.waits[i]
		select {
		case <-p.place.Called():
		default:
			continue
		}
		if g := b.table.Groups[p.group]; g != nil && g.Record.Wake != nil && !b.launch(g) {
			continue // it waits on
		} else if g == nil || g.Record.Wake == nil {
			b.w.unserved++
		}
		b.unpark(p)
		i = -1 // the next one is called
	}
}

// unpark gives up the place of a request.
func (b *balancer) unpark(p *parked) {
	if i := slices.Index(b.waits, p); i >= 0 {
		b.waits = slices.Delete(slices.Clone(b.waits), i, i+1)
		p.place.Leave()
		b.w.was(p.group, span{p.at, b.w.now})
	}
}

// late refuses a request that has waited for as long as it may.
func (b *balancer) late(p *parked) {
	if !slices.Contains(b.waits, p) {
		return
	}
	b.w.tell("  balancer %s: a request to %s has waited in vain", b.id, groupName(p.group))
	if g := b.table.Groups[p.group]; g.Awake() {
		b.w.fail("who waits is called", "a request waits at balancer %s, and group %s has a target", b.id, groupName(p.group))
	}
	b.w.unserved++
	b.unpark(p)
}
