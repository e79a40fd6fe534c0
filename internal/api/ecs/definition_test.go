package ecs_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
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
		"executionRoleArn": "exec", "ipcMode": "none", "ephemeralStorage": {"sizeInGiB": 30},
		"volumes": [{"name": "data"}, {"name": "host", "host": {"sourcePath": "/srv"}}, {"name": "kept", "dockerVolumeConfiguration":
			{"scope": "shared", "autoprovision": true, "driver": "local", "driverOpts": {"o": "v"}, "labels": {"l": "v"}}},
			{"name": "efs", "efsVolumeConfiguration": {"fileSystemId": "fs-1"}}],
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
			"environmentFiles": [{"type": "s3", "value": "arn:aws:s3:::b/a.env"}], "versionConsistency": "disabled",
			"repositoryCredentials": {"credentialsParameter": "login"}, "links": ["init:i"], "interactive": true, "pseudoTerminal": true,
			"dockerSecurityOptions": ["no-new-privileges"], "volumesFrom": [{"sourceContainer": "init", "readOnly": true}],
			"extraHosts": [{"hostname": "db", "ipAddress": "10.0.0.1"}], "dnsServers": ["10.0.0.2"], "dnsSearchDomains": ["lan"],
			"systemControls": [{"namespace": "net.core.somaxconn", "value": "1024"}],
			"linuxParameters": {
				"capabilities": {"add": ["NET_ADMIN"]}, "sharedMemorySize": 8, "maxSwap": 0, "swappiness": 10,
				"devices": [{"hostPath": "/dev/fuse"}, {"hostPath": "/dev/kvm", "containerPath": "/dev/k", "permissions": ["read"]}],
				"tmpfs": [{"containerPath": "/tmp", "size": 64, "mountOptions": ["noexec"]}]
			},
			"logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "g", "awslogs-region": "r"},
				"secretOptions": [{"name": "o", "valueFrom": "s"}]}
		}, {
			"name": "init", "image": "busybox", "essential": false, "privileged": true, "readonlyRootFilesystem": true,
			"restartPolicy": {"enabled": false}, "mountPoints": [{"sourceVolume": "data", "containerPath": "/d", "readOnly": true}],
			"linuxParameters": {"initProcessEnabled": true, "capabilities": {"drop": ["ALL"]}}, "hostname": "h", "disableNetworking": true,
			"portMappings": [{"containerPortRange": "1000-2000"}], "secrets": [{"name": "S", "valueFrom": "arn"}],
			"logConfiguration": {"logDriver": "syslog"}, "credentialSpecs": ["x"],
			"resourceRequirements": [{"type": "GPU", "sharingStrategy": {"nvidiaMps": {}}}, {"type": "GPU", "value": "ALL"}]
		}], "enableFaultInjection": true}`); status != 200 {
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
		PIDMode: "task", IPCMode: "none", Storage: 30, TaskRole: "role", ExecutionRole: "exec",
		Volumes: []model.Volume{
			{Name: "data"},
			{Name: "host", HostPath: "/srv"},
			{Name: "kept", Docker: &model.DockerVolume{
				Shared: true, Autoprovision: true, Driver: "local",
				Options: map[string]string{"o": "v"}, Labels: map[string]string{"l": "v"},
			}},
			{Name: "efs", Unmet: "efsVolumeConfiguration"},
		},
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
				Restart:          &model.RestartPolicy{IgnoredExitCodes: []int{0}, AttemptPeriod: 5 * time.Minute},
				Ulimits:          []model.Ulimit{{Name: "nofile", Soft: 1, Hard: 2}},
				EnvironmentFiles: []string{"arn:aws:s3:::b/a.env"}, Unpinned: true, Registry: "login",
				Links: []string{"init:i"}, Interactive: true, Terminal: true, SecurityOptions: []string{"no-new-privileges"},
				VolumesFrom: []model.VolumeFrom{{Container: "init", ReadOnly: true}},
				ExtraHosts:  []model.Host{{Name: "db", Address: "10.0.0.1"}},
				DNSServers:  []string{"10.0.0.2"}, DNSSearch: []string{"lan"},
				Sysctls: map[string]string{"net.core.somaxconn": "1024"},
				Linux: &model.LinuxParameters{
					Add: []string{"NET_ADMIN"}, SharedSize: 8, MaxSwap: aws.Int(0), Swappiness: aws.Int(10),
					Devices: []model.Device{
						{HostPath: "/dev/fuse", ContainerPath: "/dev/fuse", Permissions: []string{"read", "write", "mknod"}},
						{HostPath: "/dev/kvm", ContainerPath: "/dev/k", Permissions: []string{"read"}},
					},
					Tmpfs: []model.Tmpfs{{Path: "/tmp", Size: 64, Options: []string{"noexec"}}},
				},
				Log: &model.LogConfiguration{
					Driver: "awslogs", Options: map[string]string{"awslogs-group": "g", "awslogs-region": "r"},
					Secrets: []model.Secret{{Name: "o", ValueFrom: "s"}},
				},
				Unmet: []string{"enableFaultInjection"},
			},
			{
				Name: "init", Image: "busybox", Privileged: true, ReadonlyRoot: true, Hostname: "h", NoNetwork: true,
				Ports:   []model.PortMapping{{ContainerPort: 1000, Last: 2000, Protocol: "tcp"}},
				Secrets: []model.Secret{{Name: "S", ValueFrom: "arn"}},
				Mounts:  []model.Mount{{Volume: "data", Path: "/d", ReadOnly: true}},
				Linux:   &model.LinuxParameters{Init: true, Drop: []string{"ALL"}},
				Log:     &model.LogConfiguration{Driver: "syslog"},
				Unmet:   []string{"credentialSpecs", "resourceRequirements.sharingStrategy", "resourceRequirements.GPU ALL", "enableFaultInjection"},
			},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("model (-want +got):\n%s", diff)
	}
}
