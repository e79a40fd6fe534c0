// Package fellow lets the servers of one store have the same metrics. What agents and balancers measure, each server reads
// from them itself (package meter). What a client puts, one server is given: it writes it into a Box, and every other server
// reads all boxes (Follower), each batch once, by its number, whoever was away or is started again in between.
//
// Nobody leads: any server can be lost, and the others have all that it told.
package fellow

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"

	"github.com/maitred/maitred/internal/metrics"
)

// The bounds of what a box keeps for servers that are away: what is older no server takes any more.
const (
	keepFor   = metrics.MaxPast
	keepBytes = 64 << 20
)

// How often Run makes what was put durable against a loss of power, and removes what is old.
const (
	syncEvery  = 5 * time.Second
	pruneEvery = time.Minute
)

// Config is what a box needs.
type Config struct {
	// File is where it is; its directory is made if need be.
	File string
	Now  func() time.Time // nil: the machine's clock
	Log  *slog.Logger     // nil: nothing is logged
	// Bytes bounds what is kept of batches, about; 0: 64 MB.
	Bytes int64
}

// Box keeps what this server was given, numbered, and how far it has read in the boxes of others. It is safe for concurrent
// use.
type Box struct {
	config Config
	db     *sql.DB
	run    string

	mu    sync.Mutex
	news  chan struct{} // closed by the next batch
	dirty bool
}

const schema = `
CREATE TABLE IF NOT EXISTS self (one INTEGER PRIMARY KEY CHECK (one = 1), run TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS batch (seq INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, data BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS cursor (server TEXT PRIMARY KEY, run TEXT NOT NULL, seq INTEGER NOT NULL) WITHOUT ROWID;
`

// Open opens a box, or makes one.
func Open(c Config) (*Box, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Bytes == 0 {
		c.Bytes = keepBytes
	}
	if err := os.MkdirAll(filepath.Dir(c.File), 0o700); err != nil {
		return nil, fmt.Errorf("shared metrics: %w", err)
	}
	// What is committed survives the end of the process; Run has it survive that of the machine.
	dsn := (&url.URL{Scheme: "file", OmitHost: true, Path: c.File}).String() +
		"?_pragma=busy_timeout(10000)&_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=journal_size_limit(16777216)&_txlock=immediate"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, fmt.Errorf("shared metrics: %w", err)
	}
	b := &Box{config: c, db: db, news: make(chan struct{})}
	if err := b.begin(context.Background()); err != nil {
		return nil, errors.Join(b.wrap(err), db.Close())
	}
	return b, nil
}

// begin makes what is missing, and gives the box its name.
func (b *Box) begin(ctx context.Context) error {
	if _, err := b.db.ExecContext(ctx, schema); err != nil {
		return err
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: it ends the program instead
	if _, err := b.db.ExecContext(ctx, `INSERT INTO self VALUES (1, ?) ON CONFLICT DO NOTHING`, hex.EncodeToString(id[:])); err != nil {
		return err
	}
	if err := b.db.QueryRowContext(ctx, `SELECT run FROM self`).Scan(&b.run); err != nil {
		return err
	}
	return b.leap(ctx)
}

// leap is how many numbers a box leaves out whenever it is opened: more than it can give between two syncs.
const leap = 1 << 32

// leap leaves out numbers that the box may have given already. What was put last before a loss of power is forgotten, and others
// may have read it: they would take what has its number for what they know. With another name they would read all once more.
func (b *Box) leap(ctx context.Context) error {
	if _, err := b.db.ExecContext(ctx, `INSERT INTO sqlite_sequence (name, seq)
		SELECT 'batch', 0 WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence WHERE name = 'batch')`); err != nil {
		return err
	}
	if _, err := b.db.ExecContext(ctx, `UPDATE sqlite_sequence SET seq = seq + ? WHERE name = 'batch'`, leap); err != nil {
		return err
	}
	var busy, pages, moved int
	if err := b.db.QueryRowContext(ctx, `PRAGMA wal_checkpoint(FULL)`).Scan(&busy, &pages, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errors.New("it is in use")
	}
	return nil
}

func (b *Box) wrap(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("shared metrics: the database %s cannot be used (if it is damaged, move it away: a new one is made): %w", b.config.File, err)
}

// Close closes the box. Whoever reads it gets errors.
func (b *Box) Close() error { return b.wrap(b.db.Close()) }

// Put implements metrics.Putter. What cannot be written is logged: other servers do not have it then.
func (b *Box) Put(data []metrics.Datum) {
	text, err := json.Marshal(data)
	if err == nil {
		_, err = b.db.ExecContext(context.Background(), `INSERT INTO batch (at, data) VALUES (?, ?)`, b.config.Now().Unix(), text)
	}
	if err != nil {
		b.config.Log.Error("what was put is kept by this server alone", "error", b.wrap(err))
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.dirty = true
	close(b.news)
	b.news = make(chan struct{})
}

// Run makes what was put durable, and removes what is old, until ctx ends. Failures are logged and tried again; it gives none.
func (b *Box) Run(ctx context.Context) error {
	syncs, prunes := time.NewTicker(syncEvery), time.NewTicker(pruneEvery)
	defer syncs.Stop()
	defer prunes.Stop()
	for {
		var err error
		select {
		case <-ctx.Done():
			return nil
		case <-syncs.C:
			err = b.sync(ctx)
		case <-prunes.C:
			err = b.prune(ctx)
		}
		if err != nil && ctx.Err() == nil {
			b.config.Log.Warn("what was put for other servers is not in order", "error", b.wrap(err))
		}
	}
}

// sync makes what was put durable: a checkpoint does that first.
func (b *Box) sync(ctx context.Context) error {
	b.mu.Lock()
	dirty := b.dirty
	b.dirty = false
	b.mu.Unlock()
	if !dirty {
		return nil
	}
	_, err := b.db.ExecContext(ctx, `PRAGMA wal_checkpoint(PASSIVE)`)
	return err
}

// prune removes what is too old or too much, the oldest first.
func (b *Box) prune(ctx context.Context) error {
	if _, err := b.db.ExecContext(ctx, `DELETE FROM batch WHERE at < ?`, b.config.Now().Add(-keepFor).Unix()); err != nil {
		return err
	}
	_, err := b.db.ExecContext(ctx, `DELETE FROM batch WHERE seq <= (SELECT seq FROM
		(SELECT seq, sum(length(data)) OVER (ORDER BY seq DESC) AS behind FROM batch) WHERE behind > ? ORDER BY seq DESC LIMIT 1)`, b.config.Bytes)
	return err
}

// batch is what was put at once.
type batch struct {
	seq  uint64
	data []byte
}

// some is how many batches are read at once.
const some = 64

// after gives the batches after one, none if there are none.
func (b *Box) after(ctx context.Context, seq uint64) (found []batch, err error) {
	rows, err := b.db.QueryContext(ctx, `SELECT seq, data FROM batch WHERE seq > ? ORDER BY seq LIMIT ?`, seq, some)
	if err != nil {
		return nil, err
	}
	for rows.Next() && err == nil {
		var x batch
		err = rows.Scan(&x.seq, &x.data)
		found = append(found, x)
	}
	return found, errors.Join(err, rows.Err(), rows.Close())
}

// next is closed when there is more than there was.
func (b *Box) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.news
}

// cursor is how far the box of a server was read.
func (b *Box) cursor(ctx context.Context, server string) (run string, seq uint64, err error) {
	err = b.db.QueryRowContext(ctx, `SELECT run, seq FROM cursor WHERE server = ?`, server).Scan(&run, &seq)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return run, seq, b.wrap(err)
}

// move remembers how far the box of a server was read.
func (b *Box) move(ctx context.Context, server, run string, seq uint64) error {
	_, err := b.db.ExecContext(ctx, `INSERT INTO cursor VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET run = excluded.run, seq = excluded.seq`, server, run, seq)
	return b.wrap(err)
}
