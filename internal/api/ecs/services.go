package ecs

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func (a *API) createService(ctx context.Context, call control.Call, in *ecs.CreateServiceInput) (*ecs.CreateServiceOutput, error) {
	cluster, err := clusterARN(call, in.Cluster)
	if err != nil {
		return nil, err
	}
	asked, err := a.newService(cluster, in)
	if err != nil {
		return nil, err
	}
	var made *model.Service
	err = a.Update(ctx, func(tx *store.Tx) error {
		spec, err := a.specify(tx.View(), call, cluster, asked)
		if err != nil {
			return err
		}
		if spec.Network, err = control.Network(tx, call, networkIn(in.NetworkConfiguration)); err != nil {
			return err
		}
		made, err = control.CreateService(tx, call, spec)
		return err
	})
	if err != nil {
		return nil, err
	}
	out, err := a.serviceOut(a.Store.View(), call, made, types.ServiceFieldTags)
	return &ecs.CreateServiceOutput{Service: out}, err
}

func (a *API) updateService(ctx context.Context, call control.Call, in *ecs.UpdateServiceInput) (*ecs.UpdateServiceOutput, error) {
	service, err := serviceARN(call, in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	if err := checkService(in); err != nil {
		return nil, err
	}
	var changed *model.Service
	err = a.Update(ctx, func(tx *store.Tx) error {
		if _, err := control.FindCluster(tx.View(), arn.ClusterOf(service)); err != nil {
			return err
		}
		definition, err := findDefinition(tx.View(), call, in.TaskDefinition)
		if err != nil {
			return err
		}
		changed, err = control.UpdateService(tx, call, service, control.ServiceUpdate{
			TaskDefinition: definition, Force: in.ForceNewDeployment, DesiredCount: declaredCount(in.DesiredCount),
			Edit: func(e *control.ServiceEdit) error { return a.edit(tx, call, e, in) },
		})
		return err
	})
	if err != nil {
		return nil, err
	}
	out, err := a.serviceOut(a.Store.View(), call, changed)
	return &ecs.UpdateServiceOutput{Service: out}, err
}

func (a *API) deleteService(ctx context.Context, call control.Call, in *ecs.DeleteServiceInput) (*ecs.DeleteServiceOutput, error) {
	service, err := serviceARN(call, in.Cluster, in.Service)
	if err != nil {
		return nil, err
	}
	var deleted *model.Service
	err = a.Update(ctx, func(tx *store.Tx) error {
		if _, err := control.FindCluster(tx.View(), arn.ClusterOf(service)); err != nil {
			return err
		}
		deleted, err = control.DeleteService(tx, call, service, aws.ToBool(in.Force))
		return err
	})
	if err != nil {
		return nil, err
	}
	if err := a.Store.UpdateAll(ctx, func(tx *store.Tx) (bool, error) { return control.EndScaling(tx, call, service), nil }); err != nil {
		return nil, err
	}
	out, err := a.serviceOut(a.Store.View(), call, deleted)
	return &ecs.DeleteServiceOutput{Service: out}, err
}

const describedServicesMax = 10

func (a *API) describeServices(
	_ context.Context, call control.Call, in *ecs.DescribeServicesInput,
) (*ecs.DescribeServicesOutput, error) {
	if err := checkEnums("include", in.Include); err != nil {
		return nil, err
	}
	if len(in.Services) == 0 {
		return nil, model.InvalidParameter("Services cannot be empty.")
	}
	if err := atMost("services", in.Services, describedServicesMax); err != nil {
		return nil, err
	}
	cluster, err := clusterARN(call, in.Cluster)
	if err != nil {
		return nil, err
	}
	view := a.Store.View()
	if _, err := control.FindCluster(view, cluster); err != nil {
		return nil, err
	}
	out := &ecs.DescribeServicesOutput{Services: []types.Service{}, Failures: []types.Failure{}}
	describe := a.describer(view, call)
	for _, ref := range in.Services {
		service, err := serviceARN(call, in.Cluster, &ref)
		if err != nil {
			return nil, err
		}
		svc, ok := view.Service(service)
		if !ok {
			out.Failures = append(out.Failures, missing(service))
			continue
		}
		described, err := describe.service(svc, in.Include...)
		if err != nil {
			return nil, err
		}
		out.Services = append(out.Services, *described)
	}
	return out, nil
}

func (a *API) listServices(_ context.Context, call control.Call, in *ecs.ListServicesInput) (*ecs.ListServicesOutput, error) {
	cluster, err := clusterARN(call, in.Cluster)
	if err != nil {
		return nil, err
	}
	if err := firstError(
		checkEnum("launchType", in.LaunchType),
		checkEnum("schedulingStrategy", in.SchedulingStrategy),
		checkEnum("resourceManagementType", in.ResourceManagementType),
	); err != nil {
		return nil, err
	}
	launch, scheduling := string(in.LaunchType), string(in.SchedulingStrategy)
	p, err := newPager(call, pageLimits{10, 100}, in.MaxResults, in.NextToken,
		cluster, launch, scheduling, string(in.ResourceManagementType))
	if err != nil {
		return nil, err
	}
	view := a.Store.View()
	if _, err := control.FindCluster(view, cluster); err != nil {
		return nil, err
	}
	arns := []string{}
	for s := range view.Services(cluster) {
		if s.Status == model.Active && (launch == "" || launch == s.LaunchType) && (scheduling == "" || scheduling == s.Scheduling) &&
			in.ResourceManagementType != types.ResourceManagementTypeEcs {
			arns = append(arns, s.ARN)
		}
	}
	arns, next := page(p, arns, itself, strings.Compare)
	return &ecs.ListServicesOutput{ServiceArns: arns, NextToken: next}, nil
}

// declaredCount is a number of the API as one of ours, nil for none.
func declaredCount(n *int32) *int {
	if n == nil {
		return nil
	}
	return new(int(*n))
}

// firstError gives the first of several errors.
func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
