package autoscaling

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/core/schedule"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const scheduleMax = 1600

func (a *API) putScheduledAction(ctx context.Context, call control.Call, in *client.PutScheduledActionInput) (*client.PutScheduledActionOutput, error) {
	if err := first(
		text("scheduledActionName", in.ScheduledActionName, nameMax, noActionName),
		resource{in.ServiceNamespace, in.ResourceId, in.ScalableDimension}.check(),
	); err != nil {
		return nil, err
	}
	if s := in.ScalableTargetAction; s != nil {
		if s.MinCapacity == nil && s.MaxCapacity == nil {
			return nil, neitherBound()
		}
		if err := checkCapacities(s.MinCapacity, s.MaxCapacity); err != nil {
			return nil, err
		}
	}
	err := a.Update(ctx, func(tx *store.Tx) error {
		_, err := control.PutScheduledAction(tx, call, *in.ResourceId, *in.ScheduledActionName, func(action *model.ScheduledAction) error {
			return editAction(call, action, in)
		})
		return err
	})
	return &client.PutScheduledActionOutput{}, err
}

func neitherBound() error {
	return invalid("At least one of minimum capacity and maximum capacity should be provided")
}

// editAction makes the changes that a request asks for. Of an action that exists what is not given stays, but for its start
// and its end ("PutScheduledAction").
func editAction(call control.Call, action *model.ScheduledAction, in *client.PutScheduledActionInput) error {
	if in.Schedule != nil {
		action.Schedule = *in.Schedule
	}
	if in.Timezone != nil {
		action.Zone = *in.Timezone
	}
	action.Start, action.End = utc(in.StartTime), utc(in.EndTime)
	if s := in.ScalableTargetAction; s != nil {
		action.Min, action.Max = count(s.MinCapacity), count(s.MaxCapacity)
	}
	switch {
	case action.Schedule == "":
		return null("schedule")
	case action.Min == nil && action.Max == nil:
		return neitherBound()
	case !action.End.IsZero() && !action.End.After(action.Start):
		return invalid("The end time has to be after the start time")
	}
	return checkSchedule(call, action)
}

func utc(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return t.UTC()
}

// checkSchedule refuses what cannot be read, and what will never be due.
func checkSchedule(call control.Call, action *model.ScheduledAction) error {
	zone, err := zoneOf(action.Zone)
	if err != nil {
		return err
	}
	if err := text("schedule", &action.Schedule, scheduleMax, nil); err != nil {
		return err
	}
	s, err := schedule.Parse(action.Schedule, zone)
	if err != nil {
		return invalid("The schedule '%.200s' is not valid: %v", action.Schedule, err)
	}
	if _, due := s.Bounded(call.Now, action.Start, action.End).Next(call.Now); !due {
		return invalid("The schedule '%.200s' is in the past: it is not due at any time from now on, between its start and its end", action.Schedule)
	}
	return nil
}

// zoneOf finds a zone by its name in the IANA time zone database; "" is UTC.
func zoneOf(name string) (*time.Location, error) {
	const local = "Local" // Go's name for the zone of this machine
	zone, err := time.LoadLocation(name)
	if err != nil || name == local {
		return nil, invalid("The time zone '%.100s' is not valid: it has to be a name of the IANA time zone database, as Europe/Vienna or UTC", name)
	}
	return zone, nil
}

func (a *API) deleteScheduledAction(ctx context.Context, call control.Call, in *client.DeleteScheduledActionInput) (*client.DeleteScheduledActionOutput, error) {
	if err := first(
		text("scheduledActionName", in.ScheduledActionName, nameMax, nil), resource{in.ServiceNamespace, in.ResourceId, in.ScalableDimension}.check(),
	); err != nil {
		return nil, err
	}
	err := a.Update(ctx, func(tx *store.Tx) error {
		return control.DeleteScheduledAction(tx, call, *in.ResourceId, *in.ScheduledActionName)
	})
	return &client.DeleteScheduledActionOutput{}, err
}

func (a *API) describeScheduledActions(_ context.Context, call control.Call, in *client.DescribeScheduledActionsInput) (*client.DescribeScheduledActionsOutput, error) {
	wanted, err := named("scheduledActionNames", in.ScheduledActionNames)
	if err := first(resource{in.ServiceNamespace, in.ResourceId, in.ScalableDimension}.filter(), err); err != nil {
		return nil, err
	}
	target := targetOf(call, in.ResourceId)
	var all []*model.ScheduledAction
	for action := range a.Store.View().ScheduledActions(target) {
		if wanted(action.Name) {
			all = append(all, action)
		}
	}
	all, next, err := page(pages{call, pageMax, in.NextToken, in.MaxResults, append([]string{target}, in.ScheduledActionNames...)}, all,
		func(action *model.ScheduledAction) string { return action.Key().Path })
	if err != nil {
		return nil, err
	}
	out := &client.DescribeScheduledActionsOutput{ScheduledActions: []types.ScheduledAction{}, NextToken: next}
	for _, action := range all {
		out.ScheduledActions = append(out.ScheduledActions, actionOut(call, action))
	}
	return out, nil
}

func actionOut(call control.Call, action *model.ScheduledAction) types.ScheduledAction {
	out := types.ScheduledAction{
		ServiceNamespace: types.ServiceNamespaceEcs, ScalableDimension: types.ScalableDimensionECSServiceDesiredCount,
		ResourceId: resourceOf(call, action.Target), ScheduledActionName: &action.Name, ScheduledActionARN: &action.ARN,
		Schedule: &action.Schedule, StartTime: given(action.Start), EndTime: given(action.End), CreationTime: &action.CreatedAt,
		ScalableTargetAction: &types.ScalableTargetAction{},
	}
	if action.Zone != "" {
		out.Timezone = aws.String(action.Zone)
	}
	if action.Min != nil {
		out.ScalableTargetAction.MinCapacity = number(*action.Min)
	}
	if action.Max != nil {
		out.ScalableTargetAction.MaxCapacity = number(*action.Max)
	}
	return out
}

// given is a time as the API gives it, nil for the zero time.
func given(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
