package whatif

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"
)

// MaxLoad is how long a load may be.
const MaxLoad = 31 * 24 * time.Hour

// maxRate keeps sums of a load finite and exact enough.
const maxRate = 1e9

// Load is how much work arrives, second by second.
type Load struct {
	Start time.Time // a whole minute
	Rates []float64 // what arrives in each second
	// Step is the time for which each value was given. Within a step of more than a second arrivals are drawn at random, as
	// independent requests arrive; otherwise the load is what it says.
	Step time.Duration
	// Unit is what arrives: "requests", "messages", "task-seconds" (the CPU of a task for a second).
	Unit string
}

// End is when the load is over.
func (l *Load) End() time.Time { return l.Start.Add(time.Duration(len(l.Rates)) * time.Second) }

// Total is all that arrives.
func (l *Load) Total() (sum float64) {
	for _, r := range l.Rates {
		sum += r
	}
	return sum
}

// sample is a line of a file.
type sample struct {
	at   time.Time
	rate float64
	line int
}

// ParseCSV reads a load: lines of a time and a number of requests per second, with or without a header. A time is RFC 3339,
// or a number of seconds: of Unix time, or since the beginning, which is then 1 January 1970 for schedules. Each value holds
// until the next line, the last one as long as the one before. The error names the line.
func ParseCSV(text []byte) (*Load, error) {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))))
	r.FieldsPerRecord, r.TrimLeadingSpace, r.Comment, r.ReuseRecord = -1, true, '#', true
	var samples []sample
	for first := true; ; first = false {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, readable(err)
		}
		line, _ := r.FieldPos(0)
		s, err := parseSample(fields)
		if err != nil {
			if first && header(fields) {
				continue
			}
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		s.line = line
		if n := len(samples); n > 0 && !s.at.After(samples[n-1].at) {
			return nil, fmt.Errorf("line %d: the time %s is not after that of line %d", line, s.at.Format(time.RFC3339), samples[n-1].line)
		}
		samples = append(samples, s)
	}
	if len(samples) == 0 {
		return nil, errors.New("the file has no line with a time and a number of requests per second")
	}
	return spread(samples)
}

func readable(err error) error {
	if bad, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("line %d: %w", bad.Line, bad.Err)
	}
	return err
}

// header says that no field of a line has anything like a number.
func header(fields []string) bool {
	return !strings.ContainsAny(strings.Join(fields, ""), "0123456789")
}

func parseSample(fields []string) (s sample, err error) {
	const columns = 2
	if len(fields) != columns {
		return s, fmt.Errorf("it has %d columns; a load has two: time,requests_per_second", len(fields))
	}
	if s.at, err = parseTime(strings.TrimSpace(fields[0])); err != nil {
		return s, err
	}
	text := strings.TrimSpace(fields[1])
	s.rate, err = strconv.ParseFloat(text, 64)
	switch {
	case err != nil || math.IsNaN(s.rate):
		return s, fmt.Errorf("%.50q is not a number of requests per second", text)
	case s.rate < 0 || s.rate > maxRate:
		return s, fmt.Errorf("%s requests per second are not between 0 and %g", text, float64(maxRate))
	}
	return s, nil
}

func parseTime(text string) (time.Time, error) {
	const latest = 1 << 36 // the year 4147
	if n, err := strconv.ParseFloat(text, 64); err == nil && n >= 0 && n < latest {
		return time.Unix(int64(n), 0).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%.50q is not a time: write 2026-03-01T12:00:00Z, or seconds", text)
	}
	if at.Unix() < 0 || at.Unix() >= latest {
		return time.Time{}, fmt.Errorf("the time %.50q is not between the years 1970 and 4147", text)
	}
	return at.UTC().Truncate(time.Second), nil
}

// spread makes seconds of samples. The load begins with the minute of the first one.
func spread(samples []sample) (*Load, error) {
	l := &Load{Start: samples[0].at.Truncate(time.Minute), Unit: "requests", Step: time.Second}
	n := len(samples)
	last := time.Second
	for i := 1; i < n; i++ {
		last = samples[i].at.Sub(samples[i-1].at)
		l.Step = max(l.Step, last)
	}
	if n == 1 {
		last = time.Minute
		l.Step = last
	}
	end := samples[n-1].at.Add(last)
	if end.Sub(l.Start) > MaxLoad {
		return nil, fmt.Errorf("line %d: the load is longer than %v", samples[n-1].line, MaxLoad)
	}
	l.Rates = make([]float64, int(end.Sub(l.Start)/time.Second))
	at := 0
	for i := range l.Rates {
		now := l.Start.Add(time.Duration(i) * time.Second)
		for at+1 < n && !samples[at+1].at.After(now) {
			at++
		}
		l.Rates[i] = samples[at].rate
	}
	return l, nil
}
