package ecs

import (
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
)

// Limits of a task definition ("Task definition parameters", "Amazon ECS service quotas").
const (
	containersMax      = 10
	constraintsMax     = 10
	taskCPUMin         = 128
	taskCPUMax         = 196608
	ephemeralStorage   = "ephemeralStorage.sizeInGiB"
	ephemeralGiBMin    = 21
	ephemeralGiBMax    = 200
	compatibleFargate  = types.CompatibilityFargate
	compatibleExternal = types.CompatibilityExternal
)

// check says what is wrong with a task definition in ECS's words, "" if nothing is. The rules are those that
// RegisterTaskDefinition can judge by itself, in this order; the first that is broken is told.
func (d *definition) check() string {
	for _, rule := range []func(*definition) string{
		checkFamily,
		checkContainerList,
		checkTaskSizes,
		checkTaskEnums,
		checkStorage,
		checkConstraints,
		checkVolumes,
	} {
		if problem := rule(d); problem != "" {
			return problem
		}
	}
	for _, c := range d.containers() {
		if problem := d.checkContainer(c); problem != "" {
			return problem
		}
	}
	rules := []func(*definition) string{checkNames, checkEssential}
	if slices.Contains(d.RequiresCompatibilities, compatibleFargate) {
		rules = append(rules, (*definition).fargateProblem)
	}
	if slices.Contains(d.RequiresCompatibilities, compatibleExternal) {
		rules = append(rules, (*definition).externalProblem)
	}
	for _, rule := range append(rules, checkSums,
		checkPortNames, checkHostPorts, checkDependencies, checkLinks, checkRouter, checkVolumeUse, checkOrder, checkSecrets, checkProxy) {
		if problem := rule(d); problem != "" {
			return problem
		}
	}
	return ""
}

func checkFamily(d *definition) string {
	switch family := aws.ToString(d.Family); {
	case family == "":
		return "Family should not be null or empty."
	case !validName(family):
		return fmt.Sprintf("Family %.300q is not a name: %s.", family, nameRule)
	}
	return ""
}

func checkContainerList(d *definition) string {
	switch n := len(d.ContainerDefinitions); {
	case n == 0:
		return "Container list cannot be empty: containerDefinitions should have at least one container."
	case n > containersMax:
		return fmt.Sprintf("containerDefinitions has %d containers; at most %d are allowed.", n, containersMax)
	}
	return ""
}

// checkTaskSizes reads cpu and memory of the task.
func checkTaskSizes(d *definition) string {
	var ok bool
	if d.Cpu != nil && *d.Cpu != "" {
		if d.cpu, ok = size(*d.Cpu, cpuPattern); !ok || d.cpu < taskCPUMin || d.cpu > taskCPUMax {
			return fmt.Sprintf("Invalid 'cpu' setting for task. It should be between %d and %d CPU units, or as many vCPU, got %.100q.",
				taskCPUMin, taskCPUMax, *d.Cpu)
		}
	}
	if d.Memory != nil && *d.Memory != "" {
		if d.memory, ok = size(*d.Memory, memoryPattern); !ok {
			return fmt.Sprintf("Invalid 'memory' setting for task. It should be a number of MiB, or of GB as in 2GB, got %.100q.", *d.Memory)
		}
	}
	return ""
}

func checkTaskEnums(d *definition) string {
	problems := []string{
		enumProblem("networkMode", d.NetworkMode),
		enumProblem("pidMode", d.PidMode),
		enumProblem("ipcMode", d.IpcMode),
	}
	for _, c := range d.RequiresCompatibilities {
		problems = append(problems, enumProblem("requiresCompatibilities", c))
	}
	if p := d.RuntimePlatform; p != nil {
		problems = append(problems,
			enumProblem("runtimePlatform.cpuArchitecture", p.CpuArchitecture),
			enumProblem("runtimePlatform.operatingSystemFamily", p.OperatingSystemFamily))
	}
	return first(problems...)
}

// first is the first problem that there is.
func first(problems ...string) string {
	for _, p := range problems {
		if p != "" {
			return p
		}
	}
	return ""
}

func checkStorage(d *definition) string {
	if d.EphemeralStorage == nil {
		return ""
	}
	if n := d.EphemeralStorage.SizeInGiB; n < ephemeralGiBMin || n > ephemeralGiBMax {
		return fmt.Sprintf("Invalid '%s' setting for task. It should be between %d and %d, got %d.",
			ephemeralStorage, ephemeralGiBMin, ephemeralGiBMax, n)
	}
	if len(d.RequiresCompatibilities) > 0 && !slices.Contains(d.RequiresCompatibilities, compatibleFargate) {
		return "ephemeralStorage is only supported for tasks that require the compatibility FARGATE."
	}
	return ""
}

func checkConstraints(d *definition) string {
	if n := len(d.PlacementConstraints); n > constraintsMax {
		return fmt.Sprintf("placementConstraints has %d constraints; at most %d are allowed.", n, constraintsMax)
	}
	for i, c := range d.PlacementConstraints {
		member := fmt.Sprintf("placementConstraints[%d]", i)
		if c.Type != types.TaskDefinitionPlacementConstraintTypeMemberOf {
			return oneOf(member+".type", c.Type, c.Type.Values())
		}
		if err := control.CheckExpression(aws.ToString(c.Expression)); err != nil {
			return fmt.Sprintf("Invalid constraint expression in %s.expression: %s.", member, err)
		}
	}
	return ""
}

func checkNames(d *definition) string {
	seen := map[string]bool{}
	for _, c := range d.containers() {
		name := aws.ToString(c.Name)
		if seen[name] {
			return fmt.Sprintf("Container names must be unique within a task definition: '%s' is there twice.", name)
		}
		seen[name] = true
	}
	return ""
}

func essential(c container) bool { return c.Essential == nil || *c.Essential }

func checkEssential(d *definition) string {
	if !slices.ContainsFunc(d.containers(), essential) {
		return "Task definition doesn't have any essential container"
	}
	return ""
}

// checkSums compares the sizes of the containers with one another and with those of the task.
func checkSums(d *definition) string {
	sum, reserved := 0, 0
	for _, c := range d.containers() {
		memory, reservation := int(aws.ToInt32(c.Memory)), int(aws.ToInt32(c.MemoryReservation))
		switch {
		case memory == 0 && reservation == 0 && d.memory == 0:
			return fmt.Sprintf("Invalid setting for container '%s'. At least one of 'memory' or 'memoryReservation' must be specified.", c.label())
		case memory != 0 && memory < reservation:
			return fmt.Sprintf("Invalid setting for container '%s'. 'memory' must be greater than or equal to 'memoryReservation'.", c.label())
		case d.memory != 0 && memory > d.memory:
			return fmt.Sprintf("The 'memory' setting for container '%s' is greater than for the task.", c.label())
		}
		sum += int(c.Cpu)
		reserved += reservation
	}
	if d.memory != 0 && reserved > d.memory {
		return fmt.Sprintf("The sum of all container 'memoryReservation' values cannot be greater than the value of the task 'memory': "+
			"%d is greater than %d.", reserved, d.memory)
	}
	if d.cpu != 0 && sum > d.cpu {
		return fmt.Sprintf("The sum of all container 'cpu' values cannot be greater than the task-level 'cpu' value: %d is greater than %d.", sum, d.cpu)
	}
	return ""
}

func checkSecrets(d *definition) string {
	for _, c := range d.containers() {
		log := c.LogConfiguration
		if len(c.Secrets) == 0 && (log == nil || len(log.SecretOptions) == 0) {
			continue
		}
		if aws.ToString(d.ExecutionRoleArn) == "" {
			return "When you are specifying container secrets, you must also specify a value for 'executionRoleArn'"
		}
		names := map[string]bool{}
		for _, e := range c.Environment {
			names[aws.ToString(e.Name)] = true
		}
		for _, s := range c.Secrets {
			if name := aws.ToString(s.Name); names[name] {
				return fmt.Sprintf("The secret name must be unique and not shared with any new or existing environment variables "+
					"set on the container, such as '%s'.", name)
			}
			names[aws.ToString(s.Name)] = true
		}
	}
	return ""
}

// checkProxy checks proxyConfiguration ("ProxyConfiguration").
func checkProxy(d *definition) string {
	p := d.ProxyConfiguration
	if p == nil {
		return ""
	}
	if problem := enumProblem("proxyConfiguration.type", p.Type); problem != "" {
		return problem
	}
	if d.NetworkMode != types.NetworkModeAwsvpc {
		return "proxyConfiguration is only supported when networkMode=awsvpc."
	}
	if _, ok := d.container(aws.ToString(p.ContainerName)); !ok {
		return fmt.Sprintf("proxyConfiguration.containerName: unknown container '%s'.", aws.ToString(p.ContainerName))
	}
	given := map[string]bool{}
	for _, v := range p.Properties {
		given[aws.ToString(v.Name)] = aws.ToString(v.Value) != ""
	}
	for _, alternatives := range [][]string{{"AppPorts"}, {"ProxyIngressPort"}, {"ProxyEgressPort"}, {"IgnoredUID", "IgnoredGID"}} {
		if !slices.ContainsFunc(alternatives, func(name string) bool { return given[name] }) {
			return "proxyConfiguration.properties should have " + strings.Join(alternatives, " or ") + "."
		}
	}
	return ""
}
