package alarm_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/core/alarm"
	"github.com/maitred/maitred/internal/model"
)

// TestNotify: the URLs among the actions of a state are to be told, others are not; what waits too long gives way.
func TestNotify(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	a := &model.Alarm{ActionsEnabled: true, AlarmActions: []string{"http://a", "arn:aws:autoscaling:x", "https://b"}}
	s := &model.AlarmState{Value: model.AlarmAlarm, Reason: "too much"}
	alarm.Notify(a, s, at)
	want := []model.AlarmNotice{{Value: model.AlarmAlarm, Reason: "too much", At: at, URLs: []string{"http://a", "https://b"}}}
	if diff := cmp.Diff(want, s.Untold); diff != "" {
		t.Error(diff)
	}
	before := s.Untold
	s.Value = model.AlarmOK
	alarm.Notify(a, s, at)
	a.ActionsEnabled, s.Value = false, model.AlarmAlarm
	alarm.Notify(a, s, at)
	if len(s.Untold) != 1 {
		t.Errorf("without URLs, or with actions disabled, there is something to tell: %+v", s.Untold)
	}
	a.ActionsEnabled = true
	for i := range 20 {
		alarm.Notify(a, s, at.Add(time.Duration(i)*time.Second))
	}
	if n := len(s.Untold); n != 10 || s.Dropped != 11 || !s.Untold[n-1].At.Equal(at.Add(19*time.Second)) || len(before) != 1 {
		t.Errorf("%d wait, the last one of %v; %d were dropped", n, s.Untold[n-1].At, s.Dropped)
	}
}

// TestTold: what one URL did not take stays, and so does what has not been told yet, be it of the same time.
func TestTold(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)
	of := func(v model.AlarmValue, at time.Time, urls ...string) model.AlarmNotice {
		return model.AlarmNotice{Value: v, At: at, URLs: urls}
	}
	untold := []model.AlarmNotice{
		of(model.AlarmAlarm, at, "a", "b"), of(model.AlarmOK, at, "a"), of(model.AlarmAlarm, at, "b"), of(model.AlarmAlarm, at.Add(1), "a"),
	}
	for _, c := range []struct{ told, want []model.AlarmNotice }{
		{[]model.AlarmNotice{of(model.AlarmAlarm, at, "a", "b")}, untold[1:]},
		{
			[]model.AlarmNotice{of(model.AlarmAlarm, at, "a")},
			[]model.AlarmNotice{of(model.AlarmAlarm, at, "b"), untold[1], untold[2], untold[3]},
		},
		{[]model.AlarmNotice{of(model.AlarmOK, at, "a")}, []model.AlarmNotice{untold[0], untold[2], untold[3]}},
		{ // twice the same
			[]model.AlarmNotice{of(model.AlarmAlarm, at, "b"), of(model.AlarmAlarm, at, "b")},
			[]model.AlarmNotice{of(model.AlarmAlarm, at, "a"), untold[1], untold[3]},
		},
		{[]model.AlarmNotice{of(model.AlarmInsufficient, at, "a"), of(model.AlarmOK, at.Add(1), "a")}, untold},
	} {
		got := untold
		for _, told := range c.told {
			got = alarm.Told(got, told)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("after %+v: %s", c.told, diff)
		}
	}
}
