package e2e

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// counting writes 300 numbered lines within some seconds, and then goes on without a word.
const counting = `[{"name":"app","image":"/bin/sh","command":["-c","i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; sleep 0.02; done; exec sleep 3600"],
"cpu":16,"memory":16,"environment":[{"name":"PATH","value":"/usr/bin:/bin"}],
"logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"/count","awslogs-region":"us-east-1","awslogs-stream-prefix":"v1"%s}}}]`

// TestLogsSurvive kills the agent and the server with -9 while a task writes: every line is in its log stream once, as
// the unmodified aws CLI tells, and the server reads what the agent keeps.
func TestLogsSurvive(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	serverArgs := []string{"server", "--data-dir", dir, "--listen", "127.0.0.1:0"}
	agentArgs := []string{"agent", "--data-dir", dir, "--driver", "process"}
	server, agent := start(t, serverArgs...), start(t, agentArgs...)
	c := newCLI(t, server.api)
	c.ecs("register-task-definition", "--family", "count", "--container-definitions", fmt.Sprintf(counting, `,"awslogs-create-group":"true"`))
	task := c.ecs("run-task", "--task-definition", "count", "--query", "tasks[0].taskArn", "--output", "text")
	id := task[strings.LastIndexByte(task, '/')+1:]
	c.ecs("wait", "tasks-running", "--tasks", task)
	agent.kill()
	agent = start(t, agentArgs...)
	server.kill()
	server = start(t, serverArgs...)
	c = newCLI(t, server.api)
	agent.kill()
	start(t, agentArgs...)

	var want []string
	for i := range 300 {
		want = append(want, fmt.Sprintf("line %d", i+1))
	}
	read := func() []string {
		text := c.aws("logs", "get-log-events", "--log-group-name", "/count", "--log-stream-name", "v1/app/"+id,
			"--start-from-head", "--query", "events[].message", "--output", "text")
		return strings.Split(text, "\t")
	}
	eventually(t, "the last line is in the stream", func() bool {
		// Between two agents nobody is there to say what the stream has.
		cmd := exec.Command(c.path, "logs", "filter-log-events", "--log-group-name", "/count", "--filter-pattern", `"line 300"`,
			"--query", "events[].message", "--output", "text")
		cmd.Env = c.env
		out, _ := cmd.Output()
		return strings.TrimSpace(string(out)) == "line 300"
	})
	if diff := cmp.Diff(want, read()); diff != "" {
		t.Errorf("lines of the stream (-written +read):\n%s", diff)
	}
	if out, code := verb(t, server, "", "logs", id[:8]+"/app", "--tail", "2"); code != 0 || out != "line 299\nline 300\n" {
		t.Errorf("maitred logs = %d %q, want the last two lines", code, out)
	}
	if out, code := verb(t, server, "", "logs", "nothing"); code != 1 || !strings.Contains(out, `no service or task "nothing"`) {
		t.Errorf("maitred logs of nothing = %d %q, want that there is no such thing", code, out)
	}
	if out, code := verb(t, server, "", "logs"); code != 2 || !strings.Contains(out, "takes one service or task") {
		t.Errorf("maitred logs = %d %q, want how it is used", code, out)
	}
}

// TestFollowedTaskEnds follows a task with maitred logs -f until it has ended.
func TestFollowedTaskEnds(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t))
	c := newCLI(t, p.api)
	c.ecs("register-task-definition", "--family", "short", "--container-definitions",
		`[{"name":"app","image":"/bin/sh","command":["-c","echo one; sleep 1; printf two; exit 3"],"environment":[{"name":"PATH","value":"/usr/bin:/bin"}],"cpu":16,"memory":16}]`)
	task := c.ecs("run-task", "--task-definition", "short", "--query", "tasks[0].taskArn", "--output", "text")
	id := task[strings.LastIndexByte(task, '/')+1:][:8]
	out, code := verb(t, p, "", "logs", "-f", id)
	want := id + "/app | one\n" + id + "/app | two\n" + id + "     | -- the task has stopped: Essential container in task exited (app: exit code 3)\n"
	if code != 0 || out != want {
		t.Errorf("maitred logs -f = %d\n%swant\n%s", code, out, want)
	}
}

// TestNoLogGroup: a task whose log group does not exist is not started, as at ECS.
func TestNoLogGroup(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t))
	c := newCLI(t, p.api)
	c.ecs("register-task-definition", "--family", "count", "--container-definitions", fmt.Sprintf(counting, ""))
	task := c.ecs("run-task", "--task-definition", "count", "--query", "tasks[0].taskArn", "--output", "text")
	c.ecs("wait", "tasks-stopped", "--tasks", task)
	out := c.ecs("describe-tasks", "--tasks", task, "--query", "tasks[0].[stopCode,stoppedReason]", "--output", "text")
	if !strings.HasPrefix(out, "TaskFailedToStart\tResourceInitializationError: ") || !strings.Contains(out, "The specified log group does not exist.") {
		t.Errorf("the task ended with %q, want that the log group does not exist", out)
	}
	c.aws("logs", "create-log-group", "--log-group-name", "/count")
	c.aws("logs", "put-retention-policy", "--log-group-name", "/count", "--retention-in-days", "7")
	task = c.ecs("run-task", "--task-definition", "count", "--query", "tasks[0].taskArn", "--output", "text")
	c.ecs("wait", "tasks-running", "--tasks", task)
	eventually(t, "the stream is there", func() bool {
		name := c.aws("logs", "describe-log-streams", "--log-group-name", "/count", "--query", "logStreams[].logStreamName", "--output", "text")
		return name == "v1/app/"+task[strings.LastIndexByte(task, '/')+1:]
	})
}
