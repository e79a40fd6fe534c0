package scaling_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/core/schedule"
	"github.com/maitred/maitred/internal/model"
)

// TestStories runs the scripts of testdata/stories: a scalable target whose alarms, tasks and time are moved by hand. The
// command story begins anew, do goes on. Statements:
//
//	target min=1 max=10 [suspended=in,out,scheduled]
//	tracking <policy> <target value> [out=300s] [in=300s] [no-scale-in] [fast]
//	step <policy> <adjustment> threshold=50 [op=…] [magnitude=2] [cooldown=0s] [aggregation=Maximum] <lower>:<upper>:<change> …
//	action <name> <expr with _ for blanks> [min=5] [max=10] [zone=…]
//	service running=3 [desired=3] [deploying] [external]
//	alarm|ok|insufficient <policy> [high|low] <points, 40x15 for fifteen of them>
//	quiet <policy> …: the alarm does not repeat its actions
//	mute <policy> [high|low]: the actions of the alarm are disabled
//	second <policy> <values>: of the last seconds, newest first
//	seconds <n> <policy> <value>: so many decisions a second apart; those are shown that change anything
//	zero <idle time>, zero problem <text with _ for blanks>, zero off
//	waiting <group>, waiting nobody: at a balancer, since now
//	idle <duration> [measured=<age>]: nothing was in flight for so long, as far as is known
//	decide, after <duration>, running <n>, state
func TestStories(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := newStory()
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			if d.Cmd == "story" {
				s = newStory()
				s.t = t
			}
			s.out.Reset()
			for line := range strings.SplitSeq(strings.TrimSpace(d.Input), "\n") {
				s.statement(strings.Fields(line))
			}
			return s.out.String()
		})
	})
}

type story struct {
	t          *testing.T
	in         scaling.Input
	activities []model.ScalingActivity
	out        strings.Builder
}

func start() time.Time { return time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC) }

func newStory() *story {
	return &story{in: scaling.Input{
		Now: start(), State: &model.ScalingState{},
		Target: &model.ScalableTarget{Region: "eu-west-1", Resource: "service/demo/web", Min: 1, Max: 1000},
	}}
}

func (s *story) statement(words []string) {
	s.t.Helper()
	if len(words) == 0 {
		return
	}
	switch rest := words[1:]; words[0] {
	case "target":
		s.target(rest)
	case "tracking":
		s.tracking(rest)
	case "step":
		s.step(rest)
	case "action":
		s.action(rest)
	case "service":
		s.service(rest)
	case "alarm", "ok", "insufficient", "quiet":
		s.alarm(words[0], rest)
	case "mute":
		s.mute(rest[0], len(rest) > 1 && rest[1] == "high")
	case "second":
		s.second(rest)
	case "seconds":
		s.seconds(s.number(rest[0]), rest[1], rest[2])
	case "after":
		s.in.Now = s.in.Now.Add(s.duration(rest[0]))
		for i := range s.in.Signals {
			s.in.Signals[i].Fire = s.in.Signals[i].State == model.AlarmAlarm
		}
	case "running":
		s.in.Running = s.number(rest[0])
		s.in.Series = nil
		s.fulfil()
	case "zero", "waiting", "idle":
		s.zero(words[0], rest)
	case "decide":
		s.decide()
	case "state":
		s.state()
	default:
		s.t.Fatalf("what is %q?", words[0])
	}
}

func (s *story) number(text string) int {
	s.t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return n
}

func (s *story) float(text string) float64 {
	s.t.Helper()
	f, err := strconv.ParseFloat(text, 64)
	if err != nil {
		s.t.Fatal(err)
	}
	return f
}

func (s *story) duration(text string) time.Duration {
	s.t.Helper()
	d, err := time.ParseDuration(text)
	if err != nil {
		s.t.Fatal(err)
	}
	return d
}

func (s *story) points(words []string) []float64 {
	s.t.Helper()
	var points []float64
	for _, w := range words {
		value, times, many := strings.Cut(w, "x")
		if !many {
			times = "1"
		}
		points = append(points, slices.Repeat([]float64{s.float(value)}, s.number(times))...)
	}
	return points
}

func (s *story) target(options []string) {
	target := *s.in.Target
	target.Suspended = model.Suspended{}
	for _, o := range options {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "min":
			target.Min = s.number(value)
		case "max":
			target.Max = s.number(value)
		case "suspended":
			target.Suspended = model.Suspended{
				In: strings.Contains(value, "in"), Out: strings.Contains(value, "out"), Scheduled: strings.Contains(value, "sched"),
			}
		}
	}
	s.in.Target = &target
}

func (s *story) put(p *model.ScalingPolicy) {
	s.in.Policies = append(s.in.Policies, p)
}

func (s *story) tracking(words []string) {
	p := &model.ScalingPolicy{Name: words[0], Tracking: &model.Tracking{
		Value: s.float(words[1]), Predefined: "ECSServiceAverageCPUUtilization", OutCooldown: 300 * time.Second, InCooldown: 300 * time.Second,
	}}
	for _, o := range words[2:] {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "out":
			p.Tracking.OutCooldown = s.duration(value)
		case "in":
			p.Tracking.InCooldown = s.duration(value)
		case "no-scale-in":
			p.Tracking.NoScaleIn = true
		case "fast":
			p.Tracking.Fast = true
		}
	}
	s.put(p)
	alarm := func(kind, op string, threshold float64) scaling.Signal {
		return scaling.Signal{Policy: p.Name, High: kind == "high", State: model.AlarmOK, Alarm: &model.Alarm{
			Name: p.Name + "-" + kind, ActionsEnabled: true, Comparison: op, Threshold: threshold,
		}}
	}
	s.in.Signals = append(s.in.Signals, alarm("high", model.Greater, p.Tracking.Value))
	if !p.Tracking.NoScaleIn {
		s.in.Signals = append(s.in.Signals, alarm("low", model.Less, scaling.LowFactor*p.Tracking.Value))
	}
}

func (s *story) step(words []string) {
	p := &model.ScalingPolicy{Name: words[0], Step: &model.Step{Adjustment: words[1]}}
	alarm := &model.Alarm{
		Name: p.Name + "-alarm", ActionsEnabled: true, Comparison: model.GreaterOrEqual,
		Metric: &model.Metric{Namespace: "Demo", Name: "Load"},
	}
	for _, o := range words[2:] {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "threshold":
			alarm.Threshold = s.float(value)
		case "op":
			alarm.Comparison = value
		case "magnitude":
			p.Step.Magnitude = s.number(value)
		case "cooldown":
			p.Step.Cooldown = s.duration(value)
		case "aggregation":
			p.Step.Aggregation = value
		default:
			p.Step.Steps = append(p.Step.Steps, s.stepRange(o))
		}
	}
	if err := scaling.ValidateSteps(p.Step); err != nil {
		fmt.Fprintf(&s.out, "refused: %v\n", err)
		return
	}
	s.put(p)
	s.in.Signals = append(s.in.Signals, scaling.Signal{Policy: p.Name, State: model.AlarmOK, Alarm: alarm})
}

func (s *story) stepRange(text string) model.StepRange {
	parts := strings.Split(text, ":")
	bound := func(text string) *float64 {
		if text == "" {
			return nil
		}
		f := s.float(text)
		return &f
	}
	return model.StepRange{Lower: bound(parts[0]), Upper: bound(parts[1]), Change: s.number(parts[2])}
}

func (s *story) action(words []string) {
	a := &model.ScheduledAction{Name: words[0], Schedule: strings.ReplaceAll(words[1], "_", " "), CreatedAt: s.in.Now}
	for _, o := range words[2:] {
		name, value, _ := strings.Cut(o, "=")
		if name == "zone" {
			a.Zone = value
			continue
		}
		n := s.number(value)
		if name == "min" {
			a.Min = &n
		} else {
			a.Max = &n
		}
	}
	zone, err := time.LoadLocation(a.Zone)
	if err != nil {
		s.t.Fatal(err)
	}
	parsed, err := schedule.Parse(a.Schedule, zone)
	if err != nil {
		s.t.Fatal(err)
	}
	s.in.Actions = append(s.in.Actions, scaling.Action{
		ScheduledAction: a, Next: parsed.Bounded(a.CreatedAt, a.Start, a.End).Next,
	})
}

func (s *story) service(options []string) {
	s.in.Deploying, s.in.External = false, false
	desired := -1
	for _, o := range options {
		switch name, value, _ := strings.Cut(o, "="); name {
		case "running":
			s.in.Running = s.number(value)
		case "desired":
			desired = s.number(value)
		case "deploying":
			s.in.Deploying = true
		case "external":
			s.in.External = true
		}
	}
	if s.in.Desired = desired; desired < 0 {
		s.in.Desired = s.in.Running
	}
	s.fulfil()
}

func (s *story) alarm(kind string, words []string) {
	high := len(words) > 1 && words[1] == "high"
	values := words[1:]
	if len(values) > 0 && (high || values[0] == "low") {
		values = values[1:]
	}
	for i := range s.in.Signals {
		signal := &s.in.Signals[i]
		if signal.Policy != words[0] || signal.High != high {
			continue
		}
		signal.State = map[string]model.AlarmValue{
			"alarm": model.AlarmAlarm, "quiet": model.AlarmAlarm, "ok": model.AlarmOK, "insufficient": model.AlarmInsufficient,
		}[kind]
		signal.Fire = kind == "alarm"
		signal.Points = s.points(values)
	}
}

func (s *story) mute(policy string, high bool) {
	for i := range s.in.Signals {
		if signal := &s.in.Signals[i]; signal.Policy == policy && signal.High == high {
			muted := *signal.Alarm
			muted.ActionsEnabled = false
			signal.Alarm, signal.Fire = &muted, false
		}
	}
}

func (s *story) second(words []string) {
	series := scaling.Series{Policy: words[0]}
	for i, value := range s.points(words[1:]) {
		series.Points = append(series.Points, scaling.Second{
			At: s.in.Now.Add(-time.Duration(i) * time.Second), Value: value, Tasks: float64(s.in.Running),
		})
	}
	s.in.Series = []scaling.Series{series}
}

func (s *story) seconds(n int, policy, value string) {
	for range n {
		s.in.Now = s.in.Now.Add(time.Second)
		s.second([]string{policy, value, value, value})
		before := s.out.Len()
		if desired := s.in.Desired; s.decide() == desired {
			text := s.out.String()[:before]
			s.out.Reset()
			s.out.WriteString(text)
		} else {
			fmt.Fprintf(&s.out, "  at %s\n", s.in.Now.Format(time.TimeOnly))
		}
	}
}

func (s *story) decide() int {
	s.in.Pending = max(0, s.in.Desired-s.in.Running)
	d := scaling.Decide(s.in)
	if d.Change {
		fmt.Fprintf(&s.out, "desired %d → %d\n", s.in.Desired, d.Desired)
	} else {
		fmt.Fprintf(&s.out, "desired %d\n", d.Desired)
	}
	target := *s.in.Target
	if d.Min != nil {
		target.Min = *d.Min
	}
	if d.Max != nil {
		target.Max = *d.Max
	}
	if target.Min != s.in.Target.Min || target.Max != s.in.Target.Max {
		fmt.Fprintf(&s.out, "bounds %d to %d\n", target.Min, target.Max)
	}
	for i := range d.Activities {
		s.show(&d.Activities[i])
	}
	for _, text := range d.Told {
		fmt.Fprintf(&s.out, "  told: %s\n", text)
	}
	if s.in.Zero != nil && !d.Wake.IsZero() {
		fmt.Fprintf(&s.out, "  looks again in %s\n", d.Wake.Sub(s.in.Now))
	}
	for _, h := range d.Held {
		if h.Code == "" {
			fmt.Fprintf(&s.out, "  held %s: %s\n", h.Policy, h.Why)
		} else {
			fmt.Fprintf(&s.out, "  held %s: %s: %s\n", h.Policy, h.Code, h.Why)
		}
	}
	if len(d.Ended) > 0 {
		fmt.Fprintf(&s.out, "  ended %s\n", strings.Join(d.Ended, ", "))
	}
	s.in.Target, s.in.State, s.in.Desired = &target, &d.State, d.Desired
	if len(d.Activities) > 0 {
		s.in.External = false
	}
	s.activities = append(s.activities, d.Activities...)
	for i := range s.in.Signals {
		s.in.Signals[i].Fire = false
	}
	s.fulfil()
	return s.in.Desired
}

func (s *story) show(a *model.ScalingActivity) {
	fmt.Fprintf(&s.out, "%d %s %s\n  %s\n", a.Number, a.Status, a.Description, a.CauseText)
	if a.StatusMessage != "" {
		fmt.Fprintf(&s.out, "  %s\n", a.StatusMessage)
	}
	for _, n := range a.NotScaled {
		fmt.Fprintf(&s.out, "  %s", n.Code)
		for _, c := range []struct {
			name  string
			value int
		}{{"current", n.Current}, {"min", n.Min}, {"max", n.Max}} {
			if c.value >= 0 {
				fmt.Fprintf(&s.out, " %s=%d", c.name, c.value)
			}
		}
		fmt.Fprintln(&s.out)
	}
	for _, c := range a.Cause.Chain() {
		fmt.Fprintf(&s.out, "  because %s %s: %s\n", c.Kind, c.Subject, c.Detail)
	}
	if a.Inputs != nil && a.Inputs.Cooldown != "" {
		fmt.Fprintf(&s.out, "  %s\n", a.Inputs.Cooldown)
	}
	if !a.Cause.Complete() {
		s.t.Errorf("activity %d: its causes end inside", a.Number)
	}
}

// fulfil shows what has become of activities, as whoever applies decisions looks at them.
func (s *story) fulfil() {
	for i := range s.activities {
		a, state, done := scaling.Fulfil(&s.activities[i], s.in.State, s.in.Now, s.in.Running, s.in.Desired)
		if done {
			fmt.Fprintf(&s.out, "%d %s: %s\n", a.Number, a.Status, a.StatusMessage)
			s.activities[i], s.in.State = a, &state
		}
	}
}

func (s *story) state() {
	text, err := json.Marshal(s.in.State)
	if err != nil {
		s.t.Fatal(err)
	}
	fmt.Fprintf(&s.out, "%s\n", text)
}
