package ecs_test

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/maitred/maitred/internal/model"
)

// TestExecuteCommand tells how far a request comes, and for a valid one how to run the command instead.
func TestExecuteCommand(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 100)
	run := func(enabled bool, containers ...string) string {
		out := must(f.RunTask(t.Context(), &client.RunTaskInput{TaskDefinition: aws.String("web"), EnableExecuteCommand: enabled}))(t)
		task := taskARNs(out.Tasks)[0]
		f.observe(task, func(o *model.Observed) {
			o.Status = model.TaskRunning
			for _, name := range containers {
				o.Containers = append(o.Containers, model.ObservedContainer{Name: name, Status: model.TaskRunning})
			}
		})
		return task
	}
	one, two, disabled, starting := run(true, "app"), run(true, "app", "side"), run(false, "app"), run(true, "app")
	f.observe(starting, func(o *model.Observed) { o.Status = model.TaskPending })
	gone := run(true, "app")
	f.observe(gone, func(o *model.Observed) { o.Status = model.TaskStopped })
	for _, test := range []struct {
		name, task, container, code, says string
	}{
		{"the only container", one, "", "UnsupportedFeatureException", "maitred exec -it -c app " + model.ShortID(one) + " -- /bin/sh -l"},
		{"by id", model.ShortID(one), "app", "UnsupportedFeatureException", "maitred exec -it -c app "},
		{"the second container", two, "side", "UnsupportedFeatureException", "maitred exec -it -c side "},
		{"unsaid container", two, "", "InvalidParameterException", "container should be one of [app,side]"},
		{"unknown container", one, "none", "InvalidParameterException", `no container "none": container should be one of [app]`},
		{"not enabled", disabled, "", "InvalidParameterException", "execute command was not enabled when the task was run"},
		{"not running", starting, "", "TargetNotConnectedException", "does not run"},
		{"stopped", gone, "", "InvalidParameterException", "stopped"},
	} {
		status, body := f.send("ExecuteCommand", `{"task":"`+test.task+`","container":"`+test.container+`","command":"/bin/sh -l","interactive":true}`)
		if status != 400 || !strings.Contains(body, test.code) || !strings.Contains(body, strings.ReplaceAll(test.says, `"`, `\"`)) {
			t.Errorf("%s: got %d %s, want %s that says %q", test.name, status, body, test.code, test.says)
		}
	}
	m, _ := f.store.View().Machine("m1")
	away := *m
	away.Connected = false
	f.put(&away)
	if status, body := f.send("ExecuteCommand", `{"task":"`+one+`","command":"sh","interactive":true}`); status != 400 || !strings.Contains(body, "TargetNotConnectedException") {
		t.Errorf("without an agent: got %d %s, want TargetNotConnectedException", status, body)
	}
}
