package scaling_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
)

// inputs generates what may be known of a target: policies of both types with alarms in any state, cool-downs, windows.
func inputs() *rapid.Generator[scaling.Input] {
	return rapid.Custom(func(t *rapid.T) scaling.Input {
		n := func(what string, lo, hi int) int { return rapid.IntRange(lo, hi).Draw(t, what) }
		lower := n("min", 0, 10)
		in := scaling.Input{
			Now: start(), Running: n("running", 0, 30), Desired: n("desired", 0, 30),
			Deploying: n("deploying", 0, 4) == 0, External: n("external", 0, 4) == 0, Fast: n("fast", 0, 5) == 0,
			Target: &model.ScalableTarget{Region: "eu-west-1", Resource: "service/demo/web", Min: lower, Max: lower + n("more", 0, 30)},
			State:  &model.ScalingState{Cooldowns: map[string]model.Cooldown{}, Recent: map[string][]model.Proposal{}, LastActivity: 7},
		}
		in.Target.Suspended = model.Suspended{In: n("in", 0, 9) == 0, Out: n("out", 0, 9) == 0}
		for i := range n("policies", 1, 4) {
			name := fmt.Sprintf("p%d", i)
			if n("type", 0, 2) == 0 {
				addStep(t, &in, name)
			} else {
				addTracking(t, &in, name)
			}
			if n("cooldown", 0, 2) == 0 {
				c := model.Cooldown{Activity: i, From: n("from", 0, 30), To: n("to", 0, 30)}
				if rapid.Bool().Draw(t, "began") {
					c.Began = in.Now.Add(-time.Duration(n("ago", 0, 400)) * time.Second)
				}
				in.State.Cooldowns[name] = c
			}
		}
		return in
	})
}

func points(t *rapid.T, lo, hi float64) []float64 {
	return rapid.SliceOfN(rapid.Float64Range(lo, hi), 0, 5).Draw(t, "points")
}

func addStep(t *rapid.T, in *scaling.Input, name string) {
	zero := 0.0
	kind := rapid.SampledFrom([]string{model.ChangeInCapacity, model.PercentChangeInCapacity, model.ExactCapacity}).Draw(t, "adjustment")
	change := rapid.IntRange(-50, 50).Draw(t, "change")
	if kind == model.ExactCapacity {
		change = max(change, -change)
	}
	in.Policies = append(in.Policies, &model.ScalingPolicy{Name: name, Step: &model.Step{
		Adjustment: kind, Cooldown: 300 * time.Second, Steps: []model.StepRange{{Lower: &zero, Change: change}, {Upper: &zero, Change: -change}},
	}})
	in.Signals = append(in.Signals, scaling.Signal{
		Policy: name, State: alarmValue(t), Fire: rapid.Bool().Draw(t, "fire"), Points: points(t, 0, 100),
		Alarm: &model.Alarm{Name: name + "-alarm", Threshold: 50, Comparison: model.Greater},
	})
}

func alarmValue(t *rapid.T) model.AlarmValue {
	return rapid.SampledFrom([]model.AlarmValue{model.AlarmOK, model.AlarmAlarm, model.AlarmInsufficient}).Draw(t, "value")
}

func addTracking(t *rapid.T, in *scaling.Input, name string) {
	p := &model.ScalingPolicy{Name: name, Tracking: &model.Tracking{
		Value: 50, InCooldown: 300 * time.Second, OutCooldown: 300 * time.Second,
		NoScaleIn: rapid.IntRange(0, 3).Draw(t, "never in") == 0, Fast: rapid.IntRange(0, 3).Draw(t, "fast") == 0,
	}}
	in.Policies = append(in.Policies, p)
	for _, high := range []bool{true, false} {
		s := scaling.Signal{
			Policy: name, High: high, Fire: rapid.Bool().Draw(t, "fire"), State: alarmValue(t),
			Alarm: &model.Alarm{Name: fmt.Sprint(name, "-high-", high), Threshold: 50},
		}
		s.Points = points(t, 0, 44.9)
		if high {
			s.Points = points(t, 0, 200)
			if s.State == model.AlarmAlarm {
				s.Points = points(t, 50.1, 200)
			}
		}
		if !high && p.Tracking.NoScaleIn {
			continue
		}
		in.Signals = append(in.Signals, s)
	}
	series := scaling.Series{Policy: name}
	for i := range rapid.IntRange(0, 5).Draw(t, "seconds") {
		series.Points = append(series.Points, scaling.Second{
			At: in.Now.Add(-time.Duration(i) * time.Second), Value: rapid.Float64Range(0, 200).Draw(t, "value"), Running: in.Running,
		})
	}
	in.Series = append(in.Series, series)
	if rapid.Bool().Draw(t, "window") {
		in.State.Recent[name] = []model.Proposal{
			{At: in.Now.Add(-time.Second), Count: rapid.IntRange(0, 30).Draw(t, "proposal")},
		}
	}
}

// asText is a value in bytes, to be compared.
func asText(t *rapid.T, v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestDecideAlways has what holds of every decision: it is the same for the same input in any order, changes none of it,
// keeps the bounds, and tells with complete causes what it does.
func TestDecideAlways(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := inputs().Draw(t, "in")
		before := asText(t, in)
		d := scaling.Decide(in)
		if after := asText(t, in); after != before {
			t.Fatalf("the input was changed: %s", cmp.Diff(before, after))
		}
		shuffled := in
		shuffled.Policies = rapid.Permutation(in.Policies).Draw(t, "policies")
		shuffled.Signals = rapid.Permutation(in.Signals).Draw(t, "signals")
		shuffled.Series = rapid.Permutation(in.Series).Draw(t, "series")
		for _, same := range []scaling.Input{in, shuffled} {
			if again := scaling.Decide(same); asText(t, again) != asText(t, d) {
				t.Fatalf("another decision: %s", cmp.Diff(d, again))
			}
		}
		if d.Change != (d.Desired != in.Desired) || d.Change && (d.Desired < in.Target.Min || d.Desired > in.Target.Max) {
			t.Fatalf("desired %d → %d, bounds %d and %d", in.Desired, d.Desired, in.Target.Min, in.Target.Max)
		}
		if !d.Wake.IsZero() && !d.Wake.After(in.Now) {
			t.Fatalf("wakes at %s", d.Wake)
		}
		checkActivities(t, in, d)
	})
}

func checkActivities(t *rapid.T, in scaling.Input, d scaling.Decision) {
	sets := -1
	for i, a := range d.Activities {
		if a.Number != in.State.LastActivity+1+i || !a.Cause.Complete() || a.Description == "" || a.CauseText == "" || a.Inputs == nil {
			t.Fatalf("activity %d: %s", i, asText(t, a))
		}
		if a.Desired >= 0 {
			sets = a.Desired
		}
	}
	if d.State.LastActivity != in.State.LastActivity+len(d.Activities) {
		t.Fatalf("last activity %d", d.State.LastActivity)
	}
	if d.Change && sets != d.Desired || !d.Change && sets >= 0 {
		t.Fatalf("desired %d → %d, the activities say %d", in.Desired, d.Desired, sets)
	}
}

// isFast says whether a policy is decided upon by its seconds.
func isFast(in scaling.Input, p *model.ScalingPolicy) []scaling.Second {
	i := slices.IndexFunc(in.Series, func(s scaling.Series) bool { return s.Policy == p.Name })
	if i < 0 || len(in.Series[i].Points) < 2 || !p.Tracking.Fast && !in.Fast {
		return nil
	}
	return in.Series[i].Points
}

// load is the work of the running tasks, in their number at the target value, as a policy's measurements say.
func load(in scaling.Input, p *model.ScalingPolicy, value func([]float64) float64) (float64, bool) {
	var all []float64
	for _, s := range isFast(in, p) {
		all = append(all, s.Value/float64(len(isFast(in, p)))) // summed up below
	}
	running := in.Running
	if len(all) > 0 {
		sum := 0.0
		for _, v := range all {
			sum += v
		}
		return sum * float64(running) / 50, true
	}
	for _, s := range in.Signals {
		if s.Policy == p.Name && s.State == model.AlarmAlarm && len(s.Points) > 0 {
			all = append(all, value(s.Points))
		}
	}
	if in.Deploying {
		running = min(running, in.Desired)
	}
	if len(all) == 0 {
		return 0, false
	}
	return slices.Max(all) * float64(running) / 50, true
}

// TestScaleIn: nobody scales in while a policy wants more than run, nor to where a target tracking policy would at once
// want more.
func TestScaleIn(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		in := inputs().Draw(t, "in")
		d := scaling.Decide(in)
		if d.Desired >= in.Desired || d.Desired == in.Target.Max && in.Desired > in.Target.Max {
			return
		}
		byTracking := d.Activities[len(d.Activities)-1].Policy
		for _, p := range in.Policies {
			if p.Step != nil {
				if p.Name == byTracking {
					byTracking = ""
				}
				continue
			}
			if tasks, ok := load(in, p, func(points []float64) float64 { return points[0] }); ok && wantsOut(in, p, tasks) {
				t.Fatalf("%d → %d, and %s needs %v", in.Desired, d.Desired, p.Name, tasks)
			}
		}
		if byTracking == "" {
			return
		}
		for _, p := range in.Policies {
			if p.Tracking == nil {
				continue
			}
			if tasks, ok := load(in, p, slices.Max[[]float64]); ok && in.Running > 0 && tasks > float64(d.Desired)+1e-6 {
				t.Fatalf("%d → %d: %s needs %v at once", in.Desired, d.Desired, p.Name, tasks)
			}
		}
	})
}

// wantsOut says that a tracking policy needs more than it reckons from.
func wantsOut(in scaling.Input, p *model.ScalingPolicy, tasks float64) bool {
	if isFast(in, p) != nil {
		return tasks > float64(in.Desired)+1e-6
	}
	high := slices.ContainsFunc(in.Signals, func(s scaling.Signal) bool {
		return s.Policy == p.Name && s.High && s.State == model.AlarmAlarm && len(s.Points) > 0
	})
	base := in.Running
	if in.Deploying {
		base = min(base, in.Desired)
	}
	return high && tasks > float64(base)+1e-6
}
