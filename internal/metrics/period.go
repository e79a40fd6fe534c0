package metrics

import (
	"fmt"
	"slices"
	"time"
)

// How long points of a period are kept ("Amazon CloudWatch concepts", Metrics retention). Data that is put may be as old as
// MaxPast and as far ahead as MaxAhead ("PutMetricData").
const (
	KeepFine  = 3 * time.Hour        // periods of less than a minute
	KeepOne   = 15 * 24 * time.Hour  // of 1 minute
	KeepFive  = 63 * 24 * time.Hour  // of 5 minutes
	KeepSixty = 455 * 24 * time.Hour // of 60 minutes

	MaxPast  = 14 * 24 * time.Hour
	MaxAhead = 2 * time.Hour
)

// CheckPeriod gives an error if p is no period: 1, 5, 10, 20, 30 seconds or whole minutes.
func CheckPeriod(p time.Duration) error {
	short := []time.Duration{time.Second, 5 * time.Second, 10 * time.Second, 20 * time.Second, 30 * time.Second}
	if slices.Contains(short, p) || p > 0 && p%time.Minute == 0 {
		return nil
	}
	return fmt.Errorf("the period must be 1, 5, 10, 20, 30 or a multiple of 60 seconds, not %v", p)
}

// AlignStart rounds the start of what is asked for down to what is kept at that age: whole minutes, 5 minutes from 15 days
// on, hours from 63 days on ("GetMetricStatistics", StartTime). A period below a minute rounds to itself in the last 3 hours.
func AlignStart(start time.Time, period time.Duration, now time.Time) time.Time {
	unit := time.Minute
	switch age := now.Sub(start); {
	case age >= KeepFive:
		unit = time.Hour
	case age >= KeepOne:
		unit = 5 * time.Minute
	case age < KeepFine && period < time.Minute && period > 0:
		unit = period
	}
	return floor(start, unit)
}

// floor rounds down in Unix time, whose minutes, hours and days all begin at multiples.
func floor(t time.Time, unit time.Duration) time.Time {
	s := int64(unit / time.Second)
	sec := t.Unix()
	return time.Unix(sec-((sec%s)+s)%s, 0).UTC()
}
