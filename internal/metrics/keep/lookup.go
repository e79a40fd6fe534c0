package keep

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// lookups are the statements of a read, which SQLite understands once for each connection: that took a tenth of the time of
// a read.
type lookups struct {
	meta, metric, series, fine *sql.Stmt
	points                     [len(tiers)]*sql.Stmt
}

// rowsOf gives the rows of a series one after the other, each found by its id.
const rowsOf = `WITH RECURSIVE t(i) AS (SELECT ? UNION ALL SELECT i + 4294967296 FROM t WHERE i + 4294967296 <= ?)
	SELECT r.id >> 32, r.%s FROM t CROSS JOIN %s r ON r.id = t.i`

// lookups prepares the statements at the first read. A transaction must not be open: there may be one connection only.
func (d *database) lookups(ctx context.Context) (*lookups, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.prepared != nil {
		return d.prepared, nil
	}
	l := &lookups{}
	err := errors.Join(
		d.prepare(ctx, &l.meta, metaQuery),
		d.prepare(ctx, &l.metric, `SELECT id, key FROM series WHERE key >= ? AND key < ?`),
		d.prepare(ctx, &l.series, `SELECT id, key FROM series WHERE key = ?`),
		d.prepare(ctx, &l.fine, fmt.Sprintf(rowsOf, "fine", tiers[0].table)),
	)
	for k := range tiers {
		err = errors.Join(err, d.prepare(ctx, &l.points[k], fmt.Sprintf(rowsOf, "points", tiers[k].table)))
	}
	if err != nil {
		return nil, err
	}
	d.prepared = l
	return l, nil
}

func (d *database) prepare(ctx context.Context, to **sql.Stmt, query string) (err error) {
	*to, err = d.readers.PrepareContext(ctx, query) // closed with the database
	return err
}

// reading is a transaction that reads.
type reading struct {
	tx *sql.Tx
	*lookups
}

func (r *reading) query(ctx context.Context, stmt *sql.Stmt, args ...any) (*sql.Rows, error) {
	return r.tx.StmtContext(ctx, stmt).QueryContext(ctx, args...)
}
