package ecs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/maitred/maitred/internal/model"
)

func groupARN(name string) string {
	return "arn:aws:elasticloadbalancing:" + region + ":" + account + ":targetgroup/" + name + "/0123456789abcdef"
}

// balance makes target groups, to which a listener leads but for "idle", and a task definition with the port 80.
func (w *world) balance(names ...string) {
	w.t.Helper()
	var forward model.Forward
	for _, name := range names {
		kind, _, _ := strings.Cut(name, "-")
		if kind != "instance" {
			kind = "ip"
		}
		w.put(&model.TargetGroup{ARN: groupARN(name), Name: name, Region: region, Protocol: "HTTP", TargetType: kind})
		if name != "idle" {
			forward.Groups = append(forward.Groups, model.WeightedGroup{Group: groupARN(name), Weight: 1})
		}
	}
	w.put(&model.Listener{
		ARN: "l", LoadBalancer: "lb", Region: region, Port: 80, Protocol: "HTTP",
		Actions: []model.Action{{Type: model.ActionForward, Forward: &forward}},
	})
	for family, mode := range map[string]types.NetworkMode{"ported": "", "own": types.NetworkModeAwsvpc} {
		must(w.RegisterTaskDefinition(w.t.Context(), &client.RegisterTaskDefinitionInput{
			Family: &family, NetworkMode: mode, ContainerDefinitions: []types.ContainerDefinition{{
				Name: aws.String("app"), Image: aws.String("i"), Memory: aws.Int32(6),
				PortMappings: []types.PortMapping{{ContainerPort: aws.Int32(80)}},
			}},
		}))(w.t)
	}
}

func balancer(group string, port int32) types.LoadBalancer {
	return types.LoadBalancer{TargetGroupArn: aws.String(groupARN(group)), ContainerName: aws.String("app"), ContainerPort: &port}
}

// TestServiceBalancers follows the load balancers of a service through its life: given back, changed by a deployment, kept in
// the revision.
func TestServiceBalancers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.balance("blue", "green")
	want := []types.LoadBalancer{balancer("blue", 80)}
	same := func(what string, got []types.LoadBalancer) {
		t.Helper()
		if diff := cmp.Diff(want, got, cmpopts.IgnoreUnexported(types.LoadBalancer{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", what, diff)
		}
	}
	in := newService("web", 1)
	in.TaskDefinition, in.LoadBalancers = aws.String("ported"), want
	made := must(w.CreateService(t.Context(), in))(t)
	same("CreateService", made.Service.LoadBalancers)
	must(w.CreateService(t.Context(), in))(t) // idempotent
	first := made.Service.Deployments[0].Id

	kept := must(w.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), DesiredCount: aws.Int32(2), LoadBalancers: want}))(t)
	if len(kept.Service.Deployments) != 1 {
		t.Errorf("the same load balancers made a deployment: %d", len(kept.Service.Deployments))
	}
	want = []types.LoadBalancer{balancer("green", 80), balancer("blue", 80)}
	changed := must(w.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), LoadBalancers: want}))(t)
	same("UpdateService", changed.Service.LoadBalancers)
	if aws.ToString(changed.Service.Deployments[0].Id) == aws.ToString(first) {
		t.Error("other load balancers made no deployment")
	}
	described := must(w.DescribeServices(t.Context(), &client.DescribeServicesInput{Services: []string{"web"}}))(t)
	same("DescribeServices", described.Services[0].LoadBalancers)
	revision := described.Services[0].CurrentServiceRevisions[0].Arn
	revisions := must(w.DescribeServiceRevisions(t.Context(), &client.DescribeServiceRevisionsInput{ServiceRevisionArns: []string{*revision}}))(t)
	same("DescribeServiceRevisions", revisions.ServiceRevisions[0].LoadBalancers)

	want = []types.LoadBalancer{}
	none := must(w.UpdateService(t.Context(), &client.UpdateServiceInput{Service: aws.String("web"), LoadBalancers: want}))(t)
	same("none any more", none.Service.LoadBalancers)
}

// TestBadServiceBalancers sends services with load balancers of which one thing is bad.
func TestBadServiceBalancers(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.balance("blue", "idle", "instance-1")
	w.register("web")
	must(w.CreateService(t.Context(), newService("web", 1)))(t)
	item := func(members string) string {
		return create(`"taskDefinition":"ported","loadBalancers":[{` + members + `}]`)
	}
	lb := func(group, container string, port int) string {
		return fmt.Sprintf(`"targetGroupArn":%q,"containerName":%q,"containerPort":%d`, group, container, port)
	}
	const sorry = "UnsupportedFeatureException"
	six := strings.TrimSuffix(strings.Repeat("{"+lb(groupARN("blue"), "app", 80)+"},", 6), ",")
	cases := []badInput{
		{name: "no group", body: item(`"containerName":"app","containerPort":80`), parts: []string{"loadBalancers[0].targetGroupArn"}},
		{name: "no container", body: item(`"targetGroupArn":"a","containerPort":80`), parts: []string{"loadBalancers[0].containerName"}},
		{name: "no port", body: item(`"targetGroupArn":"a","containerName":"app"`), parts: []string{"loadBalancers[0].containerPort"}},
		{name: "port 0", body: item(lb("a", "app", 0)), parts: []string{"containerPort", "got 0"}},
		{name: "port 65536", body: item(lb("a", "app", 65536)), parts: []string{"containerPort", "65536"}},
		{name: "classic", body: item(`"loadBalancerName":"old","containerName":"app","containerPort":80`), code: sorry, parts: []string{"loadBalancerName", "targetGroupArn"}},
		{name: "both", body: item(`"loadBalancerName":"old",` + lb("a", "app", 80)), parts: []string{"loadBalancerName and targetGroupArn cannot both be specified"}},
		{name: "blue/green", body: item(`"advancedConfiguration":{"alternateTargetGroupArn":"b"},` + lb("a", "app", 80)), code: sorry, parts: []string{"advancedConfiguration"}},
		{name: "six", body: create(`"taskDefinition":"ported","loadBalancers":[` + six + `]`), parts: []string{"loadBalancers", "6", "5"}},
		{name: "twice", body: create(`"taskDefinition":"ported","loadBalancers":[` + six[:len(six)/3] + `]`), parts: []string{"loadBalancers[1]", "in this target group already"}},
		{name: "unknown group", body: item(lb(groupARN("gone"), "app", 80)), parts: []string{"Unable to find the target group with targetGroupArn " + groupARN("gone")}},
		{name: "group of no listener", body: item(lb(groupARN("idle"), "app", 80)), parts: []string{"does not have an associated load balancer."}},
		{name: "unknown container", body: item(lb(groupARN("blue"), "db", 80)), parts: []string{"The container db does not exist in the task definition."}},
		{name: "unknown port", body: item(lb(groupARN("blue"), "app", 81)), parts: []string{"The container app did not have a container port 81 defined."}},
		{
			name: "instance with awsvpc", parts: []string{"has target type instance, which is incompatible with the awsvpc network mode"},
			body: `{"serviceName":"new","taskDefinition":"own","desiredCount":1,"networkConfiguration":{"awsvpcConfiguration":{"subnets":["` + w.subnet() + `"]}},` +
				`"loadBalancers":[{` + lb(groupARN("instance-1"), "app", 80) + `}]}`,
		},
		{
			name: "update to an unknown group", operation: "UpdateService", parts: []string{"Unable to find the target group"},
			body: `{"service":"web","loadBalancers":[{` + lb(groupARN("gone"), "app", 80) + `}]}`,
		},
	}
	for i := range cases {
		if cases[i].operation == "" {
			cases[i].operation = "CreateService"
		}
		if cases[i].code == "" {
			cases[i].code = "InvalidParameterException"
		}
	}
	refused(t, w, cases)
}
