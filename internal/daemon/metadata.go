package daemon

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/prometheus/procfs"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/metadata"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// metadataTimeout bounds what the metadata endpoint asks the driver.
const metadataTimeout = 5 * time.Second

// endpoints tell containers where the metadata, credentials and protection endpoints are.
type endpoints struct {
	key   *metadata.Key
	doors doors
	plain bool // containers are in the machine's own network
}

// startMetadata serves what tasks find out about themselves.
func (s *server) startMetadata(ctx context.Context, roles *roles, d driver.Driver, m *model.Machine) (*endpoints, error) {
	key, err := metadata.LoadKey(filepath.Join(s.cfg.DataDir, "metadata.key"))
	if err != nil {
		return nil, err
	}
	operator, err := metadata.ParseRoles(s.cfg.TaskRoles)
	if err != nil {
		return nil, err
	}
	e := &endpoints{key: key, plain: d.Name() == driverProcess}
	listeners, err := s.openDoors(ctx, e)
	if err != nil {
		return nil, err
	}
	handler := metadata.New(metadata.Config{
		Key: key, Now: time.Now, Log: s.cfg.Log,
		World: &taskWorld{store: s.store, machine: m, driver: d, key: key, roles: operator, plain: e.plain},
	})
	for _, l := range listeners {
		roles.run(ctx, "task metadata endpoint", func(ctx context.Context) error {
			return serve(ctx, l.Listener, handler.At(l.door), s.cfg.Log)
		})
	}
	return e, nil
}

// prepare adds the variables. A container that reaches no door is told of none.
func (e *endpoints) prepare(task *model.Task, def *model.TaskDefinition, spec *driver.Spec) {
	door := e.door(spec)
	if door.Address == "" {
		return
	}
	caller := metadata.Caller{Task: task.ARN, Container: spec.Definition.Name, Role: def.TaskRole != ""}
	if a := spec.Sandbox.Attachment; a != nil && !e.plain {
		caller.Address = a.Address
	}
	spec.Env = e.key.Environment(spec.Env, door, caller)
}

func (e *endpoints) door(spec *driver.Spec) metadata.Door {
	switch {
	case e.plain || spec.Sandbox.NetworkMode == "host":
		return e.doors.loopback
	case spec.Sandbox.NetworkMode == "none" || spec.Definition.NoNetwork:
		return metadata.Door{}
	}
	return e.doors.link
}

// taskWorld is what the endpoints are about (metadata.World).
type taskWorld struct {
	store   *store.Store
	machine *model.Machine
	driver  driver.Driver
	key     *metadata.Key
	roles   *metadata.Roles
	plain   bool
}

// Facts implements metadata.World.
func (w *taskWorld) Facts(id string) (metadata.Facts, bool) {
	view := w.store.View()
	for t := range view.TasksOnMachine(w.machine.ID) {
		if model.ShortID(t.ARN) != id || t.Stopped() {
			continue
		}
		def, ok := view.TaskDefinition(t.TaskDefinition)
		if !ok {
			break
		}
		return metadata.Facts{
			TaskState: t, Definition: def.With(t.Overrides), Zone: w.machine.Zone(), Memory: w.machine.Capacity.Memory, Plain: w.plain,
		}, true
	}
	return metadata.Facts{}, false
}

// Tags implements metadata.World. An agent alone does not see container instances: it tells none.
func (w *taskWorld) Tags(f metadata.Facts) []model.Tag {
	if i, ok := w.store.View().Instance(f.Instance); ok {
		return i.Tags
	}
	return nil
}

// Containers implements metadata.World.
func (w *taskWorld) Containers(ctx context.Context, f metadata.Facts) (map[string]driver.Status, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	all, err := w.driver.List(ctx)
	if err != nil {
		return nil, fmt.Errorf("list the containers: %w", err)
	}
	newest, attempts := map[string]driver.Status{}, map[string]int{}
	for _, s := range all {
		task, name, attempt, ok := lifecycle.ParseID(s.ID)
		if !ok || task != model.ShortID(f.ARN) {
			continue
		}
		if last, known := attempts[name]; !known || attempt > last {
			newest[name], attempts[name] = s, attempt
		}
	}
	return newest, nil
}

// Measure implements metadata.World.
func (w *taskWorld) Measure(ctx context.Context) (metadata.Measurement, error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	usage, err := w.driver.Usage(ctx)
	if err != nil {
		return metadata.Measurement{}, fmt.Errorf("measure the containers: %w", err)
	}
	m := metadata.Measurement{At: time.Now().UTC(), Containers: usage, Online: runtime.NumCPU()}
	// Where there is no /proc, as on a Mac, the machine's own time is not told.
	if proc, err := procfs.NewDefaultFS(); err == nil {
		if stat, err := proc.Stat(); err == nil {
			c := stat.CPUTotal
			seconds := c.User + c.Nice + c.System + c.Idle + c.Iowait + c.IRQ + c.SoftIRQ
			m.System = time.Duration(seconds * float64(time.Second))
		}
	}
	return m, nil
}

// Credentials implements metadata.World.
func (w *taskWorld) Credentials(ctx context.Context, role, task string) (metadata.Credentials, error) {
	now := time.Now()
	c, ok, err := w.roles.Find(ctx, role, now)
	if ok || err != nil {
		return c, err
	}
	return w.key.Mint(role, task, now), nil
}

// Protection implements metadata.World.
func (w *taskWorld) Protection(task string) (until time.Time, failure string) {
	t, failure := control.Protectable(w.store.View(), task)
	if failure != "" {
		return time.Time{}, failure
	}
	return t.ProtectedUntil, ""
}

// Protect implements metadata.World. What is wanted of a task is the control plane's to write: the call is the same use
// case that UpdateTaskProtection is, in a transaction of its own, made for the task by the agent as ECS's agent does.
func (w *taskWorld) Protect(ctx context.Context, task string, until time.Time) (failure string, err error) {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	_, err = w.store.Update(ctx, func(tx *store.Tx) error {
		failure = control.Protect(tx, task, until)
		return nil
	})
	return failure, err
}
