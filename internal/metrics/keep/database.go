package keep

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/maitred/maitred/internal/metrics"
)

// tier is one resolution that data is kept in, in a table of its own.
type tier struct {
	table string
	width int64 // seconds of a point
	span  int64 // seconds of a row
}

// The tiers, from the finest on. Rows of slots have minutes in points and everything in fine.
var tiers = [...]tier{
	{"slot", minuteSpan, slotSpan},
	{"minute", minuteSpan, 3600},
	{"five", 300, 86400},
	{"hour", 3600, 10 * 86400},
}

// marks divide time among the tiers: a tier has what is at its mark or later, up to the mark of the tier before it.
type marks [len(tiers)]int64

// targets are the marks as they should be by now. Each is where a row of the next tier begins, as that one takes whole rows.
func targets(now time.Time) (m marks) {
	keep := [...]time.Duration{metrics.KeepFine, metrics.KeepOne, metrics.KeepFive, metrics.KeepSixty}
	for i := range m {
		span := tiers[min(i+1, len(tiers)-1)].span
		at := now.Add(-keep[i]).Unix()
		m[i] = max(at-at%span, 0)
	}
	return m
}

// tier says which tier has a time, len(tiers) if none does.
func (m *marks) tier(at int64) int {
	for i := range m {
		if at >= m[i] {
			return i
		}
	}
	return len(m)
}

// seriesBits is how many bits of a row's id are the series'.
const seriesBits = 32

func rowID(t *tier, at, series int64) int64 { return at/t.span<<seriesBits | series }

// database is SQLite: one connection that writes, some that read. Only one if it is in memory.
type database struct {
	write, readers *sql.DB
	path           string
	mu             sync.Mutex // of prepared
	prepared       *lookups   // nil before the first read
}

const schema = `
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series (id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, last INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS slot (id INTEGER PRIMARY KEY, points BLOB NOT NULL, fine BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS minute (id INTEGER PRIMARY KEY, points BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS five (id INTEGER PRIMARY KEY, points BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS hour (id INTEGER PRIMARY KEY, points BLOB NOT NULL);
`

// version is that of the schema.
const version = 1

// readerCount is how many reads go on at once.
const readerCount = 4

func openDatabase(path string) (*database, error) {
	d := &database{path: path}
	if path == "" {
		memory, err := sql.Open("sqlite", ":memory:")
		if err != nil {
			return nil, d.wrap(err)
		}
		memory.SetMaxOpenConns(1)
		memory.SetConnMaxLifetime(0)
		d.write, d.readers = memory, memory
		return d, nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	var err error
	if d.write, err = sql.Open("sqlite", dsn(path, "_txlock=immediate")); err != nil {
		return nil, d.wrap(err)
	}
	d.write.SetMaxOpenConns(1)
	if d.readers, err = sql.Open("sqlite", dsn(path, "_pragma=query_only(1)")); err != nil {
		return nil, errors.Join(d.wrap(err), d.write.Close())
	}
	d.readers.SetMaxOpenConns(readerCount)
	d.readers.SetMaxIdleConns(readerCount)
	return d, nil
}

// dsn makes commits durable: what is committed is taken out of the journal.
func dsn(path, more string) string {
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path}).String() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(FULL)&_pragma=cache_size(-8192)" +
		"&_pragma=journal_size_limit(67108864)&" + more
}

func (d *database) close() error {
	err := d.write.Close()
	if d.readers != nil && d.readers != d.write {
		err = errors.Join(err, d.readers.Close())
	}
	return err
}

// wrap says which file an error is about, and what can be done.
func (d *database) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("metrics: the database %s cannot be used (if it is damaged, move it away: a new one is made): %w", d.path, err)
}

// state is what the database says of itself.
type state struct {
	applied int64 // the last epoch that is in it
	newest  int64 // the newest slot
	marks   marks
}

// begin makes what is missing and reads the state. A new database gets the marks.
func (d *database) begin(m marks) (st state, err error) {
	ctx := context.Background()
	if _, err = d.write.ExecContext(ctx, schema); err != nil {
		return st, d.wrap(err)
	}
	have := version
	row := d.write.QueryRowContext(ctx, `INSERT INTO meta VALUES ('version', ?) ON CONFLICT DO UPDATE SET name = name RETURNING value`, version)
	if err = row.Scan(&have); err != nil {
		return st, d.wrap(err)
	}
	if have != version {
		return st, d.wrap(fmt.Errorf("it has version %d, and this program knows %d", have, version))
	}
	_, err = d.write.ExecContext(ctx, `INSERT INTO meta VALUES (?, 0), (?, ?), (?, ?), (?, ?), (?, ?) ON CONFLICT DO NOTHING`,
		appliedName, markNames[0], m[0], markNames[1], m[1], markNames[2], m[2], markNames[3], m[3])
	if err != nil {
		return st, d.wrap(err)
	}
	if st.applied, st.marks, err = readMeta(ctx, d.write); err != nil {
		return st, d.wrap(err)
	}
	row = d.write.QueryRowContext(ctx, `SELECT coalesce(max(id) >> 32, 0) FROM slot`)
	return st, d.wrap(row.Scan(&st.newest))
}

// The names of the rows of meta beside the version.
const appliedName = "applied"

var markNames = [len(tiers)]string{"mark0", "mark1", "mark2", "mark3"}

// meta reads the applied epoch and the marks.
func (d *database) meta() (applied int64, m marks, err error) {
	return readMeta(context.Background(), d.write)
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

func readMeta(ctx context.Context, q querier) (applied int64, m marks, err error) {
	rows, err := q.QueryContext(ctx, metaQuery)
	return scanMeta(rows, err)
}

const metaQuery = `SELECT name, value FROM meta`

func scanMeta(rows *sql.Rows, err error) (applied int64, m marks, _ error) {
	err = each(rows, err, func() error {
		var name string
		var value int64
		err := rows.Scan(&name, &value)
		if i := slices.Index(markNames[:], name); i >= 0 {
			m[i] = value
		} else if name == appliedName {
			applied = value
		}
		return err
	})
	return applied, m, err
}

// each calls do for each row, until it gives an error.
func each(rows *sql.Rows, err error, do func() error) error {
	if err != nil {
		return err
	}
	for rows.Next() && err == nil {
		err = do()
	}
	return errors.Join(err, rows.Err(), rows.Close())
}

// batch is a transaction that writes.
type batch struct {
	tx    *sql.Tx
	stmts map[string]*sql.Stmt
}

// update runs a transaction.
func (d *database) update(do func(b *batch) error) error {
	tx, err := d.write.BeginTx(context.Background(), nil)
	if err != nil {
		return d.wrap(err)
	}
	b := &batch{tx: tx, stmts: make(map[string]*sql.Stmt)}
	if err := do(b); err != nil {
		return d.wrap(errors.Join(err, tx.Rollback()))
	}
	return d.wrap(tx.Commit())
}

func (b *batch) stmt(query string) (*sql.Stmt, error) {
	if s := b.stmts[query]; s != nil {
		return s, nil
	}
	s, err := b.tx.PrepareContext(context.Background(), query) // the transaction's end closes it
	if err == nil {
		b.stmts[query] = s
	}
	return s, err
}

func (b *batch) exec(query string, args ...any) error {
	s, err := b.stmt(query)
	if err != nil {
		return err
	}
	_, err = s.ExecContext(context.Background(), args...)
	return err
}

// get reads one value into to, and leaves it if there is none.
func (b *batch) get(to any, query string, args ...any) error {
	s, err := b.stmt(query)
	if err != nil {
		return err
	}
	if err = s.QueryRowContext(context.Background(), args...).Scan(to); errors.Is(err, sql.ErrNoRows) {
		return nil
	}
	return err
}

func (b *batch) setMeta(name string, value int64) error {
	return b.exec(`UPDATE meta SET value = ? WHERE name = ?`, value, name)
}
