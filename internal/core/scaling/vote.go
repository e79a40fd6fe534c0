package scaling

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/model"
)

// vote is what one policy wants.
type vote struct {
	policy    *model.ScalingPolicy
	signal    *Signal // nil in the fast lane
	fires     bool    // it may act now; else it only counts for what others may do
	fast      bool
	base      int // what it reckons from
	count     int // what it wants, whatever the bounds
	direction int // 1: out, -1: in, 0: neither, and why
	flapping  bool
	why       string
	inputs    model.ScalingInputs
}

func (v *vote) out() bool { return v.direction > 0 }

// base is what proposals reckon from: the running tasks. During a deployment those of both revisions run, so not more than
// are desired count ("Service auto scaling", considerations).
func (d *decider) base() int {
	if d.Deploying {
		return min(d.Running, d.desired)
	}
	return d.Running
}

func (d *decider) newVote(p *model.ScalingPolicy, s *Signal, base int) *vote {
	v := &vote{policy: p, signal: s, base: base, count: base}
	v.inputs = model.ScalingInputs{Running: d.Running, Desired: d.desired, Result: d.desired}
	if s != nil {
		v.fires = s.Fire
		v.inputs.Alarm, v.inputs.Threshold, v.inputs.Metric = s.Alarm.Name, s.Alarm.Threshold, metricOfAlarm(s.Alarm)
	}
	return v
}

// votes are what all policies want, by their names: of each alarm that is in ALARM, and of the fast lane.
func (d *decider) votes() []*vote {
	var all []*vote
	for _, p := range d.policies {
		if s, whole := d.second(p); s != nil {
			all = append(all, d.fastVote(p, s, whole))
			continue
		}
		all = append(all, d.alarmVotes(p)...)
	}
	return all
}

// alarmVotes are those of a policy's alarms. One whose actions are disabled has none: it could never carry out what it wants,
// and others would wait for it.
func (d *decider) alarmVotes(p *model.ScalingPolicy) []*vote {
	var all []*vote
	for i := range d.signals {
		s := &d.signals[i]
		switch {
		case s.Policy != p.Name || s.State != model.AlarmAlarm || !s.Alarm.ActionsEnabled:
		case p.Step != nil:
			all = append(all, d.stepVote(p, s))
		case s.High || !p.Tracking.NoScaleIn:
			all = append(all, d.trackingVote(p, s))
		}
	}
	return all
}

// runPolicies scales out if any policy wants it; else in, if those that have a say agree ("How multiple scaling policies
// work together"). Who wants to scale out keeps all others from scaling in, even if it may not do so itself now.
func (d *decider) runPolicies() {
	votes := d.votes()
	d.unblock(votes)
	var outs, ins []*vote
	for _, v := range votes {
		switch {
		case v.direction > 0:
			outs = append(outs, v)
		case v.direction < 0 || v.flapping:
			ins = append(ins, v)
		case v.fires && !v.fast:
			d.stays(v)
		}
	}
	if len(outs) == 0 {
		d.scaleIn(ins)
		return
	}
	d.scaleOut(outs)
	for _, v := range ins {
		if v.fires {
			d.hold(v, fmt.Sprintf("policy %s wants to scale out", outs[0].policy.Name))
		}
	}
}

// stays tells of a policy that was triggered and wants what there is.
func (d *decider) stays(v *vote) {
	if v.inputs.Formula == "" {
		d.hold(v, v.why)
		return
	}
	d.block(v, model.AtDesiredCapacity, v.why)
}

// scaleOut lets the largest of the counts win that the policies want which are triggered now.
func (d *decider) scaleOut(outs []*vote) {
	var best *vote
	for _, v := range outs {
		switch {
		case !v.fires:
		case d.repairUp(v):
			return
		case d.mayScaleOut(v) && (best == nil || v.count > best.count):
			best = v
		}
	}
	if best != nil {
		d.scale(best, min(best.count, d.max))
	}
}

// repairUp brings a desired count that somebody has set below the minimum to it; the policy goes on from there the next
// time that it is triggered.
func (d *decider) repairUp(v *vote) bool {
	if d.desired >= d.min || d.Target.Suspended.Out {
		return false
	}
	v.inputs.Formula = fmt.Sprintf("%d desired are below the minimum %d", d.desired, d.min)
	d.repair(v, d.min)
	return true
}

// mayScaleOut says whether a policy may scale out, and remembers why not.
func (d *decider) mayScaleOut(v *vote) bool {
	if v.count <= d.desired {
		if !v.fast {
			d.block(v, model.AtDesiredCapacity, d.desiredText(v))
		}
		return false
	}
	if d.Target.Suspended.Out {
		d.hold(v, "scaling out is suspended")
		return false
	}
	d.credited(v)
	switch {
	case v.count <= d.desired:
		d.hold(v, v.inputs.Cooldown)
		return false
	case d.desired >= d.max:
		d.block(v, model.AtMaxCapacity, fmt.Sprintf("%d is the maximum: %s", d.max, v.inputs.Formula))
		return false
	}
	return true
}

// scaleIn lets the largest count win. Target tracking policies agree on one, which all must be ready for; step policies
// have one each.
func (d *decider) scaleIn(ins []*vote) {
	var best *vote
	trackers := slices.DeleteFunc(slices.Clone(ins), func(v *vote) bool { return v.policy.Step != nil })
	for _, v := range ins {
		if !v.fires {
			continue
		}
		if d.repairDown(v) {
			return
		}
		want := v
		if v.policy.Step == nil {
			want = largest(trackers)
		}
		if d.mayScaleIn(v, want, trackers) && (best == nil || want.count > best.count) {
			best = want
		}
	}
	if best != nil {
		d.scale(best, max(best.count, d.min))
	}
}

func largest(votes []*vote) *vote {
	return slices.MaxFunc(votes, func(a, b *vote) int { return a.count - b.count })
}

// repairDown brings a desired count that somebody has set above the maximum to it.
func (d *decider) repairDown(v *vote) bool {
	if d.desired <= d.max || d.Target.Suspended.In || d.Deploying {
		return false
	}
	v.inputs.Formula = fmt.Sprintf("%d desired are above the maximum %d", d.desired, d.max)
	d.repair(v, d.max)
	return true
}

// mayScaleIn says whether a policy may scale in to what want says, and remembers why not.
func (d *decider) mayScaleIn(v, want *vote, trackers []*vote) bool {
	switch {
	case d.desired <= d.min:
		d.block(v, model.AtMinCapacity, fmt.Sprintf("%d is the minimum: %s", d.min, v.inputs.Formula))
	case v.flapping:
		d.block(v, model.AnticipatedFlapping, "with one less it would scale out: "+v.inputs.Formula)
	case v.count >= d.desired:
		d.block(v, model.AtDesiredCapacity, d.desiredText(v))
	case d.Deploying:
		d.block(v, model.Unscalable, "a deployment is in progress")
	case d.Target.Suspended.In:
		d.hold(v, "scaling in is suspended")
	default:
		return d.agreed(v, want, trackers)
	}
	return false
}

// agreed looks at the other policies, and at the cool-downs.
func (d *decider) agreed(v, want *vote, trackers []*vote) bool {
	if v.policy.Step == nil {
		if why := d.notReady(v.policy, trackers); why != "" {
			d.hold(v, why)
			return false
		}
		if name, count := d.needed(); count >= d.desired {
			d.block(v, model.AnticipatedFlapping, fmt.Sprintf("policy %s would scale out again, it needs %d", name, count))
			return false
		} else if count > want.count {
			want.count = count
			want.inputs.Formula += fmt.Sprintf("; policy %s needs %d", name, count)
		}
		if want.count >= d.desired {
			d.hold(v, fmt.Sprintf("policy %s needs %d", want.policy.Name, want.count))
			return false
		}
	}
	if c, _, ok := d.cooling(v.policy); ok && !v.fast && (c.To < c.From || !c.Began.IsZero()) {
		d.hold(v, d.pauseText(v.policy, c))
		return false
	}
	return true
}

// notReady names the target tracking policies that do not want to scale in, although another one does.
func (d *decider) notReady(another *model.ScalingPolicy, trackers []*vote) string {
	var names []string
	for _, p := range d.policies {
		if p == another || p.Tracking == nil || d.neverIn(p) {
			continue
		}
		c, _, cools := d.cooling(p)
		ready := slices.ContainsFunc(trackers, func(v *vote) bool { return v.policy == p })
		if !ready || cools && !c.Began.IsZero() && !d.fast(p) {
			names = append(names, p.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return "not ready to scale in: policy " + strings.Join(names, ", ")
}

// neverIn says whether a target tracking policy never scales in: because it shall not, or because nothing would make it, as
// the actions of its low alarm are disabled.
func (d *decider) neverIn(p *model.ScalingPolicy) bool {
	if p.Tracking.NoScaleIn {
		return true
	}
	if seconds, _ := d.second(p); seconds != nil {
		return false
	}
	return slices.ContainsFunc(d.signals, func(s Signal) bool { return s.Policy == p.Name && !s.High && !s.Alarm.ActionsEnabled })
}

// needed is how many tasks the target tracking policies need that never scale in, and the name of the one that needs most.
func (d *decider) needed() (name string, count int) {
	for _, p := range d.policies {
		if p.Tracking != nil && d.neverIn(p) {
			if n := d.floor(p); n > count {
				name, count = p.Name, n
			}
		}
	}
	return name, count
}

func (d *decider) hold(v *vote, why string) {
	d.out.Held = append(d.out.Held, Held{Policy: v.policy.Name, Why: why})
}

// desiredText says that a policy wants what is desired already, of which some may not run yet.
func (d *decider) desiredText(v *vote) string {
	return fmt.Sprintf("%d are desired, %d of them pending: %s", d.desired, d.Pending, v.inputs.Formula)
}
