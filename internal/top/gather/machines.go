package gather

import (
	"cmp"
	"fmt"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/top"
)

func (g Gatherer) machines() (all []top.Machine) {
	for m := range g.View.Machines() {
		out := top.Machine{
			ID: m.ID, Host: cmp.Or(m.Host, m.ID), Driver: m.Driver, Connected: control.AgentConnected(m, g.Now),
			CPU: m.Capacity.CPU, Memory: m.Capacity.Memory,
		}
		g.onMachine(m, &out)
		all = append(all, out)
	}
	return all
}

// onMachine adds up the tasks of a machine. What they use is known of tasks of services alone, relative to what each has
// reserved; it is part of what the machine has.
func (g Gatherer) onMachine(m *model.Machine, out *top.Machine) {
	var cpu, memory *float64
	for t := range g.View.TasksOnMachine(m.ID) {
		if t.Stopped() {
			continue
		}
		out.Tasks++
		out.ReservedCPU += t.Reserved.CPU
		out.ReservedMemory += t.Reserved.Memory
		s, ok := g.View.Service(t.Service)
		if !ok {
			continue
		}
		of := append(ofService(s), model.Dimension{Name: "TaskId", Value: model.ShortID(t.ARN)})
		cpu = sum(cpu, part(g.latest(s.Region, metric("CPUUtilization", of...), model.StatAverage), t.Reserved.CPU, m.Capacity.CPU))
		memory = sum(memory, part(g.latest(s.Region, metric("MemoryUtilization", of...), model.StatAverage), t.Reserved.Memory, m.Capacity.Memory))
	}
	out.UsedCPU, out.UsedMemory = cpu, memory
}

// part is a percentage of some as one of all.
func part(percent *float64, of, all int) *float64 {
	if percent == nil || all <= 0 {
		return nil
	}
	return new(*percent * float64(of) / float64(all))
}

func ofService(s *model.Service) []model.Dimension {
	return []model.Dimension{{Name: "ClusterName", Value: arn.Name(s.Cluster)}, {Name: "ServiceName", Value: s.Name}}
}

// activityText is an activity in a few words.
func activityText(a *model.ScalingActivity) string {
	by := ""
	if a.Policy != "" {
		by = " by " + a.Policy
	}
	switch {
	case a.Desired >= 0 && a.Inputs != nil:
		return fmt.Sprintf("%d to %d%s", a.Inputs.Desired, a.Desired, by)
	case a.Desired >= 0:
		return fmt.Sprintf("to %d%s", a.Desired, by)
	case len(a.NotScaled) > 0:
		return a.NotScaled[0].Code + by
	}
	return a.Description + by
}
