package lb

import (
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// demand tells the store that requests or connections wait for a target group, or with the zero time that none does any more.
func (b *Balancer) demand(group string, since time.Time) {
	if since.IsZero() {
		b.writer.remove(model.DemandKey(b.config.ID, group))
		return
	}
	b.writer.put(&model.Demand{Balancer: b.config.ID, Group: group, Since: stored(since)})
}

// forgetDemands takes back what a balancer with this id said that was killed: nothing waits here yet.
func (b *Balancer) forgetDemands() {
	for d := range b.config.Store.View().Demands(b.config.ID) {
		b.writer.remove(d.Key())
	}
}

// callParked lets go on what waited for what a new table has.
func (l *loop) callParked(t *routing.Table) {
	l.parked.Look(func(group string) bool { return t.Groups[group].Awake() })
}
