package chart_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/cli/chart"
)

var start = time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC)

func TestSVG(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(0, 1e12), rapid.Just(0.0), rapid.Just(math.NaN()), rapid.Just(math.Inf(1))), 0, 50)
		c := &chart.Chart{
			Title: rapid.StringMatching(`[ -~]{0,20}`).Draw(t, "title"), Start: start,
			End:    start.Add(time.Duration(rapid.IntRange(0, 1e6).Draw(t, "seconds")) * time.Second),
			Panels: []chart.Panel{{Title: "tasks & <b>", Lines: []chart.Line{{Name: "today", Values: values.Draw(t, "today")}, {Name: "new", Values: values.Draw(t, "new")}}}},
		}
		var svg strings.Builder
		if err := c.SVG(&svg); err != nil {
			t.Fatal(err)
		}
		d := xml.NewDecoder(strings.NewReader(svg.String()))
		for {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%v in %s", err, svg.String())
			}
		}
		if strings.Contains(svg.String(), "NaN") || strings.Contains(svg.String(), "Inf") {
			t.Fatalf("no number: %s", svg.String())
		}
	})
}

func TestTerminal(t *testing.T) {
	t.Parallel()
	c := &chart.Chart{Start: start, End: start.Add(time.Hour)}
	p := &chart.Panel{Title: "tasks", Lines: []chart.Line{{Name: "today", Values: []float64{2, 2, 4, 4}}, {Name: "new", Values: []float64{2, 6, 6, 6}}}}
	got := p.Terminal(c, 60, false)
	for _, want := range []string{"tasks (· today, ─ new)", "00:00", "01:00", "6┤", "5┤", "4┤", "3┤", "0┤"} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is missing in\n%s", want, got)
		}
	}
	if strings.Contains(got, "\x1b") {
		t.Errorf("colours in\n%q", got)
	}
	for line := range strings.Lines(got) {
		if n := len([]rune(line)); n > 60 {
			t.Errorf("a line of %d columns: %q", n, line)
		}
	}
	if got := (&chart.Panel{}).Terminal(c, 60, true); got != "" {
		t.Errorf("nothing is drawn as %q", got)
	}
}
