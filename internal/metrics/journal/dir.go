package journal

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

const suffix = ".journal"

// Dir is a directory of segments. Its methods are not safe for concurrent use.
type Dir struct {
	path     string
	file     *os.File
	number   int64 // of the segment that file is
	good     int64 // how much of it is whole
	unsynced bool
	broken   bool // something after good was written in part

	waiting []Frame // that could not be written to the segment waitFor
	waitFor int64
}

// OpenDir opens a directory, which is made if it is not there.
func OpenDir(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	return &Dir{path: path}, nil
}

func (d *Dir) name(number int64) string {
	return filepath.Join(d.path, fmt.Sprintf("%012d%s", number, suffix))
}

// Segments lists the numbers of all segments, in order.
func (d *Dir) Segments() ([]int64, error) {
	entries, err := os.ReadDir(d.path)
	if err != nil {
		return nil, fmt.Errorf("metrics: %w", err)
	}
	var numbers []int64
	for _, e := range entries {
		base, ok := strings.CutSuffix(e.Name(), suffix)
		if n, err := strconv.ParseInt(base, 10, 64); ok && err == nil && n > 0 {
			numbers = append(numbers, n)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Replay reads a segment. lost is how many bytes at its end are not whole.
func (d *Dir) Replay(number int64, r *Reader) (lost int, err error) {
	b, err := os.ReadFile(d.name(number))
	if err != nil {
		return 0, fmt.Errorf("metrics: %w", err)
	}
	whole, err := r.Read(b)
	return len(b) - whole, err
}

// maxWaiting is how many bytes wait for a file that cannot be written.
const maxWaiting = 16 << 20

// ErrFull says that frames were given up, because writing has failed for long.
var ErrFull = errors.New("the journal of metrics cannot be written and gave up what waited for it")

// Write appends a frame to a segment, and makes it durable if sync. After an error the segment is as it was; the frame waits
// for the next Write to the same segment, unless the error is ErrFull: the caller begins another segment then.
func (d *Dir) Write(number int64, f Frame, sync bool) error {
	if d.waitFor != number {
		d.waiting, d.waitFor = nil, number
	}
	if f.Len() > 0 {
		d.waiting = append(d.waiting, f)
	}
	if err := d.writeWaiting(number); err != nil {
		if d.size() > maxWaiting {
			d.waiting, err = nil, fmt.Errorf("%w: %w", ErrFull, err)
		}
		return fmt.Errorf("metrics: writing the journal: %w", err)
	}
	if !sync || !d.unsynced {
		return nil
	}
	if err := d.file.Sync(); err != nil {
		return fmt.Errorf("metrics: writing the journal: %w", err)
	}
	d.unsynced = false
	return nil
}

func (d *Dir) size() (n int) {
	for _, f := range d.waiting {
		n += f.Len()
	}
	return n
}

func (d *Dir) writeWaiting(number int64) error {
	for len(d.waiting) > 0 {
		if err := d.append(number, &d.waiting[0]); err != nil {
			return err
		}
		d.waiting = d.waiting[1:]
	}
	return nil
}

func (d *Dir) append(number int64, f *Frame) error {
	if err := d.use(number); err != nil {
		return err
	}
	if d.broken {
		if err := d.file.Truncate(d.good); err != nil {
			return err
		}
		d.broken = false
	}
	framed := appendFrame(nil, f.b)
	if d.good == 0 {
		framed = append([]byte(magic), framed...)
	}
	if _, err := d.file.WriteAt(framed, d.good); err != nil {
		d.broken = true
		return err
	}
	d.good += int64(len(framed))
	d.unsynced = true
	return nil
}

// use makes a segment the one that is written.
func (d *Dir) use(number int64) error {
	if d.file != nil && d.number == number {
		return nil
	}
	if err := d.Close(); err != nil {
		return err
	}
	file, err := os.OpenFile(d.name(number), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	d.file, d.number, d.good, d.broken = file, number, 0, false
	return syncDir(d.path)
}

// syncDir makes the names in a directory durable.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}

// Remove deletes all segments up to a number.
func (d *Dir) Remove(upTo int64) error {
	numbers, err := d.Segments()
	if err != nil {
		return err
	}
	if d.file != nil && d.number <= upTo {
		d.unsynced = false
		err = d.Close()
	}
	for _, n := range numbers {
		if n <= upTo {
			err = errors.Join(err, os.Remove(d.name(n)))
		}
	}
	return err
}

// Close makes what was written durable and closes the segment.
func (d *Dir) Close() error {
	if d.file == nil {
		return nil
	}
	var err error
	if d.unsynced {
		err = d.file.Sync()
	}
	err = errors.Join(err, d.file.Close())
	d.file, d.unsynced = nil, false
	return err
}
