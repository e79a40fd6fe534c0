package wire

import (
	"testing"
	"time"
)

func TestNear(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]bool{
		0:                false, // not known
		time.Microsecond: true, nearTime: true,
		nearTime + time.Microsecond: false, 40 * time.Millisecond: false,
	} {
		if got := near(d); got != want {
			t.Errorf("near(%v) is %v", d, got)
		}
	}
}
