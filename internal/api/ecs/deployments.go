package ecs

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// describedDeploymentsMax is how many service deployments or revisions can be described at once.
const describedDeploymentsMax = 20

func (a *API) listServiceDeployments(
	_ context.Context, call control.Call, in *ecs.ListServiceDeploymentsInput,
) (*ecs.ListServiceDeploymentsOutput, error) {
	service, err := serviceARN(call, in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if err := checkEnums("status", in.Status); err != nil {
		return nil, err
	}
	p, err := newPager(call, pageLimits{20, 100}, in.MaxResults, in.NextToken, deploymentFilters(service, in)...)
	if err != nil {
		return nil, err
	}
	view := a.Store.View()
	if _, err := control.FindCluster(view, arn.ClusterOf(service)); err != nil {
		return nil, err
	}
	svc, ok := view.Service(service)
	if !ok || svc.Status == model.Inactive {
		return nil, model.ServiceNotFound()
	}
	history := []*model.Deployment{}
	for d := range view.Deployments(service) {
		if ofService(svc, d) && wantedDeployment(d, in) {
			history = append(history, d)
		}
	}
	slices.SortFunc(history, func(x, y *model.Deployment) int { return newestFirst(deploymentOrder(x), deploymentOrder(y)) })
	history, next := page(p, history, deploymentOrder, newestFirst)
	out := &ecs.ListServiceDeploymentsOutput{ServiceDeployments: []types.ServiceDeploymentBrief{}, NextToken: next}
	for _, d := range history {
		out.ServiceDeployments = append(out.ServiceDeployments, deploymentBrief(svc, d))
	}
	return out, nil
}

// deploymentFilters are the members that choose deployments, for the token of the next page.
func deploymentFilters(service string, in *ecs.ListServiceDeploymentsInput) []string {
	filters := []string{service}
	if in.CreatedAt != nil {
		filters = append(filters, fmt.Sprint(in.CreatedAt.After), fmt.Sprint(in.CreatedAt.Before))
	}
	for _, s := range in.Status {
		filters = append(filters, string(s))
	}
	return filters
}

// ofService says whether a deployment is one of the service itself, rather than of a deleted one with its name.
func ofService(svc *model.Service, d *model.Deployment) bool {
	return !d.CreatedAt.Before(svc.CreatedAt)
}

// wantedDeployment says whether a deployment passes the filters of ListServiceDeployments. A deployment that was made at
// the very time after which is asked for is among them: the time travels with milliseconds only.
func wantedDeployment(d *model.Deployment, in *ecs.ListServiceDeploymentsInput) bool {
	if len(in.Status) > 0 && !slices.Contains(in.Status, types.ServiceDeploymentStatus(d.Status)) {
		return false
	}
	if in.CreatedAt == nil {
		return true
	}
	after, before := in.CreatedAt.After, in.CreatedAt.Before
	return (after == nil || !d.CreatedAt.Before(*after)) && (before == nil || d.CreatedAt.Before(*before))
}

// deploymentOrder is the key by which a history is sorted and continued.
func deploymentOrder(d *model.Deployment) string {
	return fmt.Sprintf("%020d/%s", d.CreatedAt.UnixNano(), d.ID)
}

func newestFirst(x, y string) int { return cmp.Compare(y, x) }

func (a *API) describeServiceDeployments(
	_ context.Context, call control.Call, in *ecs.DescribeServiceDeploymentsInput,
) (*ecs.DescribeServiceDeploymentsOutput, error) {
	out := &ecs.DescribeServiceDeploymentsOutput{ServiceDeployments: []types.ServiceDeployment{}, Failures: []types.Failure{}}
	view := a.Store.View()
	describe := a.describer(view, call)
	found := func(svc *model.Service, d *model.Deployment) error {
		described, err := describe.serviceDeployment(svc, d)
		out.ServiceDeployments = append(out.ServiceDeployments, described)
		return err
	}
	const member = "serviceDeploymentArns"
	failures, err := eachOfServices(view, call, member, "service-deployment", in.ServiceDeploymentArns, deploymentByToken, found)
	if err != nil {
		return nil, err
	}
	out.Failures = append(out.Failures, failures...)
	return out, nil
}

func (a *API) describeServiceRevisions(
	_ context.Context, call control.Call, in *ecs.DescribeServiceRevisionsInput,
) (*ecs.DescribeServiceRevisionsOutput, error) {
	out := &ecs.DescribeServiceRevisionsOutput{ServiceRevisions: []types.ServiceRevision{}, Failures: []types.Failure{}}
	view := a.Store.View()
	describe := a.describer(view, call)
	found := func(svc *model.Service, d *model.Deployment) error {
		described, err := describe.revision(svc, d)
		out.ServiceRevisions = append(out.ServiceRevisions, described)
		return err
	}
	const member = "serviceRevisionArns"
	byID := func(v *store.View, service, id string) (*model.Deployment, bool) { return v.Deployment(service, id) }
	failures, err := eachOfServices(view, call, member, "service-revision", in.ServiceRevisionArns, byID, found)
	if err != nil {
		return nil, err
	}
	out.Failures = append(out.Failures, failures...)
	return out, nil
}

// eachOfServices finds the deployments that a describing request names by ARNs of a kind, and lists what is missing.
func eachOfServices(
	v *store.View, call control.Call, member, kind string, arns []string,
	find func(v *store.View, service, id string) (*model.Deployment, bool),
	found func(*model.Service, *model.Deployment) error,
) ([]types.Failure, error) {
	if len(arns) == 0 {
		return nil, model.InvalidParameter(member + " should not be empty.")
	}
	if err := atMost(member, arns, describedDeploymentsMax); err != nil {
		return nil, err
	}
	var failures []types.Failure
	for _, ref := range arns {
		service, id, err := partOfService(call, member, kind, ref)
		if err != nil {
			return nil, err
		}
		svc, ok := v.Service(service)
		d, known := find(v, service, id)
		if !ok || !known || svc.Status == model.Inactive || !ofService(svc, d) {
			failures = append(failures, missing(ref))
			continue
		}
		if err := found(svc, d); err != nil {
			return nil, err
		}
	}
	return failures, nil
}

func deploymentByToken(v *store.View, service, token string) (*model.Deployment, bool) {
	for d := range v.Deployments(service) {
		if d.Token == token {
			return d, true
		}
	}
	return nil, false
}

func deploymentBrief(svc *model.Service, d *model.Deployment) types.ServiceDeploymentBrief {
	return types.ServiceDeploymentBrief{
		ServiceDeploymentArn:     aws.String(arn.ServiceDeployment(svc.ARN, d.Token)),
		ServiceArn:               aws.String(svc.ARN),
		ClusterArn:               aws.String(svc.Cluster),
		TargetServiceRevisionArn: aws.String(arn.ServiceRevision(svc.ARN, d.ID)),
		Status:                   types.ServiceDeploymentStatus(d.Status),
		StatusReason:             notEmpty(d.StatusReason),
		CreatedAt:                timestamp(d.CreatedAt),
		StartedAt:                timestamp(d.StartedAt),
		FinishedAt:               timestamp(d.FinishedAt),
	}
}

// notEmpty is a text as the API gives it, nil for none.
func notEmpty(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// serviceDeployment describes a deployment as part of the history of its service.
func (d serviceDescriber) serviceDeployment(svc *model.Service, x *model.Deployment) (types.ServiceDeployment, error) {
	var doc serviceDocument
	if err := d.api.docs.decode(x.Document, &doc); err != nil {
		return types.ServiceDeployment{}, err
	}
	n := d.Service(svc)
	out := types.ServiceDeployment{
		ServiceDeploymentArn:    aws.String(arn.ServiceDeployment(svc.ARN, x.Token)),
		ServiceArn:              aws.String(svc.ARN),
		ClusterArn:              aws.String(svc.Cluster),
		Status:                  types.ServiceDeploymentStatus(x.Status),
		StatusReason:            notEmpty(x.StatusReason),
		CreatedAt:               timestamp(x.CreatedAt),
		StartedAt:               timestamp(x.StartedAt),
		UpdatedAt:               timestamp(x.UpdatedAt),
		FinishedAt:              timestamp(x.FinishedAt),
		DeploymentConfiguration: doc.DeploymentConfiguration,
		SourceServiceRevisions:  []types.ServiceRevisionSummary{},
		TargetServiceRevision:   revisionSummary(svc, x.ID, n),
	}
	monitored(&out, svc, x, n.Desired)
	if x.Status == model.DeploymentStopped {
		out.StoppedAt = timestamp(x.FinishedAt)
	}
	for _, id := range x.Sources {
		out.SourceServiceRevisions = append(out.SourceServiceRevisions, *revisionSummary(svc, id, n))
	}
	return out, nil
}

func revisionSummary(svc *model.Service, deployment string, n control.ServiceCounts) *types.ServiceRevisionSummary {
	counts := n.Deployments[deployment]
	return &types.ServiceRevisionSummary{
		Arn: aws.String(arn.ServiceRevision(svc.ARN, deployment)), RequestedTaskCount: count(counts.Desired),
		RunningTaskCount: count(counts.Running), PendingTaskCount: count(counts.Pending),
	}
}

// revision describes what a deployment rolls out, as it was when it was made.
func (d serviceDescriber) revision(svc *model.Service, x *model.Deployment) (types.ServiceRevision, error) {
	var doc serviceDocument
	if err := d.api.docs.decode(x.Document, &doc); err != nil {
		return types.ServiceRevision{}, err
	}
	out := types.ServiceRevision{
		ServiceRevisionArn:          aws.String(arn.ServiceRevision(svc.ARN, x.ID)),
		ServiceArn:                  aws.String(svc.ARN),
		ClusterArn:                  aws.String(svc.Cluster),
		TaskDefinition:              aws.String(x.TaskDefinition),
		CreatedAt:                   timestamp(x.CreatedAt),
		LaunchType:                  doc.shownLaunchType(),
		CapacityProviderStrategy:    doc.CapacityProviderStrategy,
		NetworkConfiguration:        doc.NetworkConfiguration,
		ServiceConnectConfiguration: doc.ServiceConnectConfiguration,
		ContainerImages:             d.images(x),
		LoadBalancers:               balancersOut(x.LoadBalancers),
		Monitoring:                  doc.Monitoring,
		ServiceRegistries:           []types.ServiceRegistry{},
		VolumeConfigurations:        []types.ServiceVolumeConfiguration{},
		VpcLatticeConfigurations:    []types.VpcLatticeConfiguration{},
	}
	out.PlatformVersion, out.PlatformFamily = doc.resolvedPlatform()
	return out, nil
}

// images lists the images of a deployment's containers, with the digests that its tasks found behind them.
func (d serviceDescriber) images(x *model.Deployment) []types.ContainerImage {
	list := []types.ContainerImage{}
	def, ok := d.view.TaskDefinition(x.TaskDefinition)
	if !ok {
		return list
	}
	digests := d.digests(x)
	for _, c := range def.Containers {
		list = append(list, types.ContainerImage{
			ContainerName: aws.String(c.Name), Image: aws.String(c.Image), ImageDigest: notEmpty(digests[c.Name]),
		})
	}
	return list
}

// digests gives the image digest of each container: the one that the deployment is bound to, else what a task has found,
// of images that are not to be bound.
func (d serviceDescriber) digests(x *model.Deployment) map[string]string {
	digests := map[string]string{}
	for t := range d.view.TasksOfService(x.Service) {
		if t.Deployment != x.ID || t.Seen == nil {
			continue
		}
		for _, c := range t.Seen.Containers {
			if strings.HasPrefix(c.Image, "sha256:") {
				digests[c.Name] = c.Image
			}
		}
	}
	maps.Copy(digests, x.Images)
	return digests
}
