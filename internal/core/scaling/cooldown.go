package scaling

import (
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// pause is the cool-down of a policy after scaling out, or after scaling in. The fast lane has none: it knows what is
// pending, and has its window.
func pause(p *model.ScalingPolicy, out bool) time.Duration {
	switch {
	case p.Step != nil:
		return p.Step.Cooldown
	case out:
		return p.Tracking.OutCooldown
	default:
		return p.Tracking.InCooldown
	}
}

// ends is when a cool-down that has begun is over.
func ends(p *model.ScalingPolicy, c model.Cooldown) time.Time {
	return c.Began.Add(pause(p, c.To > c.From))
}

// cooling gives the cool-down of a policy, if one is in force: from the activity that leads to it, although its time
// only runs once that has succeeded.
func (d *decider) cooling(p *model.ScalingPolicy) (c model.Cooldown, out, ok bool) {
	c, ok = d.state.Cooldowns[p.Name]
	return c, c.To > c.From, ok
}

// credited takes what a policy has added in a cool-down from what it wants to add ("Target tracking scaling policies",
// cool-down periods): after +2, a wish for +3 is worth +1.
func (d *decider) credited(v *vote) {
	c, out, ok := d.cooling(v.policy)
	if !ok || !out || v.fast {
		return
	}
	more := v.count - v.base
	v.count = c.To + more - (c.To - c.From)
	v.inputs.Cooldown = d.pauseText(v.policy, c) + fmt.Sprintf(": of %d more, %d were added by then", more, c.To-c.From)
	v.inputs.Formula += fmt.Sprintf("; %d + %d = %d in the cool-down", c.From, more, v.count)
}

// pauseText says which cool-down it is.
func (d *decider) pauseText(p *model.ScalingPolicy, c model.Cooldown) string {
	direction := "scale-in"
	if c.To > c.From {
		direction = "scale-out"
	}
	if c.Began.IsZero() {
		return fmt.Sprintf("%s from %d to %d in progress", direction, c.From, c.To)
	}
	return fmt.Sprintf("%s cool-down of %s s until %s", direction, number(pause(p, c.To > c.From).Seconds()), ends(p, c).UTC().Format(time.RFC3339))
}

// begin remembers what a policy has done, for the cool-down. Its time begins when the activity has succeeded.
func (d *decider) begin(v *vote, to int) {
	if v.out() {
		d.endScaleIns()
	}
	if v.fast || pause(v.policy, v.out()) == 0 {
		delete(d.state.Cooldowns, v.policy.Name)
		return
	}
	// The smaller and the larger, so that what tasks still stop or start does not turn the direction.
	from := min(v.base, d.desired)
	if !v.out() {
		from = max(v.base, d.desired)
	}
	if c, out, ok := d.cooling(v.policy); ok && out && v.out() {
		from = c.From
	}
	d.state.Cooldowns[v.policy.Name] = model.Cooldown{Activity: d.state.LastActivity + 1, From: from, To: to}
}

// endScaleIns ends the pauses after scaling in: whoever scales out ends them all.
func (d *decider) endScaleIns() {
	for name, c := range d.state.Cooldowns {
		if c.To < c.From {
			delete(d.state.Cooldowns, name)
		}
	}
}
