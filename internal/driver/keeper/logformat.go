package keeper

import (
	"bytes"
	"time"
)

// A container's log is text. Each line is a record: the time at which the first byte of it was read, in UTC to the
// nanosecond, one byte that is ' ', or '+' for a record that goes on with the line of the one before, and then the line
// itself. The times of a log only ever grow, so that each names one line. A line that is not complete yet has no end,
// and simply grows.
//
//	2026-03-01T12:00:00.250000000Z listening on :8080
//	2026-03-01T12:00:07.104311902Z GET /
//
// Logs of this form end in ".log"; older ones do not, and hold what the container wrote and nothing else.
const (
	logSuffix   = ".log"
	stampBytes  = len("2006-01-02T15:04:05.000000000Z")
	headerBytes = stampBytes + 1
	markBegin   = ' ' // a line begins
	markGoesOn  = '+' // the line of the record before goes on
)

// stamper writes the heads of records.
type stamper struct {
	last   int64 // the newest time that was written, in nanoseconds
	second int64 // that prefix is of
	prefix []byte
}

// at gives the time of the next record, when it is now: never the same twice, never going back, whatever the clock does.
func (s *stamper) at(now int64) int64 {
	s.last = max(now, s.last+1)
	return s.last
}

// append writes the head of a record.
func (s *stamper) append(b []byte, at int64, mark byte) []byte {
	if second := at / 1e9; second != s.second || s.prefix == nil {
		s.second = second
		s.prefix = time.Unix(second, 0).UTC().AppendFormat(s.prefix[:0], "2006-01-02T15:04:05.")
	}
	b = append(b, s.prefix...)
	var digits [9]byte
	rest := at % 1e9
	for i := len(digits) - 1; i >= 0; i-- {
		digits[i] = byte('0' + rest%10)
		rest /= 10
	}
	b = append(b, digits[:]...)
	return append(b, 'Z', mark)
}

// parseHeader reads the head of a record. ok is false for what is none, as a machine's crash may leave it.
func parseHeader(b []byte) (at time.Time, mark byte, ok bool) {
	const form = "0000-00-00T00:00:00.000000000Z"
	if len(b) < headerBytes {
		return time.Time{}, 0, false
	}
	var n [7]int // year, month, day, hour, minute, second, nanosecond
	part := 0
	for i := range stampBytes {
		if form[i] != '0' {
			if b[i] != form[i] {
				return time.Time{}, 0, false
			}
			part++
			continue
		}
		if b[i] < '0' || b[i] > '9' {
			return time.Time{}, 0, false
		}
		n[part] = 10*n[part] + int(b[i]-'0')
	}
	at = time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], n[6], time.UTC)
	mark = b[stampBytes]
	if (mark != markBegin && mark != markGoesOn) || n[1] < 1 || n[1] > 12 || at.Day() != n[2] || n[3] > 23 || n[4] > 59 || n[5] > 59 {
		return time.Time{}, 0, false
	}
	return at, mark, true
}

// records cuts what was read of a log into lines of at most max bytes. Feed it with add and with the ends of files.
type records struct {
	max   int
	plain bool // the file has no heads of records: an older one
	raw   []byte
	head  bool // the head of the present record was read
	begun bool // there is a line, complete or not
	told  bool // a part of it was told already
	at    time.Time
	text  []byte
	tell  func(at time.Time, text []byte) bool // false to end
}

// add takes the next bytes of the log, of one record at most; end says that the record's end follows. It is false when
// nobody wants more.
func (r *records) add(piece []byte, end bool) bool {
	if !r.head && !r.begin(&piece, end) {
		return false
	}
	if r.head {
		r.text = append(r.text, piece...)
		for len(r.text) > r.max {
			if !r.tell(r.at, r.text[:r.max]) {
				return false
			}
			r.told = true
			r.text = append(r.text[:0], r.text[r.max:]...)
		}
	}
	return !end || r.finish()
}

// begin reads the head of a record, as soon as all of it is there.
func (r *records) begin(piece *[]byte, end bool) bool {
	if r.plain {
		r.head, r.begun = true, true
		return true
	}
	need := min(headerBytes-len(r.raw), len(*piece))
	r.raw = append(r.raw, (*piece)[:need]...)
	*piece = (*piece)[need:]
	if len(r.raw) < headerBytes && !end {
		return true
	}
	at, mark, ok := parseHeader(r.raw)
	if !ok { // what a crash left is told as it is
		at, mark = r.at, markBegin
		*piece = append(bytes.Clone(r.raw), *piece...)
	}
	r.raw = r.raw[:0]
	r.head = true
	if r.begun && mark == markGoesOn {
		return true
	}
	if r.begun && !r.finish() {
		return false
	}
	r.head, r.begun, r.at = true, true, at
	return true
}

// finish tells the present line, which is complete.
func (r *records) finish() bool {
	more := true
	if r.begun && (len(r.text) > 0 || !r.told) {
		more = r.tell(r.at, r.text)
	}
	r.text, r.head, r.begun, r.told = r.text[:0], false, false, false
	return more
}

// endOfFile notes that what follows is in another file: a record does not go on there, but the line of it may.
func (r *records) endOfFile() bool {
	if len(r.raw) > 0 { // half a head
		if !r.add(nil, true) {
			return false
		}
	}
	r.head = false
	return true
}
