package ecs_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/control"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/store"
)

// register makes a revision of a family with one plain container.
func (w *world) register(family string, tags ...types.Tag) *types.TaskDefinition {
	w.t.Helper()
	return must(w.RegisterTaskDefinition(w.t.Context(), &client.RegisterTaskDefinitionInput{
		Family: &family, Tags: tags,
		ContainerDefinitions: []types.ContainerDefinition{{Name: aws.String("app"), Image: aws.String("nginx"), Memory: aws.Int32(64)}},
	}))(w.t).TaskDefinition
}

func (w *world) deregister(name string) {
	w.t.Helper()
	must(w.DeregisterTaskDefinition(w.t.Context(), &client.DeregisterTaskDefinitionInput{TaskDefinition: &name}))(w.t)
}

// names shortens ARNs of task definitions.
func names(arns []string) string {
	var list []string
	for _, a := range arns {
		list = append(list, model.ShortID(a))
	}
	return strings.Join(list, " ")
}

// TestTaskDefinitionLife follows a revision from its registration until it is forgotten.
func TestTaskDefinitionLife(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	made := w.register("web", types.Tag{Key: aws.String("k"), Value: aws.String("v")})
	if got, want := *made.TaskDefinitionArn, prefix+"task-definition/web:1"; got != want || made.Revision != 1 {
		t.Fatalf("got %s revision %d, want %s", got, made.Revision, want)
	}
	if got, want := *made.RegisteredBy, "arn:aws:iam::123456789012:root"; got != want || !made.RegisteredAt.Equal(start) {
		t.Errorf("registered by %s at %s, want %s at %s", got, made.RegisteredAt, want, start)
	}
	wantStatus := func(ref, want string) *client.DescribeTaskDefinitionOutput {
		t.Helper()
		out := must(w.DescribeTaskDefinition(t.Context(), &client.DescribeTaskDefinitionInput{TaskDefinition: &ref}))(t)
		if got := fmt.Sprintf("%s:%d %s", *out.TaskDefinition.Family, out.TaskDefinition.Revision, out.TaskDefinition.Status); got != want {
			t.Errorf("%s is %s, want %s", ref, got, want)
		}
		return out
	}
	w.register("web")
	wantStatus("web", "web:2 ACTIVE")
	wantStatus("web:1", "web:1 ACTIVE")
	w.advance(time.Minute)
	w.deregister(prefix + "task-definition/web:2")
	wantStatus("web", "web:1 ACTIVE")
	out := wantStatus("web:2", "web:2 INACTIVE")
	if got := out.TaskDefinition.DeregisteredAt; got == nil || !got.Equal(start.Add(time.Minute)) {
		t.Errorf("deregistered at %v, want %s", got, start.Add(time.Minute))
	}
	w.advance(time.Minute)
	w.deregister("web:2") // again: nothing changes
	deleted := must(w.DeleteTaskDefinitions(t.Context(), &client.DeleteTaskDefinitionsInput{
		TaskDefinitions: []string{"web:2", "web:1", "web:9", "web", prefix + "cluster/web:1"},
	}))(t)
	if n := len(deleted.TaskDefinitions); n != 1 || !deleted.TaskDefinitions[0].DeleteRequestedAt.Equal(start.Add(2*time.Minute)) {
		t.Errorf("got %d deleted, want web:2 alone, requested two minutes after the start", n)
	}
	var reasons []string
	for _, f := range deleted.Failures {
		reasons = append(reasons, strings.TrimPrefix(*f.Arn, prefix)+": "+*f.Reason)
	}
	want := []string{
		"task-definition/web:1: The specified task definition is still in ACTIVE status. Please deregister the target and try again.",
		"task-definition/web:9: The specified task definition does not exist. Specify a valid account, family, revision and try again.",
		"task-definition/web: The specified task definition identifier is invalid. Specify a valid name or ARN and try again.",
		"cluster/web:1: The specified task definition does not exist. Specify a valid account, family, revision and try again.",
	}
	if diff := cmp.Diff(want, reasons); diff != "" {
		t.Errorf("failures (-want +got):\n%s", diff)
	}
	wantStatus("web:2", "web:2 DELETE_IN_PROGRESS")
}

// TestRevisionsAreNeverUsedAgain also sees that what still runs is not forgotten.
func TestRevisionsAreNeverUsedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 2 {
		w.register("web")
	}
	for _, name := range []string{"web:1", "web:2"} {
		w.deregister(name)
	}
	must(w.DeleteTaskDefinitions(t.Context(), &client.DeleteTaskDefinitionsInput{TaskDefinitions: []string{"web:1", "web:2"}}))(t)
	w.put(&model.Task{ARN: prefix + "task/default/1", Machine: "m", TaskDefinition: prefix + "task-definition/web:2", Desired: model.TaskRunning})
	forget := func() {
		t.Helper()
		if _, err := w.store.Update(t.Context(), func(tx *store.Tx) error {
			control.ForgetTaskDefinitions(tx)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	list := func() string {
		t.Helper()
		status := types.TaskDefinitionStatusDeleteInProgress
		out := must(w.ListTaskDefinitions(t.Context(), &client.ListTaskDefinitionsInput{Status: status}))(t)
		families := must(w.ListTaskDefinitionFamilies(t.Context(), &client.ListTaskDefinitionFamiliesInput{}))(t)
		return names(out.TaskDefinitionArns) + " of " + strings.Join(families.Families, " ")
	}
	forget()
	if got, want := list(), "web:2 of web"; got != want {
		t.Errorf("got %q, want %q: a task still runs web:2", got, want)
	}
	if _, err := w.store.Update(t.Context(), func(tx *store.Tx) error {
		tx.Delete(model.TaskKey("m", prefix+"task/default/1"))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	forget()
	if got, want := list(), " of "; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := w.register("web").Revision; got != 3 {
		t.Errorf("got revision %d, want 3", got)
	}
}

func TestListTaskDefinitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for range 11 {
		w.register("b")
	}
	w.register("a")
	w.register("b-2")
	w.deregister("b:5")
	for _, tc := range []struct {
		in   client.ListTaskDefinitionsInput
		want string
	}{
		{client.ListTaskDefinitionsInput{}, "a:1 b:1 b:2 b:3 b:4 b:6 b:7 b:8 b:9 b:10 b:11 b-2:1"},
		{client.ListTaskDefinitionsInput{Sort: "DESC", MaxResults: aws.Int32(4)}, "b-2:1 b:11 b:10 b:9 b:8 b:7 b:6 b:4 b:3 b:2 b:1 a:1"},
		{client.ListTaskDefinitionsInput{FamilyPrefix: aws.String("b"), MaxResults: aws.Int32(3)}, "b:1 b:2 b:3 b:4 b:6 b:7 b:8 b:9 b:10 b:11"},
		{client.ListTaskDefinitionsInput{Status: "INACTIVE"}, "b:5"},
		{client.ListTaskDefinitionsInput{FamilyPrefix: aws.String("none")}, ""},
	} {
		var got []string
		pages := client.NewListTaskDefinitionsPaginator(w.Client, &tc.in)
		for pages.HasMorePages() {
			got = append(got, must(pages.NextPage(t.Context()))(t).TaskDefinitionArns...)
		}
		if diff := cmp.Diff(tc.want, names(got)); diff != "" {
			t.Errorf("family %q sort %q status %q (-want +got):\n%s", aws.ToString(tc.in.FamilyPrefix), tc.in.Sort, tc.in.Status, diff)
		}
	}
	if out := must(w.in("us-east-1").ListTaskDefinitions(t.Context(), &client.ListTaskDefinitionsInput{}))(t); len(out.TaskDefinitionArns) != 0 {
		t.Errorf("another region lists %v, want nothing", out.TaskDefinitionArns)
	}
}

func TestListTaskDefinitionFamilies(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, family := range []string{"web", "web-admin", "batch", "web"} {
		w.register(family)
	}
	w.deregister("web-admin:1")
	w.deregister("web:1")
	for _, tc := range []struct {
		prefix string
		status types.TaskDefinitionFamilyStatus
		want   string
	}{
		{"", "", "batch web web-admin"},
		{"web", "ALL", "web web-admin"},
		{"", "ACTIVE", "batch web"},
		{"", "INACTIVE", "web-admin"},
	} {
		var got []string
		pages := client.NewListTaskDefinitionFamiliesPaginator(w.Client, &client.ListTaskDefinitionFamiliesInput{
			FamilyPrefix: &tc.prefix, Status: tc.status, MaxResults: aws.Int32(1),
		})
		for pages.HasMorePages() {
			got = append(got, must(pages.NextPage(t.Context()))(t).Families...)
		}
		if strings.Join(got, " ") != tc.want {
			t.Errorf("prefix %q status %q: got %v, want %s", tc.prefix, tc.status, got, tc.want)
		}
	}
}

func TestTagsOfTaskDefinitionOnRequest(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("web", types.Tag{Key: aws.String("k"), Value: aws.String("v")})
	for want, include := range map[int][]types.TaskDefinitionField{0: nil, 1: {types.TaskDefinitionFieldTags}} {
		out := must(w.DescribeTaskDefinition(t.Context(), &client.DescribeTaskDefinitionInput{TaskDefinition: aws.String("web"), Include: include}))(t)
		if len(out.Tags) != want {
			t.Errorf("include %v: got %d tags, want %d", include, len(out.Tags), want)
		}
	}
}
