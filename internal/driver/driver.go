// Package driver defines what turns a container of a task into something that runs: the one interface that the agent
// knows, and the values that cross it.
//
// A container has an id that the agent chooses and that is never used twice. Every call is idempotent by that id: to
// start what runs already, to kill what is gone, is no error. A driver keeps what it started alive when the process
// that called it dies, and finds it again: after a restart, List tells everything that there is.
package driver

import (
	"context"
	"io"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Driver runs containers on this machine. All methods may be called at the same time from several goroutines.
type Driver interface {
	// Name is the name that people choose it by: process, docker.
	Name() string
	// Refuse says why this driver cannot run a task of a definition as it stands: one sentence that names the member
	// and says what would be right. It is "" when it can. It is pure: the same answer on every machine.
	Refuse(def *model.TaskDefinition) string
	// Start makes a container run. It returns once the program has been executed, or an error whose text begins with
	// the name that ECS gives it (CannotPullContainerError, CannotCreateContainerError, CannotStartContainerError).
	Start(ctx context.Context, spec Spec) (Status, error)
	// Signal sends a signal ("" is the container's stop signal, normally SIGTERM) to all of the container.
	Signal(ctx context.Context, id, signal string) error
	// Kill ends the container and everything that it started.
	Kill(ctx context.Context, id string) error
	// Remove forgets an ended container: its exit code, its private files and its log. Of a running one it is an error.
	Remove(ctx context.Context, id string) error
	// List tells the state of every container that was started and not removed.
	List(ctx context.Context) ([]Status, error)
	// Watch sends the state of each container whenever it changes, until ctx ends. It begins with the present state of
	// all, so that nothing is missed between a List and a Watch. It returns when the stream breaks; call it again.
	Watch(ctx context.Context, changed func(Status)) error
	// Exec runs a command inside a container, in its environment, and returns its exit code and the first output bytes.
	// It is what container health checks use. The error is about running it at all, ctx's end included.
	Exec(ctx context.Context, id string, command []string) (exitCode int, output []byte, err error)
	// Usage measures what the running containers use at the moment, by id.
	Usage(ctx context.Context) (map[string]Usage, error)
	// Logs opens what the container wrote so far, standard output and error interleaved; it may be asked for after the
	// container's end, until it is removed.
	Logs(ctx context.Context, id string) (io.ReadCloser, error)
	// Close lets go of the driver's connections; containers run on.
	Close() error
}

// Spec is a container to start, with everything resolved: overrides applied, ports chosen.
type Spec struct {
	ID         string                    // unique for ever: task id, container name and attempt
	Task       string                    // ARN
	Definition model.ContainerDefinition // with overrides applied; of Ports only ContainerPort and Protocol count
	Env        []string                  // KEY=value, complete and final
	Bindings   []model.PortBinding       // the chosen host ports
	Network    string                    // the task's network mode
	StopSignal string                    // "" for SIGTERM
	CPU        int                       // of the task, units; 0 if the task sets no limit
	Memory     int                       // of the task, MiB; likewise
}

// State is a container's state.
type State string

// The states of a container, in order.
const (
	Starting State = "starting"
	Running  State = "running"
	Exited   State = "exited"
)

// Status is what a driver knows of a container.
type Status struct {
	ID        string
	State     State
	RuntimeID string // the runtime's own name for it: a pid, a Docker id
	StartedAt time.Time
	ExitedAt  time.Time
	ExitCode  *int   // nil while it runs, and when nobody saw the end
	Reason    string // of an end that the exit code does not tell: OutOfMemoryError: …, ContainerVanishedError: …
	Image     string // digest, where there is one
}

// Usage is what a container uses.
type Usage struct {
	CPU    time.Duration // processor time since its start
	Memory int64         // bytes resident now
}

// Failure is an error with the name that ECS gives it.
type Failure struct {
	Name string // for example CannotStartContainerError
	Err  error
}

// Error gives "Name: reason", the form of a container's reason in ECS.
func (f *Failure) Error() string { return f.Name + ": " + f.Err.Error() }

// Unwrap gives the reason.
func (f *Failure) Unwrap() error { return f.Err }
