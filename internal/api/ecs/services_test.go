package ecs_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
)

// TestServiceLife follows a service from its creation to the creation of the next one of its name, with the SDK's
// waiters in between.
func TestServiceLife(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1", "m2")
	ctx := t.Context()
	made := must(f.CreateService(ctx, newService("web", 2)))(t).Service
	wantSummary(t, *made, "ACTIVE 0/2+0 | PRIMARY web:1 IN_PROGRESS 0/2+0")
	if looks := f.waitStable("web"); looks > 10 {
		t.Errorf("the waiter looked %d times at a service of two tasks, each a second apart", looks)
	}
	f.pass(5 * time.Second)
	stable := f.describe("web")
	wantSummary(t, stable, "ACTIVE 2/2+0 | PRIMARY web:1 COMPLETED 2/2+0")
	checkEvents(t, stable, "has started 2 tasks", "deployment completed.", "has reached a steady state.")
	if got, want := *stable.Deployments[0].RolloutStateReason, "ECS deployment "+*stable.Deployments[0].Id+" completed."; got != want {
		t.Errorf("got the reason %q, want %q", got, want)
	}

	must(f.UpdateService(ctx, &client.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("web")}))(t)
	f.settle()
	wantSummary(t, f.describe("web"), "ACTIVE 4/2+0 | PRIMARY web:2 IN_PROGRESS 2/2+0 | ACTIVE web:1 COMPLETED 2/2+0")
	f.waitStable("web")
	wantSummary(t, f.describe("web"), "ACTIVE 2/2+0 | PRIMARY web:2 COMPLETED 2/2+0")

	_, err := f.DeleteService(ctx, &client.DeleteServiceInput{Service: aws.String("web")})
	wantError(t, err, "InvalidParameterException", "The service cannot be stopped while it is scaled above 0.")
	must(f.UpdateService(ctx, &client.UpdateServiceInput{Service: made.ServiceArn, DesiredCount: aws.Int32(0)}))(t)
	deleted := must(f.DeleteService(ctx, &client.DeleteServiceInput{Service: aws.String("web")}))(t).Service
	wantSummary(t, *deleted, "DRAINING 2/0+0 | PRIMARY web:2 COMPLETED 2/0+0")
	list := must(f.ListServices(ctx, &client.ListServicesInput{}))(t)
	if len(list.ServiceArns) != 0 {
		t.Errorf("ListServices shows %v, want no service that is draining", list.ServiceArns)
	}
	_, err = f.CreateService(ctx, newService("web", 1))
	wantError(t, err, "InvalidParameterException", "Unable to Start a service that is still Draining.")
	_, err = f.UpdateService(ctx, &client.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(1)})
	wantError(t, err, "ServiceNotActiveException", "Service was not ACTIVE.")

	f.waitInactive("web")
	wantSummary(t, f.describe("web"), "INACTIVE 0/0+0")
	_, err = f.UpdateService(ctx, &client.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(1)})
	wantError(t, err, "ServiceNotActiveException", "Service was not ACTIVE.")
	_, err = f.ListServiceDeployments(ctx, &client.ListServiceDeploymentsInput{Service: aws.String("web")})
	wantError(t, err, "ServiceNotFoundException", "Service not found.")
	must(f.DeleteService(ctx, &client.DeleteServiceInput{Service: aws.String("web"), Force: aws.Bool(true)}))(t)

	again := must(f.CreateService(ctx, newService("web", 1)))(t).Service
	wantSummary(t, *again, "ACTIVE 0/1+0 | PRIMARY web:1 IN_PROGRESS 0/1+0")
	if *again.ServiceArn != *made.ServiceArn || len(again.Events) != 0 || !again.CreatedAt.After(*made.CreatedAt) {
		t.Errorf("got %s made at %v with %d events, want the same ARN, later, without events", *again.ServiceArn, again.CreatedAt, len(again.Events))
	}
	history := must(f.ListServiceDeployments(ctx, &client.ListServiceDeploymentsInput{Service: aws.String("web")}))(t)
	if len(history.ServiceDeployments) != 1 {
		t.Errorf("the new service has %d service deployments, want its own", len(history.ServiceDeployments))
	}
	f.pass(5 * time.Second)
	checkEvents(t, f.describe("web"), "has started 1 tasks", "deployment completed.", "has reached a steady state.")
}

// checkEvents compares the events, given from the oldest to the newest.
func checkEvents(t *testing.T, s types.Service, want ...string) {
	t.Helper()
	var got []string
	for i, e := range s.Events {
		got = append([]string{*e.Message}, got...)
		if i > 0 && e.CreatedAt.After(*s.Events[i-1].CreatedAt) {
			t.Errorf("event %d is newer than the one before it", i)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("got events %q, want %d", got, len(want))
	}
	for i := range want {
		if !strings.HasPrefix(got[i], "(service "+*s.ServiceName+") ") || !strings.Contains(got[i], want[i]) {
			t.Errorf("got event %q, want it to say %q", got[i], want[i])
		}
	}
}

// TestServiceOnTheWire fixes the whole answers: tools compare them with what they sent.
func TestServiceOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("web")
	status, got := w.send("CreateService", `{"serviceName":"web","taskDefinition":"web","desiredCount":2,
		"deploymentConfiguration":{"deploymentCircuitBreaker":{"enable":false,"rollback":false},"alarms":{"alarmNames":[],"enable":false,"rollback":false}},
		"placementStrategy":[{"type":"binpack","field":"MEMORY"}],"placementConstraints":[{"type":"distinctInstance"}],
		"deploymentController":{"type":"ECS"},"loadBalancers":[],"enableExecuteCommand":false,"tags":[{"key":"k","value":"v"}]}`)
	const id = "0000000000000000010"
	want := `{"service":{"availabilityZoneRebalancing":"DISABLED","clusterArn":"` + prefix + `cluster/default","createdAt":1772366400.25,` +
		`"createdBy":"arn:aws:iam::` + account + `:root",` +
		`"currentServiceDeployment":"` + prefix + `service-deployment/default/web/AAAAAAAAAAIAAAAAAAAAA",` +
		`"currentServiceRevisions":[{"arn":"` + prefix + `service-revision/default/web/` + id + `","pendingTaskCount":0,"requestedTaskCount":2,"runningTaskCount":0}],` +
		`"deploymentConfiguration":{"alarms":{"alarmNames":[],"enable":false,"rollback":false},` +
		`"deploymentCircuitBreaker":{"enable":false,"rollback":false},"maximumPercent":200,"minimumHealthyPercent":100,"strategy":"ROLLING"},` +
		`"deploymentController":{"type":"ECS"},"deployments":[{"createdAt":1772366400.25,"desiredCount":2,"failedTasks":0,` +
		`"id":"ecs-svc/` + id + `","launchType":"EC2","pendingCount":0,"rolloutState":"IN_PROGRESS",` +
		`"rolloutStateReason":"ECS deployment ecs-svc/` + id + ` in progress.","runningCount":0,"status":"PRIMARY",` +
		`"taskDefinition":"` + prefix + `task-definition/web:1","updatedAt":1772366400.25}],"desiredCount":2,` +
		`"enableECSManagedTags":false,"enableExecuteCommand":false,"events":[],"launchType":"EC2","loadBalancers":[],"pendingCount":0,` +
		`"placementConstraints":[{"type":"distinctInstance"}],"placementStrategy":[{"field":"memory","type":"binpack"}],` +
		`"propagateTags":"NONE","resourceManagementType":"CUSTOMER","runningCount":0,"schedulingStrategy":"REPLICA",` +
		`"serviceArn":"` + prefix + `service/default/web","serviceName":"web","serviceRegistries":[],"status":"ACTIVE",` +
		`"tags":[{"key":"k","value":"v"}],"taskDefinition":"` + prefix + `task-definition/web:1"}}`
	if diff := cmp.Diff(want, got); status != 200 || diff != "" {
		t.Errorf("status %d (-want +got):\n%s", status, diff)
	}
	_, described := w.send("DescribeServices", `{"services":["web"],"include":["TAGS"]}`)
	want = `{"failures":[],"services":[` + strings.TrimSuffix(strings.TrimPrefix(want, `{"service":`), "}") + `]}`
	if diff := cmp.Diff(want, described); diff != "" {
		t.Errorf("described (-want +got):\n%s", diff)
	}
	_, described = w.send("DescribeServices", `{"services":["`+prefix+`service/default/web","gone"]}`)
	want = strings.Replace(strings.Replace(want, `"tags":[{"key":"k","value":"v"}],`, "", 1),
		`"failures":[]`, `"failures":[{"arn":"`+prefix+`service/default/gone","reason":"MISSING"}]`, 1)
	if diff := cmp.Diff(want, described); diff != "" {
		t.Errorf("described without tags, and one that is missing (-want +got):\n%s", diff)
	}
}

// TestLaunchTypes checks that what was asked for is given back, and that none of it keeps a task from its machine.
func TestLaunchTypes(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1")
	must(f.PutClusterCapacityProviders(t.Context(), &client.PutClusterCapacityProvidersInput{
		Cluster: aws.String("default"), CapacityProviders: []string{"FARGATE", "FARGATE_SPOT"},
		DefaultCapacityProviderStrategy: []types.CapacityProviderStrategyItem{},
	}))(t)
	f.registerFargate("own")
	strategy := []types.CapacityProviderStrategyItem{{CapacityProvider: aws.String("FARGATE_SPOT"), Weight: 2, Base: 1}}
	own := func(edit func(*client.CreateServiceInput)) func(*client.CreateServiceInput) {
		return func(in *client.CreateServiceInput) {
			in.TaskDefinition, in.NetworkConfiguration = aws.String("own"), f.network()
			edit(in)
		}
	}
	for _, test := range []struct {
		name string
		edit func(*client.CreateServiceInput)
		want string // launch type, providers, platform of the service, of its deployment, and launch type of the task
	}{
		{"nothing", func(*client.CreateServiceInput) {}, "EC2 0 - - EC2"},
		{"ec2", func(in *client.CreateServiceInput) { in.LaunchType = "EC2" }, "EC2 0 - - EC2"},
		{"external", func(in *client.CreateServiceInput) { in.LaunchType = "EXTERNAL" }, "EXTERNAL 0 - - EXTERNAL"},
		{"fargate", own(func(in *client.CreateServiceInput) { in.LaunchType = "FARGATE" }), "FARGATE 0 LATEST 1.4.0 FARGATE"},
		{"version", own(func(in *client.CreateServiceInput) {
			in.LaunchType, in.PlatformVersion = "FARGATE", aws.String("1.4.0")
		}), "FARGATE 0 1.4.0 1.4.0 FARGATE"},
		{"spot", own(func(in *client.CreateServiceInput) { in.CapacityProviderStrategy = strategy }), " 1 LATEST 1.4.0 FARGATE"},
	} {
		in := newService(test.name, 1)
		test.edit(in)
		must(f.CreateService(t.Context(), in))(t)
		f.settle()
		s := f.describe(test.name)
		or := func(v *string) string {
			if v == nil {
				return "-"
			}
			return *v
		}
		var launched string
		for task := range f.store.View().TasksOfService(*s.ServiceArn) {
			launched = task.LaunchType
		}
		got := fmt.Sprint(s.LaunchType, " ", len(s.CapacityProviderStrategy), " ", or(s.PlatformVersion), " ", or(s.Deployments[0].PlatformVersion), " ", launched)
		if got != test.want || s.RunningCount != 1 {
			t.Errorf("%s: got %q with %d tasks, want %q with 1", test.name, got, s.RunningCount, test.want)
		}
	}
	// Back to the launch type; only a new deployment moves tasks.
	out := must(f.UpdateService(t.Context(), &client.UpdateServiceInput{
		Service: aws.String("spot"), CapacityProviderStrategy: []types.CapacityProviderStrategyItem{},
	}))(t).Service
	if out.LaunchType != "EC2" || out.CapacityProviderStrategy != nil || len(out.Deployments) != 1 || len(out.Deployments[0].CapacityProviderStrategy) != 1 {
		t.Errorf("got %+v, want launch type EC2, and the deployment as it was", out)
	}
}

// TestDaemonService checks that the desired count of a daemon is the number of instances that match.
func TestDaemonService(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1", "m2")
	for i := range f.store.View().InstancesOfCluster(prefix + "cluster/default") {
		if i.Machine == "m1" {
			marked := *i
			marked.Attributes = map[string]string{"rack": "a"}
			f.put(&marked)
		}
	}
	all := &client.CreateServiceInput{ServiceName: aws.String("all"), TaskDefinition: aws.String("web:1"), SchedulingStrategy: "DAEMON"}
	made := must(f.CreateService(t.Context(), all))(t).Service
	wantSummary(t, *made, "ACTIVE 0/2+0 | PRIMARY web:1 IN_PROGRESS 0/2+0")
	if c := made.DeploymentConfiguration; *c.MaximumPercent != 100 || *c.MinimumHealthyPercent != 0 {
		t.Errorf("got %d/%d percent, want the defaults of daemons, 0/100", *c.MinimumHealthyPercent, *c.MaximumPercent)
	}
	some := *all
	some.ServiceName = aws.String("some")
	some.PlacementConstraints = []types.PlacementConstraint{{Type: "memberOf", Expression: aws.String("attribute:rack == a")}}
	must(f.CreateService(t.Context(), &some))(t)
	f.waitStable("all")
	f.waitStable("some")
	wantSummary(t, f.describe("all"), "ACTIVE 2/2+0 | PRIMARY web:1 COMPLETED 2/2+0")
	wantSummary(t, f.describe("some"), "ACTIVE 1/1+0 | PRIMARY web:1 COMPLETED 1/1+0")
	// An empty list takes the constraint away.
	must(f.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("some"), PlacementConstraints: []types.PlacementConstraint{}}))(t)
	wantSummary(t, f.describe("some"), "ACTIVE 1/2+0 | PRIMARY web:1 COMPLETED 1/2+0")
	m := machine("m3")
	m.Capacity = model.Resources{CPU: 1024, Memory: 1024}
	f.put(m)
	f.waitStable("all")
	wantSummary(t, f.describe("all"), "ACTIVE 3/3+0 | PRIMARY web:1 COMPLETED 3/3+0")
	// Without force, for its desired count is not its owner's.
	must(f.DeleteService(t.Context(), &client.DeleteServiceInput{Service: aws.String("all")}))(t)
	f.waitInactive("all")
}

func TestCreateServiceAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("web")
	full := func() *client.CreateServiceInput {
		in := newService("web", 2)
		in.PlacementStrategy = []types.PlacementStrategy{{Type: "spread", Field: aws.String("instanceId")}}
		in.Tags = []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}
		in.LoadBalancers = []types.LoadBalancer{}
		in.ServiceConnectConfiguration = &types.ServiceConnectConfiguration{Enabled: false}
		in.DeploymentConfiguration = &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(50)}
		return in
	}
	made := must(w.CreateService(t.Context(), full()))(t).Service
	rev := w.store.View().Revision()
	again := must(w.CreateService(t.Context(), full()))(t).Service
	if diff := cmp.Diff(made, again, ignoreDocuments); diff != "" {
		t.Errorf("created again (-first +again):\n%s", diff)
	}
	for name, edit := range map[string]func(*client.CreateServiceInput){
		"desiredCount":      func(in *client.CreateServiceInput) { in.DesiredCount = aws.Int32(3) },
		"launchType":        func(in *client.CreateServiceInput) { in.LaunchType = "EXTERNAL" },
		"placementStrategy": func(in *client.CreateServiceInput) { in.PlacementStrategy = nil },
		"tags":              func(in *client.CreateServiceInput) { in.Tags = nil },
		"configuration":     func(in *client.CreateServiceInput) { in.DeploymentConfiguration = nil },
		"circuit breaker": func(in *client.CreateServiceInput) {
			in.DeploymentConfiguration.DeploymentCircuitBreaker = &types.DeploymentCircuitBreaker{Rollback: true}
		},
	} {
		in := full()
		edit(in)
		_, err := w.CreateService(t.Context(), in)
		if wantError(t, err, "InvalidParameterException", "Creation of service was not idempotent."); t.Failed() {
			t.Fatalf("with another %s", name)
		}
	}
	if got := w.store.View().Revision(); got != rev {
		t.Errorf("creating it again wrote revision %d after %d", got, rev)
	}
}

// TestCreateServiceAtOnce makes the same call several times at once: one of them makes the service, the others find it.
func TestCreateServiceAtOnce(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("web")
	errs := make(chan error)
	for range 8 {
		go func() {
			_, err := w.CreateService(t.Context(), newService("web", 2))
			errs <- err
		}()
	}
	for range 8 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	history := must(w.ListServiceDeployments(t.Context(), &client.ListServiceDeploymentsInput{Service: aws.String("web")}))(t)
	if n := len(history.ServiceDeployments); n != 1 {
		t.Errorf("got %d service deployments, want one", n)
	}
}

// TestCreateServiceByToken checks that a call whose answer was lost can be made again, whatever happened since.
func TestCreateServiceByToken(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("web")
	in := newService("web", 2)
	in.ClientToken = aws.String("token-1")
	must(w.CreateService(t.Context(), in))(t)
	must(w.UpdateService(t.Context(), &client.UpdateServiceInput{Service: in.ServiceName, DesiredCount: aws.Int32(5)}))(t)
	must(w.DeregisterTaskDefinition(t.Context(), &client.DeregisterTaskDefinitionInput{TaskDefinition: aws.String("web:1")}))(t)
	for _, cluster := range []*string{nil, aws.String("default"), aws.String(prefix + "cluster/default")} {
		in.Cluster = cluster
		again := must(w.CreateService(t.Context(), in))(t).Service
		wantSummary(t, *again, "ACTIVE 0/5+0 | PRIMARY web:1 IN_PROGRESS 0/5+0")
	}
	other := newService("other", 2)
	other.ClientToken = in.ClientToken
	_, err := w.CreateService(t.Context(), other)
	wantError(t, err, "InvalidParameterException", "Creation of service was not idempotent.")
	// A deleted service is made anew.
	w.register("web")
	in.TaskDefinition = aws.String("web:2")
	must(w.DeleteService(t.Context(), &client.DeleteServiceInput{Service: in.ServiceName, Force: aws.Bool(true)}))(t)
	wantSummary(t, *must(w.CreateService(t.Context(), in))(t).Service, "ACTIVE 0/2+0 | PRIMARY web:2 IN_PROGRESS 0/2+0")
}

// TestWhatStartsADeployment is the table of "UpdateService".
func TestWhatStartsADeployment(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name    string
		update  client.UpdateServiceInput
		deploys bool
		writes  bool
	}{
		{"nothing", client.UpdateServiceInput{}, false, false},
		{"the same task definition", client.UpdateServiceInput{TaskDefinition: aws.String("web:1")}, false, false},
		{"the same desired count", client.UpdateServiceInput{DesiredCount: aws.Int32(1)}, false, false},
		{"another task definition", client.UpdateServiceInput{TaskDefinition: aws.String("web:2")}, true, true},
		{"the family's newest", client.UpdateServiceInput{TaskDefinition: aws.String("web")}, true, true},
		{"force", client.UpdateServiceInput{ForceNewDeployment: true}, true, true},
		{"platform version", client.UpdateServiceInput{PlatformVersion: aws.String("1.4.0")}, true, true},
		{"service connect off", client.UpdateServiceInput{ServiceConnectConfiguration: &types.ServiceConnectConfiguration{}}, true, true},
		{"desired count", client.UpdateServiceInput{DesiredCount: aws.Int32(2)}, false, true},
		{"percentages", client.UpdateServiceInput{DeploymentConfiguration: &types.DeploymentConfiguration{MaximumPercent: aws.Int32(150)}}, false, true},
		{"circuit breaker off", client.UpdateServiceInput{DeploymentConfiguration: &types.DeploymentConfiguration{
			DeploymentCircuitBreaker: &types.DeploymentCircuitBreaker{},
		}}, false, true},
		{"grace period", client.UpdateServiceInput{HealthCheckGracePeriodSeconds: aws.Int32(30)}, false, true},
		{"managed tags", client.UpdateServiceInput{EnableECSManagedTags: aws.Bool(true)}, false, true},
		{"propagation", client.UpdateServiceInput{PropagateTags: "SERVICE"}, false, true},
		{"monitoring", client.UpdateServiceInput{Monitoring: fineCPU()}, true, true},
		{"no monitoring", client.UpdateServiceInput{Monitoring: &types.MonitoringConfiguration{}}, false, false},
		{"no capacity providers", client.UpdateServiceInput{CapacityProviderStrategy: []types.CapacityProviderStrategyItem{}}, false, false},
		{"no load balancers", client.UpdateServiceInput{LoadBalancers: []types.LoadBalancer{}}, false, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "m1")
			in := newService("web", 1)
			if test.update.PlatformVersion != nil {
				f.registerFargate("own")
				in = f.newFargateService("web", "own")
			}
			must(f.CreateService(t.Context(), in))(t)
			f.waitStable("web")
			before, rev := f.describe("web"), f.store.View().Revision()
			test.update.Service = in.ServiceName
			after := must(f.UpdateService(t.Context(), &test.update))(t).Service
			if got := *after.Deployments[0].Id != *before.Deployments[0].Id; got != test.deploys {
				t.Errorf("a new deployment: got %t, want %t", got, test.deploys)
			}
			if got := f.store.View().Revision() > rev; got != test.writes {
				t.Errorf("something was written: got %t, want %t", got, test.writes)
			}
			f.waitStable("web")
		})
	}
}

// TestUpdateServiceKeepsTheRest changes members one after the other, and takes them back.
func TestUpdateServiceKeepsTheRest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("web")
	must(w.CreateService(t.Context(), newService("web", 1)))(t)
	update := func(in client.UpdateServiceInput) *types.Service {
		in.Service = aws.String("web")
		return must(w.UpdateService(t.Context(), &in))(t).Service
	}
	update(client.UpdateServiceInput{
		PlacementStrategy:    []types.PlacementStrategy{{Type: "random"}},
		PlacementConstraints: []types.PlacementConstraint{{Type: "memberOf", Expression: aws.String("attribute:rack == a")}},
	})
	update(client.UpdateServiceInput{HealthCheckGracePeriodSeconds: aws.Int32(7), PropagateTags: "TASK_DEFINITION"})
	update(client.UpdateServiceInput{DeploymentConfiguration: &types.DeploymentConfiguration{
		Alarms: &types.DeploymentAlarms{AlarmNames: []string{"a"}}, MaximumPercent: aws.Int32(150),
	}})
	got := update(client.UpdateServiceInput{DeploymentConfiguration: &types.DeploymentConfiguration{MinimumHealthyPercent: aws.Int32(50)}})
	c := got.DeploymentConfiguration
	text := fmt.Sprint(got.PlacementStrategy[0].Type, *got.PlacementConstraints[0].Expression, *got.HealthCheckGracePeriodSeconds,
		got.PropagateTags, c.Alarms.AlarmNames, *c.MinimumHealthyPercent, *c.MaximumPercent)
	if want := "randomattribute:rack == a7TASK_DEFINITION[a] 50 150"; text != want {
		t.Errorf("got %s, want %s", text, want)
	}
	got = update(client.UpdateServiceInput{
		PlacementStrategy: []types.PlacementStrategy{}, PlacementConstraints: []types.PlacementConstraint{},
		HealthCheckGracePeriodSeconds: aws.Int32(0), PropagateTags: "NONE",
	})
	if len(got.PlacementStrategy)+len(got.PlacementConstraints) != 0 || got.HealthCheckGracePeriodSeconds != nil || got.PropagateTags != "NONE" {
		t.Errorf("got %+v, want all of it removed", got)
	}
}

// TestNetworkConfiguration checks that it goes with task definitions that have networks of their own, and no others.
func TestNetworkConfiguration(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("plain")
	w.register("own")
	def, _ := w.store.View().TaskDefinition(prefix + "task-definition/own:1")
	own := *def
	own.NetworkMode = "awsvpc"
	w.put(&own)
	network := func(subnet string) *types.NetworkConfiguration {
		return &types.NetworkConfiguration{AwsvpcConfiguration: &types.AwsVpcConfiguration{Subnets: []string{subnet}}}
	}
	in := newService("web", 1)
	in.TaskDefinition = aws.String("own")
	_, err := w.CreateService(t.Context(), in)
	wantError(t, err, "InvalidParameterException", "Network Configuration must be provided when networkMode 'awsvpc' is specified.")
	in.NetworkConfiguration = network("subnet-1")
	_, err = w.CreateService(t.Context(), in)
	wantError(t, err, "InvalidParameterException", "The subnet ID 'subnet-1' does not exist (ErrorCode: InvalidSubnetID.NotFound)")
	var subnets []string
	for s := range w.store.View().Subnets(def.Region) {
		subnets = append(subnets, s.ID)
	}
	in.NetworkConfiguration = network(subnets[0])
	in.NetworkConfiguration.AwsvpcConfiguration.SecurityGroups = []string{"sg-1"}
	_, err = w.CreateService(t.Context(), in)
	wantError(t, err, "InvalidParameterException", "The security group 'sg-1' does not exist (ErrorCode: InvalidGroup.NotFound)")
	in.NetworkConfiguration = network(subnets[0])
	made := must(w.CreateService(t.Context(), in))(t).Service
	if made.RoleArn == nil || made.NetworkConfiguration == nil || made.Deployments[0].NetworkConfiguration == nil {
		t.Errorf("got %+v, want the network configuration and the role", made)
	}
	moved := must(w.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), NetworkConfiguration: network(subnets[1])}))(t).Service
	if got := moved.Deployments[0]; *got.Id == *made.Deployments[0].Id || got.NetworkConfiguration.AwsvpcConfiguration.Subnets[0] != subnets[1] {
		t.Errorf("got %+v, want a new deployment in the other subnet", got)
	}
	for d := range w.store.View().Deployments(*made.ServiceArn) {
		if n := d.Network; n == nil || len(n.Subnets) != 1 || len(n.SecurityGroups) != 1 || len(n.Zones) != 1 {
			t.Errorf("deployment %s has the network %+v, want its subnet with its zone and the default security group", d.ID, n)
		}
	}
	_, err = w.UpdateService(t.Context(), &client.UpdateServiceInput{
		Service: aws.String("web"), TaskDefinition: aws.String("plain"), NetworkConfiguration: network(subnets[1]),
	})
	wantError(t, err, "InvalidParameterException", "Network Configuration is not valid for the given networkMode of this task definition.")
	plain := must(w.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), TaskDefinition: aws.String("plain")}))(t).Service
	if plain.NetworkConfiguration != nil || plain.RoleArn != nil {
		t.Errorf("got %+v, want no network configuration with a task definition that has none", plain)
	}
}

func TestListServices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("web")
	var want []string
	for i := range 23 {
		in := newService(fmt.Sprintf("s%02d", 22-i), 0)
		if i%2 == 1 {
			in.SchedulingStrategy, in.DesiredCount = "DAEMON", nil
		}
		want = append(want, *must(w.CreateService(t.Context(), in))(t).Service.ServiceArn)
	}
	slices.Reverse(want)
	var got, sizes []string
	pages := client.NewListServicesPaginator(w, &client.ListServicesInput{})
	for pages.HasMorePages() {
		page := must(pages.NextPage(t.Context()))(t)
		got, sizes = append(got, page.ServiceArns...), append(sizes, fmt.Sprint(len(page.ServiceArns)))
	}
	if diff := cmp.Diff(want, got); diff != "" || strings.Join(sizes, " ") != "10 10 3" {
		t.Errorf("got pages of %v, want 10 10 3 (-want +got):\n%s", sizes, diff)
	}
	for _, test := range []struct {
		in   client.ListServicesInput
		want int
	}{
		{client.ListServicesInput{SchedulingStrategy: "DAEMON"}, 11},
		{client.ListServicesInput{SchedulingStrategy: "REPLICA", LaunchType: "EC2"}, 12},
		{client.ListServicesInput{LaunchType: "FARGATE"}, 0},
		{client.ListServicesInput{ResourceManagementType: "ECS"}, 0},
		{client.ListServicesInput{ResourceManagementType: "CUSTOMER"}, 23},
	} {
		test.in.MaxResults = aws.Int32(100)
		out := must(w.ListServices(t.Context(), &test.in))(t)
		if len(out.ServiceArns) != test.want {
			t.Errorf("%+v: got %d services, want %d", test.in, len(out.ServiceArns), test.want)
		}
	}
}

// TestServiceTags checks where tags of services go: into answers that ask for them, and to tasks.
func TestServiceTags(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1")
	in := newService("web", 1)
	in.Tags, in.PropagateTags, in.EnableECSManagedTags = []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}}, "SERVICE", true
	made := must(f.CreateService(t.Context(), in))(t).Service
	f.settle()
	if got := f.describe("web"); got.Tags != nil || got.PropagateTags != "SERVICE" || !got.EnableECSManagedTags {
		t.Errorf("got %+v, want no tags without asking, and the propagation as given", got)
	}
	if got := f.describe("web", "TAGS").Tags; len(got) != 1 || *got[0].Value != "v" {
		t.Errorf("got tags %v, want k = v", got)
	}
	var got []string
	for task := range f.store.View().TasksOfService(*made.ServiceArn) {
		for _, tag := range task.Tags {
			got = append(got, tag.Key+"="+tag.Value)
		}
	}
	if diff := cmp.Diff([]string{"aws:ecs:clusterName=default", "aws:ecs:serviceName=web", "k=v"}, got); diff != "" {
		t.Errorf("tags of the task (-want +got):\n%s", diff)
	}
}

// TestPendingCount counts what is on its way, and not what is on its way out.
func TestPendingCount(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("web")
	made := must(w.CreateService(t.Context(), newService("web", 4)))(t).Service
	deployment := *made.Deployments[0].Id
	for i, s := range []struct {
		desired, last model.TaskStatus
	}{
		{model.TaskRunning, ""},
		{model.TaskRunning, model.TaskProvisioning},
		{model.TaskRunning, model.TaskActivating},
		{model.TaskRunning, model.TaskRunning},
		{model.TaskStopped, model.TaskRunning},
		{model.TaskStopped, model.TaskPending},
		{model.TaskStopped, model.TaskDeactivating},
		{model.TaskStopped, model.TaskStopped},
	} {
		id := arn.Task(*made.ClusterArn, fmt.Sprintf("%032d", i))
		w.put(&model.Task{ARN: id, Cluster: *made.ClusterArn, Service: *made.ServiceArn, Deployment: deployment, Machine: "m", Desired: s.desired})
		if s.last != "" {
			w.put(&model.Observed{Task: id, Machine: "m", Status: s.last})
		}
	}
	wantSummary(t, w.describe("web"), "ACTIVE 2/4+3 | PRIMARY web:1 IN_PROGRESS 2/4+3")
}

// TestCommandsInTasks checks that enableExecuteCommand is said of a service and of the tasks that it starts from then on.
func TestCommandsInTasks(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "m1")
	f.registerFargate("own")
	in := f.newFargateService("web", "own")
	in.EnableExecuteCommand = true
	made := must(f.CreateService(t.Context(), in))(t).Service
	f.settle()
	off := must(f.UpdateService(t.Context(), &client.UpdateServiceInput{
		Service: in.ServiceName, EnableExecuteCommand: aws.Bool(false), DesiredCount: aws.Int32(2),
	}))(t).Service
	f.settle()
	if *off.Deployments[0].Id != *made.Deployments[0].Id {
		t.Error("a new deployment was made, want none")
	}
	if !made.EnableExecuteCommand || off.EnableExecuteCommand || f.describe("web").EnableExecuteCommand {
		t.Errorf("the service says %t when it is made and %t afterwards, want true and false", made.EnableExecuteCommand, off.EnableExecuteCommand)
	}
	tasks := must(f.ListTasks(t.Context(), &client.ListTasksInput{}))(t).TaskArns
	out := must(f.DescribeTasks(t.Context(), &client.DescribeTasksInput{Tasks: tasks}))(t)
	said := map[bool]int{}
	for _, task := range out.Tasks {
		said[task.EnableExecuteCommand]++
	}
	if diff := cmp.Diff(map[bool]int{true: 1, false: 1}, said); diff != "" {
		t.Errorf("the tasks say (-want +got):\n%s", diff)
	}
}
