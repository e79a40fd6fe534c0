package l4

import (
	"sync"
	"time"
)

// idleLooks is how often something is looked at before it counts as idle: it ends at most two parts in so many late.
const idleLooks = 8

// idleWatch calls expire when a number has not changed for a while. Nothing is done for it while bytes move: the number is
// read a few times in all that while.
type idleWatch struct {
	every    time.Duration
	activity func() int64
	looked   func() // after each look
	expire   func()

	mu    sync.Mutex
	timer *time.Timer
	ended bool
	last  int64
	quiet int
}

// watchIdle begins to watch; stop ends it.
func watchIdle(limit time.Duration, activity func() int64, looked, expire func()) *idleWatch {
	w := &idleWatch{every: max(limit/idleLooks, 1), activity: activity, looked: looked, expire: expire, last: -1} // the beginning counts as activity
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(w.every, w.look)
	return w
}

func (w *idleWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.ended = true
	w.timer.Stop()
}

func (w *idleWatch) look() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.ended {
		return
	}
	if now := w.activity(); now != w.last {
		w.last, w.quiet = now, 0
	} else {
		w.quiet++
	}
	w.looked()
	if w.quiet >= idleLooks {
		w.ended = true
		w.expire()
		return
	}
	w.timer.Reset(w.every)
}
