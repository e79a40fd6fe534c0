package agent

import "time"

// Timer rings at times of the agent's clock, Config.Now. One goroutine uses it.
type Timer interface {
	// C is ready when the time that was set last has come. It may be ready too early: then the agent looks, finds nothing
	// due, and sets the timer again.
	C() <-chan time.Time
	// Set replaces the time; zero is never.
	Set(at time.Time)
	Stop()
}

// realTimer is a Timer of the machine's clock.
type realTimer struct {
	*time.Timer
	now func() time.Time
}

func newRealTimer(now func() time.Time) Timer {
	t := realTimer{Timer: time.NewTimer(time.Hour), now: now}
	t.Timer.Stop()
	return t
}

func (t realTimer) C() <-chan time.Time { return t.Timer.C }

func (t realTimer) Set(at time.Time) {
	if at.IsZero() {
		t.Timer.Stop()
		return
	}
	t.Reset(max(0, at.Sub(t.now())))
}

func (t realTimer) Stop() { t.Timer.Stop() }
