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
		now += ", protected from scale-in until " + t.ProtectedUntil.Format("15:04:05")
	}
	return now
}

func (v Viewer) host(machine string) string {
	if m, ok := v.View.Machine(machine); ok && m.Host != "" {
		return m.Host
	}
	return "machine " + machine
}

// taskSteps tells a task's life in order.
func (v Viewer) taskSteps(t model.TaskState) []Step {
	id := model.ShortID(t.ARN)
	steps := []Step{{At: t.CreatedAt, Task: t.ARN, Text: fmt.Sprintf("task %s is started on %s", id, v.host(t.Machine)), Because: t.Start.Chain()}}
	seen := t.Seen
	if seen != nil && !seen.StartedAt.IsZero() {
		text := fmt.Sprintf("task %s runs, %v after it was asked for%s", id, brief(seen.StartedAt.Sub(t.CreatedAt)), ports(seen))
		steps = append(steps, Step{At: seen.StartedAt, Task: t.ARN, Text: text})
	}
	ended := seen != nil && !seen.StoppedAt.IsZero()
	if t.Stop != nil && t.Stop.Kind != model.CauseExit {
		text := fmt.Sprintf("task %s is asked to stop: %s", id, t.StopReason)
		steps = append(steps, Step{At: t.StopAt, Task: t.ARN, Text: text, Because: t.Stop.Chain()})
	}
	if ended {
		steps = append(steps, Step{At: seen.StoppedAt, Task: t.ARN, Text: "task " + id + " is stopped: " + ending(seen)})
	}
	return steps
}

// brief leaves out the digits of a duration that tell nobody anything.
func brief(d time.Duration) time.Duration {
	if d < time.Second {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
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

func ending(seen *model.Observed) string {
	var parts []string
	if seen.StopReason != "" {
		parts = append(parts, seen.StopReason)
	}
	for _, c := range seen.Containers {
		part := "container " + c.Name
		if c.ExitCode != nil {
			part += fmt.Sprintf(" exited with code %d", *c.ExitCode)
		}
		if c.Reason != "" {
			part += " (" + c.Reason + ")"
		}
		parts = append(parts, part)
	}
	return strings.Join(parts, "; ")
}
