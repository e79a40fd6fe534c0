package ecs

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// askedService is a checked CreateService request: what it has in common with an UpdateService, and the rest.
type askedService struct {
	*ecs.UpdateServiceInput
	name       string
	scheduling string
	launchType types.LaunchType
	tags       []model.Tag
	token      string
	request    string // hash of the request
}

// newService checks what CreateService asks for, as far as it can be told from the request alone.
func (a *API) newService(cluster string, in *ecs.CreateServiceInput) (*askedService, error) {
	asked := &askedService{
		UpdateServiceInput: asUpdate(in), name: aws.ToString(in.ServiceName), scheduling: model.Replica,
		launchType: in.LaunchType, token: aws.ToString(in.ClientToken),
	}
	if in.SchedulingStrategy != "" {
		asked.scheduling = string(in.SchedulingStrategy)
	}
	if err := checkNewService(in); err != nil {
		return nil, err
	}
	if err := checkService(asked.UpdateServiceInput); err != nil {
		return nil, err
	}
	tags, err := tagsIn(in.Tags)
	if err != nil {
		return nil, err
	}
	plain := *in
	plain.Cluster = &cluster // however it was named
	request, err := a.docs.encode(&plain)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(request)
	asked.tags, asked.request = tags, hex.EncodeToString(sum[:])
	return asked, nil
}

// asUpdate gives the members of a CreateService that UpdateService has too.
func asUpdate(in *ecs.CreateServiceInput) *ecs.UpdateServiceInput {
	return &ecs.UpdateServiceInput{
		Service: in.ServiceName, Cluster: in.Cluster, TaskDefinition: in.TaskDefinition, DesiredCount: in.DesiredCount,
		AvailabilityZoneRebalancing: in.AvailabilityZoneRebalancing, CapacityProviderStrategy: in.CapacityProviderStrategy,
		DeploymentConfiguration: in.DeploymentConfiguration, DeploymentController: in.DeploymentController,
		EnableECSManagedTags: &in.EnableECSManagedTags, EnableExecuteCommand: &in.EnableExecuteCommand,
		GatewayConnectors: in.GatewayConnectors, HealthCheckGracePeriodSeconds: in.HealthCheckGracePeriodSeconds,
		LoadBalancers: in.LoadBalancers, Monitoring: in.Monitoring, NetworkConfiguration: in.NetworkConfiguration,
		PlacementConstraints: in.PlacementConstraints, PlacementStrategy: in.PlacementStrategy,
		PlatformVersion: in.PlatformVersion, PropagateTags: in.PropagateTags,
		ServiceConnectConfiguration: in.ServiceConnectConfiguration, ServiceRegistries: in.ServiceRegistries,
		VolumeConfigurations: in.VolumeConfigurations, VpcLatticeConfigurations: in.VpcLatticeConfigurations,
	}
}

// specify works out the service that CreateService asks for, in a view.
func (a *API) specify(v *store.View, call control.Call, cluster string, asked *askedService) (control.NewService, error) {
	definition, err := findDefinition(v, call, asked.TaskDefinition)
	if err != nil {
		return control.NewService{}, err
	}
	def, _ := v.TaskDefinition(*definition)
	svc := &model.Service{Name: asked.name, Cluster: cluster, Scheduling: asked.scheduling, MinHealthy: 100, MaxPercent: 200}
	doc := &serviceDocument{
		CreatedBy: aws.String(call.Principal), LaunchType: asked.launchType,
		// ECS balances by default. This scheduler spreads tasks over zones when it starts them and moves none later.
		AvailabilityZoneRebalancing: types.AvailabilityZoneRebalancingDisabled,
	}
	if svc.Scheduling == model.Daemon {
		svc.MinHealthy, svc.MaxPercent = 0, 100
	}
	if err := applyService(svc, doc, asked.UpdateServiceInput); err != nil {
		return control.NewService{}, err
	}
	if err := firstError(a.checkTogether(v, svc, doc, def), checkCommands(def, svc.ExecuteCommand, "service", "created")); err != nil {
		return control.NewService{}, err
	}
	document, revision, err := a.serviceDocuments(svc, doc)
	return control.NewService{
		Cluster: cluster, Name: svc.Name, TaskDefinition: *definition, DesiredCount: int(aws.ToInt32(asked.DesiredCount)),
		Scheduling: svc.Scheduling, LaunchType: svc.LaunchType, MinHealthy: svc.MinHealthy, MaxPercent: svc.MaxPercent,
		Constraints: svc.Constraints, Strategy: svc.Strategy, HealthGrace: svc.HealthGrace, Monitors: svc.Monitors,
		LoadBalancers: balancersIn(asked.LoadBalancers), PropagateTags: svc.PropagateTags, ManagedTags: svc.ManagedTags, ExecuteCommand: svc.ExecuteCommand, Fine: svc.Fine, Tags: asked.tags,
		Document: document, Revision: revision, Token: asked.token, Request: asked.request,
	}, err
}

// edit makes the changes that UpdateService asks for.
func (a *API) edit(tx *store.Tx, call control.Call, e *control.ServiceEdit, in *ecs.UpdateServiceInput) error {
	var doc, before serviceDocument
	for _, d := range []*serviceDocument{&doc, &before} {
		if err := a.presentDocument(tx.View(), e.Service, d); err != nil {
			return err
		}
	}
	if in.NetworkConfiguration == nil && e.Definition != nil && e.Definition.NetworkMode != awsvpc {
		doc.NetworkConfiguration = nil // that of an earlier task definition
	}
	if err := applyService(e.Service, &doc, in); err != nil {
		return err
	}
	if err := firstError(
		a.checkTogether(tx.View(), e.Service, &doc, e.Definition), checkCommands(e.Definition, e.Service.ExecuteCommand, "service", "updated"),
	); err != nil {
		return err
	}
	var err error
	if in.NetworkConfiguration != nil || doc.NetworkConfiguration == nil {
		if e.Network, err = control.Network(tx, call, networkIn(doc.NetworkConfiguration)); err != nil {
			return err
		}
	}
	if in.LoadBalancers != nil {
		lbs := balancersIn(in.LoadBalancers)
		e.Deploy, e.Balancers = e.Deploy || !slices.Equal(lbs, e.Balancers), lbs
	}
	e.Deploy = e.Deploy || !doc.sameTasks(&before)
	e.Service.Document, e.Revision, err = a.serviceDocuments(e.Service, &doc)
	return err
}

// applyService takes over the members that a request gives, but for the desired count, of which control decides what is
// made. What is not given stays; an empty list removes what was there ("UpdateService").
func applyService(svc *model.Service, doc *serviceDocument, in *ecs.UpdateServiceInput) error {
	if in.DesiredCount != nil && svc.Scheduling == model.Daemon {
		return model.InvalidParameter("The daemon scheduling strategy does not support a desired count for services. " +
			"Remove the desired count value and try again")
	}
	doc.configure(svc, in.DeploymentConfiguration)
	svc.Monitors = monitorsIn(doc.DeploymentConfiguration)
	if err := applyPlacement(svc, in); err != nil {
		return err
	}
	if in.CapacityProviderStrategy != nil {
		doc.CapacityProviderStrategy = noneIsNil(in.CapacityProviderStrategy)
	}
	if in.NetworkConfiguration != nil && in.NetworkConfiguration.AwsvpcConfiguration != nil {
		doc.NetworkConfiguration = in.NetworkConfiguration
	}
	if aws.ToString(in.PlatformVersion) != "" {
		doc.PlatformVersion = in.PlatformVersion
	}
	if in.ServiceConnectConfiguration != nil {
		doc.ServiceConnectConfiguration = in.ServiceConnectConfiguration
	}
	if in.Monitoring != nil {
		doc.Monitoring, svc.Fine = monitoringIn(in.Monitoring)
	}
	svc.LaunchType = string(doc.launchType())
	applyTasks(svc, in)
	return nil
}

func applyPlacement(svc *model.Service, in *ecs.UpdateServiceInput) error {
	if in.PlacementConstraints != nil {
		constraints, err := serviceConstraints(in.PlacementConstraints)
		if err != nil {
			return err
		}
		svc.Constraints = constraints
	}
	if in.PlacementStrategy != nil {
		strategy, err := serviceStrategy(in.PlacementStrategy)
		if err != nil {
			return err
		}
		svc.Strategy = strategy
	}
	return nil
}

// applyTasks takes over what matters to tasks that are started from now on, or to how they are kept.
func applyTasks(svc *model.Service, in *ecs.UpdateServiceInput) {
	if in.HealthCheckGracePeriodSeconds != nil {
		svc.HealthGrace = time.Duration(*in.HealthCheckGracePeriodSeconds) * time.Second
	}
	if in.EnableECSManagedTags != nil {
		svc.ManagedTags = *in.EnableECSManagedTags
	}
	if in.EnableExecuteCommand != nil {
		svc.ExecuteCommand = *in.EnableExecuteCommand
	}
	switch in.PropagateTags {
	case "":
	case types.PropagateTagsNone:
		svc.PropagateTags = ""
	default:
		svc.PropagateTags = string(in.PropagateTags)
	}
}

// noneIsNil keeps an empty list as the store gives it back.
func noneIsNil[T any](list []T) []T {
	if len(list) == 0 {
		return nil
	}
	return list
}
