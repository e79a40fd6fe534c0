package whatif

import (
	"fmt"
	"math"
	"time"

	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/scaler"
	"github.com/maitred/maitred/internal/store"
)

// Outcome is what came of a load.
type Outcome struct {
	Policies []string `json:"policies"` // as a person reads them
	Min      int      `json:"min"`
	Max      int      `json:"max"`
	// TaskHours are those of all tasks from the wish for them on.
	TaskHours float64 `json:"taskHours"`
	// AboveTarget is for how many seconds the metric of a target tracking policy was above its target value, as a mean of
	// each minute; of several policies, any. -1: there is none.
	AboveTarget float64 `json:"secondsAboveTarget"`
	// Out and In are how often the desired count was raised and lowered.
	Out int `json:"scaleOuts"`
	In  int `json:"scaleIns"`
	// LowestHealth is the smallest share of a minute's load that was served in that minute, LowestAt when that was.
	LowestHealth float64   `json:"lowestHealth"`
	LowestAt     time.Time `json:"lowestHealthAt"`
	// Served is the share of the whole load that was served, Lost what gave up.
	Served float64 `json:"servedShare"`
	Lost   float64 `json:"lost"`
	// PeakBacklog is how much waited at the end of a second at most.
	PeakBacklog float64 `json:"peakBacklog"`
	// CPU is the mean of all running tasks, in percent. Response is the mean response time of what was answered, and
	// WorstResponse the greatest mean of a minute, in seconds.
	CPU           float64 `json:"meanCPU"`
	Response      float64 `json:"meanResponse"`
	WorstResponse float64 `json:"worstResponse"`
	LeastTasks    int     `json:"leastTasks"`
	MostTasks     int     `json:"mostTasks"`
	// NoRoom is for how many seconds fewer tasks were there than desired, because the machines had no room.
	NoRoom float64 `json:"secondsWithoutRoom,omitempty"`

	Minutes []Minute `json:"-"`
}

// Minute is one minute of a simulation, as means.
type Minute struct {
	At                              time.Time
	Load, Tasks, CPU, Health, Queue float64
	Above                           bool
}

// goal is a target value and how it is measured.
type goal struct {
	value   float64
	queries []model.MetricQuery
	plan    *expr.Plan
}

// watch adds up an outcome.
type watch struct {
	Outcome
	region string
	start  time.Time
	goals  []goal
	room   int
	failed error

	wanted int
	whole  sums
	part   sums // of the minute that is not over
}

type sums struct{ arrived, served, tasks, serves, cpu, backlog, times float64 }

func newWatch(v *store.View, path, region string, load *Load, room int) (*watch, error) {
	w := &watch{region: region, start: load.Start, room: room}
	w.LowestHealth, w.LowestAt, w.LeastTasks, w.AboveTarget = 1, load.Start, math.MaxInt, -1
	t, ok := v.ScalableTarget(path)
	if !ok {
		w.Policies = []string{"none: the desired count stays"}
		return w, nil
	}
	w.Min, w.Max = t.Min, t.Max
	for p := range v.ScalingPolicies(path) {
		w.Policies = append(w.Policies, describe(p))
		if p.Tracking == nil {
			continue
		}
		w.AboveTarget = 0
		g := goal{value: p.Tracking.Value}
		for _, q := range p.Tracking.Queries {
			if q.Period > 0 {
				q.Period = minute
			}
			g.queries = append(g.queries, q)
		}
		if len(g.queries) > 1 || g.queries[0].Metric == nil {
			plan, err := expr.NewPlan(g.queries)
			if err != nil {
				return nil, fmt.Errorf("policy %s: %w", p.Name, err)
			}
			g.plan = plan
		}
		w.goals = append(w.goals, g)
	}
	if len(w.Policies) == 0 {
		w.Policies = []string{fmt.Sprintf("none: the desired count stays, within %d and %d", t.Min, t.Max)}
	}
	for a := range v.ScheduledActions(path) {
		w.Policies = append(w.Policies, "scheduled action "+a.Name+": "+a.Schedule)
	}
	return w, nil
}

// describe says in a line what a policy does.
func describe(p *model.ScalingPolicy) string {
	if p.Tracking == nil {
		return fmt.Sprintf("%s: %d steps of %s, cool-down %v", p.Name, len(p.Step.Steps), p.Step.Adjustment, p.Step.Cooldown)
	}
	t := p.Tracking
	what := t.Predefined
	for _, q := range t.Queries {
		if what == "" && !q.Hidden {
			what = q.Expression
			if q.Metric != nil {
				what = q.Statistic + " of " + q.Metric.Name
			}
		}
	}
	text := fmt.Sprintf("%s: %s at %g, cool-downs %v out and %v in", p.Name, what, t.Value, t.OutCooldown, t.InCooldown)
	if t.Fast {
		text = fmt.Sprintf("%s: %s at %g, each second", p.Name, what, t.Value)
	}
	if t.NoScaleIn {
		text += ", never in"
	}
	return text
}

func (w *watch) second(i int, f *flow, serving, tasks, wanted int) {
	if i > 0 && wanted > w.wanted {
		w.Out++
	}
	if i > 0 && wanted < w.wanted {
		w.In++
	}
	w.wanted = wanted
	if w.room > 0 && wanted > w.room {
		w.NoRoom++
	}
	n := float64(serving)
	for _, s := range []*sums{&w.whole, &w.part} {
		s.arrived += f.arrived
		s.served += f.served
		s.tasks += float64(tasks)
		s.serves += n
		s.cpu += f.cpu * n
		s.times += f.response * f.served
		s.backlog = f.backlog
	}
	w.Lost += f.lost
	w.PeakBacklog = max(w.PeakBacklog, f.backlog)
	w.LeastTasks, w.MostTasks = min(w.LeastTasks, serving), max(w.MostTasks, serving)
}

// minute is called when a minute is over and was measured.
func (w *watch) minute(from metrics.Reader, number int64) {
	p := &w.part
	m := Minute{
		At:   w.start.Add(time.Duration(number) * time.Minute),
		Load: p.arrived / minute, Tasks: p.tasks / minute, CPU: share(p.cpu, p.serves), Health: 1, Queue: p.backlog,
	}
	if p.arrived > 0 {
		m.Health = min(1, p.served/p.arrived)
	}
	if m.Health < w.LowestHealth {
		w.LowestHealth, w.LowestAt = m.Health, m.At
	}
	w.WorstResponse = max(w.WorstResponse, share(p.times, p.served))
	for _, g := range w.goals {
		m.Above = m.Above || w.above(from, &g, m.At)
	}
	if m.Above {
		w.AboveTarget += minute
	}
	w.Minutes = append(w.Minutes, m)
	w.part = sums{}
}

func (w *watch) above(from metrics.Reader, g *goal, at time.Time) bool {
	points, err := scaler.ReadQueries(from, w.region, g.queries, g.plan, at, at.Add(time.Minute))
	if err != nil {
		w.failed = err
	}
	return len(points) > 0 && points[len(points)-1].Value > g.value
}

func share(part, whole float64) float64 {
	if whole == 0 {
		return 0
	}
	return part / whole
}

func (w *watch) end() {
	const hour = 3600
	w.TaskHours = w.whole.tasks / hour
	w.CPU = share(w.whole.cpu, w.whole.serves)
	w.Response = share(w.whole.times, w.whole.served)
	w.Served = 1
	if w.whole.arrived > 0 {
		w.Served = min(1, w.whole.served/w.whole.arrived)
	}
	w.LeastTasks = min(w.LeastTasks, w.MostTasks)
}
