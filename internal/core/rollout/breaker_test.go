package rollout_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/rollout"
	"github.com/maitred/maitred/internal/model"
)

// TestThreshold has the examples of the developer guide, and the other ways to give a threshold.
func TestThreshold(t *testing.T) {
	t.Parallel()
	half := &model.CircuitBreaker{Type: model.BoundedPercent, Value: 50}
	for _, c := range []struct {
		b             *model.CircuitBreaker
		desired, want int
	}{
		{half, 1, 3},
		{half, 6, 3},
		{half, 7, 4},
		{half, 25, 13},
		{half, 400, 200},
		{half, 800, 200},
		{half, 0, 3},
		{&model.CircuitBreaker{Type: model.BoundedPercent, Value: 10}, 45, 5},
		{&model.CircuitBreaker{Type: model.UnboundedPercent, Value: 50}, 800, 400},
		{&model.CircuitBreaker{Type: model.UnboundedPercent, Value: 50}, 2, 1},
		{&model.CircuitBreaker{Type: model.UnboundedPercent, Value: 50}, 0, 1},
		{&model.CircuitBreaker{Type: model.CountOfTasks, Value: 7}, 800, 7},
		{nil, 10, 0},
	} {
		if got := rollout.Threshold(c.b, c.desired); got != c.want {
			t.Errorf("%+v of %d: got %d, want %d", c.b, c.desired, got, c.want)
		}
	}
}

func TestTally(t *testing.T) {
	t.Parallel()
	two := rollout.Tally{}.Fail().Fail()
	for name, c := range map[string]struct {
		got  rollout.Tally
		want int
	}{
		"each failure counts":                    {two, 2},
		"a task that becomes healthy":            {two.See(1, false), 0},
		"unless the count is kept":               {two.See(1, true), 2},
		"one that is healthy already":            {two.See(1, false).Fail().See(1, false), 1},
		"one that was healthy and is not":        {two.See(1, true).See(0, false), 2},
		"another one in the place of a lost one": {two.See(1, true).See(0, false).See(1, false), 0},
	} {
		if c.got.Failures != c.want {
			t.Errorf("%s: %d failures are counted, want %d", name, c.got.Failures, c.want)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s    rollout.Signs
		want rollout.Ending
	}{
		{rollout.Signs{}, rollout.GoesOn},
		{rollout.Signs{Failures: 100}, rollout.GoesOn},
		{rollout.Signs{Failures: 2, Threshold: 3}, rollout.GoesOn},
		{rollout.Signs{Failures: 3, Threshold: 3}, rollout.TasksFailed},
		{rollout.Signs{Failures: 5, Threshold: 3, Alarm: true}, rollout.TasksFailed},
		{rollout.Signs{Failures: 2, Threshold: 3, Alarm: true}, rollout.AlarmDetected},
		{rollout.Signs{Failures: 3, Threshold: 3, Alarm: true, Asked: true}, rollout.Asked},
	} {
		if got := rollout.Judge(c.s); got != c.want {
			t.Errorf("%+v: got %d, want %d", c.s, got, c.want)
		}
	}
}

// TestBackTo: a rollback leads to the newest deployment that is completed, never to the failed one, and one that is itself a
// rollback leads nowhere.
func TestBackTo(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		var current []*model.Deployment
		for i := range rapid.IntRange(1, 6).Draw(t, "deployments") {
			d := &model.Deployment{
				ID:        fmt.Sprint(i),
				Rollout:   rapid.SampledFrom([]model.Rollout{model.RolloutCompleted, model.RolloutInProgress, model.RolloutFailed}).Draw(t, "rollout"),
				CreatedAt: time.Unix(int64(rapid.IntRange(0, 99).Draw(t, "created")), int64(i)),
			}
			current = append(current, d)
		}
		failed := rapid.SampledFrom(current).Draw(t, "failed")
		failed.Rollout = model.RolloutFailed
		if rapid.Bool().Draw(t, "a rollback") {
			failed.RollsBack = "0"
		}
		got := rollout.BackTo(failed, current)
		for _, d := range current {
			may := d.Rollout == model.RolloutCompleted && failed.RollsBack == ""
			if may && (got == nil || got.CreatedAt.Before(d.CreatedAt)) {
				t.Fatalf("got %+v, but %+v is newer", got, d)
			}
		}
		if got != nil && (got.Rollout != model.RolloutCompleted || got == failed || failed.RollsBack != "") {
			t.Fatalf("got %+v for %+v", got, failed)
		}
	})
}

// TestFailingEnds: a deployment of which no task works starts no more tasks than the threshold and those that may be under way
// when it is reached, and takes no healthy old task below the lower bound.
func TestFailingEnds(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		c := rollout.Counts{Desired: rapid.IntRange(1, 30).Draw(t, "desired")}
		c.Lower, c.Upper = rollout.Bounds(c.Desired, rapid.IntRange(0, 100).Draw(t, "min"), 100+rapid.IntRange(0, 100).Draw(t, "max"))
		c.Stale, c.StaleHealthy = c.Desired, c.Desired
		breaker := &model.CircuitBreaker{Type: model.BoundedPercent, Value: rapid.IntRange(1, 100).Draw(t, "percent")}
		threshold := rollout.Threshold(breaker, c.Desired)
		tally, started := rollout.Tally{}, 0
		for rollout.Judge(rollout.Signs{Failures: tally.Failures, Threshold: threshold}) == rollout.GoesOn {
			a := rollout.Decide(c)
			if a.Stuck {
				return
			}
			c.Stale, c.StaleHealthy = c.Stale-a.StopStale, c.StaleHealthy-a.StopStale
			c.Fresh += a.Start
			if started += a.Start; c.Fresh == 0 {
				t.Fatalf("nothing starts, and nothing has failed: %+v", c)
			}
			for range rapid.IntRange(1, c.Fresh).Draw(t, "fail") { // one after the other, or several together
				c.Fresh, tally = c.Fresh-1, tally.See(0, false).Fail()
			}
		}
		if started > threshold+c.Upper {
			t.Fatalf("%d tasks were started, with a threshold of %d and %d at once", started, threshold, c.Upper)
		}
		if c.StaleHealthy < c.Lower {
			t.Fatalf("%d healthy tasks stay, %d must", c.StaleHealthy, c.Lower)
		}
	})
}
