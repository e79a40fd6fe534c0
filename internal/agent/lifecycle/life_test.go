package lifecycle_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/model"
)

// world is a life together with a driver that behaves, but takes its time, refuses, forgets to answer, and goes on when
// the agent does not.
type world struct {
	t        *rapid.T
	now      time.Time
	options  lifecycle.Options
	task     *model.Task
	def      *model.TaskDefinition
	holdings lifecycle.Holdings
	life     *lifecycle.Life
	wake     time.Time
	durable  *model.Observed // what the store has
	pending  *model.Observed // what it has not yet

	attempts map[string]*driver.Status
	deaf     map[string]bool // containers that ignore the stop signal
	open     []lifecycle.Action
}

func id(name string, attempt int) string { return lifecycle.ID("t", name, attempt) }

func drawDefinition(t *rapid.T) *model.TaskDefinition {
	def := &model.TaskDefinition{}
	n := rapid.IntRange(1, 4).Draw(t, "containers")
	for i := range n {
		c := model.ContainerDefinition{Name: fmt.Sprintf("c%d", i), Essential: i == 0 || rapid.Bool().Draw(t, "essential")}
		if rapid.Bool().Draw(t, "checked") {
			c.HealthCheck = &model.HealthCheck{Command: []string{"CMD", "x"}, Interval: 5 * time.Second, Retries: 2}
		}
		if rapid.IntRange(0, 2).Draw(t, "restarted") == 0 {
			c.Restart = &model.RestartPolicy{AttemptPeriod: 10 * time.Second}
		}
		if rapid.Bool().Draw(t, "limited") {
			c.StartTimeout = 20 * time.Second
		}
		if i > 0 && rapid.Bool().Draw(t, "depends") {
			on := rapid.IntRange(0, i-1).Draw(t, "on")
			condition := rapid.SampledFrom([]string{
				model.DependStart, model.DependComplete, model.DependSuccess, model.DependHealthy,
			}).Draw(t, "condition")
			c.DependsOn = []model.Dependency{{Container: fmt.Sprintf("c%d", on), Condition: condition}}
		}
		def.Containers = append(def.Containers, c)
	}
	return def
}

func newWorld(t *rapid.T) *world {
	w := &world{
		t: t, now: epoch(), options: lifecycle.DefaultOptions(), def: drawDefinition(t),
		task:     &model.Task{ARN: "t", Machine: "m", Desired: model.TaskRunning},
		attempts: map[string]*driver.Status{}, deaf: map[string]bool{},
	}
	if rapid.Bool().Draw(t, "awsvpc") {
		w.holdings.Attachment = &model.Attachment{Address: "10.0.0.2"}
	}
	w.life = lifecycle.New(w.task, w.def, w.holdings, nil, nil, w.now, w.options)
	w.step()
	return w
}

// step carries the life forward and checks what it says.
func (w *world) step() {
	over := w.life.Over()
	plan := w.life.Step(w.now)
	w.wake = plan.Wake
	for _, a := range plan.Actions {
		if over && a.Verb != lifecycle.Reap {
			w.t.Fatalf("a STOPPED task wants to %s %s/%d", a.Verb, a.Name, a.Attempt)
		}
		if a.Verb == lifecycle.Start && w.durable != nil && w.durable.Status == model.TaskStopped {
			w.t.Fatalf("a task that is STOPPED in the store starts %s/%d", a.Name, a.Attempt)
		}
		w.open = append(w.open, a)
	}
	if plan.Seen != nil {
		w.forward(w.pending, plan.Seen)
		w.forward(w.durable, plan.Seen)
		w.pending = plan.Seen
	}
	if w.life.Over() {
		w.wake = time.Time{}
	}
	if !w.wake.IsZero() && !w.wake.After(w.now) {
		w.t.Fatalf("at %v it wants to be woken at %v, again and again", w.now, w.wake)
	}
}

func (w *world) forward(before, after *model.Observed) {
	if before != nil && after.Status.Order() < before.Status.Order() {
		w.t.Fatalf("status goes back from %s to %s", before.Status, after.Status)
	}
	if before != nil && before.Status == model.TaskStopped {
		w.t.Fatalf("something is said about a STOPPED task: %+v", after)
	}
}

func (w *world) live(name string) (n int) {
	for attempt := range 100 {
		if s := w.attempts[id(name, attempt)]; s != nil && s.State == driver.Running {
			n++
		}
	}
	return n
}

// execute is what the driver does when it is asked to start: idempotent by id.
func (w *world) execute(a lifecycle.Action) *driver.Status {
	if s := w.attempts[id(a.Name, a.Attempt)]; s != nil {
		return s
	}
	if n := w.live(a.Name); n > 0 {
		w.t.Fatalf("%s/%d is started while %d attempts are alive", a.Name, a.Attempt, n)
	}
	s := &driver.Status{State: driver.Running, StartedAt: w.now, RuntimeID: "pid"}
	w.attempts[id(a.Name, a.Attempt)] = s
	return s
}

func (w *world) exit(name string, attempt, code int) {
	s := w.attempts[id(name, attempt)]
	if s == nil || s.State == driver.Exited {
		return
	}
	ended := *s
	ended.State, ended.ExitedAt, ended.ExitCode = driver.Exited, w.now, &code
	w.attempts[id(name, attempt)] = &ended
	w.life.Report(name, attempt, &ended, w.now)
}

// answer carries out one action, well or, unless all is well now, badly.
func (w *world) answer(a lifecycle.Action, well bool) {
	luck := 0
	if !well {
		luck = rapid.IntRange(0, 5).Draw(w.t, "luck")
	}
	switch a.Verb {
	case lifecycle.Start:
		switch luck {
		case 1:
			if w.attempts[id(a.Name, a.Attempt)] == nil {
				w.life.Failed(a.Name, a.Attempt, "CannotStartContainerError: no such file")
				return
			}
			fallthrough
		case 0:
			w.life.Report(a.Name, a.Attempt, w.execute(a), w.now)
		case 2:
			w.execute(a)
			w.life.Unsure(a.Name, a.Attempt, "CannotStartContainerError: connection lost", w.now)
		case 3:
			w.life.Unsure(a.Name, a.Attempt, "CannotStartContainerError: connection refused", w.now)
		default: // the end is told before the start is answered
			running := w.execute(a)
			w.exit(a.Name, a.Attempt, luck-4)
			w.life.Report(a.Name, a.Attempt, running, w.now)
		}
	case lifecycle.Cancel:
		if luck == 2 {
			w.life.Unsure(a.Name, a.Attempt, "CannotStartContainerError: connection lost", w.now)
			return
		}
		w.exit(a.Name, a.Attempt, 137)
		w.life.Failed(a.Name, a.Attempt, "")
	case lifecycle.Signal:
		switch {
		case luck == 3:
			w.life.Unsent(a.Name, a.Attempt, w.now)
		case !w.deaf[a.Name] || well:
			w.exit(a.Name, a.Attempt, 143)
		}
	case lifecycle.Kill, lifecycle.Reap:
		if luck < 3 || a.Verb == lifecycle.Reap { // whoever reaps, repeats it by himself
			w.exit(a.Name, a.Attempt, 137)
		}
	case lifecycle.Check:
		r := lifecycle.Result{ExitCode: luck % 2}
		w.life.Checked(a.Name, a.Attempt, r, w.now)
	}
}

// crash makes the life anew from what is durable.
func (w *world) crash() {
	var found []lifecycle.Found
	for i := range w.def.Containers {
		name := w.def.Containers[i].Name
		for attempt := range 100 {
			if s := w.attempts[id(name, attempt)]; s != nil {
				found = append(found, lifecycle.Found{Name: name, Attempt: attempt, Status: *s})
			}
		}
	}
	w.open = nil
	w.pending = w.durable
	w.life = lifecycle.New(w.task, w.def, w.holdings, w.durable, found, w.now, w.options)
}

func (w *world) wantStopped() {
	task := *w.task
	task.Desired = model.TaskStopped
	w.task = &task
	w.life.Want(w.task)
}

func (w *world) drawAction() (lifecycle.Action, bool) {
	if len(w.open) == 0 {
		return lifecycle.Action{}, false
	}
	return w.take(rapid.IntRange(0, len(w.open)-1).Draw(w.t, "which")), true
}

// take removes an open action. A start and its cancellation have one answer together: that of the start if it has come
// to something, else that of the cancellation.
func (w *world) take(i int) lifecycle.Action {
	a := w.open[i]
	w.open = slices.Delete(w.open, i, i+1)
	same := func(b lifecycle.Action) bool {
		return b.Name == a.Name && b.Attempt == a.Attempt && (b.Verb == lifecycle.Start || b.Verb == lifecycle.Cancel)
	}
	if a.Verb != lifecycle.Start && a.Verb != lifecycle.Cancel || !slices.ContainsFunc(w.open, same) {
		return a
	}
	w.open = slices.DeleteFunc(w.open, same)
	a.Verb = lifecycle.Start
	if rapid.Bool().Draw(w.t, "canceled") {
		if rapid.Bool().Draw(w.t, "executed") {
			w.execute(a)
		}
		a.Verb = lifecycle.Cancel
	}
	return a
}

func (w *world) disturb() {
	switch rapid.IntRange(0, 9).Draw(w.t, "event") {
	case 0, 1, 2, 3:
		if a, ok := w.drawAction(); ok {
			w.answer(a, false)
		}
	case 4:
		name := w.def.Containers[rapid.IntRange(0, len(w.def.Containers)-1).Draw(w.t, "container")].Name
		if attempt, ok := w.life.Attempt(name); ok {
			w.exit(name, attempt, rapid.IntRange(0, 1).Draw(w.t, "code"))
		}
	case 5, 6:
		w.now = w.now.Add(time.Duration(rapid.IntRange(1, 20000).Draw(w.t, "ms")) * time.Millisecond)
	case 7:
		w.durable = w.pending
	case 8:
		w.crash()
	case 9:
		if rapid.IntRange(0, 5).Draw(w.t, "stop") == 0 {
			w.wantStopped()
		}
	}
	w.step()
}

// TestLife attacks a life with everything that may happen, then asks for a stop and lets the driver behave: whatever
// was started is over, and the task is STOPPED, in a bounded number of steps.
func TestLife(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for i := range w.def.Containers {
			w.deaf[w.def.Containers[i].Name] = rapid.Bool().Draw(t, "deaf")
		}
		for range rapid.IntRange(0, 60).Draw(t, "steps") {
			w.disturb()
		}
		releases := rapid.Bool().Draw(t, "releases")
		w.wantStopped()
		w.step()
		for range 200 {
			for len(w.open) > 0 {
				w.answer(w.take(0), true)
				w.step()
			}
			if w.life.Over() {
				break
			}
			if w.life.Ended() && releases {
				w.life.Released()
				w.step()
				continue
			}
			if w.wake.IsZero() {
				t.Fatalf("it is not over, and waits for nothing")
			}
			w.now = w.wake
			w.step()
		}
		if !w.life.Over() {
			t.Fatalf("it is never over")
		}
		for i := range w.def.Containers {
			if name := w.def.Containers[i].Name; w.live(name) > 0 {
				t.Errorf("%s is alive after the end", name)
			}
		}
		if w.pending == nil || w.pending.Status != model.TaskStopped {
			t.Errorf("the end was never told: got %+v, want STOPPED", w.pending)
		}
	})
}

// TestLifeRuns lets everything go well: the task reaches RUNNING unless a dependency forbids it, and then it rests.
func TestLifeRuns(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld(t)
		for range 300 {
			for len(w.open) > 0 {
				w.answer(w.take(0), true)
				w.step()
			}
			if w.pending != nil && w.pending.Status.Order() >= model.TaskRunning.Order() || w.wake.IsZero() {
				break
			}
			w.now = w.wake
			w.step()
		}
		for i := range w.def.Containers {
			for _, d := range w.def.Containers[i].DependsOn {
				if d.Condition != model.DependStart {
					return // it may rightly wait for ever, or never start
				}
			}
		}
		if w.pending == nil || w.pending.Status != model.TaskRunning {
			t.Errorf("got %+v, want RUNNING", w.pending)
		}
	})
}

func TestIDs(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		task := rapid.StringMatching(`[0-9a-f]{32}`).Draw(t, "task")
		name := rapid.StringMatching(`[A-Za-z0-9_-]{1,20}`).Draw(t, "name")
		attempt := rapid.IntRange(0, 1000).Draw(t, "attempt")
		gotTask, gotName, gotAttempt, ok := lifecycle.ParseID(lifecycle.ID("arn:aws:ecs:r:1:task/c/"+task, name, attempt))
		if !ok || gotTask != task || gotName != name || gotAttempt != attempt {
			t.Errorf("got %q %q %d %v, want %q %q %d", gotTask, gotName, gotAttempt, ok, task, name, attempt)
		}
	})
}

func FuzzParseID(f *testing.F) {
	for _, seed := range []string{"", "a-b-0", "a-b", "a--0", "-b-0", "a-b--1", "a-b-01", "a-b-c-3"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, id string) {
		task, name, attempt, ok := lifecycle.ParseID(id)
		if ok && lifecycle.ID(task, name, attempt) != id && model.ShortID(task) == task {
			t.Errorf("ParseID(%q) gives %q %q %d, which is another id", id, task, name, attempt)
		}
	})
}
