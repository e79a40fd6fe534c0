package loop_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/core/scaling/loop"
	"github.com/maitred/maitred/internal/model"
)

// shape is a load over an hour.
type shape struct {
	name string
	load func(second int) float64
	// initial is how many tasks there are at first.
	initial int
	// fast and standard are how often the direction of scaling may turn at most, by what the load does itself.
	fast, standard int
	changes        int // of the fast lane at most
}

const (
	hour   = 3600
	target = 50
)

// noisy multiplies a load by noise of a generator of its own.
func noisy(seed uint64, load func(int) float64, noise func(*rand.Rand) float64) func(int) float64 {
	r := rand.New(rand.NewPCG(seed, 1))
	return func(second int) float64 { return max(0, load(second)*(1+noise(r))) }
}

func constant(level float64) func(int) float64 { return func(int) float64 { return level } }

// constants are loads that stay as they are, with noise: nothing that is scaled may turn back.
func constants() []shape {
	noises := []struct {
		name string
		of   func(*rand.Rand) float64
	}{
		{"none", func(*rand.Rand) float64 { return 0 }},
		{"5 % uniform", func(r *rand.Rand) float64 { return 0.1*r.Float64() - 0.05 }},
		{"10 % uniform", func(r *rand.Rand) float64 { return 0.2*r.Float64() - 0.1 }},
		{"20 % uniform", func(r *rand.Rand) float64 { return 0.4*r.Float64() - 0.2 }},
		{"30 % uniform", func(r *rand.Rand) float64 { return 0.6*r.Float64() - 0.3 }},
		{"5 % normal", func(r *rand.Rand) float64 { return 0.05 * r.NormFloat64() }},
		{"10 % normal", func(r *rand.Rand) float64 { return 0.1 * r.NormFloat64() }},
	}
	var all []shape
	for i, n := range noises {
		for j, level := range []float64{120, 330, 505, 1240, 5000} { // of tasks with a capacity of 100: 2.4, 6.6, 10.1, 24.8, 100
			all = append(all, shape{
				name: fmt.Sprintf("constant %v, noise %s", level, n.name), load: noisy(uint64(10*i+j), constant(level), n.of),
				initial: 4, changes: 25,
			})
		}
	}
	return all
}

// moving are loads that change, with some noise; their reversals are those of the load.
func moving() []shape {
	var all []shape
	add := func(name string, fast, standard, changes int, load func(float64) float64) {
		seed := uint64(1000 + len(all))
		noise := func(r *rand.Rand) float64 { return 0.1*r.Float64() - 0.05 }
		all = append(all, shape{
			name: name, load: noisy(seed, func(s int) float64 { return load(float64(s)) }, noise),
			initial: int(math.Ceil(load(0) / 40)), fast: fast, standard: standard, changes: changes,
		})
	}
	wave := func(s, period float64) float64 { return math.Sin(2 * math.Pi * s / period) }
	onOff := func(s, period float64) bool { return math.Mod(s, period) < period/2 }
	choose := func(on bool, a, b float64) float64 {
		if on {
			return a
		}
		return b
	}
	for _, to := range []float64{500, 2000, 5000} {
		add(fmt.Sprintf("ramp to %v", to), 0, 0, 130, func(s float64) float64 { return 100 + (to-100)*s/hour })
		add(fmt.Sprintf("ramp down from %v", to), 1, 1, 80, func(s float64) float64 { return to - (to-100)*s/hour })
		add(fmt.Sprintf("step to %v", to), 0, 0, 15, func(s float64) float64 { return choose(s > 1200, to, 100) })
		add(fmt.Sprintf("step down from %v", to), 1, 1, 20, func(s float64) float64 { return choose(s > 1200, 100, to) })
		add(fmt.Sprintf("there and back from %v", to), 1, 1, 40, func(s float64) float64 { return choose(s > 1000 && s < 1800, to, 100) })
	}
	for _, period := range []float64{20, 60, 100} { // the window bridges what comes again within a minute
		add(fmt.Sprintf("on and off in %v s", period), 0, 1, 15, func(s float64) float64 { return choose(onOff(s, period), 1500, 500) })
	}
	for _, period := range []float64{20, 40, 60} {
		add(fmt.Sprintf("sawtooth of %v s", period), 0, 1, 20, func(s float64) float64 { return 500 + 1000*math.Mod(s, period)/period })
	}
	for _, period := range []float64{300, 600, 1800} {
		turns := 2 * int(hour/period)
		add(fmt.Sprintf("sine of %v s", period), turns, turns, 400, func(s float64) float64 { return 1000 + 600*wave(s, period) })
		add(fmt.Sprintf("on and off in %v s", period), turns, turns, 150, func(s float64) float64 { return choose(onOff(s, period), 1500, 500) })
		add(fmt.Sprintf("sawtooth of %v s", period), turns, turns, 400, func(s float64) float64 { return 300 + 1200*math.Mod(s, period)/period })
	}
	for _, every := range []float64{45, 200, 900} {
		turns := choose(every < 60, 0, 2*math.Floor(hour/every))
		add(fmt.Sprintf("spikes of 5 s each %v s", every), int(turns), 1, 150, func(s float64) float64 { return choose(math.Mod(s, every) < 5, 2000, 500) })
	}
	add("a small sine inside the band", 0, 0, 15, func(s float64) float64 { return 1000 + 40*wave(s, 240) })
	add("a slow day", 2, 2, 120, func(s float64) float64 { return 1200 + 1000*wave(s, hour) })
	return all
}

func policy(fast bool) *model.ScalingPolicy {
	return &model.ScalingPolicy{Name: "cpu", Tracking: &model.Tracking{
		Value: target, Fast: fast, Predefined: "ECSServiceAverageCPUUtilization", OutCooldown: 300 * time.Second, InCooldown: 300 * time.Second,
	}}
}

func run(s shape, fast bool, health time.Duration) loop.Trace {
	return loop.Run(loop.Model{
		Load: s.load, Capacity: 100, Start: time.Second, Health: health, Policy: policy(fast), Min: 1, Max: 200, Initial: s.initial, Length: hour * time.Second,
	})
}

// TestNoFlapping runs all shapes through the standard policy and the fast lane: by what all tasks that run measure, as their
// CPU, and by what each healthy one gets, as requests per target, with tasks that take a while to become healthy. Under a constant load with noise no change
// is ever taken back; else the direction turns at most as often as that of the load, and the changes are bounded.
func TestNoFlapping(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		fast   bool
		health time.Duration
	}{{false, 0}, {true, 0}, {false, 100 * time.Second}, {true, 10 * time.Second}} {
		for i := range append(constants(), moving()...) {
			s := append(constants(), moving()...)[i] // with a generator of its own
			t.Run(fmt.Sprintf("fast=%v health=%s/%s", c.fast, c.health, s.name), func(t *testing.T) {
				t.Parallel()
				trace := run(s, c.fast, c.health)
				turns := s.standard
				if c.fast {
					turns = s.fast
				}
				n := trace.Reversals()
				t.Logf("%d reversals, %d changes, %d seconds over capacity", n, len(trace.Changes), trace.Over)
				if n > turns {
					t.Errorf("the direction turns %d times, and may %d times: %v", n, turns, counts(trace))
				}
				if len(trace.Changes) > s.changes {
					t.Errorf("%d changes, more than %d", len(trace.Changes), s.changes)
				}
			})
		}
	}
}

func counts(t loop.Trace) []string {
	var all []string
	for _, c := range t.Changes {
		all = append(all, fmt.Sprintf("%s %d→%d", c.At, c.From, c.To))
	}
	return all
}

// TestStep: the fast lane has as many tasks as a step of the load needs within two whole seconds, and does not wait for what
// was before to leave its mean.
func TestStep(t *testing.T) {
	t.Parallel()
	const at = 600
	load := func(second int) float64 {
		if second < at {
			return 25
		}
		return 200
	}
	trace := run(shape{load: load, initial: 1}, true, 0)
	if got, want := fmt.Sprint(counts(trace)), "[10m0s 1→2 10m1s 2→4]"; got != want {
		t.Errorf("changes %s, want %s", got, want)
	}
}
