package ecs

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/model"
)

// model converts a checked and normalised definition: what decisions and drivers need of it.
func (d *definition) model() model.TaskDefinition {
	out := model.TaskDefinition{
		Family:      aws.ToString(d.Family),
		NetworkMode: string(d.NetworkMode),
		CPU:         d.cpu,
		Memory:      d.memory,
	}
	for _, c := range d.PlacementConstraints {
		out.Constraints = append(out.Constraints, model.Constraint{Type: model.MemberOf, Expression: aws.ToString(c.Expression)})
	}
	for _, r := range d.RequiresAttributes {
		out.Requires = append(out.Requires, aws.ToString(r.Name)+"="+aws.ToString(r.Value))
	}
	ofTask := d.unmet()
	for _, c := range d.containers() {
		converted := containerModel(c)
		converted.Unmet = append(converted.Unmet, ofTask...)
		out.Containers = append(out.Containers, converted)
	}
	return out
}

// requiredAttributes lists what a container instance must have to run the task: the operating system and processor of
// runtimePlatform.
func (d *definition) requiredAttributes() []types.Attribute {
	list := []types.Attribute{}
	require := func(name, value string) {
		list = append(list, types.Attribute{Name: aws.String(name), Value: aws.String(value)})
	}
	if d.RuntimePlatform == nil {
		return list
	}
	switch d.RuntimePlatform.CpuArchitecture {
	case types.CPUArchitectureX8664:
		require(model.AttributeArchitecture, "x86_64")
	case types.CPUArchitectureArm64:
		require(model.AttributeArchitecture, "arm64")
	}
	switch family := d.RuntimePlatform.OperatingSystemFamily; {
	case family == types.OSFamilyLinux:
		require(model.AttributeOS, "linux")
	case strings.HasPrefix(string(family), "WINDOWS"):
		require(model.AttributeOS, "windows")
	}
	return list
}

// unmet lists the members of the task that change how its containers would run and that have no type in model.
//
// Roles are not among them: nearly every definition names some, and what they give (credentials, pulling and logging on
// the task's behalf) is asked for by the program or the driver, which sees that it is not there. Volumes are met where
// containers mount them.
func (d *definition) unmet() []string {
	return setNames(
		setMember{"enableFaultInjection", aws.ToBool(d.EnableFaultInjection)},
		setMember{"ephemeralStorage", d.EphemeralStorage != nil},
		setMember{"ipcMode", d.IpcMode != ""},
		setMember{"pidMode", d.PidMode != ""},
		setMember{"proxyConfiguration", d.ProxyConfiguration != nil},
	)
}

func setNames(members ...setMember) []string {
	var names []string
	for _, m := range members {
		if m.set {
			names = append(names, m.name)
		}
	}
	return names
}

func containerModel(c container) model.ContainerDefinition {
	out := model.ContainerDefinition{
		Name:              aws.ToString(c.Name),
		Image:             aws.ToString(c.Image),
		EntryPoint:        c.EntryPoint,
		Command:           c.Command,
		WorkingDirectory:  aws.ToString(c.WorkingDirectory),
		User:              aws.ToString(c.User),
		CPU:               int(c.Cpu),
		Memory:            int(aws.ToInt32(c.Memory)),
		MemoryReservation: int(aws.ToInt32(c.MemoryReservation)),
		Essential:         essential(c),
		StartTimeout:      seconds(c.StartTimeout),
		StopTimeout:       seconds(c.StopTimeout),
		HealthCheck:       healthModel(c.HealthCheck),
		Restart:           restartModel(c.RestartPolicy),
		Labels:            c.DockerLabels,
		Unmet:             unmetMembers(c),
	}
	for _, e := range c.Environment {
		if out.Environment == nil {
			out.Environment = make(map[string]string, len(c.Environment))
		}
		out.Environment[aws.ToString(e.Name)] = aws.ToString(e.Value)
	}
	for _, p := range c.PortMappings {
		if p.ContainerPort != nil {
			out.Ports = append(out.Ports, model.PortMapping{
				Name: aws.ToString(p.Name), ContainerPort: int(*p.ContainerPort),
				HostPort: int(aws.ToInt32(p.HostPort)), Protocol: string(p.Protocol),
			})
		}
	}
	for _, dep := range c.DependsOn {
		out.DependsOn = append(out.DependsOn, model.Dependency{Container: aws.ToString(dep.ContainerName), Condition: string(dep.Condition)})
	}
	for _, u := range c.Ulimits {
		out.Ulimits = append(out.Ulimits, model.Ulimit{Name: string(u.Name), Soft: int64(u.SoftLimit), Hard: int64(u.HardLimit)})
	}
	for _, r := range c.ResourceRequirements {
		if n, ok := gpus(r); ok && r.Type == types.ResourceTypeGpu {
			out.GPUs += n
		}
	}
	return out
}

func seconds(n *int32) time.Duration { return time.Duration(aws.ToInt32(n)) * time.Second }

func healthModel(h *types.HealthCheck) *model.HealthCheck {
	if h == nil {
		return nil
	}
	command := h.Command
	if command[0] != "CMD" && command[0] != "CMD-SHELL" {
		command = slices.Concat([]string{"CMD"}, command)
	}
	return &model.HealthCheck{
		Command: command, Interval: seconds(h.Interval), Timeout: seconds(h.Timeout),
		Retries: int(aws.ToInt32(h.Retries)), StartPeriod: seconds(h.StartPeriod),
	}
}

// restartPeriod is how many seconds a container must have run to be restarted ("ContainerRestartPolicy").
const restartPeriod int32 = 300

func restartModel(r *types.ContainerRestartPolicy) *model.RestartPolicy {
	if r == nil || !aws.ToBool(r.Enabled) {
		return nil
	}
	out := &model.RestartPolicy{AttemptPeriod: seconds(cmp.Or(r.RestartAttemptPeriod, aws.Int32(restartPeriod)))}
	for _, code := range r.IgnoredExitCodes {
		out.IgnoredExitCodes = append(out.IgnoredExitCodes, int(code))
	}
	return out
}

// unmetMembers lists the members of a container that are set, change how it would run, and have no type in model.
func unmetMembers(c container) []string {
	var requirements []string
	for _, r := range c.ResourceRequirements {
		if r.Type != types.ResourceTypeGpu {
			requirements = append(requirements, "resourceRequirements."+string(r.Type))
		} else if r.SharingStrategy != nil {
			requirements = append(requirements, "resourceRequirements.sharingStrategy")
		}
	}
	names := setNames(
		setMember{"credentialSpecs", len(c.CredentialSpecs) > 0},
		setMember{"disableNetworking", aws.ToBool(c.DisableNetworking)},
		setMember{"dnsSearchDomains", len(c.DnsSearchDomains) > 0},
		setMember{"dnsServers", len(c.DnsServers) > 0},
		setMember{"dockerSecurityOptions", len(c.DockerSecurityOptions) > 0},
		setMember{"environmentFiles", len(c.EnvironmentFiles) > 0},
		setMember{"extraHosts", len(c.ExtraHosts) > 0},
		setMember{"firelensConfiguration", c.FirelensConfiguration != nil},
		setMember{"hostname", aws.ToString(c.Hostname) != ""},
		setMember{"interactive", aws.ToBool(c.Interactive)},
		setMember{"links", len(c.Links) > 0},
		setMember{"logConfiguration", !logsCaptured(c.LogConfiguration)},
		setMember{"mountPoints", len(c.MountPoints) > 0},
		setMember{"portMappings.containerPortRange", slices.ContainsFunc(c.PortMappings, isRange)},
		setMember{"privileged", aws.ToBool(c.Privileged)},
		setMember{"pseudoTerminal", aws.ToBool(c.PseudoTerminal)},
		setMember{"readonlyRootFilesystem", aws.ToBool(c.ReadonlyRootFilesystem)},
		setMember{"repositoryCredentials", c.RepositoryCredentials != nil},
		setMember{"secrets", len(c.Secrets) > 0},
		setMember{"systemControls", len(c.SystemControls) > 0},
		setMember{"volumesFrom", len(c.VolumesFrom) > 0},
	)
	return slices.Concat(names, requirements, unmetLinux(c.LinuxParameters))
}

func isRange(p types.PortMapping) bool { return p.ContainerPortRange != nil }

// logsCaptured says that the output of a container goes where its log configuration wants it. Whatever the driver, the
// agent captures it, and that is what json-file does. It is also what stands for awslogs here, which very many
// definitions carry: the output is kept on the machine rather than sent to AWS.
func logsCaptured(l *types.LogConfiguration) bool {
	return l == nil || l.LogDriver == types.LogDriverAwslogs || l.LogDriver == types.LogDriverJsonFile
}

func unmetLinux(l *types.LinuxParameters) []string {
	if l == nil {
		return nil
	}
	capabilities := l.Capabilities != nil && len(l.Capabilities.Add)+len(l.Capabilities.Drop) > 0
	return setNames(
		setMember{"linuxParameters.capabilities", capabilities},
		setMember{"linuxParameters.devices", len(l.Devices) > 0},
		setMember{"linuxParameters.initProcessEnabled", aws.ToBool(l.InitProcessEnabled)},
		setMember{"linuxParameters.maxSwap", l.MaxSwap != nil},
		setMember{"linuxParameters.sharedMemorySize", aws.ToInt32(l.SharedMemorySize) > 0},
		setMember{"linuxParameters.swappiness", l.Swappiness != nil},
		setMember{"linuxParameters.tmpfs", len(l.Tmpfs) > 0},
	)
}
