package keep

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/metrics"
)

// Since lists the series that have data at or after a time, in no order.
func (s *Store) Since(at time.Time) ([]metrics.Series, error) {
	found := map[string]metrics.Series{}
	add := func(key string) error {
		series, _, err := parseSeries(key)
		if err == nil {
			found[key] = series
		}
		return err
	}
	keys, err := s.inMemory(at.Unix())
	if err != nil {
		return nil, err
	}
	rows, err := s.disk.readers.QueryContext(context.Background(), `SELECT key FROM series WHERE last >= ?`, at.Unix())
	err = each(rows, err, func() error {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return err
		}
		keys = append(keys, string(key))
		return nil
	})
	if err != nil {
		return nil, s.disk.wrap(err)
	}
	for _, key := range keys {
		if err := add(key); err != nil {
			return nil, fmt.Errorf("table series: %w", err)
		}
	}
	all := make([]metrics.Series, 0, len(found))
	for _, series := range found {
		all = append(all, series)
	}
	return all, nil
}

// inMemory are the keys of the series in memory that have data at or after a time.
func (s *Store) inMemory(at int64) (keys []string, err error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	for _, m := range s.table {
		for _, st := range m.streams {
			if st.last >= at {
				keys = append(keys, st.key)
			}
		}
	}
	return keys, nil
}

// Export gives what is kept of a series from the minute of start until end as Put took it: first minutes, then seconds. What is
// kept by the second is given so, and a minute with seconds not once more. Of what is so old that it is kept in longer
// periods, nothing is given.
func (s *Store) Export(series metrics.Series, start, end time.Time) ([]metrics.Datum, error) {
	start = start.Truncate(time.Minute)
	s.mu.RLock()
	fine := time.Unix(s.marks[0], 0)
	s.mu.RUnlock()
	if fine.Before(start) {
		fine = start
	}
	seconds, err := s.export(series, fine, end, time.Second)
	if err != nil {
		return nil, err
	}
	told := map[int64]bool{} // minutes of the seconds
	for i := range seconds {
		told[seconds[i].At.Truncate(time.Minute).Unix()] = true
	}
	minutes, err := s.export(series, start, end, time.Minute)
	minutes = slices.DeleteFunc(minutes, func(d metrics.Datum) bool { return told[d.At.Unix()] })
	return append(minutes, seconds...), err
}

func (s *Store) export(series metrics.Series, start, end time.Time, period time.Duration) (data []metrics.Datum, err error) {
	q := metrics.Query{Region: series.Region, Metric: series.Metric, Unit: series.Unit, Period: period, Start: start.Truncate(period), End: end.Truncate(period)}
	f := newFold(&q, true)
	if f.end <= f.start {
		return nil, nil
	}
	if (f.end-f.start)/f.period > maxPeriods {
		return nil, fmt.Errorf("more than %d periods lie between %v and %v", maxPeriods, start, end)
	}
	if err := s.gather(&q, f); err != nil {
		return nil, err
	}
	for i := range f.sets {
		if f.sets[i].Count == 0 {
			continue
		}
		if err := f.unpack(i, &f.sets[i]); err != nil {
			return nil, err
		}
		d := metrics.Datum{
			Series: series, At: time.Unix(f.start+int64(i)*f.period, 0).UTC(), Stats: f.sets[i].Stats, Resolution: int(f.period),
		}
		d.Values, d.Counts = f.sets[i].Pairs()
		data = append(data, d)
	}
	return data, nil
}
