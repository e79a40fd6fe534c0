package probe_test

import (
	"slices"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/lb/probe"
	"github.com/maitred/maitred/internal/model"
)

// TestWaitedFor has a target that requests wait for begin to listen after a while: that is found out soon.
func TestWaitedFor(t *testing.T) {
	inWorld(t, probe.Config{}, func(w *world) {
		g := group()
		g.Wake = &model.Wake{}
		w.behave("a", refused)
		w.set(target("a", g))
		w.wait(600 * time.Millisecond)
		w.behave("a", ok)
		w.wait(10 * time.Second)
		starts := w.starts("a")
		i := slices.IndexFunc(starts, func(d time.Duration) bool { return d >= 600*time.Millisecond })
		if i < 0 || starts[i] > 900*time.Millisecond || i > 7 {
			t.Errorf("it was checked at %v", starts)
		}
		if len(starts) > i+3 {
			t.Errorf("a healthy target is checked all the time: %v", starts)
		}
	})
}
