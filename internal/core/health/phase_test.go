package health_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/health"
)

func TestNext(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.String().Draw(t, "key")
		interval := time.Duration(rapid.IntRange(5, 300).Draw(t, "interval")) * time.Second
		now := start.Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "now")))
		if p := health.Phase(key, interval); p < 0 || p >= interval {
			t.Fatalf("Phase = %s, want less than %s", p, interval)
		}
		next := health.Next(key, interval, now)
		if wait := next.Sub(now); wait <= 0 || wait > interval {
			t.Fatalf("the next check is in %s, the interval is %s", wait, interval)
		}
		if late := next.Add(interval - 1); !health.Next(key, interval, late).Equal(next.Add(interval)) {
			t.Fatalf("a check that ends late moves the one after it: %s after %s", health.Next(key, interval, late), next)
		}
	})
}

// TestSpread: 1,000 targets of one group, whose paths differ little, make no pulse.
func TestSpread(t *testing.T) {
	t.Parallel()
	const interval, slots = 5 * time.Second, 100
	var counts [slots]int
	for i := range 1000 {
		key := fmt.Sprintf("arn:aws:elasticloadbalancing:eu-west-1:123456789012:targetgroup/web/0123456789abcdef/-/10.0.%d.%d:80", i/250, i%250)
		counts[health.Phase(key, interval)/(interval/slots)]++
	}
	for slot, n := range counts {
		if n > 25 { // 10 on average; a pulse would be hundreds
			t.Errorf("%d checks begin in slot %d of %d", n, slot, slots)
		}
	}
}

func TestBackoff(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		next func(last, interval time.Duration) time.Duration
		want string
	}{
		{health.Backoff, "[1s 2s 4s 8s 16s 30s 30s]"},
		{health.Begin, "[100ms 200ms 400ms 800ms 1.6s 3.2s 6.4s]"},
	} {
		var waits []time.Duration
		wait := time.Duration(0)
		for range 7 {
			wait = c.next(wait, 30*time.Second)
			waits = append(waits, wait)
		}
		if got := fmt.Sprint(waits); got != c.want {
			t.Errorf("got %s, want %s", got, c.want)
		}
	}
}
