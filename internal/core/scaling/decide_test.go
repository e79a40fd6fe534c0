package scaling_test

import (
	"encoding/json"
	"fmt"
	"math"
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
		if n("known", 0, 3) > 0 {
			in.State.Target = in.Target.Path()
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
		Alarm: &model.Alarm{
			Name: name + "-alarm", Threshold: 50, Comparison: model.Greater, ActionsEnabled: rapid.IntRange(0, 3).Draw(t, "enabled") > 0,
		},
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
			Alarm: &model.Alarm{
				Name: fmt.Sprint(name, "-high-", high), Threshold: 50, ActionsEnabled: rapid.IntRange(0, 3).Draw(t, "enabled") > 0,
			},
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
			At: in.Now.Add(-time.Duration(i) * time.Second), Value: rapid.Float64Range(0, 200).Draw(t, "value"), Tasks: float64(in.Running),
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
		kept, was := d.State, *in.State
		kept.Recent, was.Recent, was.Target = nil, nil, in.Target.Path()
		if d.Save != (asText(t, kept) != asText(t, was) || in.State.Target == "") {
			t.Fatalf("save %v: %s", d.Save, cmp.Diff(was, kept))
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
		if s.Policy == p.Name && speaks(s) {
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

// speaks says whether an alarm asks for something: one whose actions are disabled could never carry it out.
func speaks(s scaling.Signal) bool {
	return s.State == model.AlarmAlarm && s.Alarm.ActionsEnabled && len(s.Points) > 0
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
		return s.Policy == p.Name && s.High && speaks(s)
	})
	base := in.Running
	if in.Deploying {
		base = min(base, in.Desired)
	}
	return high && tasks > float64(base)+1e-6
}

// FuzzDecide: measurements and targets of any size and sort lead to a count within the bounds.
func FuzzDecide(f *testing.F) {
	f.Add(50.0, 80.0, 3, 3, 1000, false)
	f.Add(-1.0, 1e300, 0, 0, 1<<40, true)
	f.Add(5e-324, math.Inf(1), 1, 5, 10, false)
	f.Add(math.Pow(2, 360), math.NaN(), 1<<40, 7, 10, true)
	f.Fuzz(func(t *testing.T, target, value float64, running, desired, upper int, fast bool) {
		if running < 0 || desired < 0 || upper < 1 || math.IsNaN(target) || math.IsInf(target, 0) {
			return
		}
		p := &model.ScalingPolicy{Name: "p", Tracking: &model.Tracking{Value: target, Fast: fast}}
		second := scaling.Second{At: start(), Value: value, Tasks: float64(running)}
		for _, high := range []bool{true, false} {
			d := scaling.Decide(scaling.Input{
				Now: start(), Target: &model.ScalableTarget{Min: 1, Max: upper}, Policies: []*model.ScalingPolicy{p},
				Running: running, Desired: desired, Series: []scaling.Series{{Policy: "p", Points: []scaling.Second{second, second}}},
				Signals: []scaling.Signal{{
					Policy: "p", High: high, Fire: true, State: model.AlarmAlarm, Points: []float64{value}, Alarm: &model.Alarm{Name: "a", ActionsEnabled: true},
				}},
			})
			if d.Change && (d.Desired < 1 || d.Desired > upper) {
				t.Fatalf("desired %d → %d", desired, d.Desired)
			}
		}
	})
}

// TestCauseOfAlarm: what is known of why an alarm is in its state stands behind what its policy does, else what it measured.
func TestCauseOfAlarm(t *testing.T) {
	t.Parallel()
	known := &model.Cause{Kind: model.CauseAPI, Subject: "SetAlarmState", ID: "r1", At: start()}
	measured := &model.Cause{Kind: model.CauseAlarm, Subject: "high", At: start(), Detail: "a / 10: 80; the threshold is 50"}
	queries := []model.MetricQuery{
		{ID: "a", Metric: &model.Metric{Namespace: "Demo", Name: "Backlog"}, Hidden: true}, {ID: "e", Expression: "a / 10"},
	}
	tracking := &model.ScalingPolicy{Name: "p", Tracking: &model.Tracking{Value: 50, Queries: queries}}
	step := &model.ScalingPolicy{Name: "p", Step: &model.Step{
		Adjustment: model.ChangeInCapacity, Steps: []model.StepRange{{Lower: new(float64), Change: 1}},
	}}
	for _, c := range []struct {
		policy *model.ScalingPolicy
		by     *model.Cause
		detail string
	}{
		{tracking, known, "ceil(1 running × 80 / 50) = 2"},
		{tracking, measured, "ceil(1 running × 80 / 50) = 2"},
		{step, known, "1 running +1 = 2, because 80 is 30 from 50"},
		{step, measured, "1 running +1 = 2, because 80 is 30 from 50"},
	} {
		s := scaling.Signal{
			Policy: "p", High: true, Fire: true, State: model.AlarmAlarm, Points: []float64{80},
			Alarm: &model.Alarm{Name: "high", ActionsEnabled: true, Threshold: 50, Comparison: model.Greater, Queries: queries},
		}
		if c.by == known {
			s.Cause = known
		}
		d := scaling.Decide(scaling.Input{
			Now: start(), Target: &model.ScalableTarget{Min: 1, Max: 10}, Running: 1, Desired: 1,
			Policies: []*model.ScalingPolicy{c.policy}, Signals: []scaling.Signal{s},
		})
		want := model.Cause{Kind: model.CauseScaling, Subject: "p", At: start(), Detail: c.detail, By: c.by}
		if diff := cmp.Diff(want, d.Cause); diff != "" {
			t.Error(diff)
		}
		if a := d.Activities[0]; a.Inputs.Metric != "a / 10" || scaling.EventText(&a) != "Message: Successfully set desired count to 2. "+
			"Waiting for change to be fulfilled by ecs. Cause: monitor alarm high in state ALARM triggered policy p" {
			t.Error(a.Inputs.Metric, scaling.EventText(&a))
		}
	}
}

// TestMetricOfAQuery names the metric of an alarm that asks for it by a query.
func TestMetricOfAQuery(t *testing.T) {
	t.Parallel()
	step := &model.ScalingPolicy{Name: "p", Step: &model.Step{
		Adjustment: model.ChangeInCapacity, Steps: []model.StepRange{{Lower: new(float64), Change: 1}},
	}}
	d := scaling.Decide(scaling.Input{
		Now: start(), Target: &model.ScalableTarget{Min: 1, Max: 10}, Running: 1, Desired: 1, Policies: []*model.ScalingPolicy{step},
		Signals: []scaling.Signal{{
			Policy: "p", High: true, Fire: true, State: model.AlarmAlarm, Points: []float64{80},
			Alarm: &model.Alarm{
				Name: "high", ActionsEnabled: true, Threshold: 50, Comparison: model.Greater,
				Queries: []model.MetricQuery{{ID: "a", Metric: &model.Metric{Namespace: "Demo", Name: "Backlog"}}},
			},
		}},
	})
	if got := d.Activities[0].Inputs.Metric; got != "Demo Backlog" {
		t.Errorf("got the metric %q, want Demo Backlog", got)
	}
}
