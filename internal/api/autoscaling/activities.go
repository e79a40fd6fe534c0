package autoscaling

import (
	"context"
	"fmt"
	"math"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

// describeScalingActivities tells the newest first. Those of targets that are not registered any more are told too.
func (a *API) describeScalingActivities(_ context.Context, call control.Call, in *client.DescribeScalingActivitiesInput) (*client.DescribeScalingActivitiesOutput, error) {
	if err := (resource{in.ServiceNamespace, in.ResourceId, in.ScalableDimension}).filter(); err != nil {
		return nil, err
	}
	target, notScaled := targetOf(call, in.ResourceId), aws.ToBool(in.IncludeNotScaledActivities)
	var all []*model.ScalingActivity
	for activity := range a.Store.View().ScalingActivities(target) {
		if (notScaled || !wasNotScaled(activity)) && call.Now.Sub(activity.StartedAt) <= control.ScalingActivitiesKept {
			all = append(all, activity)
		}
	}
	all, next, err := page(pages{call, pageMax, in.NextToken, in.MaxResults, []string{target, strconv.FormatBool(notScaled)}}, all, newestFirst)
	if err != nil {
		return nil, err
	}
	out := &client.DescribeScalingActivitiesOutput{ScalingActivities: []types.ScalingActivity{}, NextToken: next}
	for _, activity := range all {
		out.ScalingActivities = append(out.ScalingActivities, activityOut(call, activity))
	}
	return out, nil
}

// wasNotScaled says whether an activity only tells why nothing was done.
func wasNotScaled(a *model.ScalingActivity) bool {
	return len(a.NotScaled) > 0 || a.Status == model.ActivityFailed && a.Desired < 0
}

// newestFirst is a key that sorts activities from the newest to the oldest.
func newestFirst(a *model.ScalingActivity) string {
	return fmt.Sprintf("%020d/%s/%010d", math.MaxInt64-a.StartedAt.UnixNano(), a.Target, math.MaxInt32-a.Number)
}

func activityOut(call control.Call, a *model.ScalingActivity) types.ScalingActivity {
	out := types.ScalingActivity{
		ServiceNamespace: types.ServiceNamespaceEcs, ScalableDimension: types.ScalableDimensionECSServiceDesiredCount,
		ResourceId: resourceOf(call, a.Target), ActivityId: &a.ID, Description: &a.Description, Cause: &a.CauseText,
		StartTime: &a.StartedAt, EndTime: given(a.EndedAt), StatusCode: types.ScalingActivityStatusCode(a.Status),
	}
	if a.StatusMessage != "" {
		out.StatusMessage = &a.StatusMessage
	}
	if a.Details != "" {
		out.Details = &a.Details
	}
	for _, r := range a.NotScaled {
		out.NotScaledReasons = append(out.NotScaledReasons, types.NotScaledReason{
			Code: aws.String(r.Code), CurrentCapacity: told(r.Current), MinCapacity: told(r.Min), MaxCapacity: told(r.Max),
		})
	}
	return out
}

// told is a capacity that may not be told.
func told(n int) *int32 {
	if n < 0 {
		return nil
	}
	return number(n)
}
