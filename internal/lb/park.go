package lb

import (
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// demand tells the store that requests or connections wait for a target group, or with the zero time that none does any more.
func (b *Balancer) demand(group string, since time.Time) {
	b.writeDemand(&model.Demand{Balancer: b.config.ID, Group: group, Since: stored(since)})
	if b.bequeathing.Load() {
		b.inbox.wait(group, since)
	}
}

func (b *Balancer) writeDemand(d *model.Demand) {
	if d.Since.IsZero() {
		b.writer.remove(d.Key())
		return
	}
	b.writer.put(d)
}

// bequeathDemands tells the balancer that has taken over for which groups something waits here: this one writes nothing any
// more.
func (l *loop) bequeathDemands() {
	l.bequeathing.Store(true)
	for _, group := range l.parked.Groups() {
		l.tellDemand(group, l.config.Now())
	}
}

// tellDemand tells the heir of one of them, with the zero time that nothing waits any more.
func (l *loop) tellDemand(group string, since time.Time) {
	if err := l.tellHeir(message{Waits: group, At: since}); err != nil {
		l.config.Log.Warn("the balancer that has taken over does not hear who waits here", "group", group, "error", err)
	}
}

// adoptDemand writes for the elder.
func (b *Balancer) adoptDemand(group string, since time.Time) {
	b.writeDemand(&model.Demand{Balancer: b.config.ID, Group: group, Since: since, Elder: true})
}

// forgetElder takes back what was written for an elder that has ended.
func (b *Balancer) forgetElder() {
	for d := range b.config.Store.View().Demands(b.config.ID) {
		if d.Elder {
			b.writer.remove(d.Key())
		}
	}
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
