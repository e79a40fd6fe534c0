package autoscaling_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"

	"github.com/maitred/maitred/internal/model"
)

// actions describes the scheduled actions of web by name.
func (w *world) actions(names ...string) []types.ScheduledAction {
	w.t.Helper()
	return must(w.DescribeScheduledActions(w.t.Context(), &client.DescribeScheduledActionsInput{
		ServiceNamespace: namespace, ResourceId: aws.String(web), ScalableDimension: dimension, ScheduledActionNames: names,
	}))(w.t).ScheduledActions
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(1, 10)
	for _, schedule := range []string{
		"at(2026-03-01T12:00:01)", "at(2099-12-31T23:59:59)", "rate(1 minute)", "rate(15 minutes)", "rate(1 hour)", "rate(2 days)",
		"cron(30 6 ? * MON *)", "cron(0/15 * * * ? *)", "cron(0/5 8-17 ? * MON-FRI *)", "cron(0 0 L * ? *)", "cron(0 9 ? * 2#1 *)", "cron(0 9 15W * ? *)",
	} {
		must(w.PutScheduledAction(t.Context(), action("a", schedule)))(t)
		if got := w.actions()[0]; *got.Schedule != schedule || got.Timezone != nil {
			t.Errorf("got schedule %s, want %s", *got.Schedule, schedule)
		}
	}
	in := action("b", "at(2026-03-01T13:00:00)") // noon in UTC, which is past
	in.Timezone = aws.String("Europe/Vienna")
	wantError(t, failure(w.PutScheduledAction(t.Context(), in)), "ValidationException", "past")
	in.Timezone = aws.String("America/New_York")
	must(w.PutScheduledAction(t.Context(), in))(t)
	if got := w.actions("b", "no"); len(got) != 1 || *got[0].Timezone != "America/New_York" {
		t.Errorf("got actions %+v", got)
	}
}

func TestUpdateOfAScheduledAction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(1, 10)
	in := action("a", "cron(0 8 * * ? *)")
	in.Timezone, in.StartTime, in.EndTime = aws.String("Asia/Tokyo"), aws.Time(start.Add(time.Hour)), aws.Time(start.Add(96*time.Hour))
	must(w.PutScheduledAction(t.Context(), in))(t)
	first := w.actions()[0]
	if !first.StartTime.Equal(*in.StartTime) || !first.EndTime.Equal(*in.EndTime) || !first.CreationTime.Equal(start) || *first.ResourceId != web ||
		!strings.HasSuffix(*first.ScheduledActionARN, ":resource/ecs/service/default/web:scheduledActionName/a") {
		t.Errorf("got action %+v", first)
	}
	before := w.store.View().Revision()
	must(w.PutScheduledAction(t.Context(), in))(t)
	if after := w.store.View().Revision(); after != before {
		t.Error("the same action is written again")
	}
	w.advance(time.Minute)
	change := action("a", "")
	change.Schedule = nil
	change.ScalableTargetAction = &types.ScalableTargetAction{MaxCapacity: aws.Int32(0)}
	must(w.PutScheduledAction(t.Context(), change))(t)
	got := w.actions()[0]
	if *got.Schedule != *in.Schedule || *got.Timezone != "Asia/Tokyo" || *got.ScheduledActionARN != *first.ScheduledActionARN || !got.CreationTime.Equal(start) {
		t.Errorf("what is not given does not stay: %+v", got)
	}
	if got.StartTime != nil || got.EndTime != nil || got.ScalableTargetAction.MinCapacity != nil || *got.ScalableTargetAction.MaxCapacity != 0 {
		t.Errorf("start, end and capacities are not those that are given: %+v", got)
	}
}

func TestDeleteScheduledAction(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(1, 10)
	target := model.ScalablePath(region, web)
	w.put(&model.ScalingState{Target: target, Ran: map[string]time.Time{"a": start}})
	must(w.PutScheduledAction(t.Context(), action("a", "rate(1 hour)")))(t)
	in := &client.DeleteScheduledActionInput{ServiceNamespace: namespace, ResourceId: aws.String(web), ScalableDimension: dimension, ScheduledActionName: aws.String("a")}
	must(w.DeleteScheduledAction(t.Context(), in))(t)
	if s, _ := w.store.View().ScalingState(target); len(w.actions()) != 0 || len(s.Ran) != 0 {
		t.Errorf("got actions %+v, and remembered %+v", w.actions(), s.Ran)
	}
	wantError(t, failure(w.DeleteScheduledAction(t.Context(), in)), "ObjectNotFoundException",
		"No scheduled action found for service namespace: ecs, resource ID: service/default/web, scalable dimension: ecs:service:DesiredCount, scheduled action name: a")
}
