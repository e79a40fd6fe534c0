package schedule

import (
	"fmt"
	"math/bits"
	"strings"
	"time"
)

// cron is a cron expression: sets of what each part of a local time may be.
type cron struct {
	seconds, minutes, hours, months, years set
	days                                   days
}

// parseCron reads the six fields of AWS, or seven with seconds in front.
func parseCron(text string) (*cron, error) {
	fields := strings.Fields(strings.ToUpper(text))
	switch len(fields) {
	case 6:
		fields = append([]string{"0"}, fields...)
	case 7:
	default:
		return nil, fmt.Errorf("cron has six fields (minutes hours day-of-month month day-of-week year), not %d", len(fields))
	}
	c := &cron{}
	for _, part := range []struct {
		into *set
		unit unit
		text string
	}{
		{&c.seconds, secondUnit(), fields[0]},
		{&c.minutes, minuteUnit(), fields[1]},
		{&c.hours, hourUnit(), fields[2]},
		{&c.months, monthUnit(), fields[4]},
		{&c.years, yearUnit(), fields[6]},
	} {
		var err error
		if *part.into, err = part.unit.parse(part.text); err != nil {
			return nil, err
		}
	}
	var err error
	c.days, err = parseDays(fields[3], fields[5])
	return c, err
}

// next finds the first matching local time whose instant is after another. Local times are tried in their order, which is
// also that of the instants at which they first come, so the search starts at the local time of after.
func (c *cron) next(after time.Time, zone *time.Location) (time.Time, bool) {
	wall := wallOf(after.In(zone))
	first := wall.Year()
	for year := max(first, minYear); year <= maxYear; year++ {
		if !c.years.has(year) {
			continue
		}
		for month := time.January; month <= time.December; month++ {
			if !c.months.has(int(month)) || year == first && month < wall.Month() {
				continue
			}
			if t, ok := c.inMonth(year, month, wall, after, zone); ok {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// inMonth is next in one month.
func (c *cron) inMonth(year int, month time.Month, wall, after time.Time, zone *time.Location) (time.Time, bool) {
	for mask := c.days.in(year, month); mask != 0; mask &= mask - 1 {
		day := time.Date(year, month, bits.TrailingZeros32(mask), 0, 0, 0, 0, time.UTC)
		if day.AddDate(0, 0, 1).After(wall) {
			if t, ok := c.onDay(day, wall, after, zone); ok {
				return t, true
			}
		}
	}
	return time.Time{}, false
}

// onDay is next on one day, given by its midnight on the wall.
func (c *cron) onDay(day, wall, after time.Time, zone *time.Location) (time.Time, bool) {
	for hour := range c.hours.all() {
		for minute := range c.minutes.all() {
			at := day.Add(time.Duration(hour)*time.Hour + time.Duration(minute)*time.Minute)
			if at.Add(time.Minute).Before(wall) {
				continue
			}
			for second := range c.seconds.all() {
				t, ok := instant(at.Add(time.Duration(second)*time.Second), zone)
				if ok && t.After(after) {
					return t, true
				}
			}
		}
	}
	return time.Time{}, false
}

// wallOf is what a clock on the wall shows at a time in its zone, as if it were UTC.
func wallOf(t time.Time) time.Time {
	return time.Date(t.Year(), t.Month(), t.Day(), t.Hour(), t.Minute(), t.Second(), t.Nanosecond(), time.UTC)
}

// instant is when a clock on the wall of a zone first shows a time; false if it never does.
func instant(wall time.Time, zone *time.Location) (time.Time, bool) {
	t := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	if !wallOf(t).Equal(wall) {
		return time.Time{}, false
	}
	change, _ := t.ZoneBounds()
	if change.IsZero() {
		return t, true
	}
	_, before := change.Add(-1).Zone()
	_, now := t.Zone()
	if earlier := t.Add(-time.Duration(before-now) * time.Second); before > now && earlier.Before(change) {
		return earlier, true
	}
	return t, true
}
