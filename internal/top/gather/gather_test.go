package gather_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
	"github.com/maitred/maitred/internal/top"
	"github.com/maitred/maitred/internal/top/gather"
)

const (
	prefix  = "arn:aws:ecs:us-east-1:123456789012:"
	cluster = prefix + "cluster/default"
	web     = prefix + "service/default/web"
	group   = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/0123456789abcdef"
)

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

// measured is the value of each second of a metric, by its name, dimensions and statistic; what is not there was not
// measured.
type measured map[string]float64

func (m measured) Read(q metrics.Query) (points []metrics.Point, err error) {
	if q.Region != "us-east-1" || q.Namespace != model.NamespaceFast || q.End.After(noon.Add(-time.Second)) {
		return nil, errors.New("nobody measures that")
	}
	name := q.Name
	for _, d := range q.Dimensions {
		name += " " + d.Value
	}
	value, ok := m[name+" "+q.Statistic]
	for at := q.Start; ok && at.Before(q.End); at = at.Add(q.Period) {
		points = append(points, metrics.Point{At: at, Value: value})
	}
	return points, nil
}

func task(id, service string, status model.TaskStatus) []model.Record {
	arn := prefix + "task/default/" + id
	return []model.Record{
		&model.Task{
			ARN: arn, Cluster: cluster, Service: service, Machine: "m1", Desired: model.TaskRunning,
			TaskDefinition: prefix + "task-definition/web:7", Reserved: model.Resources{CPU: 512, Memory: 1024},
		},
		&model.Observed{Task: arn, Machine: "m1", Status: status, StartedAt: noon.Add(-time.Hour), Health: model.Healthy},
	}
}

func target(id string, state model.TargetState) []model.Record {
	t := &model.Target{Group: group, ID: "10.0.0." + id, Port: 80, Task: prefix + "task/default/" + id, Service: web}
	return []model.Record{t, &model.TargetHealth{Target: t.Path(), Balancer: "b1", State: state}}
}

func view(t *testing.T) *store.View {
	t.Helper()
	s, err := store.OpenSync(t.Context(), mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	records := []model.Record{
		&model.Cluster{ARN: cluster, Name: "default", Status: model.Active},
		&model.Service{ARN: web, Name: "web", Cluster: cluster, Region: "us-east-1", Status: model.Active, Scheduling: model.Replica, DesiredCount: 3},
		&model.Service{ARN: prefix + "service/default/agent", Name: "agent", Cluster: cluster, Region: "us-east-1", Status: model.Active, Scheduling: model.Daemon},
		&model.Service{ARN: prefix + "service/default/gone", Name: "gone", Cluster: cluster, Region: "us-east-1", Status: model.Inactive},
		&model.Machine{ID: "m1", Host: "box", Driver: "oci", Connected: true, SeenAt: noon, Capacity: model.Resources{CPU: 2048, Memory: 4096}},
		&model.TargetGroup{ARN: group, Name: "web", Region: "us-east-1"},
		&model.Balancer{ID: "b1", Connected: true},
		&model.Listener{ARN: "l1", LoadBalancer: "lb1", Actions: []model.Action{{Type: "forward", Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: group, Weight: 1}}}}}},
		&model.ScalingActivity{Target: "us-east-1/service/default/web", Number: 1, Desired: 2, StartedAt: noon.Add(-time.Hour)},
		&model.ScalingActivity{
			Target: "us-east-1/service/default/web", Number: 2, Desired: 3, StartedAt: noon.Add(-time.Minute), Policy: "cpu",
			Inputs: &model.ScalingInputs{Desired: 2},
		},
	}
	records = append(records, task("1", web, model.TaskRunning)...)
	records = append(records, task("2", web, model.TaskRunning)...)
	records = append(records, task("3", web, model.TaskPending)...)
	records = append(records, task("4", web, model.TaskStopped)...)
	records = append(records, task("5", "", model.TaskRunning)...)
	records = append(records, target("1", model.TargetHealthy)...)
	records = append(records, target("2", model.TargetUnhealthy)...)
	if _, err := s.Update(t.Context(), func(tx *store.Tx) error {
		for _, r := range records {
			tx.Put(r)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return s.View()
}

func gatherer(t *testing.T) gather.Gatherer {
	return gather.Gatherer{View: view(t), Now: noon, Metrics: measured{
		"CPUUtilization default web Average": 80, "MemoryUtilization default web Average": 40,
		"CPUUtilization default web 1 Average": 100, "CPUUtilization default web 2 Average": 60,
		"RequestCount targetgroup/web/0123456789abcdef Sum": 250, "TargetResponseTime targetgroup/web/0123456789abcdef p99": 0.02,
	}}
}

// TestServices takes together what is wanted, what runs and what was measured.
func TestServices(t *testing.T) {
	t.Parallel()
	got := gatherer(t).Snapshot(top.Ask{})
	want := []top.Service{
		{ARN: prefix + "service/default/agent", Cluster: "default", Name: "agent", Status: "ACTIVE"},
		{
			ARN: web, Cluster: "default", Name: "web", Status: "ACTIVE", Desired: 3, Running: 2, Pending: 1,
			CPU: new(80.0), Memory: new(40.0), Requests: new(250.0), P99: new(0.02), Targets: 2, Healthy: 1,
			Scaled: &top.Scaled{At: noon.Add(-time.Minute), Text: "2 to 3 by cpu"},
		},
	}
	if n := len(got.Services[1].Load); n != 60 || *got.Services[1].Load[59] != 80 {
		t.Errorf("got a load of %d seconds, want 60 of 80", n)
	}
	got.Services[1].Load = nil
	if diff := cmp.Diff(want, got.Services); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got.Tasks != nil || got.Machines != nil {
		t.Errorf("got %+v, want nothing that is not asked for", got)
	}
}

// TestTasks tells of the tasks of a service that are not stopped.
func TestTasks(t *testing.T) {
	t.Parallel()
	var got []string
	for _, task := range gatherer(t).Snapshot(top.Ask{Service: web}).Tasks {
		cpu := "-"
		if task.CPU != nil {
			cpu = fmt.Sprint(*task.CPU)
		}
		got = append(got, strings.Join([]string{task.ID, task.Status, task.Wanted, task.Health, task.Definition, task.Host, cpu}, " "))
	}
	want := []string{
		"1 RUNNING RUNNING HEALTHY web:7 box 100", "2 RUNNING RUNNING HEALTHY web:7 box 60", "3 PENDING RUNNING HEALTHY web:7 box -",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestMachines tells what is reserved of a machine and what is used.
func TestMachines(t *testing.T) {
	t.Parallel()
	want := []top.Machine{{
		ID: "m1", Host: "box", Driver: "oci", Connected: true, Tasks: 4, CPU: 2048, Memory: 4096, ReservedCPU: 2048, ReservedMemory: 4096,
		UsedCPU: new(40.0),
	}}
	if diff := cmp.Diff(want, gatherer(t).Snapshot(top.Ask{Machines: true}).Machines); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
