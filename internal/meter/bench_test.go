package meter

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/reading"
)

type nobody struct{}

func (nobody) Put([]metrics.Datum) {}

// BenchmarkSecond takes a second of 100 tasks and of 100 routes from its measurement to its data: what agent or balancer
// do to tell it, and what the collector does with it.
func BenchmarkSecond(b *testing.B) {
	const n = 100
	w := newWorld(b)
	w.machine(machineID, 1<<20, 1<<20)
	w.service(n, 512, 1024)
	w.balanced()
	tasks, balancer := reading.Frame{}, busy()
	for i := range n {
		tasks.Tasks = append(tasks.Tasks, reading.Task{ARN: w.task(i, 512, 1024, model.TaskRunning), Cores: float64(i) / 1000, CPU: 7.25, Memory: 12345678})
		route := balancer.Routes[0]
		route.Target = fmt.Sprintf("%s/-/127.0.0.1:%d", groupARN, i+1)
		balancer.Routes = append(balancer.Routes, route)
	}
	for name, c := range map[string]struct {
		frame reading.Frame
		id    sourceID
	}{"tasks": {tasks, sourceID{id: machineID}}, "routes": {balancer, sourceID{balancer: true, id: balancerID}}} {
		text, err := reading.Encode(&c.frame)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name+"/tell", func(b *testing.B) {
			feed := reading.NewFeed("one")
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				feed.Add(c.frame)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/one")
		})
		b.Run(name+"/collect", func(b *testing.B) {
			collector, err := New(Config{Store: w.store, Put: nobody{}, Agents: http.DefaultClient, Balancers: http.DefaultClient})
			if err != nil {
				b.Fatal(err)
			}
			collector.leads = leadsOf(w.store.View())
			src := newSource(c.id)
			for second := int64(0); b.Loop(); second++ {
				f, err := reading.Decode(text)
				if err != nil {
					b.Fatal(err)
				}
				f.Second = time.Now().Unix()/minute*minute + second%minute
				collector.take(src, &f)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/n, "µs/one")
		})
	}
}
