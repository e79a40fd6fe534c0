package rollout_test

import (
	"testing"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/rollout"
)

// TestHeal has services of four tasks of which some are unhealthy.
func TestHeal(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		c    rollout.Counts
		want rollout.Healing
	}{
		"all are replaced at once": {
			rollout.Counts{Desired: 4, Lower: 4, Upper: 8, Fresh: 4, FreshUnhealthy: 4},
			rollout.Healing{Unhealthy: 4, Coming: 4},
		},
		"all are unhealthy, two more may be alive": {
			rollout.Counts{Desired: 4, Lower: 4, Upper: 6, Fresh: 4, FreshUnhealthy: 4},
			rollout.Healing{Unhealthy: 4, Coming: 2, Held: 2},
		},
		"and so it is while these two start": {
			rollout.Counts{Desired: 4, Lower: 4, Upper: 6, Fresh: 6, FreshUnhealthy: 4},
			rollout.Healing{Unhealthy: 4, Coming: 2, Held: 2},
		},
		"and when they are unhealthy too": {
			rollout.Counts{Desired: 4, Lower: 4, Upper: 6, Fresh: 6, FreshUnhealthy: 6},
			rollout.Healing{Unhealthy: 6, Coming: 2, Held: 2},
		},
		"they are healthy: two stop, two start": {
			rollout.Counts{Desired: 4, Lower: 4, Upper: 6, Fresh: 6, FreshUnhealthy: 4, FreshHealthy: 2},
			rollout.Healing{Unhealthy: 4, Coming: 2},
		},
		"one at a time": {
			rollout.Counts{Desired: 4, Lower: 2, Upper: 4, Fresh: 4, FreshUnhealthy: 4},
			rollout.Healing{Unhealthy: 4, Coming: 1, Held: 3},
		},
		"old ones have to run until new ones do": {
			rollout.Counts{Desired: 4, Lower: 4, Upper: 6, Stale: 4, StaleUnhealthy: 4},
			rollout.Healing{Unhealthy: 4, Coming: 2, Held: 2},
		},
		"a new version that does not work, and the old one does": {
			rollout.Counts{Desired: 4, Lower: 4, Upper: 8, Fresh: 4, FreshUnhealthy: 4, Stale: 4, StaleHealthy: 4},
			rollout.Healing{Unhealthy: 4, Coming: 1},
		},
		"a failed deployment": {
			rollout.Counts{Desired: 4, Lower: 4, Upper: 6, Fresh: 4, FreshUnhealthy: 4, Frozen: true},
			rollout.Healing{Unhealthy: 4},
		},
	} {
		if got := rollout.Heal(c.c, rollout.Decide(c.c)); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

// TestHealWithinBounds: a task is held back only if it is unhealthy, and where no other one may be alive.
func TestHealWithinBounds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawCounts(t)
		a := rollout.Decide(c)
		h := rollout.Heal(c, a)
		if h.Held < 0 || h.Coming < 0 || h.Held > h.Unhealthy {
			t.Fatalf("%+v of %+v from %+v", h, a, c)
		}
		stops := a.StopSurplus + a.StopUnhealthy + a.StopUseless + a.StopStale
		if alive := c.Fresh + c.Stale - stops + a.Start + a.Restore; h.Held > 0 && alive < c.Upper {
			t.Fatalf("%+v, with %d of %d alive: %+v from %+v", h, alive, c.Upper, a, c)
		}
	})
}
