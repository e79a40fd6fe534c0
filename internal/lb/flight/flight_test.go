package flight_test

import (
	"sync"
	"sync/atomic"
	"testing"

	"github.com/maitred/maitred/internal/lb/flight"
)

// TestDrainedOnce closes a target while requests take off and land: none takes off after it was said to be drained.
func TestDrainedOnce(t *testing.T) {
	t.Parallel()
	for range 200 {
		var drained atomic.Bool
		set := flight.New(func(string) { drained.Store(true) })
		target := set.Target("a")
		var wg sync.WaitGroup
		for range 4 {
			wg.Go(func() {
				for range 50 {
					if !target.Begin() {
						continue
					}
					if drained.Load() {
						t.Error("a request takes off to a target that is drained")
					}
					target.End()
				}
			})
		}
		if target.Close() {
			drained.Store(true)
		}
		wg.Wait()
		if !drained.Load() {
			t.Error("the last request has landed, and nobody was told")
		}
		if target.Begin() {
			t.Error("a request takes off to a closed target")
		}
	}
}

func TestForgetQuits(t *testing.T) {
	t.Parallel()
	set := flight.New(func(string) {})
	kept, gone := set.Target("kept"), set.Target("gone")
	set.Forget(func(path string) bool { return path == "kept" })
	select {
	case <-gone.Quitted():
	default:
		t.Error("what is in flight to a forgotten target does not hear of it")
	}
	if set.Target("kept") != kept || set.Target("gone") == gone {
		t.Error("Forget forgets the wrong target")
	}
}

// TestDropQuits is the same for one target.
func TestDropQuits(t *testing.T) {
	t.Parallel()
	set := flight.New(func(string) {})
	kept, gone := set.Target("kept"), set.Target("gone")
	set.Drop("gone")
	set.Drop("unknown")
	select {
	case <-gone.Quitted():
	default:
		t.Error("what is in flight to a dropped target does not hear of it")
	}
	if set.Target("kept") != kept || set.Target("gone") == gone {
		t.Error("Drop forgets the wrong target")
	}
}

// TestOpenAgain registers a target again after all that was in flight was told to quit.
func TestOpenAgain(t *testing.T) {
	t.Parallel()
	target := flight.New(func(string) {}).Target("a")
	old := target.Quitted()
	target.Close()
	target.Quit()
	target.Open()
	if !target.Begin() {
		t.Error("nothing takes off to a target that is open again")
	}
	select {
	case <-target.Quitted():
		t.Error("what takes off now is told to quit")
	case <-old:
	}
}
