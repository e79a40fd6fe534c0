package probe_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/core/health"
	"github.com/maitred/maitred/internal/lb/probe"
	"github.com/maitred/maitred/internal/model"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a Runner on a virtual clock, with targets that behave as they are told to.
type world struct {
	*probe.Runner
	t      *testing.T
	start  time.Time
	cancel context.CancelFunc
	ended  chan struct{}

	mu      sync.Mutex
	targets []probe.Target
	answers map[string]answer
	log     []string
	checks  map[string][]time.Duration // starts since the beginning
	running int
	most    int // that ran at once
}

type answer struct {
	outcome health.Outcome
	takes   time.Duration // 0: at once
}

var (
	ok      = answer{outcome: health.Outcome{Kind: health.Answered, Code: 200}}
	broken  = answer{outcome: health.Outcome{Kind: health.Answered, Code: 503}}
	refused = answer{outcome: health.Outcome{Kind: health.Failed}}
	hangs   = answer{takes: time.Hour}
)

// inWorld runs a test on a virtual clock and ends the Runner with it.
func inWorld(t *testing.T, cfg probe.Config, test func(w *world)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &world{
			t: t, start: time.Now(), cancel: cancel, ended: make(chan struct{}),
			answers: map[string]answer{}, checks: map[string][]time.Duration{},
		}
		cfg.Check, cfg.Changed, cfg.Suspected = w.check, w.changed, w.suspected
		w.Runner = probe.New(cfg)
		go func() { defer close(w.ended); w.Run(ctx) }()
		test(w)
		cancel()
		<-w.ended
	})
}

func (w *world) check(ctx context.Context, t probe.Target) health.Outcome {
	ctx, cancel := context.WithTimeout(ctx, t.Group.Check.Timeout)
	defer cancel()
	w.mu.Lock()
	a := w.answers[t.Path]
	w.checks[t.Path] = append(w.checks[t.Path], time.Since(w.start))
	w.running++
	w.most = max(w.most, w.running)
	w.mu.Unlock()
	if a.takes > 0 {
		select {
		case <-time.After(a.takes):
		case <-ctx.Done():
			a.outcome = health.Outcome{Kind: health.TimedOut}
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.running--
	return a.outcome
}

func (w *world) changed(path string, s model.TargetState, reason, _ string, since time.Time) {
	w.note(path, strings.TrimSpace(string(s)+" "+reason), since)
}

func (w *world) suspected(path string, suspect bool) {
	w.note(path, fmt.Sprintf("suspect=%v", suspect), time.Now())
}

func (w *world) note(path, text string, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := time.Since(w.start)
	if since.Sub(w.start) != at {
		text += fmt.Sprintf(" (since %s)", since.Sub(w.start))
	}
	w.log = append(w.log, fmt.Sprintf("%s %s %s", at, path, text))
}

// set gives the Runner all targets that it was ever given, but those whose group is nil.
func (w *world) set(targets ...probe.Target) {
	for _, t := range targets {
		w.targets = slices.DeleteFunc(w.targets, func(o probe.Target) bool { return o.Path == t.Path })
		if t.Group != nil {
			w.targets = append(w.targets, t)
		}
	}
	w.Set(w.targets)
	synctest.Wait()
}

func (w *world) behave(path string, a answer) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[path] = a
}

// wait lets time pass and everything happen that happens in it.
func (w *world) wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

// want compares what was told since it was called last.
func (w *world) want(lines ...string) {
	w.t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	if diff := cmp.Diff(lines, w.log); diff != "" {
		w.t.Errorf("what was told (-want +got):\n%s", diff)
	}
	w.log = nil
}

// forget forgets what was told.
func (w *world) forget() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.log = nil
}

// atOnce is how many checks run, and how many ran at once at most.
func (w *world) atOnce() (now, most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.running, w.most
}

// starts gives when a target was checked.
func (w *world) starts(path string) []time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.checks[path])
}

// count forgets the checks of a target and says how many there were.
func (w *world) count(path string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := len(w.checks[path])
	delete(w.checks, path)
	return n
}

func group() *model.TargetGroup {
	return &model.TargetGroup{Protocol: "HTTP", Check: model.TargetCheck{
		Protocol: "HTTP", Interval: 30 * time.Second, Timeout: 5 * time.Second, Healthy: 5, Unhealthy: 2,
	}}
}

func target(path string, g *model.TargetGroup) probe.Target {
	return probe.Target{Path: path, Address: "10.0.0.1", Port: 80, Group: g, InUse: true}
}

// phase is when a target's turn is, in seconds since the beginning of a virtual world.
func phase(t *testing.T, path string, interval time.Duration, start time.Time) time.Duration {
	t.Helper()
	return health.Next(path, interval, start).Sub(start)
}

func TestLife(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		a := target("a", group())
		w.behave("a", ok)
		w.set(a)
		w.want("0s a initial Elb.RegistrationInProgress", "0s a healthy")
		w.wait(time.Minute)
		if n := w.count("a"); n != 3 {
			t.Errorf("%d checks in the first minute, want one at once and two in their turn", n)
		}
		a.InUse = false
		w.set(a)
		a.InUse, a.Draining = true, true
		w.set(a)
		w.wait(time.Minute)
		w.want("1m0s a unused Target.NotInUse", "1m0s a draining Target.DeregistrationInProgress")
		if n := w.count("a"); n != 0 {
			t.Errorf("%d checks of a target that is being deregistered", n)
		}
		w.behave("a", hangs)
		a.Draining = false
		w.set(a)
		w.want("2m0s a initial Elb.RegistrationInProgress")
		w.behave("a", ok)
		w.wait(6 * time.Second)
		w.want("2m5s a initial Elb.InitialHealthChecking (since 2m0s)", "2m5s a healthy")
		w.set(probe.Target{Path: "a"})
		w.count("a")
		w.wait(time.Minute)
		if n := w.count("a"); n != 0 {
			t.Errorf("%d checks of a target that is gone", n)
		}
		if h, suspect := w.Current("a"); h.State != "" || suspect {
			t.Errorf("a target that is gone is %+v", h)
		}
		w.want()
	})
}

// TestTurns: checks are an interval apart from start to start, however long they take, and thresholds are intervals.
func TestTurns(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		first := phase(t, "a", 30*time.Second, w.start)
		w.behave("a", answer{outcome: broken.outcome, takes: 3 * time.Second})
		w.set(target("a", group()))
		w.wait(5 * time.Minute)
		second := first + 30*time.Second
		w.want(
			"0s a initial Elb.RegistrationInProgress",
			"3s a initial Elb.InitialHealthChecking (since 0s)",
			fmt.Sprintf("%s a unhealthy Target.ResponseCodeMismatch", second+3*time.Second),
		)
		for i := 1; i < 9; i++ { // in the first turn an extra one was running
			if at := first + time.Duration(i)*30*time.Second; !slices.Contains(w.starts("a"), at) {
				t.Errorf("no check at %s, but at %v", at, w.starts("a"))
			}
		}
		w.behave("a", ok)
		w.wait(time.Until(w.start.Add(first + 14*30*time.Second)))
		w.want(fmt.Sprintf("%s a healthy", first+14*30*time.Second))
	})
}

// TestEager: a new target that does not listen yet is checked again soon, and its failures are not counted for it.
func TestEager(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		w.behave("a", refused)
		w.set(target("a", group()))
		w.wait(500 * time.Millisecond)
		w.behave("a", ok)
		w.wait(time.Second)
		w.want(
			"0s a initial Elb.RegistrationInProgress", "0s a initial Elb.InitialHealthChecking", "700ms a healthy",
		)
	})
}

func TestSuspect(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		w.behave("a", ok)
		w.set(target("a", group()))
		w.wait(time.Minute)
		w.want("0s a initial Elb.RegistrationInProgress", "0s a healthy")
		w.count("a")

		// Its checks succeed: it comes back at once, but checks do not follow each other ever faster.
		for range 1000 {
			w.Suspect("a")
			synctest.Wait()
		}
		if n := w.count("a"); n > 2 {
			t.Errorf("%d checks at once of a target that refuses connections", n)
		}
		w.want("1m0s a suspect=true", "1m0s a suspect=false", "1m0s a suspect=true")
		w.wait(30 * time.Second)
		w.forget()

		// Its checks fail: it stays out, and is unhealthy when the thresholds say so.
		w.wait(time.Minute)
		w.behave("a", refused)
		w.Suspect("a")
		synctest.Wait()
		if h, suspect := w.Current("a"); h.State != model.TargetHealthy || !suspect {
			t.Errorf("got %s, suspect: %v; want a healthy target that is suspect", h.State, suspect)
		}
		w.count("a")
		w.wait(time.Minute)
		if n := w.count("a"); n < 4 || n > 8 {
			t.Errorf("%d checks in a minute of a suspect target", n)
		}
		if h, suspect := w.Current("a"); h.State != model.TargetUnhealthy || !suspect {
			t.Errorf("got %s, suspect: %v; want an unhealthy target that is suspect", h.State, suspect)
		}
		w.behave("a", ok)
		w.wait(30 * time.Second)
		if h, suspect := w.Current("a"); h.State != model.TargetUnhealthy || suspect {
			t.Errorf("got %s, suspect: %v; want an unhealthy target that is not suspect", h.State, suspect)
		}
		w.Suspect("nobody")
	})
}

// TestSuspectDuringCheck: what was refused after a check began is not disproved by it.
func TestSuspectDuringCheck(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		w.behave("a", ok)
		w.set(target("a", group()))
		w.behave("a", answer{outcome: ok.outcome, takes: 2 * time.Second})
		w.wait(phase(t, "a", 30*time.Second, w.start) + time.Second)
		w.Suspect("a")
		synctest.Wait()
		w.wait(1500 * time.Millisecond)
		if _, suspect := w.Current("a"); !suspect {
			t.Error("a check that began before ended the suspicion")
		}
		w.wait(2 * time.Second)
		if _, suspect := w.Current("a"); suspect {
			t.Error("the next check did not end the suspicion")
		}
	})
}

// TestKnown: a balancer that was restarted tells nothing that has not changed, and counts on nothing that it forgot.
func TestKnown(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		known := func(path string, s model.TargetState, reason, text string) probe.Target {
			x := target(path, group())
			x.Known = &model.TargetHealth{State: s, Reason: reason, Description: text, Since: w.start.Add(-time.Hour)}
			return x
		}
		w.behave("healthy", ok)
		w.behave("unhealthy", broken)
		w.behave("draining", ok)
		w.set(
			known("healthy", model.TargetHealthy, "", ""),
			known("unhealthy", model.TargetUnhealthy, model.ReasonCodeMismatch, "Health checks failed with these codes: [503]"),
			known("draining", model.TargetDraining, model.ReasonDeregistration, "Target deregistration is in progress"),
		)
		w.wait(time.Hour)
		w.want("0s draining initial Elb.RegistrationInProgress", "0s draining healthy")
		if h, _ := w.Current("healthy"); !h.Since.Equal(w.start.Add(-time.Hour)) {
			t.Errorf("healthy since %s", h.Since)
		}
	})
}

// TestSettings: new settings count from the next check on, which comes as the new interval says.
func TestSettings(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		g := group()
		g.Check.Interval = 300 * time.Second
		w.behave("a", ok)
		w.set(target("a", g))
		w.behave("a", answer{outcome: health.Outcome{Kind: health.Answered, Code: 404}})
		quicker := group()
		quicker.Check.Interval, quicker.Check.Matcher = 5*time.Second, "200,404"
		w.set(target("a", quicker))
		w.wait(time.Minute)
		w.want("0s a initial Elb.RegistrationInProgress", "0s a healthy")
		if n := w.count("a"); n != 13 {
			t.Errorf("%d checks, want 13", n)
		}
		off := group()
		off.Check.Disabled = true
		w.set(target("a", off))
		w.wait(time.Minute)
		w.want("1m0s a unavailable Target.HealthCheckDisabled")
		if n := w.count("a"); n != 0 {
			t.Errorf("%d checks though they are off", n)
		}
	})
}

// TestAddress: whoever has the same path at another address has to prove itself.
func TestAddress(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		w.behave("a", ok)
		a := target("a", group())
		w.set(a)
		w.behave("a", hangs)
		a.Address = "10.0.0.2"
		w.set(a)
		w.want("0s a initial Elb.RegistrationInProgress", "0s a healthy", "0s a initial Elb.RegistrationInProgress")
	})
}

// TestHanging: targets that hang cost those that answer nothing but the first round.
func TestHanging(t *testing.T) {
	inWorld(t, probe.Config{Workers: 8}, func(w *world) {
		g := group()
		g.Check.Interval, g.Check.Timeout = 5*time.Second, 4*time.Second
		for i := range 100 {
			path := fmt.Sprintf("hangs%d", i)
			w.behave(path, hangs)
			w.targets = append(w.targets, target(path, g))
		}
		for i := range 50 {
			path := fmt.Sprintf("ok%d", i)
			w.behave(path, ok)
			w.targets = append(w.targets, target(path, g))
		}
		w.set()
		w.wait(10 * time.Minute)
		for i := range 50 {
			w.count(fmt.Sprintf("ok%d", i))
		}
		w.wait(time.Minute)
		for i := range 50 {
			if n := w.count(fmt.Sprintf("ok%d", i)); n != 12 {
				t.Errorf("ok%d was checked %d times in a minute, want 12", i, n)
			}
		}
		if _, most := w.atOnce(); most > 8 {
			t.Errorf("%d checks at once, want at most 8", most)
		}
	})
}

// TestGoneDuringCheck: what a check finds out after its target is gone, or was registered anew, is about nobody.
func TestGoneDuringCheck(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		w.behave("a", answer{outcome: ok.outcome, takes: 4 * time.Second})
		w.set(target("a", group()))
		w.wait(time.Second)
		w.behave("a", hangs)
		w.set(probe.Target{Path: "a"})
		if n, _ := w.atOnce(); n != 0 {
			t.Error("the check of a target that is gone goes on")
		}
		w.set(target("a", group()))
		w.wait(4 * time.Second)
		w.want("0s a initial Elb.RegistrationInProgress", "1s a initial Elb.RegistrationInProgress")
	})
}

// TestSingle: Put and Drop are Set for one target, and leave the others alone.
func TestSingle(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		w.behave("a", ok)
		w.behave("b", ok)
		w.set(target("a", group()))
		w.Put(target("b", group()))
		w.wait(time.Second)
		if a, _ := w.Current("a"); a.State != model.TargetHealthy {
			t.Errorf("the other target is %+v", a)
		}
		if b, _ := w.Current("b"); b.State != model.TargetHealthy {
			t.Errorf("the new target is %+v", b)
		}
		w.Drop("a")
		w.Drop("unknown")
		synctest.Wait()
		w.count("a")
		w.wait(time.Minute)
		if a, _ := w.Current("a"); a.State != "" || w.count("a") != 0 {
			t.Errorf("a target that is gone is %+v, or still checked", a)
		}
		if w.count("b") < 2 {
			t.Error("the other target is not checked any more")
		}
		w.set(target("a", group()))
		if b, _ := w.Current("b"); b.State != "" {
			t.Errorf("a target that Set does not name is %+v", b)
		}
	})
}

// TestEnd: Run ends the checks that run, and holds nothing against their targets.
func TestEnd(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		w.behave("a", ok)
		w.set(target("a", group()))
		w.behave("a", hangs)
		w.wait(phase(t, "a", 30*time.Second, w.start))
		w.cancel()
		<-w.ended
		if n, _ := w.atOnce(); n != 0 {
			t.Error("a check goes on")
		}
		if h, _ := w.Current("a"); h.State != model.TargetHealthy {
			t.Errorf("the target is %s", h.State)
		}
	})
}

// TestThousand: 1,000 targets with an interval of 5 s make no pulse, none is left out, and between checks there is one
// goroutine.
func TestThousand(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		g := group()
		g.Check.Interval, g.Check.Timeout = 5*time.Second, 2*time.Second
		for i := range 1000 {
			path := fmt.Sprintf("10.0.%d.%d:80", i/250, i%250)
			w.behave(path, answer{outcome: ok.outcome, takes: 10 * time.Millisecond})
			w.targets = append(w.targets, target(path, g))
		}
		w.set()
		w.wait(time.Second)
		w.mu.Lock()
		if n := len(w.log); n != 2000 {
			t.Errorf("%d changes were told, want initial and healthy of 1,000", n)
		}
		clear(w.checks)
		w.most = 0
		w.mu.Unlock()
		w.wait(time.Minute)
		w.mu.Lock()
		defer w.mu.Unlock()
		slots := map[time.Duration]int{}
		for path, starts := range w.checks {
			if len(starts) != 12 {
				t.Errorf("%s was checked %d times in a minute, want 12", path, len(starts))
			}
			for _, at := range starts {
				slots[at.Truncate(50*time.Millisecond)]++
			}
		}
		for slot, n := range slots {
			if n > 25 {
				t.Errorf("%d checks began in the 50 ms after %s, want about 10", n, slot)
			}
		}
		t.Logf("at most %d of 1,000 checks at once", w.most)
	})
}

// TestEveryone calls everything at the same time, for the race detector; and whatever happens, what was told last of a
// target is what is known of it.
func TestEveryone(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		last, suspects := map[string]model.TargetState{}, map[string]bool{}
		var checks atomic.Int64
		r := probe.New(probe.Config{
			Check: func(context.Context, probe.Target) health.Outcome {
				return health.Outcome{Kind: health.Answered, Code: 200 + int(checks.Add(1)%3)}
			},
			Changed:   func(path string, s model.TargetState, _, _ string, _ time.Time) { last[path] = s },
			Suspected: func(path string, suspect bool) { suspects[path] = suspect },
			Workers:   4,
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); r.Run(ctx) }()
		paths := []string{"a", "b", "c", "d"}
		var callers sync.WaitGroup
		for i := range 4 {
			callers.Go(func() {
				for n := range 300 {
					call(r, paths, n, i)
					<-time.After(time.Duration(n%7) * time.Second)
				}
			})
		}
		callers.Wait()
		synctest.Wait()
		cancel()
		<-ended
		for _, path := range paths {
			h, suspect := r.Current(path)
			if h.State != last[path] || suspect != suspects[path] {
				t.Errorf("%s is %s (suspect: %v), and what was told last is %s (%v)", path, h.State, suspect, last[path], suspects[path])
			}
		}
	})
}

// call calls all that can be called, somehow.
func call(r *probe.Runner, paths []string, n, caller int) {
	var targets []probe.Target
	for j, path := range paths {
		x := target(path, group())
		x.Draining, x.InUse = (n+caller+j)%5 == 0, (n+caller+j)%7 != 0
		targets = append(targets, x)
	}
	r.Set(targets)
	r.Suspect(paths[n%len(paths)])
	r.Current("b")
}
