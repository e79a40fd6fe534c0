package scaler

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// TestHooks tells URLs of transitions, in order, whether those before were taken or not.
func TestHooks(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var told []string
		h := newHooks(Config{Log: slog.New(slog.DiscardHandler), Post: func(_ context.Context, url string, body []byte) error {
			var n notice
			if err := json.Unmarshal(body, &n); err != nil {
				return err
			}
			told = append(told, url+" "+n.AlarmName+" "+string(n.NewStateValue)+" "+n.StateChangeTime)
			return errors.New("nobody takes it")
		}})
		ctx, stop := context.WithCancel(t.Context())
		go h.run(ctx)
		a := &model.Alarm{
			Name: "busy", ActionsEnabled: true, OKActions: []string{"https://b.example/ok"},
			AlarmActions: []string{"http://a.example/x", "arn:aws:autoscaling:us-east-1:0:scalingPolicy:p", "https://b.example/y"},
		}
		now := time.Now().UTC()
		h.transition(a, &model.AlarmState{Value: model.AlarmAlarm}, now)
		h.transition(a, &model.AlarmState{Value: model.AlarmOK}, now)
		quiet := *a
		quiet.ActionsEnabled = false
		h.transition(&quiet, &model.AlarmState{Value: model.AlarmAlarm}, now)
		synctest.Wait()
		at := now.Format(time.RFC3339Nano)
		want := []string{"http://a.example/x busy ALARM " + at, "https://b.example/y busy ALARM " + at, "https://b.example/ok busy OK " + at}
		if len(told) != len(want) {
			t.Fatalf("told %q", told)
		}
		for i := range want {
			if told[i] != want[i] {
				t.Errorf("told %q, want %q", told[i], want[i])
			}
		}
		stop()
	})
}

// TestHooksAreBounded leaves out what is too much.
func TestHooksAreBounded(t *testing.T) {
	t.Parallel()
	h := newHooks(Config{Log: slog.New(slog.DiscardHandler)})
	for range maxHooks + 10 {
		h.add(hook{url: "http://a.example"})
	}
	if n := len(h.queue); n != maxHooks {
		t.Errorf("%d wait", n)
	}
}
