package control

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/core/alarm"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const (
	// AlarmsMax is how many alarms a region may have ("CloudWatch service quotas").
	AlarmsMax = 5000
	// alarmsPart is how many alarms one transaction changes or deletes: each is up to five records.
	alarmsPart = 20
)

// The reason of an alarm that nobody has evaluated yet.
const uncheckedAlarm = "Unchecked: Initial alarm creation"

// FindAlarm finds an alarm of the call's region by name.
func FindAlarm(v *store.View, call Call, name string) (*model.Alarm, error) {
	a, ok := v.Alarm(model.AlarmPath(call.Region, name))
	if !ok {
		return nil, refused("ResourceNotFound", "Alarm %.300s does not exist", name)
	}
	return a, nil
}

// AlarmRef gives the name of the alarm that is meant by a name or an ARN, as they stand in rules of composite alarms and name
// suppressors. ok is false for the ARN of an alarm of another region or account.
func AlarmRef(in arn.Scope, nameOrARN string) (name string, ok bool) {
	name, scope, isARN := arn.AlarmName(nameOrARN)
	if !isARN {
		return nameOrARN, true
	}
	return name, scope == in
}

// PutAlarm makes an alarm of the call's region, or replaces the whole definition of the one that has its name. That one
// keeps its state, its tags and the scaling policy that it belongs to, if a names none. The ARN, the region, the time and the
// cause are set here, in a copy: a stays as it is. A new alarm has INSUFFICIENT_DATA. It writes up to five
// records ("PutMetricAlarm", "PutCompositeAlarm").
func PutAlarm(tx *store.Tx, call Call, a *model.Alarm) error {
	put := *a
	put.ARN, put.Region, put.UpdatedAt = call.Scope.Alarm(a.Name), call.Region, call.Now
	old, exists := tx.View().Alarm(put.Key().Path)
	if err := checkChildren(tx, call, &put); err != nil {
		return err
	}
	what := alarmCreated
	if exists {
		if old.Composite() != put.Composite() {
			return invalid("An alarm of another type has the name %s; delete it first", a.Name)
		}
		what, put.Tags = alarmUpdated, old.Tags
		if put.Policy == "" {
			put.Policy = old.Policy
		}
	} else if err := roomForAlarm(tx.View(), call.Region); err != nil {
		return err
	}
	put.Cause = call.Cause("alarm " + put.Name + " is " + what.text)
	tx.Put(&put)
	state := alarmState(tx.View(), call, &put)
	noteAlarm(tx, call, &put, state, what)
	tx.Put(state)
	return nil
}

func roomForAlarm(v *store.View, region string) error {
	n := 0
	for range v.Alarms(region) {
		n++
	}
	if n >= AlarmsMax {
		return refused("LimitExceededFault", "There are %d alarms already; at most %d are allowed", n, AlarmsMax)
	}
	return nil
}

// checkChildren wants the alarms that a composite alarm looks at to exist, and to stay until it is written.
func checkChildren(tx *store.Tx, call Call, a *model.Alarm) error {
	if a.Suppressor != "" {
		name, ok := AlarmRef(call.Scope, a.Suppressor)
		key := model.AlarmKey(a.Region, name)
		if _, exists := tx.View().Alarm(key.Path); !ok || !exists || name == a.Name {
			return invalid("ActionsSuppressor %.300s is not another alarm that exists in this region", a.Suppressor)
		}
		tx.Guard(key)
	}
	var missing []string
	for _, name := range a.Children {
		key := model.AlarmKey(a.Region, name)
		if _, ok := tx.View().Alarm(key.Path); !ok {
			missing = append(missing, name)
			continue
		}
		if name != a.Name {
			tx.Guard(key)
		}
	}
	if len(missing) > 0 {
		return invalid("Could not save the composite alarm as alarms [%s] in the alarm rule do not exist", strings.Join(missing, ", "))
	}
	return nil
}

// alarmState copies the state of an alarm, or makes the one that a new alarm has.
func alarmState(v *store.View, call Call, a *model.Alarm) *model.AlarmState {
	path := a.Key().Path
	if old, ok := v.AlarmState(path); ok {
		s := *old
		return &s
	}
	return &model.AlarmState{
		Alarm: path, Value: model.AlarmInsufficient, Reason: uncheckedAlarm, Since: call.Now, UpdatedAt: call.Now, Cause: a.Cause,
		LastEvent: lastAlarmEvent(v, path),
	}
}

// DeleteAlarm deletes an alarm (given by path) with its state, whoever looks at it; one that does not exist is deleted
// already. Its history stays. It writes up to five records.
func DeleteAlarm(tx *store.Tx, call Call, path string) {
	a, ok := tx.View().Alarm(path)
	if !ok {
		return
	}
	s := alarmState(tx.View(), call, a)
	noteAlarm(tx, call, a, s, alarmDeleted)
	tx.Delete(a.Key())
	tx.Delete(s.Key())
}

// DeleteAlarms deletes alarms by name, unless a composite alarm that stays looks at one of them. Those that do not exist are
// deleted already. It says whether there is more to delete; then it has to be called again ("DeleteAlarms").
func DeleteAlarms(tx *store.Tx, call Call, names []string) (more bool, err error) {
	found := foundAlarms(tx.View(), call.Region, names)
	composites := 0
	for _, a := range found {
		if a.Composite() {
			composites++
		}
	}
	if composites > 1 {
		return false, invalid("At most one composite alarm can be deleted with one operation")
	}
	if err := unreferenced(tx.View(), call.Region, found); err != nil {
		return false, err
	}
	// A composite alarm that begins to look at one of them meanwhile wins.
	tx.GuardPrefix(model.KindAlarm, call.Region+"/")
	slices.SortStableFunc(found, func(x, y *model.Alarm) int { // those who look before those who are looked at
		return boolOrder(y.Composite()) - boolOrder(x.Composite())
	})
	for _, a := range found[:min(len(found), alarmsPart)] {
		DeleteAlarm(tx, call, a.Key().Path)
	}
	sweepAlarmEvents(tx, call)
	return len(found) > alarmsPart, nil
}

func boolOrder(b bool) int {
	if b {
		return 1
	}
	return 0
}

// foundAlarms are those alarms of a region that exist, each once.
func foundAlarms(v *store.View, region string, names []string) (found []*model.Alarm) {
	for _, name := range slices.Compact(slices.Sorted(slices.Values(names))) {
		if a, ok := v.Alarm(model.AlarmPath(region, name)); ok {
			found = append(found, a)
		}
	}
	return found
}

// unreferenced refuses to delete what a composite alarm looks at that is not deleted with it.
func unreferenced(v *store.View, region string, deleted []*model.Alarm) error {
	var needed []string
	for parent := range v.Alarms(region) {
		if slices.Contains(deleted, parent) {
			continue
		}
		for _, a := range deleted {
			if slices.Contains(parent.Children, a.Name) {
				needed = append(needed, a.Name)
			}
		}
	}
	slices.Sort(needed)
	switch needed = slices.Compact(needed); len(needed) {
	case 0:
		return nil
	case 1:
		return invalid("Cannot delete %s as there are composite alarm(s) depending on it.", needed[0])
	default:
		return invalid("Cannot delete %s as there are composite alarm(s) depending on them.", strings.Join(needed, ","))
	}
}

// SetAlarmState sets the state of an alarm by name, until the next evaluation finds the truth. Its actions are carried out by
// whoever evaluates it: Set and Acted of the state tell that it is to be done. data is JSON, or "" ("SetAlarmState").
func SetAlarmState(tx *store.Tx, call Call, name string, value model.AlarmValue, reason, data string) error {
	a, err := FindAlarm(tx.View(), call, name)
	if err != nil {
		return err
	}
	tx.Guard(a.Key())
	old := alarmState(tx.View(), call, a)
	s := *old
	s.Value, s.Reason, s.ReasonData, s.UpdatedAt, s.Set = value, reason, data, call.Now, true
	s.Cause = call.Cause(fmt.Sprintf("the state of alarm %s is set to %s", name, value))
	if old.Value != value {
		s.Since, s.Acted = call.Now, time.Time{}
		if old.Value == model.AlarmAlarm {
			s.LeftAlarm = call.Now
		}
		noteTransition(tx, call, a, old, &s)
		if !a.Composite() { // those wait for whoever may hold them back
			alarm.Notify(a, &s, call.Now)
		}
	}
	tx.Put(&s)
	return nil
}

// SetAlarmActions says whether the actions of alarms (names) are carried out. Alarms that do not exist are passed over. It says
// whether there is more to change; then it has to be called again ("EnableAlarmActions", "DisableAlarmActions").
func SetAlarmActions(tx *store.Tx, call Call, names []string, enabled bool) (more bool) {
	n := 0
	for _, old := range foundAlarms(tx.View(), call.Region, names) {
		if old.ActionsEnabled == enabled {
			continue
		}
		if n++; n > alarmsPart {
			return true
		}
		a := *old
		a.ActionsEnabled, a.UpdatedAt = enabled, call.Now
		a.Cause = call.Cause(fmt.Sprintf("actions of alarm %s are enabled: %t", a.Name, enabled))
		tx.Put(&a)
		s := alarmState(tx.View(), call, &a)
		noteAlarm(tx, call, &a, s, alarmUpdated)
		tx.Put(s)
	}
	return false
}

// TagAlarm adds tags to an alarm by name; those that it has under the same keys get the new values ("TagResource").
func TagAlarm(tx *store.Tx, call Call, name string, add []model.Tag) error {
	return retagAlarm(tx, call, name, func(old []model.Tag) []model.Tag { return mergeTags(old, add) })
}

// UntagAlarm removes tags from an alarm by their keys ("UntagResource").
func UntagAlarm(tx *store.Tx, call Call, name string, keys []string) error {
	return retagAlarm(tx, call, name, func(old []model.Tag) []model.Tag {
		return slices.DeleteFunc(slices.Clone(old), func(t model.Tag) bool { return slices.Contains(keys, t.Key) })
	})
}

func retagAlarm(tx *store.Tx, call Call, name string, change func([]model.Tag) []model.Tag) error {
	old, err := FindAlarm(tx.View(), call, name)
	if err != nil {
		return refused("ResourceNotFoundException", "Alarm %.300s does not exist", name)
	}
	a := *old
	a.Tags = change(old.Tags)
	if n := countTags(a.Tags); n > TagsMax {
		return invalid("The alarm %s would have %d tags; at most %d are allowed", name, n, TagsMax)
	}
	a.Cause = call.Cause("tags of alarm " + name + " are changed")
	tx.Put(&a)
	return nil
}
