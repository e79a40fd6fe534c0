package mem_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/maitred/maitred/internal/store/mem"
	"github.com/maitred/maitred/internal/store/storetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestConformance(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) storetest.Harness {
		b := mem.New(mem.Options{Measure: true})
		t.Cleanup(func() { _ = b.Close() })
		return storetest.Harness{
			Backend: b,
			Compact: func(_ testing.TB, rev int64) { b.Compact(rev) },
			Depose:  func(_ testing.TB, name string) { b.Depose(name) },
		}
	})
}
