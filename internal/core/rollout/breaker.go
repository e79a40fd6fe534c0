package rollout

import "github.com/maitred/maitred/internal/model"

// The bounds of a threshold in percent ("How the Amazon ECS deployment circuit breaker detects failures").
const (
	fewestFailures = 3
	mostFailures   = 200
)

// Threshold is the number of failed tasks at which a circuit breaker fails a deployment of a service that shall have so
// many tasks, 0 if there is no circuit breaker. It is rounded up, and follows the desired count ("ThresholdConfiguration").
func Threshold(b *model.CircuitBreaker, desired int) int {
	if b == nil {
		return 0
	}
	switch part := (desired*b.Value + 99) / 100; b.Type {
	case model.CountOfTasks:
		return max(1, b.Value)
	case model.UnboundedPercent:
		return max(1, part)
	default:
		return min(max(fewestFailures, part), mostFailures)
	}
}

// Tally is what a circuit breaker counts of a deployment: the tasks of it that failed, and how many were healthy when it
// last looked.
//
// ECS has two stages. While no task has reached RUNNING, each task that ends without having run counts; then, each that is
// replaced because it failed a health check. Here both sorts count in both stages, and so does a task that ended by itself
// before it was healthy, which ECS does not see: otherwise a deployment of which one task runs and the others cannot be
// started, or of programs that crash, would go on for ever. That no task finds room is a failure in the first stage alone.
type Tally struct {
	Failures int
	Healthy  int
}

// Fail counts a task that failed.
func (t Tally) Fail() Tally { return Tally{t.Failures + 1, t.Healthy} }

// See takes note of how many tasks of the deployment are healthy. If that is more than before, one has become healthy, and
// the count begins anew, unless it is to be kept (resetOnHealthyTask).
func (t Tally) See(healthy int, keep bool) Tally {
	if healthy > t.Healthy && !keep {
		t.Failures = 0
	}
	t.Healthy = healthy
	return t
}

// Ending is why a deployment fails.
type Ending int

// A deployment goes on, or its tasks keep failing, an alarm went off, or somebody wants it to end.
const (
	GoesOn Ending = iota
	TasksFailed
	AlarmDetected
	Asked
)

// Signs are what is known of a deployment that is under way.
type Signs struct {
	Failures  int  // that the circuit breaker counted
	Threshold int  // of the circuit breaker, 0 for none
	Alarm     bool // one of its alarms went into ALARM since it began
	Asked     bool // somebody stopped it
}

// Judge says whether a deployment fails, and why. Of several reasons the first one counts.
func Judge(s Signs) Ending {
	switch {
	case s.Asked:
		return Asked
	case s.Threshold > 0 && s.Failures >= s.Threshold:
		return TasksFailed
	case s.Alarm:
		return AlarmDetected
	default:
		return GoesOn
	}
}

// BackTo chooses the deployment that is rolled out again when one fails, of those that may still have tasks: the newest that
// is completed. One that is itself being rolled out again is not, so that nothing goes back twice; nil: there is none ("How
// Amazon ECS rolls back").
func BackTo(failed *model.Deployment, current []*model.Deployment) *model.Deployment {
	var newest *model.Deployment
	for _, d := range current {
		if d.ID == failed.ID || d.ID == failed.RollsBack || d.Rollout != model.RolloutCompleted || failed.RollsBack != "" {
			continue
		}
		if newest == nil || d.CreatedAt.After(newest.CreatedAt) {
			newest = d
		}
	}
	return newest
}
