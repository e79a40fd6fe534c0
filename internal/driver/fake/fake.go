// Package fake is a driver that runs nothing: containers are values in memory, and what they do is scripted. It is for
// tests and simulations of what drives drivers. It has no time of its own, and no goroutine: time passes by the clock
// that it is given.
package fake

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// Behaviour is how a container acts. The zero value runs until it is signalled or killed, and its health checks pass.
type Behaviour struct {
	// StartError makes the start fail.
	StartError error
	// Exits makes the container end by itself with ExitCode, After its start; at once if that is 0.
	Exits    bool
	After    time.Duration
	ExitCode int
	// OnSignal decides what a signal does: end with a code, or nothing. Nil ends with 128 more than its number, for
	// SIGTERM and SIGKILL alike, as programs do that handle none.
	OnSignal func(signal string) (exitCode int, ends bool)
	// HangsOnKill makes even Kill do nothing, as an unresponsive kernel or runtime does.
	HangsOnKill bool
	// Unhealthy makes every Exec exit with 1, until SetHealth.
	Unhealthy bool
	// OnExec, if not nil, decides what an Exec does.
	OnExec func(ctx context.Context, command []string) (exitCode int, output []byte, err error)
	// Log is what the container writes when it starts.
	Log string
	// Usage is what it uses.
	Usage driver.Usage
	// Pull is how long its image was pulled before the start.
	Pull time.Duration
}

// Ignore is an OnSignal that ignores all signals; Kill ends such a container all the same.
func Ignore(string) (exitCode int, ends bool) { return 0, false }

// Config is how a fake machine is made. The zero value is one on which everything runs until it is told not to.
type Config struct {
	// Script chooses how a container acts; nil is the zero Behaviour for all. It must not call the driver.
	Script func(driver.Spec) Behaviour
	// Now tells the time; nil is the real time.
	Now func() time.Time
	// After calls f after d and returns what takes that back; nil is real time. It must not call f at once.
	After func(d time.Duration, f func()) (stop func())
	// Fault makes a call (secure, release) of a task's sandbox fail; nil is none. It must not call the driver.
	Fault func(call, task string) error
	// Refuse is the driver's Refuse beyond members in Unmet; nil refuses nothing.
	Refuse func(*model.TaskDefinition) string
}

// Machine is what the drivers made by Connect share: the containers, which outlive them.
type Machine struct {
	cfg Config

	mu         sync.Mutex
	containers map[string]*container
	sandboxes  map[string]driver.Sandbox // by task id
	made       map[string]int            // how often each was made
	started    int
	breaks     chan struct{} // closed to break all watches, then replaced
	watches    map[*watch]bool
	told       int             // changes that watchers were told of
	quiet      []chan struct{} // closed when all watchers were told of everything
}

type container struct {
	spec   driver.Spec
	acts   Behaviour
	status driver.Status
	stop   func()           // takes the timer of its end back
	files  map[string]entry // by path; nil before the first copy
}

// watch collects changes until somebody reads them.
type watch struct {
	changes []driver.Status
	busy    bool // somebody is being told of changes
	wake    chan struct{}
}

// New makes a machine.
func New(cfg Config) *Machine {
	if cfg.Script == nil {
		cfg.Script = func(driver.Spec) Behaviour { return Behaviour{} }
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.After == nil {
		cfg.After = func(d time.Duration, f func()) func() {
			t := time.AfterFunc(d, f)
			return func() { t.Stop() }
		}
	}
	return &Machine{
		cfg: cfg, containers: map[string]*container{}, sandboxes: map[string]driver.Sandbox{}, made: map[string]int{},
		breaks: make(chan struct{}), watches: map[*watch]bool{},
	}
}

// Connect makes a driver to the machine, as an agent that starts does.
func (m *Machine) Connect() *Driver { return &Driver{m: m} }

// Exit ends a running container as if its program had ended. It says whether the container ran.
func (m *Machine) Exit(id string, code int) bool { return m.end(id, &code, "") }

// Vanish ends a running container without an exit code, as when nobody saw its end.
func (m *Machine) Vanish(id string) bool {
	return m.end(id, nil, "ContainerVanishedError: nobody saw its end")
}

// Sandbox gives the sandbox of a task, by its id.
func (m *Machine) Sandbox(task string) (driver.Sandbox, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	box, ok := m.sandboxes[task]
	return box, ok
}

// Made counts how often the sandbox of a task, by its id, was made.
func (m *Machine) Made(task string) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.made[task]
}

// SetHealth makes a container's health checks pass or fail from now on. It says whether there is such a container.
func (m *Machine) SetHealth(id string, healthy bool) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.containers[id]
	if c != nil {
		c.acts.Unhealthy = !healthy
	}
	return c != nil
}

// Break breaks all watches.
func (m *Machine) Break() {
	m.mu.Lock()
	defer m.mu.Unlock()
	close(m.breaks)
	m.breaks = make(chan struct{})
}

// Started counts the containers that were ever started.
func (m *Machine) Started() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.started
}

// end ends a container, if it runs.
func (m *Machine) end(id string, code *int, reason string) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	c := m.containers[id]
	if c == nil || c.status.State == driver.Exited {
		return false
	}
	c.stop()
	c.status.State, c.status.ExitedAt = driver.Exited, m.cfg.Now()
	c.status.ExitCode, c.status.Reason = code, reason
	m.notify(c.status)
	return true
}

// notify tells all watches of a change. mu is held.
func (m *Machine) notify(s driver.Status) {
	for w := range m.watches {
		w.changes = append(w.changes, s)
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// take gives what a watcher is to be told of next.
func (m *Machine) take(w *watch) []driver.Status {
	m.mu.Lock()
	defer m.mu.Unlock()
	changes := w.changes
	w.changes, w.busy = nil, len(changes) > 0
	m.told += len(changes)
	m.checkQuiet()
	return changes
}

// checkQuiet is called with mu held.
func (m *Machine) checkQuiet() {
	for w := range m.watches {
		if w.busy || len(w.changes) > 0 {
			return
		}
	}
	for _, c := range m.quiet {
		close(c)
	}
	m.quiet = nil
}

// Settle waits until all watchers were told of all changes, and says of how many there were so far.
func (m *Machine) Settle(ctx context.Context) (told int, err error) {
	quiet := make(chan struct{})
	m.mu.Lock()
	m.quiet = append(m.quiet, quiet)
	m.checkQuiet()
	m.mu.Unlock()
	select {
	case <-quiet:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.told, nil
}

// Driver is one connection to a machine; it implements driver.Driver.
type Driver struct{ m *Machine }

var _ driver.Driver = (*Driver)(nil)

// Name implements driver.Driver.
func (d *Driver) Name() string { return "fake" }

// Close implements driver.Driver.
func (d *Driver) Close() error { return nil }

// Refuse implements driver.Driver.
func (d *Driver) Refuse(def *model.TaskDefinition) string {
	for i := range def.Containers {
		if unmet := def.Containers[i].Unmet; len(unmet) > 0 {
			return "the fake driver cannot honour " + strings.Join(unmet, ", ")
		}
	}
	if d.m.cfg.Refuse != nil {
		return d.m.cfg.Refuse(def)
	}
	return ""
}

// Start implements driver.Driver.
func (d *Driver) Start(ctx context.Context, spec driver.Spec) (driver.Status, error) {
	if err := ctx.Err(); err != nil {
		return driver.Status{}, err
	}
	m := d.m
	m.mu.Lock()
	defer m.mu.Unlock()
	if c := m.containers[spec.ID]; c != nil {
		return c.status, nil
	}
	m.box(spec.Sandbox) // before anything can fail
	acts := m.cfg.Script(spec)
	if acts.StartError != nil {
		return driver.Status{}, acts.StartError
	}
	m.started++
	c := &container{
		spec: spec, acts: acts, stop: func() {},
		status: driver.Status{
			ID: spec.ID, State: driver.Running, RuntimeID: strconv.Itoa(m.started), StartedAt: m.cfg.Now(),
		},
	}
	if acts.Pull > 0 {
		c.status.PullStartedAt, c.status.PullStoppedAt = c.status.StartedAt.Add(-acts.Pull), c.status.StartedAt
	}
	m.containers[spec.ID] = c
	m.notify(c.status)
	if acts.Exits {
		c.stop = m.cfg.After(acts.After, func() { m.end(spec.ID, &acts.ExitCode, "") })
	}
	return c.status, nil
}

// box makes a sandbox unless it is there. mu is held.
func (m *Machine) box(box driver.Sandbox) {
	if _, ok := m.sandboxes[box.Task]; ok || box.Task == "" {
		return
	}
	m.sandboxes[box.Task] = box
	m.made[box.Task]++
}

// fault is Config.Fault.
func (m *Machine) fault(call, task string) error {
	if m.cfg.Fault == nil {
		return nil
	}
	return m.cfg.Fault(call, task)
}

// Signal implements driver.Driver.
func (d *Driver) Signal(_ context.Context, id, signal string) error {
	d.m.mu.Lock()
	c := d.m.containers[id]
	d.m.mu.Unlock()
	if c == nil {
		return nil
	}
	if signal == "" {
		signal = c.spec.StopSignal
	}
	if signal == "" {
		signal = "SIGTERM"
	}
	number, known := signals()[signal]
	if !known {
		return fmt.Errorf("%q is no signal", signal)
	}
	code, ends := 128+number, true
	if c.acts.OnSignal != nil {
		code, ends = c.acts.OnSignal(signal)
	}
	if ends {
		d.m.Exit(id, code)
	}
	return nil
}

// signals are those that stop containers, by name.
func signals() map[string]int {
	return map[string]int{
		"SIGHUP": 1, "SIGINT": 2, "SIGQUIT": 3, "SIGKILL": 9, "SIGUSR1": 10, "SIGUSR2": 12, "SIGTERM": 15,
	}
}

// Kill implements driver.Driver.
func (d *Driver) Kill(_ context.Context, id string) error {
	d.m.mu.Lock()
	c := d.m.containers[id]
	d.m.mu.Unlock()
	if c != nil && !c.acts.HangsOnKill {
		d.m.Exit(id, 137)
	}
	return nil
}

// Remove implements driver.Driver.
func (d *Driver) Remove(_ context.Context, id string) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	c := d.m.containers[id]
	if c != nil && c.status.State != driver.Exited {
		return fmt.Errorf("container %s runs: it must end before it is removed", id)
	}
	delete(d.m.containers, id)
	return nil
}

// List implements driver.Driver; the order is by id.
func (d *Driver) List(ctx context.Context) ([]driver.Status, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	return d.m.statuses(), ctx.Err()
}

// statuses is List for who holds mu.
func (m *Machine) statuses() []driver.Status {
	all := make([]driver.Status, 0, len(m.containers))
	for _, c := range m.containers {
		all = append(all, c.status)
	}
	slices.SortFunc(all, func(a, b driver.Status) int { return strings.Compare(a.ID, b.ID) })
	return all
}

// Watch implements driver.Driver.
func (d *Driver) Watch(ctx context.Context, changed func(driver.Status)) error {
	m := d.m
	w := &watch{wake: make(chan struct{}, 1)}
	m.mu.Lock()
	w.changes = m.statuses()
	m.watches[w] = true
	broken := m.breaks
	m.mu.Unlock()
	defer func() {
		m.mu.Lock()
		delete(m.watches, w)
		m.checkQuiet()
		m.mu.Unlock()
	}()
	for {
		for changes := m.take(w); len(changes) > 0; changes = m.take(w) {
			for _, s := range changes {
				changed(s)
			}
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-broken:
			return errors.New("the watch broke")
		case <-w.wake:
		}
	}
}

// Exec implements driver.Driver.
func (d *Driver) Exec(ctx context.Context, id string, e driver.Exec) (int, error) {
	d.m.mu.Lock()
	c := d.m.containers[id]
	if c == nil || c.status.State != driver.Running {
		d.m.mu.Unlock()
		return 0, fmt.Errorf("exec in %s: the container does not run", id)
	}
	acts := c.acts
	d.m.mu.Unlock()
	switch {
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case acts.OnExec != nil:
		code, output, err := acts.OnExec(ctx, e.Command)
		if e.Stdout != nil {
			_, _ = e.Stdout.Write(output)
		}
		return code, err
	case acts.Unhealthy:
		return 1, nil
	}
	return 0, nil
}

// Usage implements driver.Driver.
func (d *Driver) Usage(ctx context.Context) (map[string]driver.Usage, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	all := map[string]driver.Usage{}
	for id, c := range d.m.containers {
		if c.status.State == driver.Running {
			all[id] = c.acts.Usage
		}
	}
	return all, ctx.Err()
}

// Logs implements driver.Driver.
func (d *Driver) Logs(_ context.Context, id string, _ driver.LogOptions) iter.Seq2[driver.Line, error] {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	c := d.m.containers[id]
	if c == nil {
		return driver.Failed(fmt.Errorf("there is no container %s", id))
	}
	return driver.ReadLines(strings.NewReader(c.acts.Log))
}

// Sandboxes implements driver.Driver.
func (d *Driver) Sandboxes(ctx context.Context) ([]string, error) {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	return slices.Sorted(maps.Keys(d.m.sandboxes)), ctx.Err()
}

// Secure implements driver.Driver.
func (d *Driver) Secure(_ context.Context, task string, rules []model.FirewallRule) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if err := d.m.fault("secure", task); err != nil {
		return err
	}
	if box, ok := d.m.sandboxes[task]; ok {
		box.Rules = rules
		d.m.sandboxes[task] = box
	}
	return nil
}

// Release implements driver.Driver. It fails while a container of the task runs.
func (d *Driver) Release(_ context.Context, task string) error {
	d.m.mu.Lock()
	defer d.m.mu.Unlock()
	if err := d.m.fault("release", task); err != nil {
		return err
	}
	for id, c := range d.m.containers {
		if c.spec.Sandbox.Task == task && c.status.State != driver.Exited {
			return fmt.Errorf("release task %s: its container %s runs", task, id)
		}
	}
	delete(d.m.sandboxes, task)
	return nil
}
