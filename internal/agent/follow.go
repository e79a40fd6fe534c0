package agent

import (
	"context"
	"fmt"
	"time"

	"github.com/maitred/maitred/internal/agent/lifecycle"
	"github.com/maitred/maitred/internal/driver"
)

// follow hears what happens to containers, for as long as ctx lasts. Whenever the driver's stream breaks, it begins
// anew with a list of all.
func (a *Agent) follow(ctx context.Context) {
	pause := backoff{first: 50 * time.Millisecond, last: 5 * time.Second}
	for {
		began := time.Now()
		err := a.followOnce(ctx)
		if ctx.Err() != nil {
			return
		}
		if time.Since(began) > pause.last {
			pause.reset()
		}
		wait := pause.next()
		a.config.Log.Warn("the driver's stream broke", "error", err, "againIn", wait)
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return
		}
	}
}

func (a *Agent) followOnce(ctx context.Context) error {
	if err := a.ask(ctx, (*loop).listing); err != nil {
		return err
	}
	list, sandboxes, err := a.list(ctx)
	if err != nil {
		return err
	}
	a.post(ctx, func(l *loop) { l.listed(list, sandboxes) })
	return a.config.Driver.Watch(ctx, func(s driver.Status) {
		a.post(ctx, func(l *loop) { l.changed(&s) })
	})
}

// list asks the driver for all that there is.
func (a *Agent) list(ctx context.Context) (containers []driver.Status, sandboxes []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if containers, err = a.config.Driver.List(ctx); err != nil {
		return nil, nil, fmt.Errorf("list containers: %w", err)
	}
	if sandboxes, err = a.config.Driver.Sandboxes(ctx); err != nil {
		return nil, nil, fmt.Errorf("list sandboxes: %w", err)
	}
	return containers, sandboxes, nil
}

// listing notes what runs before the driver is asked: what is started while it answers may be missing in the answer.
func (l *loop) listing() {
	l.believed = l.believed[:0]
	for _, e := range l.tasks {
		if e.life == nil {
			continue
		}
		for i := range e.def.Containers {
			name := e.def.Containers[i].Name
			if n, ok := e.life.Attempt(name); ok && e.life.Live(name, n) {
				l.believed = append(l.believed, attempt{e, name, n})
			}
		}
	}
}

// listed takes in a list of all containers and sandboxes.
func (l *loop) listed(list []driver.Status, sandboxes []string) {
	if !l.ready {
		l.adopt(list, sandboxes)
		return
	}
	there := make(map[string]bool, len(list))
	for i := range list {
		there[list[i].ID] = true
		l.changed(&list[i])
	}
	for _, b := range l.believed {
		if b.e.life != nil && !there[lifecycle.ID(b.e.arn, b.name, b.number)] {
			b.e.life.Vanished(b.name, b.number, l.now())
			l.touch(b.e)
		}
	}
	l.believed = l.believed[:0]
	l.reclaim(sandboxes)
}

// changed takes in the state of a container.
func (l *loop) changed(s *driver.Status) {
	if stray := l.strays[s.ID]; stray != nil {
		if s.State == driver.Exited {
			l.pursue(stray)
		}
		if stray.remove {
			return
		}
	}
	task, name, number, ok := lifecycle.ParseID(s.ID)
	if !ok {
		return
	}
	e, u := l.ids[task], l.undefined[task]
	switch {
	case u != nil:
		u.note(lifecycle.Found{Name: name, Attempt: number, Status: *s})
	case e == nil:
		l.reap(s.ID, true)
	case e.life == nil:
		if alive(s.State) {
			l.reap(s.ID, false)
		}
	default:
		e.life.Report(name, number, s, l.now())
		l.touch(e)
	}
}

// note keeps the newest state of a container until something can be said of it.
func (u *undefined) note(f lifecycle.Found) {
	for i := range u.found {
		if x := &u.found[i]; x.Name == f.Name && x.Attempt == f.Attempt {
			x.Status = f.Status
			return
		}
	}
	u.found = append(u.found, f)
}
