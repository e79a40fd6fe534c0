package place_test

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/model"
)

// story is what a script of testdata/stories has told so far.
type story struct {
	t         *testing.T
	machines  []*model.Machine
	instances []*model.Instance
	tasks     []model.TaskState
	room      *place.Room
}

// TestStories runs scripts. A script tells of machines ("machines"), of tasks that are there ("tasks"), and asks where
// new ones go ("place", "place-on"), why they do not ("explain", "failures"), where daemons belong ("matching") and
// which tasks go first ("scale-in").
func TestStories(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/stories", func(t *testing.T, path string) {
		s := &story{t: t}
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			s.t = t
			return s.run(d)
		})
	})
}

func (s *story) run(d *datadriven.TestData) string {
	switch d.Cmd {
	case "machines":
		return s.describe(d.Input)
	case "tasks":
		for line := range strings.Lines(d.Input) {
			s.task(line)
		}
		return fmt.Sprintf("%d tasks\n", len(s.tasks))
	case "place":
		return s.place(d)
	case "place-on":
		seat, misfits := s.search(d).PlaceOn(instanceARN(arg(d, "on", "")))
		if len(misfits) > 0 {
			return fmt.Sprintf("%s: %s\n", misfits[0].Reason, misfits[0].Detail)
		}
		return seat.Machine.Host + "\n"
	case "explain":
		var out strings.Builder
		for _, v := range s.search(d).Explain().Verdicts {
			fmt.Fprintln(&out, v)
		}
		return out.String()
	case "failures":
		var out strings.Builder
		for _, f := range s.search(d).Explain().Failures() {
			fmt.Fprintf(&out, "arn=%s reason=%q detail=%q\n", model.ShortID(f.ARN), f.Reason, f.Detail)
		}
		return out.String()
	case "matching":
		return hosts(s.search(d).Matching())
	case "scale-in":
		return s.scaleIn(d)
	}
	s.t.Fatalf("unknown command %s", d.Cmd)
	return ""
}

func instanceARN(host string) string {
	return "arn:aws:ecs:eu-west-1:123456789012:container-instance/demo/" + host
}

// pairs reads "NAME key=value flag …".
func pairs(line string) (name string, values map[string]string) {
	fields := strings.Fields(line)
	values = map[string]string{}
	for _, f := range fields[1:] {
		key, value, _ := strings.Cut(f, "=")
		values[key] = value
	}
	return fields[0], values
}

func number(s string) int { n, _ := strconv.Atoi(s); return n } // 0 for what is not given

func numbers(s string) (list []int) {
	for f := range strings.SplitSeq(s, ",") {
		if f != "" {
			list = append(list, number(f))
		}
	}
	return list
}

func resources(v map[string]string) model.Resources {
	return model.Resources{
		CPU: number(v["cpu"]), Memory: number(v["mem"]), GPUs: number(v["gpus"]),
		Ports: numbers(v["ports"]), UDPPorts: numbers(v["udp"]),
	}
}

// describe begins a story anew: every line is a machine and the instance on it.
func (s *story) describe(input string) string {
	s.machines, s.instances, s.tasks = nil, nil, nil
	for line := range strings.Lines(input) {
		host, v := pairs(line)
		_, away := v["disconnected"]
		m := &model.Machine{ID: "id-" + host, Host: host, Connected: !away, Driver: v["driver"], Capacity: resources(v), Attributes: map[string]string{}}
		i := &model.Instance{ARN: instanceARN(host), Cluster: benchCluster, Machine: m.ID, Status: model.Active, Attributes: map[string]string{}}
		if _, draining := v["draining"]; draining {
			i.Status = model.Draining
		}
		if _, inactive := v["inactive"]; inactive {
			i.Status = model.Inactive
		}
		if zone, ok := v["zone"]; ok {
			m.Attributes[model.AttributeZone] = zone
			_, m.Zoned = v["zoned"]
		}
		for _, custom := range []string{"rack", "disk"} {
			if value, ok := v[custom]; ok {
				i.Attributes[custom] = value
			}
		}
		s.machines, s.instances = append(s.machines, m), append(s.instances, i)
	}
	s.room = place.New(s.machines, s.instances)
	return fmt.Sprintf("%d machines\n", len(s.machines))
}

// task puts tasks in: "GROUP on=HOST n=2 cpu=… ports=… age=SECONDS stopping elsewhere".
func (s *story) task(line string) {
	group, v := pairs(line)
	for range max(1, number(v["n"])) {
		t := &model.Task{
			ARN: fmt.Sprintf("task/demo/%02d", len(s.tasks)), Cluster: benchCluster, Machine: "id-" + v["on"], Instance: instanceARN(v["on"]),
			Group: group, Desired: model.TaskRunning, Reserved: resources(v), CreatedAt: time.Unix(1_000_000-int64(number(v["age"])), 0),
		}
		if _, stopping := v["stopping"]; stopping {
			t.Desired = model.TaskStopped
		}
		if _, elsewhere := v["elsewhere"]; elsewhere {
			t.Cluster, t.Instance = benchCluster+"2", "another"
		}
		state := model.TaskState{Task: t}
		if _, stopped := v["stopped"]; stopped {
			state.Seen = &model.Observed{Status: model.TaskStopped}
		}
		s.tasks = append(s.tasks, state)
		s.room.Add(state)
	}
}

func arg(d *datadriven.TestData, key, otherwise string) string {
	for _, a := range d.CmdArgs {
		if a.Key == key {
			return strings.Join(a.Vals, ",")
		}
	}
	return otherwise
}

func (s *story) search(d *datadriven.TestData) *place.Search {
	found, err := s.room.Search(s.request(d))
	if err != nil {
		s.t.Fatal(err)
	}
	return found
}

// request reads the command's arguments, and from its input lines: strategy TYPE FIELD, constraint TYPE EXPRESSION,
// requires ATTRIBUTE, subnets ZONE,…, refuse DRIVER REASON.
func (s *story) request(d *datadriven.TestData) place.Request {
	v := map[string]string{}
	for _, a := range d.CmdArgs {
		v[a.Key] = strings.Join(a.Vals, ",")
	}
	req := place.Request{Cluster: benchCluster, Group: arg(d, "group", "service:web"), Demand: resources(v)}
	if strings.HasPrefix(req.Group, "service:") {
		req.Service = "service/demo/web"
	}
	for line := range strings.Lines(d.Input) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		kind, detail, _ := strings.Cut(rest, " ")
		switch word {
		case "strategy":
			req.Strategy = append(req.Strategy, model.Strategy{Type: kind, Field: detail})
		case "constraint":
			req.Constraints = append(req.Constraints, model.Constraint{Type: kind, Expression: detail})
		case "subnets":
			req.Zones = strings.Split(kind, ",")
		case "requires":
			req.Requires = append(req.Requires, kind)
		case "refuse":
			req.Refuse = func(m *model.Machine) string {
				if m.Driver == kind {
					return detail
				}
				return ""
			}
		default:
			s.t.Fatalf("unknown line %q", line)
		}
	}
	return req
}

func (s *story) place(d *datadriven.TestData) string {
	search, err := s.room.Search(s.request(d))
	if err != nil {
		return err.Error() + "\n"
	}
	var seats []place.Seat
	for n := range number(arg(d, "n", "1")) {
		seat, ok := search.Place(uint64(number(arg(d, "random", "1")) + n))
		if !ok {
			return hosts(seats) + fmt.Sprintf("(service web)%s\n", search.Explain().Event())
		}
		seats = append(seats, seat)
	}
	return hosts(seats)
}

func hosts(seats []place.Seat) string {
	list := []string{}
	for _, seat := range seats {
		list = append(list, seat.Machine.Host)
	}
	return "[" + strings.Join(list, " ") + "]\n"
}

func (s *story) scaleIn(d *datadriven.TestData) string {
	group, keep := arg(d, "group", "service:web"), numbers(arg(d, "keep", ""))
	in := place.ScaleIn{Cluster: benchCluster, Strategy: s.request(d).Strategy, Random: 1}
	for n, t := range s.tasks {
		switch {
		case t.Group != group:
		case slices.Contains(keep, n):
			in.Keep = append(in.Keep, t)
		default:
			in.Tasks = append(in.Tasks, t)
		}
	}
	victims, err := s.room.Victims(in, number(arg(d, "n", "1")))
	if err != nil {
		return err.Error() + "\n"
	}
	var out strings.Builder
	for _, t := range victims {
		fmt.Fprintf(&out, "%s on %s\n", model.ShortID(t.ARN), model.ShortID(t.Instance))
	}
	return out.String()
}
