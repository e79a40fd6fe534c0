package ecs_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

// TestAttachment shows a task's network interface as ECS does, from its choice to its end.
func TestAttachment(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := &model.Task{ARN: prefix + "task/default/0123456789abcdef0123456789abcdef", Cluster: prefix + "cluster/default", Machine: "m", Desired: model.TaskRunning}
	must(w.ListClusters(t.Context(), &client.ListClustersInput{}))(t) // the region's first request makes its cluster
	for status, want := range map[model.TaskStatus]string{
		model.TaskPending: "PRECREATED", model.TaskRunning: "ATTACHED", model.TaskDeprovisioning: "DETACHING", model.TaskStopped: "DELETED",
	} {
		w.put(task, &model.Observed{Task: task.ARN, Machine: "m", Status: status, StoppedAt: start, Attachment: &model.Attachment{
			ID: "id", ENI: "eni-1", Subnet: "subnet-1", Address: "172.31.0.9", MAC: "0a:00:00:00:00:09",
		}})
		out := must(w.DescribeTasks(t.Context(), &client.DescribeTasksInput{Tasks: []string{task.ARN}}))(t)
		a := out.Tasks[0].Attachments[0]
		got := map[string]string{"type": aws.ToString(a.Type), "status": aws.ToString(a.Status)}
		for _, d := range a.Details {
			got[*d.Name] = *d.Value
		}
		if diff := cmp.Diff(map[string]string{
			"type": "ElasticNetworkInterface", "status": want, "subnetId": "subnet-1", "networkInterfaceId": "eni-1",
			"macAddress": "0a:00:00:00:00:09", "privateIPv4Address": "172.31.0.9",
			"privateDnsName": "ip-172-31-0-9." + region + ".compute.internal",
		}, got); diff != "" {
			t.Errorf("of a task that is %s (-want +got):\n%s", status, diff)
		}
	}
}
