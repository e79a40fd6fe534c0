package model

import (
	"cmp"
	"maps"
	"slices"
)

// With applies the overrides of a task to its definition, nil for none ("TaskOverride"). Neither is changed.
func (d *TaskDefinition) With(o *Overrides) *TaskDefinition {
	if o == nil {
		return d
	}
	out := *d
	out.CPU, out.Memory, out.Storage = cmp.Or(o.CPU, d.CPU), cmp.Or(o.Memory, d.Memory), cmp.Or(o.Storage, d.Storage)
	out.TaskRole, out.ExecutionRole = cmp.Or(o.TaskRole, d.TaskRole), cmp.Or(o.ExecutionRole, d.ExecutionRole)
	out.Containers = slices.Clone(d.Containers)
	for i := range o.Containers {
		if c := out.Container(o.Containers[i].Name); c != nil {
			c.apply(&o.Containers[i])
		}
	}
	return &out
}

// apply changes a container's definition, which must be a copy. Variables are added to those that there are, and replace
// them by name; files replace the files.
func (c *ContainerDefinition) apply(o *ContainerOverride) {
	if o.Command != nil {
		c.Command = o.Command
	}
	if len(o.Environment) > 0 {
		env := make(map[string]string, len(c.Environment)+len(o.Environment))
		maps.Copy(env, c.Environment)
		maps.Copy(env, o.Environment)
		c.Environment = env
	}
	if len(o.EnvironmentFiles) > 0 {
		c.EnvironmentFiles = o.EnvironmentFiles
	}
	for _, set := range []struct{ to, from *int }{
		{&c.CPU, o.CPU}, {&c.GPUs, o.GPUs}, {&c.Memory, o.Memory}, {&c.MemoryReservation, o.MemoryReservation},
	} {
		if set.from != nil {
			*set.to = *set.from
		}
	}
}
