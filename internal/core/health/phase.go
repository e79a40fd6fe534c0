package health

import (
	"hash/fnv"
	"time"
)

// Phase is when in each interval a target is checked: an offset that depends on its key alone, so that the checks of
// many targets are spread evenly and stay so, whoever comes and goes. It is within [0, interval).
func Phase(key string, interval time.Duration) time.Duration {
	if interval <= 0 {
		return 0
	}
	h := fnv.New64a()
	h.Write([]byte(key)) //nolint:errcheck // a hash takes everything
	return time.Duration(mix(h.Sum64()) % uint64(interval))
}

// mix spreads what differs in the last characters of a key over all bits (the finalizer of MurmurHash3).
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// Next is when a target is checked next: after now, by at most the interval. Checks are an interval apart from start to
// start, however long they take.
func Next(key string, interval time.Duration, now time.Time) time.Time {
	if interval <= 0 {
		return now
	}
	wait := Phase(key, interval) - time.Duration(now.UnixNano()%int64(interval))
	if wait <= 0 {
		wait += interval
	}
	return now.Add(wait)
}

// firstRetry is how soon an extra check is made again, and firstTry how soon that of a new target: a program that has just
// been started listens a moment later.
const (
	firstRetry = time.Second
	firstTry   = 100 * time.Millisecond
)

// Backoff is how long after an extra check the next one is made, given how long that was before (zero: it is the first
// one): a second, then twice as long each time, up to the interval.
func Backoff(last, interval time.Duration) time.Duration {
	return min(max(firstRetry, 2*last), max(firstRetry, interval))
}

// Begin is Backoff for a target that is new: a tenth of a second, then twice as long each time, up to the interval.
func Begin(last, interval time.Duration) time.Duration {
	return min(max(firstTry, 2*last), max(firstRetry, interval))
}

// firstHurry is how soon an extra check of a target is made again that requests wait for.
const firstHurry = 50 * time.Millisecond

// Hurry is Backoff for a target that requests wait for: half as long again each time, up to a second.
func Hurry(last time.Duration) time.Duration {
	return min(max(firstHurry, last+last/2), firstRetry)
}
