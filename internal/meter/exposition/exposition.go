// Package exposition writes metrics in the text format that Prometheus and all that speak like it read ("Exposition
// formats").
package exposition

import (
	"bufio"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
)

// ContentType is that of the format.
const ContentType = "text/plain; version=0.0.4; charset=utf-8"

// The types of families.
const (
	Counter   = "counter"
	Gauge     = "gauge"
	Histogram = "histogram"
)

// Family is all series of a name.
type Family struct {
	Name, Type, Help string
	Samples          []Sample
}

// Sample is a series with its value now.
type Sample struct {
	Suffix string // _bucket, _sum, _count of a histogram
	Labels []Label
	Value  float64
}

// Label is a pair; Value may be any text.
type Label struct{ Name, Value string }

// Add adds a sample; labels are names and values in turn.
func (f *Family) Add(value float64, labels ...string) { f.add("", value, labels) }

func (f *Family) add(suffix string, value float64, labels []string) {
	s := Sample{Suffix: suffix, Value: value, Labels: make([]Label, 0, len(labels)/2)}
	for i := 0; i+1 < len(labels); i += 2 {
		s.Labels = append(s.Labels, Label{labels[i], labels[i+1]})
	}
	f.Samples = append(f.Samples, s)
}

// AddHistogram adds a distribution: how many were at most each of the bounds, which rise, how many there were, and their
// sum.
func (f *Family) AddHistogram(bounds []float64, atMost []float64, count, sum float64, labels ...string) {
	for i, b := range bounds {
		f.add("_bucket", atMost[i], append(slices.Clip(labels), "le", number(b)))
	}
	f.add("_bucket", count, append(slices.Clip(labels), "le", "+Inf"))
	f.add("_sum", sum, labels)
	f.add("_count", count, labels)
}

// Write writes families; those without samples are left out.
func Write(to io.Writer, families []Family) error {
	w := bufio.NewWriter(to)
	for i := range families {
		if len(families[i].Samples) > 0 {
			families[i].write(w)
		}
	}
	return w.Flush()
}

func (f *Family) write(w *bufio.Writer) {
	for _, line := range [][2]string{{"# HELP ", helpEscapes.Replace(f.Help)}, {"# TYPE ", f.Type}} {
		_, _ = w.WriteString(line[0]) // the writer keeps its error until Flush
		_, _ = w.WriteString(f.Name)
		_ = w.WriteByte(' ')
		_, _ = w.WriteString(line[1])
		_ = w.WriteByte('\n')
	}
	for _, s := range f.Samples {
		_, _ = w.WriteString(f.Name)
		_, _ = w.WriteString(s.Suffix)
		for i, l := range s.Labels {
			_ = w.WriteByte(",{"[btoi(i == 0)])
			_, _ = w.WriteString(l.Name)
			_, _ = w.WriteString(`="`)
			_, _ = valueEscapes.WriteString(w, strings.ToValidUTF8(l.Value, "\uFFFD"))
			_ = w.WriteByte('"')
		}
		if len(s.Labels) > 0 {
			_ = w.WriteByte('}')
		}
		_ = w.WriteByte(' ')
		_, _ = w.WriteString(number(s.Value))
		_ = w.WriteByte('\n')
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

var (
	helpEscapes  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	valueEscapes = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)

func number(v float64) string {
	switch {
	case math.IsNaN(v):
		return "NaN"
	case math.IsInf(v, 1):
		return "+Inf"
	case math.IsInf(v, -1):
		return "-Inf"
	}
	return strconv.FormatFloat(v, 'g', -1, 64)
}
