// Package chart draws values over time: as an SVG file, and in a terminal.
package chart

import (
	"fmt"
	"html"
	"io"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/guptarohit/asciigraph"
)

// Chart is some panels with the same time, one below the other.
type Chart struct {
	Title      string
	Start, End time.Time
	Panels     []Panel
}

// Panel is lines with the same unit. They begin at zero.
type Panel struct {
	Title string
	Lines []Line
}

// Line has values at equal distances from the chart's start to its end.
type Line struct {
	Name   string
	Values []float64
}

// most is the greatest value, at least 1 so that there is a scale.
func (p *Panel) most() float64 {
	most := 1.0
	for _, l := range p.Lines {
		for _, v := range l.Values {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				most = max(most, v)
			}
		}
	}
	return most
}

// Terminal draws a panel in so many columns, with colours if they are wanted.
func (p *Panel) Terminal(c *Chart, columns int, colored bool) string {
	const margin, least = 12, 20
	var data [][]float64
	var names []string
	for _, l := range p.Lines {
		if len(l.Values) > 0 {
			data, names = append(data, l.Values), append(names, l.Name)
		}
	}
	if len(data) == 0 {
		return ""
	}
	height, upper := scale(p.most())
	options := []asciigraph.Option{
		asciigraph.Height(height), asciigraph.Width(max(least, columns-margin)), asciigraph.LowerBound(0), asciigraph.UpperBound(upper),
		asciigraph.Precision(0), asciigraph.XAxisRange(float64(c.Start.Unix()), float64(c.End.Unix())), asciigraph.XAxisTickCount(5),
		asciigraph.XAxisValueFormatter(func(v float64) string { return stamp(c, time.Unix(int64(v), 0).UTC()) }),
	}
	title := p.Title
	switch {
	case colored:
		options = append(options, asciigraph.SeriesColors(asciigraph.Gray, asciigraph.Green), asciigraph.SeriesLegends(names...))
	case len(data) > 1:
		title += fmt.Sprintf(" (· %s, ─ %s)", names[0], strings.Join(names[1:], ", "))
		options = append(options, asciigraph.SeriesChars(asciigraph.CreateCharSet("·"), asciigraph.DefaultCharSet))
	}
	return title + "\n" + asciigraph.PlotMany(data, options...) + "\n"
}

// scale is how many rows a panel has, and up to which value, so that each row stands for a whole number.
func scale(most float64) (rows int, upper float64) {
	const rowsMost, rowsLeast = 8, 4
	if most <= rowsMost {
		rows = max(rowsLeast, int(math.Ceil(most)))
		return rows, float64(rows)
	}
	return rowsMost, math.Ceil(most/rowsMost) * rowsMost
}

// stamp writes a time as short as the chart allows.
func stamp(c *Chart, at time.Time) string {
	const day = 24 * time.Hour
	if c.End.Sub(c.Start) > 2*day {
		return at.Format("Jan 2")
	}
	return at.Format("15:04")
}

// The sizes of an SVG, in pixels.
const (
	width, panelHeight    = 960, 200
	left, right, top, gap = 64, 20, 48, 56
	ticks                 = 4
	times                 = 6
)

// colors are told apart also by those who do not see red and green ("Okabe and Ito").
func colors() []string { return []string{"#999999", "#0072b2", "#d55e00", "#009e73"} }

// SVG writes the chart as a file.
func (c *Chart) SVG(to io.Writer) error {
	var b strings.Builder
	height := top + len(c.Panels)*(panelHeight+gap)
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="system-ui, sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="26" font-size="16">%s</text>`+"\n", left, html.EscapeString(c.Title))
	for i := range c.Panels {
		c.panel(&b, &c.Panels[i], top+i*(panelHeight+gap)+20)
	}
	b.WriteString("</svg>\n")
	_, err := io.WriteString(to, b.String())
	return err
}

func (c *Chart) panel(b *strings.Builder, p *Panel, y int) {
	most := nice(p.most())
	fmt.Fprintf(b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", left, y-8, html.EscapeString(p.Title))
	for i := range ticks + 1 {
		v := most * float64(i) / ticks
		at := float64(y) + panelHeight*(1-v/most)
		fmt.Fprintf(b, `<path d="M%d %.1fH%d" stroke="#e3e3e3"/><text x="%d" y="%.1f" text-anchor="end" fill="#555">%.4g</text>`+"\n",
			left, at, width-right, left-8, at+4, v)
	}
	for i := range times + 1 {
		x := left + (width-left-right)*i/times
		at := c.Start.Add(c.End.Sub(c.Start) * time.Duration(i) / times).UTC()
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="middle" fill="#555">%s</text>`+"\n", x, y+panelHeight+18, stamp(c, at))
	}
	legend := width - right
	for i, l := range slices.Backward(p.Lines) {
		color := colors()[i%len(colors())]
		fmt.Fprintf(b, `<text x="%d" y="%d" text-anchor="end" fill="%s">%s</text>`+"\n", legend, y-8, color, html.EscapeString(l.Name))
		legend -= 8*len(l.Name) + 16
	}
	for i, l := range p.Lines {
		fmt.Fprintf(b, `<path d="%s" fill="none" stroke="%s" stroke-width="1.5"/>`+"\n", path(l.Values, y, most), colors()[i%len(colors())])
	}
}

// path draws what is known of a line.
func path(values []float64, y int, most float64) string {
	var b strings.Builder
	move := "M"
	for i, v := range values {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			move = "M"
			continue
		}
		x := left + float64(width-left-right)*float64(i)/float64(max(1, len(values)-1))
		fmt.Fprintf(&b, "%s%.1f %.1f", move, x, float64(y)+panelHeight*(1-v/most))
		move = "L"
	}
	return b.String()
}

// nice is a round number that is not below another one.
func nice(v float64) float64 {
	if math.IsInf(v, 0) || v <= 0 {
		return 1
	}
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, f := range []float64{1, 2, 4, 5, 8, 10} {
		if f*unit >= v {
			return f * unit
		}
	}
	return 10 * unit
}
