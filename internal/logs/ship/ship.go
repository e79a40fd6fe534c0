// Package ship takes what containers write into log streams, for those whose log driver is awslogs.
//
// There is a follower for each such container: a goroutine that ends with it. How far a log has been taken is kept with
// what was taken, in the same write: so a follower that begins anew, whenever and however the one before ended, neither
// loses a line nor takes one twice.
package ship

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/driver"
	"github.com/maitred/maitred/internal/logs"
	"github.com/maitred/maitred/internal/logs/disk"
	"github.com/maitred/maitred/internal/model"
)

// Config says what is shipped where. All but Now and Log are needed.
type Config struct {
	Driver driver.Driver
	Store  *disk.Store
	// Target says where a container's lines go; ok is false for one whose lines are not shipped.
	Target func(driver.Status) (t Target, ok bool)
	// Group finds a log group as it is now, and the oldest time that it keeps, in milliseconds since 1970; ok is false when
	// there is none. It may make one.
	Group func(ctx context.Context, t Target) (g logs.Group, from int64, ok bool)
	Now   func() time.Time // nil for time.Now
	Log   *slog.Logger     // nil for none
}

// Target is a log stream that a container's lines go to.
type Target struct {
	model.AWSLogs
	Stream string
}

// The pauses between two attempts.
const (
	firstPause = 100 * time.Millisecond
	lastPause  = 5 * time.Second
)

// finishing is how many ended containers are caught up with at a time.
const finishing = 4

// shipper is what runs.
type shipper struct {
	Config
	group sync.WaitGroup
	slots chan struct{}

	mu        sync.Mutex
	followers map[string]bool // by container id
}

// Run ships until ctx ends, and then waits for the followers.
func Run(ctx context.Context, c Config) error {
	if c.Driver == nil || c.Store == nil || c.Target == nil || c.Group == nil {
		return errors.New("ship: Config lacks something")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	ctx, cancel := context.WithCancel(ctx)
	s := &shipper{Config: c, slots: make(chan struct{}, finishing), followers: map[string]bool{}}
	defer s.group.Wait()
	defer cancel()
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		err := c.Driver.Watch(ctx, func(status driver.Status) {
			pause = firstPause
			s.changed(ctx, status)
		})
		if ctx.Err() != nil {
			return nil
		}
		c.Log.Warn("the driver's stream broke; logs of new containers wait", "error", err, "againIn", pause)
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil
		}
	}
}

// changed begins to follow a container, unless it is followed already.
func (s *shipper) changed(ctx context.Context, status driver.Status) {
	if status.State == driver.Starting {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.followers[status.ID] {
		return
	}
	target, ok := s.Target(status)
	if !ok {
		return
	}
	s.followers[status.ID] = true
	s.group.Go(func() {
		s.follow(ctx, status, target)
		s.mu.Lock()
		defer s.mu.Unlock()
		delete(s.followers, status.ID)
	})
}

// follow ships all that a container writes, until it has ended or ctx has.
func (s *shipper) follow(ctx context.Context, status driver.Status, target Target) {
	if status.State == driver.Exited { // there may be hundreds
		select {
		case s.slots <- struct{}{}:
			defer func() { <-s.slots }()
		case <-ctx.Done():
			return
		}
	}
	for pause := firstPause; ; pause = min(2*pause, lastPause) {
		f := &follower{s: s, id: status.ID, target: target}
		err := f.run(ctx)
		if ctx.Err() != nil {
			return
		}
		if err == nil || s.gone(ctx, status.ID) {
			s.seal(f)
			return
		}
		s.Log.Warn("a container's log is not shipped at the moment", "container", status.ID, "logGroup", target.Group, "error", err)
		if f.shipped {
			pause = firstPause
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return
		}
	}
}

// gone says that the driver does not know a container any more, so that there is no log to be had.
func (s *shipper) gone(ctx context.Context, id string) bool {
	ctx, cancel := context.WithTimeout(ctx, lastPause)
	defer cancel()
	list, err := s.Driver.List(ctx)
	if err != nil {
		return false
	}
	for i := range list {
		if list[i].ID == id {
			return false
		}
	}
	return true
}

// seal says that a stream is complete for now; another attempt of the container may go on with it.
func (s *shipper) seal(f *follower) {
	if !f.found {
		return
	}
	if err := s.Store.Seal(f.group, f.target.Stream); err != nil {
		s.Log.Warn("a log stream could not be sealed", "logGroup", f.target.Group, "logStream", f.target.Stream, "error", err)
	}
}
