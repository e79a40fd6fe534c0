package disk

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/frame"
)

// segment is a file of a stream.
type segment struct {
	dir         string
	base        uint64 // number of its first event
	count       uint64 // of events
	first, last int64  // times of its oldest and newest event
	ingested    int64  // when its last event came
	size        int64  // in bytes, as far as it is whole
	sealed      bool
}

const (
	openSuffix   = ".open"
	sealedSuffix = ".seg"
)

// path is the file's. Its name says what is in it, once it is sealed: BASE-COUNT-FIRST-LAST-INGESTED-SIZE.seg.
func (g *segment) path() string {
	name := fmt.Sprintf("%020d", g.base)
	if !g.sealed {
		return filepath.Join(g.dir, name+openSuffix)
	}
	return filepath.Join(g.dir, fmt.Sprintf("%s_%d_%d_%d_%d_%d%s", name, g.count, g.first, g.last, g.ingested, g.size, sealedSuffix))
}

// parseSegment reads the name of a file.
func parseSegment(name string) (*segment, bool) {
	if base, ok := strings.CutSuffix(name, openSuffix); ok {
		n, err := strconv.ParseUint(base, 10, 64)
		return &segment{base: n}, err == nil
	}
	stem, ok := strings.CutSuffix(name, sealedSuffix)
	parts := strings.Split(stem, "_")
	if !ok || len(parts) != 6 {
		return nil, false
	}
	var n [6]int64
	for i, part := range parts {
		var err error
		if n[i], err = strconv.ParseInt(part, 10, 64); err != nil {
			return nil, false
		}
	}
	return &segment{
		base: uint64(n[0]), count: uint64(n[1]), first: n[2], last: n[3], ingested: n[4], size: n[5], sealed: true,
	}, true
}

// add notes what was appended.
func (g *segment) add(f *frame.Frame, size int64) {
	for i := range f.Events {
		at := f.Events[i].At
		if g.count == 0 || at < g.first {
			g.first = at
		}
		if g.count == 0 || at > g.last {
			g.last = at
		}
		g.count++
		g.ingested = f.Ingested
	}
	g.size += size
}

// seal gives the file its final name.
func (g *segment) seal() error {
	from := g.path()
	g.sealed = true
	if err := os.Rename(from, g.path()); err != nil {
		g.sealed = false
		return fmt.Errorf("seal a file of logs: %w", err)
	}
	return nil
}

// recover reads a file that was not sealed, and cuts off what was being written when the process was killed.
func (g *segment) recover() error {
	data, err := os.ReadFile(g.path())
	if err != nil {
		return fmt.Errorf("read a file of logs: %w", err)
	}
	rest := data
	for len(rest) > 0 {
		f, next, err := frame.Next(rest)
		if err != nil {
			break
		}
		g.add(&f, int64(len(rest)-len(next)))
		rest = next
	}
	if len(rest) == 0 {
		return nil
	}
	if err := os.Truncate(g.path(), g.size); err != nil {
		return fmt.Errorf("cut a torn frame off a file of logs: %w", err)
	}
	return nil
}

// frames reads the first bytes of the file, frame by frame.
func (g *segment) frames(size int64, each func(*frame.Frame)) error {
	file, err := os.Open(g.path())
	if err != nil {
		return err
	}
	return readFrames(file, size, each)
}

// readFrames reads frames and closes the file. What is damaged ends it with an error that names the file.
func readFrames(file *os.File, size int64, each func(*frame.Frame)) error {
	defer func() { _ = file.Close() }()
	data := make([]byte, size)
	if _, err := io.ReadFull(file, data); err != nil {
		return fmt.Errorf("read a file of logs: %w", err)
	}
	for len(data) > 0 {
		f, rest, err := frame.Next(data)
		if err != nil {
			return fmt.Errorf("%s is damaged: %w", file.Name(), err)
		}
		each(&f)
		data = rest
	}
	return nil
}

// events decodes what a query wants of the first bytes of a file.
func (g *segment) events(file *os.File, size int64, q *logs.Query, at logs.Place) ([]logs.Event, error) {
	var list []logs.Event
	seq := g.base
	err := readFrames(file, size, func(f *frame.Frame) {
		for i := range f.Events {
			at.At, at.Seq = f.Events[i].At, seq
			seq++
			if q.Includes(at) {
				list = append(list, logs.Event{Place: at, Ingested: f.Ingested, Message: f.Events[i].Message})
			}
		}
	})
	return list, err
}
