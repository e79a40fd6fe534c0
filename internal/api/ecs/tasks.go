package ecs

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Limits of requests about tasks.
const (
	describedTasksMax = 100
	stopReasonMax     = 1024
)

func (a *API) runTask(ctx context.Context, call control.Call, in *ecs.RunTaskInput) (*ecs.RunTaskOutput, error) {
	spec, err := a.runSpec(call, in, runStartedBy)
	if err != nil {
		return nil, err
	}
	tasks, failures, err := a.run(ctx, call, spec, in)
	return &ecs.RunTaskOutput{Tasks: tasks, Failures: failures}, err
}

func (a *API) startTask(ctx context.Context, call control.Call, in *ecs.StartTaskInput) (*ecs.StartTaskOutput, error) {
	_, instances, err := clusterMembers(call, instanceMember("containerInstances"), in.Cluster, in.ContainerInstances, startInstancesMax)
	if err != nil {
		return nil, err
	}
	asked := startAsRun(in)
	spec, err := a.runSpec(call, asked, startStartedBy)
	if err != nil {
		return nil, err
	}
	spec.Instances = instances
	tasks, failures, err := a.run(ctx, call, spec, asked)
	return &ecs.StartTaskOutput{Tasks: tasks, Failures: failures}, err
}

// run starts tasks of the task definition and the capacity providers that a request names, and describes them.
func (a *API) run(ctx context.Context, call control.Call, spec control.RunTask, in *ecs.RunTaskInput) ([]types.Task, []types.Failure, error) {
	tasks, failures := []types.Task{}, []types.Failure{}
	var started []model.TaskState
	err := a.Update(ctx, func(tx *store.Tx) error {
		if err := a.checkAssociated(tx.View(), spec.Cluster, in.CapacityProviderStrategy); err != nil {
			return err
		}
		spec := spec
		if def := control.FindTaskDefinition(tx.View(), call.Scope, *in.TaskDefinition); def != nil {
			spec.TaskDefinition = def.ARN
			if err := firstError(
				a.checkCompatible(def, runLaunchType(in)), checkCommands(def.With(spec.Overrides), spec.ExecuteCommand, "task", "started"),
			); err != nil {
				return err
			}
		}
		ran, misfits, err := control.Run(tx, call, spec)
		started, failures = ran, failures[:0]
		for _, f := range misfits {
			failures = append(failures, types.Failure{
				Arn: aws.String(f.ARN), Reason: aws.String(string(f.Reason)), Detail: aws.String(f.Detail),
			})
		}
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	view := a.Store.View()
	for _, t := range started {
		if now, ok := view.Task(t.ARN); ok {
			t = now
		}
		out, err := a.taskOut(view, call, t, true)
		if err != nil {
			return nil, nil, err
		}
		tasks = append(tasks, out)
	}
	return tasks, failures, nil
}

func (a *API) stopTask(ctx context.Context, call control.Call, in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
	cluster, err := clusterARN(call, in.Cluster)
	if err != nil {
		return nil, err
	}
	if aws.ToString(in.Task) == "" {
		return nil, model.InvalidParameter("task should not be empty.")
	}
	task, err := taskMember("task").find(call, cluster, *in.Task)
	if err != nil {
		return nil, err
	}
	if n := utf8.RuneCountInString(aws.ToString(in.Reason)); n > stopReasonMax {
		return nil, model.InvalidParameter(fmt.Sprintf("reason has %d characters; at most %d are allowed.", n, stopReasonMax))
	}
	var stopped model.TaskState
	err = a.Update(ctx, func(tx *store.Tx) (err error) {
		if _, err := control.FindCluster(tx.View(), cluster); err != nil {
			return err
		}
		stopped, err = control.StopTask(tx, call, task, aws.ToString(in.Reason))
		return err
	})
	if err != nil {
		return nil, err
	}
	view := a.Store.View()
	if now, ok := view.Task(task); ok {
		stopped = now
	}
	out, err := a.taskOut(view, call, stopped, true)
	return &ecs.StopTaskOutput{Task: &out}, err
}

func (a *API) describeTasks(_ context.Context, call control.Call, in *ecs.DescribeTasksInput) (*ecs.DescribeTasksOutput, error) {
	if err := checkEnums("include", in.Include); err != nil {
		return nil, err
	}
	cluster, arns, err := clusterMembers(call, taskMember("tasks"), in.Cluster, in.Tasks, describedTasksMax)
	if err != nil {
		return nil, err
	}
	view := a.Store.View()
	if _, err := control.FindCluster(view, cluster); err != nil {
		return nil, err
	}
	out := &ecs.DescribeTasksOutput{Tasks: []types.Task{}, Failures: []types.Failure{}}
	for _, task := range arns {
		t, ok := control.FindTask(view, call, task)
		if !ok {
			out.Failures = append(out.Failures, missing(task))
			continue
		}
		described, err := a.taskOut(view, call, t, includes(in.Include, types.TaskFieldTags))
		if err != nil {
			return nil, err
		}
		out.Tasks = append(out.Tasks, described)
	}
	return out, nil
}

func (a *API) listTasks(_ context.Context, call control.Call, in *ecs.ListTasksInput) (*ecs.ListTasksOutput, error) {
	cluster, err := clusterARN(call, in.Cluster)
	if err != nil {
		return nil, err
	}
	view := a.Store.View()
	if _, err := control.FindCluster(view, cluster); err != nil {
		return nil, err
	}
	f, err := taskFilterIn(view, call, cluster, in)
	if err != nil {
		return nil, err
	}
	p, err := newPager(call, pageLimits{100, 100}, in.MaxResults, in.NextToken, f.key()...)
	if err != nil {
		return nil, err
	}
	arns := []string{}
	for t := range f.candidates(view) {
		if f.matches(call, t) {
			arns = append(arns, t.ARN)
		}
	}
	slices.Sort(arns)
	arns, next := page(p, arns, itself, strings.Compare)
	return &ecs.ListTasksOutput{TaskArns: arns, NextToken: next}, nil
}
