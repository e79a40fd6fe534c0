package daemon

import (
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/model"
)

// TestPolicy has a machine refuse what its operator does not allow before its driver is asked.
func TestPolicy(t *testing.T) {
	t.Parallel()
	def := &model.TaskDefinition{
		Volumes:    []model.Volume{{Name: "v", HostPath: "/data/maitred/keeper"}},
		Containers: []model.ContainerDefinition{{Name: "web", Image: "/bin/true", Mounts: []model.Mount{{Volume: "v", Path: "/v"}}}},
	}
	c := Defaults()
	c.DataDir, c.AllowHostPaths = "/data/maitred", []string{"/data"}
	m := &model.Machine{Driver: "process", Policy: c.policy()}
	if got := refuse(m, def); !strings.Contains(got, "--allow-host-path") {
		t.Errorf("a directory of maitred's own: got %q, want that it is not allowed", got)
	}
	def.Volumes[0].HostPath = "/data/web"
	if got := refuse(m, def); got == "" || strings.Contains(got, "--allow-host-path") {
		t.Errorf("an allowed directory: got %q, want what the driver says", got)
	}
	def.Containers[0] = model.ContainerDefinition{Name: "web", Image: "/bin/true", Privileged: true}
	if got := refuse(m, def); !strings.Contains(got, "--allow-privileged") {
		t.Errorf("privileged: got %q, want that it is not allowed", got)
	}
	c.AllowHostPaths = []string{"data"}
	if err := c.Validate(); err == nil || !strings.Contains(err.Error(), "--allow-host-path") {
		t.Errorf("a relative path: got %v, want an error that names the flag", err)
	}
}
