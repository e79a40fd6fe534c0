package source

import (
	"context"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// reading is how one source is read.
type reading struct {
	*Watcher
	svc  *model.Service
	from Source // nil: it is not open
	said string // what was found out last, of what events tell; "": nothing yet
}

// poll reads the source each second. One that fails is read less and less often.
func (r *reading) poll(ctx context.Context) {
	pause, failures := time.Duration(0), 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-timer.C:
		}
		v, err := r.once(ctx)
		switch {
		case err == nil:
			r.publish(r.svc, v)
			r.tell(ctx, readAgain)
			pause, failures = untilNext(r.Now()), 0
		case ctx.Err() != nil:
			return
		default:
			if failures++; failures > 1 { // once is nothing
				r.tell(ctx, notRead(err))
				r.close() // its secrets may be others by now
			}
			pause = min(2*max(every, pause), lastPause)
		}
		timer.Reset(pause)
	}
}

// once reads the source, and opens it before if need be.
func (r *reading) once(ctx context.Context) (float64, error) {
	if r.from == nil {
		open := r.open
		if open == nil {
			open = Open
		}
		from, err := open(ctx, tagOf(r.svc), r.Secrets(r.svc))
		if err != nil {
			return 0, err
		}
		r.from = from
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	return r.from.Read(ctx)
}

func (r *reading) close() {
	if r.from != nil {
		_ = r.from.Close() // it was only read
		r.from = nil
	}
}

// untilNext is how long it is until the next reading: that of this second if it is far enough, else that of the next one.
func untilNext(now time.Time) time.Duration {
	wait := now.Add(-lead).Truncate(every).Add(every + lead).Sub(now)
	if wait < every/2 { // a timer may be a little early
		wait += every
	}
	return wait
}
