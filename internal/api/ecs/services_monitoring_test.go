package ecs_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

func fineCPU() *types.MonitoringConfiguration {
	return &types.MonitoringConfiguration{MetricConfigurations: []types.MetricConfiguration{
		{MetricNames: []string{model.MetricCPU}, ResolutionSeconds: aws.Int32(20)},
		{MetricNames: []string{model.MetricMemory}, ResolutionSeconds: aws.Int32(60)},
	}}
}

// TestMonitoring has a service's metrics be kept by 20 s, changes that, and takes it back: service revisions tell it, as
// DescribeServices has no member for it.
func TestMonitoring(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1")
	in := newService("web", 1)
	in.Monitoring = fineCPU()
	made := must(f.CreateService(t.Context(), in))(t).Service
	is := func(what string, want *types.MonitoringConfiguration, fine ...string) {
		t.Helper()
		f.waitStable("web")
		svc, _ := f.store.View().Service(*made.ServiceArn)
		if !slices.Equal(svc.Fine, fine) {
			t.Errorf("%s: %v are kept by 20 s, want %v", what, svc.Fine, fine)
		}
		newest := must(f.ListServiceDeployments(t.Context(), &client.ListServiceDeploymentsInput{Service: in.ServiceName}))(t).ServiceDeployments[0]
		out := must(f.DescribeServiceRevisions(t.Context(), &client.DescribeServiceRevisionsInput{
			ServiceRevisionArns: []string{*newest.TargetServiceRevisionArn},
		}))(t)
		if diff := cmp.Diff(want, out.ServiceRevisions[0].Monitoring, ignoreDocuments); diff != "" {
			t.Errorf("%s: monitoring of the revision (-want +got):\n%s", what, diff)
		}
	}
	is("made", fineCPU(), model.MetricCPU)
	again := must(f.CreateService(t.Context(), in))(t).Service
	if *again.Deployments[0].Id != *made.Deployments[0].Id {
		t.Error("the same call again made another deployment")
	}
	update := func(m *types.MonitoringConfiguration) {
		must(f.UpdateService(t.Context(), &client.UpdateServiceInput{Service: in.ServiceName, DesiredCount: aws.Int32(1), Monitoring: m}))(t)
	}
	update(nil)
	is("left as it is", fineCPU(), model.MetricCPU)
	both := &types.MonitoringConfiguration{MetricConfigurations: []types.MetricConfiguration{
		{MetricNames: []string{model.MetricMemory, model.MetricCPU}, ResolutionSeconds: aws.Int32(20)},
	}}
	f.advance(time.Second)
	update(both)
	is("both", both, model.MetricCPU, model.MetricMemory)
	f.advance(time.Second)
	update(&types.MonitoringConfiguration{MetricConfigurations: []types.MetricConfiguration{}})
	is("taken back", nil)
}

// TestMonitoringRollsBack has an update that changes monitoring be rolled back: the service has that of the revision before, and
// keeps it.
func TestMonitoringRollsBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1")
	f.observe = func(task *model.Task) *model.Observed {
		if strings.HasSuffix(task.TaskDefinition, "/web:1") {
			return &model.Observed{Task: task.ARN, Machine: task.Machine, Status: model.TaskRunning, StartedAt: f.now()}
		}
		return nil // stays pending
	}
	in := newService("web", 2)
	in.Monitoring = fineCPU()
	in.DeploymentConfiguration = &types.DeploymentConfiguration{
		DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true},
	}
	made := must(f.CreateService(t.Context(), in))(t).Service
	f.pass(5 * time.Second)
	is := func(what string, fine ...string) {
		t.Helper()
		if svc, _ := f.store.View().Service(*made.ServiceArn); !slices.Equal(svc.Fine, fine) {
			t.Errorf("%s: %v are kept by 20 s, want %v", what, svc.Fine, fine)
		}
	}
	must(f.UpdateService(t.Context(), &client.UpdateServiceInput{
		Service: in.ServiceName, TaskDefinition: aws.String("web:2"), Monitoring: &types.MonitoringConfiguration{MetricConfigurations: []types.MetricConfiguration{
			{MetricNames: []string{model.MetricMemory}, ResolutionSeconds: aws.Int32(20)},
		}},
	}))(t)
	is("the update", model.MetricMemory)
	for range 2 {
		f.settle()
		f.failPending()
	}
	f.waitStable("web")
	wantSummary(t, f.describe("web"), "ACTIVE 2/2+0 | PRIMARY web:1 COMPLETED 2/2+0")
	is("rolled back", model.MetricCPU)
	f.advance(time.Second)
	must(f.UpdateService(t.Context(), &client.UpdateServiceInput{Service: in.ServiceName, ForceNewDeployment: true}))(t)
	f.waitStable("web")
	is("deployed anew", model.MetricCPU)
	newest := must(f.ListServiceDeployments(t.Context(), &client.ListServiceDeploymentsInput{Service: in.ServiceName}))(t).ServiceDeployments[0]
	out := must(f.DescribeServiceRevisions(t.Context(), &client.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{*newest.TargetServiceRevisionArn}}))(t)
	if diff := cmp.Diff(fineCPU(), out.ServiceRevisions[0].Monitoring, ignoreDocuments); diff != "" {
		t.Errorf("monitoring of the revision after it (-want +got):\n%s", diff)
	}
}
