package cloudwatch

import (
	"net/url"
	"strings"

	"github.com/maitred/maitred/internal/arn"
)

const actionMax = 1024

// alarmActions is the member with what is done in ALARM.
const alarmActions = "alarmActions"

// checkAction takes what an alarm can do: a scaling policy of a service, or a URL that is told about the alarm. Composite alarms
// have no scaling policies ("PutCompositeAlarm"), and a policy is carried out in ALARM alone. Anything else is refused, because
// it would not be done.
func checkAction(member, action string, composite bool) error {
	if err := text(member, action, 1, actionMax); err != nil {
		return err
	}
	switch {
	case isPolicy(action) && composite:
		return invalid("Invalid action %.300s: composite alarms cannot carry out scaling policies; use a metric alarm", action)
	case isPolicy(action) && member != alarmActions:
		return invalid("Invalid action %.300s: scaling policies are carried out by AlarmActions alone; name it there", action)
	case isPolicy(action), isWebhook(action):
		return nil
	case strings.HasPrefix(action, "arn:"):
		return invalid("Invalid action %.300s: it is not supported by this version of maitred; supported are ARNs of scaling policies "+
			"(arn:aws:autoscaling:…:scalingPolicy:…) and http or https URLs, which are told about the alarm by a POST", action)
	}
	return invalid("Invalid arn syntax: %.300s", action)
}

// isPolicy says whether an action is the ARN of a scaling policy of Application Auto Scaling: the part behind the policy's
// name may say who made it, which the alarms of target tracking have.
func isPolicy(action string) bool {
	a, ok := arn.Parse(action)
	return ok && a.Partition == "aws" && a.Service == "autoscaling" && strings.HasPrefix(a.Type, "scalingPolicy:") &&
		strings.Contains(a.ID, ":policyName/")
}

// isWebhook says whether an action is a URL that can be told about an alarm.
func isWebhook(action string) bool {
	u, err := url.Parse(action)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != ""
}
