package keep

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"
)

// chunk is how many series are moved from one tier to the next at once.
const chunk = 500

// age moves what became too old for a tier into the next one, and deletes what is too old for all.
func (s *Store) age(now time.Time) error {
	want := targets(now)
	for k := range len(tiers) - 1 {
		for s.marks[k] < want[k] {
			if err := s.advance(k, want[k]); err != nil {
				return err
			}
		}
	}
	return s.sweep(want[len(tiers)-1])
}

// advance moves the mark of a tier by a row of the next one, or over a time of which there is nothing.
func (s *Store) advance(k int, want int64) error {
	from, to := &tiers[k], &tiers[k+1]
	marks := s.marks
	err := s.disk.update(func(b *batch) error {
		first := int64(-1)
		if err := b.get(&first, fmt.Sprintf(`SELECT coalesce(min(id), -1) FROM %s`, from.table)); err != nil {
			return err
		}
		row := first >> seriesBits * from.span
		row -= row % to.span
		if first < 0 || row >= want {
			marks[k] = want
			return b.setMeta(markNames[k], marks[k])
		}
		marks[k] = max(marks[k], row+to.span)
		if err := s.moveRow(b, from, to, row); err != nil {
			return err
		}
		return b.setMeta(markNames[k], marks[k])
	})
	if err != nil {
		return err
	}
	s.setMarks(marks)
	return nil
}

func (s *Store) setMarks(m marks) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.marks = m
}

// moveRow rolls up all that a row of the coarser tier spans.
func (s *Store) moveRow(b *batch, from, to *tier, at int64) error {
	series := int64(0)
	if err := b.get(&series, `SELECT coalesce(max(id), 0) FROM series`); err != nil {
		return err
	}
	for low := int64(0); low <= series; low += chunk {
		parts, err := b.collect(from, to, at, low)
		if err != nil {
			return err
		}
		for _, series := range slices.Sorted(maps.Keys(parts)) {
			if err := s.mergeRow(b, to, rowID(to, at, series), parts[series]...); err != nil {
				return err
			}
		}
	}
	return b.exec(fmt.Sprintf(`DELETE FROM %s WHERE id >= ? AND id < ?`, from.table),
		rowID(from, at, 0), rowID(from, at+to.span, 0))
}

// collect reads the rows of a chunk of series that one row of the coarser tier spans, by series.
func (b *batch) collect(from, to *tier, at, low int64) (map[int64][]part, error) {
	stmt, err := b.stmt(fmt.Sprintf(`SELECT id, points FROM %s WHERE id >= ? AND id < ?`, from.table))
	if err != nil {
		return nil, err
	}
	parts := make(map[int64][]part)
	for t := at; t < at+to.span; t += from.span {
		base, div := int((t-at)/from.width), int(to.width/from.width)
		rows, err := stmt.QueryContext(context.Background(), rowID(from, t, low), rowID(from, t, low+chunk))
		err = each(rows, err, func() error {
			var id int64
			var points []byte
			err := rows.Scan(&id, &points)
			series := id & (1<<seriesBits - 1)
			parts[series] = append(parts[series], part{points, base, div})
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// sweep deletes what is before a time, and series of which nothing is left.
func (s *Store) sweep(before int64) error {
	marks := s.marks
	last := len(tiers) - 1
	if marks[last] >= before {
		return nil
	}
	marks[last] = before
	err := s.disk.update(func(b *batch) error {
		t := &tiers[last]
		if err := b.exec(fmt.Sprintf(`DELETE FROM %s WHERE id < ?`, t.table), rowID(t, before, 0)); err != nil {
			return err
		}
		if err := b.exec(`DELETE FROM series WHERE last < ?`, before); err != nil {
			return err
		}
		return b.setMeta(markNames[last], before)
	})
	if err == nil {
		s.setMarks(marks)
	}
	return err
}
