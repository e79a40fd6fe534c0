package place

import (
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// machine is a machine with what is free on it. Less than nothing is free where more was promised than there is.
type machine struct {
	*model.Machine
	cpu, memory, gpus int
	ports             ports // taken or reserved
	instances         []*instance
}

func newMachine(m *model.Machine) *machine {
	c := m.Capacity
	n := &machine{Machine: m, cpu: c.CPU, memory: c.Memory, gpus: c.GPUs}
	n.ports.add(portsOf(c))
	return n
}

// change takes resources (sign 1) or gives them back (sign -1), and puts the machine in its new place on the shelves.
func (m *machine) change(amount model.Resources, sign int) {
	before := m.keys()
	m.cpu -= sign * amount.CPU
	m.memory -= sign * amount.Memory
	m.gpus -= sign * amount.GPUs
	if list := portsOf(amount); sign > 0 {
		m.ports.add(list)
	} else {
		m.ports.remove(list)
	}
	after := m.keys()
	for _, i := range m.instances {
		for _, s := range i.in.shelves {
			s.move(i.at, before[s.order], after[s.order])
		}
	}
}

// order is what a shelf is sorted by.
type order int

const (
	byLoad   order = iota // the least loaded first
	byCPU                 // the least CPU left first
	byMemory              // the least memory left first
	orders
)

func (m *machine) keys() (k [orders]int64) {
	k[byLoad] = max(load(m.Capacity.CPU, m.cpu), load(m.Capacity.Memory, m.memory))
	k[byCPU], k[byMemory] = int64(m.cpu), int64(m.memory)
	return k
}

// load is how much of a resource is taken, in millionths.
func load(capacity, free int) int64 {
	if capacity <= 0 {
		return 0
	}
	return int64(capacity-free) * 1_000_000 / int64(capacity)
}

// room says whether resources are free. What is not asked for need not be there.
func (m *machine) room(d *model.Resources, fixed []int) bool {
	return (d.CPU <= m.cpu || d.CPU == 0) && (d.Memory <= m.memory || d.Memory == 0) && (d.GPUs <= m.gpus || d.GPUs == 0) &&
		(len(fixed) == 0 || m.ports.free(fixed))
}

// ports is a sorted list of host ports, UDP ones moved up by udp. A port is in it as often as it was taken, so that it
// is free only when all have given it back.
type ports []int

const udp = 1 << 16

// portsOf lists the ports of resources in the form of ports.
func portsOf(r model.Resources) []int {
	if len(r.Ports)+len(r.UDPPorts) == 0 {
		return nil
	}
	list := slices.Clone(r.Ports)
	for _, p := range r.UDPPorts {
		list = append(list, p|udp)
	}
	return list
}

func (p *ports) add(list []int) {
	for _, port := range list {
		i, _ := slices.BinarySearch(*p, port)
		*p = slices.Insert(*p, i, port)
	}
}

func (p *ports) remove(list []int) {
	for _, port := range list {
		if i, ok := slices.BinarySearch(*p, port); ok {
			*p = slices.Delete(*p, i, i+1)
		}
	}
}

func (p ports) free(list []int) bool {
	for _, port := range list {
		if _, taken := slices.BinarySearch(p, port); taken {
			return false
		}
	}
	return true
}
