// Package keep is the store of metrics: Open gives what implements metrics.Putter and metrics.Reader.
//
// What is put is appended to a small block of its series in memory (package block), one for every 5 minutes, and to a journal
// (package journal). Every 5 minutes, or when memory is short, all that is new is merged into SQLite in one transaction,
// which also says up to which segment of the journal it goes: so each entry is there exactly once, whatever is killed when.
// The blocks of the last minutes stay in memory, so that alarms never wait for the database.
//
// In the database, time is divided by four marks. From marks[0] on, there are seconds, in rows of 5 minutes; before it
// minutes in rows of an hour, before marks[1] 5 minutes in rows of a day, before marks[2] hours in rows of 10 days; nothing
// before marks[3]. Data is merged into the row that its time belongs to, however late it comes. When a mark moves on, all
// rows that it passes are rolled up and moved, in the transaction that moves the mark. A row's id is its number in time
// and then that of its series: what is written together lies together, and what is too old is at the beginning.
package keep

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/block"
	"github.com/maitred/maitred/internal/metrics/journal"
)

// Config is what a store needs.
type Config struct {
	// Dir is the directory that the store has for itself; it is made if need be. "": everything is in memory only.
	Dir string
	// Now is the clock; nil is the machine's.
	Now    func() time.Time
	Log    *slog.Logger // nil: nothing is logged
	Limits Limits
}

// Limits bound what a store takes. Zero values mean the defaults.
type Limits struct {
	// Series is how many series can be in memory at once: those with data in the last quarter of an hour. Data of more is
	// dropped and counted. 50,000 by default.
	Series int
	// Bytes is how much memory all series can take together, 256 MB by default. From a quarter on data is moved to the database
	// early; at the limit, which is only reached if the database cannot be written, data is dropped and counted.
	Bytes int64
}

// ErrClosed is the answer of a store that was closed.
var ErrClosed = errors.New("the store of metrics is closed")

// How often Run does what: data is written to the journal after at most writeEvery, and made durable after at most syncEvery,
// with the last turn before that is over.
const (
	writeEvery = time.Second
	syncEvery  = 5 * time.Second
	flushEvery = 5 * time.Minute
	retryAfter = 15 * time.Second
)

// Store keeps metrics. It is safe for concurrent use.
type Store struct {
	now    func() time.Time
	log    *slog.Logger
	limits Limits
	disk   *database
	dir    *journal.Dir // nil if all is in memory
	early  chan struct{}

	// io is held by whoever writes to the journal or the database; mu is never held during either. io comes before mu.
	io       sync.Mutex
	builder  block.Builder
	split    block.Builder
	fine     []byte // scratch of saveSlot
	points   []byte // the same
	lastSync time.Time
	nextMove time.Time // into the database
	failed   bool      // the last move

	mu     sync.RWMutex
	closed bool
	table  map[string]*metric // by the metric's key
	key    []byte             // scratch of put
	entry  []byte             // the same
	epoch  int64              // of what is put now: the number of the journal's segment
	frozen int64              // the epoch of what is on its way into the database
	frame  journal.Frame      // not written yet
	// names is how many series have a number in the segment of the epoch namesOf.
	names   uint32
	namesOf int64
	marks   marks
	// flushed is the newest slot of which the database may hold anything.
	flushed int64
	// inherited is what flushed was when the store was opened.
	inherited int64
	counts    Counts
	dirty     int64 // bytes that are not in the database
}

// Counts tell how a store is doing.
type Counts struct {
	Series  int   // in memory
	Bytes   int64 // of memory, about
	Journal int64 // bytes written to the journal since it was opened

	// Measurements that were dropped: of series over the limit, too old or too far ahead, not numbers, over the limit of
	// memory, and after Close.
	OverSeries, OutOfTime, Invalid, OverMemory, AfterClose uint64
	// Damaged counts rows of the database and segments of the journal that could not be read and were left out.
	Damaged uint64
}

// Open opens a store, and reads the journal of one that was killed. The error says which file is damaged, if one is.
func Open(c Config) (*Store, error) {
	s := &Store{
		now: c.Now, log: c.Log, limits: c.Limits, early: make(chan struct{}, 1),
		table: make(map[string]*metric), split: block.Builder{Split: true},
	}
	if s.now == nil {
		s.now = time.Now
	}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	s.limits.Series = cmp.Or(s.limits.Series, 50_000)
	s.limits.Bytes = cmp.Or(s.limits.Bytes, 256<<20)
	if err := s.open(c.Dir); err != nil {
		return nil, errors.Join(err, s.shut())
	}
	return s, nil
}

func (s *Store) open(dir string) (err error) {
	if dir != "" {
		if s.dir, err = journal.OpenDir(filepath.Join(dir, "journal")); err != nil {
			return err
		}
		dir = filepath.Join(dir, "metrics.db")
	}
	if s.disk, err = openDatabase(dir); err != nil {
		return err
	}
	now := s.now()
	s.nextMove, s.lastSync = now.Add(flushEvery), now
	state, err := s.disk.begin(targets(now))
	if err != nil {
		return err
	}
	s.marks, s.epoch = state.marks, state.applied
	s.flushed = max(state.newest, s.marks[0]/slotSpan-1)
	s.inherited = s.flushed
	return s.replay(now)
}

// replay reads what had not reached the database. It is moved there soon.
func (s *Store) replay(now time.Time) error {
	defer func() { s.epoch++ }()
	if s.dir == nil {
		return nil
	}
	applied := s.epoch
	if err := s.dir.Remove(applied); err != nil {
		return fmt.Errorf("metrics: %w", err)
	}
	numbers, err := s.dir.Segments()
	if err != nil {
		return err
	}
	for _, n := range numbers {
		lost, err := s.replaySegment(n)
		switch {
		case errors.Is(err, journal.ErrDamaged) || err == nil && lost > 0:
			s.counts.Damaged++
			s.log.Warn("the end of a journal of metrics is not whole and was left out", "segment", n, "bytes", lost)
		case err != nil:
			return err
		}
		s.epoch, s.nextMove = n, now
	}
	return nil
}

func (s *Store) replaySegment(number int64) (lost int, err error) {
	var streams []*stream
	return s.dir.Replay(number, &journal.Reader{
		Name: func(key string) (int, error) {
			series, prefix, err := parseSeries(key)
			if err != nil {
				return 0, err
			}
			streams = append(streams, s.streamOf(key[:prefix], &series, key))
			return len(streams) - 1, nil
		},
		Entry: func(i int, span int64, entry []byte) { s.append(streams[i], span, entry) },
	})
}

// Counts tells how the store is doing.
func (s *Store) Counts() Counts {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.counts
}

// Run writes the journal and moves data into the database until ctx ends. A failure is logged and tried again; Run gives none.
func (s *Store) Run(ctx context.Context) error {
	ticks := time.NewTicker(writeEvery)
	defer ticks.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticks.C:
		case <-s.early:
			s.hurry(s.now())
		}
		s.turn(s.now())
	}
}

// hurry makes the next move due, unless the last one has just failed.
func (s *Store) hurry(now time.Time) {
	s.io.Lock()
	defer s.io.Unlock()
	if !s.failed {
		s.nextMove = now
	}
}

// turn does what is due.
func (s *Store) turn(now time.Time) {
	s.io.Lock()
	defer s.io.Unlock()
	if s.isClosed() {
		return
	}
	if err := s.writeJournal(now, now.Sub(s.lastSync)+writeEvery > syncEvery); err != nil {
		s.log.Error("metrics are not durable", "error", err)
	}
	if now.Before(s.nextMove) {
		return
	}
	s.nextMove = now.Add(flushEvery)
	err := s.move(now)
	if s.failed = err != nil; s.failed {
		s.nextMove = now.Add(retryAfter)
		s.log.Error("metrics stay in memory and in the journal", "error", err)
	}
}

// Flush moves all that was put into the database, rolls up what is old enough and deletes what is too old.
func (s *Store) Flush() error {
	s.io.Lock()
	defer s.io.Unlock()
	if s.isClosed() {
		return ErrClosed
	}
	return s.move(s.now())
}

func (s *Store) isClosed() bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.closed
}

// Close moves all that was put into the database and closes the store. What cannot be moved is in the journal, and the error
// says so.
func (s *Store) Close() error {
	s.io.Lock()
	defer s.io.Unlock()
	s.mu.Lock()
	already := s.closed
	s.closed = true
	s.mu.Unlock()
	if already {
		return nil
	}
	return errors.Join(s.move(s.now()), s.shut())
}

func (s *Store) shut() error {
	var err error
	if s.dir != nil {
		err = s.dir.Close()
	}
	if s.disk != nil {
		err = errors.Join(err, s.disk.close())
	}
	return err
}

// writeJournal writes what the journal does not have yet. If it cannot, it is tried again, up to a bound.
func (s *Store) writeJournal(now time.Time, sync bool) error {
	if s.dir == nil {
		return nil
	}
	s.mu.Lock()
	frame, epoch := s.frame, s.epoch
	s.frame = journal.Frame{}
	s.mu.Unlock()
	return s.writeFrame(epoch, frame, sync, now)
}

// writeFrame writes a frame. When the journal has failed for long, a new segment begins, in which all series are named anew.
func (s *Store) writeFrame(epoch int64, f journal.Frame, sync bool, now time.Time) error {
	err := s.dir.Write(epoch, f, sync)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		s.counts.Journal += int64(f.Len())
		if sync {
			s.lastSync = now
		}
	case errors.Is(err, journal.ErrFull) && s.epoch == epoch:
		s.epoch++
		s.frame = journal.Frame{}
	}
	return err
}

var (
	_ metrics.Reader = (*Store)(nil)
	_ metrics.Putter = (*Store)(nil)
)
