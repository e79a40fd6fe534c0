package whatif

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// with is a view with a few records more, or other ones.
func with(t fataler, v *store.View, records ...model.Record) *store.View {
	t.Helper()
	ctx := context.Background()
	st, err := store.OpenSync(ctx, mem.New(mem.Options{}), store.Scope{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var all []model.Record
	for s := range v.AllServices() {
		all = append(all, s)
		for d := range v.Deployments(s.ARN) {
			all = append(all, d)
		}
	}
	w := &world{call: control.Call{Now: epoch}}
	for x := range v.ScalableTargets("") {
		all = append(all, x)
		w.call.Region, w.target = x.Region, x.Path()
		all = append(all, w.policies(v)...)
	}
	all = append(append(all, w.balancing(v)...), records...)
	if _, err := st.Update(ctx, func(tx *store.Tx) error {
		for _, r := range all {
			tx.Put(r)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return st.View()
}

func run1(t *testing.T, s *Scenario, c Change) Outcome {
	t.Helper()
	out, err := s.Run(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// tasksAt is how many tasks there were on average in a minute.
func tasksAt(o *Outcome, n int) float64 { return o.Minutes[n].Tasks }

// TestLongAgo: alarms and policies that were made after the time that is replayed count all the same.
func TestLongAgo(t *testing.T) {
	t.Parallel()
	v, svc := server(t, tracking(50))
	load := flat(1800, 80)
	load.Start = time.Unix(0, 0).UTC()
	out := run1(t, &Scenario{View: v, Service: svc, Load: load, Tasks: Tasks{Capacity: 10}, Count: 2}, Change{})
	if out.MostTasks < 16 {
		t.Errorf("got %d tasks at most, want 16 for 80 requests per second at 50 %%", out.MostTasks)
	}
}

// TestAlarmsTakeTheirTime: an alarm of 3 minutes answers a load that comes at once when the third has been measured, a moment
// after its end.
func TestAlarmsTakeTheirTime(t *testing.T) {
	t.Parallel()
	v, svc := server(t, tracking(50))
	s := &Scenario{View: v, Service: svc, Load: flat(900, 18), Tasks: Tasks{Capacity: 10, Start: 30 * time.Second}, Count: 2}
	out := run1(t, s, Change{})
	for minute, want := range map[int]float64{0: 2, 2: 2, 3: 3.9, 4: 4, 14: 4} {
		if got := tasksAt(&out, minute); got != want {
			t.Errorf("minute %d: got %v tasks, want %v", minute, got, want)
		}
	}
	if cpu := out.Minutes[3].CPU; cpu < 60 || cpu > 65 { // for 33 s two samples of 90 %, then four of 45
		t.Errorf("CPU of the minute in which the new tasks start: got %v, want 60 to 65", cpu)
	}
	if out.Out != 1 || out.In != 0 || out.AboveTarget != 240 {
		t.Errorf("got %d changes out, %d in and %v s above the target, want 1, 0 and 240", out.Out, out.In, out.AboveTarget)
	}
}

// TestFastLane answers in seconds.
func TestFastLane(t *testing.T) {
	t.Parallel()
	v, svc := server(t, fast(50))
	s := &Scenario{View: v, Service: svc, Load: flat(300, 18), Tasks: Tasks{Capacity: 10, Start: 2 * time.Second}, Count: 2}
	out := run1(t, s, Change{})
	if got := tasksAt(&out, 0); got < 3.8 || out.Out != 1 {
		t.Errorf("got %v tasks in the first minute after %d changes, want nearly 4 after 1", got, out.Out)
	}
	if out.AboveTarget != 0 && out.AboveTarget != 60 {
		t.Errorf("got %v s above the target", out.AboveTarget)
	}
}

// TestRequestsPerTarget: a policy on the requests of a balancer is resolved by the records of the server.
func TestRequestsPerTarget(t *testing.T) {
	t.Parallel()
	v, svc := server(t)
	s := &Scenario{View: v, Service: svc, Load: flat(1200, 40), Tasks: Tasks{Capacity: 100, Start: time.Second}, Count: 2}
	out := run1(t, s, Change{Policies: []control.PolicyUpdate{perTask(600)}}) // 10 per second
	// 4 are needed; what was measured of two does not count for four.
	if last := tasksAt(&out, 19); last != 4 {
		t.Errorf("got %v tasks, want 4", last)
	}
}

// TestSteps: a step policy that replaces one of the same name is driven by its alarms.
func TestSteps(t *testing.T) {
	t.Parallel()
	steps := func(change int) control.PolicyUpdate {
		return control.PolicyUpdate{Name: "steps", Step: &model.Step{
			Adjustment: model.ChangeInCapacity, Cooldown: time.Minute, Steps: []model.StepRange{{Lower: new(0.0), Change: change}},
		}}
	}
	v, svc := server(t, steps(1))
	var p *model.ScalingPolicy
	for one := range v.ScalingPolicies("") {
		p = one
	}
	cpu := namesOf(svc, nil)[0].Metric
	v = with(t, v, &model.Alarm{
		Name: "busy", Region: svc.Region, ActionsEnabled: true, AlarmActions: []string{p.ARN}, Metric: &cpu, Statistic: "Average", Period: 60,
		EvaluationPeriods: 1, Threshold: 80, Comparison: model.GreaterOrEqual, UpdatedAt: epoch.Add(time.Hour),
	})
	s := &Scenario{View: v, Service: svc, Load: flat(120, 300), Tasks: Tasks{Capacity: 10}, Count: 2}
	today, changed := run1(t, s, Change{}), run1(t, s, Change{Policies: []control.PolicyUpdate{steps(5)}})
	if today.MostTasks != 3 || changed.MostTasks != 7 {
		t.Errorf("got %d and %d tasks, want one step of 1 and one of 5 from 2", today.MostTasks, changed.MostTasks)
	}
}

// TestSchedule: a scheduled action moves the bounds, whenever it was made.
func TestSchedule(t *testing.T) {
	t.Parallel()
	v, svc := server(t, tracking(50))
	v = with(t, v, &model.ScheduledAction{
		Name: "open", Target: model.ScalablePath(svc.Region, resourceOf(svc)), Schedule: "cron(10 0 * * ? *)", Min: new(6), CreatedAt: epoch.Add(time.Hour),
	}, &model.ScheduledAction{
		Name: "close", Target: model.ScalablePath(svc.Region, resourceOf(svc)), Schedule: "cron(0 20 * * ? *)", Min: new(2), CreatedAt: epoch.Add(time.Hour),
	})
	out := run1(t, &Scenario{View: v, Service: svc, Load: flat(1200, 0), Tasks: Tasks{Capacity: 10}, Count: 2}, Change{})
	if tasksAt(&out, 9) != 2 || tasksAt(&out, 10) != 6 {
		t.Errorf("got %v tasks before and %v after the action, want 2 and 6", tasksAt(&out, 9), tasksAt(&out, 10))
	}
}

// TestRoom: no more tasks are there than have room.
func TestRoom(t *testing.T) {
	t.Parallel()
	v, svc := server(t, fast(50))
	s := &Scenario{View: v, Service: svc, Load: flat(300, 60), Tasks: Tasks{Capacity: 10, Room: 5, Patience: 10 * time.Second}, Count: 2}
	out := run1(t, s, Change{})
	if out.MostTasks != 5 || out.NoRoom < 250 || out.Lost < 1000 || out.LowestHealth > 0.9 {
		t.Errorf("got %d tasks, %v s without room, %v lost, health %v", out.MostTasks, out.NoRoom, out.Lost, out.LowestHealth)
	}
	if out.WorstResponse > 11 {
		t.Errorf("who waits for 10 s at most is answered after %v", out.WorstResponse)
	}
}

// TestUnscaled: a service that nothing scales keeps its tasks, and can be given bounds and a policy.
func TestUnscaled(t *testing.T) {
	t.Parallel()
	v, svc := server(t)
	bare := with(t, v)
	s := &Scenario{View: bare, Service: svc, Load: flat(300, 60), Tasks: Tasks{Capacity: 10}, Count: 3}
	if out := run1(t, s, Change{}); out.MostTasks != 3 || out.LeastTasks != 3 {
		t.Errorf("got %d to %d tasks, want 3", out.LeastTasks, out.MostTasks)
	}
	if out := run1(t, s, Change{Min: new(5), Max: new(6)}); out.LeastTasks != 5 {
		t.Errorf("got %d tasks with a minimum of 5", out.LeastTasks)
	}
}

// past lets a load pass request by request, and gives what was recorded of it.
func past(t *testing.T, v *store.View, svc *model.Service, load *Load) *recorder {
	t.Helper()
	p := newLive(load, 10, 5, 3)
	s := &Scenario{View: v, Service: svc, Load: load, Tasks: Tasks{Start: 2 * time.Second}, Count: 4}
	w, err := newWorld(t.Context(), s, Change{})
	if err != nil {
		t.Fatal(err)
	}
	defer w.close()
	watch, err := newWatch(w.store.View(), w.target, svc.Region, load, 0)
	if err != nil {
		t.Fatal(err)
	}
	r := &run{world: w, load: load, start: 2 * time.Second, plant: p, watch: watch}
	if err := r.simulate(t.Context()); err != nil {
		t.Fatal(err)
	}
	return w.rec
}

// TestAnswer: a question about the last hours is answered by what was recorded, and the check is near.
func TestAnswer(t *testing.T) {
	t.Parallel()
	v, svc := server(t, tracking(60))
	load := jagged(4, 10, 60)
	a := &Answerer{View: v, Metrics: past(t, v, svc, load), Now: load.End().Add(20 * time.Second)}
	r, err := a.Answer(t.Context(), Question{Service: "default/web", Traffic: "last-4h", Change: Change{Policies: []control.PolicyUpdate{fast(60)}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%+v %+v today %.2f check %+v", r.Model, r.Model.Fit, r.Today.TaskHours, r.Check)
	near(t, "capacity", r.Model.Capacity, 10, 0.05)
	near(t, "task-hours", r.Today.TaskHours, r.Check.TaskHours, 0.05)
	near(t, "CPU", r.Today.CPU, r.Check.CPU, 0.05)
	near(t, "load", r.Load.Total, load.Total(), 0.02)
	if len(r.Points) != 240 || !r.Load.Start.Equal(load.Start) || r.Load.Unit != "requests" {
		t.Errorf("got %d points from %v of %s", len(r.Points), r.Load.Start, r.Load.Unit)
	}
}

// TestRefused: some questions are answered by an error.
func TestRefused(t *testing.T) {
	t.Parallel()
	v, svc := server(t, tracking(60))
	other := &model.Metric{Namespace: "mine", Name: "jobs"}
	custom := func(m *model.Metric, statistic string) control.PolicyUpdate {
		return control.PolicyUpdate{Name: "c", Tracking: &model.Tracking{Value: 1, Queries: []model.MetricQuery{{ID: "m", Metric: m, Statistic: statistic, Period: 60}}}}
	}
	policy := func(p control.PolicyUpdate) Change { return Change{Policies: []control.PolicyUpdate{p}} }
	elsewhere := tracking(50)
	elsewhere.Resource = "service/default/api"
	cpu := namesOf(svc, nil)[0].Metric
	memory := control.PolicyUpdate{Name: "m", Tracking: &model.Tracking{Value: 50, Predefined: control.PredefinedMemory}}
	for name, c := range map[string]struct {
		q    Question
		want string
	}{
		"no service":    {Question{Service: "api"}, "no service"},
		"no change":     {Question{Service: "web", CSV: []byte("0,1")}, "what is to be another way"},
		"bad file":      {Question{Service: "web", CSV: []byte("0,x"), Change: Change{Min: new(1)}}, "line 1"},
		"bad time":      {Question{Service: "web", Traffic: "yesterday", Change: Change{Min: new(1)}}, "last-24h"},
		"no metrics":    {Question{Service: "web", Traffic: "last-1h", Change: Change{Min: new(1)}}, "keeps no metrics"},
		"no capacity":   {Question{Service: "web", CSV: []byte("0,1"), Change: Change{Min: new(1)}}, "--capacity"},
		"capacity":      {Question{Service: "web", CSV: []byte("0,1"), Capacity: new(-1.0), Change: Change{Min: new(1)}}, "above 0"},
		"min over max":  {Question{Service: "web", CSV: []byte("0,1"), Capacity: new(1.0), Change: Change{Min: new(100)}}, "Maximum capacity"},
		"other service": {Question{Service: "web", CSV: []byte("0,1"), Capacity: new(1.0), Change: policy(elsewhere)}, "service/default/api"},
		"unknown":       {Question{Service: "web", CSV: []byte("0,1"), Capacity: new(1.0), Change: policy(custom(other, "Sum"))}, "does not know"},
		"percentile":    {Question{Service: "web", CSV: []byte("0,1"), Capacity: new(1.0), Change: policy(custom(&cpu, "p99"))}, "percentiles"},
		"memory":        {Question{Service: "web", CSV: []byte("0,1"), Capacity: new(1.0), Change: policy(memory)}, "measures memory"},
		"tasks":         {Question{Service: "web", CSV: []byte("0,1"), Capacity: new(1.0), Tasks: new(-1), Change: Change{Min: new(1)}}, "cannot begin"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := (&Answerer{View: v, Now: epoch}).Answer(t.Context(), c.q)
			var refusal *model.Error
			if !errors.As(err, &refusal) || !strings.Contains(refusal.Message, c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// canned is a store of metrics with a few series, by the minute from the epoch on.
type canned map[string][]float64

func (c canned) Read(q metrics.Query) (points []metrics.Point, _ error) {
	for i, v := range c[q.Name] {
		if !math.IsNaN(v) {
			points = append(points, metrics.Point{At: epoch.Add(time.Duration(i) * time.Minute), Value: v, Samples: 1})
		}
	}
	return points, nil
}

// TestRecordings: what arrived is told by requests, else by a backlog, else by CPU.
func TestRecordings(t *testing.T) {
	t.Parallel()
	v, svc := server(t)
	nan := math.NaN()
	for name, c := range map[string]struct {
		from canned
		unit string
		want []float64 // per second, by minute
		gaps int
	}{
		"requests": {canned{"RequestCount": {600, nan, 1200}}, "requests", []float64{10, 10, 20}, 1},
		// Two tasks at half of 10 messages each do 10 a second; the backlog grows by 60 in a minute.
		"backlog": {canned{"Backlog": {0, 60, 60}, "RunningTaskCount": {2, 2, 0}, "CPUUtilization": {50, 50, nan}}, "messages", []float64{10, 11, 0}, 0},
		"CPU":     {canned{"RunningTaskCount": {2, 2, 0}, "CPUUtilization": {50, 80, nan}}, "task-seconds", []float64{1, 1.6, 0}, 0},
		"nothing": {canned{}, "", nil, 0},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r, err := Record(v, svc, c.from, epoch.Add(3*time.Minute), 3*time.Minute)
			if err != nil {
				t.Fatal(err)
			}
			l, gaps, err := r.Load(&Tasks{Capacity: 10})
			if c.unit == "" {
				if err == nil {
					t.Errorf("nothing gives %+v", l)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := []float64{l.Rates[0], l.Rates[60], l.Rates[179]}
			if !slices.Equal(got, c.want) || gaps != c.gaps || l.Unit != c.unit {
				t.Errorf("got %v %s with %d gaps, want %v %s with %d", got, l.Unit, gaps, c.want, c.unit, c.gaps)
			}
		})
	}
}

// TestStartTime is the median of the service's tasks.
func TestStartTime(t *testing.T) {
	t.Parallel()
	v, svc := server(t)
	var records []model.Record
	for i, took := range []time.Duration{9 * time.Second, 2 * time.Second, 3 * time.Second} {
		id := svc.Cluster + "/" + string(rune('a'+i))
		records = append(records, &model.Task{ARN: id, Service: svc.ARN, Machine: "m", CreatedAt: epoch},
			&model.Observed{Task: id, Machine: "m", Status: model.TaskRunning, StartedAt: epoch.Add(took)})
	}
	if got, n := StartTime(with(t, v, records...), svc.ARN); got != 3*time.Second || n != 3 {
		t.Errorf("got %v of %d, want 3s of 3", got, n)
	}
	if _, n := StartTime(v, svc.ARN); n != 0 {
		t.Errorf("got %d tasks, want none", n)
	}
}
