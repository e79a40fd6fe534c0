package sim_test

import (
	"errors"
	"flag"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/sim"
)

var seedFlag = flag.Uint64("seed", 0, "run the world of this seed alone, and tell its story")

// quick is how many worlds are run without SIM_SCHEDULES.
const quick = 300

// TestSim runs many worlds. With -seed N (or SIM_SEED=N) it tells the story of one; SIM_SCHEDULES says how many there
// are to be.
func TestSim(t *testing.T) {
	t.Parallel()
	seed := *seedFlag
	if s := os.Getenv("SIM_SEED"); s != "" {
		seed = number(t, s)
	}
	if seed != 0 {
		if _, err := sim.Run(t.Context(), sim.Options{Seed: seed, Story: os.Stdout}); err != nil {
			t.Error(err)
		}
		return
	}
	schedules := uint64(quick)
	if s := os.Getenv("SIM_SCHEDULES"); s != "" {
		schedules = number(t, s)
	}
	began := time.Now()
	found, totals := search(t, schedules, runtime.GOMAXPROCS(0), sim.Options{})
	for _, err := range found {
		t.Errorf("%v\n%s", err, story(t, err, sim.Options{}))
	}
	passed := time.Since(began)
	t.Logf("%d schedules: %d events, %d transactions, %v of virtual time, rest after at most %v, in %v (%.0f schedules per second)", schedules,
		totals.Events, totals.Commits, totals.Time, totals.Rest, passed.Round(time.Millisecond), float64(schedules)/passed.Seconds())
}

// TestMain lets garbage lie longer: worlds are small and soon over.
func TestMain(m *testing.M) {
	debug.SetGCPercent(400)
	os.Exit(m.Run())
}

func number(t *testing.T, s string) uint64 {
	t.Helper()
	n, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		t.Fatalf("%q is no number", s)
	}
	return n
}

// enough is after how many violations a search ends.
const enough = 3

// search runs the worlds of the seeds from 1 on and gives the violations, and the sum of all results, of Rest the
// longest.
func search(t *testing.T, schedules uint64, workers int, o sim.Options) (found []*sim.ViolationError, sum sim.Result) {
	t.Helper()
	var (
		next  atomic.Uint64
		mu    sync.Mutex
		group sync.WaitGroup
	)
	for range workers {
		group.Go(func() {
			for {
				mine := o
				mine.Seed = next.Add(1)
				mu.Lock()
				over := mine.Seed > schedules || len(found) >= enough
				mu.Unlock()
				if over {
					return
				}
				result, err := sim.Run(t.Context(), mine)
				mu.Lock()
				sum.Events, sum.Commits, sum.Time = sum.Events+result.Events, sum.Commits+result.Commits, sum.Time+result.Time
				sum.Rest = max(sum.Rest, result.Rest)
				if v, ok := errors.AsType[*sim.ViolationError](err); ok {
					found = append(found, v)
				}
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return found, sum
}

// lines is how much of a story is printed.
const lines = 60

// story gives the end of the story of a violation.
func story(t *testing.T, v *sim.ViolationError, o sim.Options) string {
	t.Helper()
	var text strings.Builder
	o.Seed, o.Story = v.Seed, &text
	_, _ = sim.Run(t.Context(), o)
	all := strings.Split(strings.TrimSpace(text.String()), "\n")
	if len(all) > lines {
		all = append([]string{"…"}, all[len(all)-lines:]...)
	}
	return strings.Join(all, "\n") + "\nThe whole story: go test ./internal/sim -run 'TestSim$' -seed " + strconv.FormatUint(v.Seed, 10)
}

// TestSameSeedSameRun runs worlds twice and compares all that was written.
func TestSameSeedSameRun(t *testing.T) {
	t.Parallel()
	for seed := range uint64(40) {
		first, err := sim.Run(t.Context(), sim.Options{Seed: seed + 1, Hash: true})
		if err != nil {
			t.Fatal(err)
		}
		second, err := sim.Run(t.Context(), sim.Options{Seed: seed + 1, Hash: true})
		if err != nil {
			t.Fatal(err)
		}
		if first != second {
			t.Errorf("seed %d: got %+v, then %+v", seed+1, first, second)
		}
	}
}

func runWorld(tb testing.TB, seed uint64) {
	tb.Helper()
	if _, err := sim.Run(tb.Context(), sim.Options{Seed: seed}); err != nil {
		tb.Fatal(err)
	}
}
