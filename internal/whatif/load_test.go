package whatif

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseCSV(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text   string
		start  time.Time
		step   time.Duration
		rates  map[int]float64 // by second; the last one is the length, with NaN
		length int
		err    string
	}{
		"header": {
			text: "time,requests_per_second\n2026-03-02T00:00:00Z,5\n2026-03-02T00:01:00Z,7\n", start: epoch, step: time.Minute,
			rates: map[int]float64{0: 5, 59: 5, 60: 7, 119: 7}, length: 120,
		},
		"no header, other zone, spaces": {
			text: "2026-03-02T01:00:00+01:00, 5\r\n2026-03-02T01:00:01+01:00 ,6.5\r\n", start: epoch, step: time.Second,
			rates: map[int]float64{0: 5, 1: 6.5}, length: 2,
		},
		"seconds":         {text: "0,1\n1,2\n2,3\n", start: time.Unix(0, 0), step: time.Second, rates: map[int]float64{0: 1, 1: 2, 2: 3}, length: 3},
		"one line":        {text: "60,4", start: time.Unix(60, 0), step: time.Minute, rates: map[int]float64{0: 4, 59: 4}, length: 60},
		"within a minute": {text: "90,4\n92,0\n", start: time.Unix(60, 0), step: 2 * time.Second, rates: map[int]float64{0: 4, 31: 4, 32: 0}, length: 34},
		"comments":        {text: "# made by hand\n0,1\n\n# more\n1,2\n", start: time.Unix(0, 0), step: time.Second, rates: map[int]float64{1: 2}, length: 2},
		"byte order mark": {text: "\ufefftime,rate\n0,1\n", start: time.Unix(0, 0), step: time.Minute, rates: map[int]float64{0: 1}, length: 60},
		"empty":           {err: "no line"},
		"only a header":   {text: "time,rate\n", err: "no line"},
		"bad time":        {text: "time,rate\n0,1\nsoon,2\n", err: `line 3: "soon" is not a time`},
		"bad rate":        {text: "0,1\n1,many\n", err: `line 2: "many" is not a number`},
		"negative":        {text: "0,-1\n", err: "line 1: -1 requests per second are not between"},
		"not a number":    {text: "0,NaN\n", err: "line 1"},
		"infinite":        {text: "0,+Inf\n", err: "line 1"},
		"columns":         {text: "0,1\n1,2,3\n", err: "line 2: it has 3 columns"},
		"backwards":       {text: "5,1\n\n4,2\n", err: "line 3: the time 1970-01-01T00:00:04Z is not after that of line 1"},
		"twice":           {text: "5,1\n5,2\n", err: "line 2"},
		"quotes":          {text: "0,1\n\"1,2\n", err: "line 2"},
		"too long":        {text: "0,1\n99999999,1\n", err: "line 2: the load is longer than"},
		"before 1970":     {text: "1950-01-01T00:00:00Z,1\n", err: "line 1"},
		"second header":   {text: "time,rate\ntime,rate\n", err: "line 2"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := ParseCSV([]byte(c.text))
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Fatalf("got %v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if !l.Start.Equal(c.start) || l.Step != c.step || len(l.Rates) != c.length {
				t.Errorf("got %v by %v with %d seconds, want %v by %v with %d", l.Start, l.Step, len(l.Rates), c.start, c.step, c.length)
			}
			for i, want := range c.rates {
				if i < len(l.Rates) && l.Rates[i] != want {
					t.Errorf("second %d: got %v, want %v", i, l.Rates[i], want)
				}
			}
		})
	}
}

func FuzzParseCSV(f *testing.F) {
	for _, s := range []string{"time,rate\n0,1\n1,2", "2026-03-02T00:00:00Z,5\n2026-03-02T00:01:00Z,7", "90,4\n92,0", "0,1e9\n#\n1,0", "\"0\",\"1\""} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		l, err := ParseCSV(text)
		if err != nil {
			return
		}
		if len(l.Rates) == 0 || l.End().Sub(l.Start) > MaxLoad || !l.Start.Equal(l.Start.Truncate(time.Minute)) || l.Step < time.Second {
			t.Errorf("%q gives a load of %d seconds from %v by %v", text, len(l.Rates), l.Start, l.Step)
		}
		for i, r := range l.Rates {
			if math.IsNaN(r) || r < 0 || r > maxRate {
				t.Fatalf("%q gives %v in second %d", text, r, i)
			}
		}
	})
}

func TestLast(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"last-24h": 24 * time.Hour, "last-7d": 7 * 24 * time.Hour, "last-1h": time.Hour, "last-15d": 15 * 24 * time.Hour,
		"last-16d": 0, "last-0h": 0, "last-h": 0, "last-5m": 0, "24h": 0, "last-99999h": 0, "last--1h": 0, "": 0,
	} {
		got, err := Last(text)
		if got != want || (err == nil) != (want > 0) {
			t.Errorf("%q: got %v, %v, want %v", text, got, err, want)
		}
	}
}
