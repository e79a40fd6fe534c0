package e2e

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	cwtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

func metrics(api string) *cloudwatch.Client {
	return cloudwatch.New(cloudwatch.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(api),
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "maitred", SecretAccessKey: "maitred"}, nil
		}),
	})
}

// watched is a service whose deployments are watched.
type watched struct {
	t     *testing.T
	api   string
	ecs   *ecs.Client
	good  string // the task definition that works
	least int    // healthy tasks that were seen at a time, since keep
}

// newWatched makes a service of four tasks, of which two may be replaced at a time, and waits until it is deployed.
func newWatched(t *testing.T, configuration types.DeploymentConfiguration) *watched {
	t.Helper()
	p := up(t, stateDir(t))
	w := &watched{t: t, api: p.api, ecs: client(p.api)}
	w.good = define(t, w.ecs, worker, sleeper())
	if a := configuration.Alarms; a != nil {
		w.alarm(a.AlarmNames[0])
	}
	configuration.MinimumHealthyPercent, configuration.MaximumPercent = aws.Int32(50), aws.Int32(100)
	if _, err := w.ecs.CreateService(t.Context(), &ecs.CreateServiceInput{
		ServiceName: aws.String(worker), TaskDefinition: &w.good, DesiredCount: aws.Int32(4), DeploymentConfiguration: &configuration,
	}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the first deployment completes", func() bool { return rollout(t, w.ecs) == types.DeploymentRolloutStateCompleted })
	return w
}

// alarm makes an alarm on errors that somebody measures.
func (w *watched) alarm(name string) {
	w.t.Helper()
	if _, err := metrics(w.api).PutMetricAlarm(w.t.Context(), &cloudwatch.PutMetricAlarmInput{
		AlarmName: &name, Namespace: aws.String("Shop"), MetricName: aws.String("Errors"), Statistic: cwtypes.StatisticSum, Period: aws.Int32(10),
		EvaluationPeriods: aws.Int32(1), Threshold: aws.Float64(0), ComparisonOperator: cwtypes.ComparisonOperatorGreaterThanThreshold,
		TreatMissingData: aws.String("notBreaching"),
	}); err != nil {
		w.t.Fatal(err)
	}
}

// deploy updates the service to another program, or the same one.
func (w *watched) deploy(program types.ContainerDefinition) (definition string) {
	w.t.Helper()
	definition = define(w.t, w.ecs, worker, program)
	if _, err := w.ecs.UpdateService(w.t.Context(), &ecs.UpdateServiceInput{Service: aws.String(worker), TaskDefinition: &definition}); err != nil {
		w.t.Fatal(err)
	}
	w.least = 4
	return definition
}

// look counts the healthy tasks, and gives the newest service deployment.
func (w *watched) look() types.ServiceDeployment {
	w.t.Helper()
	healthy, all := 0, listed(w.t, w.ecs, worker)
	for _, task := range describe(w.t, w.ecs, all) {
		if aws.ToString(task.LastStatus) == "RUNNING" && aws.ToString(task.DesiredStatus) == "RUNNING" && time.Since(*task.StartedAt) >= 2*time.Second {
			healthy++
		}
	}
	if slices.Equal(all, listed(w.t, w.ecs, worker)) { // or what has replaced some of them meanwhile is not counted
		w.least = min(w.least, healthy)
	}
	list, err := w.ecs.ListServiceDeployments(w.t.Context(), &ecs.ListServiceDeploymentsInput{Service: aws.String(worker)})
	if err != nil {
		w.t.Fatal(err)
	}
	out, err := w.ecs.DescribeServiceDeployments(w.t.Context(), &ecs.DescribeServiceDeploymentsInput{
		ServiceDeploymentArns: []string{*list.ServiceDeployments[0].ServiceDeploymentArn},
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return out.ServiceDeployments[0]
}

// rolledBack waits until the newest deployment is rolled back, and checks that all is as it was before, and has been served.
func (w *watched) rolledBack(events ...string) types.ServiceDeployment {
	w.t.Helper()
	var d types.ServiceDeployment
	eventually(w.t, "the deployment is rolled back", func() bool {
		d = w.look()
		return d.Status == types.ServiceDeploymentStatusRollbackSuccessful
	})
	out, err := w.ecs.DescribeServices(w.t.Context(), &ecs.DescribeServicesInput{Services: []string{worker}})
	if err != nil {
		w.t.Fatal(err)
	}
	s := out.Services[0]
	if len(s.Deployments) != 1 || *s.TaskDefinition != w.good || s.Deployments[0].RolloutState != types.DeploymentRolloutStateCompleted || s.RunningCount != 4 {
		w.t.Errorf("%d tasks of %s run, deployments %+v; want 4 of %s and one that is completed", s.RunningCount, *s.TaskDefinition, s.Deployments, w.good)
	}
	if w.least < 2 {
		w.t.Errorf("%d tasks were healthy at one time, want 2 at least", w.least)
	}
	for _, event := range events {
		said := false
		for _, e := range s.Events {
			said = said || strings.Contains(*e.Message, event)
		}
		if !said {
			w.t.Errorf("no event says %q: %+v", event, s.Events)
		}
	}
	return d
}

// TestAlarmRollsBack has errors measured while a new version is deployed: the alarm takes it back.
func TestAlarmRollsBack(t *testing.T) {
	t.Parallel()
	w := newWatched(t, types.DeploymentConfiguration{
		Alarms: &types.DeploymentAlarms{Enable: true, Rollback: true, AlarmNames: []string{"shop-errors"}},
	})
	w.deploy(types.ContainerDefinition{Image: aws.String("/bin/sleep"), Command: []string{"7200"}})
	eventually(t, "the alarm goes off", func() bool {
		_, err := metrics(w.api).PutMetricData(t.Context(), &cloudwatch.PutMetricDataInput{
			Namespace: aws.String("Shop"), MetricData: []cwtypes.MetricDatum{{MetricName: aws.String("Errors"), Value: aws.Float64(1), StorageResolution: aws.Int32(1)}},
		})
		if err != nil {
			t.Fatal(err)
		}
		d := w.look()
		if d.Status == types.ServiceDeploymentStatusSuccessful {
			t.Fatal("the deployment was successful before the alarm went off")
		}
		return d.Status != types.ServiceDeploymentStatusInProgress
	})
	d := w.rolledBack("deployment failed: alarm detected.", "rolling back to deployment ecs-svc/")
	if a := d.Alarms; a.Status != types.ServiceDeploymentRollbackMonitorsStatusTriggered || len(a.TriggeredAlarmNames) != 1 || a.TriggeredAlarmNames[0] != "shop-errors" {
		t.Errorf("got alarms %+v, want that shop-errors triggered", a)
	}
	whyTells(t, w.api, worker, "alarm shop-errors went into ALARM", "Threshold Crossed", "is rolled out again")
}

// TestCircuitBreakerRollsBack deploys a program that ends at once: the circuit breaker takes it back.
func TestCircuitBreakerRollsBack(t *testing.T) {
	t.Parallel()
	w := newWatched(t, types.DeploymentConfiguration{DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{Enable: true, Rollback: true}})
	bad := w.deploy(types.ContainerDefinition{Image: aws.String("/bin/false")})
	d := w.rolledBack("deployment failed: tasks failed to start.", "rolling back to deployment ecs-svc/")
	if b := d.DeploymentCircuitBreaker; b.Status != types.ServiceDeploymentRollbackMonitorsStatusTriggered || b.Threshold != 3 || b.FailureCount < 3 {
		t.Errorf("got %+v, want that three failures were enough", b)
	}
	failed := 0
	for _, task := range stopped(t, w.ecs) {
		if *task.TaskDefinitionArn == bad {
			failed++
		}
	}
	if failed < 3 || failed > 3+2 { // two at a time
		t.Errorf("%d tasks of what does not work were started, want 3 to 5", failed)
	}
	whyTells(t, w.api, worker, "the circuit breaker's threshold is 3", "container app exited with code 1", "is rolled out again")
}
