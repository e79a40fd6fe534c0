package why

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/core/schedule"
	"github.com/maitred/maitred/internal/model"
)

// Scaling is how a service is scaled now.
type Scaling struct {
	Target  string `json:"target"` // ARN of the scalable target
	Min     int    `json:"min"`
	Max     int    `json:"max"`
	Desired int    `json:"desired"`
	Running int    `json:"running"`
	// Policies are by name; Schedules are one sentence for each scheduled action.
	Policies  []PolicyNow `json:"policies,omitempty"`
	Schedules []string    `json:"schedules,omitempty"`
	// Held says why nothing is scaled now, one reason each.
	Held []string `json:"held,omitempty"`
}

// PolicyNow is what a scaling policy is about, and what it looks at.
type PolicyNow struct {
	ARN  string `json:"arn"`
	Name string `json:"name"`
	Text string `json:"text"` // what it does: a sentence without its subject
	// Cooldown says which cool-down is in force and until when, "" for none.
	Cooldown string     `json:"cooldown,omitempty"`
	Alarms   []AlarmNow `json:"alarms,omitempty"`
	// Seconds are the newest measurements of a policy that is looked at each second, the newest first.
	Seconds []float64 `json:"seconds,omitempty"`
}

// AlarmNow is the state of an alarm.
type AlarmNow struct {
	ARN    string           `json:"arn"`
	Name   string           `json:"name"`
	Value  model.AlarmValue `json:"value"`
	Since  time.Time        `json:"since,omitzero"`
	Text   string           `json:"text"`             // when it is in ALARM
	Points []float64        `json:"points,omitempty"` // newest first, as far as they are known
	Reason string           `json:"reason,omitempty"`
}

// scaling tells how a service is scaled; nil for one that is not.
func (v Viewer) scaling(s *model.Service) *Scaling {
	target, ok := v.View.ScalableTarget(scalablePath(s))
	if !ok {
		return nil
	}
	in := v.scalingInput(s, target)
	now := &Scaling{Target: target.ARN, Min: target.Min, Max: target.Max, Desired: s.DesiredCount, Running: in.Running}
	for _, p := range in.Policies {
		now.Policies = append(now.Policies, v.policyNow(target, s, p, in.Series))
	}
	for a := range v.View.ScheduledActions(target.Path()) {
		now.Schedules = append(now.Schedules, v.scheduleNow(a))
	}
	now.Held = v.notScaled(s, in)
	return now
}

// scalablePath is the path of the scalable target that a service would have.
func scalablePath(s *model.Service) string {
	return model.ScalablePath(arn.ScopeOf(s.ARN).Region, "service/"+arn.Name(s.Cluster)+"/"+s.Name)
}

func (v Viewer) policyNow(t *model.ScalableTarget, s *model.Service, p *model.ScalingPolicy, seconds []scaling.Series) PolicyNow {
	now := PolicyNow{ARN: p.ARN, Name: p.Name, Text: policyText(p, fast(p, s)), Cooldown: v.cooldown(t.Path(), p)}
	for _, a := range v.alarmsOf(t.Region, p) {
		now.Alarms = append(now.Alarms, v.alarmNow(a))
	}
	for _, series := range seconds {
		if series.Policy != p.Name {
			continue
		}
		for _, point := range series.Points {
			now.Seconds = append(now.Seconds, point.Value)
		}
	}
	return now
}

// policyText says what a policy does.
func policyText(p *model.ScalingPolicy, fast bool) string {
	if p.Step != nil {
		text := fmt.Sprintf("changes the count in %s by how far the alarm is breached (%s)", count(len(p.Step.Steps), "step"), p.Step.Adjustment)
		return text + pauseText(", cool-down ", p.Step.Cooldown)
	}
	text := fmt.Sprintf("keeps %s at %s", trackedMetric(p.Tracking), number(p.Tracking.Value))
	switch {
	case fast:
		text += ", looked at each second"
	default:
		text += pauseText(", cool-down out ", p.Tracking.OutCooldown) + pauseText(", in ", p.Tracking.InCooldown)
	}
	if p.Tracking.NoScaleIn {
		text += ", never scales in"
	}
	return text
}

func pauseText(what string, d time.Duration) string { return what + number(d.Seconds()) + " s" }

// trackedMetric names what a target tracking policy measures.
func trackedMetric(t *model.Tracking) string {
	if t.Predefined != "" {
		return t.Predefined
	}
	return queriedMetric(t.Queries)
}

func queriedMetric(queries []model.MetricQuery) string {
	return cmp.Or(model.Returned(queries), "a metric")
}

// cooldown says which cool-down of a policy is in force.
func (v Viewer) cooldown(target string, p *model.ScalingPolicy) string {
	state, ok := v.View.ScalingState(target)
	if !ok {
		return ""
	}
	c, ok := state.Cooldowns[p.Name]
	if !ok {
		return ""
	}
	direction := "scale-in"
	var pause time.Duration
	switch {
	case p.Step != nil:
		pause = p.Step.Cooldown
	case c.To > c.From:
		pause = p.Tracking.OutCooldown
	default:
		pause = p.Tracking.InCooldown
	}
	if c.To > c.From {
		direction = "scale-out"
	}
	if c.Began.IsZero() {
		return fmt.Sprintf("%s from %d to %d is in progress; its cool-down of %s s begins when it has succeeded", direction, c.From, c.To, number(pause.Seconds()))
	}
	if until := c.Began.Add(pause); v.Now.Before(until) {
		return fmt.Sprintf("%s cool-down of %s s until %s, after scaling from %d to %d", direction, number(pause.Seconds()), v.clock(until), c.From, c.To)
	}
	return ""
}

// scheduleNow says what a scheduled action does, and when next.
func (v Viewer) scheduleNow(a *model.ScheduledAction) string {
	text := fmt.Sprintf("scheduled action %s, %s, sets %s", a.Name, strings.TrimSpace(a.Schedule+" "+a.Zone), boundsText(a))
	zone, err := time.LoadLocation(a.Zone) // UTC for ""
	if err != nil {
		return text
	}
	s, err := schedule.Parse(a.Schedule, zone)
	if err != nil {
		return text
	}
	if next, ok := s.Bounded(a.CreatedAt, a.Start, a.End).Next(v.Now); ok {
		return text + ", next at " + next.In(v.Now.Location()).Format("2006-01-02 15:04:05")
	}
	return text + ", never again"
}

func boundsText(a *model.ScheduledAction) string {
	var parts []string
	if a.Min != nil {
		parts = append(parts, fmt.Sprintf("the minimum to %d", *a.Min))
	}
	if a.Max != nil {
		parts = append(parts, fmt.Sprintf("the maximum to %d", *a.Max))
	}
	return strings.Join(parts, " and ")
}

// alarmsOf are the alarms that drive a policy: those that it made for itself, or those of the user that name it.
func (v Viewer) alarmsOf(region string, p *model.ScalingPolicy) (found []*model.Alarm) {
	if p.Tracking != nil {
		for _, name := range p.Alarms {
			if a, ok := v.View.Alarm(model.AlarmPath(region, name)); ok {
				found = append(found, a)
			}
		}
		return found
	}
	for a := range v.View.Alarms(region) {
		if slices.ContainsFunc(a.AlarmActions, func(action string) bool {
			policy, _, ok := arn.PolicyOfAction(action)
			return ok && policy == p.ARN
		}) {
			found = append(found, a)
		}
	}
	return found
}

// number writes a measurement for people.
func number(f float64) string {
	if f != 0 && math.Abs(f) < 0.001 || math.Abs(f) > 1e9 {
		return strconv.FormatFloat(f, 'g', 4, 64)
	}
	return strconv.FormatFloat(math.Round(f*1e4)/1e4, 'f', -1, 64)
}

// Numbers writes measurements for people.
func Numbers(all []float64) string {
	texts := make([]string, len(all))
	for i, f := range all {
		texts[i] = number(f)
	}
	return strings.Join(texts, ", ")
}
