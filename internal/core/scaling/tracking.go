package scaling

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// LowFactor is what of the target value the metric must stay below for a scale-in: the band up to the target value keeps
// a service that is well sized as it is.
const LowFactor = 0.9

// proportional is how many tasks would have a metric at a target value if base tasks have it at a value.
func proportional(base int, value, target float64) int {
	switch {
	case target <= 0 && value > target: // there is no proportion to such a target: one after the other
		return base + 1
	case target <= 0:
		return max(0, base-1)
	case base > 0:
		return ceil(float64(base) * (value / target))
	case value > target:
		return 1 // the smallest step from nothing
	}
	return 0
}

func proportionText(base int, value, target float64, count int) string {
	if base == 0 || target <= 0 {
		return fmt.Sprintf("%d running, %s to be at %s: %d", base, number(value), number(target), count)
	}
	return fmt.Sprintf("ceil(%d running × %s / %s) = %d", base, number(value), number(target), count)
}

// trackingVote is what a target tracking policy wants when an alarm triggers it. AWS does not say which of an alarm's points
// it takes, only that it adds enough and never removes too much ("Target tracking scaling policies"). To scale out it is
// the newest here, because older ones were measured of fewer tasks while a scale-out goes on; to scale in the largest. Tasks that run and get
// no requests yet have no part in what is measured of those that do, so they are not reckoned with to scale out.
func (d *decider) trackingVote(p *model.ScalingPolicy, s *Signal) *vote {
	v := d.newVote(p, s, d.base())
	target := p.Tracking.Value
	v.inputs.Metric, v.inputs.Threshold = metricOf(p), target
	points := finite(s.Points)
	if len(points) == 0 {
		v.why = "the alarm has no measurements"
		return v
	}
	value := points[0]
	if !s.High {
		value = slices.Max(points)
	}
	v.inputs.Points, v.inputs.Value = points, value
	if s.High && s.Tasks > 0 && s.Tasks < float64(v.base) && target > 0 {
		v.count = ceil(s.Tasks * (value / target))
		v.inputs.Formula = fmt.Sprintf("ceil(%s of %d running × %s / %s) = %d", number(s.Tasks), v.base, number(value), number(target), v.count)
	} else {
		v.count = proportional(v.base, value, target)
		v.inputs.Formula = proportionText(v.base, value, target, v.count)
	}
	v.direction = cmp.Compare(v.count, v.base)
	if v.direction > 0 != s.High && v.direction != 0 {
		v.direction = 0 // the alarm is behind what it measured
	}
	if v.direction == 0 {
		v.why = "as many as there are: " + v.inputs.Formula
		v.flapping = !s.High && v.base > 0
	}
	return v
}

// metricOf names what a tracking policy measures.
func metricOf(p *model.ScalingPolicy) string {
	if p.Tracking.Predefined != "" {
		return p.Tracking.Predefined
	}
	return model.Returned(p.Tracking.Queries)
}

// metricOfAlarm names what an alarm measures.
func metricOfAlarm(a *model.Alarm) string {
	if a.Metric != nil {
		return a.Metric.String()
	}
	return model.Returned(a.Queries)
}

// floor is how many tasks a policy that never scales in needs, so that others do not scale in to where it would at once
// scale out; 0 if its measurements are not known, or it will not scale out as the actions of its alarm are disabled.
func (d *decider) floor(p *model.ScalingPolicy) int {
	if f, whole := d.second(p); f != nil {
		return d.fastCounts(p, f, whole).out
	}
	count := 0
	for _, s := range d.signals {
		if points := finite(s.Points); s.Policy == p.Name && s.Alarm.ActionsEnabled && s.State != model.AlarmInsufficient && len(points) > 0 {
			count = max(count, proportional(d.base(), slices.Max(points), p.Tracking.Value))
		}
	}
	return count
}
