// Package block is how points are kept, in memory, in the journal and in the database: a block is a sequence of entries, in
// any order, each with an offset in the block's span, a statistic set, and what is known of its values. Entries of the same
// offset add up, so blocks are merged by putting one behind the other.
//
// An entry is a header of 16 bits (offset 9, kind 2, by the minute 1, length of the first number 4) and numbers. A number is
// its bits without the zero bytes at the end; single values of whole numbers take 2 to 5 bytes in all, others up to 10.
package block

import (
	"encoding/binary"
	"errors"
	"math"

	"github.com/maitred/maitred/internal/metrics"
)

// MaxOffset is the largest offset of an entry.
const MaxOffset = 1<<9 - 1

// ErrDamaged says that bytes are no block.
var ErrDamaged = errors.New("a block of points is damaged")

// The kinds of entries.
const (
	single   = iota // one value
	constant        // some number of the same value
	plain           // a statistic set
	full            // a statistic set and its values
)

// Point is an entry of a block.
type Point struct {
	Offset int
	Minute bool // it was put with a resolution of a minute
	metrics.Stats
	values []byte // of a full entry
	guess  bool
}

// Append writes an entry behind dst.
func Append(dst []byte, offset int, minute bool, s *Set) []byte {
	kind, first := single, s.Min
	switch {
	case s.Count == 1 && s.Min == s.Max && s.Sum == s.Min:
	case s.Min == s.Max && s.Sum == s.Min*s.Count:
		kind = constant
	case s.Values.lost || len(s.Values.bins) == 0 || s.Count == 1 || s.Min == s.Max || s.Min < 0:
		kind = plain
	default:
		kind = full
	}
	dst = appendHeader(dst, offset, kind, minute, first)
	if kind == single {
		return dst
	}
	dst = appendCount(dst, s.Count)
	if kind == constant {
		return dst
	}
	dst = appendNumber(appendNumber(dst, s.Max), s.Sum)
	if kind == full {
		var short [512]byte
		values := s.Values.append(short[:0])
		dst = append(binary.AppendUvarint(dst, uint64(len(values))), values...)
	}
	return dst
}

func appendHeader(dst []byte, offset, kind int, minute bool, first float64) []byte {
	bits, n := trim(first)
	h := uint16(offset&MaxOffset) | uint16(kind)<<9 | uint16(n)<<12
	if minute {
		h |= 1 << 11
	}
	dst = binary.LittleEndian.AppendUint16(dst, h)
	return append(dst, bits[:n]...)
}

// trim gives the bytes of a number and how many of them are needed.
func trim(v float64) (b [8]byte, n int) {
	binary.BigEndian.PutUint64(b[:], math.Float64bits(v+0))
	for n = 8; n > 0 && b[n-1] == 0; n-- {
	}
	return b, n
}

func appendNumber(dst []byte, v float64) []byte {
	b, n := trim(v)
	return append(append(dst, byte(n)), b[:n]...)
}

// appendCount is short for whole numbers.
func appendCount(dst []byte, n float64) []byte {
	if n == math.Trunc(n) && n < 1<<53 {
		return binary.AppendUvarint(dst, uint64(n)<<1)
	}
	return binary.LittleEndian.AppendUint64(append(dst, 1), math.Float64bits(n))
}

func (v *Values) append(dst []byte) []byte {
	dst = binary.AppendUvarint(append(dst, v.shift), uint64(len(v.bins)))
	last := uint64(0)
	for _, b := range v.bins {
		dst = appendCount(binary.AppendUvarint(dst, b.key-last), b.n)
		last = b.key
	}
	return dst
}

// Offset is that of the first entry of a block.
func Offset(b []byte) int { return int(binary.LittleEndian.Uint16(b) & MaxOffset) }

// Next reads the first entry of a block and gives what follows it.
func Next(b []byte) (p Point, rest []byte, err error) {
	r := reader{b: b}
	h := uint16(r.fixed(2))
	kind := h >> 9 & 3
	p.Offset, p.Minute = int(h&MaxOffset), h>>11&1 == 1
	p.Min = r.trimmed(int(h >> 12))
	p.Count, p.Max, p.Sum = 1, p.Min, p.Min
	if kind != single {
		p.Count = r.count()
		p.Sum = p.Min * p.Count
	}
	if kind == plain || kind == full {
		p.Max, p.Sum = r.number(), r.number()
	}
	if kind == full {
		p.values = r.bytes()
	}
	p.guess = kind != full
	if r.bad || p.Max < p.Min || math.IsInf(p.Sum, 0) {
		return Point{}, nil, ErrDamaged
	}
	return p, r.b, nil
}

// AddTo adds a point to a set, and its values if they are asked for. The error is ErrDamaged: only then are they looked at.
func (p *Point) AddTo(s *Set, values bool) error {
	s.Stats.Add(p.Stats)
	switch {
	case !values || s.Values.lost:
	case p.guess:
		s.guess(p.Stats)
	default:
		return s.Unpack(p.values)
	}
	return nil
}

// Packed gives the values of a point as they are in its block, nil if it has none there. Unpack reads them.
func (p *Point) Packed() []byte { return p.values }

// Unpack adds values to a set that has their statistics already. The error is ErrDamaged.
func (s *Set) Unpack(packed []byte) error {
	if s.Values.lost {
		return nil
	}
	r := reader{b: packed}
	r.values(&s.Values)
	if r.bad || len(r.b) > 0 {
		s.Values.lose()
		return ErrDamaged
	}
	return nil
}

// reader reads numbers; once bad, it stays so.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) fixed(n int) (v uint64) {
	if len(r.b) < n {
		r.bad, r.b = true, nil
		return 0
	}
	for i := range n {
		v |= uint64(r.b[i]) << (8 * i)
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) bytes() (b []byte) {
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		r.bad, r.b = true, nil
		return nil
	}
	b, r.b = r.b[:n], r.b[n:]
	return b
}

func (r *reader) uvarint() uint64 {
	if len(r.b) > 0 && r.b[0] < 0x80 { // most are short
		v := uint64(r.b[0])
		r.b = r.b[1:]
		return v
	}
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.bad, r.b = true, nil
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) trimmed(n int) float64 {
	if n > 8 || len(r.b) < n {
		r.bad, r.b = true, nil
		return 0
	}
	var b [8]byte
	copy(b[:], r.b[:n])
	r.b = r.b[n:]
	return r.finite(math.Float64frombits(binary.BigEndian.Uint64(b[:])))
}

func (r *reader) number() float64 { return r.trimmed(int(r.fixed(1))) }

func (r *reader) finite(v float64) float64 {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		r.bad = true
		return 0
	}
	return v
}

func (r *reader) count() float64 {
	n := r.uvarint()
	v := float64(n >> 1)
	if n&1 == 1 {
		v = r.finite(math.Float64frombits(r.fixed(8)))
	}
	if v <= 0 {
		r.bad = true
	}
	return v
}

// values reads bins and adds them to v. Most of what is read of the metrics of a day is read here.
func (r *reader) values(v *Values) {
	shift, n := uint8(r.fixed(1)), r.uvarint()
	if shift > 62 || shift != 0 && shift < firstShift || n == 0 || n > maxBins {
		r.bad = true
		return
	}
	if shift > v.shift {
		v.coarsen(shift)
	}
	if v.bins == nil {
		v.bins = make([]bin, 0, n)
	}
	if b, ok := v.read(r.b, int(n), shift); ok {
		r.b = b
	} else {
		r.bad = true
	}
	v.bound()
}

// read adds n bins of a shift and gives what follows them; false if they are damaged.
func (v *Values) read(b []byte, n int, shift uint8) (rest []byte, ok bool) {
	key, top, by := uint64(0), math.Float64bits(math.MaxFloat64)>>shift, v.shift-shift
	at := 0
	for i := range n {
		if at+1 < len(b) && b[at]-1 < 0x7f && b[at+1]-2 < 0x7e && b[at+1]&1 == 0 { // a byte for each, as most have
			if key += uint64(b[at]); key > top {
				return nil, false
			}
			v.add(key>>by, float64(b[at+1]>>1))
			at += 2
			continue
		}
		step, next := short(b, at)
		if at = next; at < 0 || step > top-key || step == 0 && i > 0 {
			return nil, false
		}
		key += step
		count, next := readCount(b, at)
		if at = next; at < 0 {
			return nil, false
		}
		v.add(key>>by, count)
	}
	return b[at:], true
}

// short reads a number at a place, and gives the place behind it, -1 if there is none. Most take one byte.
func short(b []byte, at int) (v uint64, next int) {
	if at < len(b) && b[at] < 0x80 {
		return uint64(b[at]), at + 1
	}
	return long(b, at)
}

func long(b []byte, at int) (v uint64, next int) {
	v, n := binary.Uvarint(b[at:])
	if n <= 0 {
		return 0, -1
	}
	return v, at + n
}

// readCount is reader.count at a place.
func readCount(b []byte, at int) (v float64, next int) {
	n, at := short(b, at)
	if at < 0 || n&1 == 0 && n > 0 {
		return float64(n >> 1), at
	}
	r := reader{b: b[at:]}
	if n&1 == 1 {
		v = r.finite(math.Float64frombits(r.fixed(8)))
	}
	if r.bad || v <= 0 {
		return 0, -1
	}
	return v, len(b) - len(r.b)
}
