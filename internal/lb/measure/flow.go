package measure

import (
	"sync/atomic"

	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/reading"
)

// flow counts the connections and flows of one way.
type flow struct {
	changed                               atomic.Bool
	opened, active                        atomic.Int64
	clientResets, targetResets, ownResets atomic.Int64
	rejected, noTarget, unreachable       atomic.Int64
	clientTLS, targetTLS, unhealthy       atomic.Int64
	blocked                               atomic.Int64
	received, sent                        atomic.Int64
}

func (c *flow) add(s *l4.Sample) {
	if s.New {
		c.opened.Add(1)
		c.active.Add(1)
	}
	if s.New && s.FailOpen {
		c.unhealthy.Add(1)
	}
	if s.End != "" {
		c.end(s)
	}
	c.received.Add(s.FromClient)
	c.sent.Add(s.ToClient)
	c.changed.Store(true)
}

// end counts an end. Whatever had a target had begun.
func (c *flow) end(s *l4.Sample) {
	if s.Target != "" {
		c.active.Add(-1)
	}
	switch s.End {
	case l4.EndClientReset:
		c.clientResets.Add(1)
	case l4.EndTargetReset:
		c.targetResets.Add(1)
	case l4.EndIdle, l4.EndUnhealthy, l4.EndDeregistered, l4.EndShutdown:
		c.ownResets.Add(1)
	case l4.EndRejected:
		c.rejected.Add(1)
	case l4.EndBlocked:
		c.blocked.Add(1)
	case l4.EndNoTarget:
		c.noTarget.Add(1)
	case l4.EndUnreachable:
		c.unreachable.Add(1)
	case l4.EndClientTLS:
		c.clientTLS.Add(1)
	case l4.EndTargetTLS:
		c.targetTLS.Add(1)
	case l4.EndClosed:
	}
}

// take gives what was counted since the last time, and whether there is anything to tell: flows that are open are.
func (c *flow) take() (f reading.Flows, some bool) {
	some = c.changed.Swap(false)
	if f.Active = c.active.Load(); !some {
		return f, f.Active != 0
	}
	f.New = c.opened.Swap(0)
	f.ClientResets, f.TargetResets, f.OwnResets = c.clientResets.Swap(0), c.targetResets.Swap(0), c.ownResets.Swap(0)
	f.Rejected, f.NoTarget, f.Unreachable = c.rejected.Swap(0), c.noTarget.Swap(0), c.unreachable.Swap(0)
	f.ClientTLS, f.TargetTLS, f.Unhealthy = c.clientTLS.Swap(0), c.targetTLS.Swap(0), c.unhealthy.Swap(0)
	f.Blocked, f.Received, f.Sent = c.blocked.Swap(0), c.received.Swap(0), c.sent.Swap(0)
	return f, true
}
