package place

import (
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// Demand is what a task of a definition takes from a machine ("Task definition parameters"): the CPU units and memory
// of the whole task where they are given, else the sum over its containers, where a container takes its
// memoryReservation if it has one, else its memory; its GPUs; and its fixed host ports. Ports that the agent chooses
// are not in it. overrides may be nil.
func Demand(def *model.TaskDefinition, overrides *model.Overrides) model.Resources {
	if overrides == nil {
		overrides = &model.Overrides{}
	}
	var d model.Resources
	for i := range def.Containers {
		c := override(def.Containers[i], overrides)
		d.CPU += c.CPU
		d.Memory += firstSet(c.MemoryReservation, c.Memory)
		d.GPUs += c.GPUs
		for _, p := range c.Ports {
			d = withPort(d, def.NetworkMode, p)
		}
	}
	d.CPU = firstSet(overrides.CPU, def.CPU, d.CPU)
	d.Memory = firstSet(overrides.Memory, def.Memory, d.Memory)
	d.Ports, d.UDPPorts = distinct(d.Ports), distinct(d.UDPPorts)
	return d
}

// override gives a container as its override has it.
func override(c model.ContainerDefinition, overrides *model.Overrides) model.ContainerDefinition {
	for _, o := range overrides.Containers {
		if o.Name != c.Name {
			continue
		}
		assign(&c.CPU, o.CPU)
		assign(&c.GPUs, o.GPUs)
		assign(&c.Memory, o.Memory)
		assign(&c.MemoryReservation, o.MemoryReservation)
	}
	return c
}

func assign(to, value *int) {
	if value != nil {
		*to = *value
	}
}

// firstSet is the first that is not zero: zero means that nothing was given.
func firstSet(values ...int) int {
	for _, v := range values {
		if v != 0 {
			return v
		}
	}
	return 0
}

// withPort adds the host port of a mapping, if it is fixed: in the host's network it is the container's port; tasks
// with a network of their own, or none, take no port of the host.
func withPort(d model.Resources, networkMode string, p model.PortMapping) model.Resources {
	port := p.HostPort
	switch networkMode {
	case "host":
		port = p.ContainerPort
	case "", "bridge":
	default:
		return d
	}
	switch {
	case port == 0:
	case p.Protocol == "udp":
		d.UDPPorts = append(d.UDPPorts, port)
	default:
		d.Ports = append(d.Ports, port)
	}
	return d
}

func distinct(ports []int) []int {
	slices.Sort(ports)
	return slices.Compact(ports)
}
