package ecs

import (
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/model"
)

// definition is a task definition on its way from a request to the store: first checked, then normalised, then converted.
type definition struct {
	types.TaskDefinition
	cpu, memory int // of the whole task in units and MiB, 0 if not given
}

// container is a container definition with what its messages say.
type container struct {
	*types.ContainerDefinition
	index int
}

// label is how messages name the container.
func (c container) label() string {
	if name := aws.ToString(c.Name); name != "" {
		return name
	}
	return fmt.Sprintf("containerDefinitions[%d]", c.index)
}

// invalid is ECS's message for a bad member of a container.
func (c container) invalid(member, format string, args ...any) string {
	return fmt.Sprintf("Invalid '%s' setting for container '%s'. ", member, c.label()) + fmt.Sprintf(format, args...)
}

// containers lists the containers in order.
func (d *definition) containers() []container {
	list := make([]container, len(d.ContainerDefinitions))
	for i := range d.ContainerDefinitions {
		list[i] = container{&d.ContainerDefinitions[i], i}
	}
	return list
}

// container finds a container by name.
func (d *definition) container(name string) (container, bool) {
	for _, c := range d.containers() {
		if aws.ToString(c.Name) == name {
			return c, true
		}
	}
	return container{}, false
}

// definitionBytesMax is the largest task definition ("Amazon ECS service quotas").
const definitionBytesMax = 64 << 10

// newTaskDefinition checks, normalises and converts what RegisterTaskDefinition asks for.
func (a *API) newTaskDefinition(in *ecs.RegisterTaskDefinitionInput) (model.TaskDefinition, error) {
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return model.TaskDefinition{}, err
	}
	if len(in.InferenceAccelerators) > 0 { //nolint:staticcheck // old definitions still have it, and their owners want to know
		return model.TaskDefinition{}, model.ClientFault("inferenceAccelerators is not supported: Amazon Elastic Inference is no longer available.")
	}
	d := newDefinition(in)
	if problem := d.check(); problem != "" {
		return model.TaskDefinition{}, model.ClientFault(problem)
	}
	d.normalise()
	out := d.model()
	out.Tags = tags
	if out.Document, err = a.docs.encode(&d.TaskDefinition); err != nil {
		return out, err
	}
	if n := len(out.Document); n > definitionBytesMax {
		return out, model.ClientFault(fmt.Sprintf("The task definition has %d bytes; at most %d are allowed.", n, definitionBytesMax))
	}
	return out, nil
}

func newDefinition(in *ecs.RegisterTaskDefinitionInput) *definition {
	return &definition{TaskDefinition: types.TaskDefinition{
		ContainerDefinitions:    in.ContainerDefinitions,
		Cpu:                     in.Cpu,
		EnableFaultInjection:    in.EnableFaultInjection,
		EphemeralStorage:        in.EphemeralStorage,
		ExecutionRoleArn:        in.ExecutionRoleArn,
		Family:                  in.Family,
		IpcMode:                 in.IpcMode,
		Memory:                  in.Memory,
		NetworkMode:             in.NetworkMode,
		PidMode:                 in.PidMode,
		PlacementConstraints:    in.PlacementConstraints,
		ProxyConfiguration:      in.ProxyConfiguration,
		RequiresCompatibilities: in.RequiresCompatibilities,
		RuntimePlatform:         in.RuntimePlatform,
		TaskRoleArn:             in.TaskRoleArn,
		Volumes:                 in.Volumes,
	}}
}

var (
	cpuPattern    = regexp.MustCompile(`(?i)^([0-9]+|[0-9]*\.[0-9]+) *vcpus?$`)
	memoryPattern = regexp.MustCompile(`(?i)^([0-9]+|[0-9]*\.[0-9]+) *gb$`)
)

const thousand = 1024 // units of a vCPU, MiB of a GB

// size reads "1024" or, with a pattern for the unit, "1 vCPU" and "2GB".
func size(text string, pattern *regexp.Regexp) (int, bool) {
	text = strings.TrimSpace(text)
	if n, err := strconv.Atoi(text); err == nil {
		return n, n > 0 && n <= math.MaxInt32
	}
	m := pattern.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	f, err := strconv.ParseFloat(m[1], 64)
	n := f * thousand
	return int(n), err == nil && n > 0 && n <= math.MaxInt32 && n == math.Trunc(n)
}

// normalise fills in what ECS fills in when it answers ("RegisterTaskDefinition"). Tools compare the answer with what
// they sent, so nothing else may be added.
func (d *definition) normalise() {
	if d.cpu > 0 {
		d.Cpu = aws.String(strconv.Itoa(d.cpu))
	}
	if d.memory > 0 {
		d.Memory = aws.String(strconv.Itoa(d.memory))
	}
	d.Volumes = emptyNotNil(d.Volumes)
	d.PlacementConstraints = emptyNotNil(d.PlacementConstraints)
	if len(d.RequiresCompatibilities) == 0 {
		d.RequiresCompatibilities = nil
	}
	d.Compatibilities = d.compatibilities()
	d.RequiresAttributes = d.requiredAttributes()
	for _, c := range d.containers() {
		d.normaliseContainer(c)
	}
}

func (d *definition) normaliseContainer(c container) {
	if c.Essential == nil {
		c.Essential = aws.Bool(true)
	}
	c.Environment = emptyNotNil(c.Environment)
	c.MountPoints = emptyNotNil(c.MountPoints)
	c.PortMappings = emptyNotNil(c.PortMappings)
	c.SystemControls = emptyNotNil(c.SystemControls)
	c.VolumesFrom = emptyNotNil(c.VolumesFrom)
	for i := range c.PortMappings {
		d.normalisePort(&c.PortMappings[i])
	}
	if h := c.HealthCheck; h != nil {
		fill(&h.Interval, healthInterval)
		fill(&h.Timeout, healthTimeout)
		fill(&h.Retries, healthRetries)
	}
}

func (d *definition) normalisePort(p *types.PortMapping) {
	if p.Protocol == "" {
		p.Protocol = types.TransportProtocolTcp
	}
	if p.ContainerPort == nil {
		return // a range
	}
	if d.samePorts() {
		fill(&p.HostPort, *p.ContainerPort)
	} else {
		fill(&p.HostPort, 0)
	}
}

// samePorts says that a container's ports are the host's, or the task's own: there is nothing to map.
func (d *definition) samePorts() bool {
	return d.NetworkMode == types.NetworkModeAwsvpc || d.NetworkMode == types.NetworkModeHost
}

// fill gives a member that is not given its default.
func fill[T any](member **T, value T) {
	if *member == nil {
		*member = &value
	}
}

// The defaults of a health check, interval and timeout in seconds ("HealthCheck").
const (
	healthInterval int32 = 30
	healthTimeout  int32 = 5
	healthRetries  int32 = 3
)
