package control

import (
	"fmt"
	"maps"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// SetInstanceStatus drains a container instance (given by ARN) or takes it back into service. The scheduler moves the
// tasks of services off a draining one ("Drain Amazon ECS container instances").
func SetInstanceStatus(tx *store.Tx, call Call, instance string, status model.Status) (*model.Instance, error) {
	old, ok := tx.View().Instance(instance)
	if !ok || old.Status == model.Inactive {
		return nil, model.InvalidParameter("The referenced container instance was not found.")
	}
	if old.Status == status {
		return old, nil
	}
	i := *old
	i.Status = status
	i.Cause = call.Cause(fmt.Sprintf("container instance %s becomes %s", model.ShortID(i.ARN), status))
	tx.Put(&i)
	return &i, nil
}

// Deregister takes a container instance (given by ARN) out of its cluster. With tasks on it, it must be forced; they are
// stopped then, and services replace theirs ("DeregisterContainerInstance"; ECS leaves the processes running, unseen).
func Deregister(tx *store.Tx, call Call, instance string, force bool) (*model.Instance, error) {
	old, ok := tx.View().Instance(instance)
	if !ok || old.Status == model.Inactive {
		return nil, model.InvalidParameter("The referenced container instance was not found.")
	}
	i := *old
	i.Status, i.Cause = model.Inactive, call.Cause("container instance "+model.ShortID(i.ARN)+" is deregistered")
	for t := range tx.View().TasksOnMachine(i.Machine) {
		if t.Instance != i.ARN || t.Stopped() || t.Desired == model.TaskStopped {
			continue
		}
		if !force {
			return nil, model.InvalidParameter("Found running tasks on the instance.")
		}
		task := *t.Task
		task.Desired, task.StopAt = model.TaskStopped, call.Now
		task.StopReason, task.Stop = "Container instance deregistration forced by user", &i.Cause
		tx.Put(&task)
	}
	tx.Put(&i)
	return &i, nil
}

// maxAttributes is how many custom attributes a container instance may have ("PutAttributes").
const maxAttributes = 10

// PutAttribute sets a custom attribute of a container instance.
func PutAttribute(tx *store.Tx, call Call, instance *model.Instance, name, value string) (*model.Instance, error) {
	i := *instance
	i.Attributes = maps.Clone(i.Attributes)
	if i.Attributes == nil {
		i.Attributes = map[string]string{}
	}
	i.Attributes[name] = value
	if len(i.Attributes) > maxAttributes {
		return nil, &model.Error{
			Code:    "AttributeLimitExceededException",
			Message: fmt.Sprintf("A container instance can have %d custom attributes; %s would be one more.", maxAttributes, name),
		}
	}
	i.Cause = call.Cause("attribute " + name + " = " + value)
	tx.Put(&i)
	return &i, nil
}

// DeleteAttribute removes a custom attribute of a container instance.
func DeleteAttribute(tx *store.Tx, call Call, instance *model.Instance, name string) *model.Instance {
	i := *instance
	i.Attributes = maps.Clone(i.Attributes)
	delete(i.Attributes, name)
	i.Cause = call.Cause("attribute " + name + " is removed")
	tx.Put(&i)
	return &i
}
