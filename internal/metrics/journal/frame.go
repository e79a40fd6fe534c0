// Package journal keeps what was measured and is not in the database yet: segments of checked frames, of which only the tail
// can be torn. A segment stands for itself: it names each series before its first entry.
package journal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/maitred/maitred/internal/metrics/block"
)

const (
	magic     = "maitred metrics 1\n"
	frameHead = 8
	// maxFrame is more than a frame is ever filled with: an item is at most some KB over frameFull.
	maxFrame = 64 << 20
)

// ErrDamaged says that bytes are not what a journal wrote.
var ErrDamaged = errors.New("the journal of metrics is damaged")

func checksum(payload []byte) uint32 {
	return crc32.Checksum(payload, crc32.MakeTable(crc32.Castagnoli))
}

// appendFrame writes a frame: length, checksum, payload.
func appendFrame(dst, payload []byte) []byte {
	dst = binary.LittleEndian.AppendUint32(dst, uint32(len(payload)))
	dst = binary.LittleEndian.AppendUint32(dst, checksum(payload))
	return append(dst, payload...)
}

// nextFrame gives the first payload, and false if no whole frame is there.
func nextFrame(b []byte) (payload, rest []byte, ok bool) {
	if len(b) < frameHead {
		return nil, nil, false
	}
	n, sum := binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint32(b[4:])
	if n == 0 || n > maxFrame || int(n) > len(b)-frameHead {
		return nil, nil, false
	}
	payload, rest = b[frameHead:frameHead+n], b[frameHead+n:]
	return payload, rest, checksum(payload) == sum
}

// Frame is a frame that is being filled.
type Frame struct {
	b    []byte
	span int64 // of the last entry
}

// Len is how many bytes it takes.
func (f *Frame) Len() int { return len(f.b) }

// Name gives the next number of the segment, from 1 on, to a series.
func (f *Frame) Name(key string) {
	f.b = append(f.b, 0)
	f.b = binary.AppendUvarint(f.b, uint64(len(key)))
	f.b = append(f.b, key...)
}

// Entry adds an entry of a block (package block) of the series with that number; span says which block.
func (f *Frame) Entry(number uint32, span int64, entry []byte) {
	f.b = binary.AppendUvarint(f.b, uint64(number))
	f.b = binary.AppendVarint(f.b, span-f.span)
	f.b = append(f.b, entry...)
	f.span = span
}

// Reader gets what a segment holds.
type Reader struct {
	// Name is told each series, the first of a segment first, Entry each entry with the key of its series.
	Name  func(key string) (handle int, err error)
	Entry func(handle int, span int64, entry []byte)
}

// frame reads the items of one frame. names are the handles of the segment's series so far.
func (r *Reader) frame(payload []byte, names []int) ([]int, error) {
	span := int64(0)
	for len(payload) > 0 {
		number, n := binary.Uvarint(payload)
		if n <= 0 {
			return names, ErrDamaged
		}
		payload = payload[n:]
		var err error
		if number == 0 {
			names, payload, err = r.name(payload, names)
		} else {
			span, payload, err = r.entry(payload, names, number, span)
		}
		if err != nil {
			return names, err
		}
	}
	return names, nil
}

func (r *Reader) name(b []byte, names []int) (grown []int, rest []byte, err error) {
	size, n := binary.Uvarint(b)
	if n <= 0 || size > uint64(len(b)-n) {
		return names, nil, ErrDamaged
	}
	handle, err := r.Name(string(b[n : n+int(size)]))
	if err != nil {
		return names, nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return append(names, handle), b[n+int(size):], nil
}

func (r *Reader) entry(b []byte, names []int, number uint64, last int64) (span int64, rest []byte, err error) {
	step, n := binary.Varint(b)
	if n <= 0 || number > uint64(len(names)) || step > math.MaxInt32 || step < math.MinInt32 {
		return 0, nil, ErrDamaged
	}
	span = last + step
	_, rest, err = block.Next(b[n:])
	if err != nil || span < 0 || span > math.MaxInt32 {
		return 0, nil, ErrDamaged
	}
	r.Entry(names[number-1], span, b[n:len(b)-len(rest)])
	return span, rest, nil
}

// Read gives what the bytes of a segment hold, and how many of them hold it. It stops at the first frame that is not whole.
func (r *Reader) Read(b []byte) (whole int, err error) {
	if len(b) < len(magic) || string(b[:len(magic)]) != magic {
		return 0, nil
	}
	var names []int
	left := b[len(magic):]
	for {
		payload, rest, ok := nextFrame(left)
		if !ok {
			return len(b) - len(left), nil
		}
		if names, err = r.frame(payload, names); err != nil {
			return len(b) - len(left), err
		}
		left = rest
	}
}
