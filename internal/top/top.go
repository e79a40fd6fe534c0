// Package top is the live view of `maitred top`: what runs, how busy and how healthy it is. A snapshot comes from a server
// (see gather); Screen is what is shown of it and what keys do, purely; Run is the loop that asks, draws and listens.
package top

import (
	"fmt"
	"strings"
	"time"
)

// Ask is what a snapshot shall tell beside the services.
type Ask struct {
	// Service is the ARN of the service whose tasks are told, "" for none.
	Service string
	// Machines says that the machines are told.
	Machines bool
}

// Snapshot is what runs at one time. Numbers that are not known, or not yet, are nil.
type Snapshot struct {
	At       time.Time `json:"at"`
	Services []Service `json:"services"` // by cluster and name
	Tasks    []Task    `json:"tasks,omitempty"`
	Machines []Machine `json:"machines,omitempty"`
}

// Service is a service that is not INACTIVE. What is measured is that of the newest few seconds.
type Service struct {
	ARN      string   `json:"arn"`
	Cluster  string   `json:"cluster"` // name
	Name     string   `json:"name"`
	Status   string   `json:"status"`
	Desired  int      `json:"desired"`
	Running  int      `json:"running"`
	Pending  int      `json:"pending"`
	CPU      *float64 `json:"cpu"`      // percent of what its tasks have reserved
	Memory   *float64 `json:"memory"`   // percent of what its tasks have reserved
	Requests *float64 `json:"requests"` // a second, by its target groups
	P99      *float64 `json:"p99"`      // seconds that targets took to answer
	// Targets are those that are registered, Healthy those of them that are.
	Targets int `json:"targets"`
	Healthy int `json:"healthy"`
	// Load is the CPU of each second of the last minute, the oldest first.
	Load []*float64 `json:"load,omitempty"`
	// Scaled is the last scaling activity, nil for none.
	Scaled *Scaled `json:"scaled,omitempty"`
}

// Scaled is a scaling activity.
type Scaled struct {
	At   time.Time `json:"at"`
	Text string    `json:"text"`
}

// Task is a task that is not stopped.
type Task struct {
	ID         string    `json:"id"`
	Status     string    `json:"status"`
	Wanted     string    `json:"wanted"`
	Health     string    `json:"health"`
	Definition string    `json:"definition"` // family:revision
	Host       string    `json:"host"`
	CPU        *float64  `json:"cpu"`
	Memory     *float64  `json:"memory"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
}

// Machine is a machine, with what its tasks have reserved of it.
type Machine struct {
	ID        string `json:"id"`
	Host      string `json:"host"`
	Driver    string `json:"driver"`
	Connected bool   `json:"connected"`
	Tasks     int    `json:"tasks"`
	CPU       int    `json:"cpu"`    // units
	Memory    int    `json:"memory"` // MiB
	// ReservedCPU and ReservedMemory are of its tasks; UsedCPU is what these use of all its units, in percent.
	ReservedCPU    int      `json:"reservedCPU"`
	ReservedMemory int      `json:"reservedMemory"`
	UsedCPU        *float64 `json:"usedCPU"`
	UsedMemory     *float64 `json:"usedMemory"` // percent of all its memory
}

// Find gives the ARN of the service that has an ARN, a name or a CLUSTER/NAME. The error names those that there are.
func (s *Snapshot) Find(ref string) (arn string, err error) {
	var found, names []string
	for i := range s.Services {
		svc := &s.Services[i]
		whole := svc.Cluster + "/" + svc.Name
		names = append(names, whole)
		if ref == svc.ARN || ref == svc.Name || ref == whole {
			found = append(found, svc.ARN)
		}
	}
	switch len(found) {
	case 0:
		return "", fmt.Errorf("there is no service %q; the services are: %s", ref, strings.Join(names, ", "))
	case 1:
		return found[0], nil
	}
	return "", fmt.Errorf("%q is the name of %d services; say which: %s", ref, len(found), strings.Join(found, ", "))
}
