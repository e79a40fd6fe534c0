package ecs

import (
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// instanceOut describes a container instance. The EC2 instance id of a machine is its id.
func instanceOut(v *store.View, call control.Call, i *model.Instance, include []types.ContainerInstanceField) types.ContainerInstance {
	m, ok := v.Machine(i.Machine)
	if !ok {
		m = &model.Machine{ID: i.Machine}
	}
	use := control.UseOfInstance(v, i, m)
	out := types.ContainerInstance{
		AgentConnected:       control.AgentConnected(m, call.Now),
		Attachments:          []types.Attachment{},
		Attributes:           []types.Attribute{},
		ContainerInstanceArn: aws.String(i.ARN),
		Ec2InstanceId:        aws.String(m.ID),
		PendingTasksCount:    int32(use.Pending),
		RegisteredAt:         timestamp(i.CreatedAt),
		RegisteredResources:  resourcesOut(m.Capacity),
		RemainingResources:   resourcesOut(use.Remaining),
		RunningTasksCount:    int32(use.Running),
		Status:               aws.String(string(i.Status)),
		Tags:                 []types.Tag{},
		Version:              max(v.Version(i.Key()), v.Version(m.Key())),
		VersionInfo:          &types.VersionInfo{},
	}
	if m.Version != "" {
		out.VersionInfo.AgentVersion = aws.String(m.Version)
	}
	for _, attribute := range control.InstanceAttributes(v, i) {
		out.Attributes = append(out.Attributes, attributeOut(attribute))
	}
	if includes(include, types.ContainerInstanceFieldTags) {
		out.Tags = tagsOut(i.Tags)
	}
	if includes(include, types.ContainerInstanceFieldContainerInstanceHealth) {
		out.HealthStatus = instanceHealth(m, out.AgentConnected)
	}
	return out
}

// instanceHealth is what is known of a machine's container runtime: it is well as long as the agent, which drives it,
// reports.
func instanceHealth(m *model.Machine, connected bool) *types.ContainerInstanceHealthStatus {
	state := types.InstanceHealthCheckStateInsufficientData
	if connected {
		state = types.InstanceHealthCheckStateOk
	}
	return &types.ContainerInstanceHealthStatus{
		OverallStatus: state,
		Details: []types.InstanceHealthCheckResult{{
			Type: types.InstanceHealthCheckTypeContainerRuntime, Status: state, LastUpdated: timestamp(m.SeenAt),
		}},
	}
}

// resourcesOut gives resources in the shape and order of ECS: every one has all kinds of numbers.
func resourcesOut(r model.Resources) []types.Resource {
	number := func(name string, n int) types.Resource {
		return types.Resource{Name: aws.String(name), Type: aws.String("INTEGER"), IntegerValue: int32(n)}
	}
	ports := func(name string, list []int) types.Resource {
		return types.Resource{Name: aws.String(name), Type: aws.String("STRINGSET"), StringSetValue: numerals(list)}
	}
	list := []types.Resource{
		number("CPU", r.CPU), number("MEMORY", r.Memory), ports("PORTS", r.Ports), ports("PORTS_UDP", r.UDPPorts),
	}
	if r.GPUs > 0 {
		list = append(list, number("GPU", r.GPUs))
	}
	return list
}

func numerals(numbers []int) []string {
	list := make([]string, 0, len(numbers))
	for _, n := range numbers {
		list = append(list, strconv.Itoa(n))
	}
	return list
}
