package ecs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

const defaultCluster = prefix + "cluster/default"

// taskWorld is a world with machines in its default cluster.
type taskWorld struct{ *world }

// newTaskWorld makes a world of machines with 1024 CPU units and 1000 MiB each.
func newTaskWorld(t *testing.T, machines ...string) taskWorld {
	t.Helper()
	w := newWorld(t)
	for _, id := range machines {
		w.put(roomy(id))
	}
	must(w.ListClusters(t.Context(), &client.ListClustersInput{}))(t) // makes the default cluster
	return taskWorld{w}
}

func roomy(id string) *model.Machine {
	m := machine(id)
	m.SeenAt, m.Version = start, "1.2.3"
	m.Capacity = model.Resources{CPU: 1024, Memory: 1000, Ports: []int{22, 2375}}
	m.Attributes = map[string]string{
		model.AttributeZone: "zone-" + id, model.AttributeArchitecture: "x86_64", model.AttributeOS: "linux", "ecs.capability.x": "",
	}
	return m
}

// instance is the ARN of a machine as a container instance of the default cluster.
func instance(machine string) string { return control.InstanceARN(machine, defaultCluster) }

// define registers a family with one container, app, that takes memory.
// heartbeat is a sign of life of a machine.
func (f taskWorld) heartbeat(id string) {
	m, ok := f.store.View().Machine(id)
	if !ok {
		f.t.Fatalf("there is no machine %s", id)
	}
	seen := *m
	seen.SeenAt = f.now()
	f.put(&seen)
}

func (f taskWorld) define(family string, memory int32) string {
	f.t.Helper()
	out := must(f.RegisterTaskDefinition(f.t.Context(), &client.RegisterTaskDefinitionInput{
		Family: &family, TaskRoleArn: aws.String("role"), // without one, enableExecuteCommand is refused
		ContainerDefinitions: []types.ContainerDefinition{{
			Name: aws.String("app"), Image: aws.String("img:1"), Memory: &memory, Cpu: 10,
			PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(80)}},
		}},
		Tags: []types.Tag{{Key: aws.String("from"), Value: aws.String("definition")}, {Key: aws.String("k"), Value: aws.String("definition")}},
	}))(f.t)
	return *out.TaskDefinition.TaskDefinitionArn
}

// run starts n tasks of a family and gives their ARNs.
func (f taskWorld) run(family string, n int32) []string {
	f.t.Helper()
	out := must(f.RunTask(f.t.Context(), &client.RunTaskInput{TaskDefinition: &family, Count: &n}))(f.t)
	if len(out.Failures) > 0 || len(out.Tasks) != int(n) {
		f.t.Fatalf("got %d tasks and %d failures, want %d tasks", len(out.Tasks), len(out.Failures), n)
	}
	return taskARNs(out.Tasks)
}

func taskARNs(tasks []types.Task) []string {
	var arns []string
	for _, t := range tasks {
		arns = append(arns, *t.TaskArn)
	}
	return arns
}

// describe gives one task, or fails.
func (f taskWorld) describeTask(task string) types.Task {
	f.t.Helper()
	out := must(f.DescribeTasks(f.t.Context(), &client.DescribeTasksInput{
		Tasks: []string{task}, Include: []types.TaskField{types.TaskFieldTags},
	}))(f.t)
	if len(out.Tasks) != 1 {
		f.t.Fatalf("got %d tasks and failures %v, want one task", len(out.Tasks), failures(out.Failures))
	}
	return out.Tasks[0]
}

// failures gives "REASON of NAME" for each.
func failures(list []types.Failure) string {
	var texts []string
	for _, f := range list {
		texts = append(texts, aws.ToString(f.Reason)+" of "+arn.Name(aws.ToString(f.Arn)))
	}
	return strings.Join(texts, ", ")
}

// observe writes what an agent would have seen of a task.
func (f taskWorld) observe(task string, change func(*model.Observed)) {
	f.t.Helper()
	t, ok := f.store.View().Task(task)
	if !ok {
		f.t.Fatalf("there is no task %s", task)
	}
	seen := model.Observed{Task: task, Machine: t.Machine}
	if t.Seen != nil {
		seen = *t.Seen
	}
	change(&seen)
	f.put(&seen)
}

// runs says that a task runs since a time, and that its container does.
func runs(at time.Time) func(*model.Observed) {
	return func(o *model.Observed) {
		o.Status, o.StartedAt, o.PullStartedAt, o.PullStoppedAt = model.TaskRunning, at, at.Add(-2*time.Second), at.Add(-time.Second)
		o.Containers = []model.ObservedContainer{{
			Name: "app", Status: model.TaskRunning, Health: model.Healthy, RuntimeID: "4711", Image: "sha256:abc",
			Bindings: []model.PortBinding{{Address: "127.0.0.1", ContainerPort: 80, HostPort: 31000, Protocol: "tcp"}},
		}}
	}
}

// exits says that the container of a task ended by itself.
func exits(at time.Time, code int) func(*model.Observed) {
	return func(o *model.Observed) {
		o.Status, o.ExecutionStoppedAt, o.StoppingAt, o.StoppedAt = model.TaskStopped, at, at, at.Add(time.Second)
		o.StopCode, o.StopReason = model.StopContainerExited, "Essential container in task exited"
		o.Containers = []model.ObservedContainer{{Name: "app", Status: model.TaskStopped, ExitCode: &code}}
	}
}

// agent plays the agents of all machines until the test ends: what shall run, runs; what shall stop, stops.
func (f taskWorld) agent() {
	watcher := f.store.Watch(model.KindTask)
	ctx := f.t.Context()
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-ctx.Done():
				return
			case <-watcher.C():
			}
			watcher.Take()
			if _, err := f.store.Update(ctx, f.follow); err != nil && ctx.Err() == nil {
				f.t.Errorf("the agent cannot write: %v", err)
				return
			}
		}
	}()
	f.t.Cleanup(func() {
		<-done
		watcher.Close()
	})
}

func (f taskWorld) follow(tx *store.Tx) error {
	for t := range tx.View().Tasks() {
		seen := model.Observed{Task: t.ARN, Machine: t.Machine}
		switch {
		case t.Desired == model.TaskRunning && t.Seen == nil:
			runs(f.now())(&seen)
		case t.Desired == model.TaskStopped && !t.Stopped():
			exits(f.now(), 143)(&seen)
		default:
			continue
		}
		tx.Put(&seen)
	}
	return nil
}
