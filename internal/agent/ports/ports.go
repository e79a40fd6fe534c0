// Package ports hands out the host ports of a machine's tasks: fixed ones as they are asked for, others from a range. No
// port is given to two tasks at once, none that somebody else listens on is chosen, and one that was just given back
// rests for a while, so that a late client of the task before does not reach another one.
package ports

import (
	"fmt"
	"hash/fnv"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// The range and rest that are used if nothing else is said ("PortMapping": ephemeral port range).
const (
	defaultFirst = 49153
	defaultLast  = 65535
	defaultRest  = 60 * time.Second
)

// Config says which ports there are. Zero values stand for the machine's own ephemeral range and a rest of a minute.
type Config struct {
	First, Last int
	Rest        time.Duration
	// Free says whether nobody listens on a port; nil asks the kernel.
	Free func(protocol string, port int) bool
}

// Pool is the ports of a machine. It belongs to one goroutine.
type Pool struct {
	config  Config
	holders map[port]string    // task ARNs
	resting map[port]time.Time // until when
}

type port struct {
	protocol string
	number   int
}

// New makes a pool in which all ports are free.
func New(c Config) *Pool {
	if c.First == 0 {
		c.First, c.Last = systemRange()
	}
	if c.Rest == 0 {
		c.Rest = defaultRest
	}
	if c.Free == nil {
		c.Free = free
	}
	return &Pool{config: c, holders: map[port]string{}, resting: map[port]time.Time{}}
}

// systemRange is the kernel's ephemeral range, where there is one to be read.
func systemRange() (first, last int) {
	text, err := os.ReadFile("/proc/sys/net/ipv4/ip_local_port_range")
	if err != nil {
		return defaultFirst, defaultLast
	}
	fields := strings.Fields(string(text))
	if len(fields) != 2 {
		return defaultFirst, defaultLast
	}
	first, err1 := strconv.Atoi(fields[0])
	last, err2 := strconv.Atoi(fields[1])
	if err1 != nil || err2 != nil || first < 1 || last < first || last > 65535 {
		return defaultFirst, defaultLast
	}
	return first, last
}

// Take gives a task the host ports of its definition's containers, by container name: all of them or, with an error
// that says which port is missing and why, none. A range of ports gets as many in a row, a binding for each.
func (p *Pool) Take(
	task string, def *model.TaskDefinition, address string, now time.Time,
) (map[string][]model.PortBinding, error) {
	p.expire(now)
	var bindings map[string][]model.PortBinding
	for i := range def.Containers {
		c := &def.Containers[i]
		for _, m := range mappings(def.NetworkMode, c) {
			number, err := p.take(task, m)
			if err != nil {
				p.Drop(task)
				return nil, fmt.Errorf("container %q: %w", c.Name, err)
			}
			if bindings == nil {
				bindings = map[string][]model.PortBinding{}
			}
			for n := range width(m) {
				bindings[c.Name] = append(bindings[c.Name], model.PortBinding{
					Address: address, ContainerPort: m.ContainerPort + n, HostPort: number + n, Protocol: m.Protocol,
				})
			}
		}
	}
	return bindings, nil
}

// mappings are the port mappings of a container that take host ports, with the protocol and, where it is fixed, the
// host port filled in.
func mappings(mode string, c *model.ContainerDefinition) []model.PortMapping {
	if mode != "" && mode != "bridge" && mode != "host" {
		return nil
	}
	list := make([]model.PortMapping, 0, len(c.Ports))
	for _, m := range c.Ports {
		if mode == "host" {
			m.HostPort = m.ContainerPort
		}
		if m.Protocol == "" {
			m.Protocol = "tcp"
		}
		list = append(list, m)
	}
	return list
}

// take gives a mapping its host port, or the first one of as many in a row as its range has.
func (p *Pool) take(task string, m model.PortMapping) (int, error) {
	if m.HostPort != 0 {
		return m.HostPort, p.takeFixed(task, m)
	}
	// Where the search begins follows from the task, so that neighbours do not follow one another through the range.
	h := fnv.New32a()
	fmt.Fprintf(h, "%s/%d", task, m.ContainerPort)
	size, row := p.config.Last-p.config.First+1, width(m)
	places := size - row + 1
	if places < 1 {
		return 0, fmt.Errorf("no %d host ports between %d and %d", row, p.config.First, p.config.Last)
	}
	begin := int(h.Sum32() % uint32(places)) //nolint:gosec // there are less than 65536
	for i := 0; i < places; i++ {
		first := p.config.First + (begin+i)%places
		busy := p.lastBusy(m.Protocol, first, row)
		if busy == 0 {
			for n := range row {
				p.holders[port{m.Protocol, first + n}] = task
			}
			return first, nil
		}
		i += min(busy-first, places-1-(begin+i)%places) // no row that contains that port is free
	}
	if row > 1 {
		return 0, fmt.Errorf("no %d free host ports in a row between %d and %d", row, p.config.First, p.config.Last)
	}
	return 0, fmt.Errorf("no free host port between %d and %d", p.config.First, p.config.Last)
}

// width is how many ports a mapping publishes.
func width(m model.PortMapping) int {
	if m.Last == 0 {
		return 1
	}
	return m.Last - m.ContainerPort + 1
}

func (p *Pool) takeFixed(task string, m model.PortMapping) error {
	for n := range width(m) {
		at := port{m.Protocol, m.HostPort + n}
		if holder, taken := p.holders[at]; taken {
			return fmt.Errorf("host port %d/%s is used by the task %s", at.number, m.Protocol, model.ShortID(holder))
		}
		p.holders[at] = task
	}
	return nil
}

// lastBusy is the last of some ports in a row that cannot be given away now, 0 if all can.
func (p *Pool) lastBusy(protocol string, first, row int) int {
	for n := row - 1; n >= 0; n-- {
		at := port{protocol, first + n}
		_, taken := p.holders[at]
		_, rests := p.resting[at]
		if taken || rests || !p.config.Free(protocol, at.number) {
			return at.number
		}
	}
	return 0
}

// Adopt notes the ports that a task has from earlier.
func (p *Pool) Adopt(task string, bindings map[string][]model.PortBinding) {
	for _, list := range bindings {
		for _, b := range list {
			p.holders[port{b.Protocol, b.HostPort}] = task
		}
	}
}

// Release takes a task's ports back.
func (p *Pool) Release(bindings map[string][]model.PortBinding, task string, now time.Time) {
	for _, list := range bindings {
		for _, b := range list {
			at := port{b.Protocol, b.HostPort}
			if p.holders[at] == task {
				delete(p.holders, at)
				p.resting[at] = now.Add(p.config.Rest)
			}
		}
	}
}

// Drop takes back what a task never used.
func (p *Pool) Drop(task string) {
	for at, holder := range p.holders {
		if holder == task {
			delete(p.holders, at)
		}
	}
}

func (p *Pool) expire(now time.Time) {
	for at, until := range p.resting {
		if !now.Before(until) {
			delete(p.resting, at)
		}
	}
}
