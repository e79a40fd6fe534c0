package agent

import (
	"context"
	"slices"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
)

// stray is a container that should not be alive, or that nobody wants to be remembered any more.
type stray struct {
	id     string
	remove bool // the driver shall forget it too
	busy   bool
	again  bool // there was news of it meanwhile
	alarm  alarm
	pause  backoff
}

// alive says that a container has not ended.
func alive(s driver.State) bool { return s != driver.Exited }

// reap kills a container, and removes it if that is wanted, until that has worked.
func (l *loop) reap(id string, remove bool) {
	s := l.strays[id]
	if s == nil {
		s = &stray{id: id, pause: backoff{first: time.Second, last: time.Minute}}
		s.alarm = newAlarm(func() { l.pursue(s) })
		l.strays[id] = s
	}
	s.remove = s.remove || remove
	l.pursue(s)
}

func (l *loop) pursue(s *stray) {
	l.alarms.set(&s.alarm, time.Time{})
	if s.busy {
		s.again = true
		return
	}
	s.busy, s.again = true, false
	remove := s.remove
	l.stops.add(func() func() {
		err := l.finish(s.id, remove)
		return func() { l.pursued(s, remove, err) }
	})
}

// finish makes the calls.
func (l *loop) finish(id string, remove bool) error {
	ctx, cancel := context.WithTimeout(l.ctx, callTimeout)
	defer cancel()
	if err := l.driver.Kill(ctx, id); err != nil || !remove {
		return err
	}
	return l.driver.Remove(ctx, id)
}

func (l *loop) pursued(s *stray, removed bool, err error) {
	s.busy = false
	switch {
	case err == nil && removed == s.remove:
		delete(l.strays, s.id)
		if task, _, _, ok := lifecycle.ParseID(s.id); ok {
			l.left(task)
		}
	case s.again || err == nil:
		l.pursue(s)
	default:
		l.log.Debug("a container is not gone yet", "container", s.id, "error", err)
		l.alarms.set(&s.alarm, l.now().Add(s.pause.next()))
	}
}

// unknow notes that the driver is about to forget a container.
func (e *entry) unknow(id string) {
	e.known = slices.DeleteFunc(e.known, func(x string) bool { return x == id })
}
