package model

import "time"

// Wake says of a target group that its service may have no tasks at all: then requests wait at the balancers, and one of
// them wakes the service.
type Wake struct {
	Service string `json:"service"` // ARN
	// Queue is how many requests wait at each balancer, at most; Deadline how long each does.
	Queue    int           `json:"queue"`
	Deadline time.Duration `json:"deadline"`
}

// What a Wake has that nobody has said anything else of.
const (
	WakeQueue    = 1000
	WakeDeadline = 30 * time.Second
)

// Demand says that requests for a target group wait at a balancer. It is there as long as any does.
type Demand struct {
	Balancer string    `json:"balancer"` // id
	Group    string    `json:"group"`    // ARN
	Since    time.Time `json:"since"`    // when the first of them came
	// Elder says that they wait at the process from which the balancer has taken over.
	Elder bool `json:"elder,omitempty"`
}

// Key implements Record: those of a balancer are one prefix.
func (d *Demand) Key() Key {
	if d.Elder {
		return Key{KindDemand, d.Balancer + "/elder/" + d.Group}
	}
	return Key{KindDemand, d.Balancer + "/" + d.Group}
}
