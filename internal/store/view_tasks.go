package store

import (
	"iter"

	"github.com/maitred/maitred/internal/model"
)

// Task finds a task by ARN.
func (v *View) Task(arn string) (model.TaskState, bool) {
	var found model.TaskState
	v.tasks.arn.Ascend(&taskRow{arn: arn}, func(r *taskRow) bool {
		if r.arn == arn {
			found = r.TaskState
		}
		return false
	})
	return found, found.Task != nil
}

// rows yields the tasks of a group of an index, by ARN.
func rows(t *ordered[*taskRow], group string, belongs func(*taskRow) bool) iter.Seq[model.TaskState] {
	return func(yield func(model.TaskState) bool) {
		t.Ascend(&taskRow{machine: group}, func(r *taskRow) bool {
			return belongs(r) && (r.Task == nil || yield(r.TaskState))
		})
	}
}

// TasksOfService yields the tasks of a service (given by ARN) by ARN, stopped ones included.
func (v *View) TasksOfService(service string) iter.Seq[model.TaskState] {
	return rows(v.tasks.owner, service, func(r *taskRow) bool { return service != "" && r.Service == service })
}

// StandaloneTasks yields the tasks of a cluster (given by ARN) that belong to no service, by ARN.
func (v *View) StandaloneTasks(cluster string) iter.Seq[model.TaskState] {
	return rows(v.tasks.owner, cluster, func(r *taskRow) bool { return r.Service == "" && r.Cluster == cluster })
}

// TasksOfCluster yields the tasks of a cluster (given by ARN) by ARN.
func (v *View) TasksOfCluster(cluster string) iter.Seq[model.TaskState] {
	return rows(v.tasks.cluster, cluster, func(r *taskRow) bool { return r.Cluster == cluster })
}

// TasksOnMachine yields the tasks of a machine (given by id) by ARN.
func (v *View) TasksOnMachine(id string) iter.Seq[model.TaskState] {
	return rows(v.tasks.machine, id, func(r *taskRow) bool { return r.machine == id })
}

// Tasks yields all tasks by machine and ARN.
func (v *View) Tasks() iter.Seq[model.TaskState] {
	return rows(v.tasks.machine, "", func(*taskRow) bool { return true })
}

// Orphans yields the observations whose task does not exist (any more), by machine and ARN.
func (v *View) Orphans() iter.Seq[*model.Observed] {
	return func(yield func(*model.Observed) bool) {
		v.tasks.orphan.Scan(func(r *taskRow) bool { return yield(r.Seen) })
	}
}

// AppendTasksOfService appends the tasks of a service by ARN; with a buffer that is large enough it allocates nothing
// but the place where it looks.
func (v *View) AppendTasksOfService(to []model.TaskState, service string) []model.TaskState {
	v.tasks.owner.Ascend(&taskRow{machine: service}, func(r *taskRow) bool {
		if service == "" || r.Service != service {
			return false
		}
		to = append(to, r.TaskState)
		return true
	})
	return to
}

// Machine finds a machine by id.
func (v *View) Machine(id string) (*model.Machine, bool) {
	return lookup[*model.Machine](v, tMachine, id)
}

// Machines yields all machines by id.
func (v *View) Machines() iter.Seq[*model.Machine] { return whole[*model.Machine](v, tMachine) }

// Instance finds a container instance by ARN.
func (v *View) Instance(arn string) (*model.Instance, bool) {
	return lookup[*model.Instance](v, tInstance, arn)
}

// InstancesOfCluster yields the container instances of a cluster (given by ARN) by ARN.
func (v *View) InstancesOfCluster(cluster string) iter.Seq[*model.Instance] {
	return grouped[*model.Instance](v, xInstances, cluster, clusterOfInstance)
}

// InstancesOfMachine yields the container instances that a machine (given by id) is, by ARN.
func (v *View) InstancesOfMachine(id string) iter.Seq[*model.Instance] {
	return grouped[*model.Instance](v, xMachines, id, machineOfInstance)
}
