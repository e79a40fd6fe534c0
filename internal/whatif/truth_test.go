package whatif

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics"
)

// live serves each request by itself: arrivals are independent (Poisson), the work of each is random (exponential), and the
// balancer gives it to the task with the fewest requests, which does one after the other. The model is held against it.
type live struct {
	load           *Load
	capacity, idle float64 // of a task
	random         *rand.Rand
	next           float64 // arrival, in seconds from the start
	tasks          []*liveTask
	homeless       []request // while no task runs

	// What package meter would have recorded, by the minute.
	past                  Recording
	cpuSum, cpuTasks, got float64
}

type liveTask struct {
	number int
	queue  []request // not done by the end of the last second
	free   float64   // when all of it is done
}

type request struct{ arrived, begins, ends float64 }

func newLive(l *Load, capacity, idle float64, seed uint64) *live {
	p := &live{load: l, capacity: capacity, idle: idle, random: rand.New(rand.NewPCG(seed, 7))} //nolint:gosec // repeatable
	p.next = p.random.ExpFloat64() / max(l.Rates[0], 1e-9)
	p.past.From = l.Start
	return p
}

// hold keeps the tasks that run; what others had is given to these.
func (p *live) hold(running []int, now float64) {
	old := p.tasks
	p.tasks = nil
	for _, n := range running {
		t := &liveTask{number: n, free: now}
		for _, o := range old {
			if o.number == n {
				t = o
			}
		}
		p.tasks = append(p.tasks, t)
	}
	orphans := p.homeless
	for _, o := range old {
		if !slices.Contains(running, o.number) {
			orphans = append(orphans, o.queue...)
		}
	}
	p.homeless = nil
	for _, r := range orphans {
		p.give(r.arrived, r.ends-r.begins, now)
	}
}

// give hands a request to the task with the fewest that are not done.
func (p *live) give(arrived, work, now float64) {
	var to *liveTask
	fewest := math.MaxInt
	for _, t := range p.tasks {
		n := 0
		for i := len(t.queue) - 1; i >= 0 && t.queue[i].ends > now; i-- {
			n++
		}
		if n < fewest {
			to, fewest = t, n
		}
	}
	if to == nil {
		p.homeless = append(p.homeless, request{arrived, 0, work})
		return
	}
	begins := max(now, to.free)
	to.free = begins + work
	to.queue = append(to.queue, request{arrived, begins, to.free})
}

func (p *live) second(i int, running []int) (f flow) {
	begin, end := float64(i), float64(i+1)
	p.hold(running, begin)
	for ; p.next < end; p.next += p.random.ExpFloat64() / max(p.load.Rates[i], 1e-9) {
		f.arrived++
		p.give(p.next, p.random.ExpFloat64()/p.capacity, p.next)
	}
	busy, times := 0.0, 0.0
	for _, t := range p.tasks {
		left := t.queue[:0]
		for _, r := range t.queue {
			busy += max(0, min(end, r.ends)-max(begin, r.begins))
			if r.ends > end {
				left = append(left, r)
				continue
			}
			f.served++
			times += r.ends - r.arrived
		}
		t.queue = left
		f.backlog += float64(max(0, len(left)-1))
	}
	f.backlog += float64(len(p.homeless))
	n := float64(len(running))
	if n > 0 {
		f.cpu = p.idle + (100-p.idle)*busy/n
	}
	if f.served > 0 {
		f.response = times / f.served
	}
	p.note(i, n, &f)
	return f
}

// note records what the production store of metrics would have.
func (p *live) note(i int, n float64, f *flow) {
	p.cpuSum += f.cpu * n
	p.cpuTasks += n
	p.got += f.arrived
	if i%minute != minute-1 {
		return
	}
	p.past.CPU = append(p.past.CPU, share(p.cpuSum, p.cpuTasks))
	p.past.Requests = append(p.past.Requests, p.got)
	p.past.Running = append(p.past.Running, n)
	p.past.Backlog = append(p.past.Backlog, math.NaN())
	p.cpuSum, p.cpuTasks, p.got = 0, 0, 0
}

// TestTruth: the model learns from one day that was simulated request by request with today's policy, and is asked for other
// policies on another load. How the same policies do on that load, request by request, is the truth. In the log are the
// errors.
func TestTruth(t *testing.T) {
	t.Parallel()
	const capacity, idle, start = 12.0, 3.0, 2 * time.Second
	v, svc := server(t, tracking(60))
	run := func(c Change, l *Load, seed uint64) (Outcome, *live) {
		p := newLive(l, capacity, idle, seed)
		s := &Scenario{View: v, Service: svc, Load: l, Tasks: Tasks{Capacity: capacity, Idle: idle, Start: start}, Count: 4}
		out, err := s.run(t.Context(), c, p)
		if err != nil {
			t.Fatal(err)
		}
		return out, p
	}
	_, yesterday := run(Change{}, day(6, 15, 60), 1)
	fit, err := yesterday.past.Fit()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("learnt: capacity %.2f (is %g), idle %.2f %% (is %g), ±%.2f points of CPU", fit.Capacity, capacity, fit.Idle, idle, fit.Error)
	near(t, "capacity", fit.Capacity, capacity, 0.03)

	unseen := jagged(6, 20, 90)
	for name, c := range map[string]struct {
		policy control.PolicyUpdate
		// The errors that are allowed: of task-hours and mean CPU as shares, of the time above the target as a share of the whole.
		hours, cpu, above float64
	}{
		"CPU at 50":                 {tracking(50), 0.02, 0.02, 0.02},
		"CPU at 75":                 {tracking(75), 0.02, 0.02, 0.02},
		"CPU at 60, each second":    {fast(60), 0.02, 0.02, 0.02},
		"today's on the other load": {tracking(60), 0.02, 0.02, 0.02},
	} {
		t.Run(name, func(t *testing.T) {
			change := Change{Policies: []control.PolicyUpdate{c.policy}}
			truth, measured := run(change, unseen, 99)
			load, _, err := measured.past.Load(&Tasks{}) // what a balancer counts: the policy has no part in it
			if err != nil {
				t.Fatal(err)
			}
			s := &Scenario{
				View: v, Service: svc, Load: load, Count: 4, Seed: 5,
				Tasks: Tasks{Capacity: fit.Capacity, Idle: fit.Idle, Start: start},
			}
			model, err := s.Run(t.Context(), change)
			if err != nil {
				t.Fatal(err)
			}
			whole := float64(len(load.Rates))
			t.Logf("task-hours %.2f, model %.2f (%+.1f %%); CPU %.1f, model %.1f (%+.1f %%); above target %.0f s, model %.0f s (%+.1f %% of the time); "+
				"changes %d, model %d; response %.0f ms, model %.0f ms; lowest health %.3f, model %.3f",
				truth.TaskHours, model.TaskHours, 100*(model.TaskHours/truth.TaskHours-1), truth.CPU, model.CPU, 100*(model.CPU/truth.CPU-1),
				truth.AboveTarget, model.AboveTarget, 100*(model.AboveTarget-truth.AboveTarget)/whole,
				truth.In+truth.Out, model.In+model.Out, 1000*truth.Response, 1000*model.Response, truth.LowestHealth, model.LowestHealth)
			near(t, "task-hours", model.TaskHours, truth.TaskHours, c.hours)
			near(t, "mean CPU", model.CPU, truth.CPU, c.cpu)
			if off := math.Abs(model.AboveTarget-truth.AboveTarget) / whole; off > c.above {
				t.Errorf("the time above the target is off by %.3f of the time, allowed are %.3f", off, c.above)
			}
		})
	}
}

// jagged is a load of so many hours that jumps and drifts, given by the minute.
func jagged(hours int, low, high float64) *Load {
	l := &Load{Start: epoch, Step: time.Minute, Unit: "requests", Rates: make([]float64, hours*3600)}
	random := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // repeatable
	at := low
	for i := range l.Rates {
		if i%minute == 0 {
			at += random.NormFloat64() * (high - low) / 40
			if random.IntN(25) == 0 {
				at = low + random.Float64()*(high-low)
			}
			at = min(max(at, low), high)
		}
		l.Rates[i] = at
	}
	return l
}

func near(t *testing.T, what string, got, want, share float64) {
	t.Helper()
	if math.Abs(got-want) > share*want {
		t.Errorf("%s: got %.4g, want %.4g within %g %%", what, got, want, 100*share)
	}
}

var _ metrics.Reader = (*recorder)(nil)
