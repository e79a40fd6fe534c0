package why

import (
	"fmt"
	"strings"
	"time"

	"github.com/maitred/maitred/internal/model"
)

type taskSubject struct{ model.TaskState }

func (t taskSubject) name() string { return "task " + model.ShortID(t.ARN) }

func (t taskSubject) tell(v Viewer) Story {
	return Story{Subject: t.ARN, Kind: "task", Now: v.taskNow(t.TaskState), Steps: newestFirst(v.taskSteps(t.TaskState))}
}

func (v Viewer) taskNow(t model.TaskState) string {
	now := fmt.Sprintf("%s (wanted %s), %s on %s", t.LastStatus(), t.Desired, model.ShortID(t.TaskDefinition), v.host(t.Machine))
	if t.Seen != nil && t.Seen.Health != "" && t.Seen.Health != model.Unknown && !t.Stopped() {
		now += ", " + string(t.Seen.Health)
	}
	if t.Protected(v.Now) {
		now += ", protected from scale-in until " + v.clock(t.ProtectedUntil)
	}
	return now
}

// clock is a time of day as the reader's clock shows it.
func (v Viewer) clock(t time.Time) string { return t.In(v.Now.Location()).Format("15:04:05") }

func (v Viewer) host(machine string) string {
	if m, ok := v.View.Machine(machine); ok && m.Host != "" {
		return m.Host
	}
	return "machine " + machine
}

// taskSteps tells a task's life in order.
func (v Viewer) taskSteps(t model.TaskState) []Step {
	start := taskStep(t, t.CreatedAt, "of "+model.ShortID(t.TaskDefinition)+" is started on "+v.host(t.Machine), "")
	start.Because = t.Start.Chain()
	steps := []Step{start}
	seen := t.Seen
	if seen != nil && !seen.StartedAt.IsZero() {
		own := fmt.Sprintf(", %v after it was asked for%s", brief(seen.StartedAt.Sub(t.CreatedAt)), ports(seen))
		steps = append(steps, taskStep(t, seen.StartedAt, "runs", own))
	}
	if t.Stop != nil && t.Stop.Kind != model.CauseExit {
		stop := taskStep(t, t.StopAt, "is asked to stop: "+t.StopReason, "")
		stop.Because = t.Stop.Chain()
		steps = append(steps, stop)
	}
	if seen != nil && !seen.StoppedAt.IsZero() {
		end := taskStep(t, seen.StoppedAt, "is stopped: "+ending(t), "")
		end.failed = v.failed(t)
		steps = append(steps, end)
	}
	return steps
}

// taskStep tells something that happens to a task; own is what is said of it alone.
func taskStep(t model.TaskState, at time.Time, verb, own string) Step {
	return Step{At: at, Task: t.ARN, Verb: verb, Text: "task " + model.ShortID(t.ARN) + " " + verb + own}
}

// brief leaves out the digits of a duration that tell nobody anything.
func brief(d time.Duration) time.Duration {
	switch {
	case d < time.Second:
		return d.Round(100 * time.Microsecond)
	case d < time.Minute:
		return d.Round(time.Millisecond)
	}
	return d.Round(time.Second)
}

func ports(seen *model.Observed) string {
	var list []string
	for _, c := range seen.Containers {
		for _, b := range c.Bindings {
			list = append(list, fmt.Sprintf("%s:%d", b.Address, b.HostPort))
		}
	}
	if len(list) == 0 {
		return ""
	}
	return ", at " + strings.Join(list, ", ")
}

// askedToStop says that the task's containers were stopped, rather than that one of them ended.
func askedToStop(t model.TaskState) bool {
	switch t.Seen.StopCode {
	case model.StopContainerExited, model.StopFailedToStart:
		return false
	case model.StopTermination:
		return true
	case model.StopUser, model.StopScheduler:
	}
	return t.Stop != nil && t.Stop.Kind != model.CauseExit
}

func ending(t model.TaskState) string {
	var parts []string
	if t.Seen.StopReason != "" {
		parts = append(parts, t.Seen.StopReason)
	}
	for _, c := range t.Seen.Containers {
		part := "container " + c.Name
		if c.ExitCode != nil {
			part += fmt.Sprintf(" exited with code %d", *c.ExitCode)
			part += signalled(t, *c.ExitCode)
		}
		if c.Reason != "" {
			part += " (" + c.Reason + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}

// The exit codes of a program that a signal ended: 128 and the signal's number.
const (
	exitKilled     = 137
	exitTerminated = 143
)

// signalled explains the exit code of a container that was asked to stop. When maitred itself ends it may kill before the
// stopTimeout is over, and nobody knows whether it did.
func signalled(t model.TaskState, code int) string {
	switch {
	case !askedToStop(t):
		return ""
	case code == exitTerminated:
		return " (SIGTERM, as asked)"
	case code == exitKilled && t.Seen.StopCode == model.StopTermination:
		return " (killed)"
	case code == exitKilled:
		return " (killed after stopTimeout)"
	}
	return ""
}
