package control_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

func cpuAlarm(name string) *model.Alarm {
	return &model.Alarm{
		Name: name, ActionsEnabled: true, Statistic: model.StatAverage, Period: 60, EvaluationPeriods: 3, Threshold: 50, Comparison: model.Greater,
		Metric: &model.Metric{Namespace: "AWS/ECS", Name: "CPUUtilization", Dimensions: []model.Dimension{{Name: "ClusterName", Value: "c"}}},
	}
}

func putAlarm(t *testing.T, st *store.Store, call control.Call, a *model.Alarm) error {
	t.Helper()
	_, err := st.Update(t.Context(), func(tx *store.Tx) error { return control.PutAlarm(tx, call, a) })
	return err
}

// history tells the events of an alarm, oldest first.
func history(st *store.Store, name string) (text []string) {
	for e := range st.View().AlarmEvents(model.AlarmPath(scope.Region, name)) {
		text = append(text, fmt.Sprintf("%d %s", e.Number, e.Summary))
	}
	return text
}

func wantRefusal(t *testing.T, err error, code, part string) {
	t.Helper()
	var refusal *model.Error
	if !errors.As(err, &refusal) || refusal.Code != code || !strings.Contains(refusal.Message, part) {
		t.Errorf("got %v, want %s with %q", err, code, part)
	}
}

// TestAlarmKeepsItsState replaces the whole definition, but neither the state nor whose alarm it is.
func TestAlarmKeepsItsState(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	first := cpuAlarm("a/b%")
	first.Description, first.Policy, first.Tags = "old", "policy", []model.Tag{{Key: "k", Value: "v"}}
	if err := putAlarm(t, st, asked("PutMetricAlarm"), first); err != nil {
		t.Fatal(err)
	}
	path := model.AlarmPath(scope.Region, "a/b%")
	if s, _ := st.View().AlarmState(path); s == nil || s.Value != model.AlarmInsufficient || s.Reason != "Unchecked: Initial alarm creation" {
		t.Errorf("the state of a new alarm is %+v", s)
	}
	change(t, st, func(tx *store.Tx) {
		if err := control.SetAlarmState(tx, asked("SetAlarmState"), "a/b%", model.AlarmAlarm, "test", `{"recentDatapoints":[1]}`); err != nil {
			t.Error(err)
		}
	})
	second := cpuAlarm("a/b%")
	second.Tags = []model.Tag{{Key: "other", Value: "w"}}
	later := asked("PutMetricAlarm")
	later.Now = dawn.Add(time.Hour)
	if err := putAlarm(t, st, later, second); err != nil {
		t.Fatal(err)
	}
	a, _ := st.View().Alarm(path)
	if a.Description != "" || a.Policy != "policy" || len(a.Tags) != 1 || a.Tags[0].Key != "k" || !a.UpdatedAt.Equal(later.Now) {
		t.Errorf("the alarm is %+v", a)
	}
	s, _ := st.View().AlarmState(path)
	if s.Value != model.AlarmAlarm || !s.Set || s.LastEvent != 3 || !s.Since.Equal(dawn) {
		t.Errorf("the state is %+v", s)
	}
	want := []string{`1 Alarm "a/b%" created`, "2 Alarm updated from INSUFFICIENT_DATA to ALARM", `3 Alarm "a/b%" updated`}
	if got := history(st, "a/b%"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got history %q, want %q", got, want)
	}
	if model.AlarmName(path) != "a/b%" {
		t.Errorf("the path %q gives the name %q", path, model.AlarmName(path))
	}
}

// TestAlarmHistoryData compares with an item of CloudWatch.
func TestAlarmHistoryData(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	if err := putAlarm(t, st, asked("PutMetricAlarm"), cpuAlarm("a")); err != nil {
		t.Fatal(err)
	}
	change(t, st, func(tx *store.Tx) {
		if err := control.SetAlarmState(tx, asked("SetAlarmState"), "a", model.AlarmOK, "because", `{"version":"1.0"}`); err != nil {
			t.Error(err)
		}
	})
	want := []string{
		`{"version":"1.0","type":"Create","createdAlarm":{"alarmName":"a","alarmArn":"arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a",` +
			`"alarmConfigurationUpdatedTimestamp":"2026-03-01T12:00:00.000+0000","namespace":"AWS/ECS","metricName":"CPUUtilization",` +
			`"statistic":"Average","period":60,"dimensions":[{"value":"c","name":"ClusterName"}],"threshold":50.0,` +
			`"comparisonOperator":"GreaterThanThreshold","evaluationPeriods":3,"stateValue":"INSUFFICIENT_DATA",` +
			`"stateUpdatedTimestamp":"2026-03-01T12:00:00.000+0000","actionsEnabled":true,"alarmActions":[],"insufficientDataActions":[],"okactions":[]}}`,
		`{"version":"1.0","oldState":{"stateValue":"INSUFFICIENT_DATA","stateReason":"Unchecked: Initial alarm creation"},` +
			`"newState":{"stateValue":"OK","stateReason":"because","stateReasonData":{"version":"1.0"}}}`,
	}
	for e := range st.View().AlarmEvents(model.AlarmPath(scope.Region, "a")) {
		if e.Data != want[e.Number-1] || !json.Valid([]byte(e.Data)) {
			t.Errorf("got  %s\nwant %s", e.Data, want[e.Number-1])
		}
	}
}

// TestDeletedAlarmLeavesItsHistory goes on with the numbers when an alarm of that name is made again, and forgets in the end.
func TestDeletedAlarmLeavesItsHistory(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	remove := func(call control.Call, names ...string) {
		t.Helper()
		change(t, st, func(tx *store.Tx) {
			if more, err := control.DeleteAlarms(tx, call, names); more || err != nil {
				t.Error(more, err)
			}
		})
	}
	for range 2 {
		if err := putAlarm(t, st, asked("PutMetricAlarm"), cpuAlarm("a")); err != nil {
			t.Fatal(err)
		}
		remove(asked("DeleteAlarms"), "a", "a", "unknown")
	}
	want := []string{`1 Alarm "a" created`, `2 Alarm "a" deleted`, `3 Alarm "a" created`, `4 Alarm "a" deleted`}
	if got := history(st, "a"); strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got history %q, want %q", got, want)
	}
	if _, ok := st.View().AlarmState(model.AlarmPath(scope.Region, "a")); ok {
		t.Error("the state of a deleted alarm is left")
	}
	later := asked("DeleteAlarms")
	later.Now = dawn.Add(model.AlarmEventsKept + time.Second)
	remove(later, "other")
	if got := history(st, "a"); got != nil {
		t.Errorf("after two weeks there is still %q", got)
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	if err := putAlarm(t, st, asked("PutMetricAlarm"), cpuAlarm("a")); err != nil {
		t.Fatal(err)
	}
	set := func(now time.Time, value model.AlarmValue) {
		call := asked("SetAlarmState")
		call.Now = now
		change(t, st, func(tx *store.Tx) {
			if err := control.SetAlarmState(tx, call, "a", value, "r", ""); err != nil {
				t.Error(err)
			}
		})
	}
	for i := range model.MaxAlarmEvents + 20 {
		set(dawn, []model.AlarmValue{model.AlarmOK, model.AlarmAlarm}[i%2])
	}
	if n := len(history(st, "a")); n != model.MaxAlarmEvents {
		t.Errorf("there are %d events, want %d", n, model.MaxAlarmEvents)
	}
	for i := range model.MaxAlarmEvents {
		set(dawn.Add(model.AlarmEventsKept+time.Hour), []model.AlarmValue{model.AlarmOK, model.AlarmAlarm}[i%2])
	}
	if n := len(history(st, "a")); n != model.MaxAlarmEvents {
		t.Errorf("there are %d events, want those of the last two weeks: %d", n, model.MaxAlarmEvents)
	}
}

func TestCompositeAlarms(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	composite := func(name string, children ...string) *model.Alarm {
		return &model.Alarm{Name: name, Rule: "ALARM(x)", Children: children}
	}
	put := func(a *model.Alarm) error { return putAlarm(t, st, asked("PutCompositeAlarm"), a) }
	wantRefusal(t, put(composite("up", "a", "b")), "ValidationError", "as alarms [a, b] in the alarm rule do not exist")
	wantRefusal(t, put(composite("up", "up")), "ValidationError", "as alarms [up] in the alarm rule do not exist")
	for _, a := range []*model.Alarm{cpuAlarm("a"), cpuAlarm("b"), composite("up", "a", "b"), composite("top", "up")} {
		if err := put(a); err != nil {
			t.Fatal(err)
		}
	}
	wantRefusal(t, put(cpuAlarm("up")), "ValidationError", "another type has the name up")
	for _, tc := range []struct{ names, part string }{
		{"a", "Cannot delete a as there are composite alarm(s) depending on it."},
		{"b a", "Cannot delete a,b as there are composite alarm(s) depending on them."},
		{"up a b", "Cannot delete up as there are composite alarm(s) depending on it."},
		{"up top", "At most one composite alarm"},
		{"top", ""},
		{"b up a", ""},
	} {
		_, err := st.Update(t.Context(), func(tx *store.Tx) error {
			_, err := control.DeleteAlarms(tx, asked("DeleteAlarms"), strings.Fields(tc.names))
			return err
		})
		if tc.part != "" {
			wantRefusal(t, err, "ValidationError", tc.part)
		} else if err != nil {
			t.Errorf("delete %s: %v", tc.names, err)
		}
	}
	for a := range st.View().Alarms("") {
		t.Errorf("alarm %s is left", a.Name)
	}
}

// TestManyAlarms changes and deletes more than one transaction can hold.
func TestManyAlarms(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	var names []string
	for i := range 100 {
		names = append(names, fmt.Sprintf("a%02d", i))
		if err := putAlarm(t, st, asked("PutMetricAlarm"), cpuAlarm(names[i])); err != nil {
			t.Fatal(err)
		}
	}
	parts := func(do func(tx *store.Tx) bool) (n int) {
		for more := true; more; n++ {
			change(t, st, func(tx *store.Tx) { more = do(tx) })
		}
		return n
	}
	if n := parts(func(tx *store.Tx) bool {
		return control.SetAlarmActions(tx, asked("DisableAlarmActions"), append(names, "unknown"), false)
	}); n != 5 {
		t.Errorf("disabled in %d parts, want 5", n)
	}
	for a := range st.View().Alarms("") {
		if a.ActionsEnabled {
			t.Errorf("the actions of %s are enabled", a.Name)
		}
	}
	if n := parts(func(tx *store.Tx) bool {
		more, err := control.DeleteAlarms(tx, asked("DeleteAlarms"), names)
		if err != nil {
			t.Error(err)
		}
		return more
	}); n != 5 {
		t.Errorf("deleted in %d parts, want 5", n)
	}
	for a := range st.View().Alarms("") {
		t.Errorf("alarm %s is left", a.Name)
	}
}

func TestAlarmTags(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	if err := putAlarm(t, st, asked("PutMetricAlarm"), cpuAlarm("a")); err != nil {
		t.Fatal(err)
	}
	update := func(do func(tx *store.Tx) error) error {
		_, err := st.Update(t.Context(), do)
		return err
	}
	tag := func(name string, tags ...model.Tag) error {
		return update(func(tx *store.Tx) error { return control.TagAlarm(tx, asked("TagResource"), name, tags) })
	}
	if err := errors.Join(tag("a", model.Tag{Key: "k", Value: "v"}), tag("a", model.Tag{Key: "k", Value: "w"}, model.Tag{Key: "l"})); err != nil {
		t.Fatal(err)
	}
	if err := update(func(tx *store.Tx) error {
		return control.UntagAlarm(tx, asked("UntagResource"), "a", []string{"l", "x"})
	}); err != nil {
		t.Fatal(err)
	}
	a, err := control.FindAlarm(st.View(), asked("ListTagsForResource"), "a")
	if err != nil || len(a.Tags) != 1 || a.Tags[0].Value != "w" {
		t.Errorf("got %+v, %v", a, err)
	}
	var many []model.Tag
	for i := range control.TagsMax {
		many = append(many, model.Tag{Key: fmt.Sprint(i)})
	}
	wantRefusal(t, tag("a", many...), "ValidationError", "would have 51 tags")
	wantRefusal(t, tag("b"), "ResourceNotFoundException", "b does not exist")
}
