package ecs

import (
	"fmt"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/model"
)

// overridesMax is how many characters overrides may have as JSON ("RunTask").
const overridesMax = 8192

// overridesIn checks and converts overrides, nil if there are none. The roles are names that come back as they were
// given, like those of a task definition.
func (a *API) overridesIn(in *types.TaskOverride) (*model.Overrides, error) {
	if in == nil {
		return nil, nil
	}
	out := &model.Overrides{}
	var err error
	if out.Document, err = a.docs.encode(in); err != nil {
		return nil, err
	}
	if n := utf8.RuneCount(out.Document); n > overridesMax {
		return nil, model.InvalidParameter(fmt.Sprintf("overrides has %d characters as JSON; at most %d are allowed.", n, overridesMax))
	}
	if len(in.InferenceAcceleratorOverrides) > 0 { //nolint:staticcheck // it is refused
		return nil, model.Unsupported("overrides.inferenceAcceleratorOverrides is not supported: Amazon Elastic Inference is no longer available.")
	}
	if e := in.EphemeralStorage; e != nil {
		if out.Storage = int(e.SizeInGiB); out.Storage < ephemeralGiBMin || out.Storage > ephemeralGiBMax {
			return nil, model.InvalidParameter(fmt.Sprintf(
				"overrides.%s should be between %d and %d, got %d.", ephemeralStorage, ephemeralGiBMin, ephemeralGiBMax, out.Storage))
		}
	}
	out.TaskRole, out.ExecutionRole = aws.ToString(in.TaskRoleArn), aws.ToString(in.ExecutionRoleArn)
	if out.CPU, out.Memory, err = overrideSizes(in); err != nil {
		return nil, err
	}
	seen := map[string]bool{}
	for i := range in.ContainerOverrides {
		c, err := containerOverrideIn(fmt.Sprintf("overrides.containerOverrides[%d]", i), &in.ContainerOverrides[i])
		if err != nil {
			return nil, err
		}
		if seen[c.Name] {
			return nil, model.InvalidParameter(fmt.Sprintf("overrides.containerOverrides[%d]: the container %s is there twice.", i, c.Name))
		}
		seen[c.Name] = true
		out.Containers = append(out.Containers, c)
	}
	return out, nil
}

// overrideSizes reads cpu and memory of the whole task, 0 if they are not given.
func overrideSizes(in *types.TaskOverride) (cpu, memory int, err error) {
	var ok bool
	if text := aws.ToString(in.Cpu); text != "" {
		if cpu, ok = size(text, cpuPattern); !ok || cpu < taskCPUMin || cpu > taskCPUMax {
			return 0, 0, model.InvalidParameter(fmt.Sprintf(
				"overrides.cpu should be between %d and %d CPU units, or as many vCPU, got %.100q.", taskCPUMin, taskCPUMax, text))
		}
	}
	if text := aws.ToString(in.Memory); text != "" {
		if memory, ok = size(text, memoryPattern); !ok {
			return 0, 0, model.InvalidParameter(fmt.Sprintf(
				"overrides.memory should be a number of MiB, or of GB as in 2GB, got %.100q.", text))
		}
	}
	return cpu, memory, nil
}

// containerOverrideIn checks and converts what is changed of one container ("ContainerOverride"). An empty command
// changes nothing.
func containerOverrideIn(member string, in *types.ContainerOverride) (model.ContainerOverride, error) {
	out := model.ContainerOverride{Name: aws.ToString(in.Name)}
	if out.Name == "" {
		return out, model.InvalidParameter(member + ".name should not be empty.")
	}
	if len(in.Command) > 0 {
		out.Command = in.Command
	}
	err := firstError(overrideEnvironment(&out, member, in), overrideGPUs(&out, member, in), overrideNumbers(&out, member, in))
	return out, err
}

// overrideEnvironment takes over environment and environmentFiles. The files replace those of the definition.
func overrideEnvironment(out *model.ContainerOverride, member string, in *types.ContainerOverride) error {
	if err := atMost(member+".environmentFiles", in.EnvironmentFiles, environmentFilesMax); err != nil {
		return err
	}
	for i, f := range in.EnvironmentFiles {
		if problem := fileProblem(fmt.Sprintf("%s.environmentFiles[%d]", member, i), f); problem != "" {
			return model.InvalidParameter(problem)
		}
		out.EnvironmentFiles = append(out.EnvironmentFiles, aws.ToString(f.Value))
	}
	for i, e := range in.Environment {
		name := aws.ToString(e.Name)
		if name == "" {
			return model.InvalidParameter(fmt.Sprintf("%s.environment[%d].name should not be empty.", member, i))
		}
		if out.Environment == nil {
			out.Environment = map[string]string{}
		}
		out.Environment[name] = aws.ToString(e.Value)
	}
	return nil
}

// overrideGPUs takes over resourceRequirements, as far as they are numbers of GPUs.
func overrideGPUs(out *model.ContainerOverride, member string, in *types.ContainerOverride) error {
	for i, r := range in.ResourceRequirements {
		at := fmt.Sprintf("%s.resourceRequirements[%d]", member, i)
		if problem := required(at+".type", r.Type); problem != "" {
			return model.InvalidParameter(problem)
		}
		n, ok := gpus(r)
		switch {
		case r.Type != types.ResourceTypeGpu, r.SharingStrategy != nil, aws.ToString(r.Value) == allGPUs:
			return model.Unsupported(at + " is not supported by this version of maitred: only the type GPU with a number is.")
		case !ok:
			return model.InvalidParameter(fmt.Sprintf("%s.value should be a number of GPUs, at least 1; got %.100q.", at, aws.ToString(r.Value)))
		case out.GPUs != nil:
			return model.InvalidParameter(at + ": the type GPU is there twice.")
		}
		out.GPUs = &n
	}
	return nil
}

func overrideNumbers(out *model.ContainerOverride, member string, in *types.ContainerOverride) error {
	for _, n := range []struct {
		name  string
		value *int32
		least int
		to    **int
	}{
		{"cpu", in.Cpu, 0, &out.CPU},
		{"memory", in.Memory, containerMemoryMin, &out.Memory},
		{"memoryReservation", in.MemoryReservation, containerMemoryMin, &out.MemoryReservation},
	} {
		if n.value == nil {
			continue
		}
		value := int(*n.value)
		if value < n.least {
			return model.InvalidParameter(fmt.Sprintf("%s.%s should be at least %d, got %d.", member, n.name, n.least, value))
		}
		*n.to = &value
	}
	return nil
}

// overridesOut gives the overrides of a task as they were given, with a line for each container, as ECS has it.
func (a *API) overridesOut(t *model.Task, def *model.TaskDefinition) (*types.TaskOverride, error) {
	out := &types.TaskOverride{}
	if t.Overrides != nil {
		if err := a.docs.decode(t.Overrides.Document, out); err != nil {
			return nil, err
		}
	}
	given := map[string]bool{}
	for _, c := range out.ContainerOverrides {
		given[aws.ToString(c.Name)] = true
	}
	out.ContainerOverrides = emptyNotNil(out.ContainerOverrides)
	for i := range def.Containers {
		if name := def.Containers[i].Name; !given[name] {
			out.ContainerOverrides = append(out.ContainerOverrides, types.ContainerOverride{Name: aws.String(name)})
		}
	}
	out.InferenceAcceleratorOverrides = []types.InferenceAcceleratorOverride{} //nolint:staticcheck // ECS still gives it
	return out, nil
}
