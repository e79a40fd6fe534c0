package reconcile

import (
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

// Throttle is how the scheduler slows down a service whose tasks keep failing to start ("Amazon ECS service throttle
// logic"). AWS publishes the cap alone; the curve is ours.
type Throttle struct {
	Free int           // failures in a row without any delay
	Base time.Duration // the first delay; each further failure doubles it
	Cap  time.Duration // the longest delay
	// Quick is how soon after its start a program's own exit still counts as a failure to start.
	Quick time.Duration
}

// Delay is how long the next start waits after so many failures in a row.
func (t Throttle) Delay(failures int) time.Duration {
	if failures <= t.Free {
		return 0
	}
	delay := t.Base
	for range min(failures-t.Free-1, 40) {
		if delay *= 2; delay >= t.Cap {
			return t.Cap
		}
	}
	return min(delay, t.Cap)
}

// killed is the exit code of what somebody else ended by SIGKILL; if that was the kernel, for want of memory, the reason
// begins with outOfMemory ("Stopped tasks error messages").
const (
	killed      = 137
	outOfMemory = "OutOfMemoryError"
)

// FailedToStart says whether the end of a task counts for the throttle: it never reached RUNNING, or its program ended
// of its own accord, or by taking too much memory, right after. What ran well and was then killed is replaced at once,
// however often.
func (t Throttle) FailedToStart(s model.TaskState) bool {
	if !s.EverRan() {
		return true
	}
	return s.Seen.StoppedAt.Sub(s.Seen.StartedAt) < t.Quick && endedByItself(s)
}

// endedByItself says that the program of a task ended of its own accord, or by taking too much memory.
func endedByItself(s model.TaskState) bool {
	if s.Seen.StopCode != model.StopContainerExited {
		return false
	}
	for _, c := range s.Seen.Containers {
		if c.ExitCode != nil && *c.ExitCode == killed && !strings.HasPrefix(c.Reason, outOfMemory) {
			return false
		}
	}
	return true
}

// Failed says whether the end of a task speaks against its deployment: it never reached RUNNING, or its program ended of its
// own accord when the task did not count as healthy. One whose agent was asked to end its tasks does not ("Amazon ECS
// deployment circuit breaker").
func Failed(s model.TaskState, healthy bool) bool {
	if !s.EverRan() {
		return s.Seen.StopCode != model.StopTermination
	}
	return !healthy && endedByItself(s)
}
