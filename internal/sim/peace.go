package sim

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// lasting is how long nothing may happen when all is as it shall be.
const lasting = 2 * time.Minute

// patience is how long it may take until all is as it shall be: protection ends after three minutes, and a deadline that
// was written by a clock that ran ahead is as far away as that.
func (f *faults) patience() time.Duration {
	if f.Skew > 0 {
		return 25 * time.Minute
	}
	return 10 * time.Minute
}

// peace ends all faults, has people mend what they broke, and checks that the world comes to rest as it shall be.
func (w *world) peace() {
	w.tell("the faults are over")
	w.calm = true
	w.until(w.now.Add(65 * time.Second)) // machines, servers and clocks are right again
	w.people.mend()
	mended := w.now
	w.mended = true
	end := mended.Add(w.faults.patience())
	for {
		w.until(w.now.Add(10 * time.Second))
		trouble := w.unrest()
		if trouble == "" {
			break
		}
		if w.now.After(end) {
			w.fail("the world comes to rest", "%s", trouble)
		}
	}
	w.tell("all is as it shall be")
	quiet := w.now
	w.rest = quiet.Sub(mended)
	w.check.atRest = true
	w.until(w.now.Add(lasting))
	if w.check.acted.After(quiet) {
		w.fail("rest lasts", "the scheduler wrote something %v after all was as it shall be", w.check.acted.Sub(quiet))
	}
	if trouble := w.unrest(); trouble != "" {
		w.fail("rest lasts", "%s", trouble)
	}
	w.kept()
}

// mend is what people do about a service that cannot get steady: a revision that works, percentages that leave room, no
// more tasks than there are machines for.
func (p *people) mend() {
	for _, i := range p.instances(model.Draining) {
		p.status(i, model.Active)
	}
	if p.w.faults.Tight {
		p.w.newMachine()
	}
	if p.hand != nil {
		p.hand.settle()
	}
	machines := len(p.instances(model.Active))
	for _, s := range p.active() {
		svc, _ := p.server().store.View().Service(serviceARN(s.name))
		d, _ := p.server().store.View().Deployment(svc.ARN, svc.Primary)
		in, needed := control.ServiceUpdate{}, false
		if p.programs[d.TaskDefinition].broken() {
			td := p.define(s, false)
			in.TaskDefinition, needed = &td, true
		} else if d.Rollout == model.RolloutFailed || d.Watched.Failures > 0 { // one more failure, or a lower count, may be too much
			in.Force, needed = true, true
		}
		desired := p.w.check.desired(p.server().store.View(), svc)
		if lower := (desired*svc.MinHealthy + 99) / 100; desired > 0 && lower >= desired*svc.MaxPercent/100 {
			lower, upper := 50, 200
			in.MinHealthy, in.MaxPercent, needed = &lower, &upper, true
		}
		if s.single() && svc.DesiredCount > machines {
			in.DesiredCount, needed = &machines, true
		}
		if needed {
			p.change(s, func(*wish) control.ServiceUpdate { return in })
		}
	}
}

// view is the world as it is stored.
func (w *world) view() *store.View {
	if _, err := w.observer.Pump(w.ctx); err != nil {
		panic(err)
	}
	return w.observer.View()
}

// unrest says what is not as it shall be, "" if nothing.
func (w *world) unrest() string {
	v := w.view()
	for s := range v.AllServices() {
		if trouble := w.unsteady(v, s); trouble != "" {
			return "service " + s.Name + ": " + trouble
		}
	}
	for t := range v.Tasks() {
		gone := false
		if i, ok := v.Instance(t.Instance); !ok || i.Status == model.Inactive {
			gone = true
		}
		switch {
		case t.Stopped() && t.Desired == model.TaskRunning:
			return fmt.Sprintf("nobody noticed that task %s ended", short(t.ARN))
		case !t.Stopped() && t.Desired == model.TaskStopped && !gone:
			return fmt.Sprintf("task %s does not stop", short(t.ARN))
		case t.Alive() && t.Service == "":
			return fmt.Sprintf("standalone task %s does not end", short(t.ARN))
		}
	}
	return cmp.Or(w.leftover(v), w.unbalanced(v), w.waiting(v))
}

// unsteady says what a service lacks.
func (w *world) unsteady(v *store.View, s *model.Service) string {
	running, alive := 0, 0
	on := map[string]int{}
	for t := range v.TasksOfService(s.ARN) {
		if !t.Alive() {
			continue
		}
		alive++
		if t.Running() && t.Deployment == s.Primary {
			running++
			on[t.Instance]++
		}
	}
	desired := w.check.desired(v, s)
	switch {
	case s.Status == model.Draining:
		return "is still DRAINING"
	case s.Status == model.Inactive && alive > 0:
		return fmt.Sprintf("is INACTIVE and has %d tasks", alive)
	case s.Status == model.Inactive:
		return ""
	case running != desired || alive != desired:
		return fmt.Sprintf("%d tasks run, %d are alive, %d are desired", running, alive, desired)
	case s.Scheduling == model.Daemon && len(on) != desired:
		return fmt.Sprintf("has daemons on %d of %d machines", len(on), desired)
	}
	return undecided(v, s)
}

// undecided says whether a deployment of a service goes on.
func undecided(v *store.View, s *model.Service) string {
	current := 0
	for d := range v.Deployments(s.ARN) {
		if d.Current {
			current++
		}
	}
	d, _ := v.Deployment(s.ARN, s.Primary)
	state, ok := v.ServiceState(s.ARN)
	switch {
	case d.Rollout != model.RolloutCompleted || current != 1:
		return fmt.Sprintf("deployment %s is %s, one of %d", d.ID, d.Rollout, current)
	case !ok || state.SteadyAt.IsZero():
		return "is not steady"
	}
	return unfinished(v, s)
}

// leftover names a container that nobody wants.
func (w *world) leftover(v *store.View) string {
	for _, m := range w.fleet {
		for _, c := range m.containers {
			t, ok := v.Task(c.task)
			switch {
			case c.status.State == driver.Exited:
			case !ok || t.Desired == model.TaskStopped:
				return fmt.Sprintf("a container of task %s is %s on %s", short(c.task), c.status.State, m.id)
			}
		}
	}
	return ""
}

// kept checks that what was acknowledged is there, and that somebody who looks at everything finds nothing to do.
func (w *world) kept() {
	v := w.view()
	for _, s := range w.people.services {
		svc, ok := v.Service(serviceARN(s.name))
		last, sure := -1, false
		for i, a := range w.people.answered {
			if a.service == s.name && a.sure {
				last, sure = i, true
			}
		}
		if !sure {
			continue
		}
		if ok && svc.Cause.Kind == model.CauseScaling {
			continue // it was changed since
		}
		fits := func(a answered) bool { return a.service == s.name && ok && a.request == svc.Cause.ID }
		if !slices.ContainsFunc(w.people.answered[last:], fits) {
			w.fail("an acknowledged write is kept", "%s of service %s is not there", w.people.answered[last].request, s.name)
		}
	}
	for service, numbers := range w.check.events {
		if kept := len(slices.Collect(v.Events(service))); kept > model.MaxServiceEvents || kept < min(len(numbers), model.MaxServiceEvents) {
			w.fail("events are numbered", "%d of %d events of %s are kept", kept, len(numbers), service)
		}
	}
	w.idle()
}

// idle checks that a new leader would find nothing to do.
func (w *world) idle() {
	st, err := store.OpenSync(context.WithoutCancel(w.ctx), w.backend.Backend, store.Scope{})
	if err != nil {
		panic(err)
	}
	defer st.Close()
	loop := engine.NewLoop(engine.Config{
		Store: st, Account: account, IDs: w.id, Timings: w.timings, Refuse: refuse, Resync: resync, Log: slog.New(slog.DiscardHandler),
		Step: func(v core.View, in core.Input) core.Plan {
			plan := core.Step(v, in)
			if len(plan.Changes) > 0 {
				w.fail("rest lasts", "a new leader would write %s", encoded(plan.Changes))
			}
			return plan
		},
	}, nil)
	defer loop.Close()
	if _, err := loop.Turn(w.ctx, w.now); err != nil {
		w.fail("rest lasts", "%v", err)
	}
}
