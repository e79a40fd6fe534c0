package ecs_test

import (
	"encoding/json"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

// TestOverridesAsModel checks what agents get to see of overrides, and that the API gives them back as they were given.
func TestOverridesAsModel(t *testing.T) {
	t.Parallel()
	f := newTaskWorld(t, "m1")
	m := roomy("m1")
	m.Capacity.GPUs = 4
	f.put(m)
	f.define("web", 100)
	const given = `{"containerOverrides":[{"command":["migrate"],"cpu":20,"environment":[{"name":"A","value":"1"},{"name":"B"}],` +
		`"environmentFiles":[{"type":"s3","value":"arn:aws-cn:s3:::b/d/a.env"}],"memory":64,"memoryReservation":32,"name":"app",` +
		`"resourceRequirements":[{"type":"GPU","value":"2"}]}],"cpu":"512","ephemeralStorage":{"sizeInGiB":50},` +
		`"executionRoleArn":"exec","inferenceAcceleratorOverrides":[],"memory":"256","taskRoleArn":"role"}`
	status, body := f.send("RunTask", `{"taskDefinition":"web","enableExecuteCommand":true,"overrides":`+given+`}`)
	var out struct {
		Tasks []struct {
			Overrides        json.RawMessage
			EphemeralStorage struct{ SizeInGiB int }
		}
	}
	if err := json.Unmarshal([]byte(body), &out); err != nil || status != 200 || len(out.Tasks) != 1 {
		t.Fatalf("status %d, error %v: %s", status, err, body)
	}
	if diff := cmp.Diff(given, string(out.Tasks[0].Overrides)); diff != "" {
		t.Errorf("overrides as the API shows them (-want +got):\n%s", diff)
	}
	if got := out.Tasks[0].EphemeralStorage.SizeInGiB; got != 50 {
		t.Errorf("the task has %d GiB of ephemeral storage, want 50", got)
	}
	for task := range f.store.View().Tasks() {
		got := *task.Overrides
		got.Document = nil
		want := model.Overrides{
			CPU: 512, Memory: 256, Storage: 50, TaskRole: "role", ExecutionRole: "exec",
			Containers: []model.ContainerOverride{{
				Name: "app", Command: []string{"migrate"}, Environment: map[string]string{"A": "1", "B": ""},
				EnvironmentFiles: []string{"arn:aws-cn:s3:::b/d/a.env"},
				GPUs:             aws.Int(2), CPU: aws.Int(20), Memory: aws.Int(64), MemoryReservation: aws.Int(32),
			}},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("overrides (-want +got):\n%s", diff)
		}
		if diff := cmp.Diff(model.Resources{CPU: 512, Memory: 256, GPUs: 2}, task.Reserved); diff != "" {
			t.Errorf("what the task takes (-want +got):\n%s", diff)
		}
		if !task.ExecuteCommand {
			t.Error("people may not run commands in the task, want that they may")
		}
	}
}
