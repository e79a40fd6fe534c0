package keep

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// TestModel puts, reads, flushes, waits, restarts and kills at random, and compares with the oracle.
func TestModel(t *testing.T) {
	t.Parallel()
	base, n := t.TempDir(), 0
	rapid.Check(t, func(t *rapid.T) {
		dir := ""
		if rapid.IntRange(0, 3).Draw(t, "durable") > 0 {
			n++
			dir = filepath.Join(base, fmt.Sprintf("%d a dir?%%20", n)) // a name that has to be escaped
			defer os.RemoveAll(dir)
		}
		w := &world{dir: dir, now: time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)}
		w.open(t)
		defer func() { w.s.Close() }()
		actions := map[string]func(*rapid.T){
			"put": w.put, "put more": w.put, "read": w.read, "read more": w.read, "flush": w.flush, "wait": w.wait, "list": w.list,
		}
		if dir != "" {
			actions["restart"], actions["kill"], actions["kill in flush"] = w.restart, w.kill, w.killInFlush
		}
		t.Repeat(actions)
		w.read(t)
	})
}

type world struct {
	dir string
	now time.Time
	s   *Store
	o   oracle
}

func (w *world) open(t *rapid.T) {
	s, err := Open(Config{Dir: w.dir, Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	w.s = s
}

func drawMetric(t *rapid.T) model.Metric {
	m := model.Metric{Namespace: "N", Name: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "name")}
	if rapid.Bool().Draw(t, "dimension") {
		m.Dimensions = []model.Dimension{{Name: "X", Value: "1"}, {Name: "Y", Value: "2"}}
	}
	return m
}

func drawAgo(t *rapid.T) time.Duration {
	most := rapid.SampledFrom([]time.Duration{
		3 * time.Second, time.Minute, 12 * time.Minute, time.Hour, 5 * time.Hour, 20 * time.Hour, 15 * 24 * time.Hour,
	}).Draw(t, "about")
	return time.Duration(rapid.Int64Range(-int64(most/100), int64(most)).Draw(t, "ago"))
}

func drawDatum(t *rapid.T) (d metrics.Datum) {
	value := rapid.Float64Range(0, 9.9)
	whole := func(label string) float64 { return float64(int(value.Draw(t, label))) }
	switch rapid.IntRange(0, 9).Draw(t, "kind") {
	case 0:
		low := whole("low")
		d.Stats = metrics.Stats{Count: 2 + whole("more"), Min: low, Max: low + whole("range")}
		d.Sum = low*(d.Count-1) + d.Max
	case 1, 2:
		d.Values = rapid.SliceOfNDistinct(rapid.Map(value, func(v float64) float64 { return float64(int(v)) }), 1, 5, rapid.ID).Draw(t, "values")
		for _, v := range d.Values {
			n := 1 + whole("times")
			d.Counts = append(d.Counts, n)
			d.Stats.Add(metrics.Stats{Count: n, Sum: n * v, Min: v, Max: v})
		}
	case 3:
		d.Stats = metrics.One(-whole("negative"))
	default:
		d.Stats = metrics.One(whole("value"))
	}
	d.Resolution = rapid.SampledFrom([]int{1, 60}).Draw(t, "resolution")
	return d
}

func (w *world) put(t *rapid.T) {
	m, unit := drawMetric(t), rapid.SampledFrom([]string{"None", "Count"}).Draw(t, "unit")
	ago := drawAgo(t)
	var all []metrics.Datum
	for range rapid.IntRange(1, 20).Draw(t, "n") {
		d := drawDatum(t)
		d.Series = metrics.Series{Region: "r", Metric: m, Unit: unit}
		d.At = w.now.Add(-ago).Add(time.Duration(rapid.IntRange(-90, 90).Draw(t, "near")) * time.Second)
		all = append(all, d)
		w.o.put(d, w.now)
	}
	w.s.Put(all)
}

func (w *world) read(t *rapid.T) {
	q := metrics.Query{
		Region: "r", Metric: drawMetric(t),
		Unit: rapid.SampledFrom([]string{"", "None", "Count"}).Draw(t, "unit"),
		Statistic: rapid.SampledFrom([]string{
			"Sum", "Average", "Minimum", "Maximum", "SampleCount", "p50", "p99.9", "p0", "tm90", "TM(10%:80%)", "TM(2:7)", "wm90", "WM(20%:)",
			"WM(1:5)", "tc50", "TC(3:)", "ts90", "PR(:4)", "IQM",
		}).Draw(t, "statistic"),
		Period: time.Duration(rapid.SampledFrom([]int{1, 5, 10, 20, 30, 60, 120, 300, 420, 3600, 7200, 86400}).Draw(t, "period")) * time.Second,
	}
	unit := min(q.Period, time.Minute)
	ago := time.Duration(rapid.Int64Range(0, int64(500*24*time.Hour)).Draw(t, "from"))
	if rapid.Bool().Draw(t, "recent") || q.Period < time.Minute {
		ago = drawAgo(t)
	}
	q.Start = w.now.Add(-ago).Truncate(unit)
	q.End = q.Start.Add(time.Duration(rapid.IntRange(0, 400).Draw(t, "periods")) * q.Period)
	got, err := w.s.Read(q)
	if err != nil {
		t.Fatal(err)
	}
	want := w.o.read(q, w.s.marks)
	if diff := cmp.Diff(want, got, cmpopts.EquateEmpty(), cmpopts.EquateApprox(1e-12, 0)); diff != "" {
		t.Fatalf("%+v at %v, marks %v (-want +got):\n%s", q, w.now, w.s.marks, diff)
	}
}

func (w *world) flush(t *rapid.T) {
	if err := w.s.Flush(); err != nil {
		t.Fatal(err)
	}
}

func (w *world) wait(t *rapid.T) {
	w.now = w.now.Add(rapid.SampledFrom([]time.Duration{
		time.Second, 7 * time.Second, time.Minute, 5 * time.Minute, 16 * time.Minute, time.Hour, 4 * time.Hour, 24 * time.Hour, 16 * 24 * time.Hour,
		100 * 24 * time.Hour,
	}).Draw(t, "wait"))
	w.s.turn(w.now)
}

func (w *world) restart(t *rapid.T) {
	if err := w.s.Close(); err != nil {
		t.Fatal(err)
	}
	w.open(t)
}

// kill ends it as kill -9 does after the journal was written.
func (w *world) kill(t *rapid.T) {
	if err := w.s.writeJournal(w.now, rapid.Bool().Draw(t, "sync")); err != nil {
		t.Fatal(err)
	}
	w.die(t)
}

// killInFlush ends it between two steps of a flush.
func (w *world) killInFlush(t *rapid.T) {
	leaving, epoch, frame := w.s.freeze()
	if err := w.s.writeFrame(epoch, frame, true, w.now); err != nil {
		t.Fatal(err)
	}
	switch rapid.IntRange(0, 2).Draw(t, "step") {
	case 0:
	case 1:
		w.s.stay(leaving) // it could not be saved
		if err := w.s.writeJournal(w.now, true); err != nil {
			t.Fatal(err)
		}
	default:
		if len(leaving) > 0 {
			if err := w.s.save(leaving, epoch); err != nil {
				t.Fatal(err)
			}
		}
	}
	w.die(t)
}

func (w *world) die(t *rapid.T) {
	w.s.closed = true
	if err := w.s.shut(); err != nil {
		t.Fatal(err)
	}
	w.open(t)
}

func (w *world) list(t *rapid.T) {
	f := Filter{Region: "r", RecentlyActive: rapid.Bool().Draw(t, "active"), Limit: rapid.IntRange(1, 3).Draw(t, "limit")}
	if rapid.Bool().Draw(t, "by dimension") {
		f.Dimensions = []DimensionFilter{{Name: "Y"}}
	}
	since := w.now.Add(-14 * 24 * time.Hour)
	if f.RecentlyActive {
		since = w.now.Add(-3 * time.Hour)
	}
	want := map[string]bool{}
	for _, d := range w.o.data {
		at := d.At.Unix()
		if d.Resolution != 1 {
			at -= at % 60
		}
		if at >= since.Unix() && (len(f.Dimensions) == 0 || len(d.Dimensions) > 0) {
			want[d.Metric.String()] = true
		}
	}
	var got []string
	for {
		p, err := w.s.List(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range p.Metrics {
			got = append(got, m.String())
		}
		if f.After = p.Next; f.After == "" {
			break
		}
	}
	if !slices.IsSorted(got) || len(got) != len(want) || slices.ContainsFunc(got, func(m string) bool { return !want[m] }) {
		t.Fatalf("got %q, want %v", got, want)
	}
}
