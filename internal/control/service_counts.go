package control

import (
	"slices"

	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/core/reconcile"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// TaskCounts is how many tasks something shall have and has.
type TaskCounts struct {
	Desired int
	Running int // their last status is RUNNING, even if they are asked to stop
	Pending int // shall run, and do not yet
}

func (n *TaskCounts) add(t model.TaskState) {
	switch status := t.LastStatus(); {
	case status == model.TaskRunning:
		n.Running++
	case t.Desired == model.TaskRunning && status.Order() < model.TaskRunning.Order():
		n.Pending++
	}
}

// ServiceCounts is what DescribeServices counts.
type ServiceCounts struct {
	TaskCounts
	Deployments map[string]TaskCounts // by id; those without tasks that are owed none may be missing
}

// Counter counts the tasks of services in one view.
type Counter struct {
	view *store.View
	call Call
	room *place.Room // made when the first DAEMON service is met
}

// NewCounter returns a counter. Of the call, Refuse is looked at.
func NewCounter(v *store.View, call Call) *Counter { return &Counter{view: v, call: call} }

// Service counts the tasks of a service, in all and by deployment. The desired count of a deployment that is being
// replaced is what it is still owed.
func (c *Counter) Service(svc *model.Service) ServiceCounts {
	n := ServiceCounts{Deployments: map[string]TaskCounts{}}
	for t := range c.view.TasksOfService(svc.ARN) {
		n.add(t)
		d := n.Deployments[t.Deployment]
		d.add(t)
		n.Deployments[t.Deployment] = d
	}
	if svc.Status != model.Active {
		return n
	}
	n.Desired = c.desired(svc)
	for d := range c.view.Deployments(svc.ARN) {
		counts := n.Deployments[d.ID]
		switch {
		case d.ID == svc.Primary:
			counts.Desired = n.Desired
		case d.Current && d.Proved():
			counts.Desired = reconcile.Owed(d, n.Desired)
		}
		n.Deployments[d.ID] = counts
	}
	return n
}

// desired is how many tasks an active service shall have: of a DAEMON, one on each instance that matches.
func (c *Counter) desired(svc *model.Service) int {
	if svc.Scheduling != model.Daemon {
		return svc.DesiredCount
	}
	d, ok := c.view.Deployment(svc.ARN, svc.Primary)
	if !ok {
		return 0
	}
	def, ok := c.view.TaskDefinition(d.TaskDefinition)
	if !ok {
		return 0
	}
	if c.room == nil {
		c.room = core.NewRoom(c.view, nil)
	}
	// The same question as the scheduler's.
	search, err := c.room.Search(place.Request{
		Cluster: svc.Cluster, Service: svc.ARN, Group: "service:" + svc.Name, Demand: place.Demand(def, nil),
		Requires: def.Requires, Constraints: slices.Concat(def.Constraints, svc.Constraints), Strategy: svc.Strategy,
		Refuse: func(m *model.Machine) string { return c.call.Refuse(m, def) },
	})
	if err != nil {
		return 0 // its constraints were checked when it was made; the scheduler says what is wrong in an event
	}
	return len(search.Matching())
}
