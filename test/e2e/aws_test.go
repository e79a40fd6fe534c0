package e2e

import (
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/maitred/maitred/internal/testneeds"
)

// cli is the unmodified aws CLI pointed at an API.
type cli struct {
	t    *testing.T
	path string
	env  []string
}

func newCLI(t *testing.T, api string) cli {
	path := testneeds.Command(t, "aws")
	return cli{t, path, append(environment(), "AWS_ENDPOINT_URL="+api, "AWS_REGION=us-east-1", "AWS_DEFAULT_REGION=us-east-1",
		"AWS_ACCESS_KEY_ID=maitred", "AWS_SECRET_ACCESS_KEY=maitred", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=")}
}

// ecs runs `aws ecs …` and gives what it prints.
func (c cli) ecs(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("aws ecs %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(out)
}

func (c cli) try(args ...string) (string, error) {
	cmd := exec.Command(c.path, append([]string{"ecs"}, args...)...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// want fails unless the output is as expected.
func (c cli) want(want string, args ...string) {
	c.t.Helper()
	if got := c.ecs(args...); got != want {
		c.t.Errorf("aws ecs %s: got %q, want %q", strings.Join(args, " "), got, want)
	}
}

// TestServiceWithTheCLI is the whole story as the README tells it, by the unmodified aws CLI.
func TestServiceWithTheCLI(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t))
	c := newCLI(t, p.api)
	const one = `[{"name":"app","image":"/bin/sleep","command":["3600"],"cpu":16,"memory":16}]`
	c.want("ACTIVE", "create-cluster", "--cluster-name", "demo", "--query", "cluster.status", "--output", "text")
	c.want("1", "register-task-definition", "--family", "worker", "--container-definitions", one, "--query", "taskDefinition.revision", "--output", "text")
	c.want("ACTIVE", "create-service", "--cluster", "demo", "--service-name", "worker", "--task-definition", "worker",
		"--desired-count", "3", "--query", "service.status", "--output", "text")
	c.ecs("wait", "services-stable", "--cluster", "demo", "--services", "worker")

	counts := []string{"describe-services", "--cluster", "demo", "--services", "worker", "--query", "services[0].[desiredCount,runningCount,pendingCount]", "--output", "text"}
	c.want("3\t3\t0", counts...)
	task := c.ecs("list-tasks", "--cluster", "demo", "--service-name", "worker", "--query", "taskArns[0]", "--output", "text")
	pid := decode[int](t, c.ecs("describe-tasks", "--cluster", "demo", "--tasks", task, "--query", "tasks[0].containers[0].runtimeId", "--output", "text"))
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the killed task is over", func() bool {
		return c.ecs("describe-tasks", "--cluster", "demo", "--tasks", task, "--query", "tasks[0].lastStatus", "--output", "text") == "STOPPED"
	})
	c.ecs("wait", "services-stable", "--cluster", "demo", "--services", "worker")
	c.want("3\t3\t0", counts...)
	c.want("STOPPED\tEssentialContainerExited\t137", "describe-tasks", "--cluster", "demo", "--tasks", task,
		"--query", "tasks[0].[lastStatus,stopCode,containers[0].exitCode]", "--output", "text")

	for _, n := range []string{"4", "2"} {
		c.ecs("update-service", "--cluster", "demo", "--service", "worker", "--desired-count", n)
		c.ecs("wait", "services-stable", "--cluster", "demo", "--services", "worker")
		c.want(n+"\t"+n+"\t0", counts...)
	}
	c.ecs("register-task-definition", "--family", "worker", "--container-definitions", strings.Replace(one, "3600", "7200", 1))
	c.want("True", "update-service", "--cluster", "demo", "--service", "worker", "--task-definition", "worker",
		"--query", "ends_with(service.taskDefinition, '/worker:2')", "--output", "text")
	c.ecs("wait", "services-stable", "--cluster", "demo", "--services", "worker")
	c.want("1\tCOMPLETED", "describe-services", "--cluster", "demo", "--services", "worker",
		"--query", "services[0].[length(deployments),deployments[0].rolloutState]", "--output", "text")

	c.ecs("register-task-definition", "--family", "job", "--container-definitions",
		`[{"name":"app","image":"process","command":["/bin/sh","-c","exit 3"],"cpu":16,"memory":16}]`)
	job := c.ecs("run-task", "--cluster", "demo", "--task-definition", "job", "--query", "tasks[0].taskArn", "--output", "text")
	c.ecs("wait", "tasks-stopped", "--cluster", "demo", "--tasks", job)
	c.want("3", "describe-tasks", "--cluster", "demo", "--tasks", job, "--query", "tasks[0].containers[0].exitCode", "--output", "text")

	whyTells(t, p.api, "worker", "Essential container in task exited", "somebody called UpdateService")
	c.ecs("delete-service", "--cluster", "demo", "--service", "worker", "--force")
	c.ecs("wait", "services-inactive", "--cluster", "demo", "--services", "worker")
	c.want("INACTIVE", "delete-cluster", "--cluster", "demo", "--query", "cluster.status", "--output", "text")
	if out, err := c.try("describe-services", "--cluster", "nowhere", "--services", "worker"); err == nil || !strings.Contains(out, "(ClusterNotFoundException)") {
		t.Errorf("an unknown cluster: %v, %s", err, out)
	}
}

// whyTells asks `maitred why` and looks for what it must tell.
func whyTells(t *testing.T, api, ref string, want ...string) {
	t.Helper()
	out, err := exec.Command(binary(), "why", "--all", "--endpoint", api, ref).CombinedOutput()
	if err != nil {
		t.Fatalf("maitred why %s: %v\n%s", ref, err, out)
	}
	for _, w := range want {
		if !strings.Contains(string(out), w) {
			t.Errorf("maitred why %s does not tell %q:\n%s", ref, w, out)
		}
	}
}
