package e2e

import (
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// sleeper is a program that runs until it is stopped.
func sleeper() types.ContainerDefinition {
	return types.ContainerDefinition{Image: aws.String("/bin/sleep"), Command: []string{"3600"}}
}

// stable waits as the SDK's own waiter does, only more often.
func stable(t *testing.T, c *ecs.Client) {
	t.Helper()
	w := ecs.NewServicesStableWaiter(c, func(o *ecs.ServicesStableWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	})
	if err := w.Wait(t.Context(), &ecs.DescribeServicesInput{Services: []string{worker}}, patience); err != nil {
		t.Fatalf("%s is not stable: %v", worker, err)
	}
}

// TestServiceWithTheSDK is the whole story of a service, told by the Go SDK and its waiters.
func TestServiceWithTheSDK(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t))
	c := client(p.api)
	ctx := t.Context()
	first := define(t, c, "worker", sleeper())
	if _, err := c.CreateService(ctx, &ecs.CreateServiceInput{
		ServiceName: aws.String("worker"), TaskDefinition: aws.String("worker"), DesiredCount: aws.Int32(3),
	}); err != nil {
		t.Fatal(err)
	}
	stable(t, c)
	before := running(t, c)
	if len(before) != 3 {
		t.Fatalf("%d tasks run, want 3", len(before))
	}

	var victim string
	for task, pid := range before {
		victim = task
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		break
	}
	eventually(t, "the killed task is replaced", func() bool {
		now := running(t, c)
		_, there := now[victim]
		return len(now) == 3 && !there
	})
	dead := describe(t, c, []string{victim})[0]
	if code := dead.Containers[0].ExitCode; code == nil || *code != 137 || dead.StopCode != types.TaskStopCodeEssentialContainerExited {
		t.Errorf("the killed task: exit code %v, stop code %s; want 137, EssentialContainerExited", code, dead.StopCode)
	}

	scale(t, c, 5)
	scale(t, c, 2)
	second := define(t, c, "worker", types.ContainerDefinition{Image: aws.String("/bin/sleep"), Command: []string{"7200"}})
	if _, err := c.UpdateService(ctx, &ecs.UpdateServiceInput{Service: aws.String("worker"), TaskDefinition: aws.String(second)}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the deployment completes", func() bool { return rollout(t, c) == types.DeploymentRolloutStateCompleted })
	stable(t, c)
	for _, task := range describeRunning(t, c) {
		if *task.TaskDefinitionArn != second || first == second {
			t.Errorf("task %s runs %s, want %s", *task.TaskArn, *task.TaskDefinitionArn, second)
		}
	}
	end(t, c)
}

func scale(t *testing.T, c *ecs.Client, n int32) {
	t.Helper()
	if _, err := c.UpdateService(t.Context(), &ecs.UpdateServiceInput{Service: aws.String("worker"), DesiredCount: aws.Int32(n)}); err != nil {
		t.Fatal(err)
	}
	stable(t, c)
	if got := len(running(t, c)); got != int(n) {
		t.Errorf("%d tasks run after scaling, want %d", got, n)
	}
}

func rollout(t *testing.T, c *ecs.Client) types.DeploymentRolloutState {
	t.Helper()
	out, err := c.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Services: []string{worker}})
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range out.Services[0].Deployments {
		if aws.ToString(d.Status) == "PRIMARY" {
			return d.RolloutState
		}
	}
	return ""
}

func describeRunning(t *testing.T, c *ecs.Client) []types.Task {
	t.Helper()
	list, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{ServiceName: aws.String("worker")})
	if err != nil {
		t.Fatal(err)
	}
	return describe(t, c, list.TaskArns)
}

// end deletes the service and sees its processes gone.
func end(t *testing.T, c *ecs.Client) {
	t.Helper()
	pids := running(t, c)
	if _, err := c.DeleteService(t.Context(), &ecs.DeleteServiceInput{Service: aws.String("worker")}); err == nil ||
		!strings.Contains(err.Error(), "The service cannot be stopped while it is scaled above 0.") {
		t.Errorf("deleting a service that is scaled above 0: %v", err)
	}
	if _, err := c.DeleteService(t.Context(), &ecs.DeleteServiceInput{Service: aws.String("worker"), Force: aws.Bool(true)}); err != nil {
		t.Fatal(err)
	}
	w := ecs.NewServicesInactiveWaiter(c, func(o *ecs.ServicesInactiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	})
	if err := w.Wait(t.Context(), &ecs.DescribeServicesInput{Services: []string{"worker"}}, time.Minute); err != nil {
		t.Fatal(err)
	}
	for _, pid := range pids {
		eventually(t, "a process of the deleted service ends", func() bool { return !alive(pid) })
	}
}

// TestStandaloneTask runs a task to its end and reads its exit code.
func TestStandaloneTask(t *testing.T) {
	t.Parallel()
	c := client(up(t, stateDir(t)).api)
	define(t, c, "job", types.ContainerDefinition{Image: aws.String("process"), Command: []string{"/bin/sh", "-c", "exit $CODE"}})
	run, err := c.RunTask(t.Context(), &ecs.RunTaskInput{
		TaskDefinition: aws.String("job"),
		Overrides: &types.TaskOverride{ContainerOverrides: []types.ContainerOverride{{
			Name: aws.String("app"), Environment: []types.KeyValuePair{{Name: aws.String("CODE"), Value: aws.String("3")}},
		}}},
	})
	if err != nil || len(run.Tasks) != 1 {
		t.Fatalf("%v, %+v", err, run)
	}
	w := ecs.NewTasksStoppedWaiter(c, func(o *ecs.TasksStoppedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 20*time.Millisecond, 100*time.Millisecond
	})
	ended, err := w.WaitForOutput(t.Context(), &ecs.DescribeTasksInput{Tasks: []string{*run.Tasks[0].TaskArn}}, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	task := ended.Tasks[0]
	if code := task.Containers[0].ExitCode; code == nil || *code != 3 {
		t.Errorf("exit code %v, want 3", code)
	}
	if task.StopCode != types.TaskStopCodeEssentialContainerExited || aws.ToString(task.StoppedReason) != "Essential container in task exited" {
		t.Errorf("stop code %s, reason %s", task.StopCode, aws.ToString(task.StoppedReason))
	}
}
