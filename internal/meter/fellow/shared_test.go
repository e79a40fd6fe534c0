package fellow

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world is a store that knows of two servers.
type world struct {
	rapid.TB
	store *store.Store
}

func newWorld(t rapid.TB, ids ...string) (w *world, end func()) {
	t.Helper()
	backend := mem.New(mem.Options{})
	s, err := store.Open(context.Background(), backend, store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	w = &world{t, s}
	for _, id := range ids {
		w.connected(id, true)
	}
	return w, func() { s.Close(); _ = backend.Close() }
}

func (w *world) connected(id string, so bool) {
	w.Helper()
	if _, err := w.store.Update(context.Background(), func(tx *store.Tx) error {
		tx.Put(&model.Server{ID: id, Connected: so, Peer: &model.Peer{Address: id}})
		return nil
	}); err != nil {
		w.Fatal(err)
	}
}

func open(t rapid.TB, file string) *Box {
	t.Helper()
	b, err := Open(Config{File: file, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func datum(v float64) []metrics.Datum {
	return []metrics.Datum{{
		Series: metrics.Series{Region: "us-east-1", Unit: "Count", Metric: model.Metric{Namespace: "App", Name: "Jobs", Dimensions: []model.Dimension{{Name: "A", Value: "b\n c"}}}},
		At:     time.Unix(1_800_000_000, 0).UTC(), Stats: metrics.One(v), Values: []float64{v}, Counts: []float64{1}, Resolution: 60,
	}}
}

// got is what a server was told by others.
type got struct {
	mu   sync.Mutex
	sums []float64
	news chan struct{}
}

func newGot() *got { return &got{news: make(chan struct{}, 1)} }

func (g *got) Put(data []metrics.Datum) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, d := range data {
		g.sums = append(g.sums, d.Sum)
	}
	select {
	case g.news <- struct{}{}:
	default:
	}
}

// until waits for as many measurements, and gives them.
func (g *got) until(n int) []float64 {
	for {
		g.mu.Lock()
		sums := slices.Clone(g.sums)
		g.mu.Unlock()
		if len(sums) >= n {
			return sums
		}
		select {
		case <-g.news:
		case <-time.After(time.Hour): // of virtual time, mostly: then nothing comes any more
			return sums
		}
	}
}

// wires are direct lines without a network. A line can be cut after so many bytes, again and again.
type wires struct {
	mu    sync.Mutex
	boxes map[string]*Box
	cut   int // bytes after which a line breaks; 0: never
	open  sync.WaitGroup
}

// RoundTrip implements http.RoundTripper.
func (x *wires) RoundTrip(r *http.Request) (*http.Response, error) {
	x.mu.Lock()
	b, limit := x.boxes[r.URL.Host], x.cut
	x.mu.Unlock()
	if b == nil {
		return nil, errors.New("it is away")
	}
	body, to := io.Pipe()
	w := &wire{header: http.Header{}, to: to, begun: make(chan struct{}), limit: limit}
	x.open.Go(func() {
		b.ServeHTTP(w, r)
		_ = to.CloseWithError(io.ErrUnexpectedEOF)
	})
	<-w.begun
	return &http.Response{StatusCode: http.StatusOK, Header: w.header, Body: body, Request: r}, nil
}

func (x *wires) serve(b *Box) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.boxes["a"] = b
}

type wire struct {
	header      http.Header
	to          *io.PipeWriter
	begun       chan struct{}
	limit, sent int
}

func (w *wire) Header() http.Header { return w.header }
func (w *wire) WriteHeader(int)     { close(w.begun) }
func (w *wire) Flush()              {}

func (w *wire) Write(p []byte) (int, error) {
	if w.limit > 0 && w.sent+len(p) > w.limit {
		n, _ := w.to.Write(p[:max(0, w.limit-w.sent)])
		return n, errors.New("the line is cut")
	}
	w.sent += len(p)
	return w.to.Write(p)
}

// follow has the server b read until stop is called.
func (w *world) follow(x *wires, box *Box, put metrics.Putter) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	f := &Follower{Store: w.store, Self: "b", Box: box, Put: put, Client: &http.Client{Transport: x}, Log: slog.New(slog.DiscardHandler)}
	go func() { defer close(done); _ = f.Run(ctx) }()
	return func() { cancel(); <-done; x.open.Wait() }
}

// TestFollow: a server gets what another one is given, from before it came, while it is there, and while it was away.
func TestFollow(t *testing.T) {
	t.Parallel()
	w, end := newWorld(t, "a", "b")
	defer end()
	dir, x, g := t.TempDir(), &wires{boxes: map[string]*Box{}}, newGot()
	a := open(t, filepath.Join(dir, "a.db"))
	x.serve(a)
	a.Put(datum(1))
	for round := range 3 { // each is a start of the second server
		b := open(t, filepath.Join(dir, "b.db"))
		stop := w.follow(x, b, g)
		a.Put(datum(float64(2*round + 2)))
		g.until(2*round + 2)
		stop()
		a.Put(datum(float64(2*round + 3)))
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if want := []float64{1, 2, 3, 4, 5, 6}; !slices.Equal(g.until(6), want) {
		t.Errorf("got %v, want %v", g.until(6), want)
	}
	if err := a.Close(); err != nil {
		t.Fatal(err)
	}
	// The first server lost its disk: what it is given now has the same numbers, and is new.
	a = open(t, filepath.Join(dir, "new.db"))
	x.serve(a)
	a.Put(datum(8))
	b := open(t, filepath.Join(dir, "b.db"))
	stop := w.follow(x, b, g)
	if got := g.until(7); got[6] != 8 {
		t.Errorf("got %v of the new box, want 8", got[6:])
	}
	stop()
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestWhole: what is put arrives as it was.
func TestWhole(t *testing.T) {
	t.Parallel()
	b := open(t, filepath.Join(t.TempDir(), "a.db"))
	defer func() { _ = b.Close() }()
	want := datum(1.5)
	b.Put(want)
	found, err := b.after(t.Context(), 0)
	if err != nil || len(found) != 1 {
		t.Fatalf("%v, %v", found, err)
	}
	seq, data, err := parse(append([]byte(fmt.Sprint(found[0].seq, " ")), found[0].data...))
	if err != nil || seq != leap+1 || len(data) != 1 || fmt.Sprintf("%+v", data[0]) != fmt.Sprintf("%+v", want[0]) {
		t.Errorf("got %d, %+v, %v, want %+v", seq, data, err, want)
	}
}

// TestGoodbye: a server that said goodbye is not read, and one that is back is.
func TestGoodbye(t *testing.T) {
	t.Parallel()
	w, end := newWorld(t, "b")
	defer end()
	w.connected("a", false)
	x, g := &wires{boxes: map[string]*Box{}}, newGot()
	a, b := open(t, filepath.Join(t.TempDir(), "a.db")), open(t, filepath.Join(t.TempDir(), "b.db"))
	x.serve(a)
	a.Put(datum(1))
	stop := w.follow(x, b, g)
	w.connected("a", true)
	g.until(1)
	stop()
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestPrune: what is too old or too much goes, the oldest first, and numbers are not given twice.
func TestPrune(t *testing.T) {
	t.Parallel()
	now := time.Unix(1_800_000_000, 0)
	b, err := Open(Config{File: filepath.Join(t.TempDir(), "a.db"), Now: func() time.Time { return now }, Bytes: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = b.Close() }()
	numbers := func() (seqs []uint64) {
		t.Helper()
		if err := b.prune(t.Context()); err != nil {
			t.Fatal(err)
		}
		found, err := b.after(t.Context(), 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, x := range found {
			seqs = append(seqs, x.seq-leap)
		}
		return seqs
	}
	one := datum(1)
	b.Put(one)
	found, _ := b.after(t.Context(), 0)
	b.config.Bytes = int64(3 * len(found[0].data))
	b.Put(one)
	b.Put(one)
	if got := numbers(); !slices.Equal(got, []uint64{1, 2, 3}) {
		t.Errorf("what fits is %v", got)
	}
	b.Put(one)
	if got := numbers(); !slices.Equal(got, []uint64{2, 3, 4}) {
		t.Errorf("of four, three fit: %v", got)
	}
	now = now.Add(keepFor + time.Second)
	if got := numbers(); len(got) != 0 {
		t.Errorf("%v are too old", got)
	}
	b.Put(one)
	if got := numbers(); !slices.Equal(got, []uint64{5}) {
		t.Errorf("the next number is %v", got)
	}
}

// TestCut puts on two servers while lines break and servers are started again: each gets all of the other, once and in order.
func TestCut(t *testing.T) {
	t.Parallel()
	dir, n := t.TempDir(), 0
	rapid.Check(t, func(r *rapid.T) {
		n++
		cuts := rapid.SliceOfN(rapid.IntRange(0, 1500), 1, 4).Draw(r, "bytes after which lines break")
		puts := rapid.SliceOfN(rapid.IntRange(0, 3), len(cuts), len(cuts)).Draw(r, "batches that are put meanwhile")
		var want, got []float64
		synctest.Test(t, func(t *testing.T) { want, got = cut(t, filepath.Join(dir, fmt.Sprint(n)), cuts, puts) }) // pauses take no time
		if !slices.Equal(got, want) {
			r.Errorf("got %v, want %v", got, want)
		}
	})
}

// cut puts batches while lines break after so many bytes, and gives what was put and what arrived when nothing breaks any more.
func cut(t *testing.T, dir string, cuts, puts []int) (want, got []float64) {
	t.Helper()
	w, end := newWorld(t, "a", "b")
	defer end()
	x, g := &wires{boxes: map[string]*Box{}}, newGot()
	a, b := open(t, filepath.Join(dir, "a")), open(t, filepath.Join(dir, "b"))
	x.serve(a)
	breaks := func(after int) {
		x.mu.Lock()
		defer x.mu.Unlock()
		x.cut = after
	}
	for i, after := range cuts {
		breaks(after)
		stop := w.follow(x, b, g)
		for range puts[i] {
			want = append(want, float64(len(want)))
			a.Put(datum(want[len(want)-1]))
		}
		stop()
	}
	breaks(0)
	stop := w.follow(x, b, g)
	got = g.until(len(want))
	stop()
	if err := errors.Join(a.Close(), b.Close()); err != nil {
		t.Fatal(err)
	}
	return want, got
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(`1 [{"Namespace":"a"}]`))
	f.Add([]byte(` `))
	f.Add([]byte(`18446744073709551615 []`))
	f.Fuzz(func(t *testing.T, line []byte) {
		seq, data, err := parse(line)
		if err != nil && (seq != 0 || data != nil) {
			t.Errorf("of what is no batch: %d, %v", seq, data)
		}
	})
}
