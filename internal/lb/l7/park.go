package l7

import (
	"time"

	"github.com/maitred/maitred/internal/lb/park"
)

// Requests for a target group whose service may have no tasks (model.TargetGroup.Wake) wait while it has none, or none of
// which anything is known yet: what has just started is not sent what it cannot take. Nothing is read of their bodies.

// The reasons in access logs for which a request that waited, or was to, was refused.
const (
	reasonQueueFull = "WakeQueueFull"
	reasonDeadline  = "WakeDeadline"
)

// park waits for a target and takes off to it. It is nil if none comes in time, or nobody waits for one; then the request
// is answered.
func (ex *exchange) park() *target {
	lot := ex.server.config.Parked
	wake := ex.group.Record.Wake
	if lot == nil || wake == nil {
		return nil
	}
	place, ok := lot.Enter(ex.group.Record.ARN, wake.Queue)
	if !ok {
		ex.entry.Error = reasonQueueFull
		return nil
	}
	defer place.Leave()
	defer ex.rest(wake.Deadline)()
	return ex.await(place, wake.Deadline)
}

func (ex *exchange) await(place *park.Place, deadline time.Duration) *target {
	late := time.NewTimer(deadline)
	defer late.Stop()
	for {
		select {
		case <-ex.ctx.Done():
			return nil
		case <-late.C:
			ex.entry.Error = reasonDeadline
			return nil
		case <-place.Called():
		}
		if !ex.refresh() {
			return nil
		}
		if t := ex.pick(nil); t != nil || ex.group.Record.Wake == nil {
			return t
		}
	}
}

// rest keeps the idle timeout from ending an exchange for which nothing can move. The exchange goes on as ever when what
// it gives is called.
func (ex *exchange) rest(deadline time.Duration) func() {
	ex.mu.Lock()
	defer ex.mu.Unlock()
	idle := ex.idle
	ex.idle += deadline
	return func() {
		ex.client.pulse().beat()
		ex.mu.Lock()
		defer ex.mu.Unlock()
		ex.idle = idle
	}
}

// gaveUp answers a request whose client left while it waited; it says whether that is so.
func (ex *exchange) gaveUp() bool {
	c := ex.why()
	if c == nil {
		return false
	}
	ex.generate(c.code, c.text)
	return true
}
