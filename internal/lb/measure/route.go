package measure

import (
	"math/bits"
	"sync/atomic"
	"time"

	"github.com/maitred/maitred/internal/lb/desync"
	"github.com/maitred/maitred/internal/lb/l7"
	"github.com/maitred/maitred/internal/reading"
)

// route counts the requests of one way.
type route struct {
	all     atomic.Int64 // requests, whatever became of them
	chosen  atomic.Int64
	answers [4]atomic.Int64
	own     [4]atomic.Int64

	own500, own502, own503, own504   atomic.Int64
	redirects, fixed, grpc           atomic.Int64
	dropped, desync, unhealthy, fail atomic.Int64
	long, insecure, nonSticky        atomic.Int64
	invalid, rules                   atomic.Int64
	received, sent                   atomic.Int64

	latency histogram
}

// add counts a request. Only what is not zero costs anything.
func (c *route) add(s *l7.Sample) {
	if s.Target != "" {
		c.chosen.Add(1)
	}
	if class := s.TargetCode/100 - 2; class >= 0 && class < len(c.answers) {
		c.answers[class].Add(1)
	}
	if s.Generated {
		c.generated(s)
	}
	if s.Target1st >= 0 {
		c.latency.add(s.Target1st)
	}
	c.received.Add(s.Received)
	c.sent.Add(s.Sent)
	c.rare(s)
	c.all.Add(1) // last: take looks at it first
}

// generated counts a code of the load balancer's own.
func (c *route) generated(s *l7.Sample) {
	if class := s.Code/100 - 2; class >= 0 && class < len(c.own) {
		c.own[class].Add(1)
	}
	switch s.Code {
	case 500:
		c.own500.Add(1)
	case 502:
		c.own502.Add(1)
	case 503:
		c.own503.Add(1)
	case 504:
		c.own504.Add(1)
	}
	switch {
	case s.Action == "fixed-response":
		c.fixed.Add(1)
	case s.Action != "redirect":
	case s.Code/100 == 3:
		c.redirects.Add(1)
	case s.Code == 500: // the only reason for which a redirect has this code
		c.long.Add(1)
	}
}

// rare counts what few requests have.
func (c *route) rare(s *l7.Sample) {
	if s.Type == "grpcs" {
		c.grpc.Add(1)
	}
	if s.Dropped > 0 {
		c.dropped.Add(1)
	}
	if s.Class != "" && s.Class != compliant {
		c.desync.Add(1)
	}
	if s.FailOpen {
		c.unhealthy.Add(1)
	}
	if s.Refusals > 0 {
		c.fail.Add(int64(s.Refusals))
	}
	if s.Insecure > 0 {
		c.insecure.Add(int64(s.Insecure))
	}
	if s.NonSticky {
		c.nonSticky.Add(1)
	}
	if s.Invalid {
		c.invalid.Add(1)
	}
	if s.Rules > 0 {
		c.rules.Add(int64(s.Rules))
	}
}

var compliant = desync.Compliant.String()

// take gives what was counted since the last time, and whether anything was.
func (c *route) take() (r reading.Requests, some bool) {
	if c.all.Swap(0) == 0 {
		return r, false
	}
	r.Chosen = c.chosen.Swap(0)
	for i := range c.answers {
		r.Answers[i], r.Own[i] = c.answers[i].Swap(0), c.own[i].Swap(0)
	}
	r.Own500, r.Own502, r.Own503, r.Own504 = c.own500.Swap(0), c.own502.Swap(0), c.own503.Swap(0), c.own504.Swap(0)
	r.Redirects, r.Fixed, r.GRPC = c.redirects.Swap(0), c.fixed.Swap(0), c.grpc.Swap(0)
	r.Dropped, r.Desync, r.Unhealthy, r.ConnErrors = c.dropped.Swap(0), c.desync.Swap(0), c.unhealthy.Swap(0), c.fail.Swap(0)
	r.Long, r.TLSErrors, r.NonSticky = c.long.Swap(0), c.insecure.Swap(0), c.nonSticky.Swap(0)
	r.Invalid, r.Rules = c.invalid.Swap(0), c.rules.Swap(0)
	r.Received, r.Sent = c.received.Swap(0), c.sent.Swap(0)
	r.Latency = c.latency.take()
	return r, true
}

// histogram counts times. A bit of marks says that something is in the buckets of a part of it, so that take need not
// look at all of them.
type histogram struct {
	sum     atomic.Int64 // nanoseconds
	low     atomic.Int64 // the shortest time in nanoseconds plus 1; 0 is none
	high    atomic.Int64 // the longest likewise
	marks   atomic.Uint32
	buckets [reading.Buckets]atomic.Uint32
}

// part is how many buckets have a mark in common.
const part = (reading.Buckets + 31) / 32

func (h *histogram) add(d time.Duration) {
	n := int64(d) + 1
	for low := h.low.Load(); (low == 0 || n < low) && !h.low.CompareAndSwap(low, n); low = h.low.Load() {
	}
	for high := h.high.Load(); n > high && !h.high.CompareAndSwap(high, n); high = h.high.Load() {
	}
	h.sum.Add(int64(d))
	b := reading.BucketOf(d)
	h.buckets[b].Add(1)
	// After the bucket: take clears the marks before it looks at the buckets, so that one of the two sees the other.
	if mark := uint32(1) << (b / part); h.marks.Load()&mark == 0 {
		h.marks.Or(mark)
	}
}

func (h *histogram) take() (l reading.Latency) {
	for marks := h.marks.Swap(0); marks != 0; marks &= marks - 1 {
		first := bits.TrailingZeros32(marks) * part
		for b := first; b < min(first+part, reading.Buckets); b++ {
			if h.buckets[b].Load() == 0 {
				continue
			}
			n := int64(h.buckets[b].Swap(0))
			l.Buckets = append(l.Buckets, reading.InRange{Bucket: b, Count: n})
			l.Count += n
		}
	}
	low, high := h.low.Swap(0), h.high.Swap(0)
	l.Sum = time.Duration(h.sum.Swap(0)).Seconds()
	if l.Count == 0 {
		return reading.Latency{Sum: l.Sum}
	}
	l.Min, l.Max = bound(low, l.Buckets[0].Bucket), bound(high, l.Buckets[len(l.Buckets)-1].Bucket)
	return l
}

// bound is the shortest or longest time in seconds. A request that is being counted while it is taken may have told it to
// the second before: then the middle of the bucket has to do.
func bound(n int64, bucket int) float64 {
	if n == 0 {
		return reading.Middle(bucket)
	}
	return time.Duration(n - 1).Seconds()
}
