package control

import (
	"reflect"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// PutScheduledAction makes a scheduled action of a resource (service/CLUSTER/SERVICE), or changes the one that has its name,
// which keeps its ARN. edit gets a copy of it, empty for a new one, changes it, and refuses what does not go together; it may
// be called more than once. Writing what is there already writes nothing ("PutScheduledAction").
func PutScheduledAction(tx *store.Tx, call Call, resource, name string, edit func(*model.ScheduledAction) error) (*model.ScheduledAction, error) {
	t, err := FindScalableTarget(tx, call, resource)
	if err != nil {
		return nil, err
	}
	a := model.ScheduledAction{Name: name, Target: t.Path(), CreatedAt: call.Now}
	old, exists := tx.View().ScheduledAction(t.Path(), name)
	if exists {
		a = *old
	}
	if err := edit(&a); err != nil {
		return nil, err
	}
	switch {
	case exists && reflect.DeepEqual(*old, a):
		tx.Guard(old.Key())
		return old, nil
	case !exists:
		if n := actionsOf(tx.View(), t.Path()); n >= ScheduledActionsMax {
			return nil, refused("LimitExceededException", "There are %d scheduled actions of %s already; at most %d are allowed", n, resource, ScheduledActionsMax)
		}
		a.ARN = call.Scope.ScheduledAction(call.IDs.UUID(), resource, name)
		// Two that are put at the same time may together be too many.
		tx.GuardPrefix(model.KindScheduledAction, t.Path()+"/")
	}
	a.Cause = call.Cause("scheduled action " + name + " of " + resource)
	tx.Put(&a)
	return &a, nil
}

func actionsOf(v *store.View, target string) (n int) {
	for range v.ScheduledActions(target) {
		n++
	}
	return n
}

// DeleteScheduledAction deletes a scheduled action of a resource (service/CLUSTER/SERVICE) by name ("DeleteScheduledAction").
func DeleteScheduledAction(tx *store.Tx, call Call, resource, name string) error {
	target := model.ScalablePath(call.Region, resource)
	a, ok := tx.View().ScheduledAction(target, name)
	if !ok {
		return refused("ObjectNotFoundException", "No scheduled action found for %s, scheduled action name: %s", targetNamed(resource), name)
	}
	tx.Delete(a.Key())
	if old, ok := tx.View().ScalingState(target); ok {
		if _, ran := old.Ran[name]; ran {
			s := *old
			s.Ran = without(old.Ran, name)
			tx.Put(&s)
		}
	}
	return nil
}
