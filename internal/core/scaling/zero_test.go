package scaling_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
)

// zero is what stories say of a service that may have no tasks.
func (s *story) zero(what string, words []string) {
	s.t.Helper()
	z := scaling.Zero{Metric: "Demo RequestCount"}
	if s.in.Zero != nil {
		z = *s.in.Zero
	}
	switch {
	case what == "zero" && words[0] == "off":
		s.in.Zero = nil
		return
	case what == "zero" && words[0] == "problem":
		z.Problem = strings.ReplaceAll(words[1], "_", " ")
	case what == "zero":
		z.Problem, z.Idle, z.Used, z.Measured = "", s.duration(words[0]), s.in.Now, s.in.Now
	case what == "waiting" && words[0] == "nobody":
		z.Waiting = nil
	case what == "waiting":
		z.Waiting = &scaling.Waiting{What: "request", Balancer: "b1", Group: words[0], Since: s.in.Now}
	default:
		z.Used, z.Measured = s.in.Now.Add(-s.duration(words[0])), s.in.Now
		if len(words) > 1 {
			z.Measured = s.in.Now.Add(-s.duration(strings.TrimPrefix(words[1], "measured=")))
		}
	}
	s.in.Zero = &z
}

// TestZeroOnlyIfIdle looks at when all tasks are taken away, and when the first one is started.
func TestZeroOnlyIfIdle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := scaling.Input{
			Now:     start(),
			State:   &model.ScalingState{},
			Desired: rapid.IntRange(0, 5).Draw(t, "desired"),
			Target: &model.ScalableTarget{
				Region: "eu-west-1", Resource: "service/demo/web", Min: rapid.IntRange(0, 1).Draw(t, "min"), Max: rapid.IntRange(1, 5).Draw(t, "max"),
				Suspended: model.Suspended{In: rapid.Bool().Draw(t, "in"), Out: rapid.Bool().Draw(t, "out")},
			},
			Deploying: rapid.Bool().Draw(t, "deploying"),
		}
		z := &scaling.Zero{Idle: time.Minute}
		z.Measured = in.Now.Add(-time.Duration(rapid.IntRange(0, 20).Draw(t, "late")) * time.Second)
		z.Used = z.Measured.Add(-time.Duration(rapid.IntRange(-10, 120).Draw(t, "idle")) * time.Second)
		if rapid.Bool().Draw(t, "waits") {
			z.Waiting = &scaling.Waiting{What: "connection", Group: "g", Since: in.Now}
		}
		in.Zero = z
		d := scaling.Decide(in)
		woken := in.Desired == 0 && z.Waiting != nil && !in.Target.Suspended.Out
		slept := in.Desired > 0 && z.Waiting == nil && in.Target.Min == 0 && z.Measured.Sub(z.Used) >= z.Idle &&
			in.Now.Sub(z.Measured) <= scaling.UseGap && !in.Target.Suspended.In && !in.Deploying
		want := in.Desired
		switch {
		case woken:
			want = 1
		case slept:
			want = 0
		}
		if d.Desired != want {
			t.Fatalf("desired %d, want %d", d.Desired, want)
		}
		if d.Change && !d.Cause.Complete() {
			t.Fatalf("the causes end inside: %+v", d.Cause)
		}
		if !d.Wake.IsZero() && !d.Wake.After(in.Now) {
			t.Fatalf("it would look again at once: %v", d.Wake)
		}
		in.State, in.Desired = &d.State, d.Desired
		if again := scaling.Decide(in); len(again.Told) > 0 {
			t.Fatalf("told again: %q", again.Told)
		}
	})
}

// TestLastUse has seconds measured, left out and used at random, read at once and piece by piece.
func TestLastUse(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 120).Draw(t, "seconds")
		var uses []scaling.Use
		used, measured := start(), start()
		for i := range n {
			at := start().Add(time.Duration(i) * time.Second)
			kind := rapid.SampledFrom([]string{"idle", "idle", "idle", "idle", "idle", "idle", "used", "missing", "missing"}).Draw(t, "kind")
			if kind == "missing" {
				continue
			}
			if at.Sub(measured) > scaling.UseGap {
				used = at
			}
			value := 0.0
			if kind == "used" {
				value, used = 1, at.Add(time.Second)
			}
			measured = at.Add(time.Second)
			uses = append(uses, scaling.Use{At: at, Value: value})
		}
		now := start().Add(time.Duration(n) * time.Second)
		if now.Sub(measured) > scaling.UseGap {
			used, measured = now, now
		}
		gotUsed, gotMeasured := scaling.LastUse(start(), start(), now, uses)
		if !gotUsed.Equal(used) || !gotMeasured.Equal(measured) {
			t.Fatalf("at once: used %v measured %v, want %v %v", gotUsed, gotMeasured, used, measured)
		}
		cut := rapid.IntRange(0, len(uses)).Draw(t, "cut")
		between := start()
		if cut > 0 {
			between = uses[cut-1].At.Add(time.Second)
		}
		u, m := scaling.LastUse(start(), start(), between, uses[:cut])
		if u, m = scaling.LastUse(u, m, now, uses); !u.Equal(used) || !m.Equal(measured) {
			t.Fatalf("in two parts: used %v measured %v, want %v %v", u, m, used, measured)
		}
	})
}
