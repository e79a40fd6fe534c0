package ecs

import (
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// taskOut describes a task; its tags are left out unless they are asked for.
func (a *API) taskOut(v *store.View, call control.Call, t model.TaskState, withTags bool) (types.Task, error) {
	def, ok := v.TaskDefinition(t.TaskDefinition)
	if !ok {
		def = &model.TaskDefinition{ARN: t.TaskDefinition}
	}
	overrides, err := a.overridesOut(t.Task, def)
	if err != nil {
		return types.Task{}, err
	}
	out := types.Task{
		Attachments:           attachmentsOut(t),
		Attributes:            []types.Attribute{},
		ClusterArn:            aws.String(t.Cluster),
		ContainerInstanceArn:  aws.String(t.Instance),
		Containers:            containersOut(t, def),
		Cpu:                   aws.String(strconv.Itoa(t.Reserved.CPU)),
		CreatedAt:             timestamp(t.CreatedAt),
		EnableExecuteCommand:  t.ExecuteCommand,
		DesiredStatus:         aws.String(string(control.Wanted(t))),
		Group:                 aws.String(t.Group),
		HealthStatus:          types.HealthStatus(t.Health()),
		InferenceAccelerators: []types.InferenceAccelerator{}, //nolint:staticcheck // ECS still gives it
		LastStatus:            aws.String(string(t.LastStatus())),
		LaunchType:            types.LaunchType(t.LaunchType),
		Memory:                aws.String(strconv.Itoa(t.Reserved.Memory)),
		Overrides:             overrides,
		Tags:                  []types.Tag{},
		TaskArn:               aws.String(t.ARN),
		TaskDefinitionArn:     aws.String(t.TaskDefinition),
		Version:               taskVersion(v, t),
	}
	if storage := def.With(t.Overrides).Storage; storage != 0 {
		out.EphemeralStorage = &types.EphemeralStorage{SizeInGiB: int32(storage)}
	}
	if t.StartedBy != "" {
		out.StartedBy = aws.String(t.StartedBy)
	}
	if out.LaunchType == types.LaunchTypeFargate {
		out.PlatformVersion, out.PlatformFamily = aws.String(platformVersion), aws.String(platformFamily)
	}
	if withTags {
		out.Tags = tagsOut(t.Tags)
	}
	machine, ok := v.Machine(t.Machine)
	if ok {
		placeOut(&out, machine)
	}
	seenOut(&out, call, t, machine)
	endOut(&out, t)
	return out, nil
}

// placeOut tells of the machine that a task is on.
func placeOut(out *types.Task, m *model.Machine) {
	if zone := m.Zone(); zone != "" {
		out.AvailabilityZone = aws.String(zone)
	}
	if value, ok := m.Attributes[model.AttributeArchitecture]; ok {
		out.Attributes = append(out.Attributes, types.Attribute{Name: aws.String(model.AttributeArchitecture), Value: aws.String(value)})
	}
}

// seenOut tells what the agent has observed of a task's beginning. A task is connected from then on, for as long as its
// machine is; afterwards it stays what it was.
func seenOut(out *types.Task, call control.Call, t model.TaskState, m *model.Machine) {
	seen := t.Seen
	if seen == nil {
		return
	}
	out.PullStartedAt, out.PullStoppedAt = timestamp(seen.PullStartedAt), timestamp(seen.PullStoppedAt)
	out.StartedAt = timestamp(seen.StartedAt)
	out.Connectivity, out.ConnectivityAt = types.ConnectivityConnected, timestamp(earliest(seen.PullStartedAt, seen.StartedAt, seen.StoppedAt))
	if m != nil && !t.Stopped() && !control.AgentConnected(m, call.Now) {
		out.Connectivity, out.ConnectivityAt = types.ConnectivityDisconnected, timestamp(m.SeenAt)
	}
}

// endOut tells how and why a task comes to its end, or came.
func endOut(out *types.Task, t model.TaskState) {
	if control.Wanted(t) != model.TaskStopped {
		return
	}
	code, reason, stopping := t.StopCode, t.StopReason, t.StopAt
	if t.Seen != nil {
		if t.Desired != model.TaskStopped { // it ends by itself, and the scheduler has not taken note
			code, reason = t.Seen.StopCode, t.Seen.StopReason
		}
		stopping = earliest(t.StopAt, t.Seen.StoppingAt, t.Seen.StoppedAt)
		out.ExecutionStoppedAt, out.StoppedAt = timestamp(t.Seen.ExecutionStoppedAt), timestamp(t.Seen.StoppedAt)
	}
	out.StoppingAt = timestamp(stopping)
	out.StopCode = types.TaskStopCode(code)
	if reason != "" {
		out.StoppedReason = aws.String(reason)
	}
}

// earliest is the first of some times, those that are zero left out.
func earliest(times ...time.Time) (first time.Time) {
	for _, t := range times {
		if !t.IsZero() && (first.IsZero() || t.Before(first)) {
			first = t
		}
	}
	return first
}

// taskVersion grows with every change of a task, be it of what is wanted or of what was observed: it is the revision of
// the last one.
func taskVersion(v *store.View, t model.TaskState) int64 {
	return max(v.Version(t.Key()), v.Version(model.ObservedKey(t.Machine, t.ARN)))
}

// containersOut describes the containers of a task in the order of its definition.
func containersOut(t model.TaskState, def *model.TaskDefinition) []types.Container {
	seen := map[string]*model.ObservedContainer{}
	if t.Seen != nil {
		for i := range t.Seen.Containers {
			seen[t.Seen.Containers[i].Name] = &t.Seen.Containers[i]
		}
	}
	list := make([]types.Container, 0, len(def.Containers))
	for _, c := range def.With(t.Overrides).Containers {
		out := types.Container{
			ContainerArn:      aws.String(arn.Container(t.ARN, c.Name)),
			Cpu:               aws.String(strconv.Itoa(c.CPU)),
			HealthStatus:      types.HealthStatusUnknown,
			Image:             aws.String(c.Image),
			LastStatus:        aws.String(string(unseenStatus(t))),
			Name:              aws.String(c.Name),
			NetworkBindings:   []types.NetworkBinding{},
			NetworkInterfaces: interfacesOut(t),
			TaskArn:           aws.String(t.ARN),
		}
		if c.Memory != 0 {
			out.Memory = aws.String(strconv.Itoa(c.Memory))
		}
		if c.MemoryReservation != 0 {
			out.MemoryReservation = aws.String(strconv.Itoa(c.MemoryReservation))
		}
		if o := seen[c.Name]; o != nil {
			observedOut(&out, o)
			out.NetworkBindings = append(out.NetworkBindings, bindingsOut(o.Bindings, c.Ports)...)
		}
		list = append(list, out)
	}
	return list
}

// unseenStatus is the status of a container that the agent has said nothing of.
func unseenStatus(t model.TaskState) model.TaskStatus {
	if t.Stopped() {
		return model.TaskStopped
	}
	return model.TaskPending
}

// observedOut tells what the agent has observed of a container.
func observedOut(out *types.Container, o *model.ObservedContainer) {
	out.LastStatus = aws.String(string(o.Status))
	if o.Health != "" {
		out.HealthStatus = types.HealthStatus(o.Health)
	}
	if o.ExitCode != nil {
		out.ExitCode = aws.Int32(int32(*o.ExitCode))
	}
	for _, text := range []struct {
		to    **string
		value string
	}{{&out.Reason, o.Reason}, {&out.RuntimeId, o.RuntimeID}, {&out.ImageDigest, o.Image}} {
		if text.value != "" {
			*text.to = aws.String(text.value)
		}
	}
}
