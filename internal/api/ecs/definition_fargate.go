package ecs

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/model"
)

// What tasks of the compatibilities FARGATE and EXTERNAL cannot have, and which compatibilities a definition has.

// fargateSize is the memory that goes with a number of CPU units on Fargate, in MiB ("Task definition parameters").
type fargateSize struct{ cpu, min, max, step int }

func fargateSizes() []fargateSize {
	return []fargateSize{
		{256, 512, 1024, 512},
		{256, 2048, 2048, 1},
		{512, 1024, 4096, 1024},
		{1024, 2048, 8192, 1024},
		{2048, 4096, 16384, 1024},
		{4096, 8192, 30720, 1024},
		{8192, 16384, 61440, 4096},
		{16384, 32768, 122880, 8192},
	}
}

func fits(cpu, memory int) bool {
	return slices.ContainsFunc(fargateSizes(), func(s fargateSize) bool {
		return s.cpu == cpu && memory >= s.min && memory <= s.max && (memory-s.min)%s.step == 0
	})
}

// compatibilities lists what a definition can be run as, in the order of ECS.
func (d *definition) compatibilities() []types.Compatibility {
	var list []types.Compatibility
	if d.externalProblem() == "" {
		list = append(list, compatibleExternal)
	}
	list = append(list, types.CompatibilityEc2)
	if d.fargateProblem() == "" {
		list = append(list, compatibleFargate)
	}
	return list
}

// checkCompatible refuses a launch type for which a task definition is not made. One that is not there, or not ACTIVE, is
// refused elsewhere.
func (a *API) checkCompatible(def *model.TaskDefinition, launch types.LaunchType) error {
	if def == nil || def.Status != model.Active || launch == types.LaunchTypeEc2 {
		return nil
	}
	d := definition{cpu: def.CPU, memory: def.Memory}
	if err := a.docs.decode(def.Document, &d.TaskDefinition); err != nil {
		return err
	}
	problem := d.fargateProblem()
	if launch == types.LaunchTypeExternal {
		problem = d.externalProblem()
	}
	if problem == "" {
		return nil
	}
	return model.InvalidParameter(fmt.Sprintf("Task definition does not support launch_type %s. %s", launch, problem))
}

// externalProblem says why a definition cannot be run on external instances.
func (d *definition) externalProblem() string {
	if d.NetworkMode == types.NetworkModeAwsvpc {
		return "External instances do not support networkMode=awsvpc."
	}
	return ""
}

// fargateProblem says why a definition cannot be run on Fargate, "" if it can.
func (d *definition) fargateProblem() string {
	if problem := first(d.fargateTask(), d.fargateRoles()); problem != "" {
		return problem
	}
	for _, m := range d.fargateTaskMembers() {
		if m.set {
			return "Fargate compatible task definitions do not support " + m.name
		}
	}
	for _, c := range d.containers() {
		for _, m := range fargateMembers(c) {
			if m.set {
				return fmt.Sprintf("Fargate compatible task definitions do not support %s. Leave it out of container '%s'.", m.name, c.label())
			}
		}
		if problem := first(fargateTimes(c), fargateLog(c)); problem != "" {
			return problem
		}
	}
	return ""
}

func (d *definition) fargateTask() string {
	windows := d.RuntimePlatform != nil && strings.HasPrefix(string(d.RuntimePlatform.OperatingSystemFamily), "WINDOWS")
	const windowsCPUMin = 1024
	switch {
	case d.NetworkMode != types.NetworkModeAwsvpc:
		return "Fargate only supports network mode ‘awsvpc’. Set networkMode to awsvpc."
	case d.cpu == 0:
		return "Fargate requires that 'cpu' be defined at the task level."
	case d.memory == 0:
		return "Fargate requires that 'memory' be defined at the task level."
	case !slices.ContainsFunc(fargateSizes(), func(s fargateSize) bool { return s.cpu == d.cpu }):
		return fmt.Sprintf("Invalid 'cpu' setting for task. Fargate has 256, 512, 1024, 2048, 4096, 8192 and 16384 units, got %d.", d.cpu)
	case !fits(d.cpu, d.memory), windows && d.cpu < windowsCPUMin:
		return fmt.Sprintf("No Fargate configuration exists for given values. cpu is %d and memory is %d.", d.cpu, d.memory)
	case d.PidMode == types.PidModeHost:
		return "Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'."
	}
	return ""
}

var ecrPattern = regexp.MustCompile(`^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com`)

func (d *definition) fargateRoles() string {
	if aws.ToString(d.ExecutionRoleArn) != "" {
		return ""
	}
	const requires = "Fargate requires task definition to have execution role ARN to support "
	for _, c := range d.containers() {
		if ecrPattern.MatchString(aws.ToString(c.Image)) {
			return requires + "ECR images."
		}
		if log := c.LogConfiguration; log != nil && log.LogDriver == types.LogDriverAwslogs {
			return requires + "log driver awslogs."
		}
	}
	return ""
}

// setMember is a member by its name, and whether it is given.
type setMember struct {
	name string
	set  bool
}

func (d *definition) fargateTaskMembers() []setMember {
	members := []setMember{
		{"placementConstraints", len(d.PlacementConstraints) > 0},
		{"ipcMode", d.IpcMode != ""},
	}
	for _, v := range d.Volumes {
		members = append(members,
			setMember{"sourcePath", v.Host != nil && v.Host.SourcePath != nil},
			setMember{"dockerVolumeConfiguration", v.DockerVolumeConfiguration != nil})
	}
	return members
}

func fargateMembers(c container) []setMember {
	members := []setMember{
		{"privileged", aws.ToBool(c.Privileged)},
		{"dockerSecurityOptions", len(c.DockerSecurityOptions) > 0},
		{"GPU", slices.ContainsFunc(c.ResourceRequirements, func(r types.ResourceRequirement) bool { return r.Type == types.ResourceTypeGpu })},
	}
	if l := c.LinuxParameters; l != nil {
		members = append(members,
			setMember{"devices", len(l.Devices) > 0},
			setMember{"sharedMemorySize", l.SharedMemorySize != nil},
			setMember{"maxSwap", l.MaxSwap != nil},
			setMember{"swappiness", l.Swappiness != nil})
		if l.Capabilities != nil {
			other := slices.ContainsFunc(l.Capabilities.Add, func(name string) bool { return name != "SYS_PTRACE" })
			members = append(members, setMember{"capabilities other than SYS_PTRACE in linuxParameters.capabilities.add", other})
		}
	}
	return members
}

// fargateTimes checks the ranges that are narrower on Fargate, in seconds.
func fargateTimes(c container) string {
	for _, n := range []number{
		{"startTimeout", c.StartTimeout, 2, 120, false},
		{"stopTimeout", c.StopTimeout, 2, 120, false},
	} {
		if n.value != nil && (*n.value < n.min || *n.value > n.max) {
			return c.invalid(n.member, "On Fargate, it should be between %d and %d, got %d.", n.min, n.max, *n.value)
		}
	}
	return ""
}

func fargateLog(c container) string {
	log := c.LogConfiguration
	if log == nil {
		return ""
	}
	switch log.LogDriver {
	case types.LogDriverAwslogs:
		if log.Options["awslogs-stream-prefix"] == "" {
			return fmt.Sprintf("Log driver awslogs requires options: awslogs-stream-prefix. It is missing in logConfiguration.options of container '%s'.", c.label())
		}
	case types.LogDriverSplunk, types.LogDriverAwsfirelens:
	default:
		return c.invalid("logConfiguration", "Fargate supports the log drivers awslogs, splunk and awsfirelens, got %s.", log.LogDriver)
	}
	return ""
}
