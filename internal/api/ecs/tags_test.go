package ecs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"

	"github.com/maitred/maitred/internal/model"
)

// pairs writes tags as "k=v …", and reads them.
func pairs(tags []types.Tag) string {
	var list []string
	for _, t := range tags {
		list = append(list, *t.Key+"="+*t.Value)
	}
	return strings.Join(list, " ")
}

func tagsOf(text string) []types.Tag {
	var list []types.Tag
	for pair := range strings.FieldsSeq(text) {
		k, v, _ := strings.Cut(pair, "=")
		list = append(list, types.Tag{Key: &k, Value: &v})
	}
	return list
}

func TestTagEveryKindOfResource(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("a")}))(t)
	cluster, i, s, tasks := populate(w, "a")
	definition := *w.register("web").TaskDefinitionArn
	for _, resource := range []string{cluster, i.ARN, s.ARN, tasks[0].ARN, definition} {
		list := func(want string) {
			t.Helper()
			out := must(w.ListTagsForResource(t.Context(), &client.ListTagsForResourceInput{ResourceArn: &resource}))(t)
			if got := pairs(out.Tags); got != want {
				t.Errorf("%s: got tags %q, want %q", resource, got, want)
			}
		}
		tag := func(tags string) {
			t.Helper()
			must(w.TagResource(t.Context(), &client.TagResourceInput{ResourceArn: &resource, Tags: tagsOf(tags)}))(t)
		}
		list("")
		tag("a=1 b=2")
		tag("b=3 Größe:=x+y c=")
		list("a=1 b=3 Größe:=x+y c=")
		must(w.UntagResource(t.Context(), &client.UntagResourceInput{ResourceArn: &resource, TagKeys: []string{"a", "c", "none"}}))(t)
		list("b=3 Größe:=x+y")
	}
	described := must(w.DescribeClusters(t.Context(), &client.DescribeClustersInput{
		Clusters: []string{"a"}, Include: []types.ClusterField{types.ClusterFieldTags},
	}))(t)
	if got, want := pairs(described.Clusters[0].Tags), "b=3 Größe:=x+y"; got != want {
		t.Errorf("DescribeClusters: got tags %q, want %q", got, want)
	}
}

func TestTagLimitCountsTheTagsOfTheUser(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	task := &model.Task{
		ARN: prefix + "task/default/1", Cluster: prefix + "cluster/default", Machine: "m", Desired: model.TaskRunning,
		Tags: []model.Tag{{Key: "aws:ecs:clusterName", Value: "default"}},
	}
	w.put(task)
	var most []string
	for n := range 50 {
		most = append(most, fmt.Sprintf("k%d=v", n))
	}
	must(w.TagResource(t.Context(), &client.TagResourceInput{ResourceArn: &task.ARN, Tags: tagsOf(strings.Join(most, " "))}))(t)
	must(w.TagResource(t.Context(), &client.TagResourceInput{ResourceArn: &task.ARN, Tags: tagsOf("k1=w")}))(t)
	_, err := w.TagResource(t.Context(), &client.TagResourceInput{ResourceArn: &task.ARN, Tags: tagsOf("k50=v")})
	wantError(t, err, "InvalidParameterException", "tags", "51", "50")
}

func TestTagWhatIsOver(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("a")}))(t)
	must(w.DeleteCluster(t.Context(), &client.DeleteClusterInput{Cluster: aws.String("a")}))(t)
	w.register("web")
	w.deregister("web:1")
	w.put(&model.Task{ARN: prefix + "task/default/1", Machine: "m", Desired: model.TaskStopped},
		&model.Service{ARN: prefix + "service/default/s", Status: model.Inactive},
		&model.Instance{ARN: prefix + "container-instance/default/i", Status: model.Inactive})
	for resource, want := range map[string]string{
		"cluster/a":                    "The specified cluster is inactive. Specify an active cluster and try again.",
		"task-definition/web:1":        "The specified task definition is inactive. Specify an active task definition and try again.",
		"task/default/1":               "The specified task is stopped. Specify a running task and try again.",
		"service/default/s":            "The specified service was not found.",
		"container-instance/default/i": "The specified container instance was not found.",
	} {
		_, err := w.TagResource(t.Context(), &client.TagResourceInput{ResourceArn: aws.String(prefix + resource), Tags: tagsOf("k=v")})
		wantError(t, err, "InvalidParameterException", want)
	}
}
