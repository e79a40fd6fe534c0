package agent_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/agent"
	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/agent/ports"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/fake"
	"github.com/maitred/maitred/internal/driver/keeper"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// TestMain makes the test binary the keeper of the process driver, too.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "keeper" {
		os.Exit(keeper.Main(os.Args[2:], os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

const machineID = "0123456789abcdef0123456789abcdef"

// rig is a machine with a fake driver, a store in memory, and whoever wants tasks. It lives in a bubble of synctest.
type rig struct {
	t       *testing.T
	backend *mem.Backend
	control *store.Store
	machine *fake.Machine
	dir     string
	change  func(*agent.Config)
	scope   store.Scope // of the agent's store

	mu     sync.Mutex
	specs  map[string]driver.Spec
	script func(driver.Spec) fake.Behaviour
	fault  error // of commits
}

func newRig(t *testing.T) *rig {
	r := &rig{t: t, scope: store.Scope{Machine: machineID}, specs: map[string]driver.Spec{}, dir: t.TempDir()}
	r.backend = mem.New(mem.Options{Faults: func(*store.Txn) mem.Fault {
		r.mu.Lock()
		defer r.mu.Unlock()
		return mem.Fault{Err: r.fault}
	}})
	r.control = r.open(r.backend, store.Scope{})
	r.machine = fake.New(fake.Config{Script: r.behave})
	t.Cleanup(func() {
		r.control.Close()
		if err := r.backend.Close(); err != nil {
			t.Errorf("close the backend: %v", err)
		}
	})
	return r
}

func (r *rig) open(b store.Backend, scope store.Scope) *store.Store {
	r.t.Helper()
	s, err := store.Open(r.t.Context(), b, scope)
	if err != nil {
		r.t.Fatalf("open the store: %v", err)
	}
	return s
}

// behave remembers what was started.
func (r *rig) behave(spec driver.Spec) fake.Behaviour {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.specs[spec.ID] = spec
	if r.script == nil {
		return fake.Behaviour{}
	}
	return r.script(spec)
}

func (r *rig) setFault(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.fault = err
}

// running is an agent that runs.
type running struct {
	*agent.Agent
	stop func() // and wait
}

// start runs an agent against what the gate lets through; nil lets everything through.
func (r *rig) start(g *gate) *running {
	r.t.Helper()
	var d driver.Driver = r.machine.Connect()
	var b store.Backend = r.backend
	if g != nil {
		d, b = gatedDriver{d, g}, gatedBackend{b, g}
	}
	s := r.open(b, r.scope)
	c := agent.Config{
		Store: s, Driver: d, Dir: r.dir, Machine: model.Machine{ID: machineID, Host: "here"}, HostNetwork: true,
		Log: slog.New(slog.NewTextHandler(r.t.Output(), nil)), SampleEvery: -1,
		Ports: ports.Config{First: 40000, Last: 40999, Free: func(string, int) bool { return true }},
	}
	if r.change != nil {
		r.change(&c)
	}
	a, err := agent.New(c)
	if err != nil {
		r.t.Fatalf("New: %v", err)
	}
	ctx, cancel := context.WithCancel(r.t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := a.Run(ctx); err != nil {
			r.t.Errorf("Run: %v", err)
		}
	}()
	return &running{Agent: a, stop: sync.OnceFunc(func() {
		cancel()
		<-done
		s.Close()
	})}
}

// until waits for something in virtual time.
func (r *rig) until(what string, holds func() bool) {
	r.t.Helper()
	for range 3000 {
		synctest.Wait()
		if holds() {
			return
		}
		pass(100 * time.Millisecond)
	}
	r.t.Fatalf("in five minutes it never came to this: %s; the containers are %v", what, r.list())
}

// pass lets virtual time pass.
func pass(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

func (r *rig) put(records ...model.Record) {
	r.t.Helper()
	_, err := r.control.Update(r.t.Context(), func(tx *store.Tx) error {
		for _, x := range records {
			tx.Put(x)
		}
		return nil
	})
	if err != nil {
		r.t.Fatalf("put: %v", err)
	}
}

func arnOf(n int) string { return fmt.Sprintf("arn:aws:ecs:r:1:task/c/%032x", n) }

// want makes a task of a definition wanted.
func (r *rig) want(n int, def *model.TaskDefinition) string {
	r.t.Helper()
	r.put(def, &model.Task{ARN: arnOf(n), Machine: machineID, TaskDefinition: def.ARN, Desired: model.TaskRunning})
	return arnOf(n)
}

func (r *rig) wantStopped(arn string) {
	r.t.Helper()
	t, ok := r.control.View().Task(arn)
	if !ok {
		r.t.Fatalf("there is no task %s", arn)
	}
	task := *t.Task
	task.Desired, task.StopCode, task.StopReason = model.TaskStopped, model.StopUser, "enough"
	r.put(&task)
}

func (r *rig) seen(arn string) *model.Observed {
	t, ok := r.control.View().Task(arn)
	if !ok || t.Seen == nil {
		return &model.Observed{}
	}
	return t.Seen
}

func (r *rig) is(arn string, status model.TaskStatus) func() bool {
	return func() bool { return r.seen(arn).Status == status }
}

func (r *rig) list() []driver.Status {
	list, err := r.machine.Connect().List(context.WithoutCancel(r.t.Context()))
	if err != nil {
		r.t.Fatalf("List: %v", err)
	}
	return list
}

// alive lists the ids of what runs.
func (r *rig) alive() []string {
	var ids []string
	for _, s := range r.list() {
		if s.State != driver.Exited {
			ids = append(ids, s.ID)
		}
	}
	return ids
}

func (r *rig) id(arn, name string, attempt int) string { return lifecycle.ID(arn, name, attempt) }

func single() *model.TaskDefinition {
	return &model.TaskDefinition{ARN: "arn:aws:ecs:r:1:task-definition/web:1", Containers: []model.ContainerDefinition{
		{Name: "web", Essential: true},
	}}
}

// pair is an application with a port of its own and a dependency.
func pair() *model.TaskDefinition {
	return &model.TaskDefinition{ARN: "arn:aws:ecs:r:1:task-definition/pair:1", Containers: []model.ContainerDefinition{
		{
			Name: "app", Essential: true, Ports: []model.PortMapping{{ContainerPort: 80, Protocol: "tcp"}},
			DependsOn: []model.Dependency{{Container: "db", Condition: model.DependStart}},
		},
		{Name: "db", Ports: []model.PortMapping{{ContainerPort: 5432, Protocol: "tcp"}}},
	}}
}

// gate counts the calls that an agent makes of its driver and its store, and lets the agent die at one of them: before
// the call has done anything, or after it has done everything but answer. Then nothing gets through any more.
type gate struct {
	mu      sync.Mutex
	calls   []string
	dieAt   int // the number of the call, counted from 1; 0 for never
	after   bool
	dead    bool
	tripped chan struct{}
}

func newGate(dieAt int, after bool) *gate {
	return &gate{dieAt: dieAt, after: after, tripped: make(chan struct{})}
}

var errDead = errors.New("the agent is dead")

// pass makes a call.
func (g *gate) pass(name string, call func() error) error {
	g.mu.Lock()
	if g.dead {
		g.mu.Unlock()
		return errDead
	}
	g.calls = append(g.calls, name)
	dies := len(g.calls) == g.dieAt
	if dies {
		g.dead = true
		close(g.tripped)
	}
	g.mu.Unlock()
	if dies {
		if g.after {
			_ = call() // nobody hears how it went
		}
		return errDead
	}
	return call()
}

func (g *gate) counted() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.Clone(g.calls)
}

type gatedDriver struct {
	driver.Driver
	g *gate
}

func (d gatedDriver) Start(ctx context.Context, spec driver.Spec) (s driver.Status, err error) {
	err = d.g.pass("start "+spec.ID, func() error { s, err = d.Driver.Start(ctx, spec); return err })
	return s, err
}

func (d gatedDriver) Signal(ctx context.Context, id, signal string) error {
	return d.g.pass("signal "+id, func() error { return d.Driver.Signal(ctx, id, signal) })
}

func (d gatedDriver) Kill(ctx context.Context, id string) error {
	return d.g.pass("kill "+id, func() error { return d.Driver.Kill(ctx, id) })
}

func (d gatedDriver) Remove(ctx context.Context, id string) error {
	return d.g.pass("remove "+id, func() error { return d.Driver.Remove(ctx, id) })
}

func (d gatedDriver) List(ctx context.Context) (list []driver.Status, err error) {
	err = d.g.pass("list", func() error { list, err = d.Driver.List(ctx); return err })
	return list, err
}

func (d gatedDriver) Sandboxes(ctx context.Context) (ids []string, err error) {
	err = d.g.pass("sandboxes", func() error { ids, err = d.Driver.Sandboxes(ctx); return err })
	return ids, err
}

func (d gatedDriver) Secure(ctx context.Context, task string, rules []model.FirewallRule) error {
	return d.g.pass("secure "+task, func() error { return d.Driver.Secure(ctx, task, rules) })
}

func (d gatedDriver) Release(ctx context.Context, task string) error {
	return d.g.pass("release "+task, func() error { return d.Driver.Release(ctx, task) })
}

type gatedBackend struct {
	store.Backend
	g *gate
}

func (b gatedBackend) Commit(ctx context.Context, txn *store.Txn) (rev int64, err error) {
	name := "commit"
	for _, p := range txn.Puts {
		name += " " + p.Key.String()
	}
	err = b.g.pass(name, func() error { rev, err = b.Backend.Commit(ctx, txn); return err })
	return rev, err
}
