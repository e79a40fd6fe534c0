// Package metrics keeps what is measured: statistic sets of series over time, with CloudWatch's model of data, and gives
// them back for any period ("Amazon CloudWatch concepts").
//
// A series is a metric (namespace, name, exact dimensions) of a region in one unit. What is put with a resolution of one
// second is kept by the second, everything else by the minute. A point of a period is stamped with the period's start.
package metrics

import (
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Series is one stream of measurements.
type Series struct {
	Region string
	model.Metric
	Unit string // Percent, Count, Seconds …; None if it was not given
}

// Datum is a measurement, or a set of them, of one series at one time.
type Datum struct {
	Series
	At time.Time
	Stats
	// Values are the single values that Stats are made of, with how often each was met, where they are known: percentiles
	// need them. Values and Counts have the same length.
	Values, Counts []float64
	// Resolution is 1 for data that is kept by the second, else 60.
	Resolution int
}

// Stats is a statistic set ("StatisticSet"). The zero value is that of no measurement.
type Stats struct {
	Count, Sum, Min, Max float64
}

// One is the statistic set of one value.
func One(v float64) Stats { return Stats{Count: 1, Sum: v, Min: v, Max: v} }

// Add makes it the set of both.
func (s *Stats) Add(o Stats) {
	switch {
	case o.Count == 0:
		return
	case s.Count == 0:
		*s = o
		return
	}
	s.Count += o.Count
	s.Sum += o.Sum
	s.Min, s.Max = min(s.Min, o.Min), max(s.Max, o.Max)
}

// Query asks for a statistic of one metric over time.
type Query struct {
	Region string
	model.Metric
	Unit      string        // "": all units together
	Statistic string        // Average, Sum, Minimum, Maximum, SampleCount, p99, tm95, tc(…), ts, wm, PR(…), IQM
	Period    time.Duration // 1, 5, 10, 20, 30 s or minutes
	Start     time.Time     // inclusive, a multiple of Period
	End       time.Time     // exclusive
}

// Point is a statistic over one period.
type Point struct {
	At      time.Time // the period's start
	Value   float64
	Samples float64 // how many measurements it is made of
}

// Reader gives what was measured. Points are ordered from the oldest to the newest; a period without data has none.
type Reader interface {
	Read(q Query) ([]Point, error)
}

// Putter takes what was measured. Late, duplicate and out-of-order data is added to the period that it belongs to.
type Putter interface {
	Put(data []Datum)
}
