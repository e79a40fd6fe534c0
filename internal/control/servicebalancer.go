package control

import (
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// ServiceBalancers checks the target groups in which a service's tasks shall be registered, and makes the transaction
// depend on them ("Create a service", load balancing). def is the task definition, nil if it is gone.
func ServiceBalancers(tx *store.Tx, call Call, def *model.TaskDefinition, lbs []model.ServiceBalancer) error {
	for _, lb := range lbs {
		group, ok := tx.View().TargetGroup(lb.Group)
		if !ok || group.Region != call.Region {
			return model.InvalidParameter(fmt.Sprintf("Unable to find the target group with targetGroupArn %.300s: loadBalancers.", lb.Group))
		}
		tx.Guard(group.Key())
		if !GroupInUse(tx.View(), group.ARN) {
			return model.InvalidParameter("The target group with targetGroupArn " + group.ARN + " does not have an associated load balancer.")
		}
		if def == nil {
			continue
		}
		if err := portOf(def, lb, group); err != nil {
			return err
		}
	}
	return nil
}

// portOf looks for the port of a container that is to be a target.
func portOf(def *model.TaskDefinition, lb model.ServiceBalancer, group *model.TargetGroup) error {
	c := def.Container(lb.Container)
	if c == nil {
		return model.InvalidParameter(fmt.Sprintf("The container %.255s does not exist in the task definition.", lb.Container))
	}
	if !hasPort(c, lb.Port) {
		return model.InvalidParameter(fmt.Sprintf("The container %s did not have a container port %d defined.", lb.Container, lb.Port))
	}
	switch {
	case def.NetworkMode == "none":
		return model.InvalidParameter("The networkMode 'none' of the task definition has no ports for a load balancer: loadBalancers.")
	case def.NetworkMode == "awsvpc" && group.TargetType == "instance":
		return model.InvalidParameter("The provided target group " + group.ARN + " has target type instance, which is incompatible with the " +
			"awsvpc network mode specified in the task definition.")
	}
	return nil
}

func hasPort(c *model.ContainerDefinition, port int) bool {
	for _, m := range c.Ports {
		if m.ContainerPort == port || m.ContainerPort <= port && port <= m.Last {
			return true
		}
	}
	return false
}

// slack is how long the scheduler may take until it begins to deregister the targets of a task that somebody else stopped:
// as long as it takes another one to be elected.
const slack = 30 * time.Second

// drainBy is how long the stop signal of a task that shall stop now may wait for its targets: the scheduler deregisters them,
// and says when they are drained, or that there are none yet. It is the last resort where no scheduler does: the delay begins
// when the scheduler begins, so this is later. Zero where there can be none.
func drainBy(v *store.View, t model.TaskState, now time.Time) (by time.Time) {
	if t.Service == "" {
		return by
	}
	d, ok := v.Deployment(t.Service, t.Deployment)
	if !ok {
		return by
	}
	for _, lb := range d.LoadBalancers {
		group, ok := v.TargetGroup(lb.Group)
		if !ok {
			continue
		}
		if until := now.Add(group.DeregistrationDelay() + slack); until.After(by) {
			by = until
		}
	}
	return by
}
