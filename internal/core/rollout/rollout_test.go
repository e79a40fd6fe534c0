package rollout_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/rollout"
)

// TestBounds has the examples of the developer guide: the lower bound is rounded up, the upper one down.
func TestBounds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ d, min, max, lower, upper int }{
		{4, 100, 200, 4, 8},
		{4, 50, 100, 2, 4},
		{10, 100, 150, 10, 15},
		{1, 100, 200, 1, 2},
		{1, 0, 100, 0, 1},
		{1, 50, 100, 1, 1},
		{3, 100, 125, 3, 3},
		{2, 75, 100, 2, 2},
		{3, 66, 133, 2, 3},
		{5, 50, 120, 3, 6},
		{0, 100, 200, 0, 0},
	} {
		lower, upper := rollout.Bounds(c.d, c.min, c.max)
		if lower != c.lower || upper != c.upper {
			t.Errorf("Bounds(%d, %d, %d) = %d, %d; want %d, %d", c.d, c.min, c.max, lower, upper, c.lower, c.upper)
		}
	}
}

// world is a service reduced to numbers, in which tasks start and become healthy one step after they were asked to.
type world struct {
	c       rollout.Counts
	pending int // fresh tasks not yet healthy
}

func (w *world) apply(a rollout.Allowance) {
	w.c.Stale += a.Restore - a.StopStale - a.StopUseless
	w.c.StaleLost -= a.Restore
	unready := w.c.Stale + a.StopStale - w.c.StaleHealthy
	w.c.StaleHealthy -= max(0, a.StopStale-max(0, unready))
	w.c.StaleUnhealthy, w.c.StaleSurplus = 0, 0
	w.c.Fresh += a.Start - a.StopSurplus - a.StopUnhealthy
	w.c.FreshUnhealthy -= a.StopUnhealthy
	fromPending := min(w.pending, a.StopSurplus)
	w.c.FreshHealthy -= a.StopSurplus - fromPending
	w.pending += a.Start - fromPending
}

// settle makes all that started healthy.
func (w *world) settle() {
	w.c.FreshHealthy += w.pending
	w.pending = 0
	w.c.StaleHealthy = w.c.Stale
}

// TestRollouts follows deployments of healthy programs from the first step to the last, as the guide's examples do.
func TestRollouts(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		d, min, max int
		want        string // starts/stops of each round
		stuck       bool
	}{
		{4, 100, 200, "+4-0 +0-4", false},
		{4, 50, 100, "+2-2 +2-2", false},
		{10, 100, 150, "+5-0 +5-5 +0-5", false},
		{1, 100, 200, "+1-0 +0-1", false},
		{1, 0, 100, "+1-1", false},
		{1, 50, 100, "", true},
		{3, 100, 125, "", true},
		{2, 75, 100, "", true},
		{3, 66, 133, "+1-1 +1-1 +1-1", false},
		{5, 50, 120, "+3-2 +2-2 +0-1", false},
		{0, 100, 200, "", false},
	} {
		lower, upper := rollout.Bounds(c.d, c.min, c.max)
		w := world{c: rollout.Counts{Desired: c.d, Lower: lower, Upper: upper, Stale: c.d, StaleHealthy: c.d}}
		got := ""
		stuck := false
		for range 20 {
			a := rollout.Decide(w.c)
			stuck = a.Stuck
			if a.Idle() {
				break
			}
			if got != "" {
				got += " "
			}
			got += fmt.Sprintf("+%d-%d", a.Start, a.StopStale)
			w.apply(a)
			w.settle()
		}
		if got != c.want || stuck != c.stuck {
			t.Errorf("%d tasks, %d/%d: got %q (stuck %v), want %q (stuck %v)", c.d, c.min, c.max, got, stuck, c.want, c.stuck)
		}
		if !stuck && !rollout.Complete(w.c, 0) {
			t.Errorf("%d tasks, %d/%d: ended without completing: %+v", c.d, c.min, c.max, w.c)
		}
	}
}

// TestUnhealthy has the cases of "unhealthy tasks" in the guide.
func TestUnhealthy(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		c    rollout.Counts
		want rollout.Allowance
	}{
		"a replacement starts first": {
			rollout.Counts{Desired: 1, Lower: 1, Upper: 2, Fresh: 1, FreshUnhealthy: 1},
			rollout.Allowance{Start: 1},
		},
		"the unhealthy one waits for its replacement": {
			rollout.Counts{Desired: 1, Lower: 1, Upper: 2, Fresh: 2, FreshUnhealthy: 1},
			rollout.Allowance{},
		},
		"and goes when the replacement is healthy": {
			rollout.Counts{Desired: 1, Lower: 1, Upper: 2, Fresh: 2, FreshUnhealthy: 1, FreshHealthy: 1},
			rollout.Allowance{StopUnhealthy: 1},
		},
		"of two unhealthy ones, one goes and another starts": {
			rollout.Counts{Desired: 1, Lower: 1, Upper: 2, Fresh: 2, FreshUnhealthy: 2},
			rollout.Allowance{StopUnhealthy: 1, Start: 1},
		},
		"without room, one at a time": {
			rollout.Counts{Desired: 3, Lower: 0, Upper: 3, Fresh: 3, FreshUnhealthy: 3},
			rollout.Allowance{StopUnhealthy: 1, Start: 1},
		},
		"an unhealthy old task waits for one that runs in its place": {
			rollout.Counts{Desired: 2, Lower: 2, Upper: 4, Fresh: 2, Stale: 2, StaleHealthy: 1, StaleUnhealthy: 1},
			rollout.Allowance{},
		},
		"and goes then": {
			rollout.Counts{Desired: 2, Lower: 2, Upper: 4, Fresh: 2, FreshHealthy: 1, Stale: 2, StaleHealthy: 1, StaleUnhealthy: 1},
			rollout.Allowance{StopUseless: 1},
		},
		"old tasks that all are unhealthy stay as far as the lower bound says": {
			rollout.Counts{Desired: 4, Lower: 2, Upper: 8, Stale: 4, StaleUnhealthy: 4},
			rollout.Allowance{StopUseless: 2, Start: 4},
		},
		"without room, old ones go one at a time": {
			rollout.Counts{Desired: 3, Lower: 3, Upper: 3, Stale: 3, StaleUnhealthy: 3},
			rollout.Allowance{StopUseless: 1, Start: 1},
		},
		"and is not in the way of a new one before it runs": {
			rollout.Counts{Desired: 4, Lower: 3, Upper: 5, Fresh: 2, Stale: 3, StaleHealthy: 2, StaleOwed: 1},
			rollout.Allowance{},
		},
		"a task that is protected before it is healthy stays": {
			rollout.Counts{Desired: 1, Lower: 1, Upper: 2, Fresh: 2, FreshHealthy: 1, FreshHeld: 1},
			rollout.Allowance{Protected: 1},
		},
		"a lost old task comes back when too few are healthy": {
			rollout.Counts{Desired: 4, Lower: 2, Upper: 4, Fresh: 2, Stale: 1, StaleHealthy: 1, StaleLost: 1},
			rollout.Allowance{Restore: 1},
		},
	} {
		if got := rollout.Decide(c.c); got != c.want {
			t.Errorf("%s: got %+v, want %+v", name, got, c.want)
		}
	}
}

func drawCounts(t *rapid.T) rollout.Counts {
	n := func(name string, most int) int { return rapid.IntRange(0, most).Draw(t, name) }
	c := rollout.Counts{Desired: n("desired", 12)}
	c.Lower, c.Upper = rollout.Bounds(c.Desired, n("min", 100), 100+n("max", 100))
	c.FreshHealthy, c.FreshUnhealthy = n("freshHealthy", 12), n("freshUnhealthy", 4)
	c.Fresh = c.FreshHealthy + c.FreshUnhealthy + n("freshPending", 4)
	c.FreshProtected = n("freshProtected", c.FreshHealthy)
	c.FreshHeld = n("freshHeld", c.Fresh-c.FreshHealthy-c.FreshUnhealthy)
	c.StaleHealthy, c.StaleUnhealthy, c.StaleSurplus = n("staleHealthy", 12), n("staleUnhealthy", 4), n("staleSurplus", 4)
	c.Stale = c.StaleHealthy + c.StaleUnhealthy + c.StaleSurplus + n("staleUnready", 4)
	c.StaleProtected = n("staleProtected", c.StaleHealthy)
	unready := c.Stale - c.StaleHealthy - c.StaleUnhealthy - c.StaleSurplus
	c.StaleHeld = n("staleHeld", unready)
	c.StaleOwed = n("staleOwed", unready-c.StaleHeld)
	c.StaleLost = n("staleLost", 4)
	switch n("failed", 5) {
	case 0:
		c.Hold, c.StaleLost, c.StaleOwed = true, 0, 0
	case 1:
		c.Frozen, c.StaleLost = true, 0
	}
	return c
}

// TestSafety: from any state, no step takes healthy tasks below the lower bound or alive ones above the upper.
func TestSafety(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawCounts(t)
		a := rollout.Decide(c)
		for _, n := range []int{a.Start, a.Restore, a.StopSurplus, a.StopUnhealthy, a.StopUseless, a.StopStale, a.Protected} {
			if n < 0 {
				t.Fatalf("negative: %+v from %+v", a, c)
			}
		}
		starts := a.Start + a.Restore
		stops := a.StopSurplus + a.StopUnhealthy + a.StopUseless + a.StopStale
		if alive := c.Fresh + c.Stale - stops + starts; starts > 0 && alive > c.Upper {
			t.Fatalf("%d alive, %d may be: %+v from %+v", alive, c.Upper, a, c)
		}
		pendingFresh := c.Fresh - c.FreshHealthy - c.FreshUnhealthy - c.FreshHeld
		unreadyStale := c.Stale - c.StaleHealthy - c.StaleUnhealthy - c.StaleSurplus - c.StaleHeld
		healthyStops := max(0, a.StopSurplus-pendingFresh) + max(0, a.StopStale-unreadyStale)
		if protected := a.StopSurplus - pendingFresh; protected > 0 && protected > c.FreshHealthy-c.FreshProtected {
			t.Fatalf("protected fresh tasks are stopped: %+v from %+v", a, c)
		}
		if protected := a.StopStale - unreadyStale; protected > 0 && protected > c.StaleHealthy-c.StaleProtected {
			t.Fatalf("protected stale tasks are stopped: %+v from %+v", a, c)
		}
		before := c.FreshHealthy + c.StaleHealthy
		if healthyStops > 0 && before-healthyStops < c.Lower {
			t.Fatalf("%d healthy of %d stopped, %d must stay: %+v from %+v", healthyStops, before, c.Lower, a, c)
		}
	})
}

// TestNoTurnabout: a decision that was carried out leaves nothing to decide until something happens. What is started is not
// stopped again, nor the other way round.
func TestNoTurnabout(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawCounts(t)
		c.FreshUnhealthy, c.Fresh = 0, c.Fresh-c.FreshUnhealthy // they go one at a time
		first := rollout.Decide(c)
		after := carriedOut(c, first)
		second := rollout.Decide(after)
		// Where there is no room, unhealthy old ones go one at a time.
		for after.StaleUnhealthy > 0 && second == (rollout.Allowance{Start: second.Start, Restore: second.Restore, StopUseless: 1, Protected: second.Protected}) {
			after = carriedOut(after, second)
			second = rollout.Decide(after)
		}
		if !second.Idle() {
			t.Fatalf("first %+v of %+v, then %+v of %+v", first, c, second, after)
		}
	})
}

// carriedOut are the counts after a decision, before what was started runs. What stops first is what is not healthy.
func carriedOut(c rollout.Counts, a rollout.Allowance) rollout.Counts {
	fresh := min(a.StopSurplus, c.Fresh-c.FreshHealthy-c.FreshHeld)
	c.FreshHealthy -= a.StopSurplus - fresh
	c.Fresh += a.Start - a.StopSurplus
	unready := c.Stale - c.StaleHealthy - c.StaleUnhealthy - c.StaleSurplus - c.StaleHeld
	first := min(a.StopStale, unready-c.StaleOwed)
	owed := min(a.StopStale-first, c.StaleOwed)
	c.StaleHealthy -= a.StopStale - first - owed
	c.StaleOwed += a.Restore - owed
	c.StaleLost -= a.Restore
	c.Stale += a.Restore - a.StopStale - a.StopUseless
	c.StaleUnhealthy, c.StaleSurplus = c.StaleUnhealthy+c.StaleSurplus-a.StopUseless, 0
	return c
}

// TestRest: a decision that was carried out leaves nothing more to decide, and whatever the state, a service without
// protected tasks reaches its end when programs behave, unless the percentages forbid every step.
func TestRest(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawCounts(t)
		c.FreshProtected, c.StaleProtected, c.StaleUnhealthy, c.StaleSurplus = 0, 0, 0, 0
		c.FreshHeld, c.StaleHeld, c.StaleOwed = 0, 0, 0
		c.Hold, c.Frozen = false, false // see TestFailedStays
		c.Stale = max(c.StaleHealthy, c.Stale)
		w := world{c: c, pending: c.Fresh - c.FreshHealthy - c.FreshUnhealthy}
		for range 100 {
			a := rollout.Decide(w.c)
			if a.Stuck {
				return
			}
			before := w
			w.apply(a)
			w.settle()
			if w == before {
				break
			}
		}
		if !rollout.Complete(w.c, 0) || w.c.Fresh != w.c.Desired {
			t.Fatalf("ended in %+v, from %+v", w.c, c)
		}
	})
}

// TestFailedStays: with a failed deployment that is not rolled back, no task of it starts, and the one before it keeps the
// service at its desired count, together with the healthy tasks of the failed one; without one before it, nothing starts.
func TestFailedStays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := drawCounts(t)
		c.FreshProtected, c.StaleProtected, c.FreshUnhealthy, c.StaleUnhealthy, c.StaleSurplus = 0, 0, 0, 0, 0
		c.FreshHeld, c.StaleHeld, c.StaleOwed, c.StaleLost = 0, 0, 0, 0
		c.Hold = rapid.Bool().Draw(t, "hold")
		c.Frozen = !c.Hold
		c.Fresh, c.Stale = max(c.FreshHealthy, c.Fresh), max(c.StaleHealthy, c.Stale)
		w := world{c: c, pending: c.Fresh - c.FreshHealthy}
		for range 100 {
			a := rollout.Decide(w.c)
			if a.Restore > 0 || c.Frozen && a.Start > 0 {
				t.Fatalf("%+v of %+v", a, w.c)
			}
			if a.Stuck || a.Idle() && w.pending == 0 {
				break
			}
			w.apply(a)
			w.c.FreshHealthy, w.pending = w.c.FreshHealthy+w.pending, 0
		}
		if a := rollout.Decide(w.c); c.Hold && !a.Stuck && (w.c.FreshHealthy+w.c.StaleHealthy < c.Desired || w.c.Fresh+w.c.Stale > max(c.Desired, w.c.StaleHealthy)) {
			t.Fatalf("ended in %+v, from %+v", w.c, c)
		}
	})
}
