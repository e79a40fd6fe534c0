package main

import (
	"fmt"
	"slices"
)

// unit is what samples are in.
type unit string

const (
	seconds unit = "s"
	bytes   unit = "B"
	percent unit = "% of a core"
)

// samples are single measurements.
type samples []float64

func (s *samples) add(v float64) { *s = append(*s, v) }

// quantile gives the value below which that part of the samples lies.
func (s samples) quantile(q float64) float64 {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return sorted[min(int(q*float64(len(sorted))), len(sorted)-1)]
}

// median of an even number of samples is half way between the two in the middle: of two, neither is the worse one.
func (s samples) median() float64 {
	if n := len(s); n > 0 && n%2 == 0 {
		sorted := slices.Sorted(slices.Values(s))
		return (sorted[n/2-1] + sorted[n/2]) / 2
	}
	return s.quantile(0.5)
}

// limit is what a figure should not exceed: an amount, a multiple of the floor, or both. Zero says nothing.
type limit struct {
	Amount float64 `json:"amount,omitempty"`
	Ratio  float64 `json:"ratio,omitempty"`
}

// figure is one thing that is measured, with what the machine itself needs for it.
type figure struct {
	Name  string  `json:"name"`
	Unit  unit    `json:"unit"`
	What  string  `json:"floorIs"` // what the floor is
	Floor samples `json:"floor"`
	Ours  samples `json:"ours"`
	Goal  limit   `json:"goal"`
	Gate  limit   `json:"gate"`
}

func (f *figure) ratio() float64 {
	if f.Floor.median() == 0 {
		return 0
	}
	return f.Ours.median() / f.Floor.median()
}

// row is the figure's row of the table.
func (f *figure) row() string {
	ratio := "–"
	if r := f.ratio(); r > 0 {
		ratio = fmt.Sprintf("%.2f", r)
	}
	return fmt.Sprintf("| %s | %s (%s) | **%s** | %s | %s | %s | %d |", f.Name, spread(f.Floor, f.Unit), f.What,
		spread(f.Ours, f.Unit), ratio, f.judge(f.Goal), f.judge(f.Gate), len(f.Ours))
}

// judge says whether a limit is kept.
func (f *figure) judge(l limit) string {
	if l == (limit{}) {
		return "–"
	}
	text, kept := "", true
	if l.Ratio > 0 {
		text, kept = fmt.Sprintf("≤ %.3g×", l.Ratio), f.ratio() <= l.Ratio
	}
	if l.Amount > 0 {
		if text != "" {
			text += ", "
		}
		text += "≤ " + format(l.Amount, f.Unit)
		kept = kept && f.Ours.median() <= l.Amount
	}
	if kept {
		return text + " ✓"
	}
	return text + " ✗"
}

// spread is the median with the range.
func spread(s samples, u unit) string {
	if len(s) < 2 {
		return format(s.median(), u)
	}
	return fmt.Sprintf("%s [%s–%s]", format(s.median(), u), format(slices.Min(s), u), format(slices.Max(s), u))
}

func format(v float64, u unit) string {
	switch {
	case u == percent:
		return fmt.Sprintf("%.2f %%", v)
	case u == bytes && v >= 1<<20:
		return fmt.Sprintf("%.1f MiB", v/(1<<20))
	case u == bytes:
		return fmt.Sprintf("%.1f KiB", v/(1<<10))
	case v >= 1:
		return fmt.Sprintf("%.2f s", v)
	}
	return fmt.Sprintf("%.3g ms", v*1e3)
}
