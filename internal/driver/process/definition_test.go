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
	}{
		"the word":          {"", model.ContainerDefinition{Image: "process"}, nil},
		"an absolute path":  {"host", model.ContainerDefinition{Image: "/usr/bin/env"}, nil},
		"a relative path":   {"bridge", model.ContainerDefinition{Image: "./server"}, nil},
		"a parent's path":   {"", model.ContainerDefinition{Image: "../server"}, nil},
		"a known limit":     {"", model.ContainerDefinition{Image: "process", Ulimits: []model.Ulimit{{Name: "nofile"}}}, nil},
		"an image":          {"", model.ContainerDefinition{Image: "nginx"}, []string{"image", "nginx", "--driver docker"}},
		"an image of one":   {"", model.ContainerDefinition{Image: "library/nginx:1"}, []string{"image", "library/nginx:1"}},
		"no program":        {"", model.ContainerDefinition{Image: "/"}, []string{"image"}},
		"awsvpc":            {"awsvpc", model.ContainerDefinition{Image: "process"}, []string{"networkMode awsvpc"}},
		"no network":        {"none", model.ContainerDefinition{Image: "process"}, []string{"networkMode none"}},
		"an unmet member":   {"", model.ContainerDefinition{Image: "process", Unmet: []string{"a", "b"}}, []string{"a, b"}},
		"an unknown ulimit": {"", model.ContainerDefinition{Image: "process", Ulimits: []model.Ulimit{{Name: "x"}}}, []string{"ulimits", `"x"`}},
	} {
		c.container.Name = "web"
		def := &model.TaskDefinition{NetworkMode: c.network, Containers: []model.ContainerDefinition{c.container}}
		got := process.Refuse(def)
		if (got == "") != (len(c.want) == 0) {
			t.Errorf("%s: Refuse = %q, want a reason: %v", name, got, len(c.want) > 0)
		}
		for _, part := range c.want {
			if !strings.Contains(got, part) {
				t.Errorf("%s: Refuse = %q, want %q in it", name, got, part)
			}
		}
	}
}
