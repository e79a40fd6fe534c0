// Package disk keeps log events in files: a directory for each group and stream, and in it segments of bounded size that
// frames (package frame) are appended to.
//
// A segment that is full, or whose stream nobody writes to for now, is sealed: its name then says what is in it, so that
// it need not be read to be found. In memory there are a few words for each segment. Nothing is synced: what was
// appended survives the death of the process, not that of the machine.
package disk

import (
	"container/list"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"sync"

	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/frame"
)

// ErrExists says that there is a stream of that name already.
var ErrExists = errors.New("the log stream exists")

// Config says where and how.
type Config struct {
	Dir     string       // of one Store at a time
	Source  string       // name of this Source among others
	Segment int64        // bytes from which on a segment is sealed; 0 for 512 KiB
	Open    int          // files that are kept open for writing, at most; 0 for 128
	Log     *slog.Logger // nil for none
}

// Store keeps groups of streams. It implements logs.Source.
type Store struct {
	cfg Config

	mu     sync.Mutex
	groups map[groupKey]*group
	active *list.List // of streams with an open file, the one that was written to last in front
}

type groupKey struct{ region, name string }

type group struct {
	logs.Group
	dir     string
	streams map[string]*stream // guarded by the store's mu
}

var _ logs.Source = (*Store)(nil)

// Open reads what there is. The directory is made if it does not exist.
func Open(cfg Config) (*Store, error) {
	if cfg.Segment <= 0 {
		cfg.Segment = 512 << 10
	}
	if cfg.Open <= 0 {
		cfg.Open = 128
	}
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	s := &Store{cfg: cfg, groups: map[groupKey]*group{}, active: list.New()}
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the directory of logs: %w", err)
	}
	dirs, err := os.ReadDir(cfg.Dir)
	if err != nil {
		return nil, fmt.Errorf("read the directory of logs: %w", err)
	}
	for _, d := range dirs {
		if err := s.openGroup(filepath.Join(cfg.Dir, d.Name())); err != nil {
			return nil, err
		}
	}
	return s, nil
}

const metaName = "meta.json"

// openGroup reads a group's directory. One without its description was being made when the process was killed.
func (s *Store) openGroup(dir string) error {
	g := &group{dir: dir, streams: map[string]*stream{}}
	if err := readMeta(dir, &g.Group); err != nil {
		s.cfg.Log.Warn("a directory of logs that is not whole is removed", "dir", dir, "reason", err)
		return os.RemoveAll(dir)
	}
	dirs, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("read the directory of a log group: %w", err)
	}
	for _, d := range dirs {
		if !d.IsDir() {
			continue
		}
		st, err := s.openStream(filepath.Join(dir, d.Name()))
		if err != nil {
			return err
		}
		if st != nil {
			g.streams[st.name] = st
		}
	}
	s.groups[groupKey{g.Region, g.Name}] = g
	return nil
}

// Close closes all files.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for e := s.active.Front(); e != nil; e = s.active.Front() {
		errs = append(errs, s.deactivate(e.Value.(*stream)))
	}
	return errors.Join(errs...)
}

// Batch is what is appended to a stream at once: all of it, or nothing.
type Batch struct {
	Ingested int64
	Source   string     // whose log it is from, "" if that is not to be remembered
	Mark     frame.Mark // how far that has been taken with this batch
	Events   []frame.Event
}

// CreateStream makes an empty stream. The error is ErrExists if there is one.
func (s *Store) CreateStream(g logs.Group, name string, now int64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.group(g, true)
	if err != nil {
		return err
	}
	if in.streams[name] != nil {
		return ErrExists
	}
	_, err = s.newStream(in, name, now)
	return err
}

// Append adds events to a stream, which is made if there is none. The error is logs.ErrNoGroup when the group has been
// made anew meanwhile.
func (s *Store) Append(g logs.Group, name string, b Batch) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.group(g, true)
	if err != nil {
		return err
	}
	st := in.streams[name]
	if st == nil {
		if st, err = s.newStream(in, name, b.Ingested); err != nil {
			return err
		}
	}
	if err := s.activate(st); err != nil {
		return err
	}
	return st.append(b)
}

// Mark tells how far the log of a source has been taken into a stream.
func (s *Store) Mark(g logs.Group, name, source string) (frame.Mark, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.group(g, false)
	if err != nil || in == nil || in.streams[name] == nil {
		return frame.Mark{}, err
	}
	st := in.streams[name]
	if err := st.loadMarks(); err != nil {
		return frame.Mark{}, err
	}
	return st.marks[source], nil
}

// Seal says that nobody writes to a stream for now.
func (s *Store) Seal(g logs.Group, name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	in, err := s.group(g, false)
	if err != nil || in == nil || in.streams[name] == nil {
		return err
	}
	st := in.streams[name]
	err = s.deactivate(st)
	st.marks = nil
	return errors.Join(err, st.seal())
}

// Expire deletes what is older than its group keeps it, and streams of which nothing else is left. keep gives the oldest time that is kept, in milliseconds since
// 1970; exists is false for a group that has been deleted.
func (s *Store) Expire(keep func(logs.Group) (from int64, exists bool)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for key, g := range s.groups {
		from, exists := keep(g.Group)
		if !exists {
			errs = append(errs, s.drop(key, g))
			continue
		}
		for name, st := range g.streams {
			if st.idle(from) {
				errs = append(errs, s.deactivate(st), st.seal())
			}
			empty, err := st.expire(from)
			if errs = append(errs, err); empty {
				delete(g.streams, name)
				errs = append(errs, os.RemoveAll(st.dir))
			}
		}
	}
	return errors.Join(errs...)
}

// Bytes is the size of a group on the disk.
func (s *Store) Bytes(g logs.Group) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	in := s.groups[groupKey{g.Region, g.Name}]
	if in == nil || in.Created != g.Created {
		return 0
	}
	n := int64(0)
	for _, st := range in.streams {
		n += st.bytes()
	}
	return n
}

// group finds this life of a group, nil if nothing is kept of it; with make, it makes it. mu is held.
func (s *Store) group(g logs.Group, wanted bool) (*group, error) {
	key := groupKey{g.Region, g.Name}
	in := s.groups[key]
	switch {
	case in != nil && in.Created == g.Created:
		return in, nil
	case !wanted:
		return nil, nil
	case in != nil && in.Created > g.Created:
		return nil, logs.ErrNoGroup
	case in != nil:
		if err := s.drop(key, in); err != nil {
			return nil, err
		}
	}
	in = &group{Group: g, dir: filepath.Join(s.cfg.Dir, dirName(g.Region+"/"+g.Name)), streams: map[string]*stream{}}
	if err := writeMeta(in.dir, g); err != nil {
		return nil, err
	}
	s.groups[key] = in
	return in, nil
}

// drop deletes a group with all that is in it. mu is held.
func (s *Store) drop(key groupKey, g *group) error {
	for _, st := range g.streams {
		_ = s.deactivate(st)
	}
	delete(s.groups, key)
	// Its description goes first: what is left, when the process is killed now, is none.
	if err := os.Remove(filepath.Join(g.dir, metaName)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.RemoveAll(g.dir)
}

// activate opens a stream's newest file for writing, and closes that which has not been written to for longest if there
// are too many. mu is held.
func (s *Store) activate(st *stream) error {
	if st.active != nil {
		s.active.MoveToFront(st.active)
		return nil
	}
	if err := st.loadMarks(); err != nil {
		return err
	}
	st.active = s.active.PushFront(st)
	if s.active.Len() > s.cfg.Open {
		return s.deactivate(s.active.Back().Value.(*stream))
	}
	return nil
}

// deactivate closes a stream's file. mu is held.
func (s *Store) deactivate(st *stream) error {
	if st.active == nil {
		return nil
	}
	s.active.Remove(st.active)
	st.active = nil
	return st.closeFile()
}

// dirName is a directory's name for a group or stream, which people can read, and which no other one has.
func dirName(name string) string {
	const readable = 80
	sum := sha256.Sum256([]byte(name))
	escaped := url.PathEscape(name)
	return escaped[:min(len(escaped), readable)] + "-" + hex.EncodeToString(sum[:8])
}

// writeMeta makes a directory with its description.
func writeMeta(dir string, v any) error {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("make a directory of logs: %w", err)
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	path := filepath.Join(dir, metaName)
	if err := os.WriteFile(path+".new", text, 0o600); err != nil {
		return fmt.Errorf("describe a directory of logs: %w", err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("describe a directory of logs: %w", err)
	}
	return nil
}

func readMeta(dir string, v any) error {
	text, err := os.ReadFile(filepath.Join(dir, metaName))
	if err != nil {
		return err
	}
	return json.Unmarshal(text, v)
}
