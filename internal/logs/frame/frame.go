// Package frame is the form of log events on the disk: frames of a length, a checksum and a content, one after the
// other. A frame is there as a whole or not at all: a file that was being written when its writer was killed ends with a
// frame that does not check, and everything before it is good.
package frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// Mark is how far the log of a source has been taken into the stream.
type Mark struct {
	At    int64 // time of the last line that was taken, in nanoseconds since 1970; 0 if it has none
	Lines int   // how many lines of that time were
}

// Event is an event of a frame.
type Event struct {
	At      int64 // in milliseconds since 1970
	Message string
}

// Frame is what is written at once.
type Frame struct {
	Ingested int64           // of all its events, in milliseconds since 1970
	Marks    map[string]Mark // by source; those that are not named stay as they were
	Events   []Event
}

// ErrTorn says that what follows is no whole frame.
var ErrTorn = errors.New("torn frame")

const (
	head = 8 // length and checksum of the content, four bytes each
	// Max bounds a frame's content in bytes.
	Max = 4 << 20
)

func table() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// Append encodes a frame behind b. Contents that are larger than Max are an error.
func Append(b []byte, f *Frame) ([]byte, error) {
	start := len(b)
	b = append(b, make([]byte, head)...)
	b = binary.AppendVarint(b, f.Ingested)
	b = binary.AppendUvarint(b, uint64(len(f.Marks)))
	sources := make([]string, 0, len(f.Marks))
	for source := range f.Marks {
		sources = append(sources, source)
	}
	slices.Sort(sources)
	for _, source := range sources {
		mark := f.Marks[source]
		b = appendString(b, source)
		b = binary.AppendVarint(b, mark.At)
		b = binary.AppendUvarint(b, uint64(mark.Lines))
	}
	b = binary.AppendUvarint(b, uint64(len(f.Events)))
	for i := range f.Events {
		b = binary.AppendVarint(b, f.Events[i].At-f.Ingested)
		b = appendString(b, f.Events[i].Message)
	}
	content := b[start+head:]
	if len(content) > Max {
		return b[:start], fmt.Errorf("a frame of %d bytes, at most %d are allowed", len(content), Max)
	}
	binary.LittleEndian.PutUint32(b[start:], uint32(len(content)))
	binary.LittleEndian.PutUint32(b[start+4:], crc32.Checksum(content, table()))
	return b, nil
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// Next decodes the first frame of b and tells what is behind it. The error is ErrTorn for what is not a whole frame.
func Next(b []byte) (f Frame, rest []byte, err error) {
	if len(b) < head {
		return Frame{}, nil, ErrTorn
	}
	size := binary.LittleEndian.Uint32(b)
	if size > Max || int(size) > len(b)-head {
		return Frame{}, nil, ErrTorn
	}
	content := b[head : head+int(size)]
	if crc32.Checksum(content, table()) != binary.LittleEndian.Uint32(b[4:]) {
		return Frame{}, nil, ErrTorn
	}
	d := decoder{b: content}
	f = d.frame()
	if d.bad || len(d.b) > 0 {
		return Frame{}, nil, ErrTorn
	}
	return f, b[head+int(size):], nil
}

// decoder takes values off the front of b; once something is missing it is bad, and gives zeros.
type decoder struct {
	b   []byte
	bad bool
}

func (d *decoder) frame() (f Frame) {
	f.Ingested = d.varint()
	if n := d.count(3); n > 0 {
		f.Marks = make(map[string]Mark, n)
		for range n {
			source := d.string()
			f.Marks[source] = Mark{At: d.varint(), Lines: int(d.uvarint())}
		}
	}
	if n := d.count(2); n > 0 {
		f.Events = make([]Event, n)
		for i := range f.Events {
			f.Events[i] = Event{At: d.varint() + f.Ingested, Message: d.string()}
		}
	}
	return f
}

func (d *decoder) take(n int) {
	if n <= 0 || d.bad {
		d.b, d.bad = nil, true
		return
	}
	d.b = d.b[n:]
}

func (d *decoder) varint() int64 {
	v, n := binary.Varint(d.b)
	d.take(n)
	return v
}

func (d *decoder) uvarint() uint64 {
	v, n := binary.Uvarint(d.b)
	d.take(n)
	return v
}

// count reads how many items of at least so many bytes follow; more than can be there are none.
func (d *decoder) count(least int) int {
	n := d.uvarint()
	if d.bad || n > uint64(len(d.b)/least) {
		d.b, d.bad = nil, true
		return 0
	}
	return int(n)
}

func (d *decoder) string() string {
	n := d.uvarint()
	if d.bad || n > uint64(len(d.b)) {
		d.b, d.bad = nil, true
		return ""
	}
	s := string(d.b[:n])
	d.b = d.b[n:]
	return s
}
