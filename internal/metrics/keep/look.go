package keep

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// read puts in what the database has, all of one moment.
func (d *database) read(v *view, f *fold) (err error) {
	ctx := context.Background()
	q, err := d.lookups(ctx)
	if err != nil {
		return err
	}
	tx, err := d.readers.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tx.Rollback()) }()
	r := &reading{tx, q}
	rows, err := r.query(ctx, q.meta)
	if v.applied, v.marks, err = scanMeta(rows, err); err != nil {
		return err
	}
	v.unwhole()
	found, err := v.find(ctx, r)
	if err != nil {
		return err
	}
	for _, s := range found {
		for k := range tiers {
			if err := v.readTier(ctx, r, f, k, s); err != nil {
				return err
			}
		}
	}
	return nil
}

// unwhole takes from memory what the database has moved on meanwhile: that is read there.
func (v *view) unwhole() {
	for i := range v.streams {
		for j := range v.streams[i].slots {
			if sl := &v.streams[i].slots[j]; sl.number*slotSpan < v.marks[0] {
				sl.whole = false
			}
		}
	}
}

// found is a series in the database, with what memory has of it.
type found struct {
	id     int64
	memory *streamView // nil: nothing
}

func (v *view) find(ctx context.Context, r *reading) (all []found, err error) {
	stmt, args := r.metric, []any{v.prefix, behind(v.prefix)}
	if v.exact {
		stmt, args = r.series, args[:1]
	}
	rows, err := r.query(ctx, stmt, args...)
	err = each(rows, err, func() error {
		var key []byte
		var f found
		err := rows.Scan(&f.id, &key)
		for i := range v.streams {
			if v.streams[i].key == string(key) {
				f.memory = &v.streams[i]
			}
		}
		all = append(all, f)
		return err
	})
	return all, err
}

func (v *view) readTier(ctx context.Context, r *reading, f *fold, k int, s found) error {
	t := &tiers[k]
	from, to := max(f.start, v.marks[k]), f.end
	if k > 0 {
		to = min(to, v.marks[k-1])
	}
	if from >= to || f.period%t.width != 0 && k > 0 {
		return nil
	}
	stmt, unit := r.points[k], t.width
	if f.seconds() { // which only slots have
		stmt, unit = r.fine, 1
	}
	rows, err := r.query(ctx, stmt, rowID(t, from, s.id), rowID(t, to-1, s.id))
	return each(rows, err, func() error {
		var number int64
		var shared sql.RawBytes // until the next row
		if err := rows.Scan(&number, &shared); err != nil {
			return err
		}
		if k == 0 && s.memory != nil && s.memory.whole(number) {
			return nil
		}
		points := []byte(shared)
		if f.values {
			points = bytes.Clone(points)
		}
		if err := f.add(points, number*t.span, unit, unit); err != nil {
			return fmt.Errorf("the row %d of series %d in table %s: %w", number, s.id, t.table, err)
		}
		return nil
	})
}
