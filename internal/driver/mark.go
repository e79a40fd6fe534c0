package driver

import (
	"iter"
	"time"
)

// Mark is a place in a container's log: after the lines that were taken. The zero Mark is the beginning. Lines of one
// time are told apart by their number, for not every driver gives each line a time of its own.
type Mark struct {
	At    time.Time // of the last line that was taken
	Lines int       // how many lines of that time were
}

// Take moves the mark behind a line.
func (m *Mark) Take(line Line) {
	if m.Lines > 0 && line.At.Equal(m.At) {
		m.Lines++
		return
	}
	m.At, m.Lines = line.At, 1
}

// After is a log from a mark on. Open opens it from a time on, as Driver.Logs does; what was taken already is left out.
func (m Mark) After(open func(since time.Time) iter.Seq2[Line, error]) iter.Seq2[Line, error] {
	return func(yield func(Line, error) bool) {
		known := m.Lines
		for line, err := range open(m.At) {
			if err == nil && line.At.Before(m.At) {
				continue
			}
			if err == nil && known > 0 && line.At.Equal(m.At) {
				known--
				continue
			}
			if !yield(line, err) {
				return
			}
		}
	}
}
