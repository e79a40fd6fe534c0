package why

import "github.com/maitred/maitred/internal/model"

// maxOutputs is how many failed tasks of a story are told with what they printed: mostly all of them printed the same.
const maxOutputs = 3

// addOutput adds to the newest failures what the program printed, or where that is.
func (v Viewer) addOutput(steps []Step) {
	left := maxOutputs
	for i := range steps {
		step := &steps[i]
		if step.failed == "" {
			continue
		}
		if left--; left < 0 {
			return
		}
		v.outputOf(step)
	}
}

func (v Viewer) outputOf(step *Step) {
	if v.Output != nil {
		step.Output = v.Output(step.Task, step.failed)
	}
	if len(step.Output) > 0 || v.OutputIn == nil {
		return
	}
	t, _ := v.View.Task(step.Task)
	for _, c := range t.Seen.Containers {
		if c.Name == step.failed {
			step.OutputIn = v.OutputIn(step.Task, c.Name, c.Restarts)
		}
	}
}

// failed names the container because of which a task ended by itself, "" if none failed. Where several did, it is the one
// that no signal ended: when one ends, the others are stopped.
func (v Viewer) failed(t model.TaskState) string {
	if askedToStop(t) {
		return ""
	}
	name, signal := "", true
	for _, c := range t.Seen.Containers {
		if c.ExitCode == nil || *c.ExitCode == 0 && !v.throttles(t) {
			continue
		}
		killed := *c.ExitCode == exitKilled || *c.ExitCode == exitTerminated
		if name == "" || signal && !killed {
			name, signal = c.Name, killed
		}
	}
	return name
}

// throttles says that the end of a task is the last one for which its service waits. It is a failure whatever the code.
func (v Viewer) throttles(t model.TaskState) bool {
	state, ok := v.View.ServiceState(t.Service)
	return ok && v.Now.Before(state.ThrottledUntil) && state.Failure != nil && state.Failure.Subject == t.ARN
}
