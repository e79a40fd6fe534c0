package scaler

import (
	"context"
	"time"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/metrics/expr"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// Loop is the scaler without a goroutine and without a clock: each Turn looks at what is due and writes what core decides.
type Loop struct {
	Config
	fence   *store.Fence
	watcher *store.Watcher
	hooks   *hooks
	alarms  map[string]*watched // by path
	targets map[string]*scaled  // by path
	rewake  bool                // what target groups say of who is woken may be out of date
	turned  Turned              // what this turn has come to
}

// watched is what is remembered of an alarm, by its path.
type watched struct {
	due    time.Time // when it is to be evaluated next
	fired  time.Time // when the scaling actions of its state were last carried out
	set    setting   // of SetAlarmState, that was last taken
	fires  bool      // in this turn
	points []float64 // that the last evaluation looked at, newest first
	newest time.Time // when the period of the newest began; zero: not known
	plan   *expr.Plan
	of     *model.Alarm // what due and plan were made for
	told   string       // the error that was last logged
}

// scaled is what is remembered of a scalable target, by its path.
type scaled struct {
	due    time.Time // when it is to be looked at next; zero: not before something happens
	recent map[string][]model.Proposal
	open   bool // an activity is in progress
	fast   bool // it is looked at each second
	usage  usage
	plans  map[string]*expr.Plan
	// written is what the view said that was last looked at.
	written *written
	// actions are those that were read, by record.
	actions map[*model.ScheduledAction]scaling.Action
}

// NewLoop starts with everything due. A fence makes each write depend on a term of leadership.
func NewLoop(c Config, fence *store.Fence) *Loop {
	return &Loop{
		Config: c, fence: fence, hooks: newHooks(c, fence), alarms: map[string]*watched{}, targets: map[string]*scaled{},
		watcher: c.Store.Watch(
			model.KindAlarm, model.KindAlarmState, model.KindScalable, model.KindScalingPolicy, model.KindScheduledAction,
			model.KindService, model.KindDeployment, model.KindObserved, model.KindDemand, model.KindBalancer,
		),
	}
}

// Close ends the loop's subscription.
func (l *Loop) Close() { l.watcher.Close() }

// C is ready when something changed.
func (l *Loop) C() <-chan struct{} { return l.watcher.C() }

// Next is when the passing of time alone gives the loop something to do, zero if it never does.
func (l *Loop) Next() (next time.Time) {
	earlier := func(t time.Time) {
		if !t.IsZero() && (next.IsZero() || t.Before(next)) {
			next = t
		}
	}
	for _, w := range l.alarms {
		earlier(w.due)
	}
	for _, s := range l.targets {
		earlier(s.due)
	}
	return next
}

// Turn evaluates the alarms that are due and decides on the targets that they, the time or a change concern. The error is
// about the store or the end of leadership.
func (l *Loop) Turn(ctx context.Context, now time.Time) error {
	began := time.Now()
	l.turned = Turned{}
	err := l.turn(ctx, now)
	if l.turned.Took = time.Since(began); l.Told != nil {
		l.Told(l.turned)
	}
	return err
}

func (l *Loop) turn(ctx context.Context, now time.Time) error {
	changes, all, view := l.watcher.Snapshot()
	look := l.changed(view, changes, all, now)
	if err := l.wakes(ctx); err != nil {
		return err
	}
	if err := l.evaluate(ctx, view, now); err != nil {
		return err
	}
	return l.decide(ctx, look, now)
}

// changed forgets what is gone, begins to watch what is new, and gives the targets that changes concern.
func (l *Loop) changed(view *store.View, changes []store.Changed, all bool, now time.Time) map[string]bool {
	look, moved := map[string]bool{}, false
	if all {
		l.begin(view, look, now)
	}
	for _, c := range changes {
		switch c.Key.Kind {
		case model.KindAlarm:
			l.follow(view, c.Key.Path)
		case model.KindAlarmState:
			l.dropped(c)
			l.restated(view, c.Key.Path)
		case model.KindScalable:
			l.track(view, c.Key.Path, look)
		case model.KindScalingPolicy, model.KindScheduledAction:
			l.track(view, parentOf(c.Key.Path), look)
		case model.KindDemand:
			l.demanded(view, c.After, look)
		case model.KindBalancer: // what it said while it gave no sign of life was not heeded
			for d := range view.Demands(c.Key.Path) {
				l.demanded(view, d, look)
			}
		case model.KindService:
			moved = true
			l.tagged(view, c.Key.Path, look)
			l.serviceChanged(c, look)
		default: // deployments and tasks
			moved = true
		}
	}
	for path, s := range l.targets {
		if moved && s.open {
			look[path] = true
		}
	}
	return look
}

// tagged looks at the target of a service (given by ARN) that may be of the fast lane only now: nothing else wakes it.
func (l *Loop) tagged(view *store.View, service string, look map[string]bool) {
	svc, ok := view.Service(service)
	if !ok || !tagged(svc) {
		return
	}
	path := targetOf(svc)
	if s := l.targets[path]; s != nil && !s.fast {
		look[path] = true
	}
}

// begin watches everything anew.
func (l *Loop) begin(view *store.View, look map[string]bool, now time.Time) {
	clear(l.alarms)
	clear(l.targets)
	l.rewake = true
	for a := range view.Alarms("") {
		l.follow(view, a.Key().Path)
		l.resume(view, a.Key().Path, now)
		l.hooks.offer(stateOf(view, a.Key().Path))
	}
	for t := range view.ScalableTargets("") {
		l.track(view, t.Path(), look)
	}
}

// track looks at a target that is new or has changed, and forgets one that is gone.
func (l *Loop) track(view *store.View, path string, look map[string]bool) {
	l.rewake = true
	if _, ok := view.ScalableTarget(path); !ok {
		delete(l.targets, path)
		return
	}
	s := l.targets[path]
	if s == nil {
		s = &scaled{}
		l.targets[path] = s
	}
	s.written = nil
	s.plans, s.actions = map[string]*expr.Plan{}, map[*model.ScheduledAction]scaling.Action{}
	for a := range view.ScalingActivities(path) {
		s.open = s.open || a.Status == model.ActivityInProgress
	}
	look[path] = true
}
