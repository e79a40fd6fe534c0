// Package schedule says when a scheduled action is due: at(…), rate(…) and cron(…) of Application Auto Scaling
// ("Scheduled scaling for Application Auto Scaling").
//
// Zones come in as values, because to load one reads files. A local time that a zone skips never comes; one that it has
// twice comes once, the first time ("Schedule types on EventBridge Scheduler").
package schedule

import (
	"fmt"
	"strings"
	"time"
)

// Schedule is when something is due: once, at a rate, or by the calendar of a zone. It does not change.
type Schedule struct {
	text string
	zone *time.Location

	at    time.Time     // of at()
	every time.Duration // of rate()
	cron  *cron         // of cron()

	anchor, start, end time.Time
}

const stamp = "2006-01-02T15:04:05"

// Parse reads an expression: at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(minutes hours day-of-month month
// day-of-week year), the last also with seconds in front. The zone (nil: UTC) is that of the local times of at and cron.
func Parse(expr string, zone *time.Location) (*Schedule, error) {
	if zone == nil {
		zone = time.UTC
	}
	s := &Schedule{text: expr, zone: zone}
	kind, inner, err := split(expr)
	if err != nil {
		return nil, err
	}
	switch kind {
	case "at":
		s.at, err = parseAt(inner, zone)
	case "rate":
		s.every, err = parseRate(inner)
	case "cron":
		s.cron, err = parseCron(inner)
	}
	if err != nil {
		return nil, fmt.Errorf("schedule expression %q: %w", expr, err)
	}
	return s, nil
}

// split takes an expression apart: the word before the parentheses, and what they hold.
func split(expr string) (kind, inner string, err error) {
	kind, inner, open := strings.Cut(expr, "(")
	inner, closed := strings.CutSuffix(inner, ")")
	if !open || !closed || kind != "at" && kind != "rate" && kind != "cron" {
		return "", "", fmt.Errorf(
			"schedule expression %q: it has to be at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(minutes hours day-of-month month day-of-week year)",
			expr)
	}
	return kind, inner, nil
}

func parseAt(text string, zone *time.Location) (time.Time, error) {
	wall, err := time.Parse(stamp, text)
	if err != nil || len(text) != len(stamp) { // time.Parse also takes fractions of a second
		return time.Time{}, fmt.Errorf("%q is not a time like 2006-01-02T15:04:05", text)
	}
	at, ok := instant(wall, zone)
	if !ok {
		return time.Time{}, fmt.Errorf("%s does not exist in %s, where clocks are moved forward over it", text, zone)
	}
	return at, nil
}

// maxRate keeps sums of rates and times far from an overflow.
const maxRate = 100 * 366 * 24 * time.Hour

func parseRate(text string) (time.Duration, error) {
	parts := strings.Fields(text)
	if len(parts) != 2 {
		return 0, fmt.Errorf("%q is not a number and a unit, like 5 minutes", text)
	}
	n, err := digits(parts[0])
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not a positive number", parts[0])
	}
	unit, ok := rateUnit(parts[1])
	switch {
	case !ok:
		return 0, fmt.Errorf("%q is not a unit: minute, minutes, hour, hours, day or days", parts[1])
	case n > int(maxRate/unit):
		return 0, fmt.Errorf("%s %s is more than a hundred years", parts[0], parts[1])
	}
	return time.Duration(n) * unit, nil
}

func rateUnit(text string) (time.Duration, bool) {
	switch text {
	case "minute", "minutes":
		return time.Minute, true
	case "hour", "hours":
		return time.Hour, true
	case "day", "days":
		return 24 * time.Hour, true // a day of a rate has 24 hours, in whichever zone
	}
	return 0, false
}

// Bounded gives the schedule of an action that was created at a time, and that has a start and an end (zero: none). What
// recurs is due at its start and then by its recurrence; a rate counts from its start, or else from the creation. Nothing
// is due before the start or after the end.
func (s *Schedule) Bounded(created, start, end time.Time) *Schedule {
	bounded := *s
	bounded.anchor, bounded.start, bounded.end = created, start, end
	if !start.IsZero() {
		bounded.anchor = start
	}
	return &bounded
}

// Next is the first time strictly after another at which the schedule is due, false if there is none. It is in UTC.
func (s *Schedule) Next(after time.Time) (time.Time, bool) {
	next, ok := s.recurrence(after)
	if !ok || !s.end.IsZero() && next.After(s.end) {
		return time.Time{}, false
	}
	return next.UTC(), true
}

// Remember gives Next for somebody who asks it again and again, as a clock does: it looks for a time once for all that is
// asked between the one before and it. What it gives is not for concurrent use.
func (s *Schedule) Remember() func(after time.Time) (time.Time, bool) {
	var m struct { // the answer for all times from one on, up to the one that it is
		known bool
		from  time.Time
		next  time.Time
		more  bool
	}
	return func(after time.Time) (time.Time, bool) {
		if m.known && !after.Before(m.from) && (!m.more || after.Before(m.next)) {
			return m.next, m.more
		}
		next, more := s.Next(after)
		if m.known && more == m.more && next.Equal(m.next) { // it is the same for earlier times too
			m.from = after
			return next, more
		}
		m.known, m.from, m.next, m.more = true, after, next, more
		return next, more
	}
}

// recurrence is Next without the end.
func (s *Schedule) recurrence(after time.Time) (time.Time, bool) {
	if s.Once() {
		return s.at, s.at.After(after) && !s.at.Before(s.start)
	}
	if after.Before(s.start) {
		return s.start, true
	}
	if s.cron != nil {
		return s.cron.next(after, s.zone)
	}
	return nextRate(s.anchor, s.every, after), true
}

// nextRate is the first time after another that is whole rates from the anchor, at least one.
func nextRate(anchor time.Time, every time.Duration, after time.Time) time.Time {
	if after.Before(anchor) {
		return anchor.Add(every)
	}
	// The distance in seconds and the rest of nanoseconds: a Duration holds 292 years, a Time more.
	seconds := after.Unix() - anchor.Unix()
	if after.Nanosecond() < anchor.Nanosecond() {
		seconds--
	}
	step := int64(every / time.Second)
	whole := (seconds/step + 1) * step
	return time.Unix(anchor.Unix()+whole, int64(anchor.Nanosecond())).UTC()
}

// Once says that the schedule is due once: at(…).
func (s *Schedule) Once() bool { return s.every == 0 && s.cron == nil }

// Zone is the zone of its local times.
func (s *Schedule) Zone() *time.Location { return s.zone }

// String is the expression as it was given.
func (s *Schedule) String() string { return s.text }
