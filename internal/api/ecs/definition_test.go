package ecs_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

// TestNormalisation registers what the scripts say and shows the answer: all of it, because tools compare it with what
// they sent.
func TestNormalisation(t *testing.T) {
	t.Parallel()
	datadriven.Walk(t, "testdata/normalise", func(t *testing.T, path string) {
		w := newWorld(t)
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			status, body := w.send("RegisterTaskDefinition", d.Input)
			if want := 200; d.Cmd == "register" && status != want {
				t.Errorf("%s: status %d, want %d: %s", d.Pos, status, want, body)
			}
			return indent(t, body)
		})
	})
}

// indent prints JSON for people, small objects and lists on one line.
func indent(t *testing.T, text string) string {
	t.Helper()
	var tree any
	if err := json.Unmarshal([]byte(text), &tree); err != nil {
		t.Fatalf("no JSON: %v: %s", err, text)
	}
	out, err := json.MarshalIndent(tree, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return string(out) + "\n"
}

// TestDefinitionAsModel checks what drivers and decisions get to see.
func TestDefinitionAsModel(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	if status, body := w.send("RegisterTaskDefinition", `{
		"family": "all", "networkMode": "bridge", "cpu": "1 vCPU", "memory": "2GB", "pidMode": "task", "taskRoleArn": "role",
		"placementConstraints": [{"type": "memberOf", "expression": "attribute:zone == a"}],
		"runtimePlatform": {"cpuArchitecture": "ARM64", "operatingSystemFamily": "LINUX"},
		"executionRoleArn": "role", "volumes": [{"name": "data"}],
		"containerDefinitions": [{
			"name": "app", "image": "nginx:1", "entryPoint": ["/e"], "command": ["c"], "workingDirectory": "/w", "user": "u",
			"cpu": 256, "memory": 512, "memoryReservation": 256, "stopTimeout": 5, "startTimeout": 6,
			"environment": [{"name": "A", "value": "1"}, {"name": "B"}], "dockerLabels": {"l": "v"},
			"portMappings": [{"containerPort": 80}, {"containerPort": 53, "hostPort": 5353, "protocol": "udp", "name": "dns"}],
			"dependsOn": [{"containerName": "init", "condition": "SUCCESS"}],
			"healthCheck": {"command": ["curl", "x"], "startPeriod": 1},
			"restartPolicy": {"enabled": true, "ignoredExitCodes": [0]},
			"ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 2}],
			"resourceRequirements": [{"type": "GPU", "value": "2"}],
			"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r"}}
		}, {
			"name": "init", "image": "busybox", "essential": false, "privileged": true, "readonlyRootFilesystem": false,
			"restartPolicy": {"enabled": false}, "mountPoints": [{"sourceVolume": "data", "containerPath": "/d"}],
			"linuxParameters": {"initProcessEnabled": true, "capabilities": {"drop": ["ALL"]}}, "hostname": "h",
			"portMappings": [{"containerPortRange": "1000-2000"}], "secrets": [{"name": "S", "valueFrom": "arn"}],
			"logConfiguration": {"logDriver": "syslog"}
		}]}`); status != 200 {
		t.Fatalf("status %d: %s", status, body)
	}
	d, _ := w.store.View().TaskDefinition(prefix + "task-definition/all:1")
	if !d.Cause.Complete() || d.Cause.Subject != "RegisterTaskDefinition" || d.Cause.ID == "" {
		t.Errorf("cause %+v should be complete and name the call", d.Cause)
	}
	got := *d
	got.Document, got.Cause = nil, model.Cause{}
	want := model.TaskDefinition{
		ARN: prefix + "task-definition/all:1", Region: region, Family: "all", Revision: 1, Status: model.Active,
		NetworkMode: "bridge", CPU: 1024, Memory: 2048, CreatedAt: start,
		Constraints: []model.Constraint{{Type: "memberOf", Expression: "attribute:zone == a"}},
		Requires:    []string{"ecs.cpu-architecture=arm64", "ecs.os-type=linux"},
		Containers: []model.ContainerDefinition{
			{
				Name: "app", Image: "nginx:1", EntryPoint: []string{"/e"}, Command: []string{"c"}, WorkingDirectory: "/w", User: "u",
				CPU: 256, Memory: 512, MemoryReservation: 256, GPUs: 2, Essential: true,
				StopTimeout: 5 * time.Second, StartTimeout: 6 * time.Second,
				Environment: map[string]string{"A": "1", "B": ""}, Labels: map[string]string{"l": "v"},
				Ports:     []model.PortMapping{{ContainerPort: 80, Protocol: "tcp"}, {Name: "dns", ContainerPort: 53, HostPort: 5353, Protocol: "udp"}},
				DependsOn: []model.Dependency{{Container: "init", Condition: "SUCCESS"}},
				HealthCheck: &model.HealthCheck{
					Command: []string{"CMD", "curl", "x"}, Interval: 30 * time.Second, Timeout: 5 * time.Second, Retries: 3, StartPeriod: time.Second,
				},
				Restart: &model.RestartPolicy{IgnoredExitCodes: []int{0}, AttemptPeriod: 5 * time.Minute},
				Ulimits: []model.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}},
				Unmet:   []string{"pidMode"},
			},
			{
				Name: "init", Image: "busybox",
				Unmet: []string{
					"hostname", "logConfiguration", "mountPoints", "portMappings.containerPortRange", "privileged", "secrets",
					"linuxParameters.capabilities", "linuxParameters.initProcessEnabled", "pidMode",
				},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("model (-want +got):\n%s", diff)
	}
}
