package why_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
	"github.com/maitred/maitred/internal/why"
)

const (
	cluster  = "arn:aws:ecs:us-east-1:123456789012:cluster/default"
	service  = "arn:aws:ecs:us-east-1:123456789012:service/default/web"
	first    = "arn:aws:ecs:us-east-1:123456789012:task/default/aaaa0000000000000000000000000001"
	second   = "arn:aws:ecs:us-east-1:123456789012:task/default/bbbb0000000000000000000000000002"
	revision = "arn:aws:ecs:us-east-1:123456789012:task-definition/web:1"
)

var epoch = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return epoch.Add(time.Duration(seconds) * time.Second) }

// viewer has a service whose first task was killed and replaced by a second one.
func viewer(t *testing.T, more ...model.Record) why.Viewer {
	t.Helper()
	s, err := store.OpenSync(t.Context(), mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	created := model.Cause{Kind: model.CauseAPI, Subject: "CreateService", ID: "r1", At: at(0), Detail: "web with 1 tasks of web:1"}
	rolled := model.Cause{Kind: model.CauseDeployment, Subject: "ecs-svc/0000000000000000001", At: at(0), By: &created}
	died := model.Cause{Kind: model.CauseExit, Subject: first, At: at(10), Detail: "container app exited with code 137"}
	replaced := model.Cause{Kind: model.CauseService, Subject: service, At: at(10), Detail: "0 of 1 desired tasks are there", By: &died}
	code := 137
	records := append([]model.Record{
		&model.Cluster{ARN: cluster, Name: "default", Status: model.Active},
		&model.Machine{ID: "m1", Host: "box", Connected: true, Capacity: model.Resources{CPU: 100, Memory: 100}},
		&model.Instance{ARN: "arn:aws:ecs:us-east-1:123456789012:container-instance/default/i1", Cluster: cluster, Machine: "m1", Status: model.Active},
		&model.TaskDefinition{ARN: revision, Family: "web", Revision: 1, Status: model.Active, Containers: []model.ContainerDefinition{{Name: "app", CPU: 64, Memory: 64, Essential: true}}},
		&model.Service{ARN: service, Name: "web", Cluster: cluster, Status: model.Active, Scheduling: model.Replica, DesiredCount: 1, Primary: "ecs-svc/0000000000000000001", Cause: created},
		&model.Deployment{ID: "ecs-svc/0000000000000000001", Token: "tttttttttttttttttttttt", Service: service, TaskDefinition: revision, Rollout: model.RolloutInProgress, Current: true, CreatedAt: at(0), Cause: created},
		&model.Task{ARN: first, Cluster: cluster, Machine: "m1", Service: service, Deployment: "ecs-svc/0000000000000000001", TaskDefinition: revision, Desired: model.TaskStopped, CreatedAt: at(0), Start: rolled, StopAt: at(10), Stop: &died},
		&model.Observed{
			Task: first, Machine: "m1", Status: model.TaskStopped, StartedAt: at(1), StoppedAt: at(10), StopReason: "Essential container in task exited",
			Containers: []model.ObservedContainer{{Name: "app", ExitCode: &code, Bindings: []model.PortBinding{{Address: "127.0.0.1", HostPort: 32768}}}},
		},
		&model.Task{ARN: second, Cluster: cluster, Machine: "m1", Service: service, Deployment: "ecs-svc/0000000000000000001", TaskDefinition: revision, Desired: model.TaskRunning, CreatedAt: at(10), Start: replaced, Reserved: model.Resources{CPU: 64, Memory: 64}},
	}, more...)
	if _, err := s.Update(t.Context(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return why.Viewer{View: s.View(), Now: at(20), Refuse: func(*model.Machine, *model.TaskDefinition) string { return "" }}
}

func tell(t *testing.T, v why.Viewer, ref string) why.Story {
	t.Helper()
	story, err := v.Of(ref)
	if err != nil {
		t.Fatalf("why %s: %v", ref, err)
	}
	return story
}

// TestReplacement follows the chain of causes of a replacement down to the exit that it replaces.
func TestReplacement(t *testing.T) {
	t.Parallel()
	story := tell(t, viewer(t), second)
	if len(story.Steps) != 1 || story.Kind != "task" {
		t.Fatalf("got %+v, want the one step of a task that was started", story)
	}
	chain := story.Steps[0].Because
	if len(chain) != 2 || chain[0].Kind != model.CauseService || chain[1].Kind != model.CauseExit || chain[1].Subject != first {
		t.Errorf("got the chain %+v, want the service and then the exit of the first task", chain)
	}
}

// TestNewestFirst tells a killed task's life backwards.
func TestNewestFirst(t *testing.T) {
	t.Parallel()
	var got []string
	for _, s := range tell(t, viewer(t), first).Steps {
		got = append(got, s.Text)
	}
	want := []string{"is stopped: Essential container in task exited; container app exited with code 137", "runs, 1s after it was asked for, at 127.0.0.1:32768", "of web:1 is started on box"}
	if len(got) != len(want) {
		t.Fatalf("got %q, want %q", got, want)
	}
	for i := range want {
		if !strings.HasSuffix(got[i], want[i]) {
			t.Errorf("step %d: got %q, want the end %q", i, got[i], want[i])
		}
	}
}

// TestReferences accepts what a person has at hand.
func TestReferences(t *testing.T) {
	t.Parallel()
	v := viewer(t)
	for ref, want := range map[string]string{
		service: service, "web": service, "default/web": service, first: first, "aaaa00000": first, "aaaa": first,
		"ecs-svc/0000000000000000001": "ecs-svc/0000000000000000001", "0000000000000000001": "ecs-svc/0000000000000000001",
		"arn:aws:ecs:us-east-1:123456789012:service-revision/default/web/0000000000000000001":      "ecs-svc/0000000000000000001",
		"arn:aws:ecs:us-east-1:123456789012:service-deployment/default/web/tttttttttttttttttttttt": "ecs-svc/0000000000000000001",
	} {
		if got := tell(t, v, ref).Subject; got != want {
			t.Errorf("why %s tells of %s, want %s", ref, got, want)
		}
	}
	for _, ref := range []string{"", "a", "nothing", "arn:aws:ecs:us-east-1:123456789012:task/default/cccc"} {
		_, err := v.Of(ref)
		if refusal, ok := errors.AsType[*model.Error](err); !ok || refusal.Code != "ResourceNotFoundException" {
			t.Errorf("why %q: got %v, want ResourceNotFoundException", ref, err)
		}
	}
}

// TestAmbiguous asks which of two is meant.
func TestAmbiguous(t *testing.T) {
	t.Parallel()
	other := strings.Replace(first, "0001", "0009", 1)
	v := viewer(t, &model.Task{ARN: other, Cluster: cluster, Machine: "m1", Desired: model.TaskRunning})
	_, err := v.Of("aaaa")
	if err == nil || !strings.Contains(err.Error(), "may mean 2 things") {
		t.Errorf("got %v, want a question which of two is meant", err)
	}
}

// TestHeldUp says what is short on each machine, and how long a pause lasts.
func TestHeldUp(t *testing.T) {
	t.Parallel()
	held := tell(t, viewer(t, &model.ServiceState{
		Service: service, Said: map[string]model.Saying{"placement": {Message: "no room", At: at(15)}}, StartFailures: 4,
		ThrottledUntil: at(24), Failure: &model.Cause{Kind: model.CauseExit, Detail: "container app exited with code 1"},
	}), "web").Held
	want := []string{"the next one is tried in 4s. The last failure: container app exited with code 1", "needs 64 CPU units, 36 of 100 are free"}
	if len(held) != len(want) {
		t.Fatalf("got %q, want %q", held, want)
	}
	for i := range want {
		if !strings.Contains(held[i], want[i]) {
			t.Errorf("got %q, want %q in it", held[i], want[i])
		}
	}
}

// TestHeldBack tells which bounds hold back the replacement of unhealthy tasks: of four, two go on without one.
func TestHeldBack(t *testing.T) {
	t.Parallel()
	records := []model.Record{&model.ServiceState{Service: service}, &model.Service{
		ARN: service, Name: "web", Cluster: cluster, Status: model.Active, Scheduling: model.Replica, DesiredCount: 4, MinHealthy: 100, MaxPercent: 150,
		Primary: "ecs-svc/0000000000000000001",
	}}
	for i := range 5 {
		task := strings.Replace(first, "0001", fmt.Sprintf("1%03d", i), 1)
		records = append(records, &model.Task{
			ARN: task, Cluster: cluster, Machine: "m1", Instance: "arn:aws:ecs:us-east-1:123456789012:container-instance/default/i1", Service: service,
			Deployment: "ecs-svc/0000000000000000001", TaskDefinition: revision, Desired: model.TaskRunning, CreatedAt: at(10),
		})
		if i < 4 {
			records = append(records, &model.Observed{Task: task, Machine: "m1", Status: model.TaskRunning, StartedAt: at(11), Health: model.Unhealthy})
		}
	}
	held := tell(t, viewer(t, records...), "web").Held
	if len(held) != 1 || !strings.Contains(held[0], "4 are unhealthy, 2 replacements are on their way, and for 2 there is no room yet") ||
		!strings.Contains(held[0], "6 tasks at most (maximumPercent 150), of which 4 have to run") {
		t.Errorf("got %q", held)
	}
}

// TestServiceStory tells of a service all that happened to its tasks and deployments, and once what changed it.
func TestServiceStory(t *testing.T) {
	t.Parallel()
	story := tell(t, viewer(t,
		&model.ServiceEvent{ID: "e1", Service: service, Number: 1, At: at(0), Message: "(service web) has started 1 tasks: (task aaaa)."},
		&model.ServiceEvent{ID: "e2", Service: service, Number: 2, At: at(12), Message: "(service web) has reached a steady state."}), "web")
	if story.Now != "ACTIVE, 0 of 1 running, 1 pending; deployment ecs-svc/0000000000000000001 of web:1 in progress" {
		t.Errorf("got %q", story.Now)
	}
	text := ""
	for _, s := range story.Steps {
		text += s.Text + "\n"
	}
	for want, times := range map[string]int{
		"has reached a steady state": 1, "has started": 0, "is started on box": 2, "begins": 1, "the service is changed": 0,
	} {
		if got := strings.Count(text, want); got != times {
			t.Errorf("%q is told %d times, want %d:\n%s", want, got, times, text)
		}
	}
}
