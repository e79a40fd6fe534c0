package lifecycle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

func TestResolve(t *testing.T) {
	t.Parallel()
	def := &model.TaskDefinition{CPU: 256, Containers: []model.ContainerDefinition{
		{Name: "a", Command: []string{"run"}, Environment: map[string]string{"A": "1", "B": "2"}, CPU: 10, Memory: 64},
		{Name: "b"},
	}}
	cpu := 20
	got := lifecycle.Resolve(def, &model.Overrides{Memory: 512, Containers: []model.ContainerOverride{
		{Name: "a", Command: []string{"migrate"}, Environment: map[string]string{"B": "3"}, CPU: &cpu},
		{Name: "b", Environment: map[string]string{"C": "4"}},
		{Name: "nobody"},
	}})
	want := &model.TaskDefinition{CPU: 256, Memory: 512, Containers: []model.ContainerDefinition{
		{Name: "a", Command: []string{"migrate"}, Environment: map[string]string{"A": "1", "B": "3"}, CPU: 20, Memory: 64},
		{Name: "b", Environment: map[string]string{"C": "4"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("Resolve (-want +got):\n%s", diff)
	}
	if def.Containers[0].Environment["B"] != "2" || def.Containers[0].CPU != 10 || def.Containers[1].Environment != nil {
		t.Errorf("the definition itself was changed: %+v", def.Containers)
	}
	if got := lifecycle.Resolve(def, nil); got != def {
		t.Errorf("without overrides got a copy, want the definition itself")
	}
}

func TestSpec(t *testing.T) {
	t.Parallel()
	task := &model.Task{ARN: "arn:aws:ecs:r:1:task/c/0123"}
	def := &model.TaskDefinition{NetworkMode: "bridge", CPU: 1, Memory: 2}
	bindings := []model.PortBinding{
		{ContainerPort: 80, HostPort: 40001, Protocol: "tcp"}, {ContainerPort: 90, HostPort: 40002, Protocol: "tcp"},
	}
	for _, test := range []struct {
		name string
		env  map[string]string
		host bool
		want []string
	}{
		{"the first port", nil, true, []string{"MAITRED_PORT_80=40001", "MAITRED_PORT_90=40002", "PORT=40001"}},
		{"a port that is named", map[string]string{"PORT": "90"}, true, []string{"MAITRED_PORT_80=40001", "MAITRED_PORT_90=40002", "PORT=40002"}},
		{"a port of its own", map[string]string{"PORT": "7"}, true, []string{"MAITRED_PORT_80=40001", "MAITRED_PORT_90=40002", "PORT=7"}},
		{"a network of its own", map[string]string{"PORT": "80"}, false, []string{"PORT=80"}},
	} {
		c := &model.ContainerDefinition{Name: "web", Environment: test.env}
		got := lifecycle.Spec(task, def, c, lifecycle.Placing{Attempt: 2, Bindings: bindings, HostNetwork: test.host})
		want := driver.Spec{
			ID: "0123-web-2", Task: task.ARN, Definition: *c, Env: test.want, Bindings: bindings,
			Sandbox: driver.Sandbox{Task: "0123", NetworkMode: "bridge", CPU: 1, Memory: 2},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", test.name, diff)
		}
	}
}
