package keep

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/maitred/maitred/internal/model"
)

// Units lists the units that a metric has had while its data is kept, sorted.
func (s *Store) Units(region string, m model.Metric) ([]string, error) {
	prefix := appendMetric(nil, region, &m)
	units := map[string]bool{}
	s.mu.RLock()
	closed := s.closed
	if in := s.table[string(prefix)]; in != nil {
		for _, st := range in.streams {
			units[st.unit] = true
		}
	}
	s.mu.RUnlock()
	if closed {
		return nil, ErrClosed
	}
	if err := s.disk.units(prefix, units); err != nil {
		return nil, s.disk.wrap(err)
	}
	return slices.Sorted(maps.Keys(units)), nil
}

// units adds the units of a metric (given by key) that the database has.
func (d *database) units(prefix []byte, to map[string]bool) error {
	rows, err := d.readers.QueryContext(context.Background(), `SELECT key FROM series WHERE key >= ? AND key < ?`, prefix, behind(prefix))
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }() // it was only read
	for rows.Next() {
		var key []byte
		if err := rows.Scan(&key); err != nil {
			return err
		}
		series, n, err := parseSeries(string(key))
		if err != nil {
			return fmt.Errorf("table series: %w", err)
		}
		if n == len(prefix) {
			to[series.Unit] = true
		}
	}
	return rows.Err()
}
