package control

import (
	"fmt"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// errNoInstance refuses to change a container instance that does not exist.
func errNoInstance() error {
	return model.InvalidParameter("The referenced container instance was not found.")
}

// SetInstanceStatus drains a container instance (given by ARN) or takes it back into service. The scheduler moves the
// tasks of services off a draining one ("Drain Amazon ECS container instances"); who places a task on it at the same
// moment has to look again.
func SetInstanceStatus(tx *store.Tx, call Call, instance string, status model.Status) (*model.Instance, error) {
	old, ok := tx.View().Instance(instance)
	if !ok || old.Status == model.Inactive {
		return nil, errNoInstance()
	}
	if old.Status == status {
		return old, nil
	}
	if status == model.Draining {
		occupy(tx, old.Machine, 0)
	}
	i := *old
	i.Status = status
	i.Cause = call.Cause(fmt.Sprintf("container instance %s becomes %s", model.ShortID(i.ARN), status))
	tx.Put(&i)
	return &i, nil
}

// evictsMax is how many tasks one transaction stops: each of them is an operation and a guard, and there are some more.
const evictsMax = store.MaxOps - 8

// Deregister takes a container instance (given by ARN) out of its cluster. With tasks on it, it must be forced; they are
// stopped then, and services replace theirs ("DeregisterContainerInstance"; ECS leaves the processes running, unseen).
// If there are more tasks than can be stopped at once, the instance is DRAINING when Deregister returns, and it has to be
// called again.
func Deregister(tx *store.Tx, call Call, instance string, force bool) (*model.Instance, error) {
	old, ok := tx.View().Instance(instance)
	if !ok || old.Status == model.Inactive {
		return nil, errNoInstance()
	}
	i := *old
	i.Status, i.Cause = model.Inactive, call.Cause("container instance "+model.ShortID(i.ARN)+" is deregistered")
	n := 0
	for t := range tx.View().TasksOnMachine(i.Machine) {
		if t.Instance != i.ARN || Wanted(t) == model.TaskStopped {
			continue
		}
		if !force {
			return nil, model.InvalidParameter("Found running tasks on the instance.")
		}
		if n == evictsMax {
			i.Status = model.Draining
			break
		}
		tx.Put(evicted(tx.View(), call, t, i.Cause))
		n++
	}
	// Nobody may have placed a task on it meanwhile.
	occupy(tx, i.Machine, 0)
	tx.Put(&i)
	return &i, nil
}

// evicted is a task that must leave its container instance.
func evicted(v *store.View, call Call, t model.TaskState, cause model.Cause) *model.Task {
	task := *t.Task
	task.Desired, task.StopAt = model.TaskStopped, call.Now
	task.StopReason, task.Stop = "Container instance deregistration forced by user", &cause
	task.DrainBy = drainBy(v, t, call.Now)
	return &task
}
