package schedule

import (
	"fmt"
	"iter"
	"math/bits"
	"strconv"
	"strings"
)

// The years that a cron expression may name ("Cron expressions").
const (
	minYear = 1970
	maxYear = 2199
)

// set holds numbers from an offset on.
type set struct {
	offset int
	bits   [4]uint64 // enough for all years
}

func (s *set) add(n int) { s.bits[(n-s.offset)/64] |= 1 << ((n - s.offset) % 64) }

func (s *set) has(n int) bool {
	i := n - s.offset
	return i >= 0 && i < 64*len(s.bits) && s.bits[i/64]&(1<<(i%64)) != 0
}

// all yields the numbers in order.
func (s *set) all() iter.Seq[int] {
	return func(yield func(int) bool) {
		for i, word := range s.bits {
			for ; word != 0; word &= word - 1 {
				if !yield(s.offset + 64*i + bits.TrailingZeros64(word)) {
					return
				}
			}
		}
	}
}

// unit is what one field of a cron expression counts.
type unit struct {
	name     string
	min, max int
	names    []string // from min on, if its numbers have names
	line     bool     // it does not go in a circle
}

func secondUnit() unit { return unit{name: "seconds", max: 59} }
func minuteUnit() unit { return unit{name: "minutes", max: 59} }
func hourUnit() unit   { return unit{name: "hours", max: 23} }
func domUnit() unit    { return unit{name: "day-of-month", min: 1, max: 31} }
func yearUnit() unit   { return unit{name: "year", min: minYear, max: maxYear, line: true} }

func monthUnit() unit {
	return unit{
		name: "month", min: 1, max: 12,
		names: []string{"JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"},
	}
}

func dowUnit() unit {
	return unit{name: "day-of-week", min: 1, max: 7, names: []string{"SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"}}
}

// parse reads a field that is a list of numbers, ranges and steps.
func (u unit) parse(text string) (set, error) {
	s := set{offset: u.min}
	for item := range strings.SplitSeq(text, ",") {
		if err := u.parseItem(item, &s); err != nil {
			return set{}, err
		}
	}
	return s, nil
}

// parseItem adds one item of a list: *, n, n-m, and each with /step.
func (u unit) parseItem(item string, into *set) error {
	span, stepText, stepped := strings.Cut(item, "/")
	from, to, err := u.span(span, stepped)
	if err != nil {
		return err
	}
	step := 1
	if stepped {
		if step, err = digits(stepText); err != nil || step < 1 || step > u.max {
			return fmt.Errorf("%s: %q is not a step of 1 to %d", u.name, stepText, u.max)
		}
	}
	if to < from { // a range over the end, as FRI-MON
		to += u.max - u.min + 1
	}
	for n := from; n <= to; n += step {
		into.add(u.min + (n-u.min)%(u.max-u.min+1))
	}
	return nil
}

// span reads what stands before a step. A single number with a step begins a range up to the largest.
func (u unit) span(text string, stepped bool) (from, to int, err error) {
	if text == "*" {
		return u.min, u.max, nil
	}
	first, last, ranged := strings.Cut(text, "-")
	if from, err = u.number(first); err != nil {
		return 0, 0, err
	}
	switch {
	case ranged:
		to, err = u.number(last)
	case stepped:
		to = u.max
	default:
		to = from
	}
	if err == nil && to < from && u.line {
		err = fmt.Errorf("%s: the range %s ends before it begins", u.name, text)
	}
	return from, to, err
}

// number reads a number or its name.
func (u unit) number(text string) (int, error) {
	for i, name := range u.names {
		if text == name {
			return u.min + i, nil
		}
	}
	n, err := digits(text)
	if err != nil || n < u.min || n > u.max {
		return 0, fmt.Errorf("%s: %q is not from %d to %d%s", u.name, text, u.min, u.max, u.examples())
	}
	return n, nil
}

func (u unit) examples() string {
	if len(u.names) == 0 {
		return ""
	}
	return " or " + u.names[0] + " to " + u.names[len(u.names)-1]
}

// digits reads a number without a sign.
func digits(text string) (int, error) {
	n, err := strconv.ParseUint(text, 10, 31)
	return int(n), err
}
