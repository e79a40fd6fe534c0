package autoscaling

import "github.com/maitred/maitred/internal/api/wire"

// table lists all operations.
func (a *API) table() []wire.Operation {
	return []wire.Operation{
		op(a, "RegisterScalableTarget", a.registerScalableTarget),
		op(a, "DeregisterScalableTarget", a.deregisterScalableTarget),
		op(a, "DescribeScalableTargets", a.describeScalableTargets),
		op(a, "PutScalingPolicy", a.putScalingPolicy),
		op(a, "DeleteScalingPolicy", a.deleteScalingPolicy),
		op(a, "DescribeScalingPolicies", a.describeScalingPolicies),
		op(a, "PutScheduledAction", a.putScheduledAction),
		op(a, "DeleteScheduledAction", a.deleteScheduledAction),
		op(a, "DescribeScheduledActions", a.describeScheduledActions),
		op(a, "DescribeScalingActivities", a.describeScalingActivities),
		op(a, "TagResource", a.tagResource),
		op(a, "UntagResource", a.untagResource),
		op(a, "ListTagsForResource", a.listTagsForResource),
		wire.Refuse("GetPredictiveScalingForecast", "ValidationException", "GetPredictiveScalingForecast"+noPredictions),
	}
}

// noPredictions is why predictive scaling is refused.
const noPredictions = " is not supported by this version of maitred: there is no predictive scaling. " +
	"Use a scheduled action for load that is known before, and target tracking for all other."
