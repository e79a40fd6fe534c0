// Package alarm decides what alarms are, as Amazon CloudWatch does ("Using Amazon CloudWatch alarms", "Combining alarms"):
// a metric alarm by M of the newest N points, a composite alarm by the states of other alarms, and whether the actions of
// a composite alarm are held back. It is pure: whoever reads metrics, writes states and carries out actions is the shell,
// which asks Next when to come, Window what to read, and Evaluate or EvaluateComposite what it means.
//
// Where the user guide is silent, this package decides:
//   - The evaluation range is N + max(2, N/2 rounded up) periods. The guide says only that it is longer than N, and 5 for 3.
//   - Periods are looked at as soon as they have ended. Points that come later count in the next evaluation.
//   - An alarm with few points, all of them breaching, keeps its state where the guide only says that it does not go to
//     ALARM.
//   - With EvaluateLowSampleCountPercentile=ignore no decision rests on a point of too few samples: the state is kept.
//   - The periods of 1 and 5 seconds are maitred's own, evaluated each second.
package alarm

import (
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Point is what was measured in one period.
type Point struct {
	At      time.Time // the period's start
	Value   float64
	Samples float64 // how many measurements it is made of; 0: not known, as in metric math
}

// Verdict is what an evaluation comes to. Reason ("StateReason") and ReasonData ("StateReasonData", JSON) tell of the
// transition: they are those of the state before if the value of a metric alarm is the same.
type Verdict struct {
	Value              model.AlarmValue
	Reason, ReasonData string
	// Points are those that the decision rests on, newest first.
	Points []Point
	// Kept says that the evaluation could not decide, so that everything stays as it was. Points are all that there are in
	// the evaluation range then.
	Kept bool
}

// InitialReason is the reason of a new alarm's state, which is INSUFFICIENT_DATA.
const InitialReason = "Unchecked: Initial alarm creation"

const (
	day  = 24 * 60 * 60
	week = 7 * day
)

// Window gives the range of data that an evaluation at a time looks at: periods that have ended, of which it takes the
// newest that have data. start is inclusive and end exclusive; the range has whole periods, counted back from end. Alarms
// of minutes slide by one minute, whatever their period, so that start need not be a multiple of the period.
func Window(a *model.Alarm, now time.Time) (start, end time.Time) {
	end = now.UTC().Truncate(pace(a))
	return end.Add(-time.Duration(evaluationRange(a)) * a.Resolution()), end
}

// Next is when the alarm is to be evaluated next: the next full minute, the next 10 seconds for periods of 10, 20 and 30
// seconds, the next second for those of 1 and 5. A composite alarm is also evaluated whenever one of its alarms changes.
func Next(a *model.Alarm, now time.Time) time.Time {
	every := pace(a)
	return now.UTC().Truncate(every).Add(every)
}

// pace is the time between two evaluations.
func pace(a *model.Alarm) time.Duration {
	switch resolution := a.Resolution(); {
	case resolution <= 0 || resolution >= time.Minute:
		return time.Minute
	case resolution >= 10*time.Second:
		return 10 * time.Second
	}
	return time.Second
}

// evaluationRange is how many periods are looked at, to find as many points as the alarm needs.
func evaluationRange(a *model.Alarm) int {
	n := periods(a)
	return n + max(2, (n+1)/2)
}

func periods(a *model.Alarm) int { return max(1, a.EvaluationPeriods) }

// Validate checks the numbers of a metric alarm ("PutMetricAlarm"). The error's text is the message of a ValidationError.
func Validate(a *model.Alarm) error {
	period := int(a.Resolution() / time.Second)
	switch n := a.EvaluationPeriods; {
	case n < 1:
		return fmt.Errorf("1 validation error detected: Value '%d' at 'evaluationPeriods' failed to satisfy constraint: "+
			"Member must have value greater than or equal to 1", n)
	case a.DatapointsToAlarm < 0 || a.DatapointsToAlarm > n:
		return fmt.Errorf("Invalid DatapointsToAlarm: %d. Expected an integer between 1 and EvaluationPeriods (%d)",
			a.DatapointsToAlarm, n)
	case !allowed(period):
		return fmt.Errorf("Invalid metric query: Period must be 10, 20, 30, or a multiple of 60 (here also 1 or 5), not %d", period)
	case period < 3600 && n > day/period:
		return fmt.Errorf("Metrics cannot be checked across more than a day (EvaluationPeriods * Period must be <= %d)", day)
	case n > week/period:
		return fmt.Errorf("Metrics cannot be checked across more than a week (EvaluationPeriods * Period must be <= %d)", week)
	}
	return nil
}

func allowed(period int) bool {
	switch period {
	case 1, 5, 10, 20, 30:
		return true
	}
	return period > 0 && period%60 == 0
}
