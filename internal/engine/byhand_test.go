package engine_test

import (
	"testing"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
	"github.com/maitred/maitred/internal/store/mem"
)

// delay is the deregistration delay of the group, which no full look meets by chance.
const delay = 47 * time.Second

// hand is somebody who registers targets without a service, and a scheduler beside.
type hand struct {
	t     *testing.T
	store *store.Store
	loop  *engine.Loop
	group *model.TargetGroup
}

func newHand(t *testing.T) *hand {
	t.Helper()
	h := &hand{t: t, store: open(t, mem.New(mem.Options{}))}
	h.group = &model.TargetGroup{
		ARN: group("web"), Name: "web", TargetType: "ip", Region: "eu-west-1", Port: 80, Protocol: "HTTP",
		Attributes: map[string]string{model.AttributeDeregistrationDelay: "47"},
	}
	put(t, h.store, h.group, &model.Listener{
		ARN: "listener/web", LoadBalancer: "lb", Region: "eu-west-1", Port: 80, Protocol: "HTTP",
		Actions: []model.Action{{Type: model.ActionForward, Forward: &model.Forward{Groups: []model.WeightedGroup{{Group: h.group.ARN, Weight: 1}}}}},
	})
	h.lead()
	t.Cleanup(func() { h.loop.Close() })
	return h
}

// lead makes a new leader.
func (h *hand) lead() {
	h.t.Helper()
	if h.loop != nil {
		h.loop.Close()
	}
	h.loop = engine.NewLoop(config(h.store), nil)
	settle(h.t, h.loop, start())
}

func named() []control.NewTarget { return []control.NewTarget{{ID: "10.0.0.9"}} }

// does registers or deregisters the target at a time.
func (h *hand) does(now time.Time, what func(*store.Tx, control.Call, string, []control.NewTarget) (bool, error)) {
	h.t.Helper()
	call := control.Call{Scope: scope(), Operation: "a call", Now: now, IDs: random, Refuse: runs}
	if _, err := h.store.Update(h.t.Context(), func(tx *store.Tx) error {
		_, err := what(tx, call, h.group.ARN, named())
		return err
	}); err != nil {
		h.t.Fatal(err)
	}
}

// is checks what DescribeTargetHealth says.
func (h *hand) is(when string, want model.TargetState) {
	h.t.Helper()
	all, err := control.HealthOf(h.store.View(), h.group, named())
	if err != nil {
		h.t.Fatal(err)
	}
	if all[0].State != want {
		h.t.Errorf("%s the target is %s, want %s", when, all[0].State, want)
	}
}

// next checks when the scheduler looks again by itself.
func (h *hand) next(want time.Time) {
	h.t.Helper()
	if got := h.loop.Next(); !got.Equal(want) {
		h.t.Errorf("the scheduler looks again at %v, want %v", got, want)
	}
}

// TestDeregisteredByHand: a target that somebody registered and deregistered is gone when its deregistration delay is over,
// and not only at the next full look.
func TestDeregisteredByHand(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	h.does(start(), control.RegisterTargets)
	settle(t, h.loop, start())
	h.is("when it is registered", model.TargetInitial)

	begun := start().Add(5 * time.Second)
	h.does(begun, control.DeregisterTargets)
	settle(t, h.loop, begun)
	h.next(begun.Add(delay))
	settle(t, h.loop, begun.Add(delay-time.Millisecond))
	h.is("before the delay is over", model.TargetDraining)
	settle(t, h.loop, begun.Add(delay))
	h.is("when the delay is over", model.TargetUnused)
	h.next(start().Add(time.Minute))
}

// TestDeregisteredBeforeThisLeader: a new leader finds the deadline in the record.
func TestDeregisteredBeforeThisLeader(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	h.does(start(), control.RegisterTargets)
	h.does(start(), control.DeregisterTargets)
	h.lead()
	h.next(start().Add(delay))
	settle(t, h.loop, start().Add(delay))
	h.is("when the delay is over", model.TargetUnused)
}

// TestRegisteredAgain: what is taken back before the delay is over stays.
func TestRegisteredAgain(t *testing.T) {
	t.Parallel()
	h := newHand(t)
	h.does(start(), control.RegisterTargets)
	h.does(start(), control.DeregisterTargets)
	settle(t, h.loop, start())
	h.does(start().Add(time.Second), control.RegisterTargets)
	settle(t, h.loop, start().Add(time.Second))
	settle(t, h.loop, start().Add(time.Hour))
	h.is("an hour later", model.TargetInitial)
}
