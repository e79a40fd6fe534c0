package fellow

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/keep"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

var _ Archive = (*keep.Store)(nil)

var now = time.Date(2026, 3, 4, 12, 0, 0, 0, time.UTC)

func archive(t *testing.T) *keep.Store {
	t.Helper()
	s, err := keep.Open(keep.Config{Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func of(namespace string) metrics.Series {
	return metrics.Series{Region: "us-east-1", Unit: "Percent", Metric: model.Metric{
		Namespace: namespace, Name: "CPUUtilization", Dimensions: []model.Dimension{{Name: "ClusterName", Value: "default"}},
	}}
}

func put(s *keep.Store, namespace string, ago time.Duration, resolution int, values ...float64) {
	d := metrics.Datum{Series: of(namespace), At: now.Add(-ago), Resolution: resolution}
	for _, v := range values {
		d.Values, d.Counts = append(d.Values, v), append(d.Counts, 1)
		d.Add(metrics.One(v))
	}
	s.Put([]metrics.Datum{d})
}

// direct calls one server without a network.
type direct struct{ handler http.Handler }

func (d direct) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	d.handler.ServeHTTP(w, r)
	return w.Result(), nil
}

func fill(t *testing.T, from, to *keep.Store, since time.Duration) int {
	t.Helper()
	f := &Filler{
		Archive: to, From: now.Add(-since), To: now, Log: slog.New(slog.DiscardHandler),
		Client: &http.Client{Transport: direct{&History{Archive: from, Log: slog.New(slog.DiscardHandler)}}},
	}
	n, err := f.ask(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// TestFill: a server that was away gets what it lacks, as it was measured, once, and leaves what it has.
func TestFill(t *testing.T) {
	t.Parallel()
	there, here := archive(t), archive(t)
	for _, s := range []*keep.Store{there, here} { // before and after
		put(s, "AWS/ECS", 20*time.Minute, 60, 1, 2, 3)
		put(s, "Maitred", 20*time.Minute, 1, 4)
		put(s, "AWS/ECS", time.Minute, 60, 1, 2, 3)
		put(s, "Maitred", 30*time.Second, 1, 5, 6)
	}
	for i := range 10 { // meanwhile
		put(there, "AWS/ECS", time.Duration(i+5)*time.Minute, 60, 10, 20, float64(i))
		put(there, "Maitred", time.Duration(i+5)*time.Minute, 1, float64(i))
	}
	put(there, "AWS/ECS", 30*time.Hour, 60, 9) // before the time that is asked for
	put(there, "Maitred", 29*time.Hour, 1, 7)  // kept by the minute by now
	put(there, "App", 8*time.Minute, 60, 1)    // which goes from box to box
	if err := there.Flush(); err != nil {
		t.Fatal(err)
	}
	if n := fill(t, there, here, 29*time.Hour+time.Minute); n != 21 {
		t.Errorf("%d measurements were missing, want 21", n)
	}
	if n := fill(t, there, here, 29*time.Hour+time.Minute); n != 0 {
		t.Errorf("%d measurements are still missing", n)
	}
	for namespace, statistic := range map[string]string{"AWS/ECS": "p50", "Maitred": "Sum"} {
		for _, period := range []time.Duration{time.Minute, time.Second} {
			q := metrics.Query{Region: "us-east-1", Metric: of(namespace).Metric, Statistic: statistic, Period: period, Start: now.Add(-29*time.Hour - time.Minute), End: now}
			want, err := there.Read(q)
			if err != nil {
				t.Fatal(err)
			}
			got, err := here.Read(q)
			if diff := cmp.Diff(want, got); diff != "" || err != nil {
				t.Errorf("%s by %v (-there +here): %v\n%s", namespace, period, err, diff)
			}
		}
	}
	if series, err := here.Since(time.Unix(0, 0)); err != nil || len(series) != 2 {
		t.Errorf("there are series %v, %v", series, err)
	}
}

// TestFillAlone: nobody is asked where nobody is who was heard of lately.
func TestFillAlone(t *testing.T) {
	t.Parallel()
	w, end := newWorld(t)
	defer end()
	if _, err := w.store.Update(context.Background(), func(tx *store.Tx) error {
		for id, seen := range map[string]time.Duration{"b": 0, "dead": time.Hour, "new": 0, "old": time.Minute} {
			joined := map[string]time.Duration{"new": time.Minute, "old": time.Hour}[id]
			tx.Put(&model.Server{ID: id, Connected: true, Peer: &model.Peer{Address: id}, SeenAt: now.Add(-seen), JoinedAt: now.Add(-joined)})
		}
		tx.Put(&model.Server{ID: "gone", SeenAt: now, Peer: &model.Peer{Address: "gone"}})
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	f := &Filler{Store: w.store, Self: "b", Now: func() time.Time { return now }}
	if diff := cmp.Diff([]string{"old", "new"}, f.others()); diff != "" {
		t.Errorf("who is asked (-want +got):\n%s", diff)
	}
}

// TestHistoryRefused: a question that is none is refused.
func TestHistoryRefused(t *testing.T) {
	t.Parallel()
	h := &History{Archive: archive(t), Log: slog.New(slog.DiscardHandler)}
	for _, q := range []string{"", "from=1", "from=2&to=1", "from=a&to=b"} {
		if _, err := url.ParseQuery(q); err != nil {
			t.Fatal(err)
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, HistoryPath+"?"+q, http.NoBody))
		if w.Code != http.StatusBadRequest {
			t.Errorf("%q is answered with %d", q, w.Code)
		}
	}
}

// TestLongHistory: a series that is too long for a line comes in several, and wholly.
func TestLongHistory(t *testing.T) {
	t.Parallel()
	const most = 8 << 10
	there, here := archive(t), archive(t)
	for i := range 300 {
		put(there, "AWS/ECS", time.Duration(i+1)*time.Minute, 60, float64(i)/3, float64(i)/7, 1e-300/float64(i+3))
		put(there, "Maitred", time.Duration(i+1)*time.Second, 1, float64(i)/3)
	}
	many := make([]float64, 2000)
	for i := range many {
		many[i] = 1 / float64(i+1)
	}
	put(there, "AWS/ECS", 301*time.Minute, 60, many...) // a store keeps fewer by itself
	w := httptest.NewRecorder()
	h := &History{Archive: there, Log: slog.New(slog.DiscardHandler), most: most}
	h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, HistoryPath+"?from="+strconv.FormatInt(now.Add(-6*time.Hour).Unix(), 10)+"&to="+strconv.FormatInt(now.Unix(), 10), http.NoBody))
	lines, long := 0, 0
	for line := range strings.Lines(w.Body.String()) {
		if lines++; len(line) > most {
			long++
		}
	}
	if lines < 10 || long > 0 {
		t.Errorf("%d lines, of which %d are longer than %d bytes", lines, long, most)
	}
	f := &Filler{Archive: here, From: now.Add(-6 * time.Hour), To: now, Log: slog.New(slog.DiscardHandler), Client: &http.Client{Transport: direct{h}}}
	for _, want := range []int{601, 0} {
		if n, err := f.ask(t.Context(), "a"); err != nil || n != want {
			t.Errorf("%d measurements were missing, want %d: %v", n, want, err)
		}
	}
}

// counting counts how often series are looked up.
type counting struct {
	Archive
	exports int
}

func (c *counting) Export(series metrics.Series, start, end time.Time) ([]metrics.Datum, error) {
	c.exports++
	return c.Archive.Export(series, start, end)
}

// TestLookOnce: a series is looked up once, in however many lines it comes, and also when all of it is here.
func TestLookOnce(t *testing.T) {
	t.Parallel()
	there, here := archive(t), archive(t)
	for i := range 30 {
		put(there, "Maitred", time.Duration(i+1)*time.Second, 1, float64(i))
	}
	h := &History{Archive: there, Log: slog.New(slog.DiscardHandler), most: 1}
	for _, what := range []string{"nothing", "all"} {
		c := &counting{Archive: here}
		f := &Filler{Archive: c, From: now.Add(-time.Hour), To: now, Log: slog.New(slog.DiscardHandler), Client: &http.Client{Transport: direct{h}}}
		if _, err := f.ask(t.Context(), "a"); err != nil || c.exports != 1 {
			t.Errorf("of a series of which %s is here it was looked up %d times what is: %v", what, c.exports, err)
		}
	}
}

// TestPieces: what is cut is whole, in order, and as short as it is said to be.
func TestPieces(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.IntRange(1, 1<<14).Draw(t, "most")
		var data, got []metrics.Datum
		for i := range rapid.IntRange(0, 30).Draw(t, "data") {
			d := metrics.Datum{Series: of(rapid.String().Draw(t, "namespace")), At: now.Add(time.Duration(i)), Resolution: 60}
			d.Values = rapid.SliceOfN(rapid.Float64(), 0, 50).Draw(t, "values")
			d.Counts = d.Values
			data = append(data, d)
		}
		for some := range pieces(data, most) {
			text, err := json.Marshal(some)
			if err != nil {
				t.Fatal(err)
			}
			if len(some) == 0 || len(some) > 1 && len(text) > most {
				t.Errorf("%d data are in %d bytes, of at most %d", len(some), len(text), most)
			}
			got = append(got, some...)
		}
		if diff := cmp.Diff(data, got); diff != "" {
			t.Errorf("cut (-in +out):\n%s", diff)
		}
	})
}
