package scaler

import (
	"context"
	"encoding/json"
	"strings"
	"sync"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// maxHooks is how many webhooks wait at most: one that is slow must not fill the memory.
const maxHooks = 1000

// hooks tell URLs of transitions, one after the other, so that the loop need not wait for them.
type hooks struct {
	Config
	mu    sync.Mutex
	queue []hook
	wake  chan struct{}
}

type hook struct {
	url  string
	body []byte
}

func newHooks(c Config) *hooks { return &hooks{Config: c, wake: make(chan struct{}, 1)} }

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

// transition tells the URLs among the actions of an alarm's state.
func (h *hooks) transition(a *model.Alarm, s *model.AlarmState, now time.Time) {
	if !a.ActionsEnabled || h.Post == nil {
		return
	}
	body, err := json.Marshal(notice{
		AlarmName: a.Name, AlarmArn: a.ARN, AlarmDescription: a.Description, NewStateValue: s.Value,
		NewStateReason: s.Reason, StateChangeTime: now.UTC().Format(time.RFC3339Nano), Region: a.Region,
	})
	if err != nil { // texts alone
		return
	}
	for _, action := range actionsOf(a, s.Value) {
		if strings.HasPrefix(action, "http://") || strings.HasPrefix(action, "https://") {
			h.add(hook{action, body})
		}
	}
}

func actionsOf(a *model.Alarm, v model.AlarmValue) []string {
	switch v {
	case model.AlarmAlarm:
		return a.AlarmActions
	case model.AlarmOK:
		return a.OKActions
	case model.AlarmInsufficient:
		return a.InsufficientActions
	}
	return nil
}

func (h *hooks) add(x hook) {
	h.mu.Lock()
	full := len(h.queue) >= maxHooks
	if !full {
		h.queue = append(h.queue, x)
	}
	h.mu.Unlock()
	if full {
		h.Log.Error("a webhook of an alarm is left out: too many wait", "url", x.url)
		return
	}
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run posts until ctx ends. What fails is logged; the alarm's next transition is told of anew.
func (h *hooks) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-h.wake:
		}
		for x, ok := h.take(); ok && ctx.Err() == nil; x, ok = h.take() {
			if err := h.Post(ctx, x.url, x.body); err != nil && ctx.Err() == nil {
				h.Log.Error("a webhook of an alarm was not taken", "url", x.url, "error", err)
			}
		}
	}
}

func (h *hooks) take() (x hook, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(h.queue) == 0 {
		return hook{}, false
	}
	x, h.queue = h.queue[0], h.queue[1:]
	return x, true
}
