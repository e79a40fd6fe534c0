package maitredtest_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/maitred/maitred/maitredtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// run runs a task of a definition of one container and gives its ARN.
func run(t *testing.T, client *ecs.Client, container types.ContainerDefinition) string {
	t.Helper()
	container.Name, container.Image, container.Memory = aws.String("app"), aws.String("example/job"), aws.Int32(64)
	if _, err := client.RegisterTaskDefinition(t.Context(), &ecs.RegisterTaskDefinitionInput{
		Family: aws.String("job"), ContainerDefinitions: []types.ContainerDefinition{container},
	}); err != nil {
		t.Fatal(err)
	}
	out, err := client.RunTask(t.Context(), &ecs.RunTaskInput{TaskDefinition: aws.String("job")})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Tasks) != 1 {
		t.Fatalf("RunTask gives %d tasks and %d failures, want 1 task", len(out.Tasks), len(out.Failures))
	}
	return *out.Tasks[0].TaskArn
}

func task(t *testing.T, client *ecs.Client, arn string) types.Task {
	t.Helper()
	out, err := client.DescribeTasks(t.Context(), &ecs.DescribeTasksInput{Tasks: []string{arn}})
	if err != nil || len(out.Tasks) != 1 {
		t.Fatalf("DescribeTasks(%s): %+v, %v", arn, out, err)
	}
	return out.Tasks[0]
}

// wantStatus compares a task's status, with the reason of its end in the message.
func wantStatus(t *testing.T, when string, task types.Task, want string) {
	t.Helper()
	if got := aws.ToString(task.LastStatus); got != want {
		t.Errorf("%s the task is %s (%s), want %s", when, got, aws.ToString(task.StoppedReason), want)
	}
}

func TestExitsInTime(t *testing.T) {
	t.Parallel()
	server := maitredtest.Start(t)
	client := connect(server)
	server.Script(func(c maitredtest.Container) maitredtest.Behaviour {
		if c.Name != "app" || c.Image != "example/job" || c.Environment["MODE"] != "fast" || !cmp.Equal(c.Command, []string{"work"}) {
			t.Errorf("the script is asked about %+v", c)
		}
		return maitredtest.Behaviour{Exits: true, After: time.Hour, ExitCode: 3}
	})
	began := server.Now()
	arn := run(t, client, types.ContainerDefinition{
		Command: []string{"work"}, Environment: []types.KeyValuePair{{Name: aws.String("MODE"), Value: aws.String("fast")}},
	})
	server.Advance(time.Hour - time.Second)
	wantStatus(t, "a second before its end", task(t, client, arn), "RUNNING")
	server.Advance(time.Hour)
	ended := task(t, client, arn)
	wantStatus(t, "after its end", ended, "STOPPED")
	if got := ended.StoppedAt.Sub(began); got != time.Hour {
		t.Errorf("it stopped after %v, want an hour", got)
	}
	if code := aws.ToInt32(ended.Containers[0].ExitCode); code != 3 {
		t.Errorf("exit code %d, want 3", code)
	}
}

// TestWithoutSettle relies on a waiter of the SDK: what takes no time on the clock comes by itself.
func TestWithoutSettle(t *testing.T) {
	t.Parallel()
	server := maitredtest.Start(t)
	client := connect(server)
	server.Script(func(maitredtest.Container) maitredtest.Behaviour { return maitredtest.Behaviour{Exits: true} })
	arn := run(t, client, types.ContainerDefinition{})
	w := ecs.NewTasksStoppedWaiter(client, func(o *ecs.TasksStoppedWaiterOptions) { o.MinDelay, o.MaxDelay = time.Millisecond, time.Millisecond })
	if err := w.Wait(t.Context(), &ecs.DescribeTasksInput{Tasks: []string{arn}}, time.Minute); err != nil {
		t.Errorf("the task does not stop by itself: %v", err)
	}
}

func TestFailedStart(t *testing.T) {
	t.Parallel()
	server := maitredtest.Start(t)
	client := connect(server)
	server.Script(func(maitredtest.Container) maitredtest.Behaviour {
		return maitredtest.Behaviour{FailStart: "no such program"}
	})
	arn := run(t, client, types.ContainerDefinition{})
	server.Settle()
	failed := task(t, client, arn)
	wantStatus(t, "after a start that failed", failed, "STOPPED")
	if reason := aws.ToString(failed.StoppedReason); failed.StopCode != types.TaskStopCodeTaskFailedToStart ||
		!strings.Contains(reason, "CannotStartContainerError: no such program") {
		t.Errorf("stop code %s, reason %q", failed.StopCode, reason)
	}
}

func TestIgnoresStop(t *testing.T) {
	t.Parallel()
	server := maitredtest.Start(t)
	client := connect(server)
	server.Script(func(maitredtest.Container) maitredtest.Behaviour { return maitredtest.Behaviour{IgnoresStop: true} })
	arn := run(t, client, types.ContainerDefinition{StopTimeout: aws.Int32(20)})
	server.Settle()
	if _, err := client.StopTask(t.Context(), &ecs.StopTaskInput{Task: aws.String(arn)}); err != nil {
		t.Fatal(err)
	}
	server.Advance(19 * time.Second)
	if status := aws.ToString(task(t, client, arn).LastStatus); status == "STOPPED" {
		t.Error("the task is STOPPED before its stopTimeout is over")
	}
	server.Advance(2 * time.Second)
	ended := task(t, client, arn)
	wantStatus(t, "after its stopTimeout", ended, "STOPPED")
	if code := aws.ToInt32(ended.Containers[0].ExitCode); code != 137 {
		t.Errorf("exit code %d, want 137", code)
	}
}

func TestHealth(t *testing.T) {
	t.Parallel()
	server := maitredtest.Start(t)
	client := connect(server)
	arn := run(t, client, types.ContainerDefinition{
		HealthCheck: &types.HealthCheck{Command: []string{"CMD", "check"}, Interval: aws.Int32(10), Retries: aws.Int32(2)},
	})
	server.Advance(30 * time.Second)
	if got := task(t, client, arn).HealthStatus; got != types.HealthStatusHealthy {
		t.Errorf("with checks that pass, the task is %s", got)
	}
	server.SetHealth(arn, "app", false)
	server.Advance(30 * time.Second)
	if got := task(t, client, arn).HealthStatus; got != types.HealthStatusUnhealthy {
		t.Errorf("with checks that fail, the task is %s", got)
	}
}

func TestMachines(t *testing.T) {
	t.Parallel()
	server := maitredtest.Start(t, maitredtest.Region("eu-west-1"), maitredtest.Machines(
		maitredtest.Machine{CPU: 1024, Memory: 1024, Zone: "eu-west-1a"}, maitredtest.Machine{CPU: 2048, Memory: 4096, Zone: "eu-west-1b"},
	))
	client := connect(server)
	listed, err := client.ListContainerInstances(t.Context(), &ecs.ListContainerInstancesInput{})
	if err != nil {
		t.Fatal(err)
	}
	out, err := client.DescribeContainerInstances(t.Context(), &ecs.DescribeContainerInstancesInput{ContainerInstances: listed.ContainerInstanceArns})
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]int32{}
	for _, instance := range out.ContainerInstances {
		zone := ""
		for _, a := range instance.Attributes {
			if aws.ToString(a.Name) == "ecs.availability-zone" {
				zone = aws.ToString(a.Value)
			}
		}
		for _, r := range instance.RegisteredResources {
			if aws.ToString(r.Name) == "CPU" {
				got[zone] = r.IntegerValue
			}
		}
	}
	if diff := cmp.Diff(map[string]int32{"eu-west-1a": 1024, "eu-west-1b": 2048}, got); diff != "" {
		t.Errorf("CPU units by zone (-want +got):\n%s", diff)
	}
}

// TestTimings tells AWS's delays from the fast ones, by how long a new task has to run until a deployment is complete.
func TestTimings(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]types.DeploymentRolloutState{
		"fast": types.DeploymentRolloutStateCompleted, "ecs": types.DeploymentRolloutStateInProgress,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			start := time.Date(2031, 2, 3, 4, 5, 6, 0, time.UTC)
			server := maitredtest.Start(t, maitredtest.Timings(name), maitredtest.Clock(start))
			client := connect(server)
			run(t, client, types.ContainerDefinition{})
			if _, err := client.CreateService(t.Context(), &ecs.CreateServiceInput{
				ServiceName: aws.String("web"), TaskDefinition: aws.String("job"), DesiredCount: aws.Int32(1),
			}); err != nil {
				t.Fatal(err)
			}
			server.Advance(10 * time.Second)
			if got := rollout(t, client); got != want {
				t.Errorf("after 10 s the deployment is %s, want %s", got, want)
			}
			if got := server.Now(); !got.Equal(start.Add(10 * time.Second)) {
				t.Errorf("the clock shows %v, want 10 s after %v", got, start)
			}
		})
	}
}
