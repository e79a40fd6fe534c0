package daemon

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/maitred/maitred/internal/agent/policy"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/docker"
	"github.com/maitred/maitred/internal/driver/process"
	"github.com/maitred/maitred/internal/model"
)

func knownDriver(name string) bool {
	switch name {
	case "auto", "process", "docker":
		return true
	}
	return false
}

// refuse says why a machine cannot run a task definition: what its operator does not allow or its driver cannot honour,
// by name.
func refuse(m *model.Machine, def *model.TaskDefinition) string {
	if why := policy.Refuse(m.Policy, def); why != "" {
		return why
	}
	switch m.Driver {
	case "process":
		return process.Refuse(def)
	case "docker":
		return docker.Refuse(def)
	}
	return ""
}

// openDriver opens the driver that is asked for, or, for auto, Docker where it answers and plain processes elsewhere. It
// says which and why.
func (c Config) openDriver(ctx context.Context) (d driver.Driver, reason string, err error) {
	name, reason := c.Driver, "asked for by --driver"
	if name == "auto" {
		name, reason = chooseDriver(ctx)
	}
	switch name {
	case "docker":
		d, err = docker.New(ctx, docker.Config{Scope: c.DataDir, Log: c.Log})
	default:
		// Relative programs and directories are meant from where maitred was started, as in a shell.
		here, _ := os.Getwd()
		d, err = process.New(ctx, process.Config{Dir: filepath.Join(c.DataDir, "keeper"), WorkingDirectory: here, Logger: c.Log})
	}
	if err != nil {
		return nil, "", fmt.Errorf("open the %s driver: %w", name, err)
	}
	return d, reason, nil
}

func chooseDriver(ctx context.Context) (name, reason string) {
	version, err := docker.Answers(ctx)
	if err != nil {
		return "process", "no Docker answers here; programs run as plain processes, without isolation"
	}
	return "docker", "Docker " + version + " answers"
}
