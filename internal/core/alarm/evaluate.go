package alarm

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// slot is one period of the evaluation range; the newest has the age 1. Those without data do not exist.
type slot struct {
	Point
	age    int
	breach bool
}

// evaluation is one look at a metric alarm.
type evaluation struct {
	alarm *model.Alarm
	now   time.Time
	start time.Time // of the evaluation range
	end   time.Time
	there []slot // those with data, newest first
}

// Evaluate decides what a metric alarm is. points are what was measured, in any order; those outside Window do not count.
// prev is the state before, nil for a new alarm, which then is INSUFFICIENT_DATA until an evaluation says otherwise
// ("Configuring how CloudWatch alarms treat missing data").
func Evaluate(a *model.Alarm, prev *model.AlarmState, points []Point, now time.Time) Verdict {
	e := &evaluation{alarm: a, now: now}
	e.start, e.end = Window(a, now)
	e.there = e.slots(points)
	n := periods(a)
	used := e.there[:min(n, len(e.there))]
	value, decided := e.decide(used)
	switch {
	case !decided || e.insignificant(used):
		return keep(prev, e.there)
	case prev != nil && prev.Value == value && !prev.Set: // nobody reads the texts, and writing them takes most of the time
		return Verdict{Value: value, Reason: prev.Reason, ReasonData: prev.ReasonData, Points: pointsOf(used)}
	}
	return Verdict{Value: value, Reason: e.reason(value, used), ReasonData: e.data(used), Points: pointsOf(used)}
}

// keep is the verdict that nothing changes.
func keep(prev *model.AlarmState, there []slot) Verdict {
	if prev == nil {
		return Verdict{Value: model.AlarmInsufficient, Reason: InitialReason, Points: pointsOf(there), Kept: true}
	}
	return Verdict{
		Value: prev.Value, Reason: prev.Reason, ReasonData: prev.ReasonData, Points: pointsOf(there), Kept: true,
	}
}

// slots sorts the points into the periods of the evaluation range; one whose own period has not ended does not count. Of
// two in one period the later counts, of two at the same time the greater: the result does not depend on their order.
func (e *evaluation) slots(points []Point) []slot {
	period := e.alarm.Resolution()
	if period <= 0 {
		return nil
	}
	byAge := make([]*Point, evaluationRange(e.alarm)+1)
	for i := range points {
		p := &points[i]
		if p.At.Before(e.start) || p.At.Add(period).After(e.end) || math.IsNaN(p.Value) {
			continue
		}
		age := int(e.end.Sub(p.At) / period)
		if old := byAge[age]; old == nil || later(p, old) {
			byAge[age] = p
		}
	}
	var there []slot
	for age, p := range byAge {
		if p != nil {
			there = append(there, slot{Point: *p, age: age, breach: breaches(e.alarm, p.Value)})
		}
	}
	return there
}

func later(p, q *Point) bool {
	if c := p.At.Compare(q.At); c != 0 {
		return c > 0
	}
	if p.Value != q.Value {
		return p.Value > q.Value
	}
	return p.Samples > q.Samples
}

func breaches(a *model.Alarm, value float64) bool {
	switch a.Comparison {
	case model.GreaterOrEqual:
		return value >= a.Threshold
	case model.Greater:
		return value > a.Threshold
	case model.Less:
		return value < a.Threshold
	case model.LessOrEqual:
		return value <= a.Threshold
	}
	return false
}

// decide gives the state that the points speak for; decided is false where it stays what it is.
func (e *evaluation) decide(used []slot) (value model.AlarmValue, decided bool) {
	breaching := count(used, true)
	missing := periods(e.alarm) - len(used)
	switch {
	case missing == 0:
		return crossed(breaching >= e.alarm.Needed()), true
	case e.alarm.TreatMissing == model.MissingBreaching:
		return crossed(breaching+missing >= e.alarm.Needed()), true
	case e.alarm.TreatMissing == model.MissingNotBreaching:
		return crossed(breaching >= e.alarm.Needed()), true
	}
	return e.decideByFew(used)
}

// decideByFew decides by fewer points than the alarm needs, where missing ones stand for nothing.
func (e *evaluation) decideByFew(used []slot) (value model.AlarmValue, decided bool) {
	breaching := count(used, true)
	ignore := e.alarm.TreatMissing == model.MissingIgnore
	switch {
	case breaching >= e.alarm.Needed():
		return model.AlarmAlarm, true
	case breaching < len(used):
		return model.AlarmOK, true
	case len(used) == 0:
		return model.AlarmInsufficient, !ignore
	}
	// Only breaching points, too few of them. They make an alarm once the oldest is as old as the alarm needs points: the
	// newer ones did not come, so it is not premature.
	oldest := used[len(used)-1]
	return model.AlarmAlarm, !ignore && oldest.age >= e.alarm.Needed()
}

func crossed(yes bool) model.AlarmValue {
	if yes {
		return model.AlarmAlarm
	}
	return model.AlarmOK
}

func count(slots []slot, breach bool) (n int) {
	for _, s := range slots {
		if s.breach == breach {
			n++
		}
	}
	return n
}

func pointsOf(slots []slot) []Point {
	var points []Point
	for _, s := range slots {
		points = append(points, s.Point)
	}
	return points
}

// insignificant says that a point has too few samples for its percentile: fewer than 10/(1-p) for the upper half, 10/p for
// the lower ("Percentile-based CloudWatch alarms and low data samples").
func (e *evaluation) insignificant(used []slot) bool {
	percent, ok := percentile(statistic(e.alarm))
	if !ok || e.alarm.LowSamples != "ignore" {
		return false
	}
	if percent >= 50 {
		percent = 100 - percent
	}
	few := math.Round(1000/percent*1e6) / 1e6 // 100 - 99.9 is not quite 0.1
	for _, s := range used {
		if s.Samples > 0 && s.Samples < few {
			return true
		}
	}
	return false
}

// percentile reads p99.9; p0 and p100 are the minimum and the maximum, which any number of samples has.
func percentile(statistic string) (percent float64, ok bool) {
	digits, found := strings.CutPrefix(statistic, "p")
	percent, err := strconv.ParseFloat(digits, 64)
	return percent, found && err == nil && percent > 0 && percent < 100
}

// statistic is that of what the alarm watches, "" if that is an expression.
func statistic(a *model.Alarm) string {
	for _, q := range a.Queries {
		if !q.Hidden {
			return q.Statistic
		}
	}
	return a.Statistic
}
