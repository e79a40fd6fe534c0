// Package park is where requests and connections wait for a target: those to a service that has no tasks until somebody asks
// for it. Those of each target group wait in a queue of their own, of bounded length, and go on in the order in which they
// came.
//
// One at a time is called, the first of its queue, and the next one when that has left: so nobody overtakes, and a hundred
// requests do not all wake up to find that there is no target yet.
package park

import (
	"maps"
	"slices"
	"sync"
	"time"
)

// Lot is all that waits. The zero value is not ready to use.
type Lot struct {
	now    func() time.Time
	demand func(group string, since time.Time)

	mu     sync.Mutex
	queues map[string]*queue // of the groups (by ARN) that anybody waits for
}

// queue is what waits for one group, the first one first.
type queue struct{ places []*Place }

// New makes an empty lot. demand is told when the first one waits for a group, and, with the zero time, when nobody does
// any more: in that order, one call after the other. It must not call the lot.
func New(now func() time.Time, demand func(group string, since time.Time)) *Lot {
	return &Lot{now: now, demand: demand, queues: map[string]*queue{}}
}

// Place is where one of them waits.
type Place struct {
	lot   *Lot
	group string
	call  chan struct{} // holds one
}

// Enter takes a place at the end of a group's queue, unless it has most of them. Whoever has it must leave it.
func (l *Lot) Enter(group string, most int) (*Place, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[group]
	if q == nil {
		q = &queue{}
	}
	if len(q.places) >= most {
		return nil, false
	}
	p := &Place{lot: l, group: group, call: make(chan struct{}, 1)}
	q.places = append(q.places, p)
	if len(q.places) == 1 {
		l.queues[group] = q
		p.call <- struct{}{} // a target may have come since it looked
		l.demand(group, l.now())
	}
	return p, true
}

// Called is ready when it may look for a target. If there is none, it waits on.
func (p *Place) Called() <-chan struct{} { return p.call }

// Leave gives the place up, because the request goes on or nobody waits for its answer.
func (p *Place) Leave() {
	l := p.lot
	l.mu.Lock()
	defer l.mu.Unlock()
	q := l.queues[p.group]
	if q == nil {
		return
	}
	if q.places[0] == p { // as most do
		q.places[0] = nil
		q.places = q.places[1:]
	} else if i := slices.Index(q.places, p); i >= 0 {
		q.places = slices.Delete(q.places, i, i+1)
	}
	if len(q.places) == 0 {
		delete(l.queues, p.group)
		l.demand(p.group, time.Time{})
		return
	}
	q.callFirst() // whoever it is now: that it looks once too often does no harm
}

// Look calls the first of each queue for which there is something new: a target, or nothing to wait for any more. It is to
// be called when a new table is in place.
func (l *Lot) Look(open func(group string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for group, q := range l.queues {
		if open(group) {
			q.callFirst()
		}
	}
}

// Groups are those for which something waits.
func (l *Lot) Groups() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.queues))
}

// Waiting counts what waits for a group.
func (l *Lot) Waiting(group string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if q := l.queues[group]; q != nil {
		return len(q.places)
	}
	return 0
}

func (q *queue) callFirst() {
	select {
	case q.places[0].call <- struct{}{}:
	default: // it is called already
	}
}
