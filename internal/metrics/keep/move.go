package keep

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/metrics/block"
	"github.com/maitred/maitred/internal/metrics/journal"
)

const (
	// stayFor is for how long after its end a slot stays in memory, in seconds.
	stayFor = 300
	// idleFor is for how long a series without data stays in memory, in seconds.
	idleFor = 900
)

// leaver is a slot on its way into the database.
type leaver struct {
	st    *stream
	sl    *slot
	id    int64 // of the series
	last  int64
	whole bool
	saved []byte // what the database had, if whole; what it will have
}

// move brings everything that was put into the database, and what is there into the tier of its age.
func (s *Store) move(now time.Time) error {
	leaving, epoch, frame := s.freeze()
	if s.dir != nil {
		if err := s.writeFrame(epoch, frame, true, now); err != nil {
			s.log.Warn("metrics go to the database without having been in the journal", "error", err)
		}
	}
	if len(leaving) > 0 {
		if err := s.save(leaving, epoch); err != nil {
			s.stay(leaving)
			return err
		}
	}
	s.settle(leaving, now)
	if s.dir != nil && len(leaving) > 0 {
		if err := s.dir.Remove(epoch); err != nil {
			s.log.Warn("what the database has is still in the journal", "error", err)
		}
	}
	return s.age(now)
}

// freeze takes all that is fresh, and begins a new epoch for what comes.
func (s *Store) freeze() (all []leaver, epoch int64, frame journal.Frame) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, m := range s.table {
		for _, st := range m.streams {
			for _, sl := range st.slots {
				if len(sl.fresh) == 0 {
					continue
				}
				sl.leaving, sl.fresh, sl.crowded = sl.fresh, nil, crowded
				s.flushed = max(s.flushed, sl.number)
				all = append(all, leaver{st: st, sl: sl, id: st.id, last: st.last, whole: sl.whole, saved: sl.saved})
			}
		}
	}
	epoch, frame = s.epoch, s.frame
	s.frame = journal.Frame{}
	if len(all) > 0 {
		s.frozen = epoch
		s.epoch++
	}
	return all, epoch, frame
}

// save is the transaction. If its end is not known, the database is asked.
func (s *Store) save(leaving []leaver, epoch int64) error {
	// In the order of the table, to write to one place after the other.
	slices.SortFunc(leaving, func(a, b leaver) int {
		if a.sl.number != b.sl.number {
			return int(a.sl.number - b.sl.number)
		}
		return int(a.id - b.id)
	})
	err := s.disk.update(func(b *batch) error {
		ids := make(map[*stream]int64)
		for i := range leaving {
			l := &leaving[i]
			if err := s.name(b, l, ids); err != nil {
				return err
			}
			if err := s.saveSlot(b, l); err != nil {
				return err
			}
		}
		return b.setMeta(appliedName, epoch)
	})
	if err == nil {
		return nil
	}
	if applied, _, e := s.disk.meta(); e == nil && applied >= epoch {
		return nil
	}
	return err
}

// name gives a series its id, and tells until when it has data.
func (s *Store) name(b *batch, l *leaver, ids map[*stream]int64) error {
	if id, ok := ids[l.st]; ok {
		l.id = id
		return nil
	}
	var err error
	if l.id == 0 {
		err = b.get(&l.id, `INSERT INTO series(key, last) VALUES (?, ?)
			ON CONFLICT(key) DO UPDATE SET last = max(last, excluded.last) RETURNING id`, []byte(l.st.key), l.last)
	} else {
		err = b.exec(`UPDATE series SET last = ? WHERE id = ? AND last < ?`, l.last, l.id, l.last)
	}
	ids[l.st] = l.id
	return err
}

func (s *Store) saveSlot(b *batch, l *leaver) error {
	at := l.sl.number * slotSpan
	k := s.marks.tier(at)
	switch {
	case k == len(tiers):
		return nil // older than anything that is kept: the clock was changed
	case k > 0:
		t := &tiers[k]
		return s.mergeRow(b, t, rowID(t, at, l.id), part{l.sl.leaving, int(at % t.span), int(t.width)})
	}
	id := rowID(&tiers[0], at, l.id)
	if !l.whole {
		l.saved = nil
		if err := b.get(&l.saved, `SELECT fine FROM slot WHERE id = ?`, id); err != nil {
			return err
		}
	}
	s.read(&s.split, l.saved, 0, 1)
	s.read(&s.split, l.sl.leaving, 0, 1)
	s.fine = s.split.AppendTo(s.fine[:0])
	l.saved = kept(s.fine, l.sl.leaving)
	s.read(&s.builder, l.saved, 0, minuteSpan)
	s.points = s.builder.AppendTo(s.points[:0])
	return b.exec(`INSERT OR REPLACE INTO slot(id, points, fine) VALUES (?, ?, ?)`, id, s.points, l.saved)
}

// kept is a block to keep: the one that is there if it is the same, as it is of what came in order, so that the blocks of all
// series are not twice in memory until the end of the transaction.
func kept(scratch, there []byte) []byte {
	if bytes.Equal(scratch, there) {
		return there
	}
	return bytes.Clone(scratch)
}

// part is a block that is part of a row: where it begins there and how much coarser the row is. See block.Builder.
type part struct {
	block     []byte
	base, div int
}

// mergeRow adds blocks to a row.
func (s *Store) mergeRow(b *batch, t *tier, id int64, parts ...part) error {
	var have []byte
	if err := b.get(&have, fmt.Sprintf(`SELECT points FROM %s WHERE id = ?`, t.table), id); err != nil {
		return err
	}
	s.read(&s.builder, have, 0, 1)
	for _, p := range parts {
		s.read(&s.builder, p.block, p.base, p.div)
	}
	return b.exec(fmt.Sprintf(`INSERT OR REPLACE INTO %s(id, points) VALUES (?, ?)`, t.table), id, s.builder.AppendTo(nil))
}

// read adds a block to a builder. What is damaged is left out, so that it does not stop what is whole from being kept.
func (s *Store) read(to *block.Builder, from []byte, base, div int) {
	if err := to.Add(from, base, div); err != nil {
		s.log.Error("a row of metrics is damaged, and its rest was left out", "error", err)
		s.mu.Lock()
		s.counts.Damaged++
		s.mu.Unlock()
	}
}

// stay puts back what could not be saved.
func (s *Store) stay(leaving []leaver) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range leaving {
		l.sl.fresh, l.sl.leaving = append(l.sl.leaving, l.sl.fresh...), nil
	}
	s.count()
}

// settle says of what was saved that it is, and lets go what is not needed in memory any more.
func (s *Store) settle(leaving []leaver, now time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, l := range leaving {
		l.st.id = l.id
		l.st.saved = max(l.st.saved, l.last)
		l.sl.leaving, l.sl.saved, l.sl.whole = nil, l.saved, true
	}
	s.count()
	s.forget(now.Unix(), s.counts.Bytes > s.limits.Bytes/2)
}

// forget lets go of slots that the database has, and of series without any.
func (s *Store) forget(now int64, all bool) {
	for key, m := range s.table {
		m.streams = slices.DeleteFunc(m.streams, func(st *stream) bool {
			st.slots = slices.DeleteFunc(st.slots, func(sl *slot) bool {
				end := (sl.number + 1) * slotSpan
				old := all || end+stayFor <= now || end <= s.marks[0]
				return old && len(sl.fresh) == 0 && len(sl.leaving) == 0
			})
			return len(st.slots) == 0 && st.id != 0 && st.saved >= st.last && st.last+idleFor < now
		})
		if len(m.streams) == 0 {
			delete(s.table, key)
		}
	}
	s.count()
}

// count counts anew what is in memory.
func (s *Store) count() {
	s.counts.Series, s.counts.Bytes, s.dirty = 0, 0, 0
	for _, m := range s.table {
		for _, st := range m.streams {
			s.counts.Series++
			s.counts.Bytes += st.bytes()
			for _, sl := range st.slots {
				fresh := int64(cap(sl.fresh))
				s.dirty += fresh
				s.counts.Bytes += slotBytes + fresh + int64(cap(sl.leaving)+cap(sl.saved))
			}
		}
	}
}
