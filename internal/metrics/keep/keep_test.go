package keep

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func fixed(at time.Time) func() time.Time { return func() time.Time { return at } }

func open(t *testing.T, c Config) *Store {
	t.Helper()
	if c.Now == nil {
		c.Now = fixed(noon)
	}
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func datum(name string, at time.Time, v float64) metrics.Datum {
	return metrics.Datum{
		Series: metrics.Series{Region: "r", Unit: "None", Metric: model.Metric{Namespace: "N", Name: name}},
		At:     at, Stats: metrics.One(v), Resolution: 1,
	}
}

func query(name, statistic string, period time.Duration, start time.Time, periods int) metrics.Query {
	return metrics.Query{
		Region: "r", Metric: model.Metric{Namespace: "N", Name: name}, Statistic: statistic, Period: period,
		Start: start, End: start.Add(time.Duration(periods) * period),
	}
}

func read(t *testing.T, s *Store, q metrics.Query) string {
	t.Helper()
	points, err := s.Read(q)
	if err != nil {
		t.Fatal(err)
	}
	var text []string
	for _, p := range points {
		text = append(text, fmt.Sprintf("%s=%v", p.At.Format("15:04:05"), p.Value))
	}
	return strings.Join(text, " ")
}

// V56: 2, 4 and 5 put in one minute.
func TestMinute(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	for i, v := range []float64{2, 4, 5} {
		d := datum("m", noon.Add(time.Duration(7+20*i)*time.Second), v)
		d.Resolution = 60
		s.Put([]metrics.Datum{d})
	}
	for statistic, want := range map[string]string{
		"Sum": "12:00:00=11", "Minimum": "12:00:00=2", "Maximum": "12:00:00=5", "Average": "12:00:00=3.6666666666666665",
		"SampleCount": "12:00:00=3", "p50": "12:00:00=4",
	} {
		if got := read(t, s, query("m", statistic, time.Minute, noon, 5)); got != want {
			t.Errorf("%s is %s, want %s", statistic, got, want)
		}
	}
	if got := read(t, s, query("m", "Sum", 10*time.Second, noon, 10)); got != "" {
		t.Errorf("data of a minute has seconds: %s", got)
	}
}

func TestQueryErrors(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	for want, q := range map[string]metrics.Query{
		"the period must be":    query("m", "Sum", 90*time.Second, noon, 1),
		"is not a statistic":    query("m", "Median", time.Minute, noon, 1),
		"more than 500000":      query("m", "Sum", time.Second, noon, 500_001),
		"the period must be 1,": query("m", "Sum", 0, noon, 1),
	} {
		if _, err := s.Read(q); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s", err, want)
		}
	}
	if points, err := s.Read(query("m", "Sum", time.Minute, noon, -3)); err != nil || points != nil {
		t.Error(points, err)
	}
}

func TestDropped(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Limits: Limits{Series: 2}})
	nan, far := datum("a", noon, math.NaN()), datum("a", noon, 1<<361)
	none := datum("a", noon, 0)
	none.Stats = metrics.Stats{}
	uneven := datum("a", noon, 1)
	uneven.Values = []float64{1}
	turned := datum("a", noon, 1)
	turned.Stats = metrics.Stats{Count: 2, Sum: 3, Min: 2, Max: 1}
	s.Put([]metrics.Datum{
		datum("a", noon, 1), datum("b", noon, 1), datum("c", noon, 1), datum("a", noon, 1), // c is one too many
		datum("a", noon.Add(-14*24*time.Hour-1), 1), datum("a", noon.Add(2*time.Hour+1), 1), // too old, too far ahead
		nan, far, none, uneven, turned,
	})
	c := s.Counts()
	c.Bytes = 0
	if diff := cmp.Diff(Counts{Series: 2, OverSeries: 1, OutOfTime: 2, Invalid: 5}, c); diff != "" {
		t.Error(diff)
	}
	if got := read(t, s, query("a", "Sum", time.Minute, noon, 1)); got != "12:00:00=2" {
		t.Error(got)
	}
}

// TestRoom: series without data for long leave memory, and others come in; both can be read and are listed.
func TestRoom(t *testing.T) {
	t.Parallel()
	now := noon
	s := open(t, Config{Now: func() time.Time { return now }, Limits: Limits{Series: 3}})
	for i := range 30 {
		s.Put([]metrics.Datum{datum(fmt.Sprintf("m%02d", i), now, float64(i))})
		now = now.Add(7 * time.Minute)
		s.turn(now)
	}
	if c := s.Counts(); c.OverSeries != 0 || c.Series > 3 {
		t.Fatalf("%+v", c)
	}
	for i := range 30 {
		at := noon.Add(time.Duration(i) * 7 * time.Minute)
		if got, want := read(t, s, query(fmt.Sprintf("m%02d", i), "Sum", time.Minute, at, 1)), at.Format("15:04:05=")+fmt.Sprint(i); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
	names := func(f Filter) (all []string) {
		f.Region, f.Limit = "r", 4
		for {
			p, err := s.List(f)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range p.Metrics {
				all = append(all, m.Name)
			}
			if f.After = p.Next; f.After == "" {
				return all
			}
		}
	}
	if got := names(Filter{}); len(got) != 30 || !slices.IsSorted(got) {
		t.Error(got)
	}
	if got := names(Filter{Namespace: "N", RecentlyActive: true}); len(got) != 25 || got[0] != "m05" {
		t.Error(got)
	}
	if got := names(Filter{Namespace: "N", Name: "m03"}); !slices.Equal(got, []string{"m03"}) {
		t.Error(got)
	}
	if got := append(names(Filter{Namespace: "M"}), names(Filter{Dimensions: []DimensionFilter{{Name: "X"}}})...); got != nil {
		t.Error(got)
	}
	if _, err := s.List(Filter{After: "?"}); err == nil {
		t.Error("a wrong token is taken")
	}
}

// TestMemoryLimit: data leaves for the database early; if it cannot, data is dropped and counted, and what is there stays.
func TestMemoryLimit(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Dir: t.TempDir(), Limits: Limits{Bytes: 64 << 10}})
	want := 0
	put := func(rounds int) {
		for i := range rounds {
			d := datum("m", noon.Add(time.Duration(i%250)*time.Second), math.Pi*float64(i))
			d.Name = fmt.Sprintf("m%d", i%20)
			s.Put([]metrics.Datum{d})
		}
	}
	for range 30 {
		put(500)
		want += 500
		select {
		case <-s.early:
			s.hurry(noon)
		default:
		}
		s.turn(noon)
	}
	if c := s.Counts(); c.OverMemory > 0 {
		t.Errorf("%+v", c)
	}
	put(100_000)
	c := s.Counts()
	if c.OverMemory == 0 || c.Bytes > 128<<10 {
		t.Errorf("%+v", c)
	}
	want += 100_000 - int(c.OverMemory)
	got := 0.0
	for i := range 20 {
		points, err := s.Read(query(fmt.Sprintf("m%d", i), "SampleCount", 5*time.Minute, noon, 1))
		if err != nil || len(points) != 1 {
			t.Fatal(points, err)
		}
		got += points[0].Value
	}
	if int(got) != want {
		t.Errorf("%v measurements are there, want %d", got, want)
	}
}

// TestKilled cuts the journal of a killed store at each byte of its tail: each second that is whole there is whole, and what
// was put after that is lost; nothing is there twice, and the store goes on.
func TestKilled(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	s.Put([]metrics.Datum{datum("m", noon, 1)})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	for i := range 4 {
		for j := range 3 {
			s.Put([]metrics.Datum{datum("m", noon.Add(time.Duration(j)*time.Second), float64(10*i))})
		}
		if err := s.writeJournal(noon, true); err != nil {
			t.Fatal(err)
		}
	}
	segment := filepath.Join("journal", "000000000002.journal")
	whole, err := os.ReadFile(filepath.Join(dir, segment))
	if err != nil {
		t.Fatal(err)
	}
	last := -1.0
	for cut := range len(whole) + 1 {
		copied := t.TempDir()
		for _, name := range []string{"metrics.db", "metrics.db-wal"} {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(copied, name), b, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Mkdir(filepath.Join(copied, "journal"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(copied, segment), whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		r, err := Open(Config{Dir: copied, Now: fixed(noon)})
		if err != nil {
			t.Fatal(err)
		}
		points, err := r.Read(query("m", "Sum", time.Minute, noon, 1))
		if err != nil || len(points) != 1 || (points[0].Samples-1)/3 != float64(int((points[0].Samples-1)/3)) || points[0].Samples < last {
			t.Fatalf("cut at %d: %v, %v after %v", cut, points, err, last)
		}
		last = points[0].Samples
		r.Put([]metrics.Datum{datum("m", noon, 5)})
		if err := r.Close(); err != nil {
			t.Fatal(err)
		}
		if r, err = Open(Config{Dir: copied, Now: fixed(noon)}); err != nil {
			t.Fatal(err)
		}
		again, err := r.Read(query("m", "Sum", time.Minute, noon, 1))
		if err != nil || len(again) != 1 || again[0].Samples != last+1 || again[0].Value != points[0].Value+5 {
			t.Fatalf("cut at %d: %v after %v, %v", cut, again, points, err)
		}
		r.Close()
	}
	if last != 13 {
		t.Errorf("%v measurements are in the whole journal", last)
	}
}

func TestDamagedDatabase(t *testing.T) {
	t.Parallel()
	for _, from := range []int64{0, 4096} { // the header; the pages of the tables
		dir := t.TempDir()
		s, err := Open(Config{Dir: dir, Now: fixed(noon)})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 3000 {
			s.Put([]metrics.Datum{datum(fmt.Sprint("m", i), noon, 1)})
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "metrics.db")
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copy(b[from:], bytes.Repeat([]byte{0x5a}, len(b)-int(from)))
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		s, err = Open(Config{Dir: dir, Now: fixed(noon)})
		if err == nil {
			_, err = s.Read(query("m1", "Sum", time.Minute, noon, 1))
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "move it away") {
			t.Errorf("damaged from %d on: %v", from, err)
		}
	}
}

// TestDamagedRow: a read says which row is damaged; a flush keeps what is new, says it, and counts it.
func TestDamagedRow(t *testing.T) {
	t.Parallel()
	now, said := noon, &bytes.Buffer{}
	s := open(t, Config{Now: func() time.Time { return now }, Log: slog.New(slog.NewTextHandler(said, nil))})
	s.Put([]metrics.Datum{datum("m", noon.Add(-time.Hour), 1)})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.disk.write.ExecContext(t.Context(), `UPDATE slot SET points = x'ffff', fine = x'ffff'`); err != nil {
		t.Fatal(err)
	}
	q := query("m", "Sum", time.Minute, noon.Add(-time.Hour), 1)
	if _, err := s.Read(q); err == nil || !strings.Contains(err.Error(), "table slot") {
		t.Fatal(err)
	}
	s.Put([]metrics.Datum{datum("m", noon.Add(-time.Hour), 7)})
	if err := s.Flush(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, s, q); got != "11:00:00=7" || s.Counts().Damaged != 1 || !strings.Contains(said.String(), "damaged") {
		t.Error(got, s.Counts(), said)
	}
}

func TestVersion(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	s := open(t, Config{Dir: dir})
	if _, err := s.disk.write.ExecContext(t.Context(), `UPDATE meta SET value = 9 WHERE name = 'version'`); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), "version 9") {
		t.Error(err)
	}
}

// TestFailedFlush: what cannot be saved stays, can be read, and is saved later, once.
func TestFailedFlush(t *testing.T) {
	t.Parallel()
	s := open(t, Config{Dir: t.TempDir()})
	s.Put([]metrics.Datum{datum("m", noon, 1)})
	if _, err := s.disk.write.ExecContext(t.Context(), `ALTER TABLE slot RENAME TO away`); err != nil {
		t.Fatal(err)
	}
	if err := s.Flush(); err == nil {
		t.Fatal("it was saved")
	}
	s.Put([]metrics.Datum{datum("m", noon, 2)})
	q := query("m", "Sum", time.Minute, noon, 1)
	if got := read(t, s, q); got != "12:00:00=3" {
		t.Error(got)
	}
	if _, err := s.disk.write.ExecContext(t.Context(), `ALTER TABLE away RENAME TO slot`); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		if got := read(t, s, q); got != "12:00:00=3" {
			t.Error(got)
		}
	}
}

// TestCrowded: any number of measurements in the same seconds take bounded memory.
func TestCrowded(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	for i := range 50_000 {
		s.Put([]metrics.Datum{datum("m", noon.Add(time.Duration(i%7)*time.Second), math.Sqrt(float64(i)))})
	}
	if c := s.Counts(); c.Bytes > 64<<10 {
		t.Errorf("%+v", c)
	}
	if got := read(t, s, query("m", "SampleCount", time.Minute, noon, 1)); got != "12:00:00=50000" {
		t.Error(got)
	}
}

func TestClosed(t *testing.T) {
	t.Parallel()
	s := open(t, Config{})
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s.Put([]metrics.Datum{datum("m", noon, 1)})
	_, read := s.Read(query("m", "Sum", time.Minute, noon, 1))
	_, list := s.List(Filter{})
	if c := s.Counts(); c.AfterClose != 1 || !errors.Is(read, ErrClosed) || !errors.Is(list, ErrClosed) || !errors.Is(s.Flush(), ErrClosed) {
		t.Error(c, read, list)
	}
	s.turn(noon)
}

// TestRun: the loop moves data into the database after 5 minutes, and ends with its context.
func TestRun(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(Config{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		s.Put([]metrics.Datum{datum("m", time.Now(), 1)})
		time.Sleep(flushEvery + 2*writeEvery) // the bubble's time
		synctest.Wait()
		var rows int
		if err := s.disk.write.QueryRowContext(ctx, `SELECT count(*) FROM slot`).Scan(&rows); err != nil || rows != 1 {
			t.Error(rows, err)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
}
