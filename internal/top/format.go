package top

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// number writes a measurement with three digits at most.
func number(f *float64) string {
	if f == nil || math.IsNaN(*f) {
		return "-"
	}
	v, unit := *f, ""
	for _, next := range []string{"k", "M", "G", "T"} {
		if math.Abs(v) < 999.5 {
			break
		}
		v, unit = v/1000, next
	}
	if math.Abs(v) < 9.95 && v != math.Trunc(v) {
		return strconv.FormatFloat(v, 'f', 1, 64) + unit
	}
	return strconv.FormatFloat(v, 'f', 0, 64) + unit
}

// seconds writes how long an answer took.
func seconds(f *float64) string {
	switch {
	case f == nil:
		return "-"
	case *f < 0.9995:
		ms := *f * 1000
		return number(&ms) + "ms"
	}
	return number(f) + "s"
}

// age is how long ago something was, in its largest unit.
func age(now, then time.Time) string {
	if then.IsZero() {
		return "-"
	}
	d := max(0, now.Sub(then))
	switch {
	case d < time.Minute:
		return strconv.Itoa(int(d.Seconds())) + "s"
	case d < time.Hour:
		return strconv.Itoa(int(d.Minutes())) + "m"
	case d < 48*time.Hour:
		return strconv.Itoa(int(d.Hours())) + "h"
	}
	return strconv.Itoa(int(d.Hours()/24)) + "d"
}

// Spark draws percentages in so many cells, the newest last: several in one cell are averaged, and where nothing was
// measured there is a blank. A full cell is 100, or the largest of them if that is more.
func Spark(values []*float64, width int) string {
	if width <= 0 || len(values) == 0 {
		return ""
	}
	width = min(width, len(values))
	most := 100.0
	for _, v := range values {
		if v != nil {
			most = max(most, *v)
		}
	}
	var b strings.Builder
	for i := range width {
		b.WriteRune(bar(values[i*len(values)/width:(i+1)*len(values)/width], most))
	}
	return b.String()
}

func bar(values []*float64, most float64) rune {
	bars := []rune("▁▂▃▄▅▆▇█")
	sum, n := 0.0, 0
	for _, v := range values {
		if v != nil && !math.IsNaN(*v) {
			sum += *v / most
			n++
		}
	}
	if n == 0 {
		return ' '
	}
	level := int(sum / float64(n) * float64(len(bars)))
	return bars[max(0, min(level, len(bars)-1))]
}

// PlainText is a whole snapshot as a table for scripts: services, or tasks of a service, or machines, whichever was asked for.
// The columns are always the same.
func PlainText(snap *Snapshot, ask Ask, width int) string {
	var s Screen
	switch {
	case ask.Machines:
		s.page = machines
	case ask.Service != "":
		s.page = tasks
	}
	var b strings.Builder
	for _, line := range s.table(snap).render(width) {
		b.WriteString(line + "\n")
	}
	return b.String()
}
