package ecs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

// TestWaitAsTerraformDoes follows a deployment as Terraform's wait_for_steady_state does: from the id of the primary
// deployment to the service deployment whose target has that id, until it is over.
func TestWaitAsTerraformDoes(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1", "m2")
	must(f.CreateService(t.Context(), newService("web", 2)))(t)
	f.waitStable("web")
	f.pass(time.Second)
	before := f.now()
	f.advance(3 * time.Millisecond)
	updated := must(f.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web:2")}))(t).Service
	id := strings.TrimPrefix(*updated.Deployments[0].Id, "ecs-svc/")
	list := must(f.ListServiceDeployments(t.Context(), &client.ListServiceDeploymentsInput{
		Service: updated.ServiceArn, Cluster: updated.ClusterArn, CreatedAt: &types.CreatedAt{After: &before},
	}))(t).ServiceDeployments
	if len(list) != 1 || !strings.Contains(*list[0].TargetServiceRevisionArn, id) || *list[0].ServiceDeploymentArn != *updated.CurrentServiceDeployment {
		t.Fatalf("got %+v, want the one whose target has the id %s", list, id)
	}
	var seen []string
	for range 60 {
		out := must(f.DescribeServiceDeployments(t.Context(), &client.DescribeServiceDeploymentsInput{
			ServiceDeploymentArns: []string{*list[0].ServiceDeploymentArn},
		}))(t)
		d := out.ServiceDeployments[0]
		state := fmt.Sprintf("%s %d->%d", d.Status, d.SourceServiceRevisions[0].RunningTaskCount, d.TargetServiceRevision.RunningTaskCount)
		if len(seen) == 0 || seen[len(seen)-1] != state {
			seen = append(seen, state)
		}
		if d.Status == types.ServiceDeploymentStatusSuccessful {
			break
		}
		f.pass(time.Second)
	}
	if diff := cmp.Diff([]string{"IN_PROGRESS 2->0", "IN_PROGRESS 2->2", "SUCCESSFUL 0->2"}, seen); diff != "" {
		t.Errorf("states (-want +got):\n%s", diff)
	}
	if got := f.describe("web"); got.CurrentServiceDeployment != nil {
		t.Errorf("the current service deployment is %s, want none when it is over", *got.CurrentServiceDeployment)
	}
}

// TestDeploymentHistory checks what becomes of deployments that are overtaken, and of that of a deleted service.
func TestDeploymentHistory(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1")
	f.observe = func(task *model.Task) *model.Observed {
		if strings.HasSuffix(task.TaskDefinition, "/web:1") {
			return &model.Observed{Task: task.ARN, Machine: task.Machine, Status: model.TaskRunning, StartedAt: f.now()}
		}
		return nil // stays pending
	}
	made := must(f.CreateService(t.Context(), newService("web", 1)))(t).Service
	f.waitStable("web")
	for _, def := range []string{"web:2", "other:1"} {
		f.pass(time.Minute)
		must(f.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: &def}))(t)
		f.settle()
	}
	s := f.describe("web")
	wantSummary(t, s, "ACTIVE 1/1+1 | PRIMARY other:1 IN_PROGRESS 0/1+1 | ACTIVE web:2 IN_PROGRESS 0/0+0 | ACTIVE web:1 COMPLETED 1/1+0")
	list := must(f.ListServiceDeployments(t.Context(), &client.ListServiceDeploymentsInput{Service: made.ServiceArn}))(t).ServiceDeployments
	var got []string
	for _, d := range list {
		got = append(got, fmt.Sprint(d.Status, " ", aws.ToString(d.StatusReason)))
	}
	want := []string{"IN_PROGRESS ", "STOPPED superseded by deployment " + *s.Deployments[0].Id, "SUCCESSFUL "}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("newest first (-want +got):\n%s", diff)
	}
	arns := []string{*list[0].ServiceDeploymentArn, *list[1].ServiceDeploymentArn, *list[2].ServiceDeploymentArn, *list[0].ServiceDeploymentArn + "x"}
	described := must(f.DescribeServiceDeployments(t.Context(), &client.DescribeServiceDeploymentsInput{ServiceDeploymentArns: arns}))(t)
	if len(described.Failures) != 1 || *described.Failures[0].Arn != arns[3] || *described.Failures[0].Reason != "MISSING" {
		t.Errorf("got failures %+v, want %s MISSING", described.Failures, arns[3])
	}
	newest, middle, oldest := described.ServiceDeployments[0], described.ServiceDeployments[1], described.ServiceDeployments[2]
	if len(newest.SourceServiceRevisions) != 2 || len(middle.SourceServiceRevisions) != 1 || len(oldest.SourceServiceRevisions) != 0 {
		t.Errorf("got %d, %d and %d sources, want 2, 1 and 0", len(newest.SourceServiceRevisions), len(middle.SourceServiceRevisions), len(oldest.SourceServiceRevisions))
	}
	if newest.DeploymentCircuitBreaker.Status != "DISABLED" || newest.FinishedAt != nil || middle.StoppedAt == nil || oldest.FinishedAt == nil || oldest.StoppedAt != nil {
		t.Errorf("got %+v, want who is stopped and who is finished", described.ServiceDeployments)
	}
	if c := newest.DeploymentConfiguration; *c.MaximumPercent != 200 || *c.MinimumHealthyPercent != 100 {
		t.Errorf("got %+v, want the configuration of the service", c)
	}

	deleted := must(f.DeleteService(t.Context(), &client.DeleteServiceInput{Service: aws.String("web"), Force: aws.Bool(true)}))(t).Service
	if *deleted.Status != "DRAINING" {
		t.Fatalf("got %s, want DRAINING while tasks are there", *deleted.Status)
	}
	end := must(f.DescribeServiceDeployments(t.Context(), &client.DescribeServiceDeploymentsInput{ServiceDeploymentArns: arns[:1]}))(t).ServiceDeployments[0]
	if end.Status != "STOPPED" || aws.ToString(end.StatusReason) != "the service was deleted" {
		t.Errorf("got %s %s, want that it was stopped with the service", end.Status, aws.ToString(end.StatusReason))
	}
}

func TestListServiceDeploymentsFilters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("web")
	must(w.CreateService(t.Context(), newService("web", 0)))(t)
	for range 4 {
		w.advance(time.Minute)
		must(w.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), ForceNewDeployment: true}))(t)
	}
	second := start.Add(time.Minute)
	for _, test := range []struct {
		in   client.ListServiceDeploymentsInput
		want int
	}{
		{client.ListServiceDeploymentsInput{}, 5},
		{client.ListServiceDeploymentsInput{Status: []types.ServiceDeploymentStatus{"IN_PROGRESS"}}, 1},
		{client.ListServiceDeploymentsInput{Status: []types.ServiceDeploymentStatus{"STOPPED", "PENDING"}}, 4},
		{client.ListServiceDeploymentsInput{CreatedAt: &types.CreatedAt{After: &second}}, 4},
		{client.ListServiceDeploymentsInput{CreatedAt: &types.CreatedAt{Before: &second}}, 1},
	} {
		test.in.Service = aws.String("web")
		out := must(w.ListServiceDeployments(t.Context(), &test.in))(t)
		if len(out.ServiceDeployments) != test.want || out.NextToken != nil {
			t.Errorf("%+v: got %d service deployments, want %d on one page", test.in, len(out.ServiceDeployments), test.want)
		}
	}
	var times []time.Duration
	in := &client.ListServiceDeploymentsInput{Service: aws.String("web"), MaxResults: aws.Int32(2)}
	for more := true; more; more = in.NextToken != nil {
		out := must(w.ListServiceDeployments(t.Context(), in))(t)
		for _, d := range out.ServiceDeployments {
			times = append(times, d.CreatedAt.Sub(start))
		}
		in.NextToken = out.NextToken
	}
	want := []time.Duration{4 * time.Minute, 3 * time.Minute, 2 * time.Minute, time.Minute, 0}
	if diff := cmp.Diff(want, times); diff != "" {
		t.Errorf("page by page (-want +got):\n%s", diff)
	}
}

// TestServiceRevisions checks that a revision stays as it was when it was deployed.
func TestServiceRevisions(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1")
	f.observe = func(task *model.Task) *model.Observed {
		return &model.Observed{
			Task: task.ARN, Machine: task.Machine, Status: model.TaskRunning, StartedAt: f.now(),
			Containers: []model.ObservedContainer{{Name: "app", Image: "sha256:abc"}},
		}
	}
	f.registerFargate("own")
	f.registerFargate("own")
	in := f.newFargateService("web", "own:1")
	made := must(f.CreateService(t.Context(), in))(t).Service
	f.waitStable("web")
	must(f.UpdateService(t.Context(), &client.UpdateServiceInput{
		Service: aws.String("web"), TaskDefinition: aws.String("own:2"), PlatformVersion: aws.String("1.4.0"),
	}))(t)
	history := must(f.ListServiceDeployments(t.Context(), &client.ListServiceDeploymentsInput{Service: aws.String("web")}))(t).ServiceDeployments
	missing := prefix + "service-revision/default/web/1234567890123456789"
	out := must(f.DescribeServiceRevisions(t.Context(), &client.DescribeServiceRevisionsInput{
		ServiceRevisionArns: []string{*history[1].TargetServiceRevisionArn, *history[0].TargetServiceRevisionArn, missing},
	}))(t)
	if len(out.Failures) != 1 || *out.Failures[0].Arn != missing || *out.Failures[0].Reason != "MISSING" {
		t.Errorf("got failures %+v, want %s MISSING", out.Failures, missing)
	}
	first := types.ServiceRevision{
		ServiceRevisionArn: aws.String(prefix + "service-revision/default/web/" + strings.TrimPrefix(*made.Deployments[0].Id, "ecs-svc/")),
		ServiceArn:         made.ServiceArn, ClusterArn: made.ClusterArn, TaskDefinition: aws.String(prefix + "task-definition/own:1"),
		NetworkConfiguration: in.NetworkConfiguration,
		CreatedAt:            aws.Time(start), LaunchType: "FARGATE", PlatformVersion: aws.String("1.4.0"), PlatformFamily: aws.String("Linux"),
		ContainerImages: []types.ContainerImage{{
			ContainerName: aws.String("app"), Image: aws.String("img:1"), ImageDigest: aws.String("sha256:abc"),
		}},
		LoadBalancers: []types.LoadBalancer{}, ServiceRegistries: []types.ServiceRegistry{},
		VolumeConfigurations: []types.ServiceVolumeConfiguration{}, VpcLatticeConfigurations: []types.VpcLatticeConfiguration{},
	}
	if diff := cmp.Diff(first, out.ServiceRevisions[0], ignoreDocuments); diff != "" {
		t.Errorf("the first revision (-want +got):\n%s", diff)
	}
	for d := range f.store.View().Deployments(*made.ServiceArn) {
		if d.TaskDefinition == prefix+"task-definition/own:1" && d.Images["app"] != "sha256:abc" {
			t.Errorf("the first deployment is bound to %v, want what its task has found", d.Images)
		}
	}
	if got := *out.ServiceRevisions[1].TaskDefinition; !strings.HasSuffix(got, "/own:2") {
		t.Errorf("the second revision has %s, want own:2", got)
	}
}
