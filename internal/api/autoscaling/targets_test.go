package autoscaling_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/applicationautoscaling"
	"github.com/aws/aws-sdk-go-v2/service/applicationautoscaling/types"
	ecsclient "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

func TestRegisterAndDescribe(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := registration(aws.Int32(0), aws.Int32(10))
	in.RoleARN = aws.String("arn:aws:iam::123456789012:role/mine")
	id := *must(w.RegisterScalableTarget(t.Context(), in))(t).ScalableTargetARN
	got := w.target()
	if *got.ScalableTargetARN != id || !strings.HasPrefix(id, "arn:aws:application-autoscaling:eu-west-1:123456789012:scalable-target/") {
		t.Errorf("got ARN %s, and %s when it was registered", *got.ScalableTargetARN, id)
	}
	if *got.MinCapacity != 0 || *got.MaxCapacity != 10 || *got.ResourceId != web || got.ServiceNamespace != namespace || got.ScalableDimension != dimension {
		t.Errorf("got %d to %d of %s, %s, %s", *got.MinCapacity, *got.MaxCapacity, *got.ResourceId, got.ServiceNamespace, got.ScalableDimension)
	}
	if want := "arn:aws:iam::123456789012:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/AWSServiceRoleForApplicationAutoScaling_ECSService"; *got.RoleARN != want {
		t.Errorf("got role %s, want %s", *got.RoleARN, want)
	}
	if s := got.SuspendedState; *s.DynamicScalingInSuspended || *s.DynamicScalingOutSuspended || *s.ScheduledScalingSuspended {
		t.Errorf("a new target is suspended: %+v", s)
	}
	if !got.CreationTime.Equal(start) {
		t.Errorf("got creation time %s, want %s", got.CreationTime, start)
	}
	if n := w.desired(); n != 3 || len(w.activities(true)) != 0 {
		t.Errorf("a count within the bounds became %d", n)
	}
}

func TestRegisterMovesTheCountInside(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		least, most, want int32
		cause, detail     string
	}{
		{5, 10, 5, "minimum capacity was set to 5", "3 desired are below the minimum 5"},
		{0, 2, 2, "maximum capacity was set to 2", "3 desired are above the maximum 2"},
		{0, 0, 0, "maximum capacity was set to 0", "3 desired are above the maximum 0"},
	} {
		w := newWorld(t)
		w.register(test.least, test.most)
		if got := w.desired(); got != test.want {
			t.Errorf("%d to %d: got desired count %d, want %d", test.least, test.most, got, test.want)
		}
		all := w.activities(false)
		if len(all) != 1 {
			t.Fatalf("got %d activities, want 1", len(all))
		}
		a := all[0]
		got := []string{*a.Description, *a.Cause, *a.StatusMessage, string(a.StatusCode), *a.ResourceId}
		want := []string{
			fmt.Sprintf("Setting desired count to %d.", test.want), test.cause,
			fmt.Sprintf("Successfully set desired count to %d. Waiting for change to be fulfilled by ecs.", test.want), "InProgress", web,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("the activity differs (-want +got):\n%s", diff)
		}
		svc := w.service()
		if !svc.Scaled || svc.Declared != 3 || !svc.Cause.Complete() || svc.Cause.Kind != model.CauseScaling {
			t.Errorf("the service is scaled: %v, declared: %d, cause: %+v", svc.Scaled, svc.Declared, svc.Cause)
		}
		if got := svc.Cause.Chain(); len(got) != 2 || got[1].Subject != "RegisterScalableTarget" || got[0].Detail != test.detail {
			t.Errorf("got causes %+v", got)
		}
	}
}

// An update that does not mention the bounds moves the count too: vector V51 of the reference.
func TestRegisterAgainChangesOnlyWhatIsGiven(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	id := w.register(1, 10)
	w.advance(time.Minute)
	w.declare(12)
	in := registration(nil, nil)
	in.SuspendedState = &types.SuspendedState{DynamicScalingInSuspended: aws.Bool(true)}
	if again := *must(w.RegisterScalableTarget(t.Context(), in))(t).ScalableTargetARN; again != id {
		t.Errorf("an update changes the ARN from %s to %s", id, again)
	}
	if n := w.desired(); n != 10 {
		t.Errorf("got desired count %d, want 10", n)
	}
	in.SuspendedState = &types.SuspendedState{ScheduledScalingSuspended: aws.Bool(true)}
	in.MinCapacity = aws.Int32(2)
	must(w.RegisterScalableTarget(t.Context(), in))(t)
	got := w.target()
	s := got.SuspendedState
	if !*s.DynamicScalingInSuspended || *s.DynamicScalingOutSuspended || !*s.ScheduledScalingSuspended {
		t.Errorf("got suspended %v %v %v, want in and scheduled", *s.DynamicScalingInSuspended, *s.DynamicScalingOutSuspended, *s.ScheduledScalingSuspended)
	}
	if *got.MinCapacity != 2 || *got.MaxCapacity != 10 || !got.CreationTime.Equal(start) {
		t.Errorf("got %d to %d since %s", *got.MinCapacity, *got.MaxCapacity, got.CreationTime)
	}
	before := w.store.View().Revision()
	must(w.RegisterScalableTarget(t.Context(), in))(t)
	if after := w.store.View().Revision(); after != before {
		t.Errorf("an update that changes nothing moves the store from revision %d to %d", before, after)
	}
}

func TestTags(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	in := registration(aws.Int32(1), aws.Int32(10))
	in.Tags = map[string]string{"a": "1", "b": ""}
	id := must(w.RegisterScalableTarget(t.Context(), in))(t).ScalableTargetARN
	must(w.RegisterScalableTarget(t.Context(), in))(t) // with the same tags
	want := func(want map[string]string) {
		t.Helper()
		got := must(w.ListTagsForResource(t.Context(), &client.ListTagsForResourceInput{ResourceARN: id}))(t).Tags
		if !maps.Equal(got, want) {
			t.Errorf("got tags %v, want %v", got, want)
		}
	}
	want(in.Tags)
	must(w.TagResource(t.Context(), &client.TagResourceInput{ResourceARN: id, Tags: map[string]string{"a": "2", "c": "3"}}))(t)
	must(w.UntagResource(t.Context(), &client.UntagResourceInput{ResourceARN: id, TagKeys: []string{"b", "no"}}))(t)
	want(map[string]string{"a": "2", "c": "3"})
}

func TestDeregister(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(5, 10)
	must(w.PutScalingPolicy(t.Context(), tracking("cpu", 50, types.MetricTypeECSServiceAverageCPUUtilization)))(t)
	must(w.PutScheduledAction(t.Context(), action("night", "rate(1 hour)")))(t)
	w.declare(7)
	w.deregister()
	v := w.store.View()
	policies, actions := slices.Collect(v.ScalingPolicies("")), slices.Collect(v.ScheduledActions(""))
	if len(policies)+len(actions)+len(w.alarms()) != 0 {
		t.Errorf("there are still %d policies, %d actions, %d alarms", len(policies), len(actions), len(w.alarms()))
	}
	if n := w.desired(); n != 7 {
		t.Errorf("got desired count %d, want 7", n)
	}
	a := w.activities(false)[0]
	if a.StatusCode != types.ScalingActivityStatusCodeOverridden || a.EndTime == nil || !strings.Contains(*a.StatusMessage, "deregistered") {
		t.Errorf("the activity that was in progress is %s: %s", a.StatusCode, *a.StatusMessage)
	}
	// A new target goes on counting, so that old activities are not written over.
	w.register(8, 10)
	if all := w.activities(false); len(all) != 2 || *all[0].Cause != "minimum capacity was set to 8" {
		t.Errorf("got %d activities, the newest %s", len(all), *all[0].Cause)
	}
}

func (w *world) deregister() {
	w.t.Helper()
	must(w.DeregisterScalableTarget(w.t.Context(), &client.DeregisterScalableTargetInput{
		ServiceNamespace: namespace, ResourceId: aws.String(web), ScalableDimension: dimension,
	}))(w.t)
}

// fill gives the target as many policies and actions as it may have.
func (w *world) fill() {
	w.t.Helper()
	for i := range 50 {
		in := custom(fmt.Sprintf("policy-%02d", i), single("Queue", fmt.Sprintf("Depth%02d", i)))
		must(w.PutScalingPolicy(w.t.Context(), in))(w.t)
	}
	for i := range 200 {
		must(w.PutScheduledAction(w.t.Context(), action(fmt.Sprintf("action-%03d", i), "rate(1 hour)")))(w.t)
	}
}

func single(namespace, name string) *types.CustomizedMetricSpecification {
	return &types.CustomizedMetricSpecification{Namespace: &namespace, MetricName: &name, Statistic: types.MetricStatisticAverage}
}

// What belongs to a target need not fit into one transaction.
func TestEndsOfAFullTarget(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*world){
		"deregister": (*world).deregister,
		"delete the service": func(w *world) {
			must(w.ecs.DeleteService(w.t.Context(), &ecsclient.DeleteServiceInput{Service: aws.String("web"), Force: aws.Bool(true)}))(w.t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.register(1, 10)
			w.fill()
			wantError(t, failure(w.PutScalingPolicy(t.Context(), tracking("more", 50, types.MetricTypeECSServiceAverageCPUUtilization))), "LimitExceededException", "50")
			wantError(t, failure(w.PutScheduledAction(t.Context(), action("more", "rate(1 hour)"))), "LimitExceededException", "200")
			must(w.PutScheduledAction(t.Context(), action("action-007", "rate(2 hours)")))(t) // is there already
			w.pages()
			end(w)
			v := w.store.View()
			targets, policies, actions := slices.Collect(v.ScalableTargets("")), slices.Collect(v.ScalingPolicies("")), slices.Collect(v.ScheduledActions(""))
			if len(targets)+len(policies)+len(actions)+len(w.alarms()) != 0 {
				t.Errorf("there are still %d targets, %d policies, %d actions, %d alarms", len(targets), len(policies), len(actions), len(w.alarms()))
			}
		})
	}
}

// pages reads everything of a full target page by page.
func (w *world) pages() {
	w.t.Helper()
	var names []string
	policies := client.NewDescribeScalingPoliciesPaginator(w, &client.DescribeScalingPoliciesInput{ServiceNamespace: namespace})
	for policies.HasMorePages() {
		out := must(policies.NextPage(w.t.Context()))(w.t)
		if len(out.ScalingPolicies) != 10 {
			w.t.Errorf("a page has %d policies, want 10", len(out.ScalingPolicies))
		}
		for _, p := range out.ScalingPolicies {
			names = append(names, *p.PolicyName)
		}
	}
	if len(names) != 50 || !slices.IsSorted(names) {
		w.t.Errorf("got policies %v", names)
	}
	names = nil
	actions := client.NewDescribeScheduledActionsPaginator(w, &client.DescribeScheduledActionsInput{
		ServiceNamespace: namespace, ResourceId: aws.String(web), MaxResults: aws.Int32(30),
	})
	for actions.HasMorePages() {
		for _, a := range must(actions.NextPage(w.t.Context()))(w.t).ScheduledActions {
			names = append(names, *a.ScheduledActionName)
		}
	}
	if len(names) != 200 || !slices.IsSorted(names) {
		w.t.Errorf("got actions %v", names)
	}
}

// The service of another name, or region, is not touched.
func TestDeleteServiceEndsItsScalingAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.create("web2", 1)
	w.register(1, 10)
	other := registration(aws.Int32(1), aws.Int32(10))
	other.ResourceId = aws.String("service/default/web2")
	must(w.RegisterScalableTarget(t.Context(), other))(t)
	must(w.ecs.DeleteService(t.Context(), &ecsclient.DeleteServiceInput{Service: aws.String("web"), Force: aws.Bool(true)}))(t)
	out := must(w.DescribeScalableTargets(t.Context(), &client.DescribeScalableTargetsInput{ServiceNamespace: namespace}))(t)
	if len(out.ScalableTargets) != 1 || *out.ScalableTargets[0].ResourceId != "service/default/web2" {
		t.Errorf("got targets %+v", out.ScalableTargets)
	}
	wantError(t, failure(w.RegisterScalableTarget(t.Context(), registration(aws.Int32(1), aws.Int32(2)))), "ValidationException", "ECS service doesn't exist: service/default/web")
	if out := must(w.in("us-east-1").DescribeScalableTargets(t.Context(), &client.DescribeScalableTargetsInput{ServiceNamespace: namespace}))(t); len(out.ScalableTargets) != 0 {
		t.Errorf("another region has targets %+v", out.ScalableTargets)
	}
}

// Whoever applies the same description of a service again does not undo the scaler.
func TestDeclaredCountDoesNotUndoTheScaler(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(5, 10)
	w.declare(3) // as it was created
	if n := w.desired(); n != 5 {
		t.Errorf("the same declared count makes it %d, want 5", n)
	}
	w.declare(8)
	if n := w.desired(); n != 8 || w.service().Scaled {
		t.Errorf("another declared count makes it %d, want 8", n)
	}
	w.register(9, 10)
	w.declare(8)
	if n := w.desired(); n != 9 {
		t.Errorf("the same declared count makes it %d, want 9", n)
	}
	w.deregister()
	w.declare(8) // there is no scaler any more
	if n := w.desired(); n != 8 {
		t.Errorf("without a scalable target it is %d, want 8", n)
	}
}

// A CreateService that is repeated meets what was declared, not what the scaler has made of it.
func TestCreateServiceAgainAfterScaling(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register(5, 10)
	w.create("web", 3)
	if n := w.desired(); n != 5 {
		t.Errorf("got desired count %d, want 5", n)
	}
}
