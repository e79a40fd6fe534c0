package control

import (
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Scale sets the desired count of a service (given by ARN), as a scaler and not as a declaration: an UpdateService that
// declares the same count as before leaves it. The deployments share the new count as they do after an UpdateService, by
// what they are owed. cause says what decided, down to something outside. Nothing is written if the service has that
// count already. Refusals: ServiceNotFoundException, ServiceNotActiveException, and InvalidParameterException for a
// DAEMON service or a negative count. Whether the count is within the bounds of the scalable target is the caller's
// business.
func Scale(tx *store.Tx, service string, desired int, cause model.Cause) (*model.Service, error) {
	old, err := activeService(tx, service)
	switch {
	case err != nil:
		return nil, err
	case old.Scheduling == model.Daemon:
		return nil, model.InvalidParameter("The daemon scheduling strategy does not support a desired count for services.")
	case desired < 0:
		return nil, model.InvalidParameter(fmt.Sprintf("desiredCount should not be negative, got %d.", desired))
	case desired == old.DesiredCount:
		tx.Guard(old.Key())
		return old, nil
	}
	svc := *old
	svc.Declared = declared(old)
	svc.DesiredCount, svc.Scaled, svc.Cause = desired, true, cause
	tx.Put(&svc)
	return &svc, nil
}

// declared is the desired count that an API call last gave to a service.
func declared(svc *model.Service) int {
	if svc.Scaled {
		return svc.Declared
	}
	return svc.DesiredCount
}

// declare sets the desired count that a call gives. If it is what was given before, and a scaler has changed it since, then
// what the scaler has set stays: whoever applies the same description again does not mean to undo it.
func declare(v *store.View, svc *model.Service, count int) {
	again := svc.Scaled && count == svc.Declared
	svc.Declared = count
	if again {
		if _, scalable := v.ScalableTarget(scalableOf(svc)); scalable {
			return
		}
	}
	svc.DesiredCount, svc.Scaled = count, false
}

// ScalingState gives a copy of what the scaler remembers of a scalable target (given by path), for AddScalingActivity and to
// be put.
func ScalingState(v *store.View, target string) *model.ScalingState {
	if old, ok := v.ScalingState(target); ok {
		s := *old
		return &s
	}
	return &model.ScalingState{Target: target}
}

const (
	// ScalingActivitiesKept is how long activities are kept ("Scaling activities for Application Auto Scaling").
	ScalingActivitiesKept = 6 * 7 * 24 * time.Hour
	// activitiesPart is how many old activities one new activity removes.
	activitiesPart = 8
)

// AddScalingActivity writes an activity of the target that a state is of. It numbers it, and counts it in the state, which
// the caller has to put. What is too old, or too much, goes. It writes up to nine records.
func AddScalingActivity(tx *store.Tx, state *model.ScalingState, a *model.ScalingActivity) {
	state.LastActivity++
	a.Target, a.Number = state.Target, state.LastActivity
	tx.Put(a)
	n := 0
	for old := range tx.View().ScalingActivities(state.Target) {
		recent := a.StartedAt.Sub(old.StartedAt) <= ScalingActivitiesKept
		if n++; n > activitiesPart || recent && old.Number > a.Number-model.MaxScalingActivities {
			return
		}
		tx.Delete(old.Key())
	}
}

// endActivities ends those activities of a target (given by path) that are under way: nobody will look after them. It also
// makes the scaler forget what belongs to the target's policies and actions, but not how far it has counted.
func endActivities(tx *store.Tx, call Call, target string) {
	n := 0
	for old := range tx.View().ScalingActivities(target) {
		if old.Status != model.ActivityInProgress {
			continue
		}
		if n++; n > activitiesPart {
			break
		}
		a := scaling.Deregistered(*old, call.Now)
		tx.Put(&a)
	}
	if old, ok := tx.View().ScalingState(target); ok {
		tx.Put(&model.ScalingState{Target: target, LastActivity: old.LastActivity})
	}
}

// NoteServiceEvents adds lines to a service's events, beside those of the scheduler.
func NoteServiceEvents(tx *store.Tx, svc *model.Service, now time.Time, ids arn.IDs, messages ...string) {
	state := model.ServiceState{Service: svc.ARN}
	if old, ok := tx.View().ServiceState(svc.ARN); ok {
		state = *old
	}
	for _, m := range messages {
		state.LastEvent++
		tx.Put(&model.ServiceEvent{
			ID: ids.UUID(), Service: svc.ARN, Number: state.LastEvent, At: now, Message: "(service " + svc.Name + ") " + m,
		})
		if old := state.LastEvent - model.MaxServiceEvents; old > 0 {
			tx.Delete(model.EventKey(svc.ARN, old))
		}
	}
	tx.Put(&state)
}
