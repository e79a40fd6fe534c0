package core

import (
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/core/reconcile"
	"github.com/maitred/maitred/internal/core/rollout"
	"github.com/maitred/maitred/internal/model"
)

// HeldBack says in numbers how far the bounds of a service hold back the replacement of its unhealthy tasks; "" if they do
// not.
func HeldBack(v View, in Input, service string) string {
	s := &step{View: v, in: in, states: map[string]model.Status{}}
	defer s.leave()
	svc, ok := s.Service(service)
	if !ok || svc.Status != model.Active {
		return ""
	}
	w := s.look(svc)
	if w.primary == nil {
		return ""
	}
	c := w.counts()
	h := rollout.Heal(c, rollout.Decide(c))
	if h.Held == 0 {
		return ""
	}
	return w.heldBack(c, h)
}

// heldBack tells of unhealthy tasks of which some are held back, and of the bounds that hold them.
func (w *work) heldBack(c rollout.Counts, h rollout.Healing) string {
	text := fmt.Sprintf("%d are unhealthy, %d replacements are on their way, and for %d there is no room yet:"+
		" the deployment configuration allows %d tasks at most (maximumPercent %d)", h.Unhealthy, h.Coming, h.Held, c.Upper, w.svc.MaxPercent)
	if c.Upper <= c.Desired { // none can start beside them: the lower bound does not count
		return text + ", so that they are replaced one at a time."
	}
	return text + fmt.Sprintf(", of which %d have to run (minimumHealthyPercent %d).", c.Lower, w.svc.MinHealthy)
}

// tellHeldBack says that bounds hold back the replacement of unhealthy tasks: when they begin to, and again when it has
// become worse. What else holds it up, a pause or want of room on the machines, has an event of its own.
func (w *work) tellHeldBack(c rollout.Counts, allowed rollout.Allowance) {
	h := rollout.Heal(c, allowed)
	if h.Unhealthy == 0 {
		if w.state.HeldBack != nil {
			w.state.HeldBack, w.stateChanged = nil, true
		}
		return
	}
	if h.Held == 0 || w.roomless || allowed.Start > 0 && w.throttled() {
		return
	}
	if w.worse(h.Held) {
		w.event(" is unable to replace all unhealthy tasks at once: " + w.heldBack(c, h))
		w.state.HeldBack = &model.HeldBack{
			Tasks: h.Held, MinHealthy: w.svc.MinHealthy, MaxPercent: w.svc.MaxPercent, At: w.in.Now, Event: w.state.LastEvent,
		}
	}
	w.pool.Wake = reconcile.Earlier(w.pool.Wake, w.repeats())
}

// worse says that something else has to be said of so many tasks that are held back than was last time: a quarter of the
// service more are, or the bounds are others. It is said again when newer events have driven out the one that said it, and
// when the time for duplicates is over.
func (w *work) worse(held int) bool {
	last := w.state.HeldBack
	return last == nil || last.MinHealthy != w.svc.MinHealthy || last.MaxPercent != w.svc.MaxPercent ||
		held-last.Tasks >= max(1, (w.desired+3)/4) || w.state.LastEvent-last.Event >= model.MaxServiceEvents || !w.in.Now.Before(w.repeats())
}

// repeats is when the same may be said again of tasks that are held back.
func (w *work) repeats() time.Time { return w.state.HeldBack.At.Add(w.in.Timings.DuplicateEvents) }
