package metadata

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// Task is a task as it is told to itself ("Amazon ECS task metadata V4 JSON response").
type Task struct {
	Cluster               string
	TaskARN               string
	Family                string
	Revision              string
	DesiredStatus         string
	KnownStatus           string
	Limits                *TaskLimits       `json:",omitempty"`
	PullStartedAt         time.Time         `json:",omitzero"`
	PullStoppedAt         time.Time         `json:",omitzero"`
	ExecutionStoppedAt    time.Time         `json:",omitzero"`
	AvailabilityZone      string            `json:",omitempty"`
	TaskTags              map[string]string `json:",omitempty"`
	ContainerInstanceTags map[string]string `json:",omitempty"`
	LaunchType            string            `json:",omitempty"`
	Containers            []Container
	VPCID                 string `json:",omitempty"`
	ServiceName           string `json:",omitempty"`
}

// TaskLimits are those of the whole task: virtual processors and MiB.
type TaskLimits struct {
	CPU    float64 `json:",omitempty"`
	Memory int     `json:",omitempty"`
}

// Container is a container in it. Of its limits the processor is in units and the memory in MiB.
type Container struct {
	DockerID      string `json:"DockerId"`
	Name          string
	DockerName    string
	Image         string
	ImageID       string
	Ports         []Port            `json:",omitempty"`
	Labels        map[string]string `json:",omitempty"`
	DesiredStatus string
	KnownStatus   string
	ExitCode      *int `json:",omitempty"`
	Limits        ContainerLimits
	CreatedAt     time.Time `json:",omitzero"`
	StartedAt     time.Time `json:",omitzero"`
	FinishedAt    time.Time `json:",omitzero"`
	Type          string
	Health        *Health           `json:",omitempty"`
	LogDriver     string            `json:",omitempty"`
	LogOptions    map[string]string `json:",omitempty"`
	ContainerARN  string
	Networks      []Network `json:",omitempty"`
	RestartCount  *int      `json:",omitempty"`
}

// ContainerLimits are in processor units and MiB.
type ContainerLimits struct{ CPU, Memory int }

// Port is a port of a container; HostPort is 0 if it is published nowhere.
type Port struct {
	ContainerPort int
	Protocol      string
	HostPort      int    `json:",omitempty"`
	HostIP        string `json:"HostIp,omitempty"`
}

// Health is the result of a container's health checks.
type Health struct {
	Status model.Health `json:"status"`
}

// Network is a network of a container. What only a task with an address of its own has is left out of others.
type Network struct {
	NetworkMode              string
	IPv4Addresses            []string `json:",omitempty"`
	AttachmentIndex          *int     `json:",omitempty"`
	MACAddress               string   `json:",omitempty"`
	IPv4SubnetCIDRBlock      string   `json:",omitempty"`
	PrivateDNSName           string   `json:",omitempty"`
	SubnetGatewayIpv4Address string   `json:",omitempty"`
}

// Facts are what is known of a task.
type Facts struct {
	model.TaskState
	Definition *model.TaskDefinition // with the task's overrides
	Zone       string                // of the machine
	Memory     int                   // of the machine, MiB
	Plain      bool                  // its containers are plain processes, in the machine's own network
}

// Describe makes the answer about a task; containers are the newest attempts by name.
func Describe(f Facts, containers map[string]driver.Status) Task {
	t, def := f.TaskState, f.Definition
	out := Task{
		Cluster: t.Cluster, TaskARN: t.ARN, Family: def.Family, Revision: strconv.Itoa(def.Revision),
		DesiredStatus: string(t.Desired), KnownStatus: string(t.LastStatus()),
		AvailabilityZone: f.Zone, LaunchType: t.LaunchType, Containers: []Container{}, ServiceName: arn.Name(t.Service),
	}
	if def.CPU != 0 || def.Memory != 0 {
		out.Limits = &TaskLimits{CPU: float64(def.CPU) / 1024, Memory: def.Memory}
	}
	if t.Seen != nil {
		out.PullStartedAt, out.PullStoppedAt, out.ExecutionStoppedAt = t.Seen.PullStartedAt, t.Seen.PullStoppedAt, t.Seen.ExecutionStoppedAt
		if a := t.Seen.Attachment; a != nil {
			out.VPCID, out.AvailabilityZone = a.VPC, cmp.Or(a.Zone, f.Zone)
		}
	}
	for i := range def.Containers {
		name := def.Containers[i].Name
		out.Containers = append(out.Containers, describeContainer(f, &def.Containers[i], containers[name]))
	}
	return out
}

// describeContainer prefers what the driver says at the moment to what was reported: a container that asks runs, whether
// the store has been told yet or not.
func describeContainer(f Facts, c *model.ContainerDefinition, s driver.Status) Container {
	seen := observed(f.TaskState, c.Name)
	out := Container{
		DockerID: cmp.Or(s.RuntimeID, seen.RuntimeID), Name: c.Name, DockerName: s.ID,
		Image: c.Image, ImageID: cmp.Or(s.Image, seen.Image),
		Labels: labels(f, c), DesiredStatus: string(f.Desired), KnownStatus: known(s, seen), ExitCode: seen.ExitCode,
		Limits:    ContainerLimits{CPU: c.CPU, Memory: cmp.Or(c.Memory, c.MemoryReservation)},
		CreatedAt: s.StartedAt, StartedAt: s.StartedAt, FinishedAt: s.ExitedAt,
		Type: "NORMAL", ContainerARN: arn.Container(f.ARN, c.Name), Networks: networks(f),
	}
	if s.ID != "" {
		out.ExitCode = s.ExitCode
	}
	if c.HealthCheck != nil {
		out.Health = &Health{cmp.Or(seen.Health, model.Unknown)}
	}
	if c.Restart != nil {
		out.RestartCount = &seen.Restarts
	}
	for _, p := range c.Ports {
		out.Ports = append(out.Ports, port(p, seen.Bindings))
	}
	if c.Log != nil {
		out.LogDriver, out.LogOptions = c.Log.Driver, logOptions(c.Log, c.Name, model.ShortID(f.ARN))
	}
	return out
}

func observed(t model.TaskState, name string) model.ObservedContainer {
	if t.Seen != nil {
		for _, c := range t.Seen.Containers {
			if c.Name == name {
				return c
			}
		}
	}
	return model.ObservedContainer{Name: name}
}

func known(s driver.Status, seen model.ObservedContainer) string {
	switch s.State {
	case driver.Running:
		return string(model.TaskRunning)
	case driver.Exited:
		return string(model.TaskStopped)
	case driver.Starting:
		return string(model.TaskPending)
	}
	return string(cmp.Or(seen.Status, model.TaskPending))
}

// labels are the definition's, with those that ECS's agent adds.
func labels(f Facts, c *model.ContainerDefinition) map[string]string {
	all := map[string]string{
		"com.amazonaws.ecs.cluster":                 f.Cluster,
		"com.amazonaws.ecs.container-name":          c.Name,
		"com.amazonaws.ecs.task-arn":                f.ARN,
		"com.amazonaws.ecs.task-definition-family":  f.Definition.Family,
		"com.amazonaws.ecs.task-definition-version": strconv.Itoa(f.Definition.Revision),
	}
	maps.Copy(all, c.Labels)
	return all
}

func port(p model.PortMapping, bindings []model.PortBinding) Port {
	out := Port{ContainerPort: p.ContainerPort, Protocol: p.Protocol}
	for _, b := range bindings {
		if b.ContainerPort == p.ContainerPort && b.Protocol == p.Protocol {
			out.HostPort, out.HostIP = b.HostPort, b.Address
		}
	}
	return out
}

// logOptions tells the stream itself where the definition has the beginning of its name.
func logOptions(l *model.LogConfiguration, container, task string) map[string]string {
	options := maps.Clone(l.Options)
	if prefix := options["awslogs-stream-prefix"]; l.Driver == "awslogs" && prefix != "" {
		delete(options, "awslogs-stream-prefix")
		options["awslogs-stream"] = (&model.AWSLogs{Prefix: prefix}).Stream(container, task, "")
	}
	return options
}

func networks(f Facts) []Network {
	mode := cmp.Or(f.Definition.NetworkMode, "bridge")
	if f.Plain {
		mode = "host"
	}
	n := Network{NetworkMode: mode}
	if f.Seen == nil || f.Seen.Attachment == nil {
		return []Network{n}
	}
	a := f.Seen.Attachment
	n.IPv4Addresses, n.AttachmentIndex, n.MACAddress = []string{a.Address}, new(int), a.MAC
	if address, err := netip.ParseAddr(a.Address); err == nil {
		if subnet, err := address.Prefix(a.Prefix); err == nil {
			n.IPv4SubnetCIDRBlock = subnet.String()
		}
	}
	n.SubnetGatewayIpv4Address = fmt.Sprintf("%s/%d", a.Gateway, a.Prefix)
	n.PrivateDNSName = fmt.Sprintf("ip-%s.%s.compute.internal", strings.ReplaceAll(a.Address, ".", "-"), arn.ScopeOf(f.ARN).Region)
	return []Network{n}
}

// tags are left out of an answer where there are none.
func tags(list []model.Tag) map[string]string {
	out := make(map[string]string, len(list))
	for _, t := range list {
		out[t.Key] = t.Value
	}
	return out
}
