package reconcile_test

import (
	"testing"
	"time"

	"github.com/maitred/maitred/internal/core/reconcile"
	"github.com/maitred/maitred/internal/model"
)

func TestDelay(t *testing.T) {
	t.Parallel()
	throttle := reconcile.Throttle{Free: 2, Base: 10 * time.Second, Cap: time.Minute}
	for failures, want := range []time.Duration{0, 0, 0, 10 * time.Second, 20 * time.Second, 40 * time.Second, time.Minute, time.Minute} {
		if got := throttle.Delay(failures); got != want {
			t.Errorf("Delay(%d) = %v, want %v", failures, got, want)
		}
	}
	if got := throttle.Delay(1 << 40); got != throttle.Cap {
		t.Errorf("the delay after very many failures is %v, want %v", got, throttle.Cap)
	}
}

func TestFailedToStart(t *testing.T) {
	t.Parallel()
	throttle := reconcile.Throttle{Quick: 5 * time.Second}
	for _, c := range []struct {
		name   string
		ran    time.Duration // 0: it never reached RUNNING
		code   model.StopCode
		exit   int
		reason string // of the container
		want   bool
	}{
		{name: "never ran", code: model.StopFailedToStart, want: true},
		{name: "ended at once", ran: time.Second, code: model.StopContainerExited, exit: 1, want: true},
		{name: "ended at once, and well", ran: time.Second, code: model.StopContainerExited, want: true},
		{name: "ended later", ran: 5 * time.Second, code: model.StopContainerExited, exit: 1},
		{name: "killed by somebody", ran: time.Second, code: model.StopContainerExited, exit: 137},
		{
			name: "killed for want of memory", ran: time.Second, code: model.StopContainerExited, exit: 137,
			reason: "OutOfMemoryError: Container killed due to memory usage", want: true,
		},
		{name: "asked to stop", ran: time.Second, code: model.StopUser, exit: 143},
	} {
		seen := &model.Observed{StopCode: c.code, Containers: []model.ObservedContainer{{ExitCode: &c.exit, Reason: c.reason}}}
		if c.ran > 0 {
			seen.StartedAt = time.Unix(1, 0)
			seen.StoppedAt = seen.StartedAt.Add(c.ran)
		}
		if got := throttle.FailedToStart(model.TaskState{Task: &model.Task{}, Seen: seen}); got != c.want {
			t.Errorf("%s: it counts as failing to start: %v, want %v", c.name, got, c.want)
		}
	}
}
