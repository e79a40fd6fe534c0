package alarm

import (
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Timing says when the actions of a state are carried out.
type Timing int

// The timings.
const (
	Never Timing = iota // actions are not enabled, or those of this state were carried out
	Now
	Later
)

// Permission is what an alarm may do about its state.
type Permission struct {
	Timing Timing
	// At is when to ask again if the timing is Later; zero: when the suppressor changes.
	At time.Time
	// By is what holds the actions back: "Alarm", "WaitPeriod" or "ExtensionPeriod" ("ActionsSuppressedBy"), with its
	// ActionsSuppressedReason.
	By, Reason string
}

// Actions says whether the actions of a composite alarm's state are carried out now, later or never. suppressor is the
// state of the alarm that a names, nil if there is none ("Suppressing composite alarm actions"):
//
//   - While the suppressor is in ALARM, nothing is done.
//   - A transition waits for the suppressor to go into ALARM, for as long as the wait period.
//   - What the suppressor held back waits on when the suppressor has left ALARM, for as long as the extension period; the
//     next transition ends that, and waits itself.
//
// What is done then are the actions of the state of that time. LeftAlarm of the suppressor's state and Acted of the alarm's
// own have to be kept for it; see Become.
func Actions(a *model.Alarm, state, suppressor *model.AlarmState, now time.Time) Permission {
	switch {
	case !a.ActionsEnabled || !state.Acted.IsZero() && !state.Acted.Before(state.Since):
		return Permission{Timing: Never}
	case a.Suppressor == "" || suppressor == nil:
		return Permission{Timing: Now}
	case suppressor.Value == model.AlarmAlarm:
		return held(time.Time{}, "Alarm")
	case !suppressor.LeftAlarm.Before(state.Since):
		return until(suppressor.LeftAlarm.Add(time.Duration(a.Extension)*time.Second), "ExtensionPeriod", now)
	}
	return until(state.Since.Add(time.Duration(a.Wait)*time.Second), "WaitPeriod", now)
}

func until(end time.Time, by string, now time.Time) Permission {
	if now.Before(end) {
		return held(end, by)
	}
	return Permission{Timing: Now}
}

func held(until time.Time, by string) Permission {
	return Permission{Timing: Later, At: until, By: by, Reason: "Actions suppressed by " + by}
}

// Become is the state that a verdict makes of the one before (nil for a new alarm), and whether that was a transition. A
// verdict of the same value changes nothing. SetAlarmState is a verdict of the user's, after which Set is to be true. The
// cause and the events are left to the caller.
func Become(a *model.Alarm, prev *model.AlarmState, v Verdict, now time.Time) (next *model.AlarmState, transition bool) {
	next = &model.AlarmState{Alarm: model.AlarmPath(a.Region, a.Name)}
	if prev != nil {
		if prev.Value == v.Value {
			return prev, false
		}
		kept := *prev
		next = &kept
	}
	if next.Value == model.AlarmAlarm {
		next.LeftAlarm = now
	}
	next.Value, next.Reason, next.ReasonData = v.Value, v.Reason, v.ReasonData
	next.Since, next.UpdatedAt, next.Acted, next.Set = now, now, time.Time{}, false
	if a.Composite() && !a.ActionsEnabled {
		next.Acted = now // enabling actions does not make up for what was not done
	}
	return next, true
}
