// Package scaling decides as Application Auto Scaling does: what the desired count of a service shall be, by alarms,
// scheduled actions and bounds, and what is told about it ("Application Auto Scaling User Guide").
//
// Decide is the whole of it: what is known of one scalable target goes in, and a decision comes out, which says what to
// write. Fulfil says later whether what was decided has become true. A policy that is Fast is looked at each second, see
// fast.go.
package scaling

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Input is what is known of a scalable target. Nothing of it is changed.
type Input struct {
	Now      time.Time
	Target   *model.ScalableTarget
	State    *model.ScalingState // nil: nothing is remembered
	Policies []*model.ScalingPolicy
	Actions  []Action
	// Running, Pending and Desired are the counts of the service.
	Running, Pending, Desired int
	// Deploying says that a deployment of the service is in progress, whose controller is not EXTERNAL.
	Deploying bool
	// External says that somebody else has changed the desired count since the target's last activity.
	External bool
	// Signals are all alarms that trigger the policies.
	Signals []Signal
	// Fast makes all target tracking policies fast, as a tag of the service may ask for.
	Fast bool
	// Series are the measurements of fast policies. A fast policy without any follows its alarms.
	Series []Series
	// Zero is what is known of a service that may have no tasks at all while nobody asks for it; nil: it may not.
	Zero *Zero
}

// Action is a scheduled action with its schedule.
type Action struct {
	*model.ScheduledAction
	// Next is the first time strictly after another at which it is due, with its start and end; false if there is none.
	Next func(after time.Time) (time.Time, bool)
}

// Signal is what an alarm says to a policy.
type Signal struct {
	Policy string // name
	Alarm  *model.Alarm
	State  model.AlarmValue
	High   bool // of the two alarms of target tracking, the one for scaling out
	// Fire says that the alarm carries out its actions now: it has come into ALARM, or has stayed there another minute.
	Fire   bool
	Points []float64 // that the alarm looked at last, newest first
	// Tasks is of how many tasks the newest was measured, as that of Second; 0: of all that run.
	Tasks float64
	// Cause is why the alarm is in its state; nil: the measurements.
	Cause *model.Cause
}

// Series is what was measured for a fast policy, newest first.
type Series struct {
	Policy string // name
	Points []Second
	// Whole says that a value is the load of all tasks together, known exactly, as the length of a queue is: the newest
	// counts alone, and how many tasks run does not matter.
	Whole bool
}

// Second is the metric of a fast policy in one second.
type Second struct {
	At    time.Time
	Value float64
	// Tasks is of how many tasks it was measured: with it, what was measured before others started still counts. Those that
	// run and have no part in it are not among them, as the ones that get no requests yet. It need not be whole: balancers may
	// not agree on who is healthy.
	Tasks float64
}

// Decision is what to write for a scalable target.
type Decision struct {
	// Desired is what the desired count shall be; Change says whether it is another one, and Cause why.
	Desired int
	Change  bool
	Cause   model.Cause
	// Min and Max are new bounds of the target, by a scheduled action; nil if they stay.
	Min, Max *int
	// State is what to remember. Save says that it has to be written: if only the window of the fast lane has moved, it may
	// be kept in memory, because a window that is lost begins anew and delays a scale-in at most.
	State model.ScalingState
	Save  bool
	// Activities are in the order in which they happened, numbered, without ids.
	Activities []model.ScalingActivity
	// Held are the policies that were triggered and did nothing.
	Held []Held
	// Ended are the names of scheduled actions that were due now and never will be again.
	Ended []string
	// Wake is when to decide again even if no alarm fires, zero if never.
	Wake time.Time
	// Told is what the service's events tell beside what they tell of activities.
	Told []string
}

// Held is a policy that was triggered and did nothing, or a scheduled action that was due.
type Held struct {
	Policy string // name of the policy, or of the action
	Code   string // a reason that activities know (model.AtMaxCapacity …), or ""
	Why    string // one sentence
}

// Decide says what to do with a scalable target now: the same input always gives the same decision.
func Decide(in Input) Decision {
	d := newDecider(in)
	d.forget()
	d.runActions()
	d.runPolicies()
	d.runZero()
	return d.decision()
}

// decider is a decision that is being made.
type decider struct {
	Input
	min, max int
	desired  int
	policies []*model.ScalingPolicy // by name
	signals  []Signal               // by policy and alarm
	state    model.ScalingState
	out      Decision
}

func newDecider(in Input) *decider {
	d := &decider{Input: in, min: in.Target.Min, max: in.Target.Max, desired: in.Desired}
	d.policies = slices.Clone(in.Policies)
	slices.SortStableFunc(d.policies, func(a, b *model.ScalingPolicy) int { return cmp.Compare(a.Name, b.Name) })
	d.signals = slices.Clone(in.Signals)
	slices.SortStableFunc(d.signals, func(a, b Signal) int {
		return cmp.Or(cmp.Compare(a.Policy, b.Policy), cmp.Compare(a.Alarm.Name, b.Alarm.Name))
	})
	d.state = copyState(in.State)
	d.state.Target = in.Target.Path()
	return d
}

// copyState makes a state that shares nothing with another.
func copyState(s *model.ScalingState) model.ScalingState {
	var c model.ScalingState
	if s != nil {
		c = *s
	}
	c.Cooldowns, c.Ran, c.Blocked = cloned(c.Cooldowns), cloned(c.Ran), cloned(c.Blocked)
	c.Recent = cloned(c.Recent)
	for name, proposals := range c.Recent {
		c.Recent[name] = slices.Clone(proposals)
	}
	return c
}

func cloned[V any](m map[string]V) map[string]V {
	c := make(map[string]V, len(m))
	maps.Copy(c, m)
	return c
}

// forget drops from the state what is over, or belongs to what is no more.
func (d *decider) forget() {
	maps.DeleteFunc(d.state.Cooldowns, func(name string, c model.Cooldown) bool {
		p := d.policy(name)
		// What somebody else took back is no capacity that an activity has added, and is not waited for.
		return p == nil || d.External && (c.Began.IsZero() || c.To > c.From) || !c.Began.IsZero() && !d.Now.Before(ends(p, c))
	})
	maps.DeleteFunc(d.state.Ran, func(name string, _ time.Time) bool {
		return !slices.ContainsFunc(d.Actions, func(a Action) bool { return a.Name == name })
	})
	maps.DeleteFunc(d.state.Recent, func(name string, _ []model.Proposal) bool {
		p := d.policy(name)
		return p == nil || !d.fast(p)
	})
}

func (d *decider) policy(name string) *model.ScalingPolicy {
	for _, p := range d.policies {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// decision closes it.
func (d *decider) decision() Decision {
	d.supersede()
	d.out.Desired, d.out.Change = d.desired, d.desired != d.Desired
	d.out.State = d.state
	d.out.Save = !sameButRecent(&d.state, d.State)
	d.out.Wake = d.wake()
	return d.out
}

// supersede marks those that were replaced within the same decision.
func (d *decider) supersede() {
	latest := true
	for i := len(d.out.Activities) - 1; i >= 0; i-- {
		a := &d.out.Activities[i]
		switch {
		case a.Status != model.ActivityInProgress:
		case latest:
			latest = false
			d.out.Cause = a.Cause
		default:
			*a = overridden(*a, d.Now, d.desired)
		}
	}
}

// wake is the first time at which a cool-down ends or an action is due, the next second for the fast lane.
func (d *decider) wake() time.Time {
	var first time.Time
	sooner := func(t time.Time) {
		if first.IsZero() || t.Before(first) {
			first = t
		}
	}
	for name, c := range d.state.Cooldowns {
		if p := d.policy(name); p != nil && !c.Began.IsZero() {
			sooner(ends(p, c))
		}
	}
	for _, a := range d.Actions {
		if next, ok := a.Next(d.Now); ok {
			sooner(next)
		}
	}
	if at, ok := d.looksForIdleness(); ok {
		sooner(at)
	}
	if slices.ContainsFunc(d.policies, d.fast) {
		sooner(d.Now.Add(time.Second))
	}
	return first
}

// sameButRecent compares states without the window of the fast lane.
func sameButRecent(a, b *model.ScalingState) bool {
	if b == nil {
		b = &model.ScalingState{}
	}
	sameCooldown := func(x, y model.Cooldown) bool {
		return x.Began.Equal(y.Began) && x.Activity == y.Activity && x.From == y.From && x.To == y.To
	}
	return a.Target == b.Target && a.LastActivity == b.LastActivity && maps.EqualFunc(a.Cooldowns, b.Cooldowns, sameCooldown) &&
		maps.EqualFunc(a.Ran, b.Ran, time.Time.Equal) && maps.Equal(a.Blocked, b.Blocked)
}
