package scaler

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core/alarm"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// actionsEvery is how often scaling actions are repeated while an alarm stays in a state ("Using Amazon CloudWatch alarms").
const actionsEvery = time.Minute

// settle is how long after the end of a period it is evaluated: what was measured until then is on its way from agents and
// balancers. The fast lane, which takes what there is, waits for less.
const (
	settle     = 2500 * time.Millisecond
	settleFast = 250 * time.Millisecond
)

// settled is the time whose evaluation there can be now.
func settled(a *model.Alarm, now time.Time) time.Time { return now.Add(-delay(a)) }

func delay(a *model.Alarm) time.Duration {
	if r := a.Resolution(); r > 0 && r < secondly {
		return settleFast
	}
	return settle
}

// secondly is the shortest period that AWS has; shorter ones are evaluated each second.
const secondly = 10 * time.Second

// next is when an alarm is to be evaluated next.
func next(a *model.Alarm, now time.Time) time.Time {
	if a.Composite() {
		return alarm.Next(a, now)
	}
	return alarm.Next(a, settled(a, now)).Add(delay(a))
}

// follow watches an alarm that is new or has changed, and forgets one that is gone.
func (l *Loop) follow(view *store.View, path string) {
	a, ok := view.Alarm(path)
	if !ok {
		delete(l.alarms, path)
		return
	}
	w := &watched{of: a, due: a.UpdatedAt}
	if old := l.alarms[path]; old != nil {
		w.fired, w.set = old.fired, old.set
	}
	if len(a.Queries) > 0 {
		plan, err := expr.NewPlan(a.Queries)
		if err != nil { // it was checked when it was put
			l.Log.Error("the metric math of an alarm cannot be read", "alarm", a.Name, "error", err)
		}
		w.plan = plan
	}
	l.alarms[path] = w
}

// restated takes the measurements that SetAlarmState gave with a state, and lets its actions be carried out.
func (l *Loop) restated(view *store.View, path string) {
	w, s := l.alarms[path], stateOf(view, path)
	l.hooks.offer(s)
	if w == nil || s == nil || !s.Set {
		return
	}
	set := settingOf(s)
	if set == w.set { // something else of the state was written
		return
	}
	w.set = set
	var data struct {
		Points []float64 `json:"recentDatapoints"`
	}
	_ = json.Unmarshal([]byte(s.ReasonData), &data) // without measurements a policy does nothing
	slices.Reverse(data.Points)                     // the oldest is the first there
	w.newest = time.Time{}
	w.points, w.fires, w.fired = data.Points, len(data.Points) > 0, s.UpdatedAt
}

// dropped logs that of what an alarm's webhooks were to be told something was dropped, whoever wrote that.
func (l *Loop) dropped(c store.Changed) {
	before, _ := c.Before.(*model.AlarmState)
	after, _ := c.After.(*model.AlarmState)
	if before == nil {
		before = &model.AlarmState{}
	}
	if after != nil && after.Dropped > before.Dropped {
		l.Log.Error("too much waits for an alarm's webhooks; the oldest is dropped", "alarm", after.Alarm, "dropped", after.Dropped-before.Dropped)
	}
}

// setting tells one SetAlarmState from another.
type setting struct {
	at    time.Time
	value model.AlarmValue
	data  string
}

func settingOf(s *model.AlarmState) setting { return setting{s.UpdatedAt, s.Value, s.ReasonData} }

func stateOf(view *store.View, path string) *model.AlarmState {
	s, ok := view.AlarmState(path)
	if !ok {
		return nil
	}
	return s
}

// evaluate evaluates the alarms that are due: those on metrics first, then the composite ones that look at them.
func (l *Loop) evaluate(ctx context.Context, view *store.View, now time.Time) error {
	var due []string
	composites := false
	for path, w := range l.alarms {
		switch {
		case w.of.Composite():
			composites = true
		case !w.due.After(now):
			due = append(due, path)
		}
	}
	slices.Sort(due)
	moved := false
	for _, path := range due {
		transition, err := l.evaluateMetric(ctx, view, l.alarms[path], now)
		if err != nil {
			return err
		}
		moved = moved || transition
	}
	if !composites {
		return nil
	}
	return l.evaluateComposites(ctx, moved, now)
}

func (l *Loop) evaluateMetric(ctx context.Context, view *store.View, w *watched, now time.Time) (transition bool, err error) {
	w.due = next(w.of, now)
	prev := stateOf(view, w.of.Key().Path)
	if prev != nil && prev.Set && w.fires {
		return false, nil // the actions of a state that was set are carried out before the truth is restored
	}
	points, err := l.pointsOf(w, now)
	if err != nil {
		l.tell(w, err)
		return false, nil
	}
	w.told = ""
	v := alarm.Evaluate(w.of, prev, points, settled(w.of, now))
	w.look(v.Points)
	if v.Kept {
		l.repeat(w, prev, now)
		return false, nil
	}
	return l.become(ctx, w, v, now)
}

// look remembers what an evaluation looked at.
func (w *watched) look(points []alarm.Point) {
	w.points, w.newest = w.points[:0], time.Time{}
	for i, p := range points {
		if i == 0 {
			w.newest = p.At
		}
		w.points = append(w.points, p.Value)
	}
}

// tell logs an error of an alarm once.
func (l *Loop) tell(w *watched, err error) {
	if text := err.Error(); text != w.told {
		w.told = text
		l.Log.Error("an alarm cannot be evaluated; it keeps its state", "alarm", w.of.Name, "error", err)
	}
}

// pointsOf reads what an alarm looks at.
func (l *Loop) pointsOf(w *watched, now time.Time) ([]alarm.Point, error) {
	start, end := alarm.Window(w.of, settled(w.of, now))
	read, err := ReadQueries(l.Metrics, w.of.Region, queriesOf(w.of), w.plan, start, end)
	if err != nil {
		return nil, err
	}
	points := make([]alarm.Point, len(read))
	for i, p := range read {
		points[i] = alarm.Point{At: p.At, Value: p.Value, Samples: p.Samples}
	}
	return points, nil
}

func queriesOf(a *model.Alarm) []model.MetricQuery {
	if a.Metric == nil {
		return a.Queries
	}
	return []model.MetricQuery{{ID: "m", Metric: a.Metric, Statistic: a.Statistic, Unit: a.Unit, Period: a.Period}}
}

// become writes the state that an alarm has now, if it is another one, and has its actions carried out.
func (l *Loop) become(ctx context.Context, w *watched, v alarm.Verdict, now time.Time) (transition bool, err error) {
	var state *model.AlarmState
	_, err = l.Store.Update(ctx, func(tx *store.Tx) error {
		l.guard(tx)
		path := w.of.Key().Path
		a, ok := tx.View().Alarm(path)
		prev := stateOf(tx.View(), path)
		state, transition = nil, false
		if !ok {
			return nil
		}
		if state, transition = alarm.Become(a, prev, v, now); !transition {
			if prev != nil && prev.Set { // what was set is the truth as well
				kept := *prev
				kept.Set = false
				tx.Put(&kept)
			}
			return nil
		}
		if prev == nil {
			prev = &model.AlarmState{Alarm: path, Value: model.AlarmInsufficient}
		}
		state.Cause = model.Cause{Kind: model.CauseAlarm, Subject: a.Name, At: now, Detail: v.Reason}
		control.NoteAlarmEvent(tx, state, control.AlarmTransition(a, prev, state, now))
		if !a.Composite() {
			alarm.Notify(a, state, now)
		}
		tx.Put(state)
		return nil
	})
	if err != nil {
		return false, fmt.Errorf("write the state of alarm %s: %w", w.of.Name, err)
	}
	if transition {
		l.turned.Transitions++
		w.fires, w.fired = true, now
		return true, nil
	}
	l.repeat(w, state, now)
	return false, nil
}

// repeat carries out the scaling actions of a state that lasts. A new leader goes on from when the one before it did.
func (l *Loop) repeat(w *watched, state *model.AlarmState, now time.Time) {
	if state != nil && w.fired.IsZero() {
		w.fired = lastScaled(l.Store.View(), w.of, state)
	}
	if state != nil && !now.Before(w.fired.Add(actionsEvery)) {
		w.fires, w.fired = true, now
	}
}

// evaluateComposites evaluates composite alarms until none of them changes: they may look at one another. The API keeps
// them from going in circles, so there is an end.
func (l *Loop) evaluateComposites(ctx context.Context, moved bool, now time.Time) error {
	for again := true; again; {
		again = false
		for _, path := range slices.Sorted(maps.Keys(l.alarms)) {
			w := l.alarms[path]
			if !w.of.Composite() || !moved && w.due.After(now) {
				continue
			}
			w.due = next(w.of, now)
			rule, err := alarm.ParseRule(w.of.Rule)
			if err != nil {
				l.tell(w, err)
				continue
			}
			view := l.Store.View()
			v := alarm.EvaluateComposite(w.of, stateOf(view, path), rule, children(view, w.of.Region))
			transition, err := l.become(ctx, w, v, now)
			if err != nil {
				return err
			}
			again = again || transition
			if err := l.permit(ctx, w, now); err != nil {
				return err
			}
		}
		moved = again
	}
	return nil
}

func children(view *store.View, region string) func(string) (alarm.Child, bool) {
	return func(ref string) (alarm.Child, bool) {
		path := model.AlarmPath(region, nameOf(ref))
		a, ok := view.Alarm(path)
		s := stateOf(view, path)
		if !ok || s == nil {
			return alarm.Child{}, false
		}
		return alarm.Child{ARN: a.ARN, Value: s.Value, Since: s.Since}, true
	}
}

// nameOf is the name of an alarm that is given by name or ARN.
func nameOf(ref string) string {
	if name, _, ok := arn.AlarmName(ref); ok {
		return name
	}
	return ref
}

// permit carries out the actions of a composite alarm's state when nothing holds them back any more.
func (l *Loop) permit(ctx context.Context, w *watched, now time.Time) error {
	view := l.Store.View()
	state := stateOf(view, w.of.Key().Path)
	if state == nil {
		return nil
	}
	var suppressor *model.AlarmState
	if w.of.Suppressor != "" {
		suppressor = stateOf(view, model.AlarmPath(w.of.Region, nameOf(w.of.Suppressor)))
	}
	switch p := alarm.Actions(w.of, state, suppressor, now); p.Timing {
	case alarm.Now:
		_, err := l.Store.Update(ctx, func(tx *store.Tx) error {
			l.guard(tx)
			s := stateOf(tx.View(), state.Alarm)
			if s == nil || !s.Since.Equal(state.Since) {
				return nil
			}
			acted := *s
			acted.Acted = now
			alarm.Notify(w.of, &acted, now)
			tx.Put(&acted)
			return nil
		})
		return err
	case alarm.Later:
		w.fires = false
		if !p.At.IsZero() && p.At.Before(w.due) {
			w.due = p.At
		}
	case alarm.Never:
	}
	return nil
}

// guard makes a transaction depend on this term of leadership.
func (l *Loop) guard(tx *store.Tx) {
	if l.fence != nil {
		tx.Fence(*l.fence)
	}
}
