package scaler

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/core/schedule"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// TagScaling is the tag of a service whose target tracking policies are looked at each second if its value is Fast.
const (
	TagScaling = "maitred:scaling"
	Fast       = "fast"
)

// turn is what is looked up once in a turn for all targets.
type turn struct {
	view  *store.View
	now   time.Time
	steps map[string]map[string][]*model.Alarm // by region, what control.PolicyAlarms gives
}

func (t *turn) alarmsOf(region, policy string) []*model.Alarm {
	if t.steps[region] == nil {
		t.steps[region] = control.PolicyAlarms(t.view, region)
	}
	return t.steps[region][policy]
}

// decide decides on the targets to look at: given ones, those of alarms that fire, and those whose time has come.
func (l *Loop) decide(ctx context.Context, look map[string]bool, now time.Time) error {
	t := &turn{view: l.Store.View(), now: now, steps: map[string]map[string][]*model.Alarm{}}
	l.fired(t, look)
	for path, s := range l.targets {
		if !s.due.IsZero() && !s.due.After(now) {
			look[path] = true
		}
	}
	paths := slices.AppendSeq(make([]string, 0, len(look)), maps.Keys(look))
	slices.Sort(paths)
	for _, path := range paths {
		if s := l.targets[path]; s != nil {
			if err := l.target(ctx, t, path, s); err != nil {
				return err
			}
		}
	}
	for _, w := range l.alarms {
		w.fires = false
	}
	return nil
}

// fired adds the targets of the policies that alarms trigger now.
func (l *Loop) fired(t *turn, look map[string]bool) {
	var targets map[string]string // by ARN of the policy; made when it is needed
	for path, w := range l.alarms {
		if !w.fires || !w.of.ActionsEnabled {
			continue
		}
		s := stateOf(t.view, path)
		if s == nil {
			continue
		}
		for _, action := range w.of.ActionsIn(s.Value) {
			policy, _, ok := arn.PolicyOfAction(action)
			if !ok {
				continue
			}
			if targets == nil {
				targets = map[string]string{}
				for p := range t.view.ScalingPolicies("") {
					targets[p.ARN] = p.Target
				}
			}
			look[targets[policy]] = true
		}
	}
}

// target decides on one target and writes what comes of it. The decision is made again inside the transaction, so that it
// is about what is there when it is written. The windows of the fast lane move when that has been done, and not before: both
// decisions are about the same second, and one that is not written has not begun any window anew.
func (l *Loop) target(ctx context.Context, t *turn, path string, s *scaled) error {
	in, _, ok := l.input(t, t.view, path, s)
	if !ok {
		s.due = time.Time{}
		return nil
	}
	d := scaling.Decide(in)
	s.due = s.usage.lookBy(d.Wake)
	if s.fast = len(s.written.fast) > 0; s.fast {
		s.due = nextSecond(t.now)
	}
	if !d.Save && !d.Change && len(d.Activities) == 0 && d.Min == nil && d.Max == nil && len(d.Ended) == 0 && len(d.Told) == 0 && !s.open {
		s.recent = d.State.Recent
		return nil
	}
	open, scaled, recent := false, false, s.recent
	_, err := l.Store.Update(ctx, func(tx *store.Tx) error {
		l.guard(tx)
		in, svc, ok := l.input(t, tx.View(), path, s)
		if !ok {
			return nil
		}
		decision := scaling.Decide(in)
		scaled, recent = decision.Change, decision.State.Recent
		open = l.write(tx, in, svc, decision)
		return nil
	})
	if err != nil {
		return fmt.Errorf("scale %s: %w", path, err)
	}
	if scaled {
		l.turned.Scaled++
	}
	s.open, s.recent = open, recent
	return nil
}

// nextSecond is when what was measured in the second of now has come.
func nextSecond(now time.Time) time.Time {
	return now.Add(-settleFast).Truncate(time.Second).Add(time.Second + settleFast)
}

// input is what is known of a target; false if there is nothing to decide on.
func (l *Loop) input(t *turn, view *store.View, path string, s *scaled) (in scaling.Input, svc *model.Service, ok bool) {
	k := l.written(t, view, path, s)
	if k.svc == nil {
		return in, nil, false
	}
	in, svc = k.in, k.svc
	in.Now = t.now
	state := k.state
	state.Recent = s.recent
	in.State = &state
	in.Signals = make([]scaling.Signal, 0, len(k.heard))
	for i := range k.heard {
		if signal, ok := l.signal(&k.heard[i]); ok {
			in.Signals = append(in.Signals, signal)
		}
	}
	in.Series = l.series(t, k, s)
	in.Zero = l.zero(t, view, in.Target, svc, s)
	return in, svc, true
}

// written is what a view says of a target. It is kept until there is another view: most seconds of the fast lane nothing
// has been written since the one before.
func (l *Loop) written(t *turn, view *store.View, path string, s *scaled) *written {
	if s.written == nil || s.written.revision != view.Revision() {
		s.written = l.readTarget(t, view, path, s)
	}
	return s.written
}

// written is what a view of the store says of a target. Nothing of it is changed.
type written struct {
	revision int64
	svc      *model.Service // nil: there is nothing to decide on
	in       scaling.Input  // without what is measured and what the loop remembers
	state    model.ScalingState
	heard    []heard
	fast     []fastPolicy
	running  model.Metric // how many tasks run
}

// heard is an alarm that has a say.
type heard struct {
	path   string
	policy *model.ScalingPolicy
	state  *model.AlarmState
	high   bool
}

func (l *Loop) readTarget(t *turn, view *store.View, path string, s *scaled) *written {
	k := &written{revision: view.Revision(), state: model.ScalingState{Target: path}}
	target, ok := view.ScalableTarget(path)
	if !ok {
		return k
	}
	svc, ok := view.Service(target.Service)
	if !ok || svc.Status != model.Active {
		return k
	}
	k.svc = svc
	if known, ok := view.ScalingState(path); ok {
		k.state = *known
	}
	k.in = scaling.Input{
		Target: target, Desired: svc.DesiredCount, Policies: slices.Collect(view.ScalingPolicies(path)),
		Actions: l.actions(view, path, s), Deploying: deploying(view, svc), Fast: tagged(svc),
	}
	k.in.Running, k.in.Pending = counts(view, svc)
	k.in.External = changedByOthers(view, svc, path, k.state.LastActivity)
	for _, p := range k.in.Policies {
		k.heard = append(k.heard, hears(t, view, target, p)...)
	}
	k.fast, k.running = fastPolicies(k.in.Policies, svc), ofService("RunningTaskCount", svc)
	return k
}

func tagged(svc *model.Service) bool {
	return slices.Contains(svc.Tags, model.Tag{Key: TagScaling, Value: Fast})
}

// counts counts the tasks of a service that run, and those that shall; ones that are to stop count for neither.
func counts(view *store.View, svc *model.Service) (running, pending int) {
	for task := range view.TasksOfService(svc.ARN) {
		switch status := task.LastStatus(); {
		case task.Desired != model.TaskRunning:
		case status == model.TaskRunning:
			running++
		case status.Order() < model.TaskRunning.Order():
			pending++
		}
	}
	return running, pending
}

// deploying says whether a deployment of the service is in progress. One that failed is not, although it keeps its tasks.
func deploying(view *store.View, svc *model.Service) bool {
	current := 0
	for d := range view.Deployments(svc.ARN) {
		if d.Current {
			current++
		}
		if d.ID == svc.Primary && d.Rollout != model.RolloutCompleted {
			return d.Rollout == model.RolloutInProgress
		}
	}
	return current > 1
}

// changedByOthers says whether the desired count is another one than the last activity set. It looks from the newest one
// back, as this is asked each second in the fast lane.
func changedByOthers(view *store.View, svc *model.Service, path string, last int) bool {
	for n := last; n > last-model.MaxScalingActivities; n-- {
		a, ok := view.ScalingActivity(path, n)
		if !ok {
			return false
		}
		if a.Desired >= 0 {
			return a.Desired != svc.DesiredCount
		}
	}
	return false
}

// actions are the scheduled actions of a target. One whose schedule cannot be read any more is told of and left out.
// Reading a schedule takes longer than all the rest of a turn, so it is done once for each record.
func (l *Loop) actions(view *store.View, path string, s *scaled) (actions []scaling.Action) {
	for a := range view.ScheduledActions(path) {
		known, ok := s.actions[a]
		if !ok {
			known = scaling.Action{ScheduledAction: a}
			if read, err := readSchedule(a); err != nil {
				l.Log.Error("a scheduled action cannot be read", "action", a.ARN, "error", err)
			} else {
				known.Next = read.Remember()
			}
			s.actions[a] = known
		}
		if known.Next != nil {
			actions = append(actions, known)
		}
	}
	return actions
}

func readSchedule(a *model.ScheduledAction) (*schedule.Schedule, error) {
	zone, err := time.LoadLocation(a.Zone) // UTC for ""
	if err != nil {
		return nil, err
	}
	s, err := schedule.Parse(a.Schedule, zone)
	if err != nil {
		return nil, err
	}
	return s.Bounded(a.CreatedAt, a.Start, a.End), nil
}

// hears lists the alarms of a policy that have a state.
func hears(t *turn, view *store.View, target *model.ScalableTarget, p *model.ScalingPolicy) (all []heard) {
	add := func(path string, high bool) {
		if state := stateOf(view, path); state != nil {
			all = append(all, heard{path, p, state, high})
		}
	}
	if p.Step == nil {
		for i, name := range p.Alarms {
			add(model.AlarmPath(target.Region, name), i == 0)
		}
		return all
	}
	for _, a := range t.alarmsOf(target.Region, p.ARN) {
		add(a.Key().Path, a.Comparison == model.Greater || a.Comparison == model.GreaterOrEqual)
	}
	return all
}

// signal is what an alarm says now; false if it is not watched.
func (l *Loop) signal(h *heard) (scaling.Signal, bool) {
	w := l.alarms[h.path]
	if w == nil {
		return scaling.Signal{}, false
	}
	signal := scaling.Signal{
		Policy: h.policy.Name, Alarm: w.of, State: h.state.Value, High: h.high, Points: w.points, Cause: &h.state.Cause,
		Fire: w.fires && triggers(w.of, h.state.Value, h.policy),
	}
	if signal.Fire && h.policy.Tracking != nil {
		var err error
		if signal.Tasks, err = targetsOfAlarm(l.Metrics, w.of, w.newest); err != nil {
			l.tell(w, err)
		}
	}
	return signal, true
}

// triggers says whether a policy is among the actions of an alarm in a state.
func triggers(a *model.Alarm, v model.AlarmValue, p *model.ScalingPolicy) bool {
	return a.ActionsEnabled && slices.ContainsFunc(a.ActionsIn(v), func(action string) bool {
		policy, _, ok := arn.PolicyOfAction(action)
		return ok && policy == p.ARN
	})
}
