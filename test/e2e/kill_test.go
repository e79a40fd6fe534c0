package e2e

import (
	"maps"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
)

// TestKillTheServer kills the server with -9: tasks and agent live on, and the next server goes on with them.
func TestKillTheServer(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	server := start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
	agent := start(t, "agent", "--data-dir", dir, "--driver", "process")
	c := client(server.api)
	define(t, c, "worker", sleeper())
	createWorker(t, c, 3)
	before := running(t, c)

	server.kill()
	for _, pid := range before {
		if !alive(pid) {
			t.Fatal("a task died with the server")
		}
	}
	server = start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
	c = client(server.api)
	stable(t, c)
	if diff := cmp.Diff(before, running(t, c)); diff != "" {
		t.Errorf("other tasks after the server came back (-before +after):\n%s", diff)
	}

	agent.kill()
	agent = start(t, "agent", "--data-dir", dir, "--driver", "process")
	stable(t, c)
	if diff := cmp.Diff(before, running(t, c)); diff != "" {
		t.Errorf("other tasks after the agent came back (-before +after):\n%s", diff)
	}
	for task, pid := range before {
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		delete(before, task)
		break
	}
	eventually(t, "the adopted task that was killed is replaced", func() bool { return len(stopped(t, c)) == 1 && len(running(t, c)) == 3 })
	agent.interrupt()
	for _, pid := range before {
		if !alive(pid) {
			t.Error("a task died with the agent")
		}
	}
}

func createWorker(t *testing.T, c *ecs.Client, n int32) {
	t.Helper()
	if _, err := c.CreateService(t.Context(), &ecs.CreateServiceInput{
		ServiceName: aws.String("worker"), TaskDefinition: aws.String("worker"), DesiredCount: aws.Int32(n),
	}); err != nil {
		t.Fatal(err)
	}
	stable(t, c)
}

// TestKillWhileTheTaskDies kills a task while no agent runs: the next agent learns its exit code from the keeper.
func TestKillWhileTheTaskDies(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	server := start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
	agent := start(t, "agent", "--data-dir", dir, "--driver", "process")
	c := client(server.api)
	define(t, c, "worker", sleeper())
	createWorker(t, c, 1)
	agent.kill()
	for _, pid := range running(t, c) {
		if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	start(t, "agent", "--data-dir", dir, "--driver", "process")
	eventually(t, "it is replaced", func() bool { return len(stopped(t, c)) == 1 && len(running(t, c)) == 1 })
	if code := stopped(t, c)[0].Containers[0].ExitCode; code == nil || *code != 143 {
		t.Errorf("exit code %v, want 143", code)
	}
}

// TestRestartInARollover kills the server in the middle of a rolling update, again and again: it goes on where it was,
// and nothing is lost or started twice.
func TestRestartInARollover(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	server := start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
	start(t, "agent", "--data-dir", dir, "--driver", "process")
	c := client(server.api)
	define(t, c, "worker", sleeper())
	createWorker(t, c, 6)
	eventually(t, "the first deployment completes", func() bool { return rollout(t, c) == types.DeploymentRolloutStateCompleted })
	old := running(t, c)

	second := define(t, c, "worker", sleeper())
	if _, err := c.UpdateService(t.Context(), &ecs.UpdateServiceInput{
		Service: aws.String("worker"), TaskDefinition: aws.String(second),
		DeploymentConfiguration: &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(50), MaximumPercent: aws.Int32(150)},
	}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		server.kill()
		server = start(t, "server", "--data-dir", dir, "--listen", "127.0.0.1:0")
		c = client(server.api)
	}
	eventually(t, "the deployment completes", func() bool { return rollout(t, c) == types.DeploymentRolloutStateCompleted })
	stable(t, c)
	now := running(t, c)
	if len(now) != 6 {
		t.Errorf("%d tasks run, want 6", len(now))
	}
	eventually(t, "the old tasks are over", func() bool { return len(stopped(t, c)) == 6 })
	for _, task := range stopped(t, c) {
		if _, was := old[*task.TaskArn]; !was {
			t.Errorf("task %s was started and stopped again: %s", *task.TaskArn, aws.ToString(task.StoppedReason))
		}
	}
	for pid := range maps.Values(now) {
		if !alive(pid) {
			t.Errorf("process %d does not run", pid)
		}
	}
}

// TestUpGoesOn ends `maitred up` by Ctrl-C, with and without its tasks, and starts it again on the same state.
func TestUpGoesOn(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	p := up(t, dir, "--detach-tasks")
	c := client(p.api)
	define(t, c, "worker", sleeper())
	createWorker(t, c, 2)
	before := running(t, c)
	p.interrupt()

	p = up(t, dir)
	c = client(p.api)
	stable(t, c)
	if diff := cmp.Diff(before, running(t, c)); diff != "" {
		t.Errorf("detached tasks were not adopted (-before +after):\n%s", diff)
	}
	p.interrupt()
	for _, pid := range before {
		if alive(pid) {
			t.Errorf("process %d outlives `maitred up`", pid)
		}
	}

	p = up(t, dir)
	c = client(p.api)
	eventually(t, "the service has its tasks again", func() bool { return len(running(t, c)) == 2 })
	p.interrupt()
	eventually(t, "nothing is left running", func() bool { return len(pidsWith(dir)) == 0 })
}
