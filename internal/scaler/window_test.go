package scaler_test

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestUnwritten: a decision that could not be written leaves the windows of the fast lane as they were, so that the same one
// is made in the next second, by the same numbers.
func TestUnwritten(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.play(t, "service desired=10 fast\n----\n\nregister min=1 max=20\n----\n\ntracking value=50\n----\n\nload 60\n----\n\nrun 61s\n----\n\n")
	ended, end := context.WithCancel(t.Context())
	end()
	r.now = r.now.Add(time.Second)
	r.measure()
	if err := r.loop.Turn(ended, r.now); !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v from a turn that wants to scale in and cannot write", err)
	}
	r.run(time.Second)
	svc, _ := r.store.View().Service(service())
	want := "at most ceil(load / (0.85 × 50)) = 2 in 60 s, at least 5 at once"
	if svc.DesiredCount != 5 || svc.Cause.Detail != want {
		t.Errorf("%d are desired because %q, want 5 because %q", svc.DesiredCount, svc.Cause.Detail, want)
	}
}
