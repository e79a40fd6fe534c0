package scaling

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// due is a scheduled action whose time has come.
type due struct {
	Action
	at time.Time
}

// runActions moves the bounds as the actions say that are due, and the desired count with them ("Scheduled scaling").
// An action that was missed several times runs once, in the order of when each was due last.
func (d *decider) runActions() {
	var all []due
	for _, a := range d.Actions {
		if at, ok := d.lastDue(a); ok {
			all = append(all, due{a, at})
		}
	}
	slices.SortFunc(all, func(a, b due) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Name, b.Name)) })
	var moved *model.Cause
	for _, a := range all {
		d.state.Ran[a.Name] = a.at
		if _, again := a.Next(d.Now); !again {
			d.out.Ended = append(d.out.Ended, a.Name)
		}
		if cause := d.run(a); cause != nil {
			moved = cause
		}
	}
	if moved != nil {
		d.moveInside(moved)
	}
}

// lastDue is when an action was due last, after it ran and up to now. What is due often was due a short while ago, so
// that is looked at first: a look never goes through more than a few dozen times.
func (d *decider) lastDue(a Action) (time.Time, bool) {
	ran := d.state.Ran[a.Name]
	for _, since := range []time.Time{a.CreatedAt, a.Cause.At} { // what was changed is not due before
		if since.After(ran) {
			ran = since
		}
	}
	for back := time.Hour; ; back *= 24 {
		from := d.Now.Add(-back)
		if back > 1000*24*time.Hour || from.Before(ran) {
			from = ran
		}
		if at, ok := lastUpTo(a.Next, from, d.Now); ok || from.Equal(ran) {
			return at, ok
		}
	}
}

// lastUpTo is the last time after one and up to another.
func lastUpTo(next func(time.Time) (time.Time, bool), after, until time.Time) (last time.Time, ok bool) {
	for {
		at, more := next(after)
		if !more || at.After(until) {
			return last, ok
		}
		last, ok, after = at, true, at
	}
}

// run carries out one action, and says why the bounds are others now; nil if they are not.
func (d *decider) run(a due) *model.Cause {
	if d.Target.Suspended.Scheduled {
		d.out.Held = append(d.out.Held, Held{Policy: a.Name, Why: "it was due, and scheduled scaling is suspended"})
		return nil
	}
	lower, upper := d.min, d.max
	if a.Min != nil {
		lower = *a.Min
	}
	if a.Max != nil {
		upper = *a.Max
	}
	cause := model.Cause{Kind: model.CauseSchedule, Subject: a.Name, At: a.at, Detail: strings.TrimSpace(a.Schedule + " " + a.Zone)}
	activity := model.ScalingActivity{
		Description: "Setting " + boundsText(a), CauseText: fmt.Sprintf("scheduled action name %s was triggered", a.Name),
		Status: model.ActivitySuccessful, StatusMessage: "Successfully set " + boundsText(a), Desired: -1, Cause: cause,
	}
	if lower > upper {
		activity.Status = model.ActivityFailed
		activity.StatusMessage = fmt.Sprintf("Failed to set %s. Reason: the min capacity %d is greater than the max capacity %d",
			boundsText(a), lower, upper)
		d.tell(activity)
		return nil
	}
	d.min, d.max = lower, upper
	d.out.Min, d.out.Max = newest(a.Min, d.out.Min), newest(a.Max, d.out.Max)
	d.tell(activity)
	return &cause
}

func newest(newer, older *int) *int {
	if newer == nil {
		return older
	}
	n := *newer
	return &n
}

func boundsText(a due) string {
	var parts []string
	if a.Min != nil {
		parts = append(parts, fmt.Sprintf("min capacity to %d", *a.Min))
	}
	if a.Max != nil {
		parts = append(parts, fmt.Sprintf("max capacity to %d", *a.Max))
	}
	return strings.Join(parts, " and ")
}

// moveInside moves the desired count inside the bounds.
func (d *decider) moveInside(by *model.Cause) {
	t := *d.Target
	t.Min, t.Max = d.min, d.max
	if a, outside := Inside(&t, d.desired, *by, d.Now); outside {
		a.Inputs.Running = d.Running
		d.adopt(a)
	}
}

// Inside is the activity that moves a desired count inside the bounds of a target, whatever cools down or is suspended
// ("RegisterScalableTarget", "Scheduled scaling"); outside is false if there is no need. by says where the bounds come from.
func Inside(t *model.ScalableTarget, desired int, by model.Cause, now time.Time) (a model.ScalingActivity, outside bool) {
	to, word, why := t.Min, "minimum", "below"
	if desired > t.Max {
		to, word, why = t.Max, "maximum", "above"
	}
	if desired >= t.Min && desired <= t.Max {
		return a, false
	}
	formula := fmt.Sprintf("%d desired are %s the %s %d", desired, why, word, to)
	a = change(to, fmt.Sprintf("%s capacity was set to %d", word, to),
		model.Cause{Kind: model.CauseScaling, Subject: t.Resource, At: now, Detail: formula, By: &by})
	a.Inputs = &model.ScalingInputs{Desired: desired, Formula: formula, Result: to}
	return a, true
}
