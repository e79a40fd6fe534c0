package keeper

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// logDir is where the logs of all containers are.
type logDir struct {
	path    string
	size    int64     // of a file, at most, in bytes
	keep    int       // files of a container
	buffers sync.Pool // shared by all containers, so that a silent one costs no buffer
	encoded sync.Pool // likewise, for what is being written
}

// minLogSize is the smallest file that a log may be rotated at: some heads of records must fit in.
const minLogSize = 1 << 10

func (d *logDir) buffer() *[16 << 10]byte {
	if buf, ok := d.buffers.Get().(*[16 << 10]byte); ok {
		return buf
	}
	return new([16 << 10]byte)
}

func (d *logDir) encoding() *[32 << 10]byte {
	if buf, ok := d.encoded.Get().(*[32 << 10]byte); ok {
		return buf
	}
	return new([32 << 10]byte)
}

// rotated is a log in several files of bounded size. They are numbered and never renamed: who reads them meanwhile
// neither misses nor repeats anything. A file is only made when something is written, for many programs write nothing.
type rotated struct {
	dir   *logDir
	id    string
	names []string // oldest first
	last  int      // the number of the newest
	file  *os.File // the newest, nil if it is to be made
	used  int64    // its size
	stamp stamper
	open  bool // the newest line is not complete
}

// write appends what a container wrote to the log, as records.
func (r *rotated) write(p []byte, now time.Time) error {
	buf := r.dir.encoding()
	defer r.dir.encoded.Put(buf)
	out := buf[:0]
	at := now.UnixNano()
	for len(p) > 0 {
		line := bytes.IndexByte(p, '\n') + 1
		whole := line > 0
		if !whole {
			line = len(p)
		}
		var err error
		if out, err = r.room(out, line); err != nil {
			return err
		}
		if !r.open || r.used+int64(len(out)) == 0 {
			mark := byte(markBegin)
			if r.open {
				mark = markGoesOn
			}
			out = r.stamp.append(out, r.stamp.at(at), mark)
		}
		n := min(line, cap(out)-len(out), int(r.dir.size-r.used)-len(out))
		out = append(out, p[:n]...)
		p = p[n:]
		r.open = !whole || n < line
	}
	return r.flush(out)
}

// room writes out what was encoded, and begins another file, if there is no room for the next bytes of a line: only a
// long line is torn.
func (r *rotated) room(out []byte, line int) ([]byte, error) {
	need := int64(1)
	if !r.open {
		need = int64(headerBytes + min(line, minLogSize-headerBytes))
	}
	end := r.used + int64(len(out))
	if r.file == nil || end > 0 && end+need > r.dir.size {
		if err := r.flush(out); err != nil {
			return out, err
		}
		return out[:0], r.next()
	}
	if int64(cap(out)-len(out)) < need {
		err := r.flush(out)
		return out[:0], err
	}
	return out, nil
}

// flush writes out what was encoded.
func (r *rotated) flush(out []byte) error {
	if len(out) == 0 {
		return nil
	}
	n, err := r.file.Write(out)
	r.used += int64(n)
	return err
}

// next begins a new file and deletes the oldest one if there are too many.
func (r *rotated) next() error {
	if err := r.close(); err != nil {
		return err
	}
	name := logName(r.id, r.last+1)
	file, err := os.OpenFile(filepath.Join(r.dir.path, name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	r.file, r.used, r.last = file, 0, r.last+1
	r.names = append(r.names, name)
	for len(r.names) > r.dir.keep {
		if err := os.Remove(filepath.Join(r.dir.path, r.names[0])); err != nil {
			return err
		}
		r.names = r.names[1:]
	}
	return nil
}

// close ends the newest file; what is written then goes to another one.
func (r *rotated) close() error {
	if r.file == nil {
		return nil
	}
	err := r.file.Close()
	r.file = nil
	return err
}

// found takes over a file of the log that an earlier keeper wrote, if it is one. Names come in the order of numbers.
func (r *rotated) found(name string) {
	if n, ok := logNumber(r.id, name); ok {
		r.names = append(r.names, name)
		r.last = n
	}
}

// resume goes on where an earlier keeper ended: in the middle of a line, perhaps.
func (r *rotated) resume() error {
	if len(r.names) == 0 {
		return nil
	}
	f, err := os.Open(filepath.Join(r.dir.path, r.names[len(r.names)-1]))
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil || info.Size() == 0 {
		return err
	}
	var end [1]byte
	if _, err := f.ReadAt(end[:], info.Size()-1); err != nil {
		return err
	}
	r.open = end[0] != '\n'
	r.stamp.last = info.ModTime().UnixNano()
	return nil
}

// list tells the files of a directory of logs, by the order of their numbers.
func (d *logDir) list() ([]string, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("list the logs: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	slices.SortStableFunc(names, func(a, b string) int { return fileNumber(a) - fileNumber(b) })
	return names, nil
}

// remove deletes files of a log.
func (d *logDir) remove(names []string) error {
	var errs []error
	for _, name := range names {
		if err := os.Remove(filepath.Join(d.path, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}
