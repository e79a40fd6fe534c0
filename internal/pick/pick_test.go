package pick_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/pick"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

const (
	prefix  = "arn:aws:ecs:us-east-1:123456789012:"
	cluster = prefix + "cluster/default"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// task is a task and what was seen of it; its id is the letters, filled up to 32.
func task(letters, service string, status model.TaskStatus, minutes int) (*model.Task, *model.Observed) {
	t := &model.Task{
		ARN: prefix + "task/default/" + letters + strings.Repeat("0", 32-len(letters)), Cluster: cluster, Machine: "m1",
		TaskDefinition: prefix + "task-definition/web:1", Desired: model.TaskRunning,
	}
	if service != "" {
		t.Service = prefix + "service/" + service
	}
	o := &model.Observed{
		Task: t.ARN, Machine: "m1", Status: status, StartedAt: noon.Add(time.Duration(minutes) * time.Minute),
		Containers: []model.ObservedContainer{{Name: "app", Status: model.TaskRunning}, {Name: "side", Status: model.TaskStopped}},
	}
	if status == model.TaskStopped {
		o.StopReason = "Essential container in task exited"
	}
	return t, o
}

func view(t *testing.T) *store.View {
	t.Helper()
	s, err := store.OpenSync(t.Context(), mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	records := []model.Record{
		&model.TaskDefinition{ARN: prefix + "task-definition/web:1", Family: "web", Revision: 1, Containers: []model.ContainerDefinition{
			{Name: "app", Essential: true}, {Name: "side"},
		}},
		&model.TaskDefinition{ARN: prefix + "task-definition/one:1", Family: "one", Revision: 1, Containers: []model.ContainerDefinition{{Name: "main"}}},
		&model.TaskDefinition{ARN: prefix + "task-definition/two:1", Family: "two", Revision: 1, Containers: []model.ContainerDefinition{
			{Name: "a", Essential: true}, {Name: "b", Essential: true},
		}},
	}
	for _, name := range []string{"default/web", "default/idle", "default/api", "other/api"} {
		records = append(records, &model.Service{ARN: prefix + "service/" + name, Name: name[strings.Index(name, "/")+1:], Cluster: cluster, Status: model.Active})
	}
	for _, row := range []struct {
		letters, service string
		status           model.TaskStatus
		minutes          int
	}{
		{"aaaa1", "default/web", model.TaskRunning, 1},
		{"aaaa2", "default/web", model.TaskRunning, 5},
		{"bbbb1", "default/web", model.TaskStopped, 9},
		{"cccc1", "default/web", model.TaskPending, 0},
		{"dddd1", "other/api", model.TaskRunning, 0},
	} {
		task, seen := task(row.letters, row.service, row.status, row.minutes)
		records = append(records, task, seen)
	}
	if _, err := s.Update(t.Context(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s.View()
}

func TestTask(t *testing.T) {
	t.Parallel()
	v := view(t)
	for ref, want := range map[string]struct{ id, service, refusal string }{
		prefix + "task/default/aaaa1000000000000000000000000000": {id: "aaaa1"},
		"aaaa1":                        {id: "aaaa1"},
		"aaaa2000":                     {id: "aaaa2"},
		"web":                          {id: "aaaa2", service: "default/web"},
		"default/web":                  {id: "aaaa2", service: "default/web"},
		prefix + "service/default/web": {id: "aaaa2", service: "default/web"},
		"other/api":                    {id: "dddd1", service: "other/api"},
		"aaaa":                         {refusal: `"aaaa" begins the ids of 2 tasks; say which: aaaa1000000000000000000000000000, aaaa2000000000000000000000000000`},
		"bbbb1":                        {refusal: "task bbbb1000000000000000000000000000 is stopped: Essential container in task exited"},
		"cccc1":                        {refusal: "task cccc1000000000000000000000000000 is PENDING: it does not run yet, or no more"},
		"api":                          {refusal: `"api" is the name of 2 services; say which: default/api, other/api`},
		"idle":                         {refusal: "service idle has no running task; `maitred why idle` tells why"},
		"none":                         {refusal: `there is no task or service "none"; the services are: api, idle, web, api`},
		"dd":                           {refusal: `there is no task or service "dd"; the services are: api, idle, web, api`},
		"":                             {refusal: `there is no task or service ""; the services are: api, idle, web, api`},
	} {
		got, err := pick.Task(v, ref)
		var refusal *model.Error
		switch {
		case want.refusal != "":
			if !errors.As(err, &refusal) || refusal.Message != want.refusal {
				t.Errorf("%q: got %v, want %q", ref, err, want.refusal)
			}
		case err != nil || !strings.HasPrefix(model.ShortID(got.Task.ARN), want.id) || !strings.HasSuffix(got.Service, want.service) || (got.Service == "") != (want.service == ""):
			t.Errorf("%q: got %+v, %v, want task %s of service %q", ref, got, err, want.id, want.service)
		}
	}
}

func TestContainer(t *testing.T) {
	t.Parallel()
	v := view(t)
	for _, test := range []struct{ family, name, want, refusal string }{
		{family: "web", want: "app"},
		{family: "web", name: "app", want: "app"},
		{family: "web", name: "side", refusal: "container side of task aaaa1000000000000000000000000000 is STOPPED"},
		{family: "web", name: "none", refusal: `task aaaa1000000000000000000000000000 has no container "none"; it has: app, side`},
		{family: "one", want: "main"},
		{family: "two", refusal: "task aaaa1000000000000000000000000000 has several containers; say which: a, b"},
		{family: "two", name: "b", want: "b"},
		{family: "gone", refusal: "the task definition of task aaaa1000000000000000000000000000 is no longer known"},
	} {
		c, err := pick.Task(v, "aaaa1")
		if err != nil {
			t.Fatal(err)
		}
		changed := *c.Task.Task
		changed.TaskDefinition = prefix + "task-definition/" + test.family + ":1"
		got, err := pick.Container(v, model.TaskState{Task: &changed, Seen: c.Task.Seen}, test.name)
		var refusal *model.Error
		if errors.As(err, &refusal); got != test.want || test.refusal != "" && (refusal == nil || refusal.Message != test.refusal) || test.refusal == "" && err != nil {
			t.Errorf("%s, %q: got %q, %v, want %q, %q", test.family, test.name, got, err, test.want, test.refusal)
		}
	}
}
