package ecs_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/model"
)

func TestTaskLifeInAnswers(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	definition := f.define("web", 100)
	out := must(f.RunTask(t.Context(), &client.RunTaskInput{
		TaskDefinition: aws.String("web"), StartedBy: aws.String("me/1"), PropagateTags: types.PropagateTagsTaskDefinition,
		EnableECSManagedTags: true, Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("mine")}},
		Overrides: &types.TaskOverride{
			Cpu: aws.String("0.25 vCPU"), TaskRoleArn: aws.String("arn:aws:iam::1:role/r"),
			ContainerOverrides: []types.ContainerOverride{{
				Name: aws.String("app"), Command: []string{"sh"}, Memory: aws.Int32(200), MemoryReservation: aws.Int32(50),
				Environment: []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("b")}},
			}},
		},
	}))(t)
	if len(out.Tasks) != 1 || len(out.Failures) != 0 {
		t.Fatalf("got %d tasks and failures %s, want one task", len(out.Tasks), failures(out.Failures))
	}
	task := *out.Tasks[0].TaskArn
	tags := []types.Tag{
		{Key: aws.String("k"), Value: aws.String("mine")},
		{Key: aws.String("aws:ecs:clusterName"), Value: aws.String("default")},
		{Key: aws.String("from"), Value: aws.String("definition")},
	}
	want := types.Task{
		Attachments:          []types.Attachment{},
		Attributes:           []types.Attribute{{Name: aws.String("ecs.cpu-architecture"), Value: aws.String("x86_64")}},
		AvailabilityZone:     aws.String("zone-m1"),
		ClusterArn:           aws.String(defaultCluster),
		ContainerInstanceArn: aws.String(instance("m1")),
		Containers: []types.Container{{
			ContainerArn: aws.String(arn.Container(task, "app")), TaskArn: &task, Name: aws.String("app"), Image: aws.String("img:1"),
			LastStatus: aws.String("PENDING"), HealthStatus: types.HealthStatusUnknown, Cpu: aws.String("10"),
			Memory: aws.String("200"), MemoryReservation: aws.String("50"),
			NetworkBindings: []types.NetworkBinding{}, NetworkInterfaces: []types.NetworkInterface{},
		}},
		Cpu: aws.String("256"), Memory: aws.String("50"), CreatedAt: aws.Time(start),
		DesiredStatus: aws.String("RUNNING"), LastStatus: aws.String("PENDING"), HealthStatus: types.HealthStatusUnknown,
		Group: aws.String("family:web"), StartedBy: aws.String("me/1"), LaunchType: types.LaunchTypeEc2,
		InferenceAccelerators: []types.InferenceAccelerator{}, //nolint:staticcheck // it is in the answer
		Overrides: &types.TaskOverride{
			Cpu: aws.String("0.25 vCPU"), TaskRoleArn: aws.String("arn:aws:iam::1:role/r"),
			InferenceAcceleratorOverrides: []types.InferenceAcceleratorOverride{}, //nolint:staticcheck // likewise
			ContainerOverrides: []types.ContainerOverride{{
				Name: aws.String("app"), Command: []string{"sh"}, Memory: aws.Int32(200), MemoryReservation: aws.Int32(50),
				Environment: []types.KeyValuePair{{Name: aws.String("A"), Value: aws.String("b")}},
			}},
		},
		Tags: tags, TaskArn: &task, TaskDefinitionArn: &definition, Version: out.Tasks[0].Version,
	}
	compare := func(when string, got types.Task) {
		t.Helper()
		if when != "started" && got.Version <= want.Version {
			t.Errorf("%s: got version %d after %d, want it to grow", when, got.Version, want.Version)
		}
		want.Version = got.Version
		if diff := cmp.Diff(want, got, ignoreDocuments); diff != "" {
			t.Errorf("%s (-want +got):\n%s", when, diff)
		}
	}
	compare("started", out.Tasks[0])

	f.observe(task, runs(start.Add(3*time.Second)))
	want.LastStatus, want.StartedAt = aws.String("RUNNING"), aws.Time(start.Add(3*time.Second))
	want.PullStartedAt, want.PullStoppedAt = aws.Time(start.Add(time.Second)), aws.Time(start.Add(2*time.Second))
	want.Connectivity, want.ConnectivityAt = types.ConnectivityConnected, aws.Time(start.Add(time.Second))
	c := &want.Containers[0]
	c.LastStatus, c.HealthStatus = aws.String("RUNNING"), types.HealthStatusHealthy
	c.RuntimeId, c.ImageDigest = aws.String("4711"), aws.String("sha256:abc")
	c.NetworkBindings = []types.NetworkBinding{{
		BindIP: aws.String("127.0.0.1"), ContainerPort: aws.Int32(80), HostPort: aws.Int32(31000), Protocol: types.TransportProtocolTcp,
	}}
	compare("running", f.describeTask(task))

	// It ends by itself: that shows before the scheduler takes note.
	f.observe(task, exits(start.Add(5*time.Second), 3))
	want.LastStatus, want.DesiredStatus = aws.String("STOPPED"), aws.String("STOPPED")
	want.StopCode, want.StoppedReason = types.TaskStopCodeEssentialContainerExited, aws.String("Essential container in task exited")
	want.ExecutionStoppedAt, want.StoppingAt, want.StoppedAt = aws.Time(start.Add(5*time.Second)), aws.Time(start.Add(5*time.Second)), aws.Time(start.Add(6*time.Second))
	c.LastStatus, c.HealthStatus, c.RuntimeId, c.ImageDigest = aws.String("STOPPED"), types.HealthStatusUnknown, nil, nil
	c.ExitCode, c.NetworkBindings = aws.Int32(3), []types.NetworkBinding{}
	compare("stopped", f.describeTask(task))

	// Stopped again, it stays as it is.
	rev := f.store.View().Revision()
	stopped := must(f.StopTask(t.Context(), &client.StopTaskInput{Task: &task, Reason: aws.String("late")}))(t)
	if diff := cmp.Diff(&want, stopped.Task, ignoreDocuments); diff != "" || f.store.View().Revision() != rev {
		t.Errorf("stopped again, the store at revision %d instead of %d (-want +got):\n%s", f.store.View().Revision(), rev, diff)
	}
	without := must(f.DescribeTasks(t.Context(), &client.DescribeTasksInput{Tasks: []string{task}}))(t)
	if got := without.Tasks[0].Tags; got == nil || len(got) != 0 {
		t.Errorf("got tags %v of a task without include, want an empty list", got)
	}
}

// TestTaskOnTheWire fixes what the SDK's types cannot show: which members are there.
func TestTaskOnTheWire(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.registerFargate("web")
	_, started := f.send("RunTask", `{"taskDefinition":"web","launchType":"FARGATE","platformVersion":"LATEST","enableExecuteCommand":true,
		"networkConfiguration":{"awsvpcConfiguration":{"subnets":["`+f.subnet()+`"]}}}`)
	task := f.store.View()
	var of string
	for found := range task.Tasks() {
		of = found.ARN
	}
	want := `{"attachments":[],"attributes":[{"name":"ecs.cpu-architecture","value":"x86_64"}],"availabilityZone":"zone-m1",` +
		`"clusterArn":"` + defaultCluster + `","containerInstanceArn":"` + instance("m1") + `","containers":[{"containerArn":"` +
		arn.Container(of, "app") + `","cpu":"10","healthStatus":"UNKNOWN","image":"img:1","lastStatus":"PENDING","memory":"100",` +
		`"name":"app","networkBindings":[],"networkInterfaces":[],"taskArn":"` + of + `"}],"cpu":"256","createdAt":1772366400.25,` +
		`"desiredStatus":"RUNNING","enableExecuteCommand":true,"group":"family:web","healthStatus":"UNKNOWN","inferenceAccelerators":[],` +
		`"lastStatus":"PENDING","launchType":"FARGATE","memory":"512","overrides":{"containerOverrides":[{"name":"app"}],` +
		`"inferenceAcceleratorOverrides":[]},"platformFamily":"Linux","platformVersion":"1.4.0","tags":[],"taskArn":"` + of +
		`","taskDefinitionArn":"` + prefix + `task-definition/web:1","version":VERSION}`
	want = strings.Replace(want, "VERSION", fmt.Sprint(f.describeTask(of).Version), 1)
	if diff := cmp.Diff(`{"failures":[],"tasks":[`+want+`]}`, started); diff != "" {
		t.Errorf("started (-want +got):\n%s", diff)
	}
	other := strings.Repeat("0", 32)
	_, described := f.send("DescribeTasks", `{"tasks":["`+arn.Name(of)+`","`+other+`"]}`)
	missing := `{"arn":"` + prefix + `task/default/` + other + `","reason":"MISSING"}`
	if diff := cmp.Diff(`{"failures":[`+missing+`],"tasks":[`+want+`]}`, described); diff != "" {
		t.Errorf("described (-want +got):\n%s", diff)
	}
}

func TestRunTaskFindsRoomForSome(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 300)
	out := must(f.RunTask(t.Context(), &client.RunTaskInput{TaskDefinition: aws.String("web"), Count: aws.Int32(5)}))(t)
	m1 := arn.Name(instance("m1"))
	if got, want := failures(out.Failures), "RESOURCE:MEMORY of "+m1+", RESOURCE:MEMORY of "+m1; len(out.Tasks) != 3 || got != want {
		t.Errorf("got %d tasks and failures %q, want 3 and %q", len(out.Tasks), got, want)
	}
	if got, want := aws.ToString(out.Failures[0].Detail), "needs 300 MiB of memory, 100 of 1000 are free"; got != want {
		t.Errorf("got detail %q, want %q", got, want)
	}
	// With enough instances each has one failure.
	f.put(roomy("m2"))
	f.put(&model.Instance{ARN: instance("m2"), Cluster: defaultCluster, Machine: "m2", Status: model.Active, CreatedAt: start})
	f.define("large", 2000)
	out = must(f.RunTask(t.Context(), &client.RunTaskInput{TaskDefinition: aws.String("large")}))(t)
	if len(out.Tasks) != 0 || len(out.Failures) != 2 {
		t.Errorf("got %d tasks and failures %q, want one failure for each of 2 instances", len(out.Tasks), failures(out.Failures))
	}
}

func TestRunTaskWithoutInstances(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t)
	f.define("web", 100)
	_, err := f.RunTask(t.Context(), &client.RunTaskInput{TaskDefinition: aws.String("web")})
	wantError(t, err, "InvalidParameterException", "No Container Instances were found in your cluster.")
}

// TestRunTaskNeverOvercommits lets many callers fill one machine at the same time.
func TestRunTaskNeverOvercommits(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 100)
	var mu sync.Mutex
	started, refusedTasks := 0, 0
	var callers sync.WaitGroup
	for range 8 {
		callers.Go(func() {
			for range 2 {
				out, err := f.RunTask(t.Context(), &client.RunTaskInput{TaskDefinition: aws.String("web"), Count: aws.Int32(2)})
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				started, refusedTasks = started+len(out.Tasks), refusedTasks+len(out.Failures)
				mu.Unlock()
			}
		})
	}
	callers.Wait()
	memory := 0
	for task := range f.store.View().Tasks() {
		memory += task.Reserved.Memory
	}
	if started != 10 || refusedTasks != 22 || memory != 1000 {
		t.Errorf("got %d tasks, %d failures and %d MiB of 1000 taken; want 10, 22 and 1000", started, refusedTasks, memory)
	}
}

func TestRunTaskAgainWithTheSameToken(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 100)
	request := func(count int32, cluster *string) (*client.RunTaskOutput, error) {
		return f.RunTask(t.Context(), &client.RunTaskInput{
			TaskDefinition: aws.String("web"), Count: &count, ClientToken: aws.String("token-1"), Cluster: cluster,
		})
	}
	first := must(request(2, nil))(t)
	// The same cluster by another name is the same request.
	again := must(request(2, aws.String("default")))(t)
	if diff := cmp.Diff(first.Tasks, again.Tasks, ignoreDocuments); diff != "" {
		t.Errorf("tasks of the same request (-first +again):\n%s", diff)
	}
	_, err := request(3, nil)
	wantError(t, err, "ConflictException", "clientToken")
	var conflict *types.ConflictException
	if !errors.As(err, &conflict) || !slices.Equal(conflict.ResourceIds, taskARNs(first.Tasks)) {
		t.Errorf("got %v, want a conflict with the tasks %v", err, taskARNs(first.Tasks))
	}
	f.advance(24 * time.Hour)
	f.heartbeat("m1")
	later := must(request(3, nil))(t)
	if len(later.Tasks) != 3 {
		t.Errorf("got %d tasks after the token was forgotten, want 3 new ones", len(later.Tasks))
	}
}

func TestStartTask(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1", "m2", "m3")
	f.define("web", 100)
	must(f.DeregisterContainerInstance(t.Context(), &client.DeregisterContainerInstanceInput{ContainerInstance: aws.String(instance("m3"))}))(t)
	unknown := strings.Repeat("a", 32)
	out := must(f.StartTask(t.Context(), &client.StartTaskInput{
		TaskDefinition: aws.String("web:1"), StartedBy: aws.String("me"), Group: aws.String("g"),
		ContainerInstances: []string{instance("m1"), arn.Name(instance("m2")), unknown, instance("m3")},
	}))(t)
	var on []string
	for _, task := range out.Tasks {
		on = append(on, *task.ContainerInstanceArn)
	}
	if diff := cmp.Diff([]string{instance("m1"), instance("m2")}, on); diff != "" {
		t.Errorf("instances (-want +got):\n%s", diff)
	}
	if got, want := failures(out.Failures), "MISSING of "+unknown+", INACTIVE of "+arn.Name(instance("m3")); got != want {
		t.Errorf("got failures %q, want %q", got, want)
	}
	if got := out.Tasks[0]; *got.Group != "g" || *got.StartedBy != "me" || got.LaunchType != types.LaunchTypeEc2 {
		t.Errorf("got group %s, started by %s, launch type %s; want g, me, EC2", *got.Group, *got.StartedBy, got.LaunchType)
	}
}

func TestStopTask(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 100)
	out := must(f.RunTask(t.Context(), &client.RunTaskInput{
		TaskDefinition: aws.String("web"), Count: aws.Int32(2), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}))(t)
	f.advance(time.Second)
	for i, reason := range []*string{nil, aws.String("enough")} {
		task := *out.Tasks[i].TaskArn
		id := arn.Name(task)
		got := must(f.StopTask(t.Context(), &client.StopTaskInput{Task: &id, Reason: reason}))(t).Task
		want := "Task stopped by user"
		if reason != nil {
			want = *reason
		}
		if *got.DesiredStatus != "STOPPED" || *got.LastStatus != "PENDING" || got.StopCode != types.TaskStopCodeUserInitiated ||
			*got.StoppedReason != want || !got.StoppingAt.Equal(start.Add(time.Second)) || got.StoppedAt != nil || len(got.Tags) != 0 {
			t.Errorf("got %s, wanted %s, %s %q, stopping at %v, stopped at %v, tags %v; want PENDING, wanted STOPPED, UserInitiated %q, no tags",
				*got.LastStatus, *got.DesiredStatus, got.StopCode, *got.StoppedReason, got.StoppingAt, got.StoppedAt, got.Tags, want)
		}
		if got := f.describeTask(task); len(got.Tags) != 0 {
			t.Errorf("got tags %v of a stopped task, want none", got.Tags)
		}
	}
}

// TestStopTaskThatEndsByItself leaves a task as it is whose container has ended, even while others still run.
func TestStopTaskThatEndsByItself(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 100)
	task := f.run("web", 1)[0]
	f.observe(task, func(o *model.Observed) {
		exits(start, 1)(o)
		o.Status, o.StoppedAt = model.TaskStopping, time.Time{}
	})
	got := must(f.StopTask(t.Context(), &client.StopTaskInput{Task: &task}))(t).Task
	if got.StopCode != types.TaskStopCodeEssentialContainerExited || *got.DesiredStatus != "STOPPED" || *got.LastStatus != "STOPPING" {
		t.Errorf("got %s (wanted %s), %s; want STOPPING (wanted STOPPED), EssentialContainerExited", *got.LastStatus, *got.DesiredStatus, got.StopCode)
	}
}

func TestStoppedTaskIsForgotten(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 100)
	task := f.run("web", 1)[0]
	f.observe(task, exits(start.Add(-time.Second), 0)) // stopped at the start
	list := func() int {
		return len(must(f.ListTasks(t.Context(), &client.ListTasksInput{DesiredStatus: types.DesiredStatusStopped}))(t).TaskArns)
	}
	f.advance(time.Hour - time.Millisecond)
	f.describeTask(task)
	if got := list(); got != 1 {
		t.Errorf("got %d stopped tasks just before the hour, want 1", got)
	}
	f.advance(time.Millisecond)
	out := must(f.DescribeTasks(t.Context(), &client.DescribeTasksInput{Tasks: []string{task}}))(t)
	if got, want := failures(out.Failures), "MISSING of "+arn.Name(task); got != want || len(out.Tasks) != 0 || list() != 0 {
		t.Errorf("got %d tasks, failures %q, %d listed after an hour; want only %q", len(out.Tasks), got, list(), want)
	}
	_, err := f.StopTask(t.Context(), &client.StopTaskInput{Task: &task})
	wantError(t, err, "InvalidParameterException", "The referenced task was not found.")
	if _, ok := f.store.View().Task(task); !ok {
		t.Error("the record of the task is gone, want it kept to tell why it stopped")
	}
}

func TestTaskOnASilentMachine(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 100)
	task := f.run("web", 1)[0]
	f.observe(task, runs(start))
	f.advance(30 * time.Second)
	if got := f.describeTask(task).Connectivity; got != types.ConnectivityConnected {
		t.Errorf("got %s after three heartbeats, want CONNECTED", got)
	}
	f.advance(time.Millisecond)
	got := f.describeTask(task)
	if got.Connectivity != types.ConnectivityDisconnected || !got.ConnectivityAt.Equal(start) || *got.LastStatus != "RUNNING" {
		t.Errorf("got %s since %v, %s; want DISCONNECTED since %v, RUNNING", got.Connectivity, got.ConnectivityAt, *got.LastStatus, start)
	}
}

func TestTaskWaiters(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 100)
	f.agent()
	tasks := f.run("web", 3)
	describe := &client.DescribeTasksInput{Tasks: tasks}
	running := client.NewTasksRunningWaiter(f, func(o *client.TasksRunningWaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, 10*time.Millisecond
	})
	if err := running.Wait(t.Context(), describe, time.Minute); err != nil {
		t.Fatalf("waiting for the tasks to run: %v", err)
	}
	for _, task := range tasks {
		must(f.StopTask(t.Context(), &client.StopTaskInput{Task: &task}))(t)
	}
	stopped := client.NewTasksStoppedWaiter(f, func(o *client.TasksStoppedWaiterOptions) {
		o.MinDelay, o.MaxDelay = time.Millisecond, 10*time.Millisecond
	})
	if err := stopped.Wait(t.Context(), describe, time.Minute); err != nil {
		t.Fatalf("waiting for the tasks to stop: %v", err)
	}
	if got := f.describeTask(tasks[0]); got.StopCode != types.TaskStopCodeUserInitiated || *got.Containers[0].ExitCode != 143 {
		t.Errorf("got %s with exit code %d, want UserInitiated with 143", got.StopCode, *got.Containers[0].ExitCode)
	}
	if err := running.Wait(t.Context(), describe, time.Minute); err == nil {
		t.Error("got no error from waiting for stopped tasks to run, want one")
	}
}

// TestRunTaskAccepts sends what says nothing, or says the same in another way.
func TestRunTaskAccepts(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	f.define("web", 6)
	f.registerFargate("own")
	own := `"networkConfiguration":{"awsvpcConfiguration":{"subnets":["` + f.subnet() + `"]}},`
	must(f.PutClusterCapacityProviders(t.Context(), &client.PutClusterCapacityProvidersInput{
		Cluster: aws.String("default"), CapacityProviders: []string{"FARGATE", "FARGATE_SPOT"},
		DefaultCapacityProviderStrategy: []types.CapacityProviderStrategyItem{},
	}))(t)
	for _, tc := range []struct{ name, members, launchType string }{
		{"empty lists", `"taskDefinition":"web","capacityProviderStrategy":[],"placementConstraints":[],"placementStrategy":[],"tags":[],"volumeConfigurations":[]`, "EC2"},
		{"defaults", `"taskDefinition":"web","count":1,"enableExecuteCommand":false,"enableECSManagedTags":false,"propagateTags":"NONE","overrides":{}`, "EC2"},
		{"external", `"taskDefinition":"web","launchType":"EXTERNAL"`, "EXTERNAL"},
		{"a provider", `"taskDefinition":"own",` + own + `"capacityProviderStrategy":[{"capacityProvider":"FARGATE_SPOT","weight":1},{"capacityProvider":"FARGATE"}],"platformVersion":"1.4.0"`, "FARGATE"},
		{"an empty override", `"taskDefinition":"web","overrides":{"containerOverrides":[{"name":"app","command":[],"environment":[]}]}`, "EC2"},
		{"fields in any case", `"taskDefinition":"web","placementStrategy":[{"type":"spread","field":"INSTANCEID"},{"type":"binpack","field":"MEMORY"}]`, "EC2"},
		{"a reference", `"taskDefinition":"web","referenceId":"order 66"`, "EC2"},
	} {
		before := f.store.View().Count(model.KindTask)
		status, body := f.send("RunTask", `{`+tc.members+`}`)
		if n := f.store.View().Count(model.KindTask) - before; status != 200 || n != 1 || !strings.Contains(body, `"launchType":"`+tc.launchType+`"`) {
			t.Errorf("%s: got %d tasks, %d %s; want one of %s", tc.name, n, status, body, tc.launchType)
		}
	}
	told := false
	for task := range f.store.View().Tasks() {
		told = told || strings.Contains(task.Start.Detail, "order 66")
	}
	if !told {
		t.Error("no task's cause tells the reference of its request")
	}
}
