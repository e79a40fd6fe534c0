package ecs

import (
	"math"
	"strconv"
	"testing"
)

func FuzzSize(f *testing.F) {
	for _, seed := range []string{"1024", "1 vCPU", ".25 vcpu", "0.5 vCPU", "2GB", "-1", "1e9 vCPU", "9999999999999", " 256 ", "0.0001 vCPU", "."} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		n, ok := size(text, cpuPattern)
		if !ok {
			return
		}
		if n < 1 || n > math.MaxInt32 {
			t.Errorf("size(%q) = %d, want it between 1 and %d", text, n, math.MaxInt32)
		}
		if again, ok := size(strconv.Itoa(n), cpuPattern); !ok || again != n {
			t.Errorf("size(%q) = %d, which reads as %d again", text, n, again)
		}
	})
}
