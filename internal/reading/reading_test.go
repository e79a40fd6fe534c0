package reading_test

import (
	"context"
	"errors"
	"math"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/reading"
)

// TestBuckets: a time is in a bucket whose middle is near it, and longer times are never in lower buckets.
func TestBuckets(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		d := time.Duration(rapid.Int64Range(0, int64(130*time.Second)).Draw(t, "time"))
		b := reading.BucketOf(d)
		off := math.Abs(reading.Middle(b) - d.Seconds())
		if width := max(d.Seconds()/32, 8e-6); off > width*1.001 {
			t.Errorf("%s is in a bucket whose middle is %v", d, reading.Middle(b))
		}
		if d.Seconds() > reading.Upper(b) || b > 0 && d.Seconds() < reading.Upper(b-1)-1e-12 {
			t.Errorf("%s is in the bucket from %v to %v", d, reading.Upper(b-1), reading.Upper(b))
		}
		if more := d + time.Duration(rapid.Int64Range(0, int64(time.Second)).Draw(t, "more")); reading.BucketOf(more) < b {
			t.Errorf("%s is in a lower bucket than %s", more, d)
		}
	})
	for d, want := range map[time.Duration]int{-time.Second: 0, 0: 0, 24 * time.Hour: reading.Buckets - 1, math.MaxInt64: reading.Buckets - 1} {
		if got := reading.BucketOf(d); got != want {
			t.Errorf("%s is in bucket %d, want %d", d, got, want)
		}
	}
}

func drawLatency(t *rapid.T) (l reading.Latency) {
	for _, d := range rapid.SliceOfN(rapid.Int64Range(0, int64(time.Minute)), 0, 10).Draw(t, "times") {
		s := time.Duration(d).Seconds()
		l.Add(&reading.Latency{
			Count: 1, Sum: s, Min: s, Max: s, Buckets: []reading.InRange{{Bucket: reading.BucketOf(time.Duration(d)), Count: 1}},
		})
	}
	return l
}

// TestLatency adds distributions: nothing is lost, and the buckets stay in order.
func TestLatency(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := drawLatency(t), drawLatency(t)
		sum := reading.Latency{Count: a.Count, Sum: a.Sum, Min: a.Min, Max: a.Max, Buckets: slices.Clone(a.Buckets)}
		sum.Add(&b)
		if sum.Count != a.Count+b.Count {
			t.Errorf("%d and %d make %d", a.Count, b.Count, sum.Count)
		}
		var n int64
		for _, x := range sum.Buckets {
			n += x.Count
		}
		if n != sum.Count || !slices.IsSortedFunc(sum.Buckets, func(a, b reading.InRange) int { return a.Bucket - b.Bucket }) {
			t.Errorf("the buckets are %v", sum.Buckets)
		}
		values, counts := sum.Values()
		if len(values) != len(counts) || len(values) > 0 && (slices.Min(values) < sum.Min || slices.Max(values) > sum.Max) {
			t.Errorf("the values %v are not between %v and %v", values, sum.Min, sum.Max)
		}
	})
}

func drawFrame(t *rapid.T) reading.Frame {
	text := rapid.SampledFrom([]string{"", "a", "arn:aws:b", "targetgroup/\"x\"\n", "€"})
	n := rapid.Int64Range(0, 1<<40)
	f := reading.Frame{Second: n.Draw(t, "second")}
	for range rapid.IntRange(0, 3).Draw(t, "tasks") {
		f.Tasks = append(f.Tasks, reading.Task{ARN: text.Draw(t, "task"), Cores: rapid.Float64Range(0, 100).Draw(t, "cores"), CPU: 1, Memory: n.Draw(t, "memory")})
		if last := &f.Tasks[len(f.Tasks)-1]; rapid.Bool().Draw(t, "io") {
			last.Network = &reading.Network{In: 1.5, Out: rapid.Float64Range(0, 100).Draw(t, "out"), Received: n.Draw(t, "received"), Sent: 0}
			last.Disk = &reading.Disk{Read: n.Draw(t, "read"), Written: 7}
		}
	}
	for range rapid.IntRange(0, 3).Draw(t, "routes") {
		f.Routes = append(f.Routes, reading.Route{
			Listener: text.Draw(t, "listener"), Rule: text.Draw(t, "rule"), Group: text.Draw(t, "group"), Target: text.Draw(t, "target"),
			Requests: reading.Requests{Chosen: n.Draw(t, "chosen"), Answers: [4]int64{1, 2, 3, 4}, Own502: 5, Latency: drawLatency(t)},
		})
	}
	for range rapid.IntRange(0, 3).Draw(t, "flows") {
		f.Flows = append(f.Flows, reading.Flow{
			Listener: text.Draw(t, "listener"), Group: text.Draw(t, "group"), Target: text.Draw(t, "target"),
			Flows: reading.Flows{Protocol: "TCP", New: n.Draw(t, "new"), Sent: 7},
		})
	}
	f.Listeners = []reading.Listener{{ARN: text.Draw(t, "listener"), Active: 1, New: 2, TLSFails: 3}}
	f.Groups = []reading.Group{{
		ARN: text.Draw(t, "group"), Healthy: 1, Unhealthy: 2, Registered: 3, Eligible: 4, InFlight: 5, FailOpen: true,
		Judged: rapid.Bool().Draw(t, "judged"), Anomalous: 6, Mitigated: 7,
	}}
	return f
}

func TestEncode(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		f := drawFrame(t)
		text, err := reading.Encode(&f)
		if err != nil {
			t.Fatal(err)
		}
		got, err := reading.Decode(text)
		if diff := cmp.Diff(f, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
			t.Errorf("%v, decoded (-want +got):\n%s", err, diff)
		}
	})
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte(`{"q":1,"s":2,"names":["a"],"tasks":[{"a":0,"c":0.5,"t":1,"m":2}]}`))
	f.Add([]byte(`{"routes":[{"w":[0,1,2,3],"n":1,"l":{"n":1,"s":1,"a":1,"z":1,"b":[[3,1]]}}],"names":["a","b","c","d"]}`))
	f.Add([]byte(`{"tasks":[{"a":7}]}`))
	f.Add([]byte(`{"routes":[{"l":{"b":[[-1,1]]}}]}`))
	f.Add([]byte(`nonsense`))
	f.Fuzz(func(t *testing.T, text []byte) {
		frame, err := reading.Decode(text)
		if err != nil {
			return
		}
		again, err := reading.Encode(&frame)
		if err != nil {
			t.Fatalf("what was decoded is not encoded: %v", err)
		}
		if got, err := reading.Decode(again); err != nil || !cmp.Equal(frame, got, cmpopts.EquateEmpty()) {
			t.Errorf("%v: %+v became %+v", err, frame, got)
		}
		for i := range frame.Routes {
			frame.Routes[i].Latency.Values()
		}
	})
}

// TestPeriod: timers may be early, late, or in a clock that was set back.
func TestPeriod(t *testing.T) {
	t.Parallel()
	at := func(ms int) time.Time { return time.Unix(100, 0).Add(time.Duration(ms) * time.Millisecond) }
	for name, c := range map[string]struct{ now, last, want time.Time }{
		"first":    {at(300), time.Time{}, at(0)},
		"next":     {at(1001), at(0), at(1000)},
		"early":    {at(999), at(0), at(1000)},
		"late":     {at(5300), at(0), at(5000)},
		"set back": {at(-7000), at(0), at(-7000)},
	} {
		if got := reading.Period(c.now, c.last, time.Second); !got.Equal(c.want) {
			t.Errorf("%s: got %s, want %s", name, got, c.want)
		}
	}
}

// stage is a feed, and what reads it.
type stage struct {
	*testing.T
	feed   *reading.Feed
	server *httptest.Server
	cursor reading.Cursor
}

func newStage(t *testing.T) *stage {
	t.Helper()
	s := &stage{T: t}
	s.restart("one")
	return s
}

// restart has another process measure.
func (s *stage) restart(run string) {
	if s.server != nil {
		s.server.Close()
	}
	s.feed = reading.NewFeed(run)
	s.server = httptest.NewServer(s.feed)
	s.Cleanup(s.server.Close)
}

// add adds a frame for each second of a range.
func (s *stage) add(from, to int64) {
	for second := from; second <= to; second++ {
		s.feed.Add(reading.Frame{Second: second})
	}
}

// read reads until a second comes, and goes away.
func (s *stage) read(until int64) (seconds []int64) {
	s.Helper()
	ctx, cancel := context.WithCancel(s.Context())
	defer cancel()
	err := reading.Follow(ctx, s.server.Client(), s.server.URL, &s.cursor, func(f reading.Frame) {
		if seconds = append(seconds, f.Second); f.Second == until {
			cancel()
		}
	})
	if err == nil {
		s.Error("a stream ended without an error")
	}
	return seconds
}

func span(from, to int64) (list []int64) {
	for n := from; n <= to; n++ {
		list = append(list, n)
	}
	return list
}

// TestFeed: who comes again reads on where it stopped, who comes too late misses what is not kept, and a process that was
// started anew is read from its beginning.
func TestFeed(t *testing.T) {
	t.Parallel()
	s := newStage(t)
	s.add(1, 10)
	for _, c := range []struct {
		what   string
		before func()
		want   []int64
	}{
		{"first", func() {}, span(1, 10)},
		{"again", func() { s.add(11, 70) }, span(11, 70)},
		{"too late", func() { s.add(71, 170) }, span(96, 170)},
		{"live", func() { go s.add(171, 180) }, span(171, 180)},
		{"another run", func() { s.restart("two"); s.add(300, 305) }, span(300, 305)},
	} {
		c.before()
		if got := s.read(c.want[len(c.want)-1]); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", c.what, got, c.want)
		}
	}
}

// TestFollowRefused: what is no feed is an error.
func TestFollowRefused(t *testing.T) {
	t.Parallel()
	h := httptest.NewServer(nil)
	defer h.Close()
	var c reading.Cursor
	if err := reading.Follow(t.Context(), h.Client(), h.URL+"/nowhere", &c, func(reading.Frame) {}); !errors.Is(err, reading.ErrRefused) {
		t.Errorf("got %v, want %v", err, reading.ErrRefused)
	}
}
