package maitredtest

import (
	"context"
	"time"
)

// patience bounds, in real time, how long things may take that take no time on the server's clock.
const patience = time.Minute

// Now is the time on the server's clock.
func (s *Server) Now() time.Time { return s.clock.Now() }

// Advance moves the server's clock on. It stops wherever something is due, lets it happen, and then settles. It returns
// when all that was to happen by then has happened.
func (s *Server) Advance(d time.Duration) {
	s.t.Helper()
	until := s.clock.Now().Add(d)
	for {
		s.Settle()
		next := s.next()
		if next.After(until) {
			break
		}
		if next.After(s.clock.Now()) {
			s.clock.move(next)
		}
	}
	s.clock.move(until)
	s.Settle()
}

// next is when something is due.
func (s *Server) next() time.Time {
	s.turn.Lock()
	next := s.loop.Next()
	s.turn.Unlock()
	if at := s.clock.next(); !at.IsZero() && at.Before(next) {
		return at
	}
	return next
}

// Settle waits until nothing is left to be done at this time: all tasks that are wanted and have a place have been
// started, what ended was replaced, what was seen is what the API tells.
func (s *Server) Settle() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	for {
		settled, err := s.settle(ctx)
		if err != nil {
			s.t.Fatalf("maitredtest: it does not settle: %v", err)
		}
		if settled {
			return
		}
	}
}

// settle lets everybody do what there is to do, and says whether that was nothing.
func (s *Server) settle(ctx context.Context) (settled bool, err error) {
	before := s.store.View().Revision()
	rang := s.clock.ring()
	if err := s.work(ctx); err != nil {
		return false, err
	}
	for _, m := range s.machines {
		if err := m.settle(ctx); err != nil {
			return false, err
		}
	}
	return !rang && s.store.View().Revision() == before && !s.due(), nil
}

// due says whether something rings at this very moment.
func (s *Server) due() bool {
	at := s.clock.next()
	return !at.IsZero() && !at.After(s.clock.Now())
}

// settle waits until the agent has heard and done everything.
func (m *machine) settle(ctx context.Context) error {
	told, err := m.fake.Settle(ctx)
	for err == nil {
		if err = m.agent.Settle(ctx); err != nil {
			break
		}
		before := told
		if told, err = m.fake.Settle(ctx); told == before {
			break
		}
	}
	return err
}

// work lets the scheduler do what there is to do.
func (s *Server) work(ctx context.Context) error {
	s.turn.Lock()
	defer s.turn.Unlock()
	for more := true; more; {
		var err error
		if more, err = s.loop.Turn(ctx, s.clock.Now()); err != nil {
			return err
		}
	}
	return nil
}

// drive lets the scheduler work whenever there is something to do, until the server ends.
func (s *Server) drive() {
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-s.loop.C():
		case <-s.clock.early:
			s.clock.ring()
		}
		if err := s.work(s.ctx); err != nil && s.ctx.Err() == nil {
			s.t.Errorf("maitredtest: the scheduler: %v", err)
			return
		}
	}
}
