// Package control holds the use cases of the API as functions on a store transaction: what CreateService means, what
// StopTask writes. Nothing is scheduled here; what is written marks services dirty, and the scheduler does the rest. The
// one exception is RunTask, which answers whether its tasks found room and therefore places them itself.
//
// Every wire API that changes the same thing comes here; none of them is imported.
package control

import (
	"time"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
)

// Call is who asks for something, when and where. It becomes the cause of all that the use case writes.
type Call struct {
	arn.Scope        // region and account of the request
	Operation string // of the API, for example CreateService
	RequestID string
	Principal string // ARN of the caller
	Now       time.Time
	IDs       arn.IDs
	Timings   model.Timings
	VPC       string // CIDR block of default VPCs; "" for DefaultCIDR
	// Addresses are those that load balancers may have, none: DefaultAddresses.
	Addresses []string
	// Refuse says why a machine's driver cannot run a task definition, "" if it can.
	Refuse func(*model.Machine, *model.TaskDefinition) string
	// Connected says whether a machine's agent is there; nil: as its record says.
	Connected func(*model.Machine) bool
}

// Cause is the call as the cause of a change; detail says what it asked for, with the numbers.
func (c Call) Cause(detail string) model.Cause {
	return model.Cause{Kind: model.CauseAPI, Subject: c.Operation, ID: c.RequestID, At: c.Now, Detail: detail}
}
