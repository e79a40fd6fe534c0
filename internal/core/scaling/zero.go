package scaling

import (
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Scale to zero is what AWS does not have: a service whose minimum is 0 gets its first task because a request or a
// connection waits for one, and has none when for a given time there was neither a request nor a flow in flight, however
// many there were. Between these two its policies scale it as ever.

// Zero is what is known of a service that may have no tasks at all.
type Zero struct {
	// Problem says why it is not done although it was asked for; "": it is done. Then only this is looked at.
	Problem string
	// Idle is how long nothing may be in flight.
	Idle time.Duration
	// Used is when it was last in use, Measured up to when that is known, both by LastUse.
	Used, Measured time.Time
	// Waiting is what waits longest; nil: nothing does.
	Waiting *Waiting
	// What is measured, as a person reads it.
	Metric string
}

// Waiting is a request or a connection that waits.
type Waiting struct {
	What     string // request, connection
	Balancer string // id
	Group    string // name of the target group
	Since    time.Time
}

// Use is how much was in flight in one second.
type Use struct {
	At    time.Time
	Value float64
}

// UseGap is how long nothing may be known of the use, before it counts as use.
const UseGap = 10 * time.Second

// LastUse says when something was last in use and up to when that is known, after what was known before and more seconds,
// ordered by time. What is not measured for longer than UseGap counts as used.
func LastUse(used, measured, now time.Time, seconds []Use) (newUsed, newMeasured time.Time) {
	for _, s := range seconds {
		if s.At.Before(measured) && s.Value == 0 || s.At.After(now) {
			continue
		}
		if s.At.Sub(measured) > UseGap {
			used = s.At
		}
		end := s.At.Add(time.Second)
		if s.Value > 0 && end.After(used) {
			used = end
		}
		if end.After(measured) {
			measured = end
		}
	}
	if now.Sub(measured) > UseGap {
		return now, now
	}
	return used, measured
}

// zeroKey is under which name it is remembered what was told of scale to zero.
const zeroKey = "scale-to-zero"

// The pauses between two looks at whether something is idle: when what is measured is late, and when it is kept from
// having no tasks.
const (
	idleLate = time.Second
	idleHeld = 10 * time.Second
)

// runZero wakes what somebody waits for, and sends to sleep what nobody has asked for a long time.
func (d *decider) runZero() {
	switch z := d.Zero; {
	case z == nil:
		delete(d.state.Blocked, zeroKey)
	case z.Problem != "":
		d.tellOnce("it is not scaled to zero: " + z.Problem)
	case z.Waiting != nil:
		d.awaken(z.Waiting)
	default:
		delete(d.state.Blocked, zeroKey)
		d.rest(z)
	}
}

// tellOnce tells the service's events something of scale to zero, until it is something else.
func (d *decider) tellOnce(text string) {
	if d.state.Blocked[zeroKey] != text {
		d.state.Blocked[zeroKey] = text
		d.out.Told = append(d.out.Told, text)
	}
}

func (d *decider) holdZero(why string) {
	d.out.Held = append(d.out.Held, Held{Policy: zeroKey, Why: why})
}

// awaken starts the first task.
func (d *decider) awaken(w *Waiting) {
	keeps := ""
	switch {
	case d.desired > 0:
		return
	case d.Target.Suspended.Out:
		keeps = "scaling out is suspended"
	case d.max < 1:
		keeps = "the maximum is 0"
	}
	if keeps != "" {
		d.holdZero(keeps)
		d.tellOnce(fmt.Sprintf("a %s waits for target group %s and no task is started: %s", w.What, w.Group, keeps))
		return
	}
	delete(d.state.Blocked, zeroKey)
	d.endScaleIns()
	d.moveTo(1, fmt.Sprintf("a %s waits for target group %s", w.What, w.Group), "0 desired, and a "+w.What+" waits: 1", model.Cause{
		Kind: model.CauseRequest, Subject: w.Group, At: w.Since,
		Detail: fmt.Sprintf("a %s waits at balancer %s since %s", w.What, w.Balancer, w.Since.UTC().Format(time.RFC3339Nano)),
	}, model.ScalingInputs{})
}

// rest takes all tasks away when nothing was in flight for long enough.
func (d *decider) rest(z *Zero) {
	idle := z.Measured.Sub(z.Used)
	switch {
	case d.desired == 0 || d.min > 0 || idle < z.Idle || d.Now.Sub(z.Measured) > UseGap:
		return
	case d.desired > d.Input.Desired:
		d.holdZero("a policy scales out")
		return
	case d.Target.Suspended.In:
		d.holdZero("scaling in is suspended")
		return
	case d.Deploying:
		d.holdZero("a deployment is in progress")
		return
	}
	measured := fmt.Sprintf("no request and no flow in flight for %s s, since %s; the limit is %s s",
		number(idle.Seconds()), z.Used.UTC().Format(time.RFC3339), number(z.Idle.Seconds()))
	d.moveTo(0, measured, fmt.Sprintf("%d desired, and idle for %s s of %s s: 0", d.desired, number(idle.Seconds()), number(z.Idle.Seconds())),
		model.Cause{Kind: model.CauseAlarm, Subject: z.Metric, At: d.Now, Detail: measured},
		model.ScalingInputs{Metric: z.Metric, Points: []float64{0}, Threshold: z.Idle.Seconds(), Value: idle.Seconds()})
}

// moveTo makes a count the desired one.
func (d *decider) moveTo(to int, text, formula string, by model.Cause, inputs model.ScalingInputs) {
	a := change(to, text, model.Cause{Kind: model.CauseScaling, Subject: zeroKey, At: d.Now, Detail: formula, By: &by})
	inputs.Running, inputs.Desired, inputs.Formula, inputs.Result = d.Running, d.desired, formula, to
	a.Inputs = &inputs
	d.adopt(a)
}

// looksForIdleness is when to look next whether nobody asks for it.
func (d *decider) looksForIdleness() (time.Time, bool) {
	z := d.Zero
	if z == nil || z.Problem != "" || d.desired == 0 || d.min > 0 {
		return time.Time{}, false
	}
	at := z.Used.Add(z.Idle)
	pause := idleLate
	if z.Waiting != nil || z.Measured.Sub(z.Used) >= z.Idle {
		pause = idleHeld
	}
	if soonest := d.Now.Add(pause); at.Before(soonest) {
		at = soonest
	}
	return at, true
}
