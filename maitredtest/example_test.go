package maitredtest_test

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/maitredtest"
)

// TestService is how a test with a maitred of its own looks: a service gets its tasks, one of them crashes and is
// replaced, time passes and the deployment is completed. It takes no real time at all.
func TestService(t *testing.T) {
	t.Parallel()
	server := maitredtest.Start(t)
	client := connect(server)
	ctx := t.Context()

	// A task definition and a service, as with AWS.
	_, err := client.RegisterTaskDefinition(ctx, &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("web"),
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("app"), Image: aws.String("example/web:1"), Memory: aws.Int32(64),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = client.CreateService(ctx, &ecs.CreateServiceInput{
		ServiceName: aws.String("web"), TaskDefinition: aws.String("web"), DesiredCount: aws.Int32(3),
	})
	if err != nil {
		t.Fatal(err)
	}

	// Its tasks are started without anybody waiting for anything.
	server.Settle()
	tasks := list(t, client)
	if len(tasks) != 3 {
		t.Fatalf("%d tasks run, want 3", len(tasks))
	}

	// One of them crashes. It is replaced at once.
	server.Exit(tasks[0], "app", 139)
	server.Settle()
	if now := list(t, client); len(now) != 3 || now[0] == tasks[0] || now[1] == tasks[0] || now[2] == tasks[0] {
		t.Errorf("the tasks are %v, want 3 without the one that crashed, %s", now, tasks[0])
	}
	crashed, err := client.DescribeTasks(ctx, &ecs.DescribeTasksInput{Tasks: tasks[:1]})
	if err != nil {
		t.Fatal(err)
	}
	if code := aws.ToInt32(crashed.Tasks[0].Containers[0].ExitCode); code != 139 {
		t.Errorf("the crashed task's exit code is %d, want 139", code)
	}

	// Once all tasks have run for a while, the deployment is complete.
	if got := rollout(t, client); got != types.DeploymentRolloutStateInProgress {
		t.Errorf("before time passed, the deployment is %s, want IN_PROGRESS", got)
	}
	server.Advance(time.Minute)
	if got := rollout(t, client); got != types.DeploymentRolloutStateCompleted {
		t.Errorf("after a minute, the deployment is %s, want COMPLETED", got)
	}
}

// connect makes a client of the AWS SDK that speaks to the server.
func connect(server *maitredtest.Server) *ecs.Client {
	return ecs.New(ecs.Options{
		BaseEndpoint: aws.String(server.Endpoint), Region: server.Region,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, nil
		}),
	})
}

// list gives the ARNs of the tasks that are wanted.
func list(t *testing.T, client *ecs.Client) []string {
	t.Helper()
	out, err := client.ListTasks(t.Context(), &ecs.ListTasksInput{})
	if err != nil {
		t.Fatal(err)
	}
	return out.TaskArns
}

func rollout(t *testing.T, client *ecs.Client) types.DeploymentRolloutState {
	t.Helper()
	out, err := client.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Services: []string{"web"}})
	if err != nil {
		t.Fatal(err)
	}
	return out.Services[0].Deployments[0].RolloutState
}
