package why

import (
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/model"
)

type alarmSubject struct{ *model.Alarm }

func (a alarmSubject) name() string { return "alarm " + a.ARN }

// tell gives an alarm's history, and why it is in the state that it is in.
func (a alarmSubject) tell(v Viewer) Story {
	now := v.alarmNow(a.Alarm)
	story := Story{Subject: a.ARN, Kind: "alarm", Now: now.Sentence(v.clock)}
	if !a.ActionsEnabled {
		story.Held = append(story.Held, "its actions are disabled")
	}
	state, known := v.View.AlarmState(a.Alarm.Key().Path)
	var steps []Step
	for e := range v.View.AlarmEvents(a.Alarm.Key().Path) {
		step := Step{At: e.At, Text: e.Summary}
		if known && e.Type == model.AlarmChanged && e.At.Equal(state.UpdatedAt) {
			step.Because = state.Cause.Chain()
			step.Details = []string{state.Reason}
		}
		steps = append(steps, step)
	}
	story.Steps = newestFirst(steps)
	return story
}

func (v Viewer) alarmNow(a *model.Alarm) AlarmNow {
	now := AlarmNow{ARN: a.ARN, Name: a.Name, Value: model.AlarmInsufficient, Text: alarmText(a), Points: v.points(a)}
	if state, ok := v.View.AlarmState(a.Key().Path); ok {
		now.Value, now.Since, now.Reason = state.Value, state.Since, state.Reason
	}
	return now
}

// alarmText says when an alarm is in ALARM.
func alarmText(a *model.Alarm) string {
	if a.Composite() {
		return a.Rule
	}
	what := queriedMetric(a.Queries)
	if a.Metric != nil {
		what = a.Statistic + " of " + a.Metric.String()
	}
	op := map[string]string{
		model.GreaterOrEqual: ">=", model.Greater: ">", model.Less: "<", model.LessOrEqual: "<=",
	}[a.Comparison]
	return fmt.Sprintf("%s %s %s in %d of %d periods of %s s", what, op, number(a.Threshold), a.Needed(), a.EvaluationPeriods,
		number(a.Resolution().Seconds()))
}

// Sentence says how an alarm is, with times as clock writes them.
func (a AlarmNow) Sentence(clock func(time.Time) string) string {
	text := string(a.Value)
	if !a.Since.IsZero() {
		text += " since " + clock(a.Since)
	}
	text += ": " + a.Text
	if len(a.Points) > 0 {
		text += "; measured " + Numbers(a.Points)
	}
	return text
}

type policySubject struct {
	target *model.ScalableTarget
	svc    *model.Service
	*model.ScalingPolicy
}

func (p policySubject) name() string { return "policy " + p.ARN }

// tell gives what a policy has decided, and why it decides nothing now.
func (p policySubject) tell(v Viewer) Story {
	story := Story{
		Subject: p.ARN, Kind: "policy", Now: "policy " + p.Name + " of service " + p.svc.Name + " " + policyText(p.ScalingPolicy, fast(p.ScalingPolicy, p.svc)),
		Scaling: v.scaling(p.svc), Steps: newestFirst(v.activitySteps(p.target.Path(), p.Name)),
	}
	return story
}
