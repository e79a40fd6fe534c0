package lifecycle_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

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
