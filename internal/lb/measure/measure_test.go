package measure_test

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/maitred/maitred/internal/lb/l4"
	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/lb/measure"
	"github.com/maitred/maitred/internal/reading"
)

const (
	listener = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener/app/web/0123456789abcdef/fedcba9876543210"
	group    = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef"
	target   = group + "/-/127.0.0.1:80"
)

// plain is a request that a target answered.
func plain() l7.Sample {
	return l7.Sample{
		Listener: listener, Group: group, Target: target, Type: "http", Action: "forward", Code: 200, TargetCode: 200,
		Target1st: time.Millisecond, Received: 100, Sent: 1000, Class: "Compliant",
	}
}

func taken(r *measure.Recorder) (f reading.Frame) {
	r.Take(&f)
	return f
}

// TestHTTP counts requests of all sorts, each alone.
func TestHTTP(t *testing.T) {
	t.Parallel()
	none := func(s *l7.Sample) { s.Group, s.Target, s.TargetCode, s.Target1st, s.Generated = "", "", 0, -1, true }
	for name, c := range map[string]struct {
		change func(*l7.Sample)
		want   reading.Requests
	}{
		"answered": {func(*l7.Sample) {}, reading.Requests{Chosen: 1, Answers: [4]int64{1}}},
		"an error of the target": {
			func(s *l7.Sample) { s.Code, s.TargetCode = 503, 503 }, reading.Requests{Chosen: 1, Answers: [4]int64{0, 0, 0, 1}},
		},
		"a target that breaks off": {
			func(s *l7.Sample) { s.Code, s.TargetCode, s.Generated, s.Target1st, s.Refusals = 502, 0, true, -1, 2 },
			reading.Requests{Chosen: 1, Own: [4]int64{0, 0, 0, 1}, Own502: 1, ConnErrors: 2},
		},
		"a client that leaves": {
			func(s *l7.Sample) { s.Code, s.TargetCode, s.Generated, s.Target1st = 460, 0, true, -1 },
			reading.Requests{Chosen: 1, Own: [4]int64{0, 0, 1}},
		},
		"no target": {func(s *l7.Sample) { none(s); s.Code = 503 }, reading.Requests{Own: [4]int64{0, 0, 0, 1}, Own503: 1}},
		"redirect": {
			func(s *l7.Sample) { none(s); s.Code, s.Action = 301, "redirect" }, reading.Requests{Own: [4]int64{0, 1}, Redirects: 1},
		},
		"a redirect that is too long": {
			func(s *l7.Sample) { none(s); s.Code, s.Action = 500, "redirect" }, reading.Requests{Own: [4]int64{0, 0, 0, 1}, Own500: 1, Long: 1},
		},
		"no redirect": {
			func(s *l7.Sample) { none(s); s.Code, s.Action = 400, "redirect" }, reading.Requests{Own: [4]int64{0, 0, 1}},
		},
		"fixed response": {
			func(s *l7.Sample) { none(s); s.Code, s.Action = 200, "fixed-response" }, reading.Requests{Own: [4]int64{1}, Fixed: 1},
		},
		"too slow":        {func(s *l7.Sample) { none(s); s.Code = 504 }, reading.Requests{Own: [4]int64{0, 0, 0, 1}, Own504: 1}},
		"our fault":       {func(s *l7.Sample) { none(s); s.Code = 500 }, reading.Requests{Own: [4]int64{0, 0, 0, 1}, Own500: 1}},
		"a tunnel":        {func(s *l7.Sample) { s.Code, s.TargetCode = 101, 101 }, reading.Requests{Chosen: 1}},
		"what is no code": {func(s *l7.Sample) { s.TargetCode = 999 }, reading.Requests{Chosen: 1}},
		"all that is rare": {
			func(s *l7.Sample) {
				s.Type, s.Dropped, s.Class, s.FailOpen = "grpcs", 2, "Ambiguous", true
				s.Insecure, s.NonSticky, s.Rules, s.Invalid = 2, true, 3, true
			},
			reading.Requests{
				Chosen: 1, Answers: [4]int64{1}, GRPC: 1, Dropped: 1, Desync: 1, Unhealthy: 1, TLSErrors: 2, NonSticky: 1, Rules: 3, Invalid: 1,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var r measure.Recorder
			s := plain()
			c.change(&s)
			r.HTTP(s)
			c.want.Received, c.want.Sent = 100, 1000
			if s.Target1st >= 0 {
				b := []reading.InRange{{Bucket: reading.BucketOf(time.Millisecond), Count: 1}}
				c.want.Latency = reading.Latency{Count: 1, Sum: 0.001, Min: 0.001, Max: 0.001, Buckets: b}
			}
			want := reading.Frame{Routes: []reading.Route{{Listener: listener, Group: s.Group, Target: s.Target, Requests: c.want}}}
			if diff := cmp.Diff(want, taken(&r)); diff != "" {
				t.Errorf("the frame (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(reading.Frame{}, taken(&r)); diff != "" {
				t.Errorf("the next frame (-want +got):\n%s", diff)
			}
		})
	}
}

// TestFlow takes a connection from its beginning to its end.
func TestFlow(t *testing.T) {
	t.Parallel()
	var r measure.Recorder
	s := l4.Sample{Listener: listener, Group: group, Target: target, Protocol: "TCP"}
	is := func(what string, want reading.Flows) {
		t.Helper()
		want.Protocol = "TCP"
		f := taken(&r)
		if len(f.Flows) != 1 || f.Flows[0].Flows != want {
			t.Errorf("%s: got %+v, want %+v", what, f.Flows, want)
		}
	}
	tell := func(change func(*l4.Sample)) {
		x := s
		change(&x)
		r.Flow(x)
	}
	tell(func(s *l4.Sample) { s.New, s.FailOpen, s.FromClient = true, true, 5 })
	is("new", reading.Flows{New: 1, Active: 1, Unhealthy: 1, Received: 5})
	is("nothing new", reading.Flows{Active: 1})
	tell(func(s *l4.Sample) { s.ToClient = 7 })
	is("bytes", reading.Flows{Active: 1, Sent: 7})
	tell(func(s *l4.Sample) { s.End = l4.EndClientReset })
	is("the end", reading.Flows{ClientResets: 1})
	if f := taken(&r); len(f.Flows) != 0 {
		t.Errorf("after the end: got %+v", f.Flows)
	}
	for end, want := range map[l4.End]reading.Flows{
		l4.EndRejected: {Rejected: 1}, l4.EndBlocked: {Blocked: 1}, l4.EndNoTarget: {NoTarget: 1}, l4.EndUnreachable: {Unreachable: 1},
		l4.EndClientTLS: {ClientTLS: 1}, l4.EndTargetTLS: {TargetTLS: 1},
	} {
		r.Flow(l4.Sample{Listener: listener, Protocol: "TCP", End: end})
		is(string(end), want)
	}
	for _, end := range []l4.End{l4.EndIdle, l4.EndUnhealthy, l4.EndDeregistered, l4.EndShutdown} {
		tell(func(s *l4.Sample) { s.New = true })
		tell(func(s *l4.Sample) { s.End = end })
		is(string(end), reading.Flows{New: 1, OwnResets: 1})
	}
}

// TestNothingIsLost has many goroutines count while the counts are taken away: their sum is what was counted.
func TestNothingIsLost(t *testing.T) {
	t.Parallel()
	const workers, each, ways = 8, 20_000, 50
	var r measure.Recorder
	var work sync.WaitGroup
	var over atomic.Bool
	for n := range workers {
		work.Go(func() {
			for i := range each {
				s := plain()
				s.Target = fmt.Sprint(target, (i*7+n)%ways)
				s.Target1st = time.Duration(i) * time.Microsecond
				r.HTTP(s)
			}
		})
	}
	go func() { work.Wait(); over.Store(true) }()
	var sum reading.Requests
	frames := 0
	for last := false; !last; frames++ {
		last = over.Load()
		f := taken(&r)
		for i := range f.Routes {
			q := &f.Routes[i].Requests
			sum.Chosen, sum.Answers[0], sum.Sent = sum.Chosen+q.Chosen, sum.Answers[0]+q.Answers[0], sum.Sent+q.Sent
			sum.Latency.Add(&q.Latency)
		}
	}
	const all = workers * each
	if sum.Chosen != all || sum.Answers[0] != all || sum.Sent != 1000*all || sum.Latency.Count != all {
		t.Errorf("got %d chosen, %d answers, %d bytes, %d times in %d frames, want %d", sum.Chosen, sum.Answers[0], sum.Sent, sum.Latency.Count, frames, all)
	}
	if want := workers * (each - 1) * each / 2 * 1e-6; !cmp.Equal(sum.Latency.Sum, want, cmpopts.EquateApprox(1e-9, 0)) {
		t.Errorf("the sum of times is %v, want %v", sum.Latency.Sum, want)
	}
}

// TestAllocatesNothing: requests of a way that is known cost no memory.
func TestAllocatesNothing(t *testing.T) {
	var r measure.Recorder
	s := plain()
	r.HTTP(s)
	taken(&r)
	if n := testing.AllocsPerRun(100, func() { r.HTTP(s) }); n != 0 {
		t.Errorf("a request allocates %v times, want never", n)
	}
}

// BenchmarkHTTP counts requests: of one way, and of many at once.
func BenchmarkHTTP(b *testing.B) {
	for _, ways := range []int{1, 1000} {
		b.Run(fmt.Sprintf("ways=%d", ways), func(b *testing.B) {
			var r measure.Recorder
			samples := make([]l7.Sample, ways)
			for i := range samples {
				samples[i] = plain()
				samples[i].Target = fmt.Sprintf("%s%d", target, i)
				// As the records of a table, whose strings are the same ones for each request.
				samples[i].Listener, samples[i].Group = strings.Clone(listener), strings.Clone(group)
				r.HTTP(samples[i])
			}
			taken(&r)
			b.ReportAllocs()
			before := processor(b)
			b.RunParallel(func(pb *testing.PB) {
				for i := 0; pb.Next(); i++ {
					r.HTTP(samples[i%ways])
				}
			})
			b.ReportMetric(float64(processor(b)-before)/float64(b.N), "cpu-ns/op")
		})
	}
}

// processor is what this process has taken of the processors.
func processor(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkTake takes away what 1,000 targets were asked in a second.
func BenchmarkTake(b *testing.B) {
	var r measure.Recorder
	for b.Loop() {
		b.StopTimer()
		for i := range 1000 {
			s := plain()
			s.Target = fmt.Sprintf("%s%d", target, i)
			r.HTTP(s)
		}
		b.StartTimer()
		taken(&r)
	}
}
