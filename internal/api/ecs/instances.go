package ecs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Limits of requests about container instances.
const (
	describedInstancesMax = 100
	updatedInstancesMax   = 10
)

func (a *API) listContainerInstances(
	_ context.Context, call control.Call, in *ecs.ListContainerInstancesInput,
) (*ecs.ListContainerInstancesOutput, error) {
	cluster, err := clusterARN(call, in.Cluster)
	if err != nil {
		return nil, err
	}
	if err := checkEnum("status", in.Status); err != nil {
		return nil, err
	}
	p, err := newPager(call, pageLimits{100, 100}, in.MaxResults, in.NextToken, cluster, aws.ToString(in.Filter), string(in.Status))
	if err != nil {
		return nil, err
	}
	view := a.Store.View()
	if _, err := control.FindCluster(view, cluster); err != nil {
		return nil, err
	}
	selected, err := control.SelectInstances(view, call, cluster, aws.ToString(in.Filter))
	if err != nil {
		return nil, err
	}
	arns := []string{}
	for _, i := range selected {
		if in.Status == "" || string(in.Status) == string(i.Status) {
			arns = append(arns, i.ARN)
		}
	}
	arns, next := page(p, arns, itself, strings.Compare)
	return &ecs.ListContainerInstancesOutput{ContainerInstanceArns: arns, NextToken: next}, nil
}

func (a *API) describeContainerInstances(
	_ context.Context, call control.Call, in *ecs.DescribeContainerInstancesInput,
) (*ecs.DescribeContainerInstancesOutput, error) {
	if err := checkEnums("include", in.Include); err != nil {
		return nil, err
	}
	cluster, arns, err := clusterMembers(call, instanceMember("containerInstances"), in.Cluster, in.ContainerInstances, describedInstancesMax)
	if err != nil {
		return nil, err
	}
	view := a.Store.View()
	if _, err := control.FindCluster(view, cluster); err != nil {
		return nil, err
	}
	out := &ecs.DescribeContainerInstancesOutput{ContainerInstances: []types.ContainerInstance{}, Failures: []types.Failure{}}
	for _, instance := range arns {
		i, ok := view.Instance(instance)
		if !ok {
			out.Failures = append(out.Failures, missing(instance))
			continue
		}
		out.ContainerInstances = append(out.ContainerInstances, instanceOut(view, call, i, in.Include))
	}
	return out, nil
}

func (a *API) updateContainerInstancesState(
	ctx context.Context, call control.Call, in *ecs.UpdateContainerInstancesStateInput,
) (*ecs.UpdateContainerInstancesStateOutput, error) {
	cluster, arns, err := clusterMembers(call, instanceMember("containerInstances"), in.Cluster, in.ContainerInstances, updatedInstancesMax)
	if err != nil {
		return nil, err
	}
	allowed := []types.ContainerInstanceStatus{types.ContainerInstanceStatusActive, types.ContainerInstanceStatusDraining}
	if !slices.Contains(allowed, in.Status) {
		return nil, model.InvalidParameter(fmt.Sprintf("Container instance status should be one of [ACTIVE, DRAINING], got %.100q.", in.Status))
	}
	var changed []string
	failures := []types.Failure{}
	err = a.Update(ctx, func(tx *store.Tx) error {
		changed, failures = changed[:0], failures[:0]
		if _, err := control.FindCluster(tx.View(), cluster); err != nil {
			return err
		}
		for _, instance := range distinct(arns) {
			if reason := unfitInstance(tx.View(), instance); reason != "" {
				failures = append(failures, types.Failure{Arn: aws.String(instance), Reason: aws.String(reason)})
				continue
			}
			if _, err := control.SetInstanceStatus(tx, call, instance, model.Status(in.Status)); err != nil {
				return err
			}
			changed = append(changed, instance)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := []types.ContainerInstance{}
	view := a.Store.View()
	for _, instance := range changed {
		if i, ok := view.Instance(instance); ok {
			list = append(list, instanceOut(view, call, i, nil))
		}
	}
	return &ecs.UpdateContainerInstancesStateOutput{ContainerInstances: list, Failures: failures}, nil
}

// unfitInstance says why the status of a container instance cannot be changed, in the words of a failure.
func unfitInstance(v *store.View, instance string) string {
	i, ok := v.Instance(instance)
	switch {
	case !ok:
		return "MISSING"
	case i.Status == model.Inactive:
		return "INACTIVE"
	}
	return ""
}

// distinct leaves out what is in a list already.
func distinct(list []string) []string {
	var once []string
	for _, s := range list {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	return once
}

func (a *API) deregisterContainerInstance(
	ctx context.Context, call control.Call, in *ecs.DeregisterContainerInstanceInput,
) (*ecs.DeregisterContainerInstanceOutput, error) {
	cluster, err := clusterARN(call, in.Cluster)
	if err != nil {
		return nil, err
	}
	if aws.ToString(in.ContainerInstance) == "" {
		return nil, model.InvalidParameter("containerInstance should not be empty.")
	}
	instance, err := instanceMember("containerInstance").find(call, cluster, *in.ContainerInstance)
	if err != nil {
		return nil, err
	}
	var gone *model.Instance
	if err := a.Store.UpdateAll(ctx, func(tx *store.Tx) (more bool, err error) {
		if _, err := control.FindCluster(tx.View(), cluster); err != nil {
			return false, err
		}
		if gone, err = control.Deregister(tx, call, instance, aws.ToBool(in.Force)); err != nil {
			return false, err
		}
		return gone.Status != model.Inactive, nil
	}); err != nil {
		return nil, err
	}
	out := instanceOut(a.Store.View(), call, gone, nil)
	return &ecs.DeregisterContainerInstanceOutput{ContainerInstance: &out}, nil
}
