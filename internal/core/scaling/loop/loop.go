// Package loop is a small closed model of a service that is scaled: load makes tasks busy, what they measure is decided
// upon, and what is decided changes how many there are. Its clock is virtual. It shows how a policy answers a load, in tests
// and before the policy is put to use.
package loop

import (
	"slices"
	"time"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
)

// Model is what happens.
type Model struct {
	// Load is the work that comes in a second, counted from 0. It is called once for each, in order.
	Load func(second int) float64
	// Capacity is the work that one task does in a second when it is busy all the time: then its metric is 100.
	Capacity float64
	// Limit is the largest value of the metric, however much work there is; 0: none.
	Limit float64
	// Start is how long tasks take to start; they stop at once.
	Start time.Duration
	// Health is how long tasks run until they are healthy: until then they get no work, and what is measured is what each of
	// the others gets, as requests per target are. 0: all that run have a part in it.
	Health time.Duration
	// Policy is a target tracking policy: with the metric of the tasks, 100 when they are busy all the time.
	Policy   *model.ScalingPolicy
	Min, Max int
	Initial  int
	Length   time.Duration
}

// Change is a change of the desired count.
type Change struct {
	At       time.Duration // since the beginning
	From, To int
	Why      string
}

// Trace is what has happened.
type Trace struct {
	Changes []Change
	// Running is the count in each second; Over counts those in which the tasks had more work than they could do.
	Running []int
	Over    int
}

// Reversals counts how often a change was in the other direction than the one before.
func (t *Trace) Reversals() int {
	n := 0
	for i := 1; i < len(t.Changes); i++ {
		if (t.Changes[i].To > t.Changes[i].From) != (t.Changes[i-1].To > t.Changes[i-1].From) {
			n++
		}
	}
	return n
}

// Run lets it happen.
func Run(m Model) Trace {
	w := &world{Model: m, began: time.Unix(0, 0).UTC(), running: m.Initial, desired: m.Initial}
	for second := range int(m.Length / time.Second) {
		w.tick(second)
	}
	return w.trace
}

// world is a Model at one time.
type world struct {
	Model
	began            time.Time
	running, desired int
	starts           []start // that are under way, oldest first
	checks           []start // of those that run and are not healthy yet, oldest first
	state            *model.ScalingState
	activities       []model.ScalingActivity // in progress
	seconds          []scaling.Second        // newest first
	minutes          []float64               // newest first
	sum, work        float64                 // of the minute: the metric, and that times those which it was measured of
	targets          float64                 // of how many the newest minute was measured
	trace            Trace
}

type start struct {
	at    int // second
	count int
}

func (w *world) tick(second int) {
	now := w.began.Add(time.Duration(second) * time.Second)
	w.begin(second)
	w.measure(second, now)
	w.fulfil(now)
	closed := second%60 == 59
	if closed {
		w.minutes = front(w.minutes, w.sum/60, lowMinutes)
		w.targets = w.work / w.sum
		w.sum, w.work = 0, 0
	}
	if closed || w.Policy.Tracking.Fast {
		w.decide(second, now, closed)
	}
}

// begin lets tasks run whose start is over, and gives work to those that are healthy by now.
func (w *world) begin(second int) {
	for len(w.starts) > 0 && w.starts[0].at <= second {
		w.running += w.starts[0].count
		w.checks = append(w.checks, start{second + seconds(w.Health), w.starts[0].count})
		w.starts = w.starts[1:]
	}
	for len(w.checks) > 0 && w.checks[0].at <= second {
		w.checks = w.checks[1:]
	}
}

// seconds are those of a duration, a part of one being a whole.
func seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// healthy counts those that get work.
func (w *world) healthy() int {
	n := w.running
	for _, c := range w.checks {
		n -= c.count
	}
	return n
}

func (w *world) measure(second int, now time.Time) {
	load, value, healthy := w.Load(second), 0.0, w.healthy()
	if healthy > 0 {
		value = 100 * load / (w.Capacity * float64(healthy))
	}
	if value > 100 || healthy == 0 && load > 0 {
		w.trace.Over++
	}
	if w.Limit > 0 {
		value = min(value, w.Limit)
	}
	w.sum += value
	w.work += value * float64(healthy)
	w.seconds = front(w.seconds, scaling.Second{At: now, Value: value, Tasks: float64(healthy)}, 5)
	w.trace.Running = append(w.trace.Running, w.running)
}

// front adds to the front of a list that keeps so many.
func front[T any](list []T, item T, keep int) []T {
	list = slices.Insert(list, 0, item)
	return list[:min(len(list), keep)]
}

func (w *world) fulfil(now time.Time) {
	w.activities = slices.DeleteFunc(w.activities, func(a model.ScalingActivity) bool {
		_, state, done := scaling.Fulfil(&a, w.state, now, w.running, w.desired)
		if done {
			w.state = &state
		}
		return done
	})
}

// The alarms of target tracking: minutes above the target value, and below LowFactor of it.
const (
	highMinutes = 3
	lowMinutes  = 15
)

func (w *world) signals() []scaling.Signal {
	target := w.Policy.Tracking.Value
	high := scaling.Signal{Policy: w.Policy.Name, High: true, Alarm: &model.Alarm{Name: "high", ActionsEnabled: true, Threshold: target}}
	low := scaling.Signal{Policy: w.Policy.Name, Alarm: &model.Alarm{Name: "low", ActionsEnabled: true, Threshold: scaling.LowFactor * target}}
	if w.Health > 0 {
		high.Tasks = w.targets
	}
	breach := func(s *scaling.Signal, n int, breaches func(float64) bool) {
		s.State = model.AlarmOK
		s.Points = w.minutes[:min(n, len(w.minutes))]
		if len(s.Points) == n && !slices.ContainsFunc(s.Points, func(v float64) bool { return !breaches(v) }) {
			s.State, s.Fire = model.AlarmAlarm, true
		}
	}
	breach(&high, highMinutes, func(v float64) bool { return v > target })
	breach(&low, lowMinutes, func(v float64) bool { return v < scaling.LowFactor*target })
	return []scaling.Signal{high, low}
}

func (w *world) decide(second int, now time.Time, closed bool) {
	in := scaling.Input{
		Now: now, State: w.state, Policies: []*model.ScalingPolicy{w.Policy},
		Target:  &model.ScalableTarget{Resource: "service/model/model", Min: w.Min, Max: w.Max},
		Running: w.running, Pending: w.desired - w.running, Desired: w.desired,
	}
	if w.Policy.Tracking.Fast {
		in.Series = []scaling.Series{{Policy: w.Policy.Name, Points: w.seconds}}
	}
	if closed {
		in.Signals = w.signals()
	}
	d := scaling.Decide(in)
	w.state = &d.State
	for _, a := range d.Activities {
		if a.Status == model.ActivityInProgress {
			w.activities = append(w.activities, a)
		}
	}
	if d.Change {
		w.trace.Changes = append(w.trace.Changes, Change{
			At: time.Duration(second) * time.Second, From: w.desired, To: d.Desired, Why: d.Cause.Detail,
		})
		w.change(second, d.Desired)
	}
}

// change starts or stops tasks; those that are still starting are the first to go, then those that are not healthy yet.
func (w *world) change(second, to int) {
	for surplus := w.desired - to; surplus > 0; {
		if len(w.starts) == 0 {
			w.running -= surplus
			for surplus > 0 && len(w.checks) > 0 {
				surplus -= newest(&w.checks, surplus)
			}
			break
		}
		surplus -= newest(&w.starts, surplus)
	}
	if to > w.desired {
		w.starts = append(w.starts, start{second + seconds(w.Start), to - w.desired})
	}
	w.desired = to
}

// newest takes so many out of a list, or as many as its newest entry has, and says how many.
func newest(list *[]start, count int) int {
	last := len(*list) - 1
	gone := min(count, (*list)[last].count)
	if (*list)[last].count -= gone; (*list)[last].count == 0 {
		*list = (*list)[:last]
	}
	return gone
}
