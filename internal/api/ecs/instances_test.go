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

// TestInstanceOnTheWire fixes the whole answer.
func TestInstanceOnTheWire(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	web := f.define("web", 100)
	f.serve(web, "m1")
	f.run("web", 2)
	must(f.PutAttributes(t.Context(), &client.PutAttributesInput{Attributes: []types.Attribute{
		{Name: aws.String("stack"), Value: aws.String("prod"), TargetId: aws.String(instance("m1"))},
	}}))(t)
	must(f.TagResource(t.Context(), &client.TagResourceInput{
		ResourceArn: aws.String(instance("m1")), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}))(t)
	unknown := strings.Repeat("0", 32)
	_, got := f.send("DescribeContainerInstances", `{"containerInstances":["`+arn.Name(instance("m1"))+`","`+unknown+`"]}`)
	number := func(name string, n int) string {
		return fmt.Sprintf(`{"doubleValue":0,"integerValue":%d,"longValue":0,"name":%q,"type":"INTEGER"}`, n, name)
	}
	set := func(name, list string) string {
		return fmt.Sprintf(`{"doubleValue":0,"integerValue":0,"longValue":0,"name":%q,"stringSetValue":[%s],"type":"STRINGSET"}`, name, list)
	}
	v := f.store.View()
	want := `{"containerInstances":[{"agentConnected":true,"attachments":[],"attributes":[` +
		`{"name":"ecs.availability-zone","value":"zone-m1"},{"name":"ecs.capability.x"},{"name":"ecs.cpu-architecture","value":"x86_64"},` +
		`{"name":"ecs.os-type","value":"linux"},{"name":"stack","value":"prod"}],"containerInstanceArn":"` + instance("m1") + `",` +
		`"ec2InstanceId":"m1","pendingTasksCount":2,"registeredAt":1772366400.25,"registeredResources":[` +
		number("CPU", 1024) + "," + number("MEMORY", 1000) + "," + set("PORTS", `"22","2375"`) + "," + set("PORTS_UDP", "") + `],"remainingResources":[` +
		number("CPU", 994) + "," + number("MEMORY", 700) + "," + set("PORTS", `"22","2375","8080"`) + "," + set("PORTS_UDP", "") + `],` +
		`"runningTasksCount":1,"status":"ACTIVE","tags":[],"version":` + fmt.Sprint(v.Version(model.InstanceKey(instance("m1")))) +
		`,"versionInfo":{"agentVersion":"1.2.3"}}],"failures":[{"arn":"` + prefix + `container-instance/default/` + unknown + `","reason":"MISSING"}]}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("described (-want +got):\n%s", diff)
	}
}

func TestInstanceIncludes(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	must(f.TagResource(t.Context(), &client.TagResourceInput{
		ResourceArn: aws.String(instance("m1")), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}))(t)
	describe := func() types.ContainerInstance {
		return must(f.DescribeContainerInstances(t.Context(), &client.DescribeContainerInstancesInput{
			ContainerInstances: []string{instance("m1")},
			Include:            []types.ContainerInstanceField{types.ContainerInstanceFieldTags, types.ContainerInstanceFieldContainerInstanceHealth},
		}))(t).ContainerInstances[0]
	}
	if got := describe(); len(got.Tags) != 1 || *got.Tags[0].Key != "k" || got.HealthStatus.OverallStatus != types.InstanceHealthCheckStateOk {
		t.Errorf("got tags %v and health %v, want the tag k and OK", got.Tags, got.HealthStatus.OverallStatus)
	}
	f.advance(31 * time.Second) // without a heartbeat
	if got := describe(); got.AgentConnected || got.HealthStatus.OverallStatus != types.InstanceHealthCheckStateInsufficientData {
		t.Errorf("got agentConnected %t and health %v of a silent machine, want false and INSUFFICIENT_DATA", got.AgentConnected, got.HealthStatus.OverallStatus)
	}
}

func TestListInstances(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1", "m2", "m3")
	web := f.define("web", 100)
	f.serve(web, "m1")
	set := func(instances []string, status types.ContainerInstanceStatus) string {
		out := must(f.UpdateContainerInstancesState(t.Context(), &client.UpdateContainerInstancesStateInput{ContainerInstances: instances, Status: status}))(t)
		if len(out.ContainerInstances) > 0 && *out.ContainerInstances[0].Status != string(status) {
			t.Errorf("got status %s, want %s", *out.ContainerInstances[0].Status, status)
		}
		return fmt.Sprintf("%d changed, %s", len(out.ContainerInstances), failures(out.Failures))
	}
	must(f.DeregisterContainerInstance(t.Context(), &client.DeregisterContainerInstanceInput{ContainerInstance: aws.String(instance("m3"))}))(t)
	unknown := strings.Repeat("0", 32)
	got := set([]string{instance("m2"), instance("m2"), instance("m3"), unknown}, types.ContainerInstanceStatusDraining)
	if want := "1 changed, INACTIVE of " + arn.Name(instance("m3")) + ", MISSING of " + unknown; got != want {
		t.Errorf("drained: got %q, want %q", got, want)
	}
	for _, tc := range []struct {
		name string
		in   client.ListContainerInstancesInput
		want string
	}{
		{"all but the inactive", client.ListContainerInstancesInput{}, "m1 m2"},
		{"active", client.ListContainerInstancesInput{Status: types.ContainerInstanceStatusActive}, "m1"},
		{"draining", client.ListContainerInstancesInput{Status: types.ContainerInstanceStatusDraining}, "m2"},
		{"registering", client.ListContainerInstancesInput{Status: types.ContainerInstanceStatusRegistering}, ""},
		{"a zone", client.ListContainerInstancesInput{Filter: aws.String("attribute:ecs.availability-zone == zone-m2")}, "m2"},
		{"a zone and a status", client.ListContainerInstancesInput{
			Filter: aws.String("attribute:ecs.availability-zone == zone-m2"), Status: types.ContainerInstanceStatusActive,
		}, ""},
		{"running tasks", client.ListContainerInstancesInput{Filter: aws.String("runningTasksCount > 0")}, "m1"},
		{"a group", client.ListContainerInstancesInput{Filter: aws.String("task:group == service:svc")}, "m1"},
		{"no such group", client.ListContainerInstancesInput{Filter: aws.String("task:group == service:other")}, ""},
		{"an id", client.ListContainerInstancesInput{Filter: aws.String("ec2InstanceId in [m2, m3]")}, "m2"},
		{"a version", client.ListContainerInstancesInput{Filter: aws.String("agentVersion >= 1.2.0 and agentConnected == true")}, "m1 m2"},
		{"a date", client.ListContainerInstancesInput{Filter: aws.String("registeredAt < 2026-03-01")}, ""},
	} {
		out := must(f.ListContainerInstances(t.Context(), &tc.in))(t)
		var got []string
		for _, id := range []string{"m1", "m2", "m3"} {
			if slices.Contains(out.ContainerInstanceArns, instance(id)) {
				got = append(got, id)
			}
		}
		if strings.Join(got, " ") != tc.want || len(got) != len(out.ContainerInstanceArns) {
			t.Errorf("%s: got %v, want %q", tc.name, out.ContainerInstanceArns, tc.want)
		}
	}
	// A draining instance takes no tasks, and may be taken back.
	f.define("web", 100)
	for range 3 {
		for _, a := range f.run("web", 1) {
			if got := *f.describeTask(a).ContainerInstanceArn; got != instance("m1") {
				t.Errorf("got a task on %s, want it on m1, which does not drain", got)
			}
		}
	}
	if got, want := set([]string{instance("m2")}, types.ContainerInstanceStatusActive), "1 changed, "; got != want {
		t.Errorf("taken back: got %q, want %q", got, want)
	}
	f.advance(time.Hour) // nobody was heard of
	out := must(f.ListContainerInstances(t.Context(), &client.ListContainerInstancesInput{Filter: aws.String("agentConnected == true")}))(t)
	if len(out.ContainerInstanceArns) != 0 {
		t.Errorf("got connected agents %v after an hour without heartbeats, want none", out.ContainerInstanceArns)
	}
}

func TestDeregisterInstance(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 100)
	tasks := f.run("web", 2)
	deregister := func(force bool) (types.ContainerInstance, error) {
		out, err := f.DeregisterContainerInstance(t.Context(), &client.DeregisterContainerInstanceInput{
			ContainerInstance: aws.String(instance("m1")), Force: &force,
		})
		if err != nil {
			return types.ContainerInstance{}, err
		}
		return *out.ContainerInstance, nil
	}
	rev := f.store.View().Revision()
	_, err := deregister(false)
	wantError(t, err, "InvalidParameterException", "Found running tasks on the instance.")
	if got := f.store.View().Revision(); got != rev {
		t.Errorf("the store went from revision %d to %d by a refusal", rev, got)
	}
	if got := must(deregister(true))(t); *got.Status != "INACTIVE" || got.PendingTasksCount != 0 {
		t.Errorf("got %s with %d pending tasks, want INACTIVE with none", *got.Status, got.PendingTasksCount)
	}
	for _, a := range tasks {
		got := f.describeTask(a)
		if *got.DesiredStatus != "STOPPED" || *got.StoppedReason != "Container instance deregistration forced by user" || got.StopCode != "" {
			t.Errorf("got desired status %s, %s %q; want STOPPED, no stop code, the forced deregistration", *got.DesiredStatus, got.StopCode, *got.StoppedReason)
		}
		if state, _ := f.store.View().Task(a); !state.Stop.Complete() || state.Stop.Kind != model.CauseAPI {
			t.Errorf("got cause %v of the stop, want the call", state.Stop)
		}
	}
	_, err = deregister(true)
	wantError(t, err, "InvalidParameterException", "The referenced container instance was not found.")
	_, err = f.RunTask(t.Context(), &client.RunTaskInput{TaskDefinition: aws.String("web")})
	wantError(t, err, "InvalidParameterException", "No Container Instances were found in your cluster.")
	// It can still be described.
	out := must(f.DescribeContainerInstances(t.Context(), &client.DescribeContainerInstancesInput{ContainerInstances: []string{instance("m1")}}))(t)
	if len(out.ContainerInstances) != 1 || *out.ContainerInstances[0].Status != "INACTIVE" {
		t.Errorf("got %d instances and failures %s, want the INACTIVE one", len(out.ContainerInstances), failures(out.Failures))
	}
}

// TestDeregisterCrowdedInstance stops more tasks than fit one transaction.
func TestDeregisterCrowdedInstance(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("tiny", 6)
	var tasks []string
	for range 10 {
		tasks = append(tasks, f.run("tiny", 10)...)
	}
	// The machine is full now; more come by another way.
	for n := range 200 {
		id := fmt.Sprintf("%032x", 0xabc000+n)
		a := arn.Task(defaultCluster, id)
		f.put(&model.Task{
			ARN: a, Cluster: defaultCluster, Machine: "m1", Instance: instance("m1"), TaskDefinition: prefix + "task-definition/tiny:1",
			Desired: model.TaskRunning, CreatedAt: start,
		})
		tasks = append(tasks, a)
	}
	out := must(f.DeregisterContainerInstance(t.Context(), &client.DeregisterContainerInstanceInput{
		ContainerInstance: aws.String(instance("m1")), Force: aws.Bool(true),
	}))(t)
	if got := *out.ContainerInstance.Status; got != "INACTIVE" {
		t.Errorf("got %s, want INACTIVE", got)
	}
	for _, a := range tasks {
		if state, _ := f.store.View().Task(a); state.Desired != model.TaskStopped {
			t.Errorf("task %s is wanted %s, want STOPPED", a, state.Desired)
		}
	}
}

func TestAttributes(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1", "m2")
	put := func(list ...types.Attribute) (*client.PutAttributesOutput, error) {
		return f.PutAttributes(t.Context(), &client.PutAttributesInput{Attributes: list})
	}
	on := func(machine, name, value string) types.Attribute {
		return types.Attribute{Name: &name, Value: &value, TargetId: aws.String(instance(machine))}
	}
	byID := on("m2", "rack", "r 2")
	byID.TargetId, byID.TargetType = aws.String(arn.Name(instance("m2"))), types.TargetTypeContainerInstance
	out := must(put(on("m1", "rack", "r1"), on("m1", "stack", "prod"), byID))(t)
	if diff := cmp.Diff([]types.Attribute{on("m1", "rack", "r1"), on("m1", "stack", "prod"), on("m2", "rack", "r 2")}, out.Attributes, ignoreDocuments); diff != "" {
		t.Errorf("put (-want +got):\n%s", diff)
	}
	list := func(name, value *string) string {
		pages := client.NewListAttributesPaginator(f, &client.ListAttributesInput{
			TargetType: types.TargetTypeContainerInstance, AttributeName: name, AttributeValue: value, MaxResults: aws.Int32(1),
		})
		var texts []string
		for pages.HasMorePages() {
			for _, a := range must(pages.NextPage(t.Context()))(t).Attributes {
				texts = append(texts, *a.Name+"="+aws.ToString(a.Value))
			}
		}
		slices.Sort(texts)
		return strings.Join(texts, " ")
	}
	for _, tc := range []struct {
		name, value *string
		want        string
	}{
		{aws.String("rack"), nil, "rack=r 2 rack=r1"},
		{aws.String("rack"), aws.String("r1"), "rack=r1"},
		{aws.String("none"), nil, ""},
		{
			nil, nil, "ecs.availability-zone=zone-m1 ecs.availability-zone=zone-m2 ecs.capability.x= ecs.capability.x= ecs.cpu-architecture=x86_64 " +
				"ecs.cpu-architecture=x86_64 ecs.os-type=linux ecs.os-type=linux rack=r 2 rack=r1 stack=prod",
		},
	} {
		if got := list(tc.name, tc.value); got != tc.want {
			t.Errorf("attributes %s %s: got %q, want %q", aws.ToString(tc.name), aws.ToString(tc.value), got, tc.want)
		}
	}
	// A task can ask for them.
	f.define("web", 100)
	ran := must(f.RunTask(t.Context(), &client.RunTaskInput{
		TaskDefinition: aws.String("web"), Count: aws.Int32(3), PlacementConstraints: []types.PlacementConstraint{
			{Type: types.PlacementConstraintTypeMemberOf, Expression: aws.String("attribute:rack == 'r 2'")},
		},
	}))(t)
	for _, task := range ran.Tasks {
		if *task.ContainerInstanceArn != instance("m2") {
			t.Errorf("got a task on %s, want all on the rack of m2", *task.ContainerInstanceArn)
		}
	}
	must(f.DeleteAttributes(t.Context(), &client.DeleteAttributesInput{Attributes: []types.Attribute{
		{Name: aws.String("rack"), TargetId: aws.String(instance("m1"))}, {Name: aws.String("never"), TargetId: aws.String(instance("m1"))},
	}}))(t)
	if got, want := list(aws.String("rack"), nil), "rack=r 2"; got != want {
		t.Errorf("after a deletion: got %q, want %q", got, want)
	}
}

func TestAttributeLimit(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	attributes := func(from, to int) []types.Attribute {
		var list []types.Attribute
		for n := from; n < to; n++ {
			list = append(list, types.Attribute{Name: aws.String(fmt.Sprint("a", n)), Value: aws.String("v"), TargetId: aws.String(instance("m1"))})
		}
		return list
	}
	must(f.PutAttributes(t.Context(), &client.PutAttributesInput{Attributes: attributes(0, 10)}))(t)
	must(f.PutAttributes(t.Context(), &client.PutAttributesInput{Attributes: attributes(9, 10)}))(t) // replaced
	_, err := f.PutAttributes(t.Context(), &client.PutAttributesInput{Attributes: attributes(10, 11)})
	wantError(t, err, "AttributeLimitExceededException", "10", "a10")
	_, err = f.PutAttributes(t.Context(), &client.PutAttributesInput{Attributes: []types.Attribute{
		{Name: aws.String("a"), TargetId: aws.String(strings.Repeat("0", 32)), TargetType: types.TargetTypeContainerInstance},
	}})
	wantError(t, err, "TargetNotFoundException", strings.Repeat("0", 32))
}
