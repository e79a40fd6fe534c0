package why

import (
	"fmt"
	"slices"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
)

// The tag of a service whose policies are looked at each second.
var fastTag = model.Tag{Key: "maitred:scaling", Value: "fast"}

func fast(p *model.ScalingPolicy, s *model.Service) bool {
	return p.Tracking != nil && (p.Tracking.Fast || slices.Contains(s.Tags, fastTag))
}

// scalingInput is what the scaler would decide on now, as far as a view tells it: each alarm that is in ALARM acts. What is
// due by a schedule is left out.
func (v Viewer) scalingInput(s *model.Service, target *model.ScalableTarget) scaling.Input {
	state := &model.ScalingState{Target: target.Path()}
	if known, ok := v.View.ScalingState(target.Path()); ok {
		state = known
	}
	in := scaling.Input{
		Now: v.Now, Target: target, State: state, Policies: slices.Collect(v.View.ScalingPolicies(target.Path())),
		Desired: s.DesiredCount, Deploying: v.deploying(s), Fast: slices.Contains(s.Tags, fastTag),
	}
	for a := range v.View.ScalingActivities(target.Path()) {
		if a.Desired >= 0 {
			in.External = a.Desired != s.DesiredCount // as the last one has it
		}
	}
	for t := range v.View.TasksOfService(s.ARN) {
		switch status := t.LastStatus(); {
		case t.Desired != model.TaskRunning:
		case status == model.TaskRunning:
			in.Running++
		case status.Order() < model.TaskRunning.Order():
			in.Pending++
		}
	}
	for _, p := range in.Policies {
		in.Signals = append(in.Signals, v.signals(target, p)...)
		if fast(p, s) && v.Seconds != nil {
			in.Series = append(in.Series, v.Seconds(p, s, in.Running))
		}
	}
	return in
}

func (v Viewer) deploying(s *model.Service) bool {
	current := 0
	for d := range v.View.Deployments(s.ARN) {
		if d.Current {
			current++
		}
		if d.ID == s.Primary && d.Rollout != model.RolloutCompleted {
			return d.Rollout == model.RolloutInProgress // one that failed is over, although it keeps its tasks
		}
	}
	return current > 1
}

func (v Viewer) signals(target *model.ScalableTarget, p *model.ScalingPolicy) (all []scaling.Signal) {
	for i, a := range v.alarmsOf(target.Region, p) {
		state, ok := v.View.AlarmState(a.Key().Path)
		if !ok {
			continue
		}
		high := i == 0
		if p.Step != nil {
			high = a.Comparison == model.Greater || a.Comparison == model.GreaterOrEqual
		}
		all = append(all, scaling.Signal{
			Policy: p.Name, Alarm: a, State: state.Value, High: high, Points: v.points(a), Tasks: v.targets(a),
			Fire: state.Value == model.AlarmAlarm && a.ActionsEnabled,
		})
	}
	return all
}

func (v Viewer) points(a *model.Alarm) []float64 {
	if v.Points == nil {
		return nil
	}
	return v.Points(a)
}

func (v Viewer) targets(a *model.Alarm) float64 {
	if v.Targets == nil {
		return 0
	}
	return v.Targets(a)
}

// notScaled says why the desired count stays what it is: what core would say to what is there now.
func (v Viewer) notScaled(s *model.Service, in scaling.Input) (held []string) {
	held = slices.Concat(suspended(in.Target), sleep(s, in), mistagged(s))
	if len(in.Policies) == 0 {
		return append(held, "there is no scaling policy: only the bounds and scheduled actions count")
	}
	d := scaling.Decide(in)
	for _, h := range d.Held {
		text := h.Why
		if h.Code != "" {
			text = h.Code + ": " + text
		}
		held = append(held, "policy "+h.Policy+": "+text)
	}
	for _, a := range d.Activities {
		if a.Desired >= 0 {
			held = append(held, fmt.Sprintf("not yet: at the next look the desired count becomes %d: %s", a.Desired, formula(a)))
		}
	}
	if in.Deploying {
		held = append(held, "a deployment is in progress: nothing is scaled in until it is over")
	}
	return append(held, quiet(in, d)...)
}

// mistagged tells of a tag whose value means nothing.
func mistagged(s *model.Service) []string {
	for _, t := range s.Tags {
		if t.Key == fastTag.Key && t != fastTag {
			return []string{fmt.Sprintf("the tag %s does nothing: it is %q, and only %q means anything", t.Key, t.Value, fastTag.Value)}
		}
	}
	return nil
}

// zeroTag is the tag of a service that may have no tasks; its value is a number of seconds.
const zeroTag = "maitred:scale-to-zero"

// sleep says when a service has no tasks that may have none, or why it is not so although it was asked for.
func sleep(s *model.Service, in scaling.Input) []string {
	i := slices.IndexFunc(s.Tags, func(t model.Tag) bool { return t.Key == zeroTag })
	switch {
	case i < 0:
		return nil
	case in.Target.Min > 0:
		return []string{fmt.Sprintf("the tag %s does nothing: the minimum is %d, not 0", zeroTag, in.Target.Min)}
	case in.Desired == 0:
		return []string{"it sleeps: the first request or connection starts a task (tag " + zeroTag + ")"}
	}
	return []string{fmt.Sprintf("it sleeps when nothing was in flight for %s s (tag %s), also without a policy", s.Tags[i].Value, zeroTag)}
}

func formula(a model.ScalingActivity) string {
	if a.Inputs == nil || a.Inputs.Formula == "" {
		return a.CauseText
	}
	return a.Inputs.Formula
}

func suspended(t *model.ScalableTarget) (held []string) {
	for _, s := range []struct {
		is   bool
		what string
	}{{t.Suspended.Out, "scaling out"}, {t.Suspended.In, "scaling in"}, {t.Suspended.Scheduled, "scheduled scaling"}} {
		if s.is {
			held = append(held, s.what+" is suspended")
		}
	}
	return held
}

// quiet tells of the policies that nothing triggers.
func quiet(in scaling.Input, d scaling.Decision) (held []string) {
	for _, p := range in.Policies {
		if slices.ContainsFunc(d.Held, func(h scaling.Held) bool { return h.Policy == p.Name }) ||
			slices.ContainsFunc(d.Activities, func(a model.ScalingActivity) bool { return a.Policy == p.Name }) {
			continue
		}
		held = append(held, "policy "+p.Name+": "+untriggered(in, p))
	}
	return held
}

// untriggered says why nothing triggers a policy.
func untriggered(in scaling.Input, p *model.ScalingPolicy) string {
	for _, s := range in.Series {
		if s.Policy == p.Name && len(s.Points) > 0 {
			return fmt.Sprintf("the desired count is %d, and the last second was %s; it scales in when fewer tasks have sufficed for %s s",
				in.Desired, number(s.Points[0].Value), number(scaling.FastWindow.Seconds()))
		}
	}
	alarms := 0
	for _, s := range in.Signals {
		switch {
		case s.Policy != p.Name:
			continue
		case s.State == model.AlarmAlarm && !s.Alarm.ActionsEnabled:
			return "the actions of alarm " + s.Alarm.Name + " are disabled"
		case s.State == model.AlarmAlarm:
			return "alarm " + s.Alarm.Name + " is in ALARM, and the policy wants no change"
		}
		alarms++
	}
	if alarms == 0 {
		return "no alarm drives it"
	}
	return "none of its alarms is in ALARM"
}
