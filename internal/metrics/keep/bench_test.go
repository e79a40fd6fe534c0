package keep

import (
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
)

// cpu is the user and system time of this process; the machine may be busy with others.
func cpu() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// fleet is the data of one second: 10 metrics of each service.
func fleet(services int) []metrics.Datum {
	var data []metrics.Datum
	for i := range services {
		for j := range 10 {
			data = append(data, metrics.Datum{
				Series: metrics.Series{Region: "us-east-1", Unit: "Percent", Metric: model.Metric{
					Namespace: model.NamespaceFast, Name: fmt.Sprintf("Metric%d", j), Dimensions: []model.Dimension{
						{Name: "ClusterName", Value: "production"}, {Name: "ServiceName", Value: fmt.Sprintf("service-%04d", i)},
					},
				}},
				Resolution: 1,
			})
		}
	}
	return data
}

// BenchmarkSecond is one second of a fleet of 1,000 services with 10 metrics each, with all that follows from it: journal,
// database, ageing. One iteration is one second of the store's clock; % of a core is CPU time to that.
func BenchmarkSecond(b *testing.B) {
	for _, c := range []struct {
		name  string
		value func(r *rand.Rand, j int) float64
	}{
		{"random", func(r *rand.Rand, _ int) float64 { return 100 * r.Float64() }},
		{"typical", func(r *rand.Rand, j int) float64 { // a share of the metrics is whole numbers, some hardly change
			switch {
			case j < 4:
				return 40 + 5*r.Float64()
			case j < 8:
				return float64(r.IntN(300))
			default:
				return 4
			}
		}},
	} {
		b.Run(c.name, func(b *testing.B) { benchmarkSecond(b, c.value) })
	}
}

func benchmarkSecond(b *testing.B, value func(r *rand.Rand, j int) float64) {
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	dir := b.TempDir()
	s, err := Open(Config{Dir: dir, Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	data, r := fleet(1000), rand.New(rand.NewPCG(1, 2))
	var most uint64
	before := cpu()
	b.ResetTimer()
	for range b.N {
		for i := range data {
			data[i].At, data[i].Stats = now, metrics.One(value(r, i%10))
		}
		s.Put(data)
		now = now.Add(time.Second)
		s.turn(now)
		if now.Unix()%60 == 0 {
			var m runtime.MemStats
			runtime.ReadMemStats(&m)
			most = max(most, m.HeapInuse+m.StackInuse)
		}
	}
	b.StopTimer()
	b.ReportMetric(100*(cpu()-before).Seconds()/float64(b.N), "%core")
	b.ReportMetric(float64(most)/1e6, "MB-heap")
	b.ReportMetric(float64(s.Counts().Bytes)/float64(len(data)), "B/series")
	if err := s.Close(); err != nil {
		b.Fatal(err)
	}
	if info, err := os.Stat(dir + "/metrics.db"); err == nil {
		b.ReportMetric(float64(info.Size())/float64(b.N*len(data)), "disk-B/point")
	}
}

// BenchmarkPut is the call alone.
func BenchmarkPut(b *testing.B) {
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	s, err := Open(Config{Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	data := fleet(100)
	b.ReportAllocs()
	for b.Loop() {
		for i := range data {
			data[i].At, data[i].Stats = now, metrics.One(float64(i))
		}
		s.Put(data)
		now = now.Add(time.Second)
		s.turn(now)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(data)), "ns/datum")
}

// day opens a store that has a day of 10 series by the second and 90 more.
func day(b *testing.B) (s *Store, q metrics.Query) {
	now := time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)
	s, err := Open(Config{Dir: b.TempDir(), Now: func() time.Time { return now }})
	if err != nil {
		b.Fatal(err)
	}
	data, r := fleet(10), rand.New(rand.NewPCG(1, 2))
	start := now
	for range 24*3600 + 137 {
		for i := range data {
			if i < 10 || now.Second() == 0 {
				data[i].At, data[i].Stats = now, metrics.One(100*r.Float64())
				data[i].Resolution = 1
			}
		}
		if now.Second() == 0 {
			s.Put(data)
		} else {
			s.Put(data[:10])
		}
		now = now.Add(time.Second)
		s.turn(now)
	}
	q = metrics.Query{Region: "us-east-1", Metric: data[0].Metric, Period: time.Minute, Start: start.Add(2 * time.Minute)}
	q.End = q.Start.Add(24 * time.Hour)
	return s, q
}

// BenchmarkDay is what GetMetricData asks for a dashboard: 24 hours by the minute, of 10 metrics that are put each second.
func BenchmarkDay(b *testing.B) {
	s, q := day(b)
	defer s.Close()
	for _, statistic := range []string{"Average", "p99"} {
		b.Run(statistic, func(b *testing.B) {
			q.Statistic = statistic
			before := cpu()
			for b.Loop() {
				for j := range 10 {
					q.Name = fmt.Sprintf("Metric%d", j)
					points, err := s.Read(q)
					if err != nil || len(points) != 1440 {
						b.Fatal(len(points), err)
					}
				}
			}
			b.ReportMetric(float64((cpu()-before).Microseconds())/1e3/float64(b.N), "cpu-ms/op")
		})
	}
	b.Run("last 5 minutes", func(b *testing.B) {
		q.Statistic, q.Name = "Average", "Metric0"
		q.Start = q.End.Add(-5 * time.Minute)
		for b.Loop() {
			if points, err := s.Read(q); err != nil || len(points) != 5 {
				b.Fatal(len(points), err)
			}
		}
	})
}
