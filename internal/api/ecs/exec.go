package ecs

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// noSessions is the code of a request to execute a command that would be carried out if sessions were served.
const noSessions = "UnsupportedFeatureException"

// executeCommand checks a request as ECS does ("ExecuteCommand"), and then tells how to run the command here: what ECS
// answers is a session of AWS Systems Manager for the session-manager-plugin, and such sessions are not served.
func (a *API) executeCommand(
	_ context.Context, call control.Call, in *ecs.ExecuteCommandInput,
) (*ecs.ExecuteCommandOutput, error) {
	cluster, err := clusterARN(call, in.Cluster)
	if err != nil {
		return nil, err
	}
	switch {
	case aws.ToString(in.Command) == "":
		return nil, model.InvalidParameter("command can not be empty.")
	case aws.ToString(in.Task) == "":
		return nil, model.InvalidParameter("task can not be empty.")
	case !in.Interactive:
		return nil, model.InvalidParameter("Interactive is the only mode supported currently.")
	}
	task, err := taskMember("task").find(call, cluster, *in.Task)
	if err != nil {
		return nil, err
	}
	view := a.Store.View()
	if _, err := control.FindCluster(view, cluster); err != nil {
		return nil, err
	}
	t, ok := view.Task(task)
	if !ok || t.Stopped() {
		return nil, model.InvalidParameter("The specified task was not found, or it is stopped: " + model.ShortID(task) + ".")
	}
	container, err := execContainer(t, aws.ToString(in.Container))
	if err != nil {
		return nil, err
	}
	if !t.ExecuteCommand {
		return nil, model.InvalidParameter("The execute command failed because execute command was not enabled when the task was run or " +
			"the execute command agent isn't running. Wait and try again or run a new task with execute command enabled and try again.")
	}
	if m, ok := view.Machine(t.Machine); !ok || !m.Connected || !t.Running() {
		return nil, &model.Error{
			Code:    "TargetNotConnectedException",
			Message: "The execute command failed because the task does not run, or the agent of its machine is not connected. Wait and try again.",
		}
	}
	return nil, &model.Error{Code: noSessions, Message: "ExecuteCommand is not supported: maitred serves no sessions for the session-manager-plugin. Run instead: " +
		execLine(t, container, *in.Command)}
}

// execContainer finds the container that is meant; "" is the only one.
func execContainer(t model.TaskState, name string) (string, error) {
	var names []string
	if t.Seen != nil {
		for _, c := range t.Seen.Containers {
			names = append(names, c.Name)
		}
	}
	switch {
	case name == "" && len(names) > 1:
		return "", model.InvalidParameter(fmt.Sprintf("The task has several containers: container should be one of [%s].", strings.Join(names, ",")))
	case name == "" && len(names) == 1:
		return names[0], nil
	case !slices.Contains(names, name):
		return "", model.InvalidParameter(fmt.Sprintf("The task has no container %.255q: container should be one of [%s].", name, strings.Join(names, ",")))
	}
	return name, nil
}

// execLine is the command line that does what is asked for. ECS splits the command into words as a shell does.
func execLine(t model.TaskState, container, command string) string {
	return fmt.Sprintf("maitred exec -it -c %s %s -- %.2000s", container, model.ShortID(t.ARN), command)
}
