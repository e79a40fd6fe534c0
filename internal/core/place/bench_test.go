package place_test

import (
	"fmt"
	"testing"

	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/model"
)

const benchCluster = "arn:aws:ecs:eu-west-1:123456789012:cluster/demo"

// world makes n machines in three zones, each of which is a container instance.
func world(n int) ([]*model.Machine, []*model.Instance) {
	var machines []*model.Machine
	var instances []*model.Instance
	for i := range n {
		id := fmt.Sprintf("%032x", i)
		machines = append(machines, &model.Machine{
			ID: id, Host: "host-" + id, Connected: true, Driver: "process",
			Capacity:   model.Resources{CPU: 64 * 1024, Memory: 256 * 1024, Ports: []int{22}},
			Attributes: map[string]string{model.AttributeZone: string(rune('a' + i%3)), model.AttributeOS: "linux"},
		})
		instances = append(instances, &model.Instance{
			ARN: "arn:aws:ecs:eu-west-1:123456789012:container-instance/demo/" + id, Cluster: benchCluster, Machine: id, Status: model.Active,
		})
	}
	return machines, instances
}

func service(n int) place.Request {
	name := fmt.Sprintf("service-%d", n)
	return place.Request{
		Cluster: benchCluster, Service: "arn:aws:ecs:eu-west-1:123456789012:service/demo/" + name, Group: "service:" + name,
		Demand:      model.Resources{CPU: 256, Memory: 512},
		Requires:    []string{model.AttributeOS + "=linux"},
		Constraints: []model.Constraint{{Type: model.MemberOf, Expression: "attribute:ecs.availability-zone in [a, b, c]"}},
		Refuse:      func(*model.Machine) string { return "" },
	}
}

// BenchmarkPlace fills 1,000 machines with 10,000 services of some tasks each, again and again, and reports what one
// placement takes, the making of the room and of the searches included.
func BenchmarkPlace(b *testing.B) {
	distinct := model.Constraint{Type: model.DistinctInstance}
	affinity := model.Constraint{Type: model.MemberOf, Expression: "not(task:group == service:service-0) and runningTasksCount < 200"}
	for _, v := range []struct {
		name  string
		tasks int
		with  func(*place.Request)
	}{
		{"default", 10, func(*place.Request) {}},
		{"one-task", 1, func(*place.Request) {}},
		{"distinct", 10, func(r *place.Request) { r.Constraints = append(r.Constraints, distinct) }},
		{"affinity", 10, func(r *place.Request) { r.Constraints = append(r.Constraints, affinity) }},
		{"binpack", 10, func(r *place.Request) { r.Strategy = []model.Strategy{{Type: "binpack", Field: "memory"}} }},
		{"spread-binpack", 10, func(r *place.Request) {
			r.Strategy = []model.Strategy{{Type: "spread", Field: "attribute:ecs.availability-zone"}, {Type: "binpack", Field: "cpu"}}
		}},
		{"standalone", 10, func(r *place.Request) { r.Service = "" }},
	} {
		b.Run(v.name, func(b *testing.B) { fill(b, v.tasks, v.with) })
	}
}

func fill(b *testing.B, tasks int, with func(*place.Request)) {
	const services = 10_000
	machines, instances := world(1000)
	requests := make([]place.Request, services)
	for n := range requests {
		requests[n] = service(n)
		with(&requests[n])
	}
	b.ReportAllocs()
	for b.Loop() {
		room := place.New(machines, instances)
		for n := range requests {
			s, err := room.Search(requests[n])
			if err != nil {
				b.Fatal(err)
			}
			for k := range tasks {
				if _, ok := s.Place(uint64(n*tasks + k)); !ok {
					b.Fatalf("task %d of service %d is not placed: %s", k, n, s.Explain().Event())
				}
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*services*tasks), "ns/placement")
}

// BenchmarkFull asks in vain in a room in which nothing is left.
func BenchmarkFull(b *testing.B) {
	machines, instances := world(1000)
	room := place.New(machines, instances)
	req := service(0)
	req.Demand.CPU = 1 << 20
	b.ReportAllocs()
	for b.Loop() {
		s, err := room.Search(req)
		if err != nil {
			b.Fatal(err)
		}
		if _, ok := s.Place(0); ok {
			b.Fatal("a task is placed that needs more than there is")
		}
	}
}
