package scaling

import (
	"fmt"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// The texts are those of "Scaling activities for Application Auto Scaling".

// scale makes a policy's count the desired one.
func (d *decider) scale(v *vote, to int) {
	if to != v.count {
		v.inputs.Formula += fmt.Sprintf("; the bounds are %d and %d", d.min, d.max)
	}
	d.begin(v, to)
	if wait := pause(v.policy, v.out()); !v.fast && wait > 0 && v.inputs.Cooldown == "" {
		v.inputs.Cooldown = fmt.Sprintf("%s s from its success on", number(wait.Seconds()))
	}
	d.set(v, to)
}

// repair makes a bound the desired count, because a policy was triggered and found it outside. No cool-down follows.
func (d *decider) repair(v *vote, to int) {
	if to > d.desired {
		d.endScaleIns()
	}
	d.set(v, to)
}

func (d *decider) set(v *vote, to int) {
	delete(d.state.Blocked, v.key())
	a := change(to, v.causeText(), d.causeOf(v))
	a.Policy = v.policy.Name
	v.inputs.Result = to
	a.Inputs = &v.inputs
	d.adopt(a)
}

// adopt makes the count of an activity the desired one.
func (d *decider) adopt(a model.ScalingActivity) {
	d.tell(a)
	d.desired = a.Desired
	d.beginWindows()
}

// change is the activity that sets the desired count.
func change(to int, text string, cause model.Cause) model.ScalingActivity {
	return model.ScalingActivity{
		Description: fmt.Sprintf("Setting desired count to %d.", to), CauseText: text,
		Status: model.ActivityInProgress, Desired: to, Cause: cause,
		StatusMessage: countSet(to, "Waiting for change to be fulfilled by ecs."),
	}
}

// countSet is the status message of an activity that has set the desired count, and what has become of that.
func countSet(to int, then string) string {
	return fmt.Sprintf("Successfully set desired count to %d. %s", to, then)
}

// tell adds an activity.
func (d *decider) tell(a model.ScalingActivity) {
	d.state.LastActivity++
	a.Target, a.Number, a.StartedAt = d.state.Target, d.state.LastActivity, d.Now
	if a.Status != model.ActivityInProgress {
		a.EndedAt = d.Now
	}
	d.out.Activities = append(d.out.Activities, a)
}

// causeText says what triggered a policy.
func (v *vote) causeText() string {
	if v.signal == nil {
		return fmt.Sprintf("metric %s of the last seconds triggered policy %s", v.inputs.Metric, v.policy.Name)
	}
	return fmt.Sprintf("monitor alarm %s in state ALARM triggered policy %s", v.signal.Alarm.Name, v.policy.Name)
}

// causeOf is the chain of causes of what a policy does.
func (d *decider) causeOf(v *vote) model.Cause {
	by := &model.Cause{Kind: model.CauseAlarm, Subject: v.inputs.Metric, At: d.Now, Detail: v.measured()}
	if v.signal != nil {
		by.Subject = v.signal.Alarm.Name
		if v.signal.Cause != nil {
			by = v.signal.Cause
		}
	}
	return model.Cause{Kind: model.CauseScaling, Subject: v.policy.Name, At: d.Now, Detail: v.inputs.Formula, By: by}
}

// measured says what was measured, the newest first.
func (v *vote) measured() string {
	points := make([]string, len(v.inputs.Points))
	for i, p := range v.inputs.Points {
		points[i] = number(p)
	}
	text := strings.Join(points, ", ")
	if v.signal == nil {
		return fmt.Sprintf("%s; the target value is %s", text, number(v.inputs.Threshold))
	}
	return fmt.Sprintf("%s: %s; the threshold is %s", v.inputs.Metric, text, number(v.signal.Alarm.Threshold))
}

// key is under which name it is remembered what a policy is kept from: by each of its alarms.
func (v *vote) key() string {
	if v.signal == nil {
		return v.policy.Name
	}
	return v.policy.Name + " " + v.signal.Alarm.Name
}

// block tells that a policy was triggered and is kept from scaling by what activities know a reason for. It is told once,
// as long as the alarm stays.
func (d *decider) block(v *vote, code, why string) {
	d.out.Held = append(d.out.Held, Held{Policy: v.policy.Name, Code: code, Why: why})
	if v.fast && code != model.AtMaxCapacity && code != model.Unscalable {
		return // at rest it is there each second
	}
	not := d.notScaled(code)
	told := fmt.Sprintf("%s %d", code, max(not.Current, not.Min, not.Max))
	if d.state.Blocked[v.key()] == told {
		return
	}
	d.state.Blocked[v.key()] = told
	d.tell(model.ScalingActivity{
		Description: "Attempting to scale due to alarm triggered", CauseText: v.causeText(), Status: model.ActivityFailed,
		NotScaled: []model.NotScaled{not}, Desired: -1, Policy: v.policy.Name, Inputs: &v.inputs, Cause: d.causeOf(v),
	})
}

func (d *decider) notScaled(code string) model.NotScaled {
	not := model.NotScaled{Code: code, Current: -1, Min: -1, Max: -1}
	switch code {
	case model.AtMaxCapacity:
		not.Max = d.max
	case model.AtMinCapacity:
		not.Min = d.min
	case model.AtDesiredCapacity:
		not.Current = d.desired
	}
	return not
}

// unblock forgets what those policies were kept from that nothing triggers any more.
func (d *decider) unblock(votes []*vote) {
	triggered := map[string]bool{}
	for _, v := range votes {
		triggered[v.key()] = !v.fast || d.pressed(v)
	}
	for key := range d.state.Blocked {
		if !triggered[key] && key != zeroKey {
			delete(d.state.Blocked, key)
		}
	}
}

// Fulfil says what has become of an activity in progress, given the counts of the service now: Successful when as many
// run, Overridden when something else is desired; false if neither. There is no time after which it is given up: a service
// may wait for room. The state is what is remembered of the target then, with which to decide on: the cool-down begins when
// an activity has succeeded. After each decision that changes the desired count, those in progress before are to be looked at.
func Fulfil(a *model.ScalingActivity, state *model.ScalingState, now time.Time, running, desired int) (model.ScalingActivity, model.ScalingState, bool) {
	s := copyState(state)
	c, ours := model.Cooldown{}, false
	if a.Policy != "" {
		c, ours = s.Cooldowns[a.Policy]
		ours = ours && c.Activity == a.Number
	}
	switch {
	case a.Status != model.ActivityInProgress:
		return *a, s, false
	case desired != a.Desired:
		if ours {
			delete(s.Cooldowns, a.Policy)
		}
		return overridden(*a, now, desired), s, true
	case !fulfilled(a, running):
		return *a, s, false
	}
	if ours {
		c.Began = now
		s.Cooldowns[a.Policy] = c
	}
	return successful(*a, now), s, true
}

func fulfilled(a *model.ScalingActivity, running int) bool {
	switch {
	case a.Inputs == nil:
		return running == a.Desired
	case a.Desired > a.Inputs.Desired:
		return running >= a.Desired
	default:
		return running <= a.Desired
	}
}

func successful(a model.ScalingActivity, now time.Time) model.ScalingActivity {
	return ended(a, now, model.ActivitySuccessful, "Change successfully fulfilled by ecs.")
}

func overridden(a model.ScalingActivity, now time.Time, desired int) model.ScalingActivity {
	return ended(a, now, model.ActivityOverridden, fmt.Sprintf("Found it was later changed to %d.", desired))
}

// Deregistered is what becomes of an activity in progress whose target is deregistered: nobody will look after it.
func Deregistered(a model.ScalingActivity, now time.Time) model.ScalingActivity {
	return ended(a, now, model.ActivityOverridden, "The scalable target was deregistered before the change was fulfilled by ecs.")
}

func ended(a model.ScalingActivity, now time.Time, status model.ActivityStatus, then string) model.ScalingActivity {
	a.Status, a.EndedAt, a.StatusMessage = status, now, countSet(a.Desired, then)
	return a
}

// EventText is what the service's events say of an activity.
func EventText(a *model.ScalingActivity) string {
	return fmt.Sprintf("Message: %s Cause: %s", a.StatusMessage, a.CauseText)
}
