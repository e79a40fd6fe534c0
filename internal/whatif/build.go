package whatif

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/scaler"
)

// building is a report that is being made.
type building struct {
	a      *Answerer
	q      Question
	s      Scenario
	report *Report
	past   *Recording // nil: nothing was recorded
}

func (b *building) note(format string, args ...any) {
	b.report.Notes = append(b.report.Notes, fmt.Sprintf(format, args...))
}

// measure finds out what the load and the tasks are.
func (b *building) measure() (err error) {
	if b.q.Traffic == "" {
		if b.s.Load, err = ParseCSV(b.q.CSV); err != nil {
			return err
		}
	} else if err := b.record(); err != nil {
		return err
	}
	if err := b.tasks(); err != nil {
		return err
	}
	if b.q.Traffic != "" {
		if err := b.replay(); err != nil {
			return err
		}
	}
	if b.q.Patience == nil && b.s.Load.Unit != "messages" {
		b.s.Tasks.Patience = defaultPatience
	}
	b.s.Count = b.count()
	b.tell()
	return b.s.check()
}

// record reads what is to be replayed.
func (b *building) record() error {
	length, err := Last(b.q.Traffic)
	if err != nil {
		return err
	}
	if b.a.Metrics == nil {
		return errors.New("this server keeps no metrics, so it cannot replay any; give the load as a file")
	}
	b.report.Traffic, b.s.Recorded = b.q.Traffic, b.a.Metrics
	b.past, err = Record(b.a.View, b.s.Service, b.a.Metrics, b.a.Now, length)
	return err
}

func (b *building) replay() error {
	l, gaps, err := b.past.Load(&b.s.Tasks)
	if err != nil {
		return err
	}
	b.s.Load = l
	if gaps > 0 {
		b.note("of %d of %d minutes nothing was recorded; the load before them goes on in them", gaps, len(l.Rates)/minute)
	}
	switch l.Unit {
	case "messages":
		b.note("what came into the queue is reckoned from the backlog and from what the tasks did, by their CPU and their capacity")
	case "task-seconds":
		b.note("no requests and no backlog were recorded: the load is the CPU that was used, which hides what was wanted beyond it")
	}
	return nil
}

// fitted is how much of the past tells what tasks can do, where a file is the load.
const fitted = 24 * time.Hour

// tasks makes the model of the tasks of what was given, and of what was measured.
func (b *building) tasks() error {
	t := &b.s.Tasks
	if t.Room = b.room(); t.Room == 0 {
		b.note("it is not known for how many tasks there is room; any number is taken to have it")
	}
	t.Start = defaultStart
	if median, n := StartTime(b.a.View, b.s.Service.ARN); n > 0 {
		t.Start = median
	}
	set(&t.Start, b.q.Start)
	set(&t.Patience, b.q.Patience)
	set(&t.Idle, b.q.Idle)
	if b.q.Capacity != nil {
		t.Capacity = *b.q.Capacity
		return t.check()
	}
	past := b.past
	if past == nil && b.a.Metrics != nil {
		var err error
		if past, err = Record(b.a.View, b.s.Service, b.a.Metrics, b.a.Now, fitted); err != nil {
			return err
		}
	}
	return b.fit(past)
}

func (b *building) fit(past *Recording) error {
	t := &b.s.Tasks
	switch {
	case past == nil:
		return errors.New("nothing is recorded that tells what a task can do; say it with --capacity (requests per second of one task)")
	case numbers(past.Requests) == 0 && numbers(past.Backlog) > 0:
		return errors.New("a backlog does not tell what a task can do; say it with --capacity (messages per second of one task)")
	case numbers(past.Requests) == 0 && b.q.Traffic != "":
		t.Capacity = 1 // the load is CPU itself
		return t.check()
	}
	fit, err := past.Fit()
	if err != nil {
		return err
	}
	b.report.Model.Fit = &fit
	t.Capacity = fit.Capacity
	if b.q.Idle == nil {
		t.Idle = fit.Idle
	}
	return t.check()
}

func set[V any](to, given *V) {
	if given != nil {
		*to = *given
	}
}

// count is with how many tasks the simulation begins: as was recorded, else as many as are desired now.
func (b *building) count() int {
	n := b.s.Service.DesiredCount
	if b.past != nil {
		if first := b.past.First(); first >= 0 {
			n = first
		}
	}
	set(&n, b.q.Tasks)
	return n
}

// mostRoom is how many tasks are tried to be placed.
const mostRoom = 10_000

// room is for how many tasks of the service the machines have room as they are now, with what else runs on them; 0 if that
// is not asked.
func (b *building) room() int {
	svc, v := b.s.Service, b.a.View
	if b.a.Connected == nil || b.a.Refuse == nil {
		return 0
	}
	for d := range v.Deployments(svc.ARN) {
		def, ok := v.TaskDefinition(d.TaskDefinition)
		if d.ID != svc.Primary || !ok {
			continue
		}
		search, err := core.NewRoom(v, b.a.Connected).Search(place.Request{
			Cluster: svc.Cluster, Service: svc.ARN, Group: "service:" + svc.Name, Demand: place.Demand(def, nil), Requires: def.Requires,
			Zones: d.Network.InZones(), Constraints: slices.Concat(def.Constraints, svc.Constraints), Strategy: svc.Strategy,
			Refuse: func(m *model.Machine) string { return b.a.Refuse(m, def) },
		})
		if err != nil {
			return 0 // the scheduler says so in an event
		}
		n := 0
		for t := range v.TasksOfService(svc.ARN) {
			if !t.Stopped() {
				n++
			}
		}
		for n < mostRoom {
			if _, ok := search.Place(0); !ok {
				break
			}
			n++
		}
		return n
	}
	return 0
}

// tell writes down what the simulation is made of.
func (b *building) tell() {
	l, t, m := b.s.Load, &b.s.Tasks, &b.report.Model
	m.Capacity, m.Idle, m.Start, m.Patience, m.Room, m.Text = t.Capacity, t.Idle, t.Start.Seconds(), t.Patience.Seconds(), t.Room, modelText
	b.report.Load = Summary{
		Start: l.Start, End: l.End(), Unit: l.Unit, Total: l.Total(), Mean: l.Total() / float64(len(l.Rates)), Peak: slices.Max(l.Rates),
	}
	if slices.ContainsFunc(b.s.Service.Tags, func(t model.Tag) bool { return t.Key == scaler.TagZero }) {
		b.note("that it sleeps when nobody asks (the tag %s) is not replayed: here it stays awake", scaler.TagZero)
	}
	if l.Step > time.Second {
		b.note("the load is known by the %s: within it, arrivals are drawn at random (seed %d)", unitOf(l.Step), b.s.Seed)
	}
}

func unitOf(d time.Duration) string {
	if d == time.Minute {
		return "minute"
	}
	return d.String()
}

// compare runs the load with today's policy and with the new one, each in a world of its own.
func (b *building) compare(ctx context.Context) (err error) {
	r := b.report
	if err := b.publishes(b.q.Change.Policies); err != nil {
		return invalid(err)
	}
	var today error
	var both sync.WaitGroup
	both.Go(func() { r.Today, today = b.s.Run(ctx, Change{}) })
	r.New, err = b.s.Run(ctx, b.q.Change)
	both.Wait()
	switch {
	case today != nil:
		return fmt.Errorf("simulate today's policy: %w", today)
	case err != nil:
		if _, refused := errors.AsType[*model.Error](err); refused {
			return invalid(err)
		}
		return fmt.Errorf("simulate the new policy: %w", err)
	}
	if b.past != nil && b.past.TaskHours() >= 0 {
		r.Check = &Check{TaskHours: b.past.TaskHours(), CPU: b.past.MeanCPU()}
	}
	r.Points = points(r.Today.Minutes, r.New.Minutes)
	return nil
}

// publishes says in notes, or in an error, which policies look at what the model does not know.
func (b *building) publishes(policies []control.PolicyUpdate) error {
	for _, p := range policies {
		if p.Step != nil && !b.driven(p.Name) {
			b.note("no alarm triggers the step policy %s, so it does nothing: give it the name of one that has alarms", p.Name)
		}
		if p.Tracking == nil {
			continue
		}
		switch what, why := b.unknown(p.Tracking); {
		case what == "":
		case b.s.Recorded == nil || why != "":
			return fmt.Errorf("policy %s measures %s, which the model does not know%s", p.Name, what, cmp.Or(why, "; replay what was recorded (last-24h) to see it"))
		default:
			b.note("policy %s measures %s, which is replayed as it was recorded, however many tasks there are", p.Name, what)
		}
	}
	path := model.ScalablePath(b.s.Service.Region, resourceOf(b.s.Service))
	for p := range b.a.View.ScalingPolicies(path) {
		if p.Tracking == nil {
			continue
		}
		switch what, why := b.unknown(p.Tracking); {
		case what == "":
		case b.s.Recorded == nil || why != "":
			b.note("today's policy %s measures %s, which the model does not know: it does nothing here", p.Name, what)
		default:
			b.note("today's policy %s measures %s, which is replayed as it was recorded", p.Name, what)
		}
	}
	return nil
}

// unknown names what a policy measures and the model does not publish, "" if it publishes all. why is set if no recording
// helps.
func (b *building) unknown(t *model.Tracking) (what, why string) {
	if t.Predefined == control.PredefinedMemory || t.Predefined == control.PredefinedFastMemory {
		return "memory", ""
	}
	names := &recorder{names: namesOf(b.s.Service, linksOf(b.a.View, b.s.Service))}
	for _, q := range t.Queries {
		switch {
		case q.Metric == nil:
		case names.find(q.Metric) == nil:
			what = q.Metric.String()
		case !model.BasicStatistic(q.Statistic):
			return "the " + q.Statistic + " of " + q.Metric.String(), ": it has no percentiles, only means"
		}
	}
	return what, ""
}

// driven says whether today's policy of a name has alarms.
func (b *building) driven(name string) bool {
	p, ok := b.a.View.ScalingPolicy(model.ScalablePath(b.s.Service.Region, resourceOf(b.s.Service)), name)
	return ok && len(control.PolicyAlarms(b.a.View, b.s.Service.Region)[p.ARN]) > 0
}

// mostPoints is how many points a report has at most.
const mostPoints = 720

// points puts the minutes of two simulations side by side, several into one if there are many.
func points(today, changed []Minute) (all []Point) {
	n := min(len(today), len(changed))
	per := max(1, int(math.Ceil(float64(n)/mostPoints)))
	for at := 0; at < n; at += per {
		p := Point{At: today[at].At}
		k := float64(min(per, n-at))
		for i := at; i < min(at+per, n); i++ {
			p.Load += today[i].Load / k
			p.TodayTasks += today[i].Tasks / k
			p.NewTasks += changed[i].Tasks / k
			p.TodayCPU += today[i].CPU / k
			p.NewCPU += changed[i].CPU / k
		}
		all = append(all, p)
	}
	return all
}
