package top_test

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/top"
)

var update = flag.Bool("update", false, "write what the screens look like now as what they shall look like")

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.Local)

// ramp is a load that rises from nothing that was measured to so much.
func ramp(most float64) []*float64 {
	load := make([]*float64, 60)
	for i := 10; i < len(load); i++ {
		load[i] = new(most * float64(i) / 59)
	}
	return load
}

func snapshot() top.Snapshot {
	return top.Snapshot{
		At: noon,
		Services: []top.Service{
			{
				ARN: "arn:api", Cluster: "default", Name: "api", Status: "ACTIVE", Desired: 12, Running: 10, Pending: 2,
				CPU: new(87.44), Memory: new(41.0), Requests: new(12345.0), P99: new(0.0123), Targets: 10, Healthy: 9, Load: ramp(87),
				Scaled: &top.Scaled{At: noon.Add(-14 * time.Second), Text: "8 to 12 by cpu"},
			},
			{
				ARN: "arn:batch", Cluster: "night", Name: "a-service-with-a-very-long-name-that-does-not-fit", Status: "DRAINING",
				CPU: new(4.25), Load: ramp(5), Scaled: &top.Scaled{At: noon.Add(-50 * time.Hour), Text: "AlreadyAtMinCapacity by requests"},
			},
			{ARN: "arn:web", Cluster: "default", Name: "web", Status: "ACTIVE", Desired: 3, Running: 3, CPU: new(250.0), P99: new(2.5), Load: ramp(250)},
		},
		Tasks: []top.Task{
			{ID: "0123456789abcdef0123456789abcdef", Status: "RUNNING", Wanted: "RUNNING", Health: "HEALTHY", Definition: "api:12", Host: "box", CPU: new(80.0), Memory: new(40.0), StartedAt: noon.Add(-90 * time.Minute)},
			{ID: "fedcba9876543210fedcba9876543210", Status: "PENDING", Wanted: "RUNNING", Health: "UNKNOWN", Definition: "api:12", Host: "box"},
		},
		Machines: []top.Machine{
			{ID: "00000000000000000000000000000001", Host: "box", Driver: "oci", Connected: true, Tasks: 12, CPU: 4096, Memory: 8192, ReservedCPU: 3072, ReservedMemory: 6144, UsedCPU: new(55.5), UsedMemory: new(30.0)},
			{ID: "00000000000000000000000000000002", Host: "cellar", Driver: "process", CPU: 2048, Memory: 4096},
		},
	}
}

// TestScreens holds what is shown against files, for two widths.
func TestScreens(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		keys    []top.Key
		rows    int
		trouble error
	}{
		"services": {nil, 8, nil},
		"sorted":   {[]top.Key{top.Down, top.SortKey}, 8, nil}, // the cursor stays on its service
		"small":    {[]top.Key{top.End}, 4, nil},
		"tasks":    {[]top.Key{top.Down, top.Up, top.Enter}, 8, nil},
		"machines": {[]top.Key{top.MachinesKey}, 8, nil},
		"help":     {[]top.Key{top.HelpKey}, 15, nil},
		"filter":   {[]top.Key{top.FilterKey, 'W', 'e'}, 8, nil},
		"trouble":  {nil, 8, errors.New("no news since 11:59:50: no maitred answers at http://127.0.0.1:6248")},
	} {
		for _, width := range []int{80, 140} {
			var s top.Screen
			snap := snapshot()
			for _, k := range test.keys {
				s.Press(k, &snap)
			}
			golden(t, fmt.Sprintf("%s-%d", name, width), shown(s.Lines(&snap, test.trouble, top.Size{Columns: width, Rows: test.rows})))
		}
	}
	snap := snapshot()
	golden(t, "once", top.PlainText(&snap, top.Ask{}, 1000)+"\n"+top.PlainText(&snap, top.Ask{Service: "arn:api"}, 1000)+"\n"+
		top.PlainText(&snap, top.Ask{Machines: true}, 1000))
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(got, "\n")); diff != "" {
		t.Errorf("%s (-want +got):\n%s", name, diff)
	}
}

// shown writes lines with their styles: # bold, . dim, ! red, > selected.
func shown(lines []top.Line) string {
	var b strings.Builder
	for _, l := range lines {
		fmt.Fprintf(&b, "%c%s\n", " #.!>"[l.Style], l.Text)
	}
	return b.String()
}

// FuzzScreen shows anything on a terminal of any size, after any keys: as many lines as it has, none too wide, and nothing
// that would steer it.
func FuzzScreen(f *testing.F) {
	f.Add("web", "8 to 12", 80, 24, []byte("ms?/w\xf6"), 12.5)
	f.Add("\x1b[2J界\u0301", "\x00", 3, 1, []byte{0xfe, 0xf9, 's', 0xf6, '/', 1, 'w', 0xf4}, -1e300)
	f.Fuzz(func(t *testing.T, name, text string, columns, rows int, keys []byte, number float64) {
		columns, rows = columns%300, rows%100
		snap := snapshot()
		snap.Services[0].Name, snap.Services[1].Scaled.Text, snap.Machines[0].Host, snap.Tasks[0].Status = name, text, name, text
		snap.Services[0].CPU, snap.Services[1].P99, snap.Services[2].Load[30] = &number, &number, &number
		var s top.Screen
		for _, k := range keys {
			s.Press(top.Key(int8(k)), &snap)
			lines := s.Lines(&snap, errors.New(text), top.Size{Columns: columns, Rows: rows})
			if len(lines) != max(0, rows) {
				t.Fatalf("got %d lines on a terminal of %d", len(lines), rows)
			}
			for _, l := range lines {
				if n := utf8.RuneCountInString(l.Text); n > max(0, columns) || strings.ContainsAny(l.Text, "\x1b\n\r\t\x00") {
					t.Fatalf("%q has %d cells, of %d", l.Text, n, columns)
				}
			}
		}
	})
}

// TestSpark averages what does not fit, and leaves blank what was not measured.
func TestSpark(t *testing.T) {
	t.Parallel()
	numbers := func(values ...float64) (all []*float64) {
		for _, v := range values {
			all = append(all, new(v))
		}
		return all
	}
	for _, test := range []struct {
		values []*float64
		width  int
		want   string
	}{
		{nil, 10, ""},
		{numbers(0, 50, 100), 10, "▁▅█"},
		{numbers(0, 100, 100, 100), 2, "▅█"},
		{numbers(0, 200), 2, "▁█"},
		{append([]*float64{nil, nil}, numbers(13)...), 3, "  ▂"},
		{numbers(1, 2), 0, ""},
	} {
		if got := top.Spark(test.values, test.width); got != test.want {
			t.Errorf("got %q, want %q", got, test.want)
		}
	}
}

// TestFilter shows what has a text in it: while that is typed, and after it, until esc.
func TestFilter(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		keys []top.Key
		rows []string // the first words of what is shown
		foot string
	}{
		"while it is typed":   {[]top.Key{'/', 'W', 'e'}, []string{"web"}, "/We_  enter keep"},
		"it stays this page":  {[]top.Key{'/', 'w', 'e', top.Left, top.Right}, []string{"web"}, "/we_  enter keep"},
		"keys are characters": {[]top.Key{'/', 'q'}, nil, "/q_"},
		"of the cluster":      {[]top.Key{'/', 'n', 'i', 'g', 'h', 't', '/', top.Enter}, []string{"night/"}, "/night/ (esc shows all)"},
		"erased":              {[]top.Key{'/', 'w', 'e', 'x', top.Erase, top.Enter}, []string{"web"}, "/we (esc shows all)"},
		"erased to the end":   {[]top.Key{'/', 'w', top.Erase, top.Erase, '?', '?'}, []string{"api", "web", "night/"}, "enter tasks"},
		"escaped":             {[]top.Key{'/', 'b', top.Back}, []string{"api", "web", "night/"}, "enter tasks"},
		"escaped later":       {[]top.Key{'/', 'b', top.Enter, top.Back}, []string{"api", "web", "night/"}, "enter tasks"},
		"the cursor moves":    {[]top.Key{'/', 'e', top.Down, top.Enter, top.Enter, '/', 'p', 'e', 'n', 'd'}, []string{"fedcba9876543210fedcba9876543210"}, "/pend_"},
		"kept by its page":    {[]top.Key{'/', 'w', 'e', top.Enter, 'm', '/', 'c', top.Enter, top.Back, top.Back}, []string{"web"}, "/we "},
		"of machines":         {[]top.Key{'m', '/', 'c', 'e', 'l', top.Enter}, []string{"cellar"}, "/cel "},
	} {
		var s top.Screen
		snap := snapshot()
		for _, k := range test.keys {
			if s.Press(k, &snap) {
				t.Fatalf("%s: %c ends it", name, k)
			}
		}
		lines := s.Lines(&snap, nil, top.Size{Columns: 200, Rows: 12})
		var rows []string
		for _, l := range lines[2 : len(lines)-1] {
			if word, _, _ := strings.Cut(l.Text, " "); word != "" && word != "(none)" {
				rows = append(rows, word)
			}
		}
		if len(rows) != len(test.rows) || !strings.Contains(lines[len(lines)-1].Text, test.foot) {
			t.Errorf("%s: got %q, %q; want %q, %q", name, rows, lines[len(lines)-1].Text, test.rows, test.foot)
			continue
		}
		for i := range rows {
			if !strings.HasPrefix(rows[i], test.rows[i]) {
				t.Errorf("%s: row %d is %q, want %q", name, i, rows[i], test.rows[i])
			}
		}
	}
}

// TestPress says which keys end it: also Ctrl-C where a text is typed.
func TestPress(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		keys []top.Key
		quit bool
	}{
		{[]top.Key{'q'}, true},
		{[]top.Key{top.Quit}, true},
		{[]top.Key{'/', 'q'}, false},
		{[]top.Key{'/', top.Quit}, true},
		{[]top.Key{'?', 'q'}, true},
		{[]top.Key{'x'}, false},
	} {
		var s top.Screen
		snap, quit := snapshot(), false
		for _, k := range test.keys {
			quit = s.Press(k, &snap)
		}
		if quit != test.quit {
			t.Errorf("%v ends it: %v, want %v", test.keys, quit, test.quit)
		}
	}
}

// TestFind finds a service by what a person types.
func TestFind(t *testing.T) {
	t.Parallel()
	snap := snapshot()
	snap.Services = append(snap.Services, top.Service{ARN: "arn:api2", Cluster: "night", Name: "api"})
	for ref, want := range map[string]string{
		"web": "arn:web", "default/api": "arn:api", "arn:api2": "arn:api2", "night/api": "arn:api2", "api": "", "none": "",
	} {
		if got, err := snap.Find(ref); got != want || (err == nil) != (want != "") {
			t.Errorf("%s: got %q, %v, want %q", ref, got, err, want)
		}
	}
}
