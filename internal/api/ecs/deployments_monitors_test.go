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

// alarm makes an alarm, or changes its state.
func (w *world) alarm(name string, value model.AlarmValue) {
	w.t.Helper()
	a := &model.Alarm{Name: name, Region: "eu-west-1", Period: 10, EvaluationPeriods: 3}
	cause := model.Cause{Kind: model.CauseAlarm, Subject: name, At: w.now(), Detail: "Threshold Crossed"}
	w.put(a, &model.AlarmState{Alarm: a.Key().Path, Value: value, Since: w.now(), UpdatedAt: w.now(), Cause: cause})
}

// history describes the service deployments of web, newest first.
func (w *world) history() []types.ServiceDeployment {
	w.t.Helper()
	list := must(w.ListServiceDeployments(w.t.Context(), &client.ListServiceDeploymentsInput{Service: aws.String("web")}))(w.t).ServiceDeployments
	arns := make([]string, len(list))
	for i, d := range list {
		arns[i] = *d.ServiceDeploymentArn
	}
	return must(w.DescribeServiceDeployments(w.t.Context(), &client.DescribeServiceDeploymentsInput{ServiceDeploymentArns: arns}))(w.t).ServiceDeployments
}

// monitoring tells of a service deployment what has to do with failing.
func monitoring(d types.ServiceDeployment) string {
	b, a := d.DeploymentCircuitBreaker, d.Alarms
	text := fmt.Sprintf("%s breaker %s %d/%d alarms %s %v %v", d.Status, b.Status, b.FailureCount, b.Threshold, a.Status, a.AlarmNames, a.TriggeredAlarmNames)
	if d.Rollback != nil {
		text += ": " + *d.Rollback.Reason
	}
	return text
}

// TestCircuitBreakerRollsBack follows a version that cannot be started, as somebody sees it who describes the service.
func TestCircuitBreakerRollsBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1")
	f.observe = func(task *model.Task) *model.Observed {
		if strings.HasSuffix(task.TaskDefinition, "/web:1") {
			return &model.Observed{Task: task.ARN, Machine: task.Machine, Status: model.TaskRunning, StartedAt: f.now()}
		}
		return nil // stays pending
	}
	in := newService("web", 2)
	in.DeploymentConfiguration = &types.DeploymentConfiguration{
		MinimumHealthyPercent: aws.Int32(50), MaximumPercent: aws.Int32(100),
		DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true},
	}
	must(f.CreateService(t.Context(), in))(t)
	must(f.CreateService(t.Context(), in))(t) // again, which is idempotent
	f.pass(5 * time.Second)
	must(f.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web:2")}))(t)
	f.settle()
	for i := range 3 {
		if got, want := monitoring(f.history()[0]), fmt.Sprintf("IN_PROGRESS breaker MONITORING %d/3 alarms DISABLED [] []", i); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
		f.failPending()
		if i < 2 {
			f.settle()
		}
	}
	must(f.loop.Turn(t.Context(), f.now()))(t)
	s := f.describe("web")
	wantSummary(t, s, "ACTIVE 1/2+0 | PRIMARY web:1 IN_PROGRESS 1/2+0 | ACTIVE web:2 FAILED 0/0+0")
	old, failed := s.Deployments[0], s.Deployments[1]
	if got, want := *failed.RolloutStateReason, "ECS deployment circuit breaker: tasks failed to start."; got != want || failed.FailedTasks != 3 {
		t.Errorf("got %q after %d failed tasks, want %q after 3", got, failed.FailedTasks, want)
	}
	if got, want := *old.RolloutStateReason, "ECS deployment circuit breaker: rolling back to deploymentId "+*old.Id+"."; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	events := []string{*s.Events[1].Message, *s.Events[0].Message}
	if diff := cmp.Diff([]string{
		"(service web) (deployment " + *failed.Id + ") deployment failed: tasks failed to start.", "(service web) rolling back to deployment " + *old.Id + ".",
	}, events); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	d := f.history()[0]
	if got, want := monitoring(d), "ROLLBACK_IN_PROGRESS breaker TRIGGERED 3/3 alarms DISABLED [] []: Service deployment rolled back because the circuit breaker threshold was exceeded."; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if aws.ToString(s.CurrentServiceDeployment) != *d.ServiceDeploymentArn || !strings.HasSuffix(*d.Rollback.ServiceRevisionArn, strings.TrimPrefix(*old.Id, "ecs-svc/")) {
		t.Errorf("got %s that rolls back to %s, want that of the failed one, to the revision before", aws.ToString(s.CurrentServiceDeployment), *d.Rollback.ServiceRevisionArn)
	}
	f.waitStable("web")
	f.pass(10 * time.Second)
	wantSummary(t, f.describe("web"), "ACTIVE 2/2+0 | PRIMARY web:1 COMPLETED 2/2+0")
	if d := f.history()[0]; d.Status != "ROLLBACK_SUCCESSFUL" || d.FinishedAt == nil {
		t.Errorf("got %s, want ROLLBACK_SUCCESSFUL at some time", d.Status)
	}
}

// failPending lets the tasks that are pending fail to start.
func (f *fleet) failPending() {
	for task := range f.store.View().Tasks() {
		if task.Alive() && !task.Running() {
			f.put(&model.Observed{
				Task: task.ARN, Machine: task.Machine, Status: model.TaskStopped, StoppedAt: f.now(), StopCode: model.StopFailedToStart,
				StopReason: "CannotPullContainerError: no such image",
			})
		}
	}
}

// TestAlarmsRollBack follows a version during which an alarm goes off, when all its tasks run.
func TestAlarmsRollBack(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1")
	f.alarm("errors", model.AlarmOK)
	f.alarm("slow", model.AlarmOK)
	in := newService("web", 1)
	in.DeploymentConfiguration = &types.DeploymentConfiguration{
		Alarms: &types.DeploymentAlarms{Enable: true, Rollback: true, AlarmNames: []string{"errors", "slow"}},
	}
	must(f.CreateService(t.Context(), in))(t)
	f.pass(time.Minute) // it bakes for 30 seconds
	wantSummary(t, f.describe("web"), "ACTIVE 1/1+0 | PRIMARY web:1 COMPLETED 1/1+0")
	must(f.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web:2")}))(t)
	f.pass(20 * time.Second)
	wantSummary(t, f.describe("web"), "ACTIVE 1/1+0 | PRIMARY web:2 IN_PROGRESS 1/1+0 | ACTIVE web:1 COMPLETED 0/0+0")
	if got, want := monitoring(f.history()[0]), "IN_PROGRESS breaker DISABLED 0/0 alarms MONITORING [errors slow] []"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	f.alarm("slow", model.AlarmAlarm)
	f.pass(10 * time.Second)
	wantSummary(t, f.describe("web"), "ACTIVE 1/1+0 | PRIMARY web:1 COMPLETED 1/1+0")
	want := "ROLLBACK_SUCCESSFUL breaker DISABLED 0/0 alarms TRIGGERED [errors slow] [slow]: Service deployment rolled back because an alarm was detected."
	if got := monitoring(f.history()[0]); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	// One that is in ALARM keeps the next deployment from following any.
	must(f.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web:2")}))(t)
	f.alarm("errors", model.AlarmAlarm)
	f.pass(10 * time.Second)
	wantSummary(t, f.describe("web"), "ACTIVE 1/1+0 | PRIMARY web:2 COMPLETED 1/1+0")
}

// TestStopServiceDeployment takes a deployment back that nothing else would.
func TestStopServiceDeployment(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1")
	must(f.CreateService(t.Context(), newService("web", 1)))(t)
	stop := func() error {
		_, err := f.StopServiceDeployment(t.Context(), &client.StopServiceDeploymentInput{ServiceDeploymentArn: f.history()[0].ServiceDeploymentArn})
		return err
	}
	wantError(t, stop(), "InvalidParameterException", "There is no completed deployment to roll back to.")
	f.waitStable("web")
	f.pass(time.Second)
	wantError(t, stop(), "ConflictException", "SUCCESSFUL")
	must(f.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web:2")}))(t)
	f.settle()
	for range 2 { // the second time it is being done
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		if d := f.history()[0]; d.Status != "ROLLBACK_REQUESTED" {
			t.Errorf("got %s, want ROLLBACK_REQUESTED", d.Status)
		}
	}
	f.pass(5 * time.Second)
	wantSummary(t, f.describe("web"), "ACTIVE 1/1+0 | PRIMARY web:1 COMPLETED 1/1+0")
	if d := f.history()[0]; d.Status != "ROLLBACK_SUCCESSFUL" {
		t.Errorf("got %s, want ROLLBACK_SUCCESSFUL", d.Status)
	}
}
