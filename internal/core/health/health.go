// Package health decides whether a target of a target group is healthy, as Elastic Load Balancing does ("Health checks for
// target groups", "TargetHealth"): a machine of one target's states, what the outcome of a check means, and when checks
// are due. It is pure; whoever executes checks and keeps a Machine for each target is the shell.
package health

import (
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Machine is what one balancer knows of a target's health. The zero value knows nothing yet: Place comes first. A
// Machine is a value; what happens gives the next one.
type Machine struct {
	State       model.TargetState
	Reason      string
	Description string
	Since       time.Time // of State
	// Suspect says that a connection was refused since the last success: the target should get no requests while there
	// are others, though its state says nothing of it. The next success ends it.
	Suspect bool

	streak int // checks in a row that speak against State
	// While the target is unhealthy, it may begin to fail in another way.
	other  Result
	others int // checks in a row that failed as other
}

// Placement is what is wanted of a target, apart from what checks find out.
type Placement struct {
	InUse    bool // a listener leads to its group
	Draining bool // it is being deregistered
	Disabled bool // the group's checks are off
}

// Thresholds are how many outcomes in a row change a state ("HealthyThresholdCount", "UnhealthyThresholdCount").
type Thresholds struct {
	Healthy   int
	Unhealthy int
}

// ThresholdsOf gives those of a group's check.
func ThresholdsOf(c *model.TargetCheck) Thresholds {
	return Thresholds{Healthy: c.Healthy, Unhealthy: c.Unhealthy}
}

// Resume is the machine of a target of which this balancer knew something before it was restarted. How far it was on its
// way to another state is forgotten.
func Resume(h *model.TargetHealth) Machine {
	return Machine{State: h.State, Reason: h.Reason, Description: h.Description, Since: h.Since}
}

// Checked says that the target is to be checked: nothing else decides about its state.
func (m Machine) Checked() bool {
	return m.State == model.TargetInitial || m.State == model.TargetHealthy || m.State == model.TargetUnhealthy
}

// Same says that nobody who asks for the target's health can tell the two apart.
func (m Machine) Same(o Machine) bool {
	return m.State == o.State && m.Reason == o.Reason && m.Description == o.Description
}

// Place says what is wanted of the target. A target that is to be checked and was not, because it is new, was being
// deregistered or not in use, is initial; all others keep what is known of them.
func (m Machine) Place(p Placement, now time.Time) Machine {
	switch {
	case p.Draining:
		return m.enter(model.TargetDraining, Result{Reason: model.ReasonDeregistration, Description: textDraining}, now)
	case !p.InUse:
		return m.enter(model.TargetUnused, Result{Reason: model.ReasonNotInUse, Description: textNotInUse}, now)
	case p.Disabled:
		return m.enter(model.TargetUnavailable, Result{Reason: model.ReasonCheckDisabled, Description: textDisabled}, now)
	case m.Checked():
		return m
	}
	return m.enter(model.TargetInitial, Result{Reason: model.ReasonRegistration, Description: textRegistration}, now)
}

// Check takes the result of a check into account. One success makes an initial target healthy; otherwise it takes as many
// results in a row as the thresholds say, and one of the other kind begins the count anew.
func (m Machine) Check(r Result, t Thresholds, now time.Time) Machine {
	switch {
	case !m.Checked():
		return m
	case r.OK:
		return m.succeed(t, now)
	}
	return m.fail(r, t, now)
}

// Try takes the result of an extra check into account, one that comes before its time because the target is new or
// suspect. It may only speak for the target: failures in quick succession would make thresholds, which stand for as many
// intervals, mean nothing.
func (m Machine) Try(r Result, now time.Time) Machine {
	switch {
	case !m.Checked():
		return m
	case !r.OK:
		return m.checking()
	case m.State == model.TargetInitial:
		return m.enter(model.TargetHealthy, Result{}, now)
	}
	m.Suspect = false
	return m
}

// Doubt says that a connection to the target was refused. Its state is the business of checks; a target that is not
// checked could never prove itself, so nothing changes for it.
func (m Machine) Doubt() Machine {
	m.Suspect = m.Checked()
	return m
}

func (m Machine) succeed(t Thresholds, now time.Time) Machine {
	m.Suspect, m.other, m.others = false, Result{}, 0
	switch m.State {
	case model.TargetInitial:
		return m.enter(model.TargetHealthy, Result{}, now)
	case model.TargetUnhealthy:
		if m.streak++; m.streak >= t.Healthy {
			return m.enter(model.TargetHealthy, Result{}, now)
		}
	default:
		m.streak = 0
	}
	return m
}

func (m Machine) fail(r Result, t Thresholds, now time.Time) Machine {
	if m.State == model.TargetUnhealthy {
		m.streak = 0
		return m.failOtherwise(r, t, now)
	}
	m = m.checking()
	if m.streak++; m.streak >= t.Unhealthy {
		suspect := m.Suspect
		m = m.enter(model.TargetUnhealthy, r, now)
		m.Suspect = suspect
	}
	return m
}

// failOtherwise changes the reason of an unhealthy target once it has failed in the same other way often enough to become
// unhealthy by it: the reason is that of today, and a target that fails in turns does not change with each check.
func (m Machine) failOtherwise(r Result, t Thresholds, now time.Time) Machine {
	switch {
	case r.Reason == m.Reason && r.Description == m.Description:
		m.other, m.others = Result{}, 0
		return m
	case r != m.other:
		m.other, m.others = r, 0
	}
	if m.others++; m.others < t.Unhealthy {
		return m
	}
	suspect := m.Suspect
	m = m.enter(model.TargetUnhealthy, r, now)
	m.Suspect = suspect
	return m
}

// checking says of an initial target that it has been checked.
func (m Machine) checking() Machine {
	if m.State == model.TargetInitial {
		m.Reason, m.Description = model.ReasonInitialChecks, textInitial
	}
	return m
}

// enter goes into a state for a reason; one that lasts keeps its beginning.
func (m Machine) enter(s model.TargetState, r Result, now time.Time) Machine {
	since := now
	if m.State == s {
		since = m.Since
	}
	return Machine{State: s, Reason: r.Reason, Description: r.Description, Since: since}
}
