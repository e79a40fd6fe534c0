package maitredtest

import (
	"slices"
	"sync"
	"time"
)

// clock is moved by hand. All methods may be called by any goroutine.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	set   []*alarm      // those that ring some day
	early chan struct{} // ready when an alarm was set that is due at once
}

// alarm is something that happens at a time.
type alarm struct {
	at   time.Time
	ring func()
}

func newClock(now time.Time) *clock { return &clock{now: now, early: make(chan struct{}, 1)} }

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// put sets an alarm; a zero time takes it back.
func (c *clock) put(a *alarm, at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.set = slices.DeleteFunc(c.set, func(x *alarm) bool { return x == a })
	if at.IsZero() {
		return
	}
	a.at = at
	c.set = append(c.set, a)
	if !c.now.Before(at) {
		select {
		case c.early <- struct{}{}:
		default:
		}
	}
}

// after is fake.Config's After.
func (c *clock) after(d time.Duration, f func()) (stop func()) {
	a := &alarm{ring: f}
	c.put(a, c.Now().Add(d))
	return func() { c.put(a, time.Time{}) }
}

// next is when the next alarm rings, zero if none is set.
func (c *clock) next() (at time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, a := range c.set {
		if at.IsZero() || a.at.Before(at) {
			at = a.at
		}
	}
	return at
}

func (c *clock) move(to time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = to
}

// ring rings what is due, and says whether anything was.
func (c *clock) ring() bool {
	c.mu.Lock()
	var due []*alarm
	c.set = slices.DeleteFunc(c.set, func(a *alarm) bool {
		if c.now.Before(a.at) {
			return false
		}
		due = append(due, a)
		return true
	})
	c.mu.Unlock()
	slices.SortStableFunc(due, func(a, b *alarm) int { return a.at.Compare(b.at) })
	for _, a := range due {
		a.ring()
	}
	return len(due) > 0
}

// timer is an agent's timer on the clock.
type timer struct {
	clock *clock
	alarm *alarm
	c     chan time.Time
}

func newTimer(c *clock) *timer {
	t := &timer{clock: c, c: make(chan time.Time, 1)}
	t.alarm = &alarm{ring: func() {
		select {
		case t.c <- c.Now():
		default:
		}
	}}
	return t
}

func (t *timer) C() <-chan time.Time { return t.c }

func (t *timer) Set(at time.Time) { t.clock.put(t.alarm, at) }

func (t *timer) Stop() { t.clock.put(t.alarm, time.Time{}) }
