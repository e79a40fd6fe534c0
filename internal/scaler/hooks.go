package scaler

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/core/alarm"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// What a URL does not take is posted again after a pause, which doubles, and given up in the end.
const (
	hookPause    = 5 * time.Second
	hookPauseMax = 5 * time.Minute
	hookGivenUp  = time.Hour
)

// hooks tell URLs of transitions, one after the other, so that the loop need not wait for them. What is to be told is in the
// alarms' states and leaves them when it has been told: a leader that dies in between has it told twice, and never not at all.
type hooks struct {
	Config
	fence *store.Fence
	wake  chan struct{}

	mu    sync.Mutex
	queue []string             // paths of alarms that have something to tell
	due   map[string]time.Time // when those are looked at again of which all that is left waits

	// Of run alone, by path.
	waits map[string]waits
	taken map[string][]model.AlarmNotice // by their URLs, which is not written yet
}

// waits are the pauses of URLs that did not take something.
type waits map[string]pause

type pause struct {
	until time.Time
	last  time.Duration
}

// refused has a URL wait, longer than the last time.
func (w waits) refused(url string, now time.Time) {
	last := max(hookPause, min(2*w[url].last, hookPauseMax))
	w[url] = pause{now.Add(last), last}
}

// keep forgets all URLs but some, and gives when the first of those may be told again.
func (w waits) keep(urls []string) (next time.Time) {
	for url, p := range w {
		if !slices.Contains(urls, url) {
			delete(w, url)
		} else if next.IsZero() || p.until.Before(next) {
			next = p.until
		}
	}
	return next
}

func newHooks(c Config, fence *store.Fence) *hooks {
	return &hooks{
		Config: c, fence: fence, wake: make(chan struct{}, 1), due: map[string]time.Time{}, waits: map[string]waits{},
		taken: map[string][]model.AlarmNotice{},
	}
}

// notice is what a webhook gets, with the members of CloudWatch's own notifications.
type notice struct {
	AlarmName        string
	AlarmArn         string
	AlarmDescription string `json:",omitempty"`
	NewStateValue    model.AlarmValue
	NewStateReason   string
	StateChangeTime  string
	Region           string
}

// offer has an alarm (path) looked at, if it has something to tell: be it that some URLs wait, others need not.
func (h *hooks) offer(s *model.AlarmState) {
	if s == nil || len(s.Untold) == 0 || h.Post == nil {
		return
	}
	h.mu.Lock()
	delete(h.due, s.Alarm)
	if !slices.Contains(h.queue, s.Alarm) {
		h.queue = append(h.queue, s.Alarm)
	}
	h.mu.Unlock()
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run posts until ctx ends.
func (h *hooks) run(ctx context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		case <-timer.C:
		}
		for {
			path, next, ok := h.take(time.Now())
			if !ok {
				if !next.IsZero() {
					timer.Reset(time.Until(next))
				}
				break
			}
			h.settle(path, h.tell(ctx, path))
			if ctx.Err() != nil {
				return
			}
		}
	}
}

// take gives the first alarm that need not wait; if there is none, next is when one may be told again, zero for never.
func (h *hooks) take(now time.Time) (path string, next time.Time, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, path := range h.queue {
		until := h.due[path]
		if !until.After(now) {
			h.queue = slices.Delete(h.queue, i, i+1)
			delete(h.due, path)
			return path, time.Time{}, true
		}
		if next.IsZero() || until.Before(next) {
			next = until
		}
	}
	return "", next, false
}

// settle has what was not taken posted again, later (zero: there is nothing), unless the alarm is to be looked at before.
func (h *hooks) settle(path string, again time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if again.IsZero() || slices.Contains(h.queue, path) {
		return
	}
	h.queue = append(h.queue, path)
	h.due[path] = again
}

// tell posts what an alarm has to tell, to each URL in its order, until that does not take something. It gives when something that is
// left may be posted again, or what was taken may be written again.
func (h *hooks) tell(ctx context.Context, path string) (again time.Time) {
	w := h.waits[path]
	if w == nil {
		w = waits{}
		h.waits[path] = w
	}
	if !h.told(ctx, path, w) {
		return w[ofStore].until
	}
	view := h.Store.View()
	a, ok := view.Alarm(path)
	s := stateOf(view, path)
	if !ok || s == nil {
		delete(h.waits, path)
		return again
	}
	now := time.Now() // a URL whose pause ends from here on waits for the next time: it has an order
	var left []string
	for _, n := range s.Untold {
		taken, refused := h.post(ctx, a, n, w, now)
		left = append(left, refused...)
		if n.URLs = taken; len(n.URLs) == 0 {
			continue
		}
		if h.taken[path] = append(h.taken[path], n); !h.told(ctx, path, w) {
			return w[ofStore].until
		}
	}
	if again = w.keep(left); len(w) == 0 {
		delete(h.waits, path)
	}
	return again
}

// ofStore stands for the store among the URLs that take nothing.
const ofStore = ""

// told writes what URLs have taken of an alarm, if there is something. If that fails, it is to be tried again, and nothing to be posted
// before: it would be posted twice.
func (h *hooks) told(ctx context.Context, path string, w waits) (written bool) {
	if len(h.taken[path]) == 0 {
		return true
	}
	if w[ofStore].until.After(time.Now()) {
		return false
	}
	if err := h.write(ctx, path, h.taken[path]); err != nil {
		w.refused(ofStore, time.Now())
		if ctx.Err() == nil {
			h.Log.Error("that an alarm's webhooks were told cannot be written; it will be tried again", "alarm", path, "error", err)
		}
		return false
	}
	delete(h.taken, path)
	delete(w, ofStore)
	return true
}

// post tells the URLs of a notice that need not wait. It gives those that are done with it, and those that are to be told again.
func (h *hooks) post(ctx context.Context, a *model.Alarm, n model.AlarmNotice, w waits, now time.Time) (taken, left []string) {
	body, err := json.Marshal(notice{
		AlarmName: a.Name, AlarmArn: a.ARN, AlarmDescription: a.Description, NewStateValue: n.Value,
		NewStateReason: n.Reason, StateChangeTime: n.At.UTC().Format(time.RFC3339Nano), Region: a.Region,
	})
	if err != nil { // texts alone
		return n.URLs, nil
	}
	for _, url := range n.URLs {
		if w[url].until.After(now) || ctx.Err() != nil || !h.postTo(ctx, url, body, n, w) {
			left = append(left, url)
			continue
		}
		taken = append(taken, url)
	}
	return taken, left
}

// postTo tells a URL of a notice. It says whether that is done with it.
func (h *hooks) postTo(ctx context.Context, url string, body []byte, n model.AlarmNotice, w waits) (done bool) {
	err := h.Post(ctx, url, body)
	now := time.Now()
	switch {
	case err == nil:
		delete(w, url)
		return true
	case ctx.Err() != nil:
		return false
	}
	w.refused(url, now)
	if now.Sub(n.At) >= hookGivenUp {
		h.Log.Error("a webhook of an alarm was not taken; it is given up", "url", url, "error", err)
		return true
	}
	h.Log.Warn("a webhook of an alarm was not taken; it will be posted again", "url", url, "error", err)
	return false
}

// write has a state without what URLs have taken.
func (h *hooks) write(ctx context.Context, path string, taken []model.AlarmNotice) error {
	_, err := h.Store.Update(ctx, func(tx *store.Tx) error {
		if h.fence != nil {
			tx.Fence(*h.fence)
		}
		s := stateOf(tx.View(), path)
		if s == nil {
			return nil
		}
		next := *s
		for _, n := range taken {
			next.Untold = alarm.Told(next.Untold, n)
		}
		tx.Put(&next)
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return nil
}
