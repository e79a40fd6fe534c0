package sim

import (
	"log/slog"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/engine"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/scaler"
	"github.com/maitred/maitred/internal/store"
)

// leader is the name under which schedulers are elected.
const leader = "scheduler"

// resync is how often the scheduler looks at everything.
const resync = time.Minute

// server is a maitred server: an API front end, and now and then the leader.
type server struct {
	w      *world
	id     int
	life   int // counts the starts; what an earlier life planned does not happen
	store  *store.Store
	loop   *engine.Loop
	scaler *scaler.Loop // nil: it does not lead, or no service may sleep
	fence  store.Fence
	skew   time.Duration // of its clock
	frozen time.Time     // until then it does nothing
	next   time.Time     // when its loop takes a turn, zero for never
}

func newServer(w *world, id int) *server { return &server{w: w, id: id} }

// boot starts the server, unless somebody who needed it has.
func (s *server) boot() {
	if s.store != nil {
		return
	}
	st, err := store.OpenSync(s.w.ctx, s.w.backend, store.Scope{})
	if err != nil {
		panic(err)
	}
	s.life++
	s.store = st
	s.w.tell("server %d is up", s.id)
	s.campaign()
}

func (s *server) clock() time.Time { return s.w.now.Add(s.skew) }

// later plans something for this life of the server.
func (s *server) later(d time.Duration, do func()) {
	life := s.life
	s.w.after(d, func() {
		if s.life == life && s.store != nil {
			do()
		}
	})
}

// campaign makes the server the leader if there is none, and tries again if there is one.
func (s *server) campaign() {
	if s.store == nil || s.loop != nil {
		return
	}
	lead, _, err := s.w.backend.TryElect(leader)
	switch {
	case err != nil:
		panic(err)
	case lead == nil:
		s.later(5*time.Second, s.campaign)
		return
	}
	s.w.tell("server %d leads", s.id)
	s.fence = lead.Fence
	s.w.backend.term = lead.Fence.Term
	config := engine.Config{
		Store: s.store, Account: account, IDs: s.w.id, Timings: s.w.timings, Refuse: refuse, Resync: resync,
		Log: slog.New(slog.DiscardHandler), Step: s.step,
	}
	if s.w.NoResync {
		config.Resync = 1000 * time.Hour
	}
	s.loop = engine.NewLoop(config, &lead.Fence)
	s.scales()
	s.wake(0)
}

func refuse(*model.Machine, *model.TaskDefinition) string { return "" }

// step decides as production does, and has the plan checked. Sometimes it does not hear what there is to look at.
func (s *server) step(v core.View, in core.Input) core.Plan {
	if !s.w.calm && s.w.faults.Missed > 0 {
		heard := func(string) bool { return s.w.chance(s.w.faults.Missed * 0.2) }
		in.Dirty.Services = slices.DeleteFunc(slices.Clone(in.Dirty.Services), heard)
		in.Dirty.Targets = slices.DeleteFunc(slices.Clone(in.Dirty.Targets), heard)
	}
	decide := core.Step
	if s.w.Step != nil {
		decide = s.w.Step
	}
	plan := decide(v, in)
	s.w.check.plan(v, in, plan)
	return plan
}

// wake makes the loop take a turn soon.
func (s *server) wake(d time.Duration) {
	at := s.w.now.Add(d)
	if at.Before(s.frozen) {
		at = s.frozen
	}
	if s.loop == nil || !s.next.IsZero() && !s.next.After(at) {
		return
	}
	s.next = at
	s.later(at.Sub(s.w.now), func() {
		if !s.next.Equal(at) {
			return
		}
		s.next = time.Time{}
		if s.loop != nil {
			s.turn()
		}
	})
}

// turn lets the loop do what there is to do.
func (s *server) turn() {
	if s.w.now.Before(s.frozen) {
		s.wake(0)
		return
	}
	s.w.backend.as(actor{server: s}, func() {
		s.hear()
		for turns := 0; ; turns++ {
			if turns == 300 {
				s.w.fail("rest", "the scheduler of server %d takes turn after turn at one moment", s.id)
			}
			more, err := s.loop.Turn(s.w.ctx, s.clock())
			if err != nil {
				s.abdicate(err)
				return
			}
			if !more {
				break
			}
		}
	})
	if s.loop == nil {
		return
	}
	if err := s.scale(); err != nil {
		s.abdicate(err)
		return
	}
	s.wake(max(s.nextTurn().Sub(s.clock()), time.Millisecond))
}

// hear takes over what changed, unless it is still on its way.
func (s *server) hear() {
	if !s.w.calm && s.w.chance(s.w.faults.Stale) {
		s.later(s.w.between(time.Millisecond, s.w.faults.lag(20*time.Millisecond)), func() { s.wake(0) })
		return
	}
	if _, err := s.store.Pump(s.w.ctx); err != nil {
		panic(err)
	}
}

// abdicate ends the leadership after an error, as engine.Run does.
func (s *server) abdicate(err error) {
	s.w.tell("server %d does not lead any more: %v", s.id, err)
	s.unlead()
	s.w.backend.resign(s.fence)
	s.later(s.w.between(50*time.Millisecond, 5*time.Second), s.campaign)
}

// resign ends a term, if it is not over yet.
func (b *backend) resign(f store.Fence) {
	if b.term == f.Term {
		b.term = 0
		b.Depose(f.Name)
	}
}

// crash ends the server at once. Its term ends when its lease runs out.
func (s *server) crash() {
	if s.store == nil {
		return
	}
	s.w.tell("server %d crashes", s.id)
	s.store.Close()
	s.store, s.next = nil, time.Time{}
	if s.loop != nil {
		fence := s.fence
		s.loop, s.scaler = nil, nil
		s.w.after(2*time.Second, func() { s.w.backend.resign(fence) })
	}
	s.w.after(s.w.between(100*time.Millisecond, 20*time.Second), s.boot)
}

// freeze lets the server do nothing for a while.
func (s *server) freeze(d time.Duration) {
	s.w.tell("server %d is frozen for %v", s.id, d)
	s.frozen = s.w.now.Add(d)
}

// jump makes the server's clock wrong for a while.
func (s *server) jump(by time.Duration) {
	if s.w.chance(0.5) {
		by = -by
	}
	s.w.tell("the clock of server %d jumps by %v", s.id, by)
	s.skew = by
	s.wake(0)
	s.w.after(s.w.between(time.Second, time.Minute), func() {
		s.skew = 0
		s.wake(0)
	})
}

// call carries out a call of the API. The error says what the caller learns.
func (s *server) call(operation string, use func(*store.Tx, control.Call) error) (requestID string, err error) {
	requestID = s.w.requestID()
	call := control.Call{
		Scope: scope(), Operation: operation, RequestID: requestID, Principal: scope().Root(), Now: s.clock(), IDs: s.w.id,
		Timings: s.w.timings, Refuse: refuse,
	}
	s.w.backend.as(actor{server: s, api: true}, func() {
		_, err = s.store.Update(s.w.ctx, func(tx *store.Tx) error { return use(tx, call) })
	})
	return requestID, err
}
