package disk

import (
	"container/list"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/frame"
)

// stream is a log stream. Its members are guarded by the store's mu; the segments' list and what they say of themselves
// by its own too, so that readers need not wait for writers of other streams.
type stream struct {
	store   *Store
	name    string
	created int64
	dir     string
	active  *list.Element // in the store's list, while a file is open for writing, or about to be
	file    *os.File
	marks   map[string]frame.Mark // nil if they are to be read from the newest segment

	mu       sync.Mutex
	segments []*segment // oldest first
}

type streamMeta struct {
	Name    string `json:"name"`
	Created int64  `json:"created"`
}

// marksMax is how many sources of a stream are remembered: the attempts of one container, as a rule.
const marksMax = 64

func (s *Store) newStream(g *group, name string, now int64) (*stream, error) {
	st := &stream{
		store: s, name: name, created: now, dir: filepath.Join(g.dir, dirName(name)), marks: map[string]frame.Mark{},
	}
	if err := writeMeta(st.dir, streamMeta{name, now}); err != nil {
		return nil, err
	}
	g.streams[name] = st
	return st, nil
}

// openStream reads a stream's directory; nil if it is not whole, and was being made or deleted.
func (s *Store) openStream(dir string) (*stream, error) {
	var meta streamMeta
	if err := readMeta(dir, &meta); err != nil {
		s.cfg.Log.Warn("a directory of logs that is not whole is removed", "dir", dir, "reason", err)
		return nil, os.RemoveAll(dir)
	}
	st := &stream{store: s, name: meta.Name, created: meta.Created, dir: dir}
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("read the directory of a log stream: %w", err)
	}
	for _, f := range files {
		if seg, ok := parseSegment(f.Name()); ok {
			seg.dir = dir
			st.segments = append(st.segments, seg)
		}
	}
	slices.SortFunc(st.segments, func(a, b *segment) int { return int(a.base) - int(b.base) })
	for _, seg := range st.segments {
		if seg.sealed {
			continue
		}
		if err := seg.recover(); err != nil {
			return nil, err
		}
	}
	return st, nil
}

// newest is the last segment, nil if there is none.
func (st *stream) newest() *segment {
	if len(st.segments) == 0 {
		return nil
	}
	return st.segments[len(st.segments)-1]
}

// append writes a batch behind what there is.
func (st *stream) append(b Batch) error {
	if seg := st.newest(); seg != nil && !seg.sealed && seg.size >= st.store.cfg.Segment {
		if err := errors.Join(st.closeFile(), st.seal()); err != nil {
			return err
		}
	}
	f := frame.Frame{Ingested: b.Ingested, Events: b.Events}
	if b.Source != "" {
		f.Marks = map[string]frame.Mark{b.Source: b.Mark}
	}
	seg, err := st.writable(&f)
	if err != nil {
		return err
	}
	data, err := frame.Append(nil, &f)
	if err != nil {
		return err
	}
	if _, err := st.file.Write(data); err != nil {
		// Half of it may be there: cut it off, or what follows could not be read.
		return errors.Join(fmt.Errorf("write log events: %w", err), st.file.Truncate(seg.size))
	}
	maps.Copy(st.marks, f.Marks)
	st.mu.Lock()
	defer st.mu.Unlock()
	seg.add(&f, int64(len(data)))
	return nil
}

// writable opens the segment that a frame goes into. The first frame of a segment repeats all marks, so that the newest
// segment alone tells them.
func (st *stream) writable(f *frame.Frame) (*segment, error) {
	seg := st.newest()
	if seg == nil || seg.sealed {
		next := &segment{dir: st.dir}
		if seg != nil {
			next.base = seg.base + seg.count
			if seg.count == 0 { // marks alone
				next.base++
			}
		}
		st.carry(f)
		st.mu.Lock()
		st.segments = append(st.segments, next)
		st.mu.Unlock()
		seg = next
	}
	if st.file == nil {
		file, err := os.OpenFile(seg.path(), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
		if err != nil {
			return nil, fmt.Errorf("open a file of logs: %w", err)
		}
		st.file = file
	}
	return seg, nil
}

// carry adds the marks that a frame does not set. Too many are not kept: those of the oldest lines go.
func (st *stream) carry(f *frame.Frame) {
	sources := make([]string, 0, len(st.marks))
	for source := range st.marks {
		sources = append(sources, source)
	}
	slices.SortFunc(sources, func(a, b string) int { return int(min(1, max(-1, st.marks[b].At-st.marks[a].At))) })
	for i, source := range sources {
		if i >= marksMax {
			delete(st.marks, source)
			continue
		}
		if f.Marks == nil {
			f.Marks = map[string]frame.Mark{}
		}
		if _, set := f.Marks[source]; !set {
			f.Marks[source] = st.marks[source]
		}
	}
}

// loadMarks reads the marks, unless they are known.
func (st *stream) loadMarks() error {
	if st.marks != nil {
		return nil
	}
	marks := map[string]frame.Mark{}
	if seg := st.newest(); seg != nil {
		if err := seg.frames(seg.size, func(f *frame.Frame) { maps.Copy(marks, f.Marks) }); err != nil {
			return err
		}
	}
	st.marks = marks
	return nil
}

func (st *stream) closeFile() error {
	if st.file == nil {
		return nil
	}
	err := st.file.Close()
	st.file = nil
	return err
}

// seal seals the newest segment; its file is closed.
func (st *stream) seal() error {
	seg := st.newest()
	if seg == nil || seg.sealed {
		return nil
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	return seg.seal()
}

// idle says that nobody has written to the stream since a time, and that all its events are older.
func (st *stream) idle(from int64) bool {
	seg := st.newest()
	return seg != nil && seg.count > 0 && seg.last < from && seg.ingested < from
}

// expire deletes the segments of which every event is older than a time. The newest one stays, for its marks, as long as
// somebody writes to the stream. It says whether nothing is left.
func (st *stream) expire(from int64) (empty bool, err error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	var errs []error
	last := st.newest()
	st.segments = slices.DeleteFunc(st.segments, func(seg *segment) bool {
		if seg.count == 0 || seg.last >= from || seg == last && (st.active != nil || !seg.sealed) {
			return false
		}
		err := os.Remove(seg.path())
		errs = append(errs, err)
		return err == nil
	})
	return last != nil && len(st.segments) == 0, errors.Join(errs...)
}

func (st *stream) bytes() int64 {
	n := int64(0)
	for _, seg := range st.segments {
		n += seg.size
	}
	return n
}

// describe tells what is known of the stream.
func (st *stream) describe() logs.Stream {
	d := logs.Stream{Name: st.name, Created: st.created, Bytes: st.bytes()}
	for _, seg := range st.segments {
		if seg.count == 0 {
			continue
		}
		if d.Ingested == 0 || seg.first < d.First {
			d.First = seg.first
		}
		d.Last = max(d.Last, seg.last)
		d.Ingested = max(d.Ingested, seg.ingested)
	}
	return d
}
