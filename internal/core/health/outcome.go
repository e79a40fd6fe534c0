package health

import (
	"fmt"

	"github.com/maitred/maitred/internal/model"
)

// ReasonInternal is the reason of a target whose check could not be made as its group describes it ("TargetHealth").
const ReasonInternal = "Elb.InternalError"

// The descriptions of states, as DescribeTargetHealth has them.
const (
	textRegistration = "Target registration is in progress"
	textInitial      = "Initial health checks in progress"
	textDraining     = "Target deregistration is in progress"
	textNotInUse     = "Target group is not configured to receive traffic from the load balancer"
	textDisabled     = "Health checks are disabled"
	textFailed       = "Health checks failed"
	textCodes        = "Health checks failed with these codes: [%d]"
	textTimeout      = "Request timed out"
	textInternal     = "Health checks failed due to an internal error"
)

// Kind is how a check ended.
type Kind int

// The ways in which a check ends.
const (
	Failed   Kind = iota // it was refused, reset, or what came was no answer
	TimedOut             // nothing came, or not enough, within the timeout
	Answered             // by HTTP or gRPC, with a code
	Accepted             // the connection, which is all that was asked for
	Unable               // the check cannot be made as the group describes it
)

// Outcome is what a check met with.
type Outcome struct {
	Kind Kind
	Code int // of an answer: the status of HTTP or of gRPC
}

// Result is what an outcome means: success, or why not.
type Result struct {
	OK          bool
	Reason      string
	Description string
}

// Interpret says what an outcome means for the targets of a group. Those of Network Load Balancers fail for one reason
// only ("Target health status" of both guides).
func Interpret(g *model.TargetGroup, o Outcome) Result {
	ok, known := success(g, o)
	switch {
	case ok:
		return Result{OK: true}
	case !known:
		return Result{Reason: ReasonInternal, Description: textInternal}
	case !g.HTTP():
		return Result{Reason: model.ReasonFailedChecks, Description: textFailed}
	case o.Kind == Answered:
		return Result{Reason: model.ReasonCodeMismatch, Description: fmt.Sprintf(textCodes, o.Code)}
	case o.Kind == TimedOut:
		return Result{Reason: model.ReasonTimeout, Description: textTimeout}
	}
	return Result{Reason: model.ReasonFailedChecks, Description: textFailed}
}

// success says whether an outcome is one, and whether that can be said.
func success(g *model.TargetGroup, o Outcome) (ok, known bool) {
	switch o.Kind {
	case Accepted:
		return true, true
	case Answered:
		m, err := MatcherOf(g)
		return err == nil && m.Match(o.Code), err == nil
	case Failed, TimedOut:
		return false, true
	default: // Unable
		return false, false
	}
}
