package model

import "time"

// CauseKind says what sort of thing brought a change about.
type CauseKind string

// The kinds of causes. Those of the first group come from outside: a chain ends in one of them.
const (
	CauseAPI      CauseKind = "api"      // somebody called an API operation
	CauseExit     CauseKind = "exit"     // a container ended, or could not be started
	CauseHealth   CauseKind = "health"   // a health check changed its mind
	CauseMachine  CauseKind = "machine"  // a machine joined, left, or lost its tasks
	CauseOperator CauseKind = "operator" // somebody at the keyboard of the server: a start, a Ctrl-C
	CauseAlarm    CauseKind = "alarm"    // measurements moved an alarm
	CauseSchedule CauseKind = "schedule" // the time of a scheduled action came
	CauseRequest  CauseKind = "request"  // a request waits at a balancer

	CauseDeployment CauseKind = "deployment" // a deployment took a step
	CauseService    CauseKind = "service"    // a service was brought to its desired count
	CauseRetry      CauseKind = "retry"      // a back-off was over
	CauseScaling    CauseKind = "scaling"    // a scaling policy changed the desired count
)

// Outside says whether a chain of causes may end in this kind.
func (k CauseKind) Outside() bool {
	switch k {
	case CauseAPI, CauseExit, CauseHealth, CauseMachine, CauseOperator, CauseAlarm, CauseSchedule, CauseRequest:
		return true
	default:
		return false
	}
}

// Cause says why something changed. By is the cause of the cause; the chain is kept by value in the record that it
// explains, so that it can be told even when everything that it speaks of has long been deleted.
type Cause struct {
	Kind CauseKind `json:"kind"`
	// Subject is what it happened to or who did it: an operation (CreateService), a task's ARN, a deployment's id.
	Subject string    `json:"subject"`
	ID      string    `json:"id,omitempty"` // the request id of an API call
	At      time.Time `json:"at"`
	Detail  string    `json:"detail,omitempty"` // one sentence, with the numbers that decided
	By      *Cause    `json:"by,omitempty"`
}

// Complete says whether the chain ends in something outside.
func (c *Cause) Complete() bool {
	for ; c != nil; c = c.By {
		if c.By == nil {
			return c.Kind.Outside()
		}
	}
	return false
}

// Chain lists the cause and the causes behind it, nearest first.
func (c *Cause) Chain() []Cause {
	var chain []Cause
	for ; c != nil; c = c.By {
		chain = append(chain, *c)
	}
	return chain
}
