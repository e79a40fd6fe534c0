package ecs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/arn"
	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
)

func TestDefaultClusterOfEachRegion(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.put(machine("m1"))
	for _, region := range []string{"eu-west-1", "us-east-2"} {
		out := must(w.in(region).DescribeClusters(t.Context(), &client.DescribeClustersInput{}))(t)
		if len(out.Clusters) != 1 || len(out.Failures) != 0 {
			t.Fatalf("%s: got %d clusters and %d failures, want the default cluster", region, len(out.Clusters), len(out.Failures))
		}
		c := out.Clusters[0]
		want := "arn:aws:ecs:" + region + ":" + account + ":cluster/default ACTIVE 1"
		if got := fmt.Sprint(*c.ClusterArn, " ", *c.Status, " ", c.RegisteredContainerInstancesCount); got != want {
			t.Errorf("%s: got %s, want %s", region, got, want)
		}
	}
	// Deleted, it stays deleted.
	must(w.DeleteCluster(t.Context(), &client.DeleteClusterInput{Cluster: aws.String("default")}))(t)
	out := must(w.DescribeClusters(t.Context(), &client.DescribeClustersInput{}))(t)
	if got := *out.Clusters[0].Status; got != "INACTIVE" {
		t.Errorf("the default cluster is %s after its deletion, want INACTIVE", got)
	}
	list := must(w.ListClusters(t.Context(), &client.ListClustersInput{}))(t)
	if len(list.ClusterArns) != 0 {
		t.Errorf("got clusters %v of the region, want none", list.ClusterArns)
	}
}

// TestClusterOnTheWire fixes the whole answer: tools compare it with what they sent.
func TestClusterOnTheWire(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	status, got := w.send("CreateCluster", `{"clusterName":"a","tags":[{"key":"k","value":"v"}],"capacityProviders":["FARGATE"],
		"configuration":{"executeCommandConfiguration":{"logging":"DEFAULT"}},"serviceConnectDefaults":{"namespace":"ns"}}`)
	want := `{"cluster":{"activeServicesCount":0,"attachments":[],"capacityProviders":["FARGATE"],` +
		`"clusterArn":"` + prefix + `cluster/a","clusterName":"a","configuration":{"executeCommandConfiguration":{"logging":"DEFAULT"}},` +
		`"defaultCapacityProviderStrategy":[],"pendingTasksCount":0,"registeredContainerInstancesCount":0,"runningTasksCount":0,` +
		`"serviceConnectDefaults":{"namespace":"ns"},"settings":[{"name":"containerInsights","value":"disabled"}],"statistics":[],` +
		`"status":"ACTIVE","tags":[{"key":"k","value":"v"}]}}`
	if diff := cmp.Diff(want, got); status != 200 || diff != "" {
		t.Errorf("status %d (-want +got):\n%s", status, diff)
	}
	_, got = w.send("DescribeClusters", `{"clusters":["a","b"]}`)
	want = `{"clusters":[{"activeServicesCount":0,"capacityProviders":["FARGATE"],"clusterArn":"` + prefix + `cluster/a","clusterName":"a",` +
		`"defaultCapacityProviderStrategy":[],"pendingTasksCount":0,"registeredContainerInstancesCount":0,"runningTasksCount":0,` +
		`"serviceConnectDefaults":{"namespace":"ns"},"settings":[],"statistics":[],"status":"ACTIVE","tags":[]}],` +
		`"failures":[{"arn":"` + prefix + `cluster/b","reason":"MISSING"}]}`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("described (-want +got):\n%s", diff)
	}
}

func TestCreateClusterAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	first := must(w.CreateCluster(t.Context(), &client.CreateClusterInput{
		ClusterName: aws.String("a"), Tags: []types.Tag{{Key: aws.String("k"), Value: aws.String("1")}},
	}))(t)
	rev := w.store.View().Revision()
	again := must(w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("a")}))(t)
	if diff := cmp.Diff(first.Cluster, again.Cluster, ignoreDocuments); diff != "" {
		t.Errorf("created again (-first +again):\n%s", diff)
	}
	if got := w.store.View().Revision(); got != rev {
		t.Errorf("creating it again wrote revision %d after %d", got, rev)
	}
	// Deleted and made anew, it has what the new request says.
	must(w.DeleteCluster(t.Context(), &client.DeleteClusterInput{Cluster: first.Cluster.ClusterArn}))(t)
	revived := must(w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("a")}))(t)
	if c := revived.Cluster; *c.ClusterArn != *first.Cluster.ClusterArn || *c.Status != "ACTIVE" || len(c.Tags) != 0 {
		t.Errorf("revived: got %s %s with %d tags, want it ACTIVE without tags", *c.ClusterArn, *c.Status, len(c.Tags))
	}
}

func TestUpdateCluster(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.PutAccountSettingDefault(t.Context(), &client.PutAccountSettingDefaultInput{Name: "containerInsights", Value: aws.String("enhanced")}))(t)
	made := must(w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("a")}))(t)
	if got := *made.Cluster.Settings[0].Value; got != "enhanced" {
		t.Errorf("containerInsights of a new cluster is %s, want the account's enhanced", got)
	}
	must(w.UpdateCluster(t.Context(), &client.UpdateClusterInput{
		Cluster:                aws.String("a"),
		Configuration:          &types.ClusterConfiguration{ManagedStorageConfiguration: &types.ManagedStorageConfiguration{KmsKeyId: aws.String("key")}},
		ServiceConnectDefaults: &types.ClusterServiceConnectDefaultsRequest{Namespace: aws.String("ns")},
	}))(t)
	must(w.PutClusterCapacityProviders(t.Context(), &client.PutClusterCapacityProvidersInput{
		Cluster: aws.String("a"), CapacityProviders: []string{"FARGATE", "FARGATE_SPOT"},
		DefaultCapacityProviderStrategy: []types.CapacityProviderStrategyItem{},
	}))(t)
	out := must(w.UpdateClusterSettings(t.Context(), &client.UpdateClusterSettingsInput{
		Cluster: aws.String("a"), Settings: []types.ClusterSetting{{Name: "containerInsights", Value: aws.String("disabled")}},
	}))(t)
	c := out.Cluster
	got := fmt.Sprint(*c.Configuration.ManagedStorageConfiguration.KmsKeyId, *c.ServiceConnectDefaults.Namespace, c.CapacityProviders, *c.Settings[0].Value)
	if want := "keyns[FARGATE FARGATE_SPOT]disabled"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	removed := must(w.UpdateCluster(t.Context(), &client.UpdateClusterInput{
		Cluster: aws.String("a"), ServiceConnectDefaults: &types.ClusterServiceConnectDefaultsRequest{Namespace: aws.String("")},
	}))(t)
	if removed.Cluster.ServiceConnectDefaults != nil || removed.Cluster.Configuration == nil {
		t.Errorf("an empty namespace should remove the defaults and nothing else, got %+v", removed.Cluster)
	}
}

// populate puts into a cluster what keeps it from being deleted.
func populate(w *world, name string) (cluster string, i *model.Instance, s *model.Service, tasks []*model.Task) {
	cluster = prefix + "cluster/" + name
	m := machine("m1", name)
	i = &model.Instance{ARN: control.InstanceARN("m1", cluster), Cluster: cluster, Machine: "m1", Status: model.Draining}
	s = &model.Service{ARN: arn.Service(cluster, "web"), Cluster: cluster, Name: "web", Region: region, Status: model.Active, LaunchType: "FARGATE"}
	for n, launch := range []string{"EC2", "EC2", "FARGATE", "EXTERNAL"} {
		tasks = append(tasks, &model.Task{
			ARN: arn.Task(cluster, fmt.Sprint(n)), Cluster: cluster, Machine: "m1", LaunchType: launch, Desired: model.TaskRunning,
		})
	}
	w.put(m, i, s, &model.Observed{Task: tasks[0].ARN, Machine: "m1", Status: model.TaskRunning},
		&model.Observed{Task: tasks[3].ARN, Machine: "m1", Status: model.TaskStopped})
	for _, task := range tasks {
		w.put(task)
	}
	return cluster, i, s, tasks
}

func TestClusterStatistics(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("a")}))(t)
	populate(w, "a")
	out := must(w.DescribeClusters(t.Context(), &client.DescribeClustersInput{
		Clusters: []string{"a"}, Include: []types.ClusterField{types.ClusterFieldStatistics},
	}))(t)
	c := out.Clusters[0]
	got := fmt.Sprintln(c.RegisteredContainerInstancesCount, c.RunningTasksCount, c.PendingTasksCount, c.ActiveServicesCount)
	for _, s := range c.Statistics {
		if *s.Value != "0" {
			got += *s.Name + " " + *s.Value + "\n"
		}
	}
	want := "1 1 2 1\nrunningEC2TasksCount 1\npendingEC2TasksCount 1\npendingFargateTasksCount 1\nactiveFargateServiceCount 1\n"
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("counts (-want +got):\n%s", diff)
	}
}

func TestDeleteClusterGuards(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	must(w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("a")}))(t)
	_, i, s, tasks := populate(w, "a")
	remove := func() error {
		_, err := w.DeleteCluster(t.Context(), &client.DeleteClusterInput{Cluster: aws.String("a")})
		return err
	}
	wantError(t, remove(), "ClusterContainsContainerInstancesException",
		"The Cluster cannot be deleted while Container Instances are active or draining.")
	gone := *i
	gone.Status = model.Inactive
	w.put(&gone)
	wantError(t, remove(), "ClusterContainsServicesException", "The Cluster cannot be deleted while Services are active.")
	closed := *s
	closed.Status = model.Inactive
	w.put(&closed)
	wantError(t, remove(), "ClusterContainsTasksException", "The Cluster cannot be deleted while Tasks are active.")
	for _, task := range tasks {
		w.put(&model.Observed{Task: task.ARN, Machine: "m1", Status: model.TaskStopped})
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	wantError(t, remove(), "ClusterNotFoundException", "Cluster not found.")
	_, err := w.UpdateClusterSettings(t.Context(), &client.UpdateClusterSettingsInput{
		Cluster: aws.String("a"), Settings: []types.ClusterSetting{{Name: "containerInsights", Value: aws.String("enabled")}},
	})
	wantError(t, err, "ClusterNotFoundException", "The referenced cluster was inactive.")
}

// TestMachinesJoinClusters follows more machines than fit in one transaction through the life of a cluster.
func TestMachinesJoinClusters(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for n := range 150 {
		w.put(machine(fmt.Sprintf("%032x", n)))
	}
	away := machine("away")
	away.Connected = false
	w.put(away, machine("other", "b"))
	made := must(w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("a")}))(t)
	if got := made.Cluster.RegisteredContainerInstancesCount; got != 150 {
		t.Errorf("got %d container instances, want the 150 connected machines that join all clusters", got)
	}
	b := must(w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("b")}))(t)
	if got := b.Cluster.RegisteredContainerInstancesCount; got != 151 {
		t.Errorf("got %d container instances in b, want 151", got)
	}
	for i := range w.store.View().InstancesOfCluster(*made.Cluster.ClusterArn) {
		if id := model.ShortID(i.ARN); len(id) != 32 || !strings.HasPrefix(i.ARN, prefix+"container-instance/a/") || !i.Cause.Complete() {
			t.Errorf("instance %s with cause %+v: want 32 hex digits and a complete cause", i.ARN, i.Cause)
			break
		}
	}
	must(w.DeleteCluster(t.Context(), &client.DeleteClusterInput{Cluster: aws.String("a")}))(t)
	for i := range w.store.View().InstancesOfCluster(*made.Cluster.ClusterArn) {
		t.Fatalf("instance %s has outlived its cluster", i.ARN)
	}
	_, err := w.DeleteCluster(t.Context(), &client.DeleteClusterInput{Cluster: aws.String("b")})
	wantError(t, err, "ClusterContainsContainerInstancesException")
}

func TestListClustersPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, name := range []string{"c", "a", "b", "d"} {
		must(w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: &name}))(t)
	}
	var got []string
	pages := client.NewListClustersPaginator(w.Client, &client.ListClustersInput{MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		out := must(pages.NextPage(t.Context()))(t)
		if len(got) == 2 { // what is deleted meanwhile does not disturb the pages
			must(w.DeleteCluster(t.Context(), &client.DeleteClusterInput{Cluster: aws.String("b")}))(t)
		}
		for _, a := range out.ClusterArns {
			got = append(got, model.ShortID(a))
		}
	}
	if diff := cmp.Diff([]string{"a", "b", "c", "d", "default"}, got); diff != "" {
		t.Errorf("clusters (-want +got):\n%s", diff)
	}
}
