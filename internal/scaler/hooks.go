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
	mu    sync.Mutex
	queue []string         // paths of alarms that have something to tell
	pause map[string]pause // of those whose URLs did not take it
	wake  chan struct{}
}

type pause struct {
	until time.Time
	last  time.Duration
}

func newHooks(c Config, fence *store.Fence) *hooks {
	return &hooks{Config: c, fence: fence, pause: map[string]pause{}, wake: make(chan struct{}, 1)}
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

// offer has an alarm (path) looked at, if it has something to tell.
func (h *hooks) offer(s *model.AlarmState) {
	if s == nil || len(s.Untold) == 0 || h.Post == nil {
		return
	}
	h.mu.Lock()
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
			h.settle(path, h.tell(ctx, path), time.Now())
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
		until := h.pause[path].until
		if !until.After(now) {
			h.queue = slices.Delete(h.queue, i, i+1)
			return path, time.Time{}, true
		}
		if next.IsZero() || until.Before(next) {
			next = until
		}
	}
	return "", next, false
}

// settle has what was not taken posted again, later.
func (h *hooks) settle(path string, taken bool, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if taken {
		delete(h.pause, path)
		return
	}
	last := max(hookPause, min(2*h.pause[path].last, hookPauseMax))
	h.pause[path] = pause{now.Add(last), last}
	if !slices.Contains(h.queue, path) {
		h.queue = append(h.queue, path)
	}
}

// tell posts what an alarm has to tell, in its order, until something is not taken.
func (h *hooks) tell(ctx context.Context, path string) (taken bool) {
	view := h.Store.View()
	a, ok := view.Alarm(path)
	s := stateOf(view, path)
	if !ok || s == nil {
		return true
	}
	for _, n := range s.Untold {
		left := h.post(ctx, a, n)
		n.URLs = slices.DeleteFunc(slices.Clone(n.URLs), func(url string) bool { return slices.Contains(left, url) })
		if len(n.URLs) > 0 {
			if err := h.told(ctx, path, n); err != nil {
				h.Log.Error("that an alarm's webhooks were told cannot be written; they may be told again", "alarm", a.Name, "error", err)
				return false
			}
		}
		if len(left) > 0 {
			return false
		}
	}
	return true
}

// post tells the URLs of a notice. It gives those that did not take it and are to be told again.
func (h *hooks) post(ctx context.Context, a *model.Alarm, n model.AlarmNotice) (left []string) {
	body, err := json.Marshal(notice{
		AlarmName: a.Name, AlarmArn: a.ARN, AlarmDescription: a.Description, NewStateValue: n.Value,
		NewStateReason: n.Reason, StateChangeTime: n.At.UTC().Format(time.RFC3339Nano), Region: a.Region,
	})
	if err != nil { // texts alone
		return nil
	}
	for _, url := range n.URLs {
		switch err := h.Post(ctx, url, body); {
		case err == nil:
		case ctx.Err() != nil:
			left = append(left, url)
		case time.Since(n.At) >= hookGivenUp:
			h.Log.Error("a webhook of an alarm was not taken; it is given up", "url", url, "error", err)
		default:
			h.Log.Warn("a webhook of an alarm was not taken; it will be posted again", "url", url, "error", err)
			left = append(left, url)
		}
	}
	return left
}

// told writes that the URLs of a notice have been told.
func (h *hooks) told(ctx context.Context, path string, n model.AlarmNotice) error {
	_, err := h.Store.Update(ctx, func(tx *store.Tx) error {
		if h.fence != nil {
			tx.Fence(*h.fence)
		}
		if s := stateOf(tx.View(), path); s != nil {
			next := *s
			next.Untold = alarm.Told(s.Untold, n)
			tx.Put(&next)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("write the state: %w", err)
	}
	return nil
}
