package agent

import (
	"math/rand/v2"
	"time"
)

// backoff gives growing pauses with jitter, so that the agents of a fleet do not come back all at once.
type backoff struct {
	first, last time.Duration
	n           int
}

// next is a pause between half of the present bound and all of it; the bound doubles.
func (b *backoff) next() time.Duration {
	bound := min(b.first<<min(b.n, 20), b.last)
	b.n++
	return bound/2 + rand.N(bound/2+1) //nolint:gosec // it spreads load, it keeps no secret
}

func (b *backoff) reset() { b.n = 0 }
