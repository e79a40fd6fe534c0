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

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
)

// serve adds a service, svc, with a running task of its own.
func (f taskWorld) serve(definition, machine string) (task string) {
	f.t.Helper()
	service := arn.Service(defaultCluster, "svc")
	task = arn.Task(defaultCluster, strings.Repeat("f", 32))
	f.put(
		&model.Service{ARN: service, Name: "svc", Cluster: defaultCluster, Region: region, Status: model.Active, CreatedAt: start},
		&model.Task{
			ARN: task, Cluster: defaultCluster, TaskDefinition: definition, Machine: machine, Instance: instance(machine), Service: service,
			Group: "service:svc", StartedBy: "ecs-svc/1", LaunchType: "EC2", Desired: model.TaskRunning, CreatedAt: start,
			Reserved: model.Resources{CPU: 10, Memory: 100, Ports: []int{8080}},
		},
	)
	f.observe(task, runs(start))
	return task
}

func TestListTasks(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1", "m2")
	web := f.define("web", 100)
	f.define("webby", 100)
	f.registerFargate("own")
	startOn := func(family, machine, by string) string {
		out := must(f.StartTask(t.Context(), &client.StartTaskInput{
			TaskDefinition: &family, ContainerInstances: []string{instance(machine)}, StartedBy: &by,
		}))(t)
		return *out.Tasks[0].TaskArn
	}
	one, two, three := startOn("web", "m1", "me"), startOn("webby", "m1", "you"), startOn("web", "m2", "me")
	served := f.serve(web, "m2")
	f.observe(three, exits(start, 0)) // nobody has taken note
	fargate := *must(f.RunTask(t.Context(), &client.RunTaskInput{
		TaskDefinition: aws.String("own"), LaunchType: types.LaunchTypeFargate, NetworkConfiguration: f.network(),
	}))(t).Tasks[0].TaskArn
	must(f.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("other")}))(t)
	for _, tc := range []struct {
		name string
		in   client.ListTasksInput
		want []string
	}{
		{"all that shall run", client.ListTasksInput{}, []string{one, two, fargate, served}},
		{"another cluster", client.ListTasksInput{Cluster: aws.String("other")}, nil},
		{"pending is nothing", client.ListTasksInput{DesiredStatus: types.DesiredStatusPending}, nil},
		{"stopped", client.ListTasksInput{DesiredStatus: types.DesiredStatusStopped}, []string{three}},
		{"a family", client.ListTasksInput{Family: aws.String("web")}, []string{one, served}},
		{"a service", client.ListTasksInput{ServiceName: aws.String("svc")}, []string{served}},
		{"a service by ARN", client.ListTasksInput{ServiceName: aws.String(arn.Service(defaultCluster, "svc"))}, []string{served}},
		{"a service and another family", client.ListTasksInput{ServiceName: aws.String("svc"), Family: aws.String("webby")}, nil},
		{"an instance", client.ListTasksInput{ContainerInstance: aws.String(instance("m2"))}, []string{served}},
		{"an instance by id", client.ListTasksInput{ContainerInstance: aws.String(arn.Name(instance("m2")))}, []string{served}},
		{"started by", client.ListTasksInput{StartedBy: aws.String("me")}, []string{one}},
		{"started by, stopped", client.ListTasksInput{StartedBy: aws.String("me"), DesiredStatus: types.DesiredStatusStopped}, []string{three}},
		{"a launch type", client.ListTasksInput{LaunchType: types.LaunchTypeFargate}, []string{fargate}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			// m1 or m2 may have the Fargate task; instance filters leave it out.
			out := must(f.ListTasks(t.Context(), &tc.in))(t)
			got := out.TaskArns
			if tc.in.ContainerInstance != nil {
				got = slices.DeleteFunc(got, func(a string) bool { return a == fargate })
			}
			slices.Sort(tc.want)
			if diff := cmp.Diff(tc.want, got, cmp.Transformer("empty", func(l []string) []string { return append([]string{}, l...) })); diff != "" {
				t.Errorf("tasks (-want +got):\n%s", diff)
			}
		})
	}
	_, err := f.ListTasks(t.Context(), &client.ListTasksInput{ServiceName: aws.String("none")})
	wantError(t, err, "ServiceNotFoundException", "Service not found.")
}

func TestListTasksInPages(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 6)
	var want []string
	for range 3 {
		want = append(want, f.run("web", 10)...)
	}
	slices.Sort(want)
	pages := client.NewListTasksPaginator(f, &client.ListTasksInput{Family: aws.String("web")}, func(o *client.ListTasksPaginatorOptions) { o.Limit = 7 })
	var got []string
	var lengths []int
	for pages.HasMorePages() {
		out := must(pages.NextPage(t.Context()))(t)
		got, lengths = append(got, out.TaskArns...), append(lengths, len(out.TaskArns))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("all pages together (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]int{7, 7, 7, 7, 2}, lengths); diff != "" {
		t.Errorf("lengths of the pages (-want +got):\n%s", diff)
	}
	first := must(f.ListTasks(t.Context(), &client.ListTasksInput{MaxResults: aws.Int32(7)}))(t)
	_, err := f.ListTasks(t.Context(), &client.ListTasksInput{NextToken: first.NextToken, Family: aws.String("web")})
	wantError(t, err, "InvalidParameterException", "nextToken")
}

func TestTaskProtection(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	web := f.define("web", 100)
	served, alone, unknown := f.serve(web, "m1"), f.run("web", 1)[0], strings.Repeat("0", 32)
	all := []string{served, arn.Name(alone), unknown}
	const want = "TASK_NOT_VALID of "
	wantFailures := want + arn.Name(alone) + ", MISSING of " + unknown
	get := func() types.ProtectedTask {
		t.Helper()
		out := must(f.GetTaskProtection(t.Context(), &client.GetTaskProtectionInput{Cluster: aws.String("default"), Tasks: all}))(t)
		if got := failures(out.Failures); got != wantFailures || len(out.ProtectedTasks) != 1 || *out.ProtectedTasks[0].TaskArn != served {
			t.Fatalf("got %d tasks and failures %q, want that of the service and %q", len(out.ProtectedTasks), got, wantFailures)
		}
		return out.ProtectedTasks[0]
	}
	update := func(on bool, minutes *int32) types.ProtectedTask {
		t.Helper()
		out := must(f.UpdateTaskProtection(t.Context(), &client.UpdateTaskProtectionInput{
			Cluster: aws.String("default"), Tasks: all, ProtectionEnabled: on, ExpiresInMinutes: minutes,
		}))(t)
		if got := failures(out.Failures); got != wantFailures || len(out.ProtectedTasks) != 1 {
			t.Fatalf("got %d tasks and failures %q, want one and %q", len(out.ProtectedTasks), got, wantFailures)
		}
		if diff := cmp.Diff(out.ProtectedTasks[0], get(), ignoreDocuments); diff != "" {
			t.Errorf("protection (-updated +got):\n%s", diff)
		}
		return out.ProtectedTasks[0]
	}
	if got := get(); got.ProtectionEnabled || got.ExpirationDate != nil {
		t.Errorf("got protection until %v of a new task, want none", got.ExpirationDate)
	}
	if got := update(true, nil); !got.ProtectionEnabled || !got.ExpirationDate.Equal(start.Add(2*time.Hour)) {
		t.Errorf("got protection until %v, want two hours", got.ExpirationDate)
	}
	f.advance(time.Hour)
	if got := update(true, aws.Int32(2880)); !got.ExpirationDate.Equal(start.Add(49 * time.Hour)) {
		t.Errorf("got protection until %v, want 48 hours from now", got.ExpirationDate)
	}
	f.advance(48 * time.Hour)
	if got := get(); got.ProtectionEnabled || got.ExpirationDate != nil {
		t.Errorf("got protection until %v after its end, want none", got.ExpirationDate)
	}
	update(true, aws.Int32(1))
	if got := update(false, nil); got.ProtectionEnabled {
		t.Errorf("got protection until %v after it was taken away", got.ExpirationDate)
	}
	must(f.StopTask(t.Context(), &client.StopTaskInput{Task: &served}))(t)
	out := must(f.UpdateTaskProtection(t.Context(), &client.UpdateTaskProtectionInput{
		Cluster: aws.String("default"), Tasks: []string{served}, ProtectionEnabled: true,
	}))(t)
	if got := failures(out.Failures); got != want+arn.Name(served) {
		t.Errorf("got failures %q of a task that is stopping, want TASK_NOT_VALID", got)
	}
}
