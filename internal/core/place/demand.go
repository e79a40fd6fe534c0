package place

import (
	"cmp"
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// Demand is what a task of a definition takes from a machine ("Task definition parameters"): the CPU units and memory
// of the whole task where they are given, else the sum over its containers, where a container takes its
// memoryReservation if it has one, else its memory; its GPUs; and its fixed host ports. Ports that the agent chooses
// are not in it. overrides may be nil.
func Demand(def *model.TaskDefinition, overrides *model.Overrides) model.Resources {
	def = def.With(overrides)
	var d model.Resources
	for i := range def.Containers {
		c := &def.Containers[i]
		d.CPU += c.CPU
		d.Memory += cmp.Or(c.MemoryReservation, c.Memory)
		d.GPUs += c.GPUs
		for _, p := range c.Ports {
			d = withPort(d, def.NetworkMode, p)
		}
	}
	d.CPU = cmp.Or(def.CPU, d.CPU)
	d.Memory = cmp.Or(def.Memory, d.Memory)
	d.Ports, d.UDPPorts = distinct(d.Ports), distinct(d.UDPPorts)
	return d
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
