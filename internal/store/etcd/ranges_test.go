package etcd

import (
	"testing"

	"github.com/maitred/maitred/internal/store"
)

// TestRangesOfAMachine: a stream listens to as many ranges as the scope of a machine has, no more and no fewer.
func TestRangesOfAMachine(t *testing.T) {
	t.Parallel()
	if got := len((store.Scope{Machine: "m"}).Ranges()); got != maxRanges {
		t.Errorf("the scope of a machine has %d ranges, want %d: change maxRanges and what stream.Next listens to", got, maxRanges)
	}
}
