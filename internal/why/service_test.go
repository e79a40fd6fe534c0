package why_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/why"
)

const older = "arn:aws:ecs:us-east-1:123456789012:task-definition/web:0"

// another is a task of the service, of an older deployment, with what was seen of it.
func another(n int, change func(*model.Task, *model.Observed)) []model.Record {
	arn := fmt.Sprintf("arn:aws:ecs:us-east-1:123456789012:task/default/cccc%028d", n)
	task := &model.Task{
		ARN: arn, Cluster: cluster, Machine: "m1", Service: service, Deployment: "ecs-svc/0000000000000000000",
		TaskDefinition: older, Desired: model.TaskRunning, CreatedAt: at(n),
	}
	seen := &model.Observed{Task: arn, Machine: "m1", Status: model.TaskRunning, StartedAt: at(n)}
	change(task, seen)
	return []model.Record{task, seen}
}

// ended makes a task one whose container ended with a code, by itself.
func ended(code int) func(*model.Task, *model.Observed) {
	return func(task *model.Task, seen *model.Observed) {
		task.Desired, task.StopAt, task.Stop = model.TaskStopped, task.CreatedAt, &model.Cause{Kind: model.CauseExit, Subject: task.ARN}
		seen.Status, seen.StoppedAt, seen.StopCode = model.TaskStopped, task.CreatedAt, model.StopContainerExited
		seen.Containers = []model.ObservedContainer{{Name: "app", ExitCode: &code, Restarts: 2}}
	}
}

// stopped makes a task one that was asked to stop, and whose container ended with a code then.
func stopped(code int, by model.CauseKind, stop model.StopCode) func(*model.Task, *model.Observed) {
	return func(task *model.Task, seen *model.Observed) {
		ended(code)(task, seen)
		task.Stop.Kind, seen.StopCode = by, stop
	}
}

func olderDeployment(revision string) *model.Deployment {
	return &model.Deployment{
		ID: "ecs-svc/0000000000000000000", Token: "sssssssssssssssssssss", Service: service, TaskDefinition: revision, Current: true,
		Rollout: model.RolloutCompleted,
	}
}

// TestRollout says in the head of a service that a deployment is in progress, and what it replaces.
func TestRollout(t *testing.T) {
	t.Parallel()
	healthy := another(1, func(*model.Task, *model.Observed) {})
	ill := another(2, func(_ *model.Task, seen *model.Observed) { seen.Health = model.Unhealthy })
	for revision, still := range map[string]string{older: "web:0", revision: "deployment ecs-svc/0000000000000000000"} {
		v := viewer(t, append(append(healthy, ill...), olderDeployment(revision))...)
		want := "ACTIVE, 2 of 1 running, 1 of them unhealthy, 1 pending; " +
			"deployment ecs-svc/0000000000000000001 of web:1 in progress; " + still + " still runs 2"
		if diff := cmp.Diff(want, tell(t, v, "web").Now); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestFailedRollout counts what failed of the deployment in progress, and says nothing of one that is over.
func TestFailedRollout(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*model.Deployment){
		"; deployment ecs-svc/0000000000000000001 of web:1 in progress, 1 task failed":   func(d *model.Deployment) { d.Failed = 1 },
		"; deployment ecs-svc/0000000000000000001 of web:1 in progress, 18 tasks failed": func(d *model.Deployment) { d.Failed = 18 },
		"": func(d *model.Deployment) { d.Rollout = model.RolloutCompleted },
	} {
		d := &model.Deployment{
			ID: "ecs-svc/0000000000000000001", Service: service, TaskDefinition: revision, Rollout: model.RolloutInProgress, Current: true,
		}
		change(d)
		if got, want := tell(t, viewer(t, d), "web").Now, "ACTIVE, 0 of 1 running, 1 pending"+want; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

// TestProtected says which tasks stay because they are protected, when they should go, and only then.
func TestProtected(t *testing.T) {
	t.Parallel()
	until := func(seconds int, deployment string) func(*model.Task, *model.Observed) {
		return func(task *model.Task, _ *model.Observed) {
			task.ProtectedUntil, task.Deployment = at(seconds), deployment
		}
	}
	const fresh, stale = "ecs-svc/0000000000000000001", "ecs-svc/0000000000000000000"
	for name, test := range map[string]struct {
		records []model.Record
		want    []string
	}{
		"within the desired count": {another(1, until(60, fresh)), nil},
		"being replaced":           {another(1, until(60, stale)), []string{"1 task is protected from scale-in until 12:01:00"}},
		"no longer":                {another(1, until(20, stale)), nil},
		"too many": {
			append(another(1, until(60, fresh)), another(2, until(90, fresh))...),
			[]string{"2 tasks are protected from scale-in, the last one until 12:01:30"},
		},
	} {
		if diff := cmp.Diff(test.want, tell(t, viewer(t, test.records...), "web").Held); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// TestAsked explains the exit code of a container that was asked to stop, and of no other.
func TestAsked(t *testing.T) {
	t.Parallel()
	for want, change := range map[string]func(*model.Task, *model.Observed){
		"exited with code 143 (SIGTERM, as asked)":        stopped(143, model.CauseAPI, ""),
		"exited with code 137 (killed after stopTimeout)": stopped(137, model.CauseDeployment, ""),
		"exited with code 137 (killed)":                   stopped(137, model.CauseOperator, model.StopTermination),
		"exited with code 0":                              stopped(0, model.CauseAPI, ""),
		"exited with code 143":                            stopped(143, model.CauseAPI, model.StopContainerExited),
		"exited with code 137":                            ended(137),
	} {
		got := tell(t, viewer(t, another(1, change)...), "cccc").Steps[0].Text
		if !strings.HasSuffix(got, want) {
			t.Errorf("got %q, want the end %q", got, want)
		}
	}
}

// TestOutput gives what the newest three programs printed that failed, or says where it is.
func TestOutput(t *testing.T) {
	t.Parallel()
	var records []model.Record
	for n, change := range []func(*model.Task, *model.Observed){
		ended(1), ended(1), ended(1), ended(0), stopped(143, model.CauseAPI, ""), ended(2),
	} {
		records = append(records, another(100+n, change)...)
	}
	v := viewer(t, records...)
	v.Output = func(task, container string) []string {
		if strings.HasSuffix(task, "101") {
			return nil
		}
		return []string{"of " + container, task[len(task)-3:]}
	}
	v.OutputIn = func(task, container string, attempt int) string {
		return fmt.Sprintf("/logs/%s-%s-%d", task[len(task)-3:], container, attempt)
	}
	want := []string{"[of app 105] ", "[of app 102] ", "[] /logs/101-app-2"}
	if diff := cmp.Diff(want, outputs(tell(t, v, "web"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	v.Output, v.OutputIn = nil, nil
	if got := outputs(tell(t, v, "web")); got != nil {
		t.Errorf("got %q from nowhere, want nothing", got)
	}
}

func outputs(s why.Story) (all []string) {
	for _, step := range s.Steps {
		if len(step.Output) > 0 || step.OutputIn != "" {
			all = append(all, fmt.Sprint(step.Output, " ", step.OutputIn))
		}
	}
	return all
}

// TestThrottledOutput: what a service waits for after a program that says that all is well is told too.
func TestThrottledOutput(t *testing.T) {
	t.Parallel()
	records := append(another(1, ended(0)), another(2, ended(0))...)
	failure := &model.Cause{Kind: model.CauseExit, Subject: records[2].(*model.Task).ARN}
	for until, want := range map[time.Time]int{at(30): 1, at(10): 0} {
		v := viewer(t, append(records, &model.ServiceState{Service: service, ThrottledUntil: until, Failure: failure})...)
		v.Output = func(string, string) []string { return []string{"bye"} }
		v.Now = at(20)
		got := 0
		for _, s := range tell(t, v, "web").Steps {
			if s.Task == failure.Subject && s.Output != nil {
				got++
			}
		}
		if got != want {
			t.Errorf("throttled until %v: got the output %d times, want %d", until, got, want)
		}
	}
}

// TestCulprit gives the output of the container that ended by itself, not of those that were stopped then.
func TestCulprit(t *testing.T) {
	t.Parallel()
	v := viewer(t, another(1, func(task *model.Task, seen *model.Observed) {
		ended(1)(task, seen)
		term, kill := 143, 137
		seen.Containers = append([]model.ObservedContainer{{Name: "before", ExitCode: &kill}}, seen.Containers...)
		seen.Containers = append(seen.Containers, model.ObservedContainer{Name: "after", ExitCode: &term})
	})...)
	v.Output = func(_, container string) []string { return []string{container} }
	if diff := cmp.Diff([]string{"[app] "}, outputs(tell(t, v, "cccc"))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
