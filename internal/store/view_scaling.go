package store

import (
	"iter"

	"github.com/maitred/maitred/internal/model"
)

// Alarm finds an alarm by its path (model.AlarmPath).
func (v *View) Alarm(path string) (*model.Alarm, bool) { return lookup[*model.Alarm](v, tAlarm, path) }

// Alarms yields the alarms of a region by name, of all if it is "".
func (v *View) Alarms(region string) iter.Seq[*model.Alarm] {
	return prefixed[*model.Alarm](v, tAlarm, parent(region))
}

// AlarmState finds the state of an alarm by the alarm's path.
func (v *View) AlarmState(path string) (*model.AlarmState, bool) {
	return lookup[*model.AlarmState](v, tAlarmState, path)
}

// AlarmEvents yields the history of an alarm (given by path), oldest first; of all alarms if it is "".
func (v *View) AlarmEvents(alarm string) iter.Seq[*model.AlarmEvent] {
	return prefixed[*model.AlarmEvent](v, tAlarmEvent, parent(alarm))
}

// ScalableTarget finds a scalable target by path.
func (v *View) ScalableTarget(path string) (*model.ScalableTarget, bool) {
	return lookup[*model.ScalableTarget](v, tScalable, path)
}

// ScalableTargets yields the scalable targets of a region by resource, of all if it is "".
func (v *View) ScalableTargets(region string) iter.Seq[*model.ScalableTarget] {
	return prefixed[*model.ScalableTarget](v, tScalable, parent(region))
}

// ScalingPolicies yields the policies of a scalable target (given by path) by name; of a region if only that is given, of all if
// it is "".
func (v *View) ScalingPolicies(target string) iter.Seq[*model.ScalingPolicy] {
	return prefixed[*model.ScalingPolicy](v, tScalingPolicy, parent(target))
}

// ScalingPolicy finds a policy of a scalable target (given by path) by name.
func (v *View) ScalingPolicy(target, name string) (*model.ScalingPolicy, bool) {
	return lookup[*model.ScalingPolicy](v, tScalingPolicy, model.ScalingPolicyKey(target, name).Path)
}

// ScheduledActions yields the scheduled actions of a scalable target (given by path) by name; of a region if only that is
// given, of all if it is "".
func (v *View) ScheduledActions(target string) iter.Seq[*model.ScheduledAction] {
	return prefixed[*model.ScheduledAction](v, tScheduledAction, parent(target))
}

// ScheduledAction finds a scheduled action of a scalable target (given by path) by name.
func (v *View) ScheduledAction(target, name string) (*model.ScheduledAction, bool) {
	return lookup[*model.ScheduledAction](v, tScheduledAction, model.ScheduledActionKey(target, name).Path)
}

// ScalingState finds what the scaler remembers of a scalable target (given by path).
func (v *View) ScalingState(target string) (*model.ScalingState, bool) {
	return lookup[*model.ScalingState](v, tScalingState, target)
}

// ScalingActivities yields the activities of a scalable target (given by path), oldest first; of a region if only that is
// given, of all if it is "".
func (v *View) ScalingActivities(target string) iter.Seq[*model.ScalingActivity] {
	return prefixed[*model.ScalingActivity](v, tScalingActivity, parent(target))
}

// ScalingActivity finds an activity of a scalable target (given by path) by its number.
func (v *View) ScalingActivity(target string, number int) (*model.ScalingActivity, bool) {
	return lookup[*model.ScalingActivity](v, tScalingActivity, model.ScalingActivityKey(target, number).Path)
}
