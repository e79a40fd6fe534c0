package control

import (
	"iter"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core/place/query"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// heartbeats is how long a machine may be silent: three heartbeats of its agent.
const heartbeats = 30 * time.Second

// AgentConnected says whether the agent of a machine is connected, and was heard of lately.
func AgentConnected(m *model.Machine, now time.Time) bool {
	return m.Connected && now.Sub(m.SeenAt) <= heartbeats
}

// InstanceUse is what the tasks of a container instance, and all others on its machine, take.
type InstanceUse struct {
	Running, Pending int             // tasks of the instance that are wanted running
	Remaining        model.Resources // free; but Ports and UDPPorts are the taken ones, as ECS has it ("ContainerInstance")
}

// UseOfInstance counts what is on the machine of a container instance. What one cluster takes of it, no other has.
func UseOfInstance(v *store.View, i *model.Instance, m *model.Machine) InstanceUse {
	u := InstanceUse{Remaining: m.Capacity}
	left := &u.Remaining
	left.Ports, left.UDPPorts = slices.Clip(left.Ports), slices.Clip(left.UDPPorts) // the machine keeps its own
	for t := range v.TasksOnMachine(m.ID) {
		if t.Stopped() {
			continue
		}
		left.CPU -= t.Reserved.CPU
		left.Memory -= t.Reserved.Memory
		left.GPUs -= t.Reserved.GPUs
		left.Ports = append(left.Ports, t.Reserved.Ports...)
		left.UDPPorts = append(left.UDPPorts, t.Reserved.UDPPorts...)
		switch {
		case t.Instance != i.ARN || Wanted(t) != model.TaskRunning:
		case t.LastStatus() == model.TaskRunning:
			u.Running++
		default:
			u.Pending++
		}
	}
	left.CPU, left.Memory, left.GPUs = max(0, left.CPU), max(0, left.Memory), max(0, left.GPUs)
	return u
}

// SelectInstances lists the container instances of a cluster (given by ARN) that an expression of the cluster query
// language selects, by ARN; all if there is none. INACTIVE ones are not among them.
func SelectInstances(v *store.View, call Call, cluster, filter string) ([]*model.Instance, error) {
	matches := func(*model.Instance) bool { return true }
	if filter != "" {
		e, err := query.Parse(filter)
		if err != nil {
			return nil, model.InvalidParameter("filter: " + err.Error() + ".")
		}
		matches = func(i *model.Instance) bool { return e.Match(newSubject(v, i, call.Now)) }
	}
	var list []*model.Instance
	for i := range v.InstancesOfCluster(cluster) {
		if i.Status != model.Inactive && matches(i) {
			list = append(list, i)
		}
	}
	return list, nil
}

// subject answers what the cluster query language asks about a container instance. The EC2 instance id of a machine is
// its id.
type subject struct {
	*model.Instance
	machine *model.Machine
	now     time.Time
	groups  []string // of the tasks that are wanted running, one for each
}

func newSubject(v *store.View, i *model.Instance, now time.Time) subject {
	s := subject{Instance: i, now: now, machine: &model.Machine{ID: i.Machine}}
	if m, ok := v.Machine(i.Machine); ok {
		s.machine = m
	}
	for t := range v.TasksOnMachine(i.Machine) {
		if t.Instance == i.ARN && t.Alive() {
			s.groups = append(s.groups, t.Group)
		}
	}
	return s
}

// Attribute implements query.Resolver.
func (s subject) Attribute(name string) (string, bool) {
	if value, ok := s.Attributes[name]; ok {
		return value, true
	}
	value, ok := s.machine.Attributes[name]
	return value, ok
}

// AgentConnected implements query.Resolver.
func (s subject) AgentConnected() bool { return AgentConnected(s.machine, s.now) }

// AgentVersion implements query.Resolver.
func (s subject) AgentVersion() string { return s.machine.Version }

// EC2InstanceID implements query.Resolver.
func (s subject) EC2InstanceID() string { return s.machine.ID }

// RegisteredAt implements query.Resolver.
func (s subject) RegisteredAt() time.Time { return s.CreatedAt }

// RunningTasksCount implements query.Resolver.
func (s subject) RunningTasksCount() int { return len(s.groups) }

// Groups implements query.Resolver.
func (s subject) Groups() iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, g := range s.groups {
			if !yield(g) {
				return
			}
		}
	}
}
