package ecs

import (
	"math"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// serviceDescriber describes services and their deployments in one view.
type serviceDescriber struct {
	*control.Counter
	api  *API
	view *store.View
	call control.Call
}

func (a *API) describer(v *store.View, call control.Call) serviceDescriber {
	return serviceDescriber{Counter: control.NewCounter(v, call), api: a, view: v, call: call}
}

// serviceOut describes one service.
func (a *API) serviceOut(v *store.View, call control.Call, svc *model.Service, include ...types.ServiceField) (*types.Service, error) {
	return a.describer(v, call).service(svc, include...)
}

// service describes a service as ECS does. Lists are given even when they are empty, but for tags that are not asked
// for.
func (d serviceDescriber) service(svc *model.Service, include ...types.ServiceField) (*types.Service, error) {
	var doc serviceDocument
	if err := d.api.presentDocument(d.view, svc, &doc); err != nil {
		return nil, err
	}
	n := d.Service(svc)
	deployments, err := d.deployments(svc, n)
	if err != nil {
		return nil, err
	}
	out := &types.Service{
		ServiceArn:                  aws.String(svc.ARN),
		ServiceName:                 aws.String(svc.Name),
		ClusterArn:                  aws.String(svc.Cluster),
		Status:                      aws.String(string(svc.Status)),
		CreatedAt:                   timestamp(svc.CreatedAt),
		CreatedBy:                   doc.CreatedBy,
		DesiredCount:                count(n.Desired),
		RunningCount:                count(n.Running),
		PendingCount:                count(n.Pending),
		LaunchType:                  doc.shownLaunchType(),
		CapacityProviderStrategy:    doc.CapacityProviderStrategy,
		SchedulingStrategy:          types.SchedulingStrategy(svc.Scheduling),
		DeploymentController:        &types.DeploymentController{Type: types.DeploymentControllerTypeEcs},
		DeploymentConfiguration:     doc.configuration(svc),
		Deployments:                 deployments,
		Events:                      d.events(svc),
		PlacementConstraints:        constraintsOut(svc.Constraints),
		PlacementStrategy:           strategyOut(svc.Strategy),
		NetworkConfiguration:        doc.NetworkConfiguration,
		PropagateTags:               types.PropagateTagsNone,
		EnableECSManagedTags:        svc.ManagedTags,
		EnableExecuteCommand:        svc.ExecuteCommand,
		AvailabilityZoneRebalancing: doc.AvailabilityZoneRebalancing,
		ResourceManagementType:      types.ResourceManagementTypeCustomer,
		LoadBalancers:               []types.LoadBalancer{},
		ServiceRegistries:           []types.ServiceRegistry{},
	}
	out.PlatformVersion, out.PlatformFamily = doc.platform()
	if svc.PropagateTags != "" {
		out.PropagateTags = types.PropagateTags(svc.PropagateTags)
	}
	if svc.HealthGrace > 0 {
		out.HealthCheckGracePeriodSeconds = aws.Int32(int32(svc.HealthGrace.Seconds()))
	}
	if doc.NetworkConfiguration != nil {
		out.RoleArn = aws.String(d.call.Role())
	}
	if includes(include, types.ServiceFieldTags) {
		out.Tags = tagsOut(svc.Tags)
	}
	d.current(out, svc, n)
	return out, nil
}

// current fills in what the newest deployment of a service says.
func (d serviceDescriber) current(out *types.Service, svc *model.Service, n control.ServiceCounts) {
	primary, ok := d.view.Deployment(svc.ARN, svc.Primary)
	if !ok {
		return
	}
	out.TaskDefinition = aws.String(primary.TaskDefinition)
	out.LoadBalancers = balancersOut(primary.LoadBalancers)
	if svc.Status == model.Inactive {
		return
	}
	out.CurrentServiceRevisions = []types.ServiceCurrentRevisionSummary{}
	for x := range d.view.Deployments(svc.ARN) {
		if x.Current {
			if !x.Status.Over() {
				out.CurrentServiceDeployment = aws.String(arn.ServiceDeployment(svc.ARN, x.Token))
			}
			counts := n.Deployments[x.ID]
			out.CurrentServiceRevisions = append(out.CurrentServiceRevisions, types.ServiceCurrentRevisionSummary{
				Arn: aws.String(arn.ServiceRevision(svc.ARN, x.ID)), RequestedTaskCount: count(counts.Desired),
				RunningTaskCount: count(counts.Running), PendingTaskCount: count(counts.Pending),
			})
		}
	}
}

// deployments lists the primary deployment of a service first, then those that it replaces, newest first: one exactly, when it
// is completed. A deleted service has none.
func (d serviceDescriber) deployments(svc *model.Service, n control.ServiceCounts) ([]types.Deployment, error) {
	list := []types.Deployment{}
	if svc.Status == model.Inactive {
		return list, nil
	}
	for x := range d.view.Deployments(svc.ARN) {
		if !x.Current && x.ID != svc.Primary {
			continue
		}
		out, err := d.deployment(svc, x, n.Deployments[x.ID])
		if err != nil {
			return nil, err
		}
		if x.ID == svc.Primary {
			list = slices.Insert(list, 0, out)
		} else {
			list = append(list, out)
		}
	}
	return list, nil
}

func (d serviceDescriber) deployment(svc *model.Service, x *model.Deployment, n control.TaskCounts) (types.Deployment, error) {
	var doc serviceDocument
	if err := d.api.docs.decode(x.Document, &doc); err != nil {
		return types.Deployment{}, err
	}
	out := types.Deployment{
		Id:                          aws.String(x.ID),
		Status:                      aws.String("ACTIVE"),
		TaskDefinition:              aws.String(x.TaskDefinition),
		DesiredCount:                count(n.Desired),
		RunningCount:                count(n.Running),
		PendingCount:                count(n.Pending),
		FailedTasks:                 count(x.Failed),
		CreatedAt:                   timestamp(x.CreatedAt),
		UpdatedAt:                   timestamp(x.UpdatedAt),
		LaunchType:                  doc.shownLaunchType(),
		CapacityProviderStrategy:    doc.CapacityProviderStrategy,
		NetworkConfiguration:        doc.NetworkConfiguration,
		ServiceConnectConfiguration: doc.ServiceConnectConfiguration,
		RolloutState:                types.DeploymentRolloutState(x.Rollout),
		RolloutStateReason:          aws.String(rolloutReason(x)),
	}
	out.PlatformVersion, out.PlatformFamily = doc.resolvedPlatform()
	if x.ID == svc.Primary {
		out.Status = aws.String("PRIMARY")
	}
	return out, nil
}

func rolloutReason(d *model.Deployment) string {
	switch {
	case d.RolloutReason != "":
		return d.RolloutReason
	case d.Rollout == model.RolloutCompleted:
		return "ECS deployment " + d.ID + " completed."
	}
	return "ECS deployment " + d.ID + " in progress."
}

// events lists what was said of a service, newest first. One that has the name of a deleted one does not have its
// events.
func (d serviceDescriber) events(svc *model.Service) []types.ServiceEvent {
	list := []types.ServiceEvent{}
	for e := range d.view.Events(svc.ARN) {
		if e.At.Before(svc.CreatedAt) {
			break
		}
		list = append(list, types.ServiceEvent{Id: aws.String(e.ID), CreatedAt: timestamp(e.At), Message: aws.String(e.Message)})
	}
	return list
}

func constraintsOut(constraints []model.Constraint) []types.PlacementConstraint {
	list := []types.PlacementConstraint{}
	for _, c := range constraints {
		out := types.PlacementConstraint{Type: types.PlacementConstraintType(c.Type)}
		if c.Expression != "" {
			out.Expression = aws.String(c.Expression)
		}
		list = append(list, out)
	}
	return list
}

func strategyOut(strategy []model.Strategy) []types.PlacementStrategy {
	list := []types.PlacementStrategy{}
	for _, s := range strategy {
		out := types.PlacementStrategy{Type: types.PlacementStrategyType(s.Type)}
		if s.Field != "" {
			out.Field = aws.String(s.Field)
		}
		list = append(list, out)
	}
	return list
}

// count is a number of tasks as the API gives it.
func count(n int) int32 { return int32(min(n, math.MaxInt32)) }
