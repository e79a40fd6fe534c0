package process_test

import (
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/driver/process"
	"github.com/maitred/maitred/internal/model"
)

func TestRefuse(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		network   string
		container model.ContainerDefinition
		want      []string // in the reason; none: it is not refused
		docker    bool     // the reason names the docker driver, which can do it
	}{
		"the word":         {"", model.ContainerDefinition{Image: "process"}, nil, false},
		"an absolute path": {"host", model.ContainerDefinition{Image: "/usr/bin/env"}, nil, false},
		"a relative path":  {"bridge", model.ContainerDefinition{Image: "./server"}, nil, false},
		"a parent's path":  {"", model.ContainerDefinition{Image: "../server"}, nil, false},
		"a known limit":    {"", model.ContainerDefinition{Image: "process", Ulimits: []model.Ulimit{{Name: "nofile"}}}, nil, false},
		"an image":         {"", model.ContainerDefinition{Image: "nginx"}, []string{"image", "nginx", "--driver docker"}, true},
		"an image of one":  {"", model.ContainerDefinition{Image: "library/nginx:1"}, []string{"image", "library/nginx:1"}, true},
		"no program":       {"", model.ContainerDefinition{Image: "/"}, []string{"image"}, true},
		"awsvpc":           {"awsvpc", model.ContainerDefinition{Image: "process"}, []string{"networkMode awsvpc"}, false},
		"no network":       {"none", model.ContainerDefinition{Image: "process"}, []string{"networkMode none"}, true},
		"logs that are ours": {"", model.ContainerDefinition{
			Image: "process", Log: &model.LogConfiguration{Driver: "awslogs"}, Secrets: []model.Secret{{Name: "S"}},
			Labels: map[string]string{"l": "v"},
		}, nil, false},
		"logs elsewhere":    {"", model.ContainerDefinition{Image: "process", Log: &model.LogConfiguration{Driver: "syslog"}}, []string{"container web: logConfiguration.logDriver syslog"}, false},
		"isolation":         {"", model.ContainerDefinition{Image: "process", ReadonlyRoot: true, Hostname: "h"}, []string{"container web: readonlyRootFilesystem, hostname"}, false},
		"a range of ports":  {"", model.ContainerDefinition{Image: "process", Ports: []model.PortMapping{{ContainerPort: 1, Last: 2}}}, []string{"portMappings.containerPortRange"}, false},
		"an unmet member":   {"", model.ContainerDefinition{Image: "process", Unmet: []string{"a", "b"}}, []string{"a, b"}, false},
		"an unknown ulimit": {"", model.ContainerDefinition{Image: "process", Ulimits: []model.Ulimit{{Name: "x"}}}, []string{"ulimits", `"x"`}, false},
	} {
		c.container.Name = "web"
		def := &model.TaskDefinition{NetworkMode: c.network, Containers: []model.ContainerDefinition{c.container}}
		got := process.Refuse(def)
		if (got == "") != (len(c.want) == 0) {
			t.Errorf("%s: Refuse = %q, want a reason: %v", name, got, len(c.want) > 0)
		}
		if sent := strings.Contains(got, "--driver docker"); sent != c.docker {
			t.Errorf("%s: Refuse = %q sends to the docker driver: %v, want %v", name, got, sent, c.docker)
		}
		for _, part := range c.want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: Refuse = %q, want %q in it", name, got, part)
			}
		}
	}
}
