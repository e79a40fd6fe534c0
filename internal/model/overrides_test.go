package model_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

func TestWith(t *testing.T) {
	t.Parallel()
	def := &model.TaskDefinition{
		CPU: 256, TaskRole: "program", ExecutionRole: "agent", Storage: 21,
		Containers: []model.ContainerDefinition{
			{
				Name: "a", Command: []string{"run"}, Environment: map[string]string{"A": "1", "B": "2"}, CPU: 10, Memory: 64,
				EnvironmentFiles: []string{"old"}, GPUs: 2,
			},
			{Name: "b", MemoryReservation: 32},
			{Name: "c", Command: []string{"stay"}, EnvironmentFiles: []string{"stay"}},
		},
	}
	before, err := json.Marshal(def)
	if err != nil {
		t.Fatal(err)
	}
	cpu, none, gpus, memory, soft := 20, 0, 1, 128, 48
	got := def.With(&model.Overrides{Memory: 512, Storage: 30, TaskRole: "other", Containers: []model.ContainerOverride{
		{
			Name: "a", Command: []string{"migrate"}, Environment: map[string]string{"B": "3"}, EnvironmentFiles: []string{"new"},
			CPU: &cpu, GPUs: &gpus, Memory: &memory,
		},
		{Name: "b", Environment: map[string]string{"C": "4"}, MemoryReservation: &soft, CPU: &none},
		{Name: "c"},
		{Name: "nobody"},
	}})
	want := &model.TaskDefinition{
		CPU: 256, Memory: 512, TaskRole: "other", ExecutionRole: "agent", Storage: 30,
		Containers: []model.ContainerDefinition{
			{
				Name: "a", Command: []string{"migrate"}, Environment: map[string]string{"A": "1", "B": "3"}, CPU: 20, Memory: 128,
				EnvironmentFiles: []string{"new"}, GPUs: 1,
			},
			{Name: "b", Environment: map[string]string{"C": "4"}, MemoryReservation: 48},
			{Name: "c", Command: []string{"stay"}, EnvironmentFiles: []string{"stay"}},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("With (-want +got):\n%s", diff)
	}
	after, err := json.Marshal(def)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(before), string(after)); diff != "" {
		t.Errorf("the definition itself was changed (-want +got):\n%s", diff)
	}
	if got := def.With(nil); got != def {
		t.Error("without overrides got a copy, want the definition itself")
	}
}
