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
	"io/fs"
	"iter"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Driver runs containers on this machine. All methods may be called at the same time from several goroutines.
type Driver interface {
	// Name is the name that people choose it by: process, oci, docker.
	Name() string
	// Refuse says why this driver cannot run a task of a definition as it stands: one sentence that names the member
	// and says what would be right. It is "" when it can. It is pure: the same answer on every machine.
	Refuse(def *model.TaskDefinition) string
	// Start makes a container run; the first one of a task makes the task's sandbox, and an image that is not here is
	// pulled. It returns once the program has been executed, or an error whose text begins with the name that ECS gives
	// it (CannotPullContainerError, CannotCreateContainerError, CannotStartContainerError, ResourceInitializationError).
	Start(ctx context.Context, spec Spec) (Status, error)
	// Signal sends a signal ("" is the container's stop signal, normally SIGTERM) to the container.
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
	// Exec runs a command inside a container, in its environment, until the command or ctx ends, and returns its exit
	// code. The error is about running it at all, ctx's end included. Container health checks use it, and people.
	Exec(ctx context.Context, id string, e Exec) (exitCode int, err error)
	// Stat tells what is at a path of a container: absolute, or relative to where a driver says. The path is resolved in
	// the container, wherever its links lead; one that it ends with is not followed. The error wraps fs.ErrNotExist when
	// nothing is there.
	Stat(ctx context.Context, id, path string) (File, error)
	// CopyOut writes a tar archive of what is at such a path, named as package tree has it. It neither follows links nor
	// leaves out what it may not read: that is an error.
	CopyOut(ctx context.Context, id, path string, to io.Writer) error
	// CopyIn unpacks such an archive, to its end, into a directory that is there, as tree.Unpack does.
	CopyIn(ctx context.Context, id, dir string, in Copy) error
	// Usage measures what the running containers use at the moment, by id.
	Usage(ctx context.Context) (map[string]Usage, error)
	// Logs tells what the container wrote, oldest line first, and ends after what there is, or, when it follows, with the
	// container. It may be asked for after the container's end, until it is removed.
	Logs(ctx context.Context, id string, o LogOptions) iter.Seq2[Line, error]
	// Sandboxes tells the ids of all tasks that have a sandbox.
	Sandboxes(ctx context.Context) ([]string, error)
	// Secure sets the firewall rules of a task's own network; of a task without one it does nothing.
	Secure(ctx context.Context, task string, rules []model.FirewallRule) error
	// Release frees a task's sandbox: its network, its address, its cgroup and the volumes that live as long as it. Its
	// containers have ended; they need not be removed.
	Release(ctx context.Context, task string) error
	// Close lets go of the driver's connections; containers run on.
	Close() error
}

// Spec is a container to start, with everything resolved: overrides applied, ports chosen, secrets fetched.
type Spec struct {
	ID         string                    // unique for ever: task id, container name and attempt
	Task       string                    // ARN
	Definition model.ContainerDefinition // with overrides applied; of Ports only ContainerPort and Protocol count
	Env        []string                  // KEY=value, complete and final
	Bindings   []model.PortBinding       // the chosen host ports
	StopSignal string                    // "" for the image's, else SIGTERM
	Digest     string                    // of the image, that the deployment is bound to; "" to resolve the name
	Registry   *Login                    // for the image's registry; nil for the machine's own
	LogSecrets map[string]string         // options of the log driver that are secret
	Peers      map[string]string         // ids of the task's other containers that have been started, by name
	Sandbox    Sandbox
}

// Sandbox is what the containers of a task share. It is the same in every Spec of a task.
type Sandbox struct {
	Task        string // id
	NetworkMode string // "", bridge, host, awsvpc, none
	Attachment  *model.Attachment
	Rules       []model.FirewallRule // of the task's own network
	CPU         int                  // of the task, units; 0 if the task sets no limit
	Memory      int                  // of the task, MiB; likewise
	PIDMode     string               // "", host, task
	IPCMode     string               // "", host, task, none
	Storage     int                  // ephemeral, GiB; 0 if the task sets no limit
	Volumes     []model.Volume
}

// Login is a user of a registry.
type Login struct{ Username, Password string }

// Exec is a command to run in a container.
type Exec struct {
	Command  []string
	Terminal bool        // on a terminal of its own, whose output is all Stdout
	Size     Size        // of the terminal at first
	Resize   <-chan Size // nil if it does not change
	// Stdin is nil for an empty one. When the command has ended, one Read may still be under way: whoever gives a reader
	// that can wait for ever makes it return.
	Stdin  io.Reader
	Stdout io.Writer // nil to drop it
	Stderr io.Writer // likewise
}

// File is what is at a path of a container.
type File struct {
	Mode     fs.FileMode
	Size     int64 // of a regular file, bytes
	Modified time.Time
	// Target is where a symbolic link leads in the end, absolute: there may be nothing.
	Target string
}

// Copy is an archive on its way into a container.
type Copy struct {
	Archive io.Reader
	// Owners says that entries belong to whom the archive says. Else they belong to the container's root, or where a
	// container has none of its own, to whom its program runs as.
	Owners bool
}

// Size is a terminal's size in characters.
type Size struct{ Columns, Rows uint16 }

// LogOptions says which lines of a log are wanted.
type LogOptions struct {
	Since  time.Time // not before; zero for all
	Follow bool      // wait for more until the container has ended
}

// Line is a line that a container wrote, without its end.
type Line struct {
	At     time.Time // when the line was read, to the nanosecond; never earlier than that of the line before, zero where nobody noted it
	Stream string    // stdout, stderr, or "" where they cannot be told apart
	Text   []byte    // at most MaxLine bytes: a longer line is told in parts
}

// MaxLine bounds a Line in bytes.
const MaxLine = 16 << 10

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

	PullStartedAt, PullStoppedAt time.Time // zero if the image was there
}

// Usage is what a container uses.
type Usage struct {
	CPU     time.Duration // processor time since its start
	Memory  int64         // bytes resident now
	Network *Network      // nil if nobody knows, or the network is the machine's own
	Disk    *Disk         // nil if nobody knows
}

// Network is what went through a network namespace since it was made, in bytes, but for what stayed in it.
type Network struct {
	Namespace      string // names it: containers that share it say the same of it
	Received, Sent int64
}

// Disk is what a container read and wrote on block devices since its start, in bytes.
type Disk struct{ Read, Written int64 }

// Failure is an error with the name that ECS gives it.
type Failure struct {
	Name string // for example CannotStartContainerError
	Err  error
}

// Error gives "Name: reason", the form of a container's reason in ECS.
func (f *Failure) Error() string { return f.Name + ": " + f.Err.Error() }

// Unwrap gives the reason.
func (f *Failure) Unwrap() error { return f.Err }
