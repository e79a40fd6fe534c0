package model

import "time"

// Machine is a computer on which an agent runs, as that agent describes it. It offers its capacity to every cluster in
// which it is a container instance.
type Machine struct {
	ID           string            `json:"id"` // 32 hex digits, kept in the agent's data directory
	Host         string            `json:"host"`
	Address      string            `json:"addr,omitempty"` // where its published ports are reached
	Driver       string            `json:"driver"`
	DriverReason string            `json:"driverReason,omitempty"` // why that driver was chosen
	Version      string            `json:"version"`                // of the agent
	Capacity     Resources         `json:"capacity"`               // Ports and UDPPorts are the reserved ones
	Attributes   map[string]string `json:"attributes,omitempty"`   // built-in ones: ecs.os-type, ecs.cpu-architecture …
	Clusters     []string          `json:"clusters,omitempty"`     // names of the clusters it joins; none: all
	BootID       string            `json:"boot,omitempty"`
	JoinedAt     time.Time         `json:"joined"` // when the agent was started
	// SeenAt and Connected say when the agent last came or went.
	SeenAt    time.Time `json:"seen"`
	Connected bool      `json:"connected"`
	// Zoned says that its operator chose its zone: then it takes only tasks whose subnets are in that zone.
	Zoned bool `json:"zoned,omitempty"`
	// Peer is how other roles reach its agent directly, nil where they cannot.
	Peer *Peer `json:"peer,omitempty"`
	// Policy is what its operator allows tasks to do to it.
	Policy Policy `json:"policy,omitzero"`
}

// Key implements Record.
func (m *Machine) Key() Key { return MachineKey(m.ID) }

// MachineKey is the key of a machine.
func MachineKey(id string) Key { return Key{KindMachine, id} }

// Zone is the availability zone of the machine.
func (m *Machine) Zone() string { return m.Attributes[AttributeZone] }

// The built-in attributes that decisions look at ("Amazon ECS container instance attributes").
const (
	AttributeZone         = "ecs.availability-zone"
	AttributeInstanceType = "ecs.instance-type"
	AttributeOS           = "ecs.os-type"
	AttributeArchitecture = "ecs.cpu-architecture"
)

// Instance is a machine's membership of a cluster: ECS's container instance.
type Instance struct {
	ARN        string            `json:"arn"`
	Cluster    string            `json:"cluster"`              // ARN
	Machine    string            `json:"machine"`              // id
	Status     Status            `json:"status"`               // ACTIVE, DRAINING, INACTIVE
	Attributes map[string]string `json:"attributes,omitempty"` // custom ones
	Tags       []Tag             `json:"tags,omitempty"`
	CreatedAt  time.Time         `json:"created"`
	Cause      Cause             `json:"cause"` // of the last change of Status
}

// Key implements Record.
func (i *Instance) Key() Key { return InstanceKey(i.ARN) }

// InstanceKey is the key of a container instance.
func InstanceKey(arn string) Key { return Key{KindInstance, arn} }

// Occupancy counts the placements on a machine that were made outside the scheduler: by RunTask, in the call itself. Such
// a call writes it and the scheduler guards it, so that the two never give the same room away twice.
type Occupancy struct {
	Machine    string `json:"machine"`
	Placements int    `json:"n"`
}

// Key implements Record.
func (o *Occupancy) Key() Key { return OccupancyKey(o.Machine) }

// OccupancyKey is the key of a machine's occupancy.
func OccupancyKey(machine string) Key { return Key{KindOccupancy, machine} }

// Placement is the mark that the scheduler leaves on a machine whenever it places tasks there. Nobody reads it: whoever
// places a task outside the scheduler guards it, and so learns at the cost of one record that the room may be taken. The
// scheduler itself does not guard it, for its own placements are computed together.
type Placement struct {
	Machine string `json:"machine"`
}

// Key implements Record.
func (p *Placement) Key() Key { return PlacementKey(p.Machine) }

// PlacementKey is the key of a machine's placement mark.
func PlacementKey(machine string) Key { return Key{KindPlacement, machine} }

// Resources is an amount of what tasks take from machines.
type Resources struct {
	CPU      int   `json:"cpu,omitempty"` // units, 1024 to a core
	Memory   int   `json:"mem,omitempty"` // MiB
	GPUs     int   `json:"gpus,omitempty"`
	Ports    []int `json:"ports,omitempty"`    // fixed TCP host ports
	UDPPorts []int `json:"udpPorts,omitempty"` // fixed UDP host ports
}

// Policy is what a machine's operator allows tasks to do to it. The zero value allows nothing of it.
type Policy struct {
	Privileged bool     `json:"privileged,omitempty"`
	HostPaths  []string `json:"paths,omitempty"` // directories below which, or which, tasks may mount
	// Guarded are directories of maitred's own, that HostPaths above them do not stand for.
	Guarded []string `json:"guarded,omitempty"`
}

// Peer is the direct line to an agent, for what does not go through the store: logs, exec, measurements. Both ends know
// each other by it: the agent proves itself by the certificate, whoever calls it by the token.
type Peer struct {
	Address     string `json:"addr"`        // host:port
	Fingerprint string `json:"fingerprint"` // SHA-256 of the certificate, in hex
	Token       string `json:"token"`
}
