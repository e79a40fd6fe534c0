package arn_test

import (
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/arn"
)

func TestForms(t *testing.T) {
	t.Parallel()
	s := arn.Scope{Region: "eu-west-1", Account: "123456789012"}
	cluster := s.Cluster("demo")
	task := arn.Task(cluster, "0123456789abcdef0123456789abcdef")
	service := arn.Service(cluster, "web")
	for got, want := range map[string]string{
		cluster:                     "arn:aws:ecs:eu-west-1:123456789012:cluster/demo",
		service:                     "arn:aws:ecs:eu-west-1:123456789012:service/demo/web",
		task:                        "arn:aws:ecs:eu-west-1:123456789012:task/demo/0123456789abcdef0123456789abcdef",
		s.TaskDefinition("web:3"):   "arn:aws:ecs:eu-west-1:123456789012:task-definition/web:3",
		arn.ClusterOf(task):         cluster,
		arn.ClusterOf(service):      cluster,
		arn.Instance(cluster, "ab"): "arn:aws:ecs:eu-west-1:123456789012:container-instance/demo/ab",
		arn.Name(service):           "web",
		arn.Name("web"):             "web",
		arn.ServiceRevision(service, "ecs-svc/0123456789012345678"): "arn:aws:ecs:eu-west-1:123456789012:service-revision/demo/web/0123456789012345678",
		arn.ServiceDeployment(service, "NCWGC2ZR-taawPAYrIaU5"):     "arn:aws:ecs:eu-west-1:123456789012:service-deployment/demo/web/NCWGC2ZR-taawPAYrIaU5",
	} {
		if got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := arn.Container(task, "app"); !strings.HasPrefix(got, "arn:aws:ecs:eu-west-1:123456789012:container/demo/0123456789abcdef0123456789abcdef/") || got != arn.Container(task, "app") || got == arn.Container(task, "db") {
		t.Errorf("container ARN %s is not stable and distinct", got)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:ecs:eu-west-1:123456789012:service/demo/web")
	f.Add("arn:::::/")
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := arn.Parse(s)
		if !ok {
			return
		}
		back := strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Type + "/" + a.ID}, ":")
		if back != s {
			t.Errorf("Parse(%q) gives %+v, which is %q again", s, a, back)
		}
	})
}
