package l4

import (
	"time"

	"github.com/maitred/maitred/internal/core/routing"
	"github.com/maitred/maitred/internal/model"
)

// Connections to a target group whose service may have no tasks (model.TargetGroup.Wake) wait while it has none, or none of
// which anything is known yet. Nothing is read from the client meanwhile: what it sends waits in the kernel, and so it is
// not noticed that one has gone. It has its place until its turn comes, or until the deadline.

// park waits until the connection may have a target, and gives the table by which it may; nil: none came in time, or too many
// wait already, and the connection is reset. nonce is what the group was chosen by.
func (c *conn) park(group *model.TargetGroup, nonce uint64) *routing.Table {
	lot := c.server.cfg.Parked
	if lot == nil {
		return nil
	}
	place, ok := lot.Enter(group.ARN, group.Wake.Queue)
	if !ok {
		return nil
	}
	defer place.Leave()
	late := time.NewTimer(group.Wake.Deadline)
	defer late.Stop()
	for {
		select {
		case <-c.server.life.Done():
			return nil
		case <-late.C:
			return nil
		case <-place.Called():
		}
		table := c.server.cfg.Table()
		l := table.Listeners[c.server.cfg.ARN]
		if l == nil {
			return nil
		}
		if chooseGroup(l, c.flow(), nonce).group.Awake() {
			c.listener = l
			return table
		}
	}
}
