package accesslog

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

const (
	bufferMax  = 4 << 20   // lines that wait for the disk; more are dropped
	flushAt    = 512 << 10 // rather few long writes than many: each has the scheduler look for others to run
	flushEvery = time.Second
)

// File writes entries to a file. Its Log never blocks on the disk.
type File struct {
	path string
	max  int64 // the size at which it begins anew, 0: never
	keep int

	mu      sync.Mutex
	pending []byte
	closed  bool

	dropped atomic.Int64
	wake    chan struct{}
	reopen  chan struct{}
	done    chan struct{}

	// These belong to the writing goroutine.
	file *os.File
	size int64
	err  error
}

// Open opens a file to append to. When it would grow beyond size bytes (0: never) it is renamed to PATH.1, which becomes
// PATH.2 and so on up to keep old ones. Close has to be called.
func Open(path string, size int64, keep int) (*File, error) {
	f := &File{
		path: path, max: size, keep: max(keep, 1),
		wake: make(chan struct{}, 1), reopen: make(chan struct{}, 1), done: make(chan struct{}),
	}
	if err := f.open(); err != nil {
		return nil, err
	}
	go f.run()
	return f, nil
}

// Log adds an entry; it says false if the entry was dropped, because the disk is too slow or the file is closed.
func (f *File) Log(e *Entry) bool {
	f.mu.Lock()
	if f.closed || len(f.pending) >= bufferMax {
		f.mu.Unlock()
		f.dropped.Add(1)
		return false
	}
	before := len(f.pending)
	f.pending = e.Append(f.pending)
	full := before < flushAt && len(f.pending) >= flushAt
	f.mu.Unlock()
	if full {
		signal(f.wake)
	}
	return true
}

// Dropped counts the entries that were dropped, and those that could not be written.
func (f *File) Dropped() int64 { return f.dropped.Load() }

// Reopen opens the file anew, after it was renamed by whoever rotates logs.
func (f *File) Reopen() { signal(f.reopen) }

// Close writes what is there and closes the file. It gives the first error in writing, if there was one.
func (f *File) Close() error {
	f.mu.Lock()
	already := f.closed
	f.closed = true
	f.mu.Unlock()
	if !already {
		signal(f.wake)
	}
	<-f.done
	return f.err
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes until the file is closed. Two buffers take turns: one is filled while the other is written.
func (f *File) run() {
	defer close(f.done)
	tick := time.NewTicker(flushEvery)
	defer tick.Stop()
	var spare []byte
	for {
		select {
		case <-f.wake:
		case <-tick.C:
		case <-f.reopen:
			f.again()
		}
		f.mu.Lock()
		lines, closed := f.pending, f.closed
		f.pending = spare[:0]
		f.mu.Unlock()
		f.write(lines)
		if spare = lines; cap(spare) > bufferMax/4 {
			spare = nil // after a slow spell the memory is given back
		}
		if closed {
			f.note(f.file.Close())
			return
		}
	}
}

func (f *File) write(lines []byte) {
	if len(lines) == 0 {
		return
	}
	if f.max > 0 && f.size > 0 && f.size+int64(len(lines)) > f.max {
		f.rotate()
	}
	n, err := f.file.Write(lines)
	f.size += int64(n)
	if err != nil {
		f.note(fmt.Errorf("write the access log: %w", err))
		f.dropped.Add(int64(countLines(lines[n:])))
	}
}

func countLines(b []byte) (n int) {
	for _, c := range b {
		if c == '\n' {
			n++
		}
	}
	return n
}

func (f *File) rotate() {
	for i := f.keep - 1; i > 0; i-- {
		if err := os.Rename(numbered(f.path, i), numbered(f.path, i+1)); err != nil && !errors.Is(err, os.ErrNotExist) {
			f.note(fmt.Errorf("rotate the access log: %w", err))
		}
	}
	if err := os.Rename(f.path, numbered(f.path, 1)); err != nil {
		f.note(fmt.Errorf("rotate the access log: %w", err))
		return
	}
	f.again()
}

func numbered(path string, n int) string { return fmt.Sprintf("%s.%d", path, n) }

// again opens the path anew; where that fails the old file goes on.
func (f *File) again() {
	old := f.file
	if err := f.open(); err != nil {
		f.note(err)
		return
	}
	f.note(old.Close())
}

func (f *File) open() error {
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640) //nolint:gosec // as logs are: their group may read them
	if err != nil {
		return fmt.Errorf("open the access log: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("open the access log: %w", err), file.Close())
	}
	f.file, f.size = file, info.Size()
	return nil
}

func (f *File) note(err error) {
	if f.err == nil {
		f.err = err
	}
}
