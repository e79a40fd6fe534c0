package engine_test

import (
	"fmt"
	"testing"

	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/etcd"
)

// BenchmarkDurablePlacement is how fast the scheduler places tasks on 1,000 machines when each placement is on the disk
// of an embedded etcd: 20 services of 100 tasks a round. The figure to read is placements/s.
func BenchmarkDurablePlacement(b *testing.B) {
	const services, each, machines = 20, 100, 1000
	placed := 0
	for range b.N {
		b.StopTimer()
		backend, err := etcd.Embed(b.Context(), etcd.Member{Dir: b.TempDir()})
		if err != nil {
			b.Fatal(err)
		}
		st, err := store.Open(b.Context(), backend, store.Scope{})
		if err != nil {
			b.Fatal(err)
		}
		found(b, st)
		for i := range machines / 100 {
			var records []model.Record
			for j := range 100 {
				records = append(records, machine(fmt.Sprintf("m%04d", i*100+j+2)))
			}
			put(b, st, records...)
		}
		l := engine.NewLoop(config(st), nil)
		settle(b, l, start()) // the machines join
		for i := range services {
			create(b, st, fmt.Sprintf("s%d", i), each)
		}
		b.StartTimer()
		settle(b, l, start())
		b.StopTimer()
		placed += tasks(st)
		if tasks(st) != services*each {
			b.Fatalf("%d tasks are placed, want %d", tasks(st), services*each)
		}
		l.Close()
		st.Close()
		if err := backend.Close(); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(float64(placed)/b.Elapsed().Seconds(), "placements/s")
}
