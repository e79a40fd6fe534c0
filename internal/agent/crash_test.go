package agent_test

import (
	"context"
	"fmt"
	"maps"
	"path/filepath"
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
)

// TestCrash kills the agent at every call that it makes of its driver and its store, before the call and after it, and
// starts another one: whatever was begun ends as it would have ended, once, and nothing is left over.
func TestCrash(t *testing.T) {
	t.Parallel()
	for _, s := range []struct {
		name   string
		before func(*rig) // done by an agent that lives
		during func(*rig) // done by the one that dies
		after  func(*testing.T, *rig)
		late   bool // the driver takes its time to start
	}{
		{
			name:   "start",
			before: func(*rig) {},
			during: func(r *rig) { r.want(1, pair()) },
			after:  runsOnce,
		},
		{
			name: "stop",
			before: func(r *rig) {
				r.until("RUNNING", r.is(r.want(1, pair()), model.TaskRunning))
			},
			during: func(r *rig) { r.wantStopped(arnOf(1)) },
			after: func(t *testing.T, r *rig) {
				stoppedOnce(t, r)
				if got := r.seen(arnOf(1)); got.StopCode != "" || got.StartedAt.IsZero() {
					t.Errorf("got stop code %q, started %v, want none of its own and that it ran", got.StopCode, got.StartedAt)
				}
			},
		},
		{
			name: "exit",
			before: func(r *rig) {
				r.until("RUNNING", r.is(r.want(1, pair()), model.TaskRunning))
			},
			during: func(r *rig) { r.machine.Exit(r.id(arnOf(1), "app", 0), 7) },
			after: func(t *testing.T, r *rig) {
				stoppedOnce(t, r)
				got := r.seen(arnOf(1))
				if code := got.Containers[0].ExitCode; got.StopCode != model.StopContainerExited || code == nil || *code != 7 {
					t.Errorf("got %s with exit code %v, want EssentialContainerExited with 7", got.StopCode, code)
				}
			},
		},
		{
			name:   "stop before the start",
			before: func(*rig) {},
			during: func(r *rig) {
				r.want(1, pair())
				r.wantStopped(arnOf(1))
			},
			after: stoppedOnce,
		},
		{
			name:   "stop during the start",
			before: func(*rig) {},
			during: func(r *rig) {
				r.want(1, pair())
				pass(1500 * time.Millisecond) // db runs, app is being started
				r.wantStopped(arnOf(1))
			},
			after: stoppedOnce,
			late:  true,
		},
		{
			name: "restart",
			before: func(r *rig) {
				def := single()
				def.Containers[0].Restart = &model.RestartPolicy{AttemptPeriod: time.Minute}
				r.until("RUNNING", r.is(r.want(1, def), model.TaskRunning))
				pass(2 * time.Minute)
			},
			during: func(r *rig) { r.machine.Exit(r.id(arnOf(1), "web", 0), 7) },
			after: func(t *testing.T, r *rig) {
				r.until("the second attempt is told", func() bool {
					seen := r.seen(arnOf(1))
					return seen.Status == model.TaskRunning && seen.Containers[0].Restarts == 1
				})
				if got, want := r.alive(), []string{r.id(arnOf(1), "web", 1)}; !slices.Equal(got, want) || r.machine.Started() != 2 {
					t.Errorf("got %v alive after %d starts, want %v after 2", got, r.machine.Started(), want)
				}
			},
		},
		{
			name:   "start with a network of its own",
			before: func(r *rig) { r.network("10.0.0.0/30") },
			during: func(r *rig) { r.wantOwn(1, own(pair()), "sg-in") },
			after:  runsOnceInItsNetwork,
		},
		{
			name: "stop with a network of its own",
			before: func(r *rig) {
				r.network("10.0.0.0/30")
				r.until("RUNNING", r.is(r.wantOwn(1, own(pair()), "sg-in"), model.TaskRunning))
			},
			during: func(r *rig) { r.wantStopped(arnOf(1)) },
			after:  stoppedOnceWithItsNetwork,
		},
		{
			name: "exit with a network of its own",
			before: func(r *rig) {
				r.network("10.0.0.0/30")
				r.until("RUNNING", r.is(r.wantOwn(1, own(pair()), "sg-in"), model.TaskRunning))
			},
			during: func(r *rig) { r.machine.Exit(r.id(arnOf(1), "app", 0), 7) },
			after:  stoppedOnceWithItsNetwork,
		},
		{
			name:   "stop during the start of a network of its own",
			before: func(r *rig) { r.network("10.0.0.0/30") },
			during: func(r *rig) {
				r.wantOwn(1, own(pair()), "sg-in")
				pass(500 * time.Millisecond) // db is being started
				r.wantStopped(arnOf(1))
			},
			after: stoppedOnceWithItsNetwork,
			late:  true,
		},
		{
			name: "another member of the group",
			before: func(r *rig) {
				r.network("10.0.0.0/28")
				r.until("RUNNING", r.is(r.wantOwn(1, own(single()), "sg-in"), model.TaskRunning))
			},
			during: func(r *rig) { r.wantOwn(2, own(single()), "sg-in") },
			after: func(t *testing.T, r *rig) {
				r.until("RUNNING", r.is(arnOf(2), model.TaskRunning))
				for n := 1; n <= 2; n++ {
					r.until("each is reached by both", func() bool { return len(r.sources(n)) == 2 })
				}
				if got := r.machine.Started(); got != 2 {
					t.Errorf("got %d starts, want 2", got)
				}
			},
		},
	} {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			var calls []string
			die := func(t *testing.T, at int, after bool) {
				synctest.Test(t, func(t *testing.T) {
					r := newRig(t)
					r.script = func(spec driver.Spec) fake.Behaviour {
						if spec.Definition.Name == "db" {
							return fake.Behaviour{OnSignal: fake.Ignore}
						}
						return fake.Behaviour{}
					}
					r.change = func(c *agent.Config) {
						c.Heartbeat = 24 * time.Hour // it is not part of any story
						if s.late {
							c.Driver = lateDriver{c.Driver}
						}
					}
					first := r.start(nil)
					s.before(r)
					first.stop()

					g := newGate(at, after)
					second := r.start(g)
					s.during(r)
					select {
					case <-g.tripped:
					case <-time.After(5 * time.Minute): // nothing happens any more
					}
					second.stop()
					calls = g.counted()

					third := r.start(nil)
					defer third.stop()
					s.after(t, r)
					nothingLeft(t, r)
				})
			}
			die(t, 0, false)
			alive := calls
			if len(alive) < 3 {
				t.Fatalf("got calls %q: that is no story", alive)
			}
			for i := range alive {
				for _, after := range []bool{false, true} {
					t.Run(fmt.Sprintf("%d %s after=%v", i+1, alive[i], after), func(t *testing.T) { die(t, i+1, after) })
				}
			}
		})
	}
}

// runsOnce says that the one task runs, with the ports that the store was told of, and that nothing was started twice.
func runsOnce(t *testing.T, r *rig) {
	t.Helper()
	arn := arnOf(1)
	r.until("RUNNING", r.is(arn, model.TaskRunning))
	pass(time.Minute)
	synctest.Wait()
	want := []string{r.id(arn, "app", 0), r.id(arn, "db", 0)}
	if got := r.alive(); !slices.Equal(got, want) || r.machine.Started() != 2 {
		t.Errorf("got %v alive after %d starts, want %v after 2", got, r.machine.Started(), want)
	}
	for _, c := range r.seen(arn).Containers {
		if diff := cmp.Diff(r.specs[r.id(arn, c.Name, 0)].Bindings, c.Bindings); diff != "" || len(c.Bindings) != 1 {
			t.Errorf("ports of %s (-started with +told):\n%s", c.Name, diff)
		}
	}
}

// runsOnceInItsNetwork says that the one task runs in the network that the store was told of, which was made once.
func runsOnceInItsNetwork(t *testing.T, r *rig) {
	t.Helper()
	r.until("RUNNING", r.is(arnOf(1), model.TaskRunning))
	pass(time.Minute)
	synctest.Wait()
	if got := r.alive(); len(got) != 2 || r.machine.Started() != 2 || r.machine.Made(idOf(1)) != 1 {
		t.Errorf("got %v alive after %d starts in %d networks, want 2 after 2 in 1", got, r.machine.Started(), r.machine.Made(idOf(1)))
	}
	box, _ := r.machine.Sandbox(idOf(1))
	if diff := cmp.Diff(box.Attachment, r.seen(arnOf(1)).Attachment); diff != "" || box.Attachment == nil {
		t.Errorf("its network interface (-made +told):\n%s", diff)
	}
	if got := r.sources(1); len(got) != 1 {
		t.Errorf("got the rule %v, want its own address", got)
	}
	other := r.wantOwn(2, own(single()))
	r.until("STOPPED: the only address is taken", r.is(other, model.TaskStopped))
}

// stoppedOnceWithItsNetwork says that the one task is STOPPED and that its address is another one's after a while.
func stoppedOnceWithItsNetwork(t *testing.T, r *rig) {
	t.Helper()
	stoppedOnce(t, r)
	pass(time.Minute)
	other := r.wantOwn(2, own(single()))
	r.until("RUNNING: the only address is free", r.is(other, model.TaskRunning))
	if got := r.machine.Made(idOf(1)); got > 1 {
		t.Errorf("the network of the task was made %d times, want at most once", got)
	}
}

// nothingLeft says that there are the sandboxes of the tasks that run, and no others, and what they were given.
func nothingLeft(t *testing.T, r *rig) {
	t.Helper()
	running := map[string]bool{}
	for _, id := range r.alive() {
		task, _, _, _ := lifecycle.ParseID(id)
		running[task] = true
	}
	want := slices.Sorted(maps.Keys(running))
	if got := r.boxes(); !slices.Equal(got, want) {
		t.Errorf("got sandboxes of %v, want %v", got, want)
	}
	for _, file := range r.ledger() {
		if task := strings.TrimSuffix(filepath.Base(file), ".json"); !running[task] {
			t.Errorf("got a file %s, want none of what does not run", filepath.Base(file))
		}
	}
}

// stoppedOnce says that the one task is STOPPED, that nothing is left of it, and that nothing was started twice.
func stoppedOnce(t *testing.T, r *rig) {
	t.Helper()
	r.until("STOPPED", r.is(arnOf(1), model.TaskStopped))
	pass(time.Minute)
	synctest.Wait()
	if got := r.alive(); len(got) > 0 || r.machine.Started() > 2 {
		t.Errorf("got %v alive after %d starts, want nothing after at most 2", got, r.machine.Started())
	}
}

// lateDriver takes a second for a start, and does not care that it was called off until it is too late.
type lateDriver struct{ driver.Driver }

func (d lateDriver) Start(ctx context.Context, spec driver.Spec) (driver.Status, error) {
	pass(time.Second)
	status, err := d.Driver.Start(context.WithoutCancel(ctx), spec)
	if err == nil {
		err = ctx.Err()
	}
	return status, err
}
