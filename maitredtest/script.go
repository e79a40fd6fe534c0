package maitredtest

import (
	"errors"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/fake"
	"github.com/maitred/maitred/internal/model"
)

// Container is a container that is about to be started.
type Container struct {
	Task        string // ARN
	Name        string // in the task definition
	Image       string
	Command     []string // with overrides applied, as all of it
	Environment map[string]string
	Attempt     int // 0 at first; restarts by the container's restart policy count up
}

// Behaviour is how a container acts. The zero value runs until it is stopped, and its health checks pass.
type Behaviour struct {
	// FailStart is why the container cannot be started, "" if it can. It is the task's stoppedReason, after
	// "CannotStartContainerError: ".
	FailStart string
	// Exits makes the container end by itself with ExitCode, After its start.
	Exits    bool
	After    time.Duration
	ExitCode int
	// IgnoresStop makes the container ignore its stop signal, so that it is killed after its stopTimeout.
	IgnoresStop bool
	// Unhealthy makes its health checks fail, until SetHealth.
	Unhealthy bool
}

// Script chooses how the containers act that are started from now on; nil makes all of them run until they are stopped.
// The function must not call the server.
func (s *Server) Script(behave func(Container) Behaviour) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.script = behave
}

// behave is the script of the fake machines.
func (s *Server) behave(spec driver.Spec) fake.Behaviour {
	s.mu.Lock()
	script := s.script
	s.mu.Unlock()
	if script == nil {
		return fake.Behaviour{}
	}
	_, _, attempt, _ := lifecycle.ParseID(spec.ID)
	c := Container{
		Task: spec.Task, Name: spec.Definition.Name, Image: spec.Definition.Image, Command: spec.Definition.Command,
		Environment: map[string]string{}, Attempt: attempt,
	}
	for _, e := range spec.Env {
		name, value, _ := strings.Cut(e, "=")
		c.Environment[name] = value
	}
	b := script(c)
	out := fake.Behaviour{Exits: b.Exits, After: b.After, ExitCode: b.ExitCode, Unhealthy: b.Unhealthy}
	if b.FailStart != "" {
		out.StartError = &driver.Failure{Name: "CannotStartContainerError", Err: errors.New(b.FailStart)}
	}
	if b.IgnoresStop {
		out.OnSignal = fake.Ignore
	}
	return out
}

// Exit ends a running container of a task as if its program had ended with that code; 137 is what a program leaves
// that was killed. The test fails if the container does not run.
func (s *Server) Exit(task, container string, code int) {
	s.t.Helper()
	machine, id := s.find(task, container)
	if machine == nil || !machine.Exit(id, code) {
		s.t.Fatalf("maitredtest: Exit: the container %q of %s does not run", container, task)
	}
}

// SetHealth makes the health checks of a running container pass or fail from now on. The test fails if the container
// does not run.
func (s *Server) SetHealth(task, container string, healthy bool) {
	s.t.Helper()
	machine, id := s.find(task, container)
	if machine == nil || !machine.SetHealth(id, healthy) {
		s.t.Fatalf("maitredtest: SetHealth: the container %q of %s does not run", container, task)
	}
}

// find gives the machine on which a container runs, nil if it runs nowhere, and its id there.
func (s *Server) find(task, container string) (machine *fake.Machine, id string) {
	s.t.Helper()
	short := model.ShortID(task)
	for _, m := range s.machines {
		list, err := m.fake.Connect().List(s.ctx)
		if err != nil {
			s.t.Fatalf("maitredtest: list the containers: %v", err)
		}
		for _, c := range list {
			of, name, _, ok := lifecycle.ParseID(c.ID)
			if ok && of == short && name == container && c.State == driver.Running {
				return m.fake, c.ID
			}
		}
	}
	return nil, ""
}
