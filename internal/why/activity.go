package why

import (
	"fmt"

	"github.com/maitred/maitred/internal/model"
)

// activitySteps tells what was done to a scalable target (given by path), or was not, with the numbers that led to it; of
// one policy only if it is named.
func (v Viewer) activitySteps(target, policy string) (steps []Step) {
	for a := range v.View.ScalingActivities(target) {
		if policy != "" && a.Policy != policy {
			continue
		}
		steps = append(steps, Step{
			At: a.StartedAt, Text: activityText(a), Details: v.activityDetails(a), Inputs: a.Inputs, Because: a.Cause.Chain(),
		})
	}
	return steps
}

// activityText is a decision in one sentence.
func activityText(a *model.ScalingActivity) string {
	by := ""
	if a.Policy != "" {
		by = " by policy " + a.Policy
	}
	switch {
	case a.Desired >= 0 && a.Inputs != nil:
		return fmt.Sprintf("the desired count is scaled from %d to %d%s: %s", a.Inputs.Desired, a.Desired, by, a.CauseText)
	case a.Desired >= 0:
		return fmt.Sprintf("the desired count is scaled to %d%s: %s", a.Desired, by, a.CauseText)
	case len(a.NotScaled) > 0:
		return "nothing is scaled" + by + ": " + a.CauseText + ", and " + notScaledText(a.NotScaled[0])
	}
	return a.Description + by + ": " + a.CauseText
}

// notScaledText says what a reason means ("NotScaledReason").
func notScaledText(n model.NotScaled) string {
	what := map[string]string{
		model.AnticipatedFlapping: "it would have to be taken back at once",
		model.Unscalable:          "a deployment is in progress",
		model.AtMaxCapacity:       fmt.Sprintf("%d is the maximum", n.Max),
		model.AtMinCapacity:       fmt.Sprintf("%d is the minimum", n.Min),
		model.AtDesiredCapacity:   fmt.Sprintf("as many as it wants are desired, %d", n.Current),
	}[n.Code]
	if what == "" {
		return n.Code
	}
	return what + " (" + n.Code + ")"
}

// activityDetails are the numbers of a decision, one sentence each, and what became of it.
func (v Viewer) activityDetails(a *model.ScalingActivity) (details []string) {
	say := func(format string, args ...any) { details = append(details, fmt.Sprintf(format, args...)) }
	if in := a.Inputs; in != nil {
		if in.Alarm != "" {
			say("alarm %s", in.Alarm)
		}
		if len(in.Points) > 0 {
			say("measured %s: %s (newest first), taken as %s, against %s", in.Metric, Numbers(in.Points), number(in.Value), number(in.Threshold))
		}
		say("%d running, %d desired", in.Running, in.Desired)
		if in.Formula != "" {
			say("%s", in.Formula)
		}
		if in.Cooldown != "" {
			say("cool-down: %s", in.Cooldown)
		}
	}
	if a.StatusMessage != "" {
		text := string(a.Status)
		if !a.EndedAt.IsZero() && a.EndedAt.After(a.StartedAt) {
			text += fmt.Sprintf(" after %v", brief(a.EndedAt.Sub(a.StartedAt)))
		}
		say("%s: %s", text, a.StatusMessage)
	}
	return details
}
