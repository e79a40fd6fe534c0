package ecs

import (
	"context"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Limits of task scale-in protection ("UpdateTaskProtection").
const (
	protectedTasksRead    = 100
	protectedTasksWritten = 10
	protectionMinutes     = 120
	protectionMinutesMax  = 2880
)

// protectionMembers reads the cluster and the tasks of a request about protection.
func protectionMembers(call control.Call, clusterRef *string, tasks []string, limit int) (cluster string, arns []string, err error) {
	if aws.ToString(clusterRef) == "" {
		return "", nil, model.InvalidParameter("cluster should not be empty.")
	}
	return clusterMembers(call, taskMember("tasks"), clusterRef, tasks, limit)
}

func (a *API) getTaskProtection(
	_ context.Context, call control.Call, in *ecs.GetTaskProtectionInput,
) (*ecs.GetTaskProtectionOutput, error) {
	cluster, arns, err := protectionMembers(call, in.Cluster, in.Tasks, protectedTasksRead)
	if err != nil {
		return nil, err
	}
	view := a.Store.View()
	if _, err := control.FindCluster(view, cluster); err != nil {
		return nil, err
	}
	out := &ecs.GetTaskProtectionOutput{ProtectedTasks: []types.ProtectedTask{}, Failures: []types.Failure{}}
	for _, task := range arns {
		t, reason := control.Protectable(view, task)
		if reason != "" {
			out.Failures = append(out.Failures, protectionFailure(task, reason))
			continue
		}
		out.ProtectedTasks = append(out.ProtectedTasks, protectedTask(task, t.ProtectedUntil, call.Now))
	}
	return out, nil
}

func (a *API) updateTaskProtection(
	ctx context.Context, call control.Call, in *ecs.UpdateTaskProtectionInput,
) (*ecs.UpdateTaskProtectionOutput, error) {
	cluster, arns, err := protectionMembers(call, in.Cluster, in.Tasks, protectedTasksWritten)
	if err != nil {
		return nil, err
	}
	until, err := protectedUntil(call, in)
	if err != nil {
		return nil, err
	}
	var out *ecs.UpdateTaskProtectionOutput
	err = a.Update(ctx, func(tx *store.Tx) error {
		out = &ecs.UpdateTaskProtectionOutput{ProtectedTasks: []types.ProtectedTask{}, Failures: []types.Failure{}}
		if _, err := control.FindCluster(tx.View(), cluster); err != nil {
			return err
		}
		for _, task := range arns {
			if reason := control.Protect(tx, task, until); reason != "" {
				out.Failures = append(out.Failures, protectionFailure(task, reason))
				continue
			}
			out.ProtectedTasks = append(out.ProtectedTasks, protectedTask(task, until, call.Now))
		}
		return nil
	})
	return out, err
}

// protectedUntil is when the protection that is asked for ends, zero to take it away.
func protectedUntil(call control.Call, in *ecs.UpdateTaskProtectionInput) (time.Time, error) {
	minutes := int32(protectionMinutes)
	if in.ExpiresInMinutes != nil {
		minutes = *in.ExpiresInMinutes
	}
	if minutes < 1 || minutes > protectionMinutesMax {
		return time.Time{}, model.InvalidParameter(fmt.Sprintf(
			"expiresInMinutes should be between 1 and %d, got %d.", protectionMinutesMax, minutes))
	}
	if !in.ProtectionEnabled {
		return time.Time{}, nil
	}
	return call.Now.Add(time.Duration(minutes) * time.Minute), nil
}

// protectedTask describes the protection of a task; one that is over is none.
func protectedTask(task string, until, now time.Time) types.ProtectedTask {
	out := types.ProtectedTask{TaskArn: aws.String(task)}
	if now.Before(until) {
		out.ProtectionEnabled, out.ExpirationDate = true, timestamp(until)
	}
	return out
}

func protectionFailure(task, reason string) types.Failure {
	f := types.Failure{Arn: aws.String(task), Reason: aws.String(reason)}
	if reason == "TASK_NOT_VALID" {
		f.Detail = aws.String("The task belongs to no service, or it is stopping.")
	}
	return f
}
