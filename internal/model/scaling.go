package model

import (
	"fmt"
	"time"
)

// The types of scaling policies ("PolicyType").
const (
	TargetTracking = "TargetTrackingScaling"
	StepScaling    = "StepScaling"
)

// ScalableTarget is a service whose desired count is scaled between two bounds ("ScalableTarget").
type ScalableTarget struct {
	ARN       string    `json:"arn"`
	Region    string    `json:"region"`
	Resource  string    `json:"resource"` // service/<cluster>/<service>
	Service   string    `json:"service"`  // ARN
	Min       int       `json:"min"`
	Max       int       `json:"max"`
	Role      string    `json:"role,omitempty"`
	Suspended Suspended `json:"suspended,omitzero"`
	Tags      []Tag     `json:"tags,omitempty"`
	CreatedAt time.Time `json:"created"`
	Cause     Cause     `json:"cause"`
}

// Suspended says which kinds of scaling do not happen ("SuspendedState").
type Suspended struct {
	In        bool `json:"in,omitempty"`
	Out       bool `json:"out,omitempty"`
	Scheduled bool `json:"scheduled,omitempty"`
}

// Path names the target in the paths of what belongs to it.
func (t *ScalableTarget) Path() string { return ScalablePath(t.Region, t.Resource) }

// Key implements Record.
func (t *ScalableTarget) Key() Key { return Key{KindScalable, t.Path()} }

// ScalablePath is the path of a scalable target.
func ScalablePath(region, resource string) string { return region + "/" + resource }

// ScalingPolicy says how a scalable target is scaled ("ScalingPolicy"). One of Tracking and Step is set.
type ScalingPolicy struct {
	ARN       string    `json:"arn"`
	Name      string    `json:"name"`
	Target    string    `json:"target"`            // path of the scalable target
	Creator   string    `json:"creator,omitempty"` // uuid in the createdBy part of what its alarms do
	Tracking  *Tracking `json:"tracking,omitempty"`
	Step      *Step     `json:"step,omitempty"`
	Alarms    []string  `json:"alarms,omitempty"` // names of those that it made, the high one first
	CreatedAt time.Time `json:"created"`
	Cause     Cause     `json:"cause"`
	// Document is the configuration as it was given, in the AWS API's JSON.
	Document []byte `json:"doc,omitempty"`
}

// Key implements Record.
func (p *ScalingPolicy) Key() Key { return ScalingPolicyKey(p.Target, p.Name) }

// Type is the policy's type.
func (p *ScalingPolicy) Type() string {
	if p.Step != nil {
		return StepScaling
	}
	return TargetTracking
}

// ScalingPolicyKey is the key of a policy of a scalable target (given by path).
func ScalingPolicyKey(target, name string) Key {
	return Key{KindScalingPolicy, target + "/" + name}
}

// Tracking keeps a metric near a value ("TargetTrackingScalingPolicyConfiguration").
type Tracking struct {
	Value float64 `json:"value"`
	// Predefined names a predefined metric, with its resource label; "": the metric is a customised one.
	Predefined string `json:"predefined,omitempty"`
	Label      string `json:"label,omitempty"`
	// Queries are what is measured, resolved: one query of a metric for a predefined one, and of those of metric math
	// exactly one is not hidden.
	Queries []MetricQuery `json:"queries"`
	// Fast says that it is looked at each second, on data of each second.
	Fast        bool          `json:"fast,omitempty"`
	OutCooldown time.Duration `json:"out"`
	InCooldown  time.Duration `json:"in"`
	NoScaleIn   bool          `json:"noIn,omitempty"` // DisableScaleIn
}

// The ways in which a step changes the count ("AdjustmentType").
const (
	ChangeInCapacity        = "ChangeInCapacity"
	PercentChangeInCapacity = "PercentChangeInCapacity"
	ExactCapacity           = "ExactCapacity"
)

// Step changes the count by how far a metric is from the threshold of an alarm ("StepScalingPolicyConfiguration").
type Step struct {
	Adjustment  string        `json:"adjustment"`
	Steps       []StepRange   `json:"steps"`
	Magnitude   int           `json:"magnitude,omitempty"` // MinAdjustmentMagnitude; 0: not given
	Cooldown    time.Duration `json:"cooldown"`
	Aggregation string        `json:"aggregation,omitempty"` // Average (also ""), Minimum, Maximum
}

// StepRange is an adjustment for a range of distances from the threshold; nil is an infinite bound ("StepAdjustment").
type StepRange struct {
	Lower  *float64 `json:"lower,omitempty"`
	Upper  *float64 `json:"upper,omitempty"`
	Change int      `json:"change"`
}

// ScheduledAction moves the bounds of a scalable target at given times ("ScheduledAction").
type ScheduledAction struct {
	ARN       string    `json:"arn"`
	Name      string    `json:"name"`
	Target    string    `json:"target"` // path of the scalable target
	Schedule  string    `json:"schedule"`
	Zone      string    `json:"zone,omitempty"`
	Start     time.Time `json:"start,omitzero"`
	End       time.Time `json:"end,omitzero"`
	Min       *int      `json:"min,omitempty"`
	Max       *int      `json:"max,omitempty"`
	CreatedAt time.Time `json:"created"`
	Cause     Cause     `json:"cause"`
}

// Key implements Record.
func (a *ScheduledAction) Key() Key { return ScheduledActionKey(a.Target, a.Name) }

// ScheduledActionKey is the key of a scheduled action of a scalable target (given by path).
func ScheduledActionKey(target, name string) Key {
	return Key{KindScheduledAction, target + "/" + name}
}

// ScalingState is what the scaler remembers of a scalable target. Deadlines are data, so that a new leader loses none.
type ScalingState struct {
	Target string `json:"target"` // path
	// Cooldowns are those that began, by name of the policy.
	Cooldowns map[string]Cooldown `json:"cooldowns,omitempty"`
	// Ran is when a scheduled action was last due, by name.
	Ran map[string]time.Time `json:"ran,omitempty"`
	// LastActivity numbers the newest ScalingActivity.
	LastActivity int `json:"lastActivity,omitempty"`
	// Blocked is what a policy was last kept from doing, by name, so that it is told once.
	Blocked map[string]string `json:"blocked,omitempty"`
	// Recent are the proposals of the fast lane's stabilisation window, by name of the policy.
	Recent map[string][]Proposal `json:"recent,omitempty"`
}

// Proposal is a count that the fast lane would have set.
type Proposal struct {
	At    time.Time `json:"at"`
	Count int       `json:"n"`
}

// Key implements Record.
func (s *ScalingState) Key() Key { return Key{KindScalingState, s.Target} }

// Cooldown is a pause after a scaling activity of a policy.
type Cooldown struct {
	// Activity is the number of the activity; the pause begins when it has succeeded, at Began.
	Activity int       `json:"activity"`
	Began    time.Time `json:"began,omitzero"`
	From     int       `json:"from"` // the running count that the activity began with
	To       int       `json:"to"`
}

// ActivityStatus is the state of a scaling activity ("ScalingActivity").
type ActivityStatus string

// The states of a scaling activity.
const (
	ActivityInProgress ActivityStatus = "InProgress"
	ActivitySuccessful ActivityStatus = "Successful"
	ActivityOverridden ActivityStatus = "Overridden"
	ActivityFailed     ActivityStatus = "Failed"
)

// The reasons for which a target was not scaled ("NotScaledReason").
const (
	AnticipatedFlapping = "AutoScalingAnticipatedFlapping"
	Unscalable          = "TargetServicePutResourceAsUnscalable"
	AtMaxCapacity       = "AlreadyAtMaxCapacity"
	AtMinCapacity       = "AlreadyAtMinCapacity"
	AtDesiredCapacity   = "AlreadyAtDesiredCapacity"
)

// MaxScalingActivities is how many activities of a target are kept, for six weeks at most.
const MaxScalingActivities = 200

// ScalingActivity is one thing that was done to a scalable target, or was not and why ("ScalingActivity").
type ScalingActivity struct {
	ID            string         `json:"id"` // uuid
	Target        string         `json:"target"`
	Number        int            `json:"n"`
	Description   string         `json:"desc"`
	CauseText     string         `json:"why"`
	StartedAt     time.Time      `json:"start"`
	EndedAt       time.Time      `json:"end,omitzero"`
	Status        ActivityStatus `json:"status"`
	StatusMessage string         `json:"message,omitempty"`
	Details       string         `json:"details,omitempty"`
	NotScaled     []NotScaled    `json:"not,omitempty"`
	Desired       int            `json:"desired"`          // that was set; -1 if none was
	Policy        string         `json:"policy,omitempty"` // name of the one that decided
	Inputs        *ScalingInputs `json:"inputs,omitempty"`
	Cause         Cause          `json:"cause"`
}

// NotScaled is a reason for which a target was not scaled; the capacities are -1 where they are not told.
type NotScaled struct {
	Code    string `json:"code"`
	Current int    `json:"cur"`
	Min     int    `json:"min"`
	Max     int    `json:"max"`
}

// ScalingInputs are the numbers that led to a decision.
type ScalingInputs struct {
	Metric    string    `json:"metric,omitempty"` // what was measured, as a person reads it
	Points    []float64 `json:"points,omitempty"` // newest first
	Value     float64   `json:"value"`            // what they come to
	Threshold float64   `json:"threshold"`        // the target value, or the alarm's threshold
	Running   int       `json:"running"`
	Desired   int       `json:"desired"` // before
	Formula   string    `json:"formula,omitempty"`
	Alarm     string    `json:"alarm,omitempty"` // name
	Cooldown  string    `json:"cooldown,omitempty"`
	Result    int       `json:"result"`
}

// Key implements Record.
func (a *ScalingActivity) Key() Key { return ScalingActivityKey(a.Target, a.Number) }

// ScalingActivityKey is the key of an activity; those of a target sort by number.
func ScalingActivityKey(target string, number int) Key {
	return Key{KindScalingActivity, fmt.Sprintf("%s/%010d", target, number)}
}
