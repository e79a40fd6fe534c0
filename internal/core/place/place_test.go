package place_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/model"
)

func TestDemand(t *testing.T) {
	t.Parallel()
	ports := []model.PortMapping{
		{ContainerPort: 80, HostPort: 8080, Protocol: "tcp"},
		{ContainerPort: 53, HostPort: 53, Protocol: "udp"},
		{ContainerPort: 90, Protocol: "tcp"},
	}
	app := model.ContainerDefinition{Name: "app", CPU: 256, Memory: 512, MemoryReservation: 128, GPUs: 1, Ports: ports}
	side := model.ContainerDefinition{Name: "side", CPU: 64, Memory: 100}
	for _, c := range []struct {
		name      string
		def       model.TaskDefinition
		overrides *model.Overrides
		want      model.Resources
	}{
		{
			"the sum of the containers; memoryReservation before memory",
			model.TaskDefinition{},
			nil,
			model.Resources{CPU: 320, Memory: 228, GPUs: 1, Ports: []int{8080}, UDPPorts: []int{53}},
		},
		{
			"the task's own size before the sum",
			model.TaskDefinition{CPU: 1024, Memory: 2048, NetworkMode: "awsvpc"},
			nil,
			model.Resources{CPU: 1024, Memory: 2048, GPUs: 1},
		},
		{
			"in the host's network every port is fixed",
			model.TaskDefinition{NetworkMode: "host", Memory: 300},
			nil,
			model.Resources{CPU: 320, Memory: 300, GPUs: 1, Ports: []int{80, 90}, UDPPorts: []int{53}},
		},
		{
			"overrides of containers",
			model.TaskDefinition{NetworkMode: "none"},
			&model.Overrides{Containers: []model.ContainerOverride{{Name: "app", CPU: new(0), MemoryReservation: new(0)}, {Name: "side", Memory: new(200)}}},
			model.Resources{CPU: 64, Memory: 712, GPUs: 1},
		},
		{
			"an override of the task",
			model.TaskDefinition{CPU: 1024, NetworkMode: "none"},
			&model.Overrides{CPU: 128, Memory: 64},
			model.Resources{CPU: 128, Memory: 64, GPUs: 1},
		},
	} {
		c.def.Containers = []model.ContainerDefinition{app, side}
		if diff := cmp.Diff(c.want, place.Demand(&c.def, c.overrides)); diff != "" {
			t.Errorf("%s: Demand (-want +got):\n%s", c.name, diff)
		}
	}
}

// scene is a random room, with requests that are placed in it in turns.
type scene struct {
	machines  []*model.Machine
	instances []*model.Instance
	tasks     []model.TaskState
	requests  []place.Request
	turns     []int // of requests
}

func drawScene(t *rapid.T) scene {
	var s scene
	for n := range rapid.IntRange(1, 9).Draw(t, "machines") {
		attributes := map[string]string{}
		if zone := rapid.SampledFrom([]string{"", "a", "b", "c"}).Draw(t, "zone"); zone != "" {
			attributes[model.AttributeZone] = zone
		}
		m := &model.Machine{
			ID: fmt.Sprint(n), Attributes: attributes, Connected: rapid.IntRange(0, 9).Draw(t, "connected") > 0,
			Driver: rapid.SampledFrom([]string{"oci", "process"}).Draw(t, "driver"),
			Capacity: model.Resources{
				CPU: rapid.IntRange(1, 8).Draw(t, "cpu") * 100, Memory: rapid.IntRange(1, 8).Draw(t, "memory") * 100,
				GPUs: rapid.IntRange(0, 2).Draw(t, "gpus"), Ports: []int{22},
			},
		}
		s.machines = append(s.machines, m)
		s.instances = append(s.instances, &model.Instance{
			ARN: instanceARN(m.ID), Cluster: benchCluster, Machine: m.ID,
			Status:     rapid.SampledFrom([]model.Status{model.Active, model.Active, model.Active, model.Draining}).Draw(t, "status"),
			Attributes: map[string]string{"rack": rapid.SampledFrom([]string{"1", "2"}).Draw(t, "rack")},
		})
	}
	for n := range rapid.IntRange(0, 6).Draw(t, "tasks") {
		on := rapid.SampledFrom(s.instances).Draw(t, "on")
		s.tasks = append(s.tasks, model.TaskState{Task: &model.Task{
			ARN: fmt.Sprintf("task/%d", n), Cluster: benchCluster, Machine: on.Machine, Instance: on.ARN, Group: drawGroup(t),
			Desired:  rapid.SampledFrom([]model.TaskStatus{model.TaskRunning, model.TaskStopped}).Draw(t, "desired"),
			Reserved: model.Resources{CPU: 20, Memory: 30},
		}})
	}
	for range rapid.IntRange(1, 3).Draw(t, "requests") {
		s.requests = append(s.requests, drawRequest(t))
	}
	s.turns = rapid.SliceOfN(rapid.IntRange(0, len(s.requests)-1), 1, 25).Draw(t, "turns")
	return s
}

func drawGroup(t *rapid.T) string {
	return rapid.SampledFrom([]string{"service:web", "service:api", "service:db"}).Draw(t, "group")
}

var (
	constraints = []model.Constraint{
		{Type: model.DistinctInstance},
		{Type: model.MemberOf, Expression: "attribute:rack == 1 or attribute:ecs.availability-zone exists"},
		{Type: model.MemberOf, Expression: "not(task:group == service:db)"},
		{Type: model.MemberOf, Expression: "runningTasksCount < 3"},
	}
	strategies = []model.Strategy{
		{Type: "spread", Field: "attribute:ecs.availability-zone"},
		{Type: "spread", Field: "attribute:rack"},
		{Type: "spread", Field: "instanceId"},
		{Type: "binpack", Field: "cpu"},
		{Type: "binpack", Field: "memory"},
		{Type: "random"},
	}
)

func drawRequest(t *rapid.T) place.Request {
	req := place.Request{
		Cluster: benchCluster, Service: "service", Group: drawGroup(t),
		Demand: model.Resources{
			CPU: rapid.IntRange(0, 2).Draw(t, "cpu") * 50, Memory: rapid.IntRange(0, 2).Draw(t, "memory") * 50,
			GPUs: rapid.SampledFrom([]int{0, 0, 0, 1}).Draw(t, "gpus"),
		},
		Constraints: rapid.SliceOfNDistinct(rapid.SampledFrom(constraints), 0, 2, rapid.ID).Draw(t, "constraints"),
		Strategy:    rapid.SliceOfNDistinct(rapid.SampledFrom(strategies), 0, 3, rapid.ID).Draw(t, "strategies"),
	}
	if rapid.Bool().Draw(t, "ports") {
		req.Demand.Ports = rapid.SampledFrom([][]int{{80}, {80, 443}, {22}}).Draw(t, "port")
	}
	if rapid.IntRange(0, 3).Draw(t, "refuse") == 0 {
		req.Refuse = func(m *model.Machine) string { return map[string]string{"process": "no images"}[m.Driver] }
	}
	return req
}

// play runs a scene and calls back around each placement.
func (s scene) play(t *rapid.T, before func(*place.Search, place.Request), after func(place.Request, place.Seat, bool)) {
	room := place.New(s.machines, s.instances)
	for _, task := range s.tasks {
		room.Add(task)
	}
	searches := make([]*place.Search, len(s.requests))
	for n, turn := range s.turns {
		if searches[turn] == nil {
			var err error
			if searches[turn], err = room.Search(s.requests[turn]); err != nil {
				t.Fatal(err)
			}
		}
		before(searches[turn], s.requests[turn])
		seat, ok := searches[turn].Place(uint64(n))
		after(s.requests[turn], seat, ok)
	}
}

// oracle does by looking at every instance what a Search does by not looking at most of them.
type oracle struct {
	s      scene
	free   map[string]*model.Resources // by machine
	counts map[string]map[string]int   // by group, by instance
}

func newOracle(s scene) *oracle {
	o := &oracle{s, map[string]*model.Resources{}, map[string]map[string]int{}}
	for _, m := range s.machines {
		o.free[m.ID] = &model.Resources{CPU: m.Capacity.CPU, Memory: m.Capacity.Memory, GPUs: m.Capacity.GPUs, Ports: slices.Clone(m.Capacity.Ports)}
	}
	for _, task := range s.tasks {
		o.take(task.Machine, task.Reserved)
		if task.Desired == model.TaskRunning {
			o.count(task.Group, task.Instance)
		}
	}
	return o
}

func (o *oracle) take(machine string, d model.Resources) {
	f := o.free[machine]
	f.CPU, f.Memory, f.GPUs, f.Ports = f.CPU-d.CPU, f.Memory-d.Memory, f.GPUs-d.GPUs, append(f.Ports, d.Ports...)
}

func (o *oracle) count(group, instance string) {
	if o.counts[group] == nil {
		o.counts[group] = map[string]int{}
	}
	o.counts[group][instance]++
}

// fits follows the list of filters in the developer guide.
func (o *oracle) fits(n int, req place.Request) bool {
	i, m, f := o.s.instances[n], o.s.machines[n], o.free[o.s.machines[n].ID]
	if i.Status != model.Active || !m.Connected || req.Refuse != nil && req.Refuse(m) != "" {
		return false
	}
	if req.Demand.CPU > max(0, f.CPU) || req.Demand.Memory > max(0, f.Memory) || req.Demand.GPUs > f.GPUs ||
		slices.ContainsFunc(req.Demand.Ports, func(p int) bool { return slices.Contains(f.Ports, p) }) {
		return false
	}
	running := 0
	for _, on := range o.counts {
		running += on[i.ARN]
	}
	allowed := []bool{
		o.counts[req.Group][i.ARN] == 0, i.Attributes["rack"] == "1" || m.Attributes[model.AttributeZone] != "",
		o.counts["service:db"][i.ARN] == 0, running < 3,
	}
	for _, c := range req.Constraints {
		if !allowed[slices.Index(constraints, c)] {
			return false
		}
	}
	return true
}

// best narrows the instances that fit by one strategy after the other.
func (o *oracle) best(req place.Request) []int {
	var left []int
	for n := range o.s.instances {
		if o.fits(n, req) {
			left = append(left, n)
		}
	}
	list := req.Strategy
	if len(list) == 0 {
		list = []model.Strategy{strategies[0], strategies[2]}
	}
	var path []string
	for _, s := range list {
		if name, ok := strings.CutPrefix(s.Field, "attribute:"); ok {
			path = append(path, name)
		}
		if s.Type == model.StrategyRandom {
			break // it takes one: nothing is left to be narrowed
		}
		left = smallest(left, func(n int) int { return o.rank(n, s, path, req) })
	}
	return left
}

func (o *oracle) rank(n int, s model.Strategy, path []string, req place.Request) int {
	f := o.free[o.s.machines[n].ID]
	switch s.Type + s.Field {
	case "binpackcpu":
		return f.CPU
	case "binpackmemory":
		return f.Memory
	case "spreadinstanceId":
		return o.counts[req.Group][o.s.instances[n].ARN]
	}
	sum := 0
	for k, i := range o.s.instances {
		if o.values(k, path) == o.values(n, path) {
			sum += o.counts[req.Group][i.ARN]
		}
	}
	return sum
}

func (o *oracle) values(n int, path []string) (values string) {
	for _, name := range path {
		values += o.s.instances[n].Attributes[name] + o.s.machines[n].Attributes[name] + "/"
	}
	return values
}

func smallest(list []int, rank func(int) int) (best []int) {
	for _, n := range list {
		if len(best) > 0 && rank(n) < rank(best[0]) {
			best = nil
		}
		if len(best) == 0 || rank(n) == rank(best[0]) {
			best = append(best, n)
		}
	}
	return best
}

// TestPlaceNarrows compares every placement with the oracle's: nothing goes where there is no room, no port is taken
// twice, constraints hold, and the strategies narrow in their order. It also holds Explain to what Place did.
func TestPlaceNarrows(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		o := newOracle(s)
		before := func(search *place.Search, req place.Request) {
			for n, v := range search.Explain().Verdicts {
				if got, want := len(v.Misfits) == 0, o.fits(n, req); got != want {
					t.Fatalf("%s: fits is %t, want %t; %+v", v, got, want, req)
				}
			}
			if event, none := search.Explain().Event(), len(o.best(req)) == 0; (event != "") != none {
				t.Fatalf("the event is %q, but %t that nothing fits", event, none)
			}
		}
		s.play(t, before, func(req place.Request, seat place.Seat, ok bool) {
			best := o.best(req)
			if !ok {
				if len(best) > 0 {
					t.Fatalf("not placed, want one of %v; %+v", best, req)
				}
				return
			}
			if n := slices.Index(s.instances, seat.Instance); !slices.Contains(best, n) || s.machines[n] != seat.Machine {
				t.Fatalf("placed on %d, want one of %v; %+v", n, best, req)
			}
			o.take(seat.Machine.ID, req.Demand)
			o.count(req.Group, seat.Instance.ARN)
		})
	})
}

// TestOrderOfInput shuffles everything that has no order: the placements stay the same.
func TestOrderOfInput(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		run := func(s scene) (seats []string) {
			s.play(t, func(*place.Search, place.Request) {}, func(_ place.Request, seat place.Seat, ok bool) {
				if ok {
					seats = append(seats, seat.Instance.ARN)
				}
			})
			return seats
		}
		want := run(s)
		s.machines = rapid.Permutation(s.machines).Draw(t, "machines")
		s.instances = rapid.Permutation(s.instances).Draw(t, "instances")
		s.tasks = rapid.Permutation(s.tasks).Draw(t, "tasks")
		if diff := cmp.Diff(want, run(s)); diff != "" {
			t.Errorf("after shuffling (-before +after):\n%s", diff)
		}
	})
}

// TestGiveBack fills a room and takes everything out again: the search that found it full then does as in a new one.
func TestGiveBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		s := drawScene(t)
		room, req := place.New(s.machines, s.instances), s.requests[0]
		for _, task := range s.tasks {
			room.Add(task)
		}
		search, err := room.Search(req)
		if err != nil {
			t.Fatal(err)
		}
		for n := range uint64(30) {
			if seat, ok := search.Place(n); ok {
				s.tasks = append(s.tasks, model.TaskState{Task: &model.Task{
					Cluster: benchCluster, Machine: seat.Machine.ID, Instance: seat.Instance.ARN, Group: req.Group,
					Desired: model.TaskRunning, Reserved: req.Demand,
				}})
			}
		}
		for _, task := range s.tasks {
			if task.Desired == model.TaskRunning && rapid.Bool().Draw(t, "stop first") {
				room.Stop(task)
				stopped := *task.Task
				stopped.Desired = model.TaskStopped
				task.Task = &stopped
			}
			room.Remove(task)
		}
		fresh, err := place.New(s.machines, s.instances).Search(req)
		if err != nil {
			t.Fatal(err)
		}
		for n := range uint64(5) {
			got, gotOK := search.Place(n)
			want, wantOK := fresh.Place(n)
			if got != want || gotOK != wantOK {
				t.Fatalf("placement %d after all was given back: %v %t, in a new room: %v %t", n, got.Instance, gotOK, want.Instance, wantOK)
			}
		}
	})
}

// TestSpreadIsEven places on machines with room for all: zones, and instances of a zone, differ by one at most. Then
// it scales in to any number, and they still do.
func TestSpreadIsEven(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		machines, instances := world(rapid.IntRange(1, 12).Draw(t, "machines"))
		room := place.New(machines, instances)
		search, err := room.Search(service(0))
		if err != nil {
			t.Fatal(err)
		}
		var tasks []model.TaskState
		for n := range rapid.IntRange(1, 60).Draw(t, "tasks") {
			seat, ok := search.Place(0)
			if !ok {
				t.Fatalf("task %d is not placed", n)
			}
			tasks = append(tasks, model.TaskState{Task: &model.Task{ARN: fmt.Sprint(n), Instance: seat.Instance.ARN, Machine: seat.Machine.ID}})
			even(t, machines, tasks)
		}
		all := slices.Clone(tasks)
		victims, err := room.Victims(place.ScaleIn{Cluster: benchCluster, Tasks: rapid.Permutation(tasks).Draw(t, "order")}, len(tasks))
		if err != nil || len(victims) != len(all) {
			t.Fatalf("%d victims of %d tasks, error %v", len(victims), len(all), err)
		}
		for _, v := range victims {
			all = slices.DeleteFunc(all, func(o model.TaskState) bool { return o.ARN == v.ARN })
			even(t, machines, all)
		}
	})
}

func even(t *rapid.T, machines []*model.Machine, tasks []model.TaskState) {
	zones, inside := map[string]int{}, map[string]map[string]int{}
	for _, m := range machines {
		zones[m.Zone()] = 0
		if inside[m.Zone()] == nil {
			inside[m.Zone()] = map[string]int{}
		}
		inside[m.Zone()][m.ID] = 0
	}
	for _, task := range tasks {
		for _, m := range machines {
			if m.ID == task.Machine {
				zones[m.Zone()]++
				inside[m.Zone()][m.ID]++
			}
		}
	}
	inside["all zones"] = zones
	for where, counts := range inside {
		least, most := 1<<30, 0
		for _, n := range counts {
			least, most = min(least, n), max(most, n)
		}
		if most-least > 1 {
			t.Fatalf("%s with %d tasks is uneven: %v", where, len(tasks), counts)
		}
	}
}

// TestRandomIsFair draws often from machines of which one in four has no room.
func TestRandomIsFair(t *testing.T) {
	t.Parallel()
	machines, instances := world(8)
	for n, m := range machines {
		m.Capacity.CPU = 1 << 40
		if n%4 == 0 {
			m.Capacity.CPU = 1
		}
	}
	req := service(0)
	req.Service, req.Demand.Memory = "", 0
	search, err := place.New(machines, instances).Search(req)
	if err != nil {
		t.Fatal(err)
	}
	const draws = 60_000
	random := rand.New(rand.NewPCG(1, 2))
	counts := map[string]int{}
	for range draws {
		seat, ok := search.Place(random.Uint64())
		if !ok {
			t.Fatal("not placed")
		}
		counts[seat.Machine.ID]++
	}
	for n, m := range machines {
		want := draws / 6
		if n%4 == 0 {
			want = 0
		}
		if got := counts[m.ID]; got < want*95/100 || got > want*105/100 {
			t.Errorf("machine %d was drawn %d times, want about %d", n, got, want)
		}
	}
}
