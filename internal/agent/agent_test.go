package agent_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/agent"
	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/driver/fake"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
	"github.com/maitred/maitred/internal/store"
)

// bubble runs a test in virtual time.
func bubble(t *testing.T, test func(*testing.T, *rig)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) { test(t, newRig(t)) })
}

func TestRunsToItsEnd(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		defer a.stop()
		arn := r.want(1, single())
		r.until("RUNNING", r.is(arn, model.TaskRunning))
		r.machine.Exit(r.id(arn, "web", 0), 3)
		synctest.Wait() // and no time passes
		code := 3
		got := r.seen(arn)
		want := &model.Observed{
			Task: arn, Machine: machineID, Status: model.TaskStopped, StopCode: model.StopContainerExited,
			StopReason: "Essential container in task exited", StartedAt: got.StartedAt, StoppingAt: got.StoppingAt,
			ExecutionStoppedAt: got.ExecutionStoppedAt, StoppedAt: got.StoppedAt,
			Containers: []model.ObservedContainer{{Name: "web", Status: model.TaskStopped, ExitCode: &code, RuntimeID: "1"}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the exit is observed at once (-want +got):\n%s", diff)
		}
	})
}

// TestAlone: a second agent with the same directory is refused, and the first one does not notice; when that has ended,
// the next one runs.
func TestAlone(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		defer a.stop()
		arn := r.want(1, single())
		r.until("RUNNING", r.is(arn, model.TaskRunning))
		s := r.open(r.backend, r.scope)
		defer s.Close()
		second, err := agent.New(agent.Config{
			Store: s, Driver: r.machine.Connect(), Dir: r.dir, Machine: model.Machine{ID: machineID, Host: "here"},
		})
		if err != nil {
			t.Fatalf("New: %v", err)
		}
		if err := second.Run(t.Context()); !errors.Is(err, agent.ErrInUse) {
			t.Errorf("a second agent: %v, want %v", err, agent.ErrInUse)
		}
		if m, ok := r.control.View().Machine(machineID); !ok || !m.Connected {
			t.Error("the machine is gone because a second agent was refused")
		}
		a.stop()
		third := r.start(nil)
		defer third.stop()
		r.until("the machine is back", func() bool { m, ok := r.control.View().Machine(machineID); return ok && m.Connected })
	})
}

func TestFailsToStart(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.script = func(driver.Spec) fake.Behaviour {
			return fake.Behaviour{StartError: &driver.Failure{Name: "CannotStartContainerError", Err: errors.New("no such file")}}
		}
		a := r.start(nil)
		defer a.stop()
		arn := r.want(1, single())
		r.until("STOPPED", r.is(arn, model.TaskStopped))
		if got := r.seen(arn); got.StopCode != model.StopFailedToStart || got.StopReason != "CannotStartContainerError: no such file" {
			t.Errorf("got %s: %s", got.StopCode, got.StopReason)
		}
	})
}

func TestRefused(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		defer a.stop()
		def := single()
		def.Containers[0].Unmet = []string{"gpu"}
		arn := r.want(1, def)
		r.until("STOPPED", r.is(arn, model.TaskStopped))
		want := "CannotCreateContainerError: the fake driver cannot honour gpu"
		if got := r.seen(arn); got.StopReason != want || r.machine.Started() != 0 {
			t.Errorf("got %q after %d starts, want %q and none", got.StopReason, r.machine.Started(), want)
		}
	})
}

// A program that ignores its stop signal is killed after the stop timeout.
func TestStop(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.script = func(driver.Spec) fake.Behaviour { return fake.Behaviour{OnSignal: fake.Ignore} }
		a := r.start(nil)
		defer a.stop()
		arn := r.want(1, single())
		r.until("RUNNING", r.is(arn, model.TaskRunning))
		r.wantStopped(arn)
		r.until("STOPPING", r.is(arn, model.TaskStopping))
		r.until("STOPPED", r.is(arn, model.TaskStopped))
		got := r.seen(arn)
		if took := got.StoppedAt.Sub(got.StoppingAt); took != 30*time.Second || *got.Containers[0].ExitCode != 137 {
			t.Errorf("got exit code %d after %v, want 137 after 30s", *got.Containers[0].ExitCode, took)
		}
		if got.StopCode != "" {
			t.Errorf("got stop code %s, want none: that of the task stays", got.StopCode)
		}
	})
}

// Host ports are chosen, told to the program and to the store, and given back.
func TestPorts(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		defer a.stop()
		used := map[int]bool{}
		for n := range 20 {
			arn := r.want(n, pair())
			r.until("RUNNING", r.is(arn, model.TaskRunning))
			for _, c := range r.seen(arn).Containers {
				b := c.Bindings[0]
				spec := r.specs[r.id(arn, c.Name, 0)]
				if used[b.HostPort] || b.Address != "127.0.0.1" {
					t.Errorf("got binding %+v, want a port of its own", b)
				}
				used[b.HostPort] = true
				if want := fmt.Sprintf("PORT=%d", b.HostPort); !slices.Contains(spec.Env, want) {
					t.Errorf("got environment %v, want %s in it", spec.Env, want)
				}
			}
		}
	})
}

func TestHealth(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		defer a.stop()
		def := single()
		def.Containers[0].HealthCheck = &model.HealthCheck{
			Command: []string{"CMD", "x"}, Interval: 5 * time.Second, Timeout: 2 * time.Second, Retries: 2,
		}
		arn := r.want(1, def)
		health := func(h model.Health) func() bool { return func() bool { return r.seen(arn).Health == h } }
		r.until("UNKNOWN", health(model.Unknown))
		r.until("HEALTHY", health(model.Healthy))
		r.machine.SetHealth(r.id(arn, "web", 0), false)
		r.until("UNHEALTHY", health(model.Unhealthy))
		if got := r.seen(arn).Containers[0].Reason; got != "health check: exit code 1" {
			t.Errorf("got reason %q", got)
		}
	})
}

// A health check that does not answer is one that failed, and holds up nothing else.
func TestHealthTimeout(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.script = func(driver.Spec) fake.Behaviour {
			return fake.Behaviour{OnExec: func(ctx context.Context, _ []string) (int, []byte, error) {
				<-ctx.Done()
				return 0, nil, ctx.Err()
			}}
		}
		a := r.start(nil)
		defer a.stop()
		def := single()
		def.Containers[0].HealthCheck = &model.HealthCheck{
			Command: []string{"CMD", "x"}, Interval: 5 * time.Second, Timeout: 2 * time.Second, Retries: 1,
		}
		arn := r.want(1, def)
		r.until("UNHEALTHY", func() bool { return r.seen(arn).Health == model.Unhealthy })
		if got := r.seen(arn).Containers[0].Reason; got != "health check: no answer within 2s" {
			t.Errorf("got reason %q", got)
		}
	})
}

// While the store is away, restarts go on and what was seen is kept; when it is back, the newest of it is written.
func TestStoreOutage(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		defer a.stop()
		def := single()
		def.ARN += "0"
		def.Containers[0].Restart = &model.RestartPolicy{AttemptPeriod: 10 * time.Second}
		arn, other := r.want(1, def), r.want(2, single())
		r.until("RUNNING", func() bool { return r.is(arn, model.TaskRunning)() && r.is(other, model.TaskRunning)() })
		r.setFault(store.ErrUnknownOutcome)
		pass(time.Minute)
		r.machine.Exit(r.id(arn, "web", 0), 1)
		r.machine.Exit(r.id(other, "web", 0), 1)
		pass(time.Minute)
		if got := r.alive(); !slices.Equal(got, []string{r.id(arn, "web", 1)}) {
			t.Errorf("got %v alive, want the restarted container", got)
		}
		if got := r.seen(other).Status; got != model.TaskRunning {
			t.Errorf("got %s while the store is away, want RUNNING: nothing can be written", got)
		}
		r.setFault(nil)
		r.until("the restart and the end are told", func() bool {
			return r.seen(arn).Containers[0].Restarts == 1 && r.is(other, model.TaskStopped)()
		})
	})
}

// The driver's stream breaks; what happened meanwhile is in the next one.
func TestStreamBreaks(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		defer a.stop()
		one, two := r.want(1, single()), r.want(2, single())
		r.until("RUNNING", func() bool { return r.is(one, model.TaskRunning)() && r.is(two, model.TaskRunning)() })
		r.machine.Break()
		synctest.Wait()
		r.machine.Exit(r.id(one, "web", 0), 4)
		// The driver forgets the other one altogether.
		r.machine.Exit(r.id(two, "web", 0), 5)
		if err := r.machine.Connect().Remove(t.Context(), r.id(two, "web", 0)); err != nil {
			t.Fatalf("Remove: %v", err)
		}
		r.until("both STOPPED", func() bool { return r.is(one, model.TaskStopped)() && r.is(two, model.TaskStopped)() })
		if got := r.seen(one).Containers[0].ExitCode; got == nil || *got != 4 {
			t.Errorf("got exit code %v, want 4", got)
		}
		c := r.seen(two).Containers[0]
		if c.ExitCode != nil || !strings.HasPrefix(c.Reason, "ContainerVanishedError: ") {
			t.Errorf("got exit code %v and reason %q, want none and that it vanished", c.ExitCode, c.Reason)
		}
	})
}

func TestManyTasks(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		mu := make(chan struct{}, 1)
		busy, most := 0, 0
		r.change = func(c *agent.Config) { c.Driver = slowDriver{c.Driver, mu, &busy, &most} }
		a := r.start(nil)
		defer a.stop()
		const tasks = 200
		def := pair()
		r.put(def)
		for n := range tasks {
			r.put(&model.Task{ARN: arnOf(n), Machine: machineID, TaskDefinition: def.ARN, Desired: model.TaskRunning})
		}
		all := func(status model.TaskStatus) func() bool {
			return func() bool {
				for n := range tasks {
					if !r.is(arnOf(n), status)() {
						return false
					}
				}
				return true
			}
		}
		r.until("all RUNNING", all(model.TaskRunning))
		if most != 8 || r.machine.Started() != 2*tasks {
			t.Errorf("got %d starts at a time and %d in all, want 8 and %d", most, r.machine.Started(), 2*tasks)
		}
		for n := range tasks {
			r.wantStopped(arnOf(n))
		}
		r.until("all STOPPED", all(model.TaskStopped))
		if got := r.alive(); len(got) > 0 {
			t.Errorf("got %v alive", got)
		}
	})
}

// slowDriver takes 10 ms to start a container, and counts how many it starts at a time.
type slowDriver struct {
	driver.Driver
	mu         chan struct{}
	busy, most *int
}

func (d slowDriver) Start(ctx context.Context, spec driver.Spec) (driver.Status, error) {
	d.count(1)
	defer d.count(-1)
	pass(10 * time.Millisecond)
	return d.Driver.Start(ctx, spec)
}

func (d slowDriver) count(n int) {
	d.mu <- struct{}{}
	*d.busy += n
	*d.most = max(*d.most, *d.busy)
	<-d.mu
}

// What the store does not have is killed and forgotten; what is not an agent's is left alone.
func TestStrays(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		d := r.machine.Connect()
		stray := r.id(arnOf(9), "web", 0)
		for _, id := range []string{stray, "foreign"} {
			if _, err := d.Start(t.Context(), driver.Spec{ID: id}); err != nil {
				t.Fatalf("Start: %v", err)
			}
		}
		a := r.start(nil)
		defer a.stop()
		ids := func() (ids []string) {
			for _, s := range r.list() {
				ids = append(ids, s.ID)
			}
			return ids
		}
		r.until("only what is foreign is left", func() bool { return slices.Equal(ids(), []string{"foreign"}) })

		// A task that is deleted while it runs.
		arn := r.want(1, single())
		r.until("RUNNING", r.is(arn, model.TaskRunning))
		_, err := r.control.Update(t.Context(), func(tx *store.Tx) error {
			tx.Delete(model.TaskKey(machineID, arn))
			tx.Delete(model.ObservedKey(machineID, arn))
			return nil
		})
		if err != nil {
			t.Fatalf("delete: %v", err)
		}
		r.until("it is gone", func() bool { return slices.Equal(ids(), []string{"foreign"}) })
		if got := r.control.View().Count(model.KindObserved); got != 0 {
			t.Errorf("got %d observations of a deleted task, want none", got)
		}
	})
}

// The containers of stopped tasks, and with them their logs, are there until the record is deleted; of too many, the
// oldest go.
func TestKeepStopped(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.change = func(c *agent.Config) { c.KeepStopped = 2 }
		r.script = func(s driver.Spec) fake.Behaviour { return fake.Behaviour{Exits: true, Log: "I am " + s.ID} }
		a := r.start(nil)
		defer a.stop()
		for n := range 3 {
			r.until("STOPPED", r.is(r.want(n, single()), model.TaskStopped))
		}
		r.until("two are left", func() bool { return len(r.list()) == 2 })
		log, err := a.Logs(t.Context(), arnOf(2), "web", driver.LogOptions{})
		if err != nil {
			t.Fatalf("Logs: %v", err)
		}
		text, err := driver.Text(log)
		if want := "I am " + r.id(arnOf(2), "web", 0) + "\n"; err != nil || text != want {
			t.Errorf("got log %q (%v), want %q", text, err, want)
		}
		if _, err := a.Logs(t.Context(), arnOf(0), "web", driver.LogOptions{}); err == nil {
			t.Errorf("got a log of a task that is forgotten, want an error")
		}
		a.stop()
		b := r.start(nil)
		defer b.stop()
		_, err = r.control.Update(t.Context(), func(tx *store.Tx) error {
			tx.Delete(model.TaskKey(machineID, arnOf(1)))
			tx.Delete(model.ObservedKey(machineID, arnOf(1)))
			return nil
		})
		if err != nil {
			t.Fatalf("delete: %v", err)
		}
		r.until("one is left", func() bool { return len(r.list()) == 1 })
	})
}

// A container that is restarted again and again leaves two behind, not thousands.
func TestRestartsAreForgotten(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		defer a.stop()
		def := single()
		def.Containers[0].Restart = &model.RestartPolicy{AttemptPeriod: time.Second}
		arn := r.want(1, def)
		for n := range 6 {
			r.until("it runs", func() bool { return slices.Contains(r.alive(), r.id(arn, "web", n)) })
			pass(2 * time.Second)
			r.machine.Exit(r.id(arn, "web", n), 1)
		}
		r.until("the last one runs", func() bool { return slices.Contains(r.alive(), r.id(arn, "web", 6)) })
		r.until("two are left", func() bool { return len(r.list()) == 2 })
		if got := r.seen(arn).Containers[0].Restarts; got != 6 {
			t.Errorf("got %d restarts, want 6", got)
		}
	})
}

// A task whose definition is not there yet waits for it.
func TestMissingDefinition(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		defer a.stop()
		def := single()
		one := &model.Task{ARN: arnOf(1), Machine: machineID, TaskDefinition: def.ARN, Desired: model.TaskRunning}
		two := &model.Task{ARN: arnOf(2), Machine: machineID, TaskDefinition: def.ARN, Desired: model.TaskRunning}
		r.put(one, two)
		pass(time.Minute)
		if got := r.seen(one.ARN).Status; got != "" {
			t.Errorf("got %s, want no word of it", got)
		}
		r.wantStopped(two.ARN)
		r.until("STOPPED without ever having a definition", r.is(two.ARN, model.TaskStopped))
		r.put(def)
		r.until("RUNNING", r.is(one.ARN, model.TaskRunning))
	})
}

// A store may hold more than the agent's machine; what is wanted of others is not its business.
func TestOtherMachines(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		r.scope = store.Scope{}
		other := func(n int) *model.Task {
			return &model.Task{ARN: arnOf(n), Machine: "other", TaskDefinition: single().ARN, Desired: model.TaskRunning}
		}
		r.put(other(1))
		a := r.start(nil)
		defer a.stop()
		r.until("RUNNING", r.is(r.want(2, single()), model.TaskRunning))
		r.put(other(3))
		pass(time.Minute)
		if got, want := r.alive(), []string{r.id(arnOf(2), "web", 0)}; !slices.Equal(got, want) {
			t.Errorf("got %v alive, want %v", got, want)
		}
	})
}

// A store that was restored from a backup is told again what it has forgotten.
func TestRestoredStore(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		defer a.stop()
		one, two := r.want(1, single()), r.want(2, single())
		r.until("RUNNING", func() bool { return r.is(one, model.TaskRunning)() && r.is(two, model.TaskRunning)() })
		r.machine.Exit(r.id(two, "web", 0), 1)
		r.until("STOPPED", r.is(two, model.TaskStopped))
		_, err := r.control.Update(t.Context(), func(tx *store.Tx) error {
			for _, arn := range []string{one, two} {
				state, _ := tx.View().Task(arn)
				task := *state.Task
				tx.Put(&task)
				tx.Delete(model.ObservedKey(machineID, arn))
			}
			return nil
		})
		if err != nil {
			t.Fatalf("restore: %v", err)
		}
		r.until("RUNNING and STOPPED again", func() bool { return r.is(one, model.TaskRunning)() && r.is(two, model.TaskStopped)() })
		if r.machine.Started() != 2 {
			t.Errorf("got %d starts, want 2", r.machine.Started())
		}
	})
}

// StopAll stops what runs, without making it wanted any less, and leaves alone what has not begun.
func TestStopAll(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		a := r.start(nil)
		r.script = func(s driver.Spec) fake.Behaviour {
			if strings.Contains(s.ID, "-db-") {
				return fake.Behaviour{OnSignal: fake.Ignore}
			}
			return fake.Behaviour{}
		}
		arn := r.want(1, pair())
		r.until("RUNNING", r.is(arn, model.TaskRunning))
		began := time.Now()
		if err := a.StopAll(t.Context(), "maitred up was stopped", 5*time.Second); err != nil {
			t.Fatalf("StopAll: %v", err)
		}
		synctest.Wait()
		if took := time.Since(began); took != 5*time.Second {
			t.Errorf("it took %v, want the grace of 5s for the one that does not listen", took)
		}
		got := r.seen(arn)
		if got.Status != model.TaskStopped || got.StopCode != model.StopTermination || got.StopReason != "maitred up was stopped" {
			t.Errorf("got %s because %s: %s", got.Status, got.StopCode, got.StopReason)
		}
		if state, _ := r.control.View().Task(arn); state.Desired != model.TaskRunning {
			t.Errorf("got desired %s, want RUNNING as before", state.Desired)
		}
		late := r.want(2, single())
		pass(time.Minute)
		if got := r.seen(late).Status; got != "" || len(r.alive()) > 0 {
			t.Errorf("got %q and %v alive, want nothing to start", got, r.alive())
		}
		a.stop()
		if err := a.StopAll(t.Context(), "", 0); !errors.Is(err, agent.ErrStopped) {
			t.Errorf("got %v from an agent that has ended, want ErrStopped", err)
		}
		b := r.start(nil)
		defer b.stop()
		r.until("what was left is RUNNING", r.is(late, model.TaskRunning))
		if r.machine.Started() != 3 {
			t.Errorf("got %d starts, want 3: what was STOPPED stays so", r.machine.Started())
		}
	})
}

// The machine's record: when it joined, that it is there, that it went.
func TestRegistration(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		machine := func() *model.Machine {
			m, ok := r.control.View().Machine(machineID)
			if !ok {
				return &model.Machine{}
			}
			return m
		}
		joined := time.Now()
		a := r.start(nil)
		synctest.Wait()
		if m := machine(); !m.Connected || !m.JoinedAt.Equal(joined) || m.Host != "here" {
			t.Errorf("got %+v, want it registered at once", m)
		}
		pass(35 * time.Second)
		synctest.Wait()
		if got := time.Since(machine().SeenAt); got != 5*time.Second {
			t.Errorf("it was seen %v ago, want 5s: a sign of life each 10s", got)
		}
		a.stop()
		synctest.Wait()
		if machine().Connected {
			t.Errorf("it went, and is still said to be there")
		}
		pass(time.Hour)
		b := r.start(nil)
		defer b.stop()
		synctest.Wait()
		if m := machine(); !m.Connected || !m.JoinedAt.Equal(joined.Add(time.Hour+35*time.Second)) {
			t.Errorf("got %+v, want it back, joined anew", m)
		}
	})
}

func TestUsage(t *testing.T) {
	bubble(t, func(t *testing.T, r *rig) {
		var frames []reading.Frame
		r.change = func(c *agent.Config) {
			c.SampleEvery = time.Second
			c.Readings = func(f reading.Frame) { frames = append(frames, f) }
		}
		r.script = func(driver.Spec) fake.Behaviour {
			return fake.Behaviour{Usage: driver.Usage{CPU: time.Second, Memory: 1 << 20}}
		}
		a := r.start(nil)
		defer a.stop()
		pass(500 * time.Millisecond)
		arn := r.want(1, pair())
		pass(3 * time.Second)
		got := a.Usage()
		want := map[string]agent.Usage{arn: {CPU: 2 * time.Second, Memory: 2 << 20, At: got[arn].At}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("Usage (-want +got):\n%s", diff)
		}
		synctest.Wait()
		if len(frames) < 3 {
			t.Fatalf("got %d readings, want one a second", len(frames))
		}
		for i, f := range frames {
			if f.Second != frames[0].Second+int64(i) {
				t.Errorf("reading %d is of the second %d, the first one of %d", i, f.Second, frames[0].Second)
			}
		}
		if f := frames[0]; len(f.Tasks) != 0 {
			t.Errorf("the first reading has %+v, want only what was measured twice", f.Tasks)
		}
		tasks := []reading.Task{{ARN: arn, CPU: 2, Memory: 2 << 20}}
		if diff := cmp.Diff(tasks, frames[len(frames)-1].Tasks); diff != "" {
			t.Errorf("the last reading (-want +got):\n%s", diff)
		}
	})
}

// A start that hangs can be called off; what it comes to all the same does not stay.
func TestCancelStart(t *testing.T) {
	t.Parallel()
	for _, queued := range []bool{false, true} {
		t.Run(fmt.Sprintf("queued=%v", queued), func(t *testing.T) {
			bubble(t, func(t *testing.T, r *rig) {
				r.change = func(c *agent.Config) {
					c.Driver = hangingDriver{c.Driver}
					c.Starts = 2
					if queued {
						c.Starts = 1
					}
				}
				a := r.start(nil)
				defer a.stop()
				one, two := r.want(1, single()), r.want(2, single())
				r.until("ACTIVATING", func() bool {
					return r.is(one, model.TaskActivating)() && r.is(two, model.TaskActivating)()
				})
				r.wantStopped(two)
				r.until("STOPPED", r.is(two, model.TaskStopped))
				// The watch may tell of what the start came to all the same before the start itself has ended.
				c := r.seen(two).Containers[0]
				ended := !queued && c.ExitCode != nil && c.RuntimeID != ""
				if never := c.ExitCode == nil && strings.HasPrefix(c.Reason, "TaskStoppedBeforePullBeginError"); !never && !ended {
					t.Errorf("got %+v, want that it never began, or its end", c)
				}
				if got := r.alive(); slices.Contains(got, lifecycle.ID(two, "web", 0)) {
					t.Errorf("got %v alive", got)
				}
			})
		})
	}
}

// hangingDriver starts containers but never answers before it is called off.
type hangingDriver struct{ driver.Driver }

func (d hangingDriver) Start(ctx context.Context, spec driver.Spec) (driver.Status, error) {
	<-ctx.Done()
	if _, err := d.Driver.Start(context.WithoutCancel(ctx), spec); err != nil {
		return driver.Status{}, err
	}
	return driver.Status{}, ctx.Err()
}
