package sim_test

import (
	"iter"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/sim"
	"github.com/maitred/maitred/internal/store"
)

// mutants are mistakes that somebody might make, planted where the simulator puts itself between the parts of the
// production code. What the checkers say about them shows that they would notice.
func mutants() map[string]struct {
	rules []string // one of them is broken
	plant func(*sim.Options)
} {
	type m = struct {
		rules []string
		plant func(*sim.Options)
	}
	step := func(change func(in *core.Input, v *eyes)) func(*sim.Options) {
		return func(o *sim.Options) {
			o.Step = func(v core.View, in core.Input) core.Plan {
				e := &eyes{View: v}
				change(&in, e)
				return core.Step(e, in)
			}
		}
	}
	plan := func(change func(v core.View, c *core.Change)) func(*sim.Options) {
		return func(o *sim.Options) {
			o.Step = func(v core.View, in core.Input) core.Plan {
				p := core.Step(v, in)
				for i := range p.Changes {
					change(v, &p.Changes[i])
				}
				return p
			}
		}
	}
	commit := func(change func(txn *store.Txn)) func(*sim.Options) {
		return func(o *sim.Options) { o.Commit = change }
	}
	return map[string]m{
		"the stop signal does not wait for targets": {
			[]string{"the stop signal waits", "no request fails because of us"},
			commit(func(txn *store.Txn) {
				for i, p := range txn.Puts {
					if t, ok := p.Record.(*model.Task); ok && t.Desired == model.TaskStopped {
						other := *t
						other.Drained = true
						txn.Puts[i].Record = &other
					}
				}
			}),
		},
		"balancers say drained at once": {
			[]string{"drained means that nothing is in flight"},
			commit(func(txn *store.Txn) {
				for i, p := range txn.Puts {
					if h, ok := p.Record.(*model.TargetHealth); ok && h.State == model.TargetDraining {
						other := *h
						other.Drained = true
						txn.Puts[i].Record = &other
					}
				}
			}),
		},
		"tasks that stop stay targets": {
			[]string{"the stop signal waits", "no request fails because of us"},
			plan(func(_ core.View, c *core.Change) {
				c.Puts = slices.DeleteFunc(c.Puts, func(r model.Record) bool {
					t, ok := r.(*model.Target)
					return ok && t.Draining()
				})
			}),
		},
		"targets are removed when they begin to leave": {
			[]string{"no request fails because of us", "the stop signal waits"},
			plan(func(_ core.View, c *core.Change) {
				for i, v := range slices.Backward(c.Puts) {
					if t, ok := v.(*model.Target); ok && t.Draining() {
						c.Puts = slices.Delete(c.Puts, i, i+1)
						c.Deletes = append(c.Deletes, t.Key())
					}
				}
			}),
		},
		"forgets when the deregistration of a host is over": {
			[]string{"a deregistration has its time"},
			func(o *sim.Options) {
				o.Step = func(v core.View, in core.Input) core.Plan {
					p := core.Step(v, in)
					p.Wakes = slices.DeleteFunc(p.Wakes, func(w core.Wake) bool { return strings.Contains(w.Subject, ":targetgroup/") })
					return p
				}
			},
		},
		"removes hosts when they begin to leave": {
			[]string{"a deregistration has its time"},
			step(func(_ *core.Input, v *eyes) { v.target = func(t *model.Target) { t.DrainBy = t.DrainAt } }),
		},
		"answers who deregisters a host and does nothing": {
			[]string{"what was deregistered by hand gets no request"},
			commit(func(txn *store.Txn) {
				for i, p := range txn.Puts {
					if t, ok := p.Record.(*model.Target); ok && t.Service == "" {
						other := *t
						other.DrainAt, other.DrainBy = time.Time{}, time.Time{}
						txn.Puts[i].Record = &other
					}
				}
			}),
		},
		"counts who is unhealthy for balancers as healthy": {
			[]string{"minimumHealthyPercent"},
			step(func(_ *core.Input, v *eyes) {
				v.health = func(h *model.TargetHealth) { h.State = model.TargetHealthy }
			}),
		},
		"forgets the grace period": {
			[]string{"grace period"},
			step(func(_ *core.Input, v *eyes) { v.service = func(s *model.Service) { s.HealthGrace = 0 } }),
		},
		"stops all that are unhealthy together": {
			[]string{"healing does not kill"},
			plan(func(v core.View, c *core.Change) {
				s, ok := v.Service(c.Subject)
				if !ok || s.Status != model.Active || s.HealthGrace > 0 {
					return
				}
				for target := range v.TargetsOfService(s.ARN) {
					t, ok := v.Task(target.Task)
					written := slices.ContainsFunc(c.Puts, func(r model.Record) bool { return ok && r.Key() == t.Key() })
					for h := range v.TargetHealths(target.Path()) {
						if h.State == model.TargetUnhealthy && ok && !written && t.Running() {
							written = true
							task := *t.Task
							task.Desired, task.StopAt, task.StopCode = model.TaskStopped, h.Since, model.StopScheduler
							task.Stop = &model.Cause{Kind: model.CauseHealth, Subject: t.ARN, At: h.Since, Detail: h.Description}
							c.Puts = append(c.Puts, &task)
						}
					}
				}
			}),
		},
		"forgets targets of tasks that are over": {
			[]string{"the world comes to rest", "rest"},
			plan(func(v core.View, c *core.Change) {
				c.Deletes = slices.DeleteFunc(c.Deletes, func(k model.Key) bool { return k.Kind == model.KindTarget })
			}),
		},
		"writes do not depend on versions": {
			[]string{"maximumPercent", "states move forward", "events are numbered", "one task for a host port"},
			func(o *sim.Options) {
				o.Commit = func(txn *store.Txn) { txn.Guards, txn.Prefixes = nil, nil }
			},
		},
		"writes do not depend on the term of leadership": {
			[]string{"only the leader schedules"},
			func(o *sim.Options) { o.Commit = func(txn *store.Txn) { txn.Fence = nil } },
		},
		"stops before it starts": {
			[]string{"minimumHealthyPercent"},
			step(func(_ *core.Input, v *eyes) { v.service = func(s *model.Service) { s.MinHealthy = 0 } }),
		},
		"rounds maximumPercent up": {
			[]string{"maximumPercent"},
			step(func(_ *core.Input, v *eyes) {
				v.service = func(s *model.Service) {
					if s.DesiredCount > 0 {
						upper := (s.DesiredCount*s.MaxPercent + 99) / 100
						s.MaxPercent = (upper*100 + s.DesiredCount - 1) / s.DesiredCount
					}
				}
			}),
		},
		"never pauses": {
			[]string{"back-off", "bounded work"},
			step(func(in *core.Input, _ *eyes) { in.Timings.ThrottleBase, in.Timings.ThrottleCap = 0, 0 }),
		},
		"counts a task that only starts as healthy": {
			[]string{"minimumHealthyPercent"},
			step(func(in *core.Input, v *eyes) {
				since := in.Now.Add(-time.Hour)
				v.task = func(t *model.TaskState) {
					if t.Alive() && !t.Running() {
						t.Seen = &model.Observed{Task: t.ARN, Status: model.TaskRunning, Health: model.Healthy, StartedAt: since}
					}
				}
			}),
		},
		"places without looking at ports": {
			[]string{"one task for a host port"},
			step(func(in *core.Input, v *eyes) {
				in.Room = nil
				v.task = func(t *model.TaskState) {
					task := *t.Task
					task.Reserved.Ports = nil
					t.Task = &task
				}
			}),
		},
		"forgets placement constraints": {
			[]string{"placement constraints"},
			step(func(_ *core.Input, v *eyes) { v.service = func(s *model.Service) { s.Constraints = nil } }),
		},
		"places more than there is room for": {
			[]string{"no more than there is"},
			step(func(in *core.Input, v *eyes) {
				in.Room = nil
				v.task = func(t *model.TaskState) {
					task := *t.Task
					task.Reserved.CPU /= 2
					t.Task = &task
				}
			}),
		},
		"places on machines that are drained": {
			[]string{"placement"},
			step(func(in *core.Input, v *eyes) {
				in.Room = nil
				v.instance = func(i *model.Instance) {
					if i.Status == model.Draining {
						i.Status = model.Active
					}
				}
			}),
		},
		"stops what is protected": {
			[]string{"protection"},
			step(func(_ *core.Input, v *eyes) {
				v.task = func(t *model.TaskState) {
					task := *t.Task
					task.ProtectedUntil = time.Time{}
					t.Task = &task
				}
			}),
		},
		"forgets who was the cause": {
			[]string{"every change has a cause"},
			plan(func(_ core.View, c *core.Change) {
				for _, r := range c.Puts {
					if t, ok := r.(*model.Task); ok && t.Stop != nil && t.StopCode == model.StopScheduler {
						t.Stop.By = nil
					}
				}
			}),
		},
		"leaves numbers of events out": {
			[]string{"events are numbered"},
			plan(func(_ core.View, c *core.Change) {
				for _, r := range c.Puts {
					if e, ok := r.(*model.ServiceEvent); ok {
						e.Number += e.Number / 5
					}
				}
			}),
		},
		"leaves the tasks of deleted services alone": {
			[]string{"the world comes to rest", "rest"},
			plan(func(v core.View, c *core.Change) {
				if s, ok := v.Service(c.Subject); ok && s.Status == model.Draining {
					c.Puts, c.Deletes = nil, nil
				}
			}),
		},
		"starts one more": {
			[]string{"maximumPercent"},
			step(func(_ *core.Input, v *eyes) {
				v.service = func(s *model.Service) { s.DesiredCount++ }
			}),
		},
		"does not count failures": {
			[]string{"a failing deployment ends"},
			step(func(in *core.Input, v *eyes) {
				in.Timings.ThrottleBase, in.Timings.ThrottleCap = 10*time.Millisecond, 100*time.Millisecond
				v.deployed = func(d *model.Deployment) { d.Watched.Failures = 0 }
			}),
		},
		"starts what failed": {
			[]string{"what failed starts nothing", "what failed stays so"},
			step(func(_ *core.Input, v *eyes) {
				v.deployed = func(d *model.Deployment) {
					if d.Rollout == model.RolloutFailed {
						d.Rollout, d.Monitors = model.RolloutInProgress, model.Monitors{}
					}
				}
			}),
		},
		"forgets the slow full look": {
			[]string{"the world comes to rest"},
			func(o *sim.Options) { o.NoResync = true },
		},
		"agents send old reports late": {
			[]string{"states move forward", "a task starts once"},
			func(o *sim.Options) {
				n, known := 0, map[model.Key]bool{}
				o.Commit = func(txn *store.Txn) {
					for i, p := range txn.Puts {
						seen, ok := p.Record.(*model.Observed)
						if !ok {
							continue
						}
						if n++; known[p.Key] && n%10 == 0 {
							old := *seen
							old.Status = model.TaskActivating
							txn.Puts[i].Record = &old
						}
						known[p.Key] = true
					}
				}
			},
		},
		"acknowledges what is lost": {
			[]string{"an acknowledged write is kept", "the world comes to rest"},
			func(o *sim.Options) {
				n := 0
				o.Commit = func(txn *store.Txn) {
					for i, p := range txn.Puts {
						if p.Key.Kind != model.KindService || txn.Fence != nil {
							continue
						}
						if n++; n%5 == 0 {
							old := *p.Record.(*model.Service)
							old.Cause.ID = "an earlier one"
							txn.Puts[i].Record = &old
						}
					}
				}
			},
		},
	}
}

// patience is how many worlds a mistake may survive.
const patience = 400

// TestMutants plants each mistake and expects it to be found.
func TestMutants(t *testing.T) {
	t.Parallel()
	all := mutants()
	maps.Copy(all, sleepers())
	for name, mutant := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for seed := range uint64(patience) {
				o := sim.Options{Seed: seed + 1}
				mutant.plant(&o)
				_, err := sim.Run(t.Context(), o)
				if err == nil {
					continue
				}
				if !slices.ContainsFunc(mutant.rules, func(rule string) bool { return strings.Contains(err.Error(), ": "+rule+": ") }) {
					t.Fatalf("found, but by another rule than %q: %v", mutant.rules, err)
				}
				t.Logf("found: %v", err)
				return
			}
			t.Errorf("not found in %d worlds", patience)
		})
	}
}

// eyes are a view that sees things differently.
type eyes struct {
	core.View
	service  func(*model.Service)
	task     func(*model.TaskState)
	instance func(*model.Instance)
	health   func(*model.TargetHealth)
	deployed func(*model.Deployment)
	target   func(*model.Target)
}

func (e *eyes) Target(path string) (*model.Target, bool) {
	t, ok := e.View.Target(path)
	if !ok || e.target == nil {
		return t, ok
	}
	other := *t
	e.target(&other)
	return &other, true
}

func (e *eyes) Deployments(service string) iter.Seq[*model.Deployment] {
	return func(yield func(*model.Deployment) bool) {
		for d := range e.View.Deployments(service) {
			if e.deployed != nil {
				other := *d
				e.deployed(&other)
				d = &other
			}
			if !yield(d) {
				return
			}
		}
	}
}

func (e *eyes) TargetHealths(target string) iter.Seq[*model.TargetHealth] {
	return func(yield func(*model.TargetHealth) bool) {
		for h := range e.View.TargetHealths(target) {
			if e.health != nil {
				other := *h
				e.health(&other)
				h = &other
			}
			if !yield(h) {
				return
			}
		}
	}
}

func (e *eyes) Service(arn string) (*model.Service, bool) {
	s, ok := e.View.Service(arn)
	if !ok || e.service == nil {
		return s, ok
	}
	other := *s
	e.service(&other)
	return &other, true
}

func (e *eyes) see(t model.TaskState) model.TaskState {
	if e.task != nil && t.Task != nil {
		e.task(&t)
	}
	return t
}

func (e *eyes) Task(arn string) (model.TaskState, bool) {
	t, ok := e.View.Task(arn)
	return e.see(t), ok
}

func (e *eyes) tasks(list iter.Seq[model.TaskState]) iter.Seq[model.TaskState] {
	return func(yield func(model.TaskState) bool) {
		for t := range list {
			if !yield(e.see(t)) {
				return
			}
		}
	}
}

func (e *eyes) Tasks() iter.Seq[model.TaskState] { return e.tasks(e.View.Tasks()) }

func (e *eyes) TasksOfService(service string) iter.Seq[model.TaskState] {
	return e.tasks(e.View.TasksOfService(service))
}

func (e *eyes) look(i *model.Instance) *model.Instance {
	if e.instance == nil {
		return i
	}
	other := *i
	e.instance(&other)
	return &other
}

func (e *eyes) Instance(arn string) (*model.Instance, bool) {
	i, ok := e.View.Instance(arn)
	if !ok {
		return i, ok
	}
	return e.look(i), ok
}

func (e *eyes) InstancesOfMachine(id string) iter.Seq[*model.Instance] {
	return func(yield func(*model.Instance) bool) {
		for i := range e.View.InstancesOfMachine(id) {
			if !yield(e.look(i)) {
				return
			}
		}
	}
}
