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
		Family:        aws.ToString(d.Family),
		NetworkMode:   string(d.NetworkMode),
		CPU:           d.cpu,
		Memory:        d.memory,
		PIDMode:       string(d.PidMode),
		IPCMode:       string(d.IpcMode),
		TaskRole:      aws.ToString(d.TaskRoleArn),
		ExecutionRole: aws.ToString(d.ExecutionRoleArn),
	}
	if d.EphemeralStorage != nil {
		out.Storage = int(d.EphemeralStorage.SizeInGiB)
	}
	for _, v := range d.Volumes {
		out.Volumes = append(out.Volumes, volumeModel(v))
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
func (d *definition) unmet() []string {
	return setNames(
		setMember{"enableFaultInjection", aws.ToBool(d.EnableFaultInjection)},
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
		Environment:       keyed(c.Environment, func(e types.KeyValuePair) (string, string) { return aws.ToString(e.Name), aws.ToString(e.Value) }),
		EnvironmentFiles:  each(c.EnvironmentFiles, func(f types.EnvironmentFile) string { return aws.ToString(f.Value) }),
		Secrets:           each(c.Secrets, secretModel),
		WorkingDirectory:  aws.ToString(c.WorkingDirectory),
		User:              aws.ToString(c.User),
		CPU:               int(c.Cpu),
		Memory:            int(aws.ToInt32(c.Memory)),
		MemoryReservation: int(aws.ToInt32(c.MemoryReservation)),
		GPUs:              gpusOf(c.ResourceRequirements),
		Essential:         essential(c),
		Ports:             each(c.PortMappings, portModel),
		DependsOn:         each(c.DependsOn, dependencyModel),
		StartTimeout:      seconds(c.StartTimeout),
		StopTimeout:       seconds(c.StopTimeout),
		HealthCheck:       healthModel(c.HealthCheck),
		Restart:           restartModel(c.RestartPolicy),
		Ulimits:           each(c.Ulimits, ulimitModel),
		Labels:            c.DockerLabels,
		Unpinned:          c.VersionConsistency == types.VersionConsistencyDisabled,
		Log:               logModel(c.LogConfiguration),
		Unmet:             unmetMembers(c),
	}
	if r := c.RepositoryCredentials; r != nil {
		out.Registry = aws.ToString(r.CredentialsParameter)
	}
	surroundings(&out, c)
	return out
}

// each converts the elements of a list, nil if there are none.
func each[T, M any](list []T, convert func(T) M) []M {
	if len(list) == 0 {
		return nil
	}
	out := make([]M, len(list))
	for i := range list {
		out[i] = convert(list[i])
	}
	return out
}

// keyed converts a list of names with values, nil if there are none. Of a name that is there twice, the last counts.
func keyed[T any](list []T, pair func(T) (string, string)) map[string]string {
	if len(list) == 0 {
		return nil
	}
	out := make(map[string]string, len(list))
	for i := range list {
		name, value := pair(list[i])
		out[name] = value
	}
	return out
}

func portModel(p types.PortMapping) model.PortMapping {
	out := model.PortMapping{
		Name: aws.ToString(p.Name), ContainerPort: int(aws.ToInt32(p.ContainerPort)),
		HostPort: int(aws.ToInt32(p.HostPort)), Protocol: string(p.Protocol),
	}
	if p.ContainerPortRange != nil {
		ports, _ := rangeOf(p) // it has been checked
		out.ContainerPort, out.Last = ports.first, ports.last
	}
	return out
}

func dependencyModel(d types.ContainerDependency) model.Dependency {
	return model.Dependency{Container: aws.ToString(d.ContainerName), Condition: string(d.Condition)}
}

func ulimitModel(u types.Ulimit) model.Ulimit {
	return model.Ulimit{Name: string(u.Name), Soft: int64(u.SoftLimit), Hard: int64(u.HardLimit)}
}

func gpusOf(requirements []types.ResourceRequirement) (sum int) {
	for _, r := range requirements {
		if n, ok := gpus(r); ok && r.Type == types.ResourceTypeGpu {
			sum += n
		}
	}
	return sum
}

func secretModel(s types.Secret) model.Secret {
	return model.Secret{Name: aws.ToString(s.Name), ValueFrom: aws.ToString(s.ValueFrom)}
}

func logModel(l *types.LogConfiguration) *model.LogConfiguration {
	if l == nil {
		return nil
	}
	return &model.LogConfiguration{
		Driver: string(l.LogDriver), Options: noEntriesIsNil(l.Options), Secrets: each(l.SecretOptions, secretModel),
	}
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
	names := setNames(
		setMember{"credentialSpecs", len(c.CredentialSpecs) > 0},
		setMember{"firelensConfiguration", c.FirelensConfiguration != nil},
	)
	for _, r := range c.ResourceRequirements {
		switch {
		case r.Type != types.ResourceTypeGpu:
			names = append(names, "resourceRequirements."+string(r.Type))
		case r.SharingStrategy != nil:
			names = append(names, "resourceRequirements.sharingStrategy")
		case aws.ToString(r.Value) == allGPUs:
			names = append(names, "resourceRequirements.GPU "+allGPUs)
		}
	}
	return names
}
