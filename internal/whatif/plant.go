package whatif

import (
	"errors"
	"math"
	"math/rand/v2"
	"time"
)

// Tasks is the model of the tasks of a service. See the package's comment for what it leaves out.
type Tasks struct {
	// Capacity is what one task can do in a second with all of its CPU, in the unit of the load.
	Capacity float64
	// Idle is how much of its CPU a task uses that does nothing, in percent.
	Idle float64
	// Start is the time from the wish for a task until it serves.
	Start time.Duration
	// Patience is how long work waits before it is lost, to the second; 0: for ever, as messages in a queue do.
	Patience time.Duration
	// Room is for how many tasks the machines have room; 0: for any number.
	Room int
}

func (t *Tasks) check() error {
	switch {
	case !(t.Capacity > 0) || math.IsInf(t.Capacity, 0):
		return errors.New("the capacity of a task has to be a number above 0")
	case !(t.Idle >= 0 && t.Idle < 100):
		return errors.New("the CPU of an idle task has to be at least 0 and less than 100 %")
	case t.Start < 0 || t.Start > time.Hour:
		return errors.New("the start time of a task has to be between 0 and an hour")
	case t.Patience < 0:
		return errors.New("the patience of requests cannot be negative")
	case t.Room < 0:
		return errors.New("the room for tasks cannot be negative")
	}
	return nil
}

// flow is what happened in one second.
type flow struct {
	arrived, served, lost float64
	backlog               float64 // at the end
	cpu                   float64 // percent of each running task
	response              float64 // mean seconds of what was answered; 0: not known
}

// plant is what serves the load: the model, or in tests a simulation of each request.
type plant interface {
	// second lets a second of the load pass, with the tasks (by number, rising) that run in it.
	second(i int, running []int) flow
}

// fluid is the model: work is a fluid that all running tasks together drain at their capacity, first in, first out.
type fluid struct {
	Tasks
	load   *Load
	random *rand.Rand
	queue  []float64 // what is left of each second's arrivals
	head   int       // the oldest second of which anything is left
	total  float64   // of queue

	known struct{ rate, tasks, wait float64 } // the last result of erlang
}

func newFluid(t Tasks, l *Load, seed uint64) *fluid {
	return &fluid{Tasks: t, load: l, random: rand.New(rand.NewPCG(seed, 1)), queue: make([]float64, len(l.Rates))} //nolint:gosec // a simulation has to be repeatable
}

func (f *fluid) second(i int, running []int) flow {
	n := float64(len(running))
	x := flow{arrived: f.draw(f.load.Rates[i])}
	f.queue[i] = x.arrived
	f.total += x.arrived
	capacity := n * f.Capacity
	x.served = min(f.total, capacity)
	waited := f.take(x.served, i)
	x.lost = f.lose(i)
	x.backlog = f.total
	if n > 0 {
		x.cpu = f.Idle + (100-f.Idle)*min(1, x.served/capacity)
	}
	if x.served > 0 {
		wait := waited/x.served + f.erlang(f.load.Rates[i], n)
		if f.Patience > 0 { // what has waited for longer is lost
			wait = min(wait, f.Patience.Seconds())
		}
		x.response = wait + 1/f.Capacity
	}
	return x
}

// take removes the oldest work up to a second, and says how long all of it has waited together, in whole seconds.
func (f *fluid) take(amount float64, i int) (waited float64) {
	for left := amount; left > 0 && f.head <= i; {
		part := min(left, f.queue[f.head])
		f.queue[f.head] -= part
		f.total -= part
		left -= part
		waited += part * float64(i-f.head)
		if f.queue[f.head] > 0 {
			break
		}
		f.head++
	}
	if f.head > i {
		f.total = 0 // what rounding has left over
	}
	return waited
}

// lose removes what has waited for too long by the end of a second, and says how much.
func (f *fluid) lose(i int) (lost float64) {
	oldest := i - int(f.Patience/time.Second)
	if f.Patience == 0 {
		return 0
	}
	for ; f.head <= oldest; f.head++ {
		lost += f.queue[f.head]
		f.queue[f.head] = 0
	}
	f.total = max(0, f.total-lost)
	return lost
}

// draw is the work that arrives in a second: as a rate says, or at random if the rate is a mean over a longer time. Requests
// arrive independently (Poisson), and each means work of random size (exponential).
func (f *fluid) draw(rate float64) float64 {
	if f.load.Step <= time.Second || rate <= 0 {
		return max(0, rate)
	}
	const few = 30
	if rate > few { // normal; the variances of number and size add up
		return max(0, rate+math.Sqrt(2*rate)*f.random.NormFloat64())
	}
	work := 0.0
	for at := f.random.ExpFloat64(); at < rate; at += f.random.ExpFloat64() {
		work += f.random.ExpFloat64()
	}
	return work
}

// mostServers is for how many tasks Erlang's formula is computed; with more, nobody waits unless all are busy.
const mostServers = 500

// erlang is the mean time of waiting of M/M/c: one queue before n tasks, that have one worker each.
func (f *fluid) erlang(rate, n float64) float64 {
	k := &f.known
	if k.rate == rate && k.tasks == n {
		return k.wait
	}
	offered := rate / f.Capacity
	wait := 0.0
	if offered < n && n <= mostServers {
		blocked := 1.0
		for i := 1.0; i <= n; i++ {
			blocked = offered * blocked / (i + offered*blocked)
		}
		busy := offered / n
		waits := blocked / (1 - busy*(1-blocked))
		wait = waits / (n*f.Capacity - rate)
	}
	k.rate, k.tasks, k.wait = rate, n, wait
	return wait
}
