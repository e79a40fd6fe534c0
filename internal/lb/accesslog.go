package lb

import (
	"github.com/maitred/maitred/internal/lb/accesslog"
	"github.com/maitred/maitred/internal/lb/l7"
)

// attributeAccessLogs turns the access log of an Application Load Balancer on ("Load balancer attributes").
const attributeAccessLogs = "access_logs.s3.enabled"

// accessLog passes on the entries of a listener while its load balancer has access logs turned on, as it is by then.
type accessLog struct {
	l7.AccessLog
	balancer *Balancer
	arn      string
}

// Log implements l7.AccessLog. An entry that nobody wants is taken.
func (a *accessLog) Log(e *accesslog.Entry) bool {
	l := a.balancer.Table().Listeners[a.arn]
	if l == nil || l.LoadBalancer.Attributes[attributeAccessLogs] != "true" {
		return true
	}
	return a.AccessLog.Log(e)
}
