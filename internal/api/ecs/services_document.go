package ecs

import (
	"reflect"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// serviceDocument is what the store keeps of a service as it was given. A deployment has a copy as it was when it was
// made, which is its service revision; in that copy the percentages are filled in.
type serviceDocument struct {
	CreatedBy                   *string
	LaunchType                  types.LaunchType // as given; used again when there is no strategy any more
	CapacityProviderStrategy    []types.CapacityProviderStrategyItem
	PlatformVersion             *string
	NetworkConfiguration        *types.NetworkConfiguration
	ServiceConnectConfiguration *types.ServiceConnectConfiguration
	AvailabilityZoneRebalancing types.AvailabilityZoneRebalancing
	DeploymentConfiguration     *types.DeploymentConfiguration
	Monitoring                  *types.MonitoringConfiguration
}

// launchType is where the tasks run: on any machine, whatever it says. FARGATE and FARGATE_SPOT are the only capacity
// providers.
func (d *serviceDocument) launchType() types.LaunchType {
	switch {
	case len(d.CapacityProviderStrategy) > 0:
		return types.LaunchTypeFargate
	case d.LaunchType != "":
		return d.LaunchType
	}
	return types.LaunchTypeEc2
}

// shownLaunchType is the launch type that the API shows: none beside a capacity provider strategy ("Service").
func (d *serviceDocument) shownLaunchType() types.LaunchType {
	if len(d.CapacityProviderStrategy) > 0 {
		return ""
	}
	return d.launchType()
}

// latest asks for the present platform version.
const latest = "LATEST"

// platform gives the platform version, as asked for, and family that the API shows of Fargate tasks.
func (d *serviceDocument) platform() (version, family *string) {
	if d.launchType() != types.LaunchTypeFargate {
		return nil, nil
	}
	if version = d.PlatformVersion; aws.ToString(version) == "" {
		version = aws.String(latest)
	}
	return version, aws.String(platformFamily)
}

// resolvedPlatform is platform with what LATEST stands for, as deployments and revisions show it.
func (d *serviceDocument) resolvedPlatform() (version, family *string) {
	version, family = d.platform()
	if aws.ToString(version) == latest {
		version = aws.String(platformVersion)
	}
	return version, family
}

// sameTasks says whether two documents make the same tasks, so that nothing has to be deployed ("UpdateService"). Monitoring
// is no matter of tasks, but it is given back by service revisions alone, and only a deployment makes one.
func (d *serviceDocument) sameTasks(other *serviceDocument) bool {
	return reflect.DeepEqual(d.NetworkConfiguration, other.NetworkConfiguration) &&
		reflect.DeepEqual(d.PlatformVersion, other.PlatformVersion) &&
		reflect.DeepEqual(d.ServiceConnectConfiguration, other.ServiceConnectConfiguration) &&
		reflect.DeepEqual(d.Monitoring, other.Monitoring)
}

// presentDocument gives what a service is as it was asked for. One that was rolled back has the members of the revision that
// it went back to.
func (a *API) presentDocument(v *store.View, svc *model.Service, doc *serviceDocument) error {
	if err := a.docs.decode(svc.Document, doc); err != nil {
		return err
	}
	primary, ok := v.Deployment(svc.ARN, svc.Primary)
	if !ok || primary.Resumed == nil {
		return nil
	}
	var revision serviceDocument
	if err := a.docs.decode(primary.Document, &revision); err != nil {
		return err
	}
	doc.NetworkConfiguration, doc.PlatformVersion = revision.NetworkConfiguration, revision.PlatformVersion
	doc.ServiceConnectConfiguration, doc.Monitoring = revision.ServiceConnectConfiguration, revision.Monitoring
	return nil
}

// configuration completes the deployment configuration with the percentages and the defaults.
func (d *serviceDocument) configuration(svc *model.Service) *types.DeploymentConfiguration {
	c := types.DeploymentConfiguration{}
	if d.DeploymentConfiguration != nil {
		c = *d.DeploymentConfiguration
	}
	c.MinimumHealthyPercent, c.MaximumPercent = aws.Int32(int32(svc.MinHealthy)), aws.Int32(int32(svc.MaxPercent))
	if c.DeploymentCircuitBreaker == nil {
		c.DeploymentCircuitBreaker = &types.DeploymentCircuitBreaker{}
	}
	c.Strategy = types.DeploymentStrategyRolling
	return &c
}

// configure takes over what a request says of the deployment configuration; members that it does not give stay.
func (d *serviceDocument) configure(svc *model.Service, in *types.DeploymentConfiguration) {
	if in == nil {
		return
	}
	kept := types.DeploymentConfiguration{}
	if d.DeploymentConfiguration != nil {
		kept = *d.DeploymentConfiguration
	}
	if in.MinimumHealthyPercent != nil {
		svc.MinHealthy = int(*in.MinimumHealthyPercent)
	}
	if in.MaximumPercent != nil {
		svc.MaxPercent = int(*in.MaximumPercent)
	}
	if in.DeploymentCircuitBreaker != nil {
		kept.DeploymentCircuitBreaker = in.DeploymentCircuitBreaker
	}
	if in.Alarms != nil {
		kept.Alarms = in.Alarms
	}
	if in.BakeTimeInMinutes != nil {
		kept.BakeTimeInMinutes = in.BakeTimeInMinutes
	}
	if !reflect.DeepEqual(kept, types.DeploymentConfiguration{}) {
		d.DeploymentConfiguration = &kept
	}
}

// documents encodes the document of a service and that of the deployment that begins with it.
func (a *API) serviceDocuments(svc *model.Service, doc *serviceDocument) (service, revision []byte, err error) {
	if service, err = a.docs.keep("service", doc); err != nil {
		return nil, nil, err
	}
	copied := *doc
	copied.DeploymentConfiguration = doc.configuration(svc)
	revision, err = a.docs.keep("service", &copied)
	return service, revision, err
}
