package e2e

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/maitred/maitred/internal/testneeds"
)

// docker is the Docker CLI at the daemon that the tests use.
func docker(t *testing.T, host string, args ...string) string {
	t.Helper()
	cmd := exec.Command(testneeds.Command(t, "docker"), args...)
	cmd.Env = append(environment(), "DOCKER_HOST="+host)
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("docker %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// TestExampleOnDocker is what `make up` shows where Docker answers: the example runs in containers, and one that is
// killed is replaced.
func TestExampleOnDocker(t *testing.T) {
	host := testneeds.Docker(t)
	t.Setenv("DOCKER_HOST", host)
	dir := stateDir(t)
	t.Cleanup(func() {
		if left := docker(t, host, "ps", "-aq", "--filter", "label=maitred.scope="+dir); left != "" {
			docker(t, host, append([]string{"rm", "-f"}, strings.Fields(left)...)...)
		}
	})
	p := start(t, "up", "--data-dir", dir, "--listen", "127.0.0.1:0", "--example", "web", "--driver", "docker")
	eventually(t, "it has said everything", func() bool { return strings.Contains(p.output(), "Ctrl-C") })
	if !strings.Contains(p.output(), "Driver   docker (asked for by --driver)") {
		t.Errorf("it does not take Docker:\n%s", p.output())
	}
	c := client(p.api)
	tasks := func() map[string]string {
		list, err := c.ListTasks(t.Context(), &ecs.ListTasksInput{ServiceName: aws.String("web")})
		if err != nil {
			t.Fatal(err)
		}
		containers := map[string]string{}
		for _, task := range describe(t, c, list.TaskArns) {
			if aws.ToString(task.LastStatus) == "RUNNING" {
				containers[*task.TaskArn] = aws.ToString(task.Containers[0].RuntimeId)
			}
		}
		return containers
	}
	before := tasks()
	if len(before) != 3 {
		t.Fatalf("%d tasks run, want 3", len(before))
	}
	for task, container := range before {
		docker(t, host, "kill", container)
		eventually(t, "the killed container is replaced", func() bool {
			now := tasks()
			_, there := now[task]
			return len(now) == 3 && !there
		})
		break
	}
	p.interrupt()
	eventually(t, "the containers end with it", func() bool {
		return docker(t, host, "ps", "-q", "--filter", "label=maitred.scope="+dir) == ""
	})
}
