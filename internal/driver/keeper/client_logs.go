package keeper

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/driver"
)

// Logs tells what a container wrote; see driver.Driver. To follow costs nothing while nothing is written: the keeper
// answers when there is more. Lines that were rotated away before they were read are left out.
func (c *Client) Logs(ctx context.Context, id string, o driver.LogOptions) iter.Seq2[driver.Line, error] {
	return func(yield func(driver.Line, error) bool) {
		l := &logReader{dir: filepath.Join(c.dir, logsName), since: o.Since, buf: bufio.NewReaderSize(nil, readBytes)}
		defer l.close()
		stopped := false
		l.tell = func(at time.Time, text []byte) bool {
			if !at.IsZero() && at.Before(o.Since) {
				return true
			}
			stopped = !yield(driver.Line{At: at, Text: slices.Clone(text)}, nil)
			return !stopped
		}
		l.max = driver.MaxLine
		if err := c.readLogs(ctx, l, id, o.Follow); err != nil && !stopped {
			yield(driver.Line{}, err)
		}
	}
}

// readBytes is how much of a log is read at once.
const readBytes = 32 << 10

// errEnough says that nobody wants more lines.
var errEnough = errors.New("enough")

// readLogs reads all that there is, and then, following, what is added, until the container has ended.
func (c *Client) readLogs(ctx context.Context, l *logReader, id string, follow bool) error {
	resp, err := c.call(ctx, request{Op: opLogs, ID: id})
	for err == nil {
		if err = l.read(resp.Files); err != nil {
			break
		}
		if !follow || resp.Ended {
			l.finish()
			return nil
		}
		resp, err = c.call(ctx, request{Op: opFollow, ID: id, File: l.name, Size: l.size})
	}
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

// logReader reads the files of a log, each as far as it goes.
type logReader struct {
	records
	dir   string
	since time.Time
	buf   *bufio.Reader
	file  *os.File // that is being read; nil before the first
	name  string
	size  int64 // bytes of it that have been read
}

// read reads on through the files of a log, oldest first. One that was rotated away meanwhile is left out.
func (l *logReader) read(names []string) error {
	if at := slices.Index(names, l.name); l.file != nil {
		if err := l.rest(); err != nil {
			return err
		}
		names = names[at+1:] // all of them, when it was rotated away
	} else {
		names = l.skip(names)
	}
	for _, name := range names {
		if err := l.open(name); errors.Is(err, os.ErrNotExist) {
			continue
		} else if err != nil {
			return fmt.Errorf("open a container's log: %w", err)
		}
		if err := l.rest(); err != nil {
			return err
		}
	}
	return nil
}

// open goes on to another file.
func (l *logReader) open(name string) error {
	f, err := os.Open(filepath.Join(l.dir, filepath.Base(name)))
	if err != nil {
		return err
	}
	l.close()
	if !l.endOfFile() {
		return errors.Join(errEnough, f.Close())
	}
	l.file, l.name, l.size = f, name, 0
	l.plain = !strings.HasSuffix(name, logSuffix)
	l.buf.Reset(f)
	return nil
}

// rest reads the present file as far as it goes.
func (l *logReader) rest() error {
	for {
		piece, err := l.buf.ReadSlice('\n')
		l.size += int64(len(piece))
		end := err == nil
		if end {
			piece = piece[:len(piece)-1]
		}
		if (end || len(piece) > 0) && !l.add(piece, end) {
			return errEnough
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("read a container's log: %w", err)
		}
	}
}

// skip leaves out the files that end before the time from which on lines are wanted: those before the last one that
// begins before it.
func (l *logReader) skip(names []string) []string {
	if l.since.IsZero() {
		return names
	}
	for i := len(names) - 1; i > 0; i-- {
		if begin, ok := l.begins(names[i]); ok && begin.Before(l.since) {
			return names[i:]
		}
	}
	return names
}

// begins is the time of the first record of a file.
func (l *logReader) begins(name string) (time.Time, bool) {
	f, err := os.Open(filepath.Join(l.dir, filepath.Base(name)))
	if err != nil || !strings.HasSuffix(name, logSuffix) {
		return time.Time{}, false
	}
	defer func() { _ = f.Close() }()
	var head [headerBytes]byte
	if _, err := io.ReadFull(f, head[:]); err != nil {
		return time.Time{}, false
	}
	at, _, ok := parseHeader(head[:])
	return at, ok
}

func (l *logReader) close() {
	if l.file != nil {
		_ = l.file.Close()
	}
	l.file = nil
}
