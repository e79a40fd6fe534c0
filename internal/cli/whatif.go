package cli

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/cli/chart"
	"github.com/maitred/maitred/internal/whatif"
)

// WhatIf writes the answer of `maitred what-if` for people: a table of today's policy and the new one, what it is made of,
// and a chart in so many columns.
func (p *Printer) WhatIf(r *whatif.Report, columns int) string {
	var b strings.Builder
	l := r.Load
	fmt.Fprintf(&b, "%s from %s for %v: %s %s, %s per second on average, %s at most\n", p.Bold(r.Service),
		l.Start.Format(time.RFC3339), l.End.Sub(l.Start), amount(l.Total), l.Unit, amount(l.Mean), amount(l.Peak))
	b.WriteByte('\n')
	b.WriteString(p.Table(whatIfRows(&r.Today, &r.New)))
	b.WriteByte('\n')
	for i, o := range []whatif.Outcome{r.Today, r.New} {
		for _, policy := range o.Policies {
			fmt.Fprintf(&b, "%-6s %s\n", []string{"today", "new"}[i], policy)
		}
	}
	b.WriteString(p.Dim(whatIfModel(r)))
	c := whatIfChart(r)
	for i := range c.Panels {
		b.WriteByte('\n')
		b.WriteString(c.Panels[i].Terminal(c, columns, p.color))
	}
	return b.String()
}

func whatIfRows(today, changed *whatif.Outcome) [][]string {
	rows := [][]string{{"", "TODAY", "NEW"}}
	row := func(name string, of func(*whatif.Outcome) string) {
		rows = append(rows, []string{name, of(today), of(changed)})
	}
	row("bounds", func(o *whatif.Outcome) string {
		if o.Max == 0 && o.Min == 0 {
			return "-"
		}
		return fmt.Sprintf("%d to %d", o.Min, o.Max)
	})
	row("task-hours", func(o *whatif.Outcome) string { return fmt.Sprintf("%.2f", o.TaskHours) })
	row("time above target", func(o *whatif.Outcome) string {
		if o.AboveTarget < 0 {
			return "-"
		}
		return span(o.AboveTarget)
	})
	row("changes", func(o *whatif.Outcome) string { return fmt.Sprintf("%d out, %d in", o.Out, o.In) })
	row("lowest health", func(o *whatif.Outcome) string {
		if o.LowestHealth >= 1 {
			return "100 % served"
		}
		return fmt.Sprintf("%.1f %% served (%s)", 100*o.LowestHealth, o.LowestAt.Format("Jan 2 15:04"))
	})
	row("longest queue", func(o *whatif.Outcome) string { return amount(o.PeakBacklog) })
	row("lost", func(o *whatif.Outcome) string { return amount(o.Lost) })
	row("mean CPU", func(o *whatif.Outcome) string { return fmt.Sprintf("%.1f %%", o.CPU) })
	row("mean response", func(o *whatif.Outcome) string {
		return fmt.Sprintf("%s (worst minute %s)", span(o.Response), span(o.WorstResponse))
	})
	row("tasks", func(o *whatif.Outcome) string { return fmt.Sprintf("%d to %d", o.LeastTasks, o.MostTasks) })
	if today.NoRoom > 0 || changed.NoRoom > 0 {
		row("no room for tasks", func(o *whatif.Outcome) string { return span(o.NoRoom) })
	}
	return rows
}

// whatIfModel says what the answer is made of, and how wrong it may be.
func whatIfModel(r *whatif.Report) string {
	var b strings.Builder
	m := r.Model
	fmt.Fprintf(&b, "model: a task does %s %s per second and uses %.1f %% CPU when idle; it serves %s after it is wanted", amount(m.Capacity),
		r.Load.Unit, m.Idle, span(m.Start))
	if m.Patience > 0 {
		fmt.Fprintf(&b, "; requests wait for %s at most", span(m.Patience))
	}
	if m.Room > 0 {
		fmt.Fprintf(&b, "; there is room for %d tasks", m.Room)
	}
	fmt.Fprintf(&b, "\n       %s\n", m.Text)
	if m.Fit != nil {
		fmt.Fprintf(&b, "fit:   of %d recorded minutes; their CPU is met within %.1f points of percent\n", m.Fit.Minutes, m.Fit.Error)
	}
	if r.Check != nil {
		fmt.Fprintf(&b, "check: recorded were %.2f task-hours and %.1f %% CPU, with the policies and bounds of then\n", r.Check.TaskHours, r.Check.CPU)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note:  %s\n", n)
	}
	return strings.TrimSuffix(b.String(), "\n") + "\n"
}

func whatIfChart(r *whatif.Report) *chart.Chart {
	c := &chart.Chart{Title: "what if: " + r.Service + ", " + r.Traffic, Start: r.Load.Start, End: r.Load.End}
	line := func(name string, of func(whatif.Point) float64) chart.Line {
		l := chart.Line{Name: name}
		for _, p := range r.Points {
			l.Values = append(l.Values, of(p))
		}
		return l
	}
	c.Panels = []chart.Panel{
		{Title: r.Load.Unit + " per second", Lines: []chart.Line{line("load", func(p whatif.Point) float64 { return p.Load })}},
		{Title: "tasks", Lines: []chart.Line{
			line("today", func(p whatif.Point) float64 { return p.TodayTasks }), line("new", func(p whatif.Point) float64 { return p.NewTasks }),
		}},
		{Title: "CPU, percent", Lines: []chart.Line{
			line("today", func(p whatif.Point) float64 { return p.TodayCPU }), line("new", func(p whatif.Point) float64 { return p.NewCPU }),
		}},
	}
	return c
}

// WhatIfSVG writes the chart of an answer as SVG.
func WhatIfSVG(r *whatif.Report, to io.Writer) error { return whatIfChart(r).SVG(to) }

// amount writes a number with as many digits as a person needs.
func amount(v float64) string {
	switch {
	case v >= 100:
		return fmt.Sprintf("%.0f", v)
	case v == 0:
		return "0"
	}
	return fmt.Sprintf("%.3g", v)
}

// span writes seconds: 850 ms, 12 s, 1h5m.
func span(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d <= 0:
		return "0"
	case d < time.Second:
		return fmt.Sprintf("%.0f ms", 1000*seconds)
	case d < time.Minute:
		return fmt.Sprintf("%.3g s", seconds)
	case d < 10*time.Minute:
		return d.Truncate(time.Second).String()
	}
	return strings.TrimSuffix(d.Truncate(time.Minute).String(), "0s")
}
