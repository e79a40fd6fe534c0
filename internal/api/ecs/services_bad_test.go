package ecs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
)

// create is a CreateService request that is good but for what is changed in it: more members, which come last and count.
func create(more string) string {
	return `{"serviceName":"new","taskDefinition":"web:1","desiredCount":1,` + more + `}`
}

// daemon is the same for a daemon.
func daemon(more string) string {
	return `{"serviceName":"new","taskDefinition":"web:1","schedulingStrategy":"DAEMON"` + more + `}`
}

// deployment has a deployment configuration.
func deployment(members string) string { return create(`"deploymentConfiguration":{` + members + `}`) }

// breaker has a circuit breaker with a threshold.
func breaker(members string) string {
	return deployment(`"deploymentCircuitBreaker":{"enable":true,"rollback":true,"thresholdConfiguration":{` + members + `}}`)
}

// provider is an item of a capacity provider strategy.
func provider(name string, weight, base int) string {
	return fmt.Sprintf(`{"capacityProvider":%q,"weight":%d,"base":%d}`, name, weight, base)
}

func providers(items ...string) string {
	return create(`"capacityProviderStrategy":[` + strings.Join(items, ",") + `]`)
}

func badNames() []badInput {
	return []badInput{
		{name: "no name", body: `{"taskDefinition":"web:1","desiredCount":1}`, parts: []string{"serviceName"}},
		{name: "bad name", body: create(`"serviceName":"a b"`), parts: []string{"serviceName", `"a b"`}},
		{name: "long name", body: create(`"serviceName":"` + strings.Repeat("x", 256) + `"`), parts: []string{"serviceName", "255"}},
		{name: "no such cluster", body: create(`"cluster":"gone"`), code: "ClusterNotFoundException", parts: []string{"Cluster not found."}},
		{name: "bad cluster", body: create(`"cluster":"a b"`), parts: []string{"cluster", `"a b"`}},
		{name: "a deleted cluster", body: create(`"cluster":"closed"`), code: "ClusterNotFoundException", parts: []string{"The referenced cluster was inactive."}},
		{name: "no task definition", body: `{"serviceName":"new","desiredCount":1}`, parts: []string{"taskDefinition"}},
		{name: "unknown task definition", body: create(`"taskDefinition":"gone"`), code: "ClientException", parts: []string{"TaskDefinition not found."}},
		{name: "unknown revision", body: create(`"taskDefinition":"web:9"`), code: "ClientException", parts: []string{"TaskDefinition not found."}},
		{name: "inactive task definition", body: create(`"taskDefinition":"web:2"`), code: "ClientException", parts: []string{"TaskDefinition is inactive"}},
		{name: "long token", body: create(`"clientToken":"` + strings.Repeat("x", 37) + `"`), parts: []string{"clientToken", "36"}},
		{name: "token with a space", body: create(`"clientToken":"a b"`), parts: []string{"clientToken", `"a b"`}},
		{name: "no desired count", body: `{"serviceName":"new","taskDefinition":"web:1"}`, parts: []string{"desiredCount", "REPLICA"}},
		{name: "negative desired count", body: create(`"desiredCount":-1`), parts: []string{"desiredCount", "-1"}},
		{name: "too many tasks", body: create(`"desiredCount":5001`), parts: []string{"desiredCount", "5000", "5001"}},
		{name: "too many tasks later", operation: "UpdateService", body: `{"service":"web","desiredCount":5001}`, parts: []string{"desiredCount", "5000", "5001"}},
		{
			name: "a large document", body: deployment(`"alarms":{"enable":false,"rollback":false,"alarmNames":["` + strings.Repeat("x", 1<<16) + `"]}`),
			parts: []string{"service", "65536"},
		},
		{name: "negative grace period", body: create(`"healthCheckGracePeriodSeconds":-1`), parts: []string{"healthCheckGracePeriodSeconds", "-1"}},
		{name: "role", body: create(`"role":"ecsServiceRole"`), code: "UnsupportedFeatureException", parts: []string{"role is not supported"}},
		{name: "reserved tag", body: create(`"tags":[{"key":"aws:x","value":"y"}]`), parts: []string{"tags[0]", "aws:"}},
		{name: "propagation", body: create(`"propagateTags":"ALL"`), parts: []string{"propagateTags", "TASK_DEFINITION,SERVICE,NONE", `"ALL"`}},
		{name: "scheduling strategy", body: create(`"schedulingStrategy":"CRON"`), parts: []string{"schedulingStrategy", "REPLICA,DAEMON", `"CRON"`}},
		{name: "the name is taken", body: create(`"serviceName":"web"`), parts: []string{"Creation of service was not idempotent."}},
	}
}

func badLaunches() []badInput {
	const unsupported = "UnsupportedFeatureException"
	return []badInput{
		{name: "launch type", body: create(`"launchType":"LAMBDA"`), parts: []string{"launchType", "EC2,FARGATE,EXTERNAL", `"LAMBDA"`}},
		{name: "managed instances", body: create(`"launchType":"MANAGED_INSTANCES"`), code: unsupported, parts: []string{"launchType MANAGED_INSTANCES"}},
		{
			name: "launch type and strategy", body: create(`"launchType":"FARGATE","capacityProviderStrategy":[` + provider("FARGATE", 1, 0) + `]`),
			parts: []string{"Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again."},
		},
		{
			name: "no weights", body: providers(provider("FARGATE", 0, 0), provider("FARGATE_SPOT", 0, 0)),
			parts: []string{"There are no capacity providers in the capacity provider strategy with a weight value greater than zero", "capacityProviderStrategy"},
		},
		{name: "two bases", body: providers(provider("FARGATE", 1, 1), provider("FARGATE_SPOT", 1, 1)), parts: []string{"capacityProviderStrategy", "base"}},
		{name: "weight", body: providers(provider("FARGATE", 1001, 0)), parts: []string{"capacityProviderStrategy[0].weight", "1001"}},
		{name: "base", body: providers(provider("FARGATE", 1, -1)), parts: []string{"capacityProviderStrategy[0].base", "-1"}},
		{name: "nameless provider", body: providers(provider("", 1, 0)), parts: []string{"capacityProviderStrategy[0].capacityProvider"}},
		{name: "many providers", body: providers(strings.Split(strings.Repeat("{} ", 21)[:62], " ")...), parts: []string{"capacityProviderStrategy", "21", "20"}},
		{name: "provider of another", body: providers(provider("FARGATE", 1, 0)), parts: []string{"not associated with the cluster", "capacityProviderStrategy[0]", `"FARGATE"`}},
		{name: "platform of ec2", body: create(`"platformVersion":"LATEST"`), parts: []string{"The platform version must be null when specifying an EC2 launch type", "platformVersion"}},
		{
			name: "platform", body: create(`"launchType":"FARGATE","platformVersion":"9.9.9"`), code: "PlatformUnknownException",
			parts: []string{"platformVersion", `"9.9.9"`},
		},
		{
			name: "fargate on a bridge", body: create(`"launchType":"FARGATE"`),
			parts: []string{"Task definition does not support launch_type FARGATE.", "network mode ‘awsvpc’"},
		},
		{
			name: "constraints of fargate", body: create(`"launchType":"FARGATE","placementConstraints":[{"type":"distinctInstance"}]`),
			parts: []string{"FARGATE", "placementConstraints"},
		},
		{
			name: "strategy of fargate", body: create(`"launchType":"FARGATE","placementStrategy":[{"type":"random"}]`),
			parts: []string{"FARGATE", "placementStrategy"},
		},
		{
			name: "network without awsvpc", body: create(`"networkConfiguration":{"awsvpcConfiguration":{"subnets":["s"]}}`),
			parts: []string{"Network Configuration is not valid for the given networkMode of this task definition."},
		},
		{name: "no subnets", body: create(`"networkConfiguration":{"awsvpcConfiguration":{"subnets":[]}}`), parts: []string{"networkConfiguration.awsvpcConfiguration.subnets"}},
		{
			name: "security groups", body: create(`"networkConfiguration":{"awsvpcConfiguration":{"subnets":["s"],"securityGroups":["1","2","3","4","5","6"]}}`),
			parts: []string{"networkConfiguration.awsvpcConfiguration.securityGroups", "6", "5"},
		},
		{
			name: "public ip", body: create(`"networkConfiguration":{"awsvpcConfiguration":{"subnets":["s"],"assignPublicIp":"YES"}}`),
			parts: []string{"assignPublicIp", "ENABLED,DISABLED", `"YES"`},
		},
	}
}

func badPlacements() []badInput {
	constraint := func(c string) string { return create(`"placementConstraints":[` + c + `]`) }
	strategy := func(s string) string { return create(`"placementStrategy":[` + s + `]`) }
	return []badInput{
		{name: "constraint", body: constraint(`{"type":"near"}`), parts: []string{"placementConstraints[0].type", "distinctInstance,memberOf"}},
		{name: "distinct with expression", body: constraint(`{"type":"distinctInstance","expression":"a"}`), parts: []string{"placementConstraints[0].expression"}},
		{name: "no expression", body: constraint(`{"type":"memberOf"}`), parts: []string{"placementConstraints[0].expression"}},
		{name: "bad expression", body: constraint(`{"type":"distinctInstance"},{"type":"memberOf","expression":"attribute:x =="}`), parts: []string{"placementConstraints[1].expression"}},
		{
			name: "long expression", body: constraint(`{"type":"memberOf","expression":"attribute:x == ` + strings.Repeat("y", 2000) + `"}`),
			parts: []string{"placementConstraints[0].expression", "2000"},
		},
		{name: "many constraints", body: constraint(strings.Repeat(`{"type":"distinctInstance"},`, 10) + `{}`), parts: []string{"placementConstraints", "11", "10"}},
		{name: "strategy", body: strategy(`{"type":"best"}`), parts: []string{"placementStrategy[0].type", "random,spread,binpack"}},
		{name: "random by", body: strategy(`{"type":"random","field":"cpu"}`), parts: []string{"placementStrategy[0].field"}},
		{name: "binpack by", body: strategy(`{"type":"binpack","field":"disk"}`), parts: []string{"placementStrategy[0].field", "cpu or memory", `"disk"`}},
		{name: "spread by", body: strategy(`{"type":"random"},{"type":"spread","field":"attribute:"}`), parts: []string{"placementStrategy[1].field", "instanceId, host or attribute:NAME"}},
		{name: "many strategies", body: strategy(strings.Repeat(`{"type":"random"},`, 5) + `{}`), parts: []string{"placementStrategy", "6", "5"}},
		{
			name: "count of daemon", body: daemon(`,"desiredCount":0`),
			parts: []string{"The daemon scheduling strategy does not support a desired count for services. Remove the desired count value and try again"},
		},
		{
			name: "percent of daemon", body: daemon(`,"deploymentConfiguration":{"maximumPercent":200}`),
			parts: []string{"The daemon scheduling strategy does not support values above 100 for maximumPercent"},
		},
		{name: "strategy of daemon", body: daemon(`,"placementStrategy":[{"type":"random"}]`), parts: []string{"The daemon scheduling strategy does not support placement strategies"}},
		{name: "fargate daemon", body: daemon(`,"launchType":"FARGATE"`), parts: []string{"daemon", "Fargate", "launchType"}},
	}
}

func badDeployments() []badInput {
	const no = "UnsupportedFeatureException"
	return []badInput{
		{name: "low minimum", body: deployment(`"minimumHealthyPercent":-1`), parts: []string{"minimumHealthyPercent must be at least 0"}},
		{name: "high minimum", body: deployment(`"minimumHealthyPercent":101`), parts: []string{"minimumHealthyPercent must be at most 100"}},
		{name: "low maximum", body: deployment(`"maximumPercent":99`), parts: []string{"maximumPercent must be at least 100"}},
		{
			name: "no room", body: deployment(`"minimumHealthyPercent":100,"maximumPercent":100`),
			parts: []string{"Both maximumPercent and minimumHealthyPercent cannot be 100 as this will block deployments"},
		},
		{name: "strategy of deployments", body: deployment(`"strategy":"YOLO"`), parts: []string{"deploymentConfiguration.strategy", "ROLLING", `"YOLO"`}},
		{name: "blue green", body: deployment(`"strategy":"BLUE_GREEN"`), code: no, parts: []string{"deploymentConfiguration.strategy BLUE_GREEN"}},
		{name: "canary", body: deployment(`"canaryConfiguration":{"canaryPercent":5}`), code: no, parts: []string{"deploymentConfiguration.canaryConfiguration"}},
		{name: "linear", body: deployment(`"linearConfiguration":{"stepPercent":5}`), code: no, parts: []string{"deploymentConfiguration.linearConfiguration"}},
		{name: "hooks", body: deployment(`"lifecycleHooks":[{"hookTargetArn":"a","roleArn":"b"}]`), code: no, parts: []string{"deploymentConfiguration.lifecycleHooks"}},
		{name: "bake time", body: deployment(`"bakeTimeInMinutes":1`), code: no, parts: []string{"deploymentConfiguration.bakeTimeInMinutes"}},
		{name: "negative bake time", body: deployment(`"bakeTimeInMinutes":-1`), parts: []string{"deploymentConfiguration.bakeTimeInMinutes", "-1"}},
		{name: "early success", body: deployment(`"earlySuccessCriteria":{"enable":true}`), code: no, parts: []string{"deploymentConfiguration.earlySuccessCriteria"}},
		{
			name: "no type of threshold", body: breaker(`"value":5`),
			parts: []string{"thresholdConfiguration.type", "COUNT,BOUNDED_PERCENT,UNBOUNDED_PERCENT"},
		},
		{name: "type of threshold", body: breaker(`"type":"YOLO","value":5`), parts: []string{"thresholdConfiguration.type", `"YOLO"`}},
		{name: "no threshold", body: breaker(`"type":"COUNT"`), parts: []string{"thresholdConfiguration.value", "1 or more"}},
		{name: "high threshold", body: breaker(`"type":"BOUNDED_PERCENT","value":101`), parts: []string{"thresholdConfiguration.value", "BOUNDED_PERCENT", "101"}},
		{
			name: "no alarms", body: deployment(`"alarms":{"enable":true,"rollback":false,"alarmNames":[]}`),
			parts: []string{"deploymentConfiguration.alarms.alarmNames should not be empty"},
		},
		{
			name: "an alarm without a name", body: deployment(`"alarms":{"enable":true,"rollback":false,"alarmNames":["a",""]}`),
			parts: []string{"deploymentConfiguration.alarms.alarmNames[1] should not be empty"},
		},
		{
			name: "many alarms", body: deployment(`"alarms":{"enable":true,"rollback":false,"alarmNames":[` + strings.Repeat(`"a",`, 100) + `"a"]}`),
			parts: []string{"deploymentConfiguration.alarms.alarmNames", "101", "100"},
		},
		{
			name: "alarms that are not there", body: deployment(`"alarms":{"enable":true,"rollback":false,"alarmNames":["a","b"]}`),
			parts: []string{"deploymentConfiguration.alarms.alarmNames", "do not exist: a, b"},
		},
		{name: "long bake time", body: deployment(`"bakeTimeInMinutes":1441`), parts: []string{"deploymentConfiguration.bakeTimeInMinutes", "1441"}},
		{name: "controller", body: create(`"deploymentController":{"type":"HELM"}`), parts: []string{"deploymentController.type", "ECS,CODE_DEPLOY,EXTERNAL", `"HELM"`}},
		{name: "no controller", body: create(`"deploymentController":{}`), parts: []string{"deploymentController.type"}},
		{name: "code deploy", body: create(`"deploymentController":{"type":"CODE_DEPLOY"}`), code: no, parts: []string{"deploymentController.type CODE_DEPLOY"}},
		{name: "external", body: create(`"deploymentController":{"type":"EXTERNAL"}`), code: no, parts: []string{"deploymentController.type EXTERNAL"}},
	}
}

// badMonitoring are requests for metrics that there are not.
func badMonitoring() []badInput {
	of := func(configurations string) string {
		return create(`"monitoring":{"metricConfigurations":[` + configurations + `]}`)
	}
	const cpu = `{"metricNames":["CPUUtilization"],"resolutionSeconds":20}`
	return []badInput{
		{name: "no metrics", body: of(`{"resolutionSeconds":20}`), parts: []string{"monitoring.metricConfigurations[0].metricNames should not be empty"}},
		{name: "no resolution", body: of(`{"metricNames":["CPUUtilization"]}`), parts: []string{"monitoring.metricConfigurations[0].resolutionSeconds", "20 or 60", "got 0"}},
		{name: "a resolution", body: of(`{"metricNames":["CPUUtilization"],"resolutionSeconds":10}`), parts: []string{"resolutionSeconds", "got 10"}},
		{
			name: "a metric", body: of(`{"metricNames":["GPUUtilization"],"resolutionSeconds":20}`),
			parts: []string{"metricNames", "CPUUtilization,MemoryUtilization", `"GPUUtilization"`},
		},
		{
			name: "a metric twice", body: of(cpu + `,{"metricNames":["MemoryUtilization","CPUUtilization"],"resolutionSeconds":60}`),
			parts: []string{"monitoring.metricConfigurations[1].metricNames has CPUUtilization"},
		},
		{name: "six", body: of(strings.Repeat(cpu+",", 5) + cpu), parts: []string{"monitoring.metricConfigurations", "6", "5"}},
	}
}

// notHonoured are the members that this version refuses wherever they are given.
func notHonoured() map[string]string {
	return map[string]string{
		"serviceRegistries":           `"serviceRegistries":[{"registryArn":"a"}]`,
		"serviceConnectConfiguration": `"serviceConnectConfiguration":{"enabled":true}`,
		"volumeConfigurations":        `"volumeConfigurations":[{"name":"v"}]`,
		"vpcLatticeConfigurations":    `"vpcLatticeConfigurations":[{"roleArn":"r","targetGroupArn":"t","portName":"p"}]`,
		"gatewayConnectors":           `"gatewayConnectors":[{"portName":"p"}]`,
		"availabilityZoneRebalancing": `"availabilityZoneRebalancing":"ENABLED"`,
	}
}

// onService are requests for services that are there, or are not.
func onService() []badInput {
	const update, remove, describe, list = "UpdateService", "DeleteService", "DescribeServices", "ListServices"
	const gone, service = "ServiceNotFoundException", prefix + "service/default/"
	return []badInput{
		{name: "update nothing", operation: update, body: `{}`, parts: []string{"service should not be empty."}},
		{name: "update unknown", operation: update, body: `{"service":"gone"}`, code: gone, parts: []string{"Service not found."}},
		{name: "update bad name", operation: update, body: `{"service":"a/b"}`, parts: []string{"service", `"a/b"`}},
		{name: "update a task", operation: update, body: `{"service":"` + prefix + `task/default/x"}`, parts: []string{"Unsupported resource type: task", "service"}},
		{name: "update another region's", operation: update, body: `{"service":"` + strings.Replace(service, region, "us-east-1", 1) + `web"}`, parts: []string{"service", "us-east-1"}},
		{
			name: "update another cluster's", operation: update, body: `{"cluster":"closed","service":"` + service + `web"}`,
			parts: []string{"Identifier is for cluster default. Your cluster is closed"},
		},
		{name: "update in no cluster", operation: update, body: `{"cluster":"gone","service":"web"}`, code: "ClusterNotFoundException"},
		{name: "update to unknown", operation: update, body: `{"service":"web","taskDefinition":"gone"}`, code: "ClientException", parts: []string{"TaskDefinition not found."}},
		{name: "update to inactive", operation: update, body: `{"service":"web","taskDefinition":"web:2"}`, code: "ClientException", parts: []string{"TaskDefinition is inactive"}},
		{name: "update count", operation: update, body: `{"service":"web","desiredCount":-1}`, parts: []string{"desiredCount", "-1"}},
		{name: "update maximum", operation: update, body: `{"service":"web","deploymentConfiguration":{"maximumPercent":100}}`, parts: []string{"Both maximumPercent and minimumHealthyPercent cannot be 100"}},
		{name: "update daemon's count", operation: update, body: `{"service":"daemon","desiredCount":1}`, parts: []string{"does not support a desired count"}},
		{name: "update daemon's strategy", operation: update, body: `{"service":"daemon","placementStrategy":[{"type":"random"}]}`, parts: []string{"does not support placement strategies"}},
		{name: "update platform", operation: update, body: `{"service":"web","platformVersion":"1.4.0"}`, parts: []string{"platformVersion"}},
		{name: "update controller", operation: update, body: `{"service":"web","deploymentController":{"type":"EXTERNAL"}}`, code: "UnsupportedFeatureException", parts: []string{"deploymentController.type"}},
		{name: "delete nothing", operation: remove, body: `{}`, parts: []string{"service should not be empty."}},
		{name: "delete unknown", operation: remove, body: `{"service":"gone"}`, code: gone, parts: []string{"Service not found."}},
		{name: "delete in no cluster", operation: remove, body: `{"cluster":"gone","service":"web"}`, code: "ClusterNotFoundException"},
		{name: "delete what runs", operation: remove, body: `{"service":"web","force":false}`, parts: []string{"The service cannot be stopped while it is scaled above 0."}},
		{name: "describe nothing", operation: describe, body: `{"services":[]}`, parts: []string{"Services cannot be empty."}},
		{name: "describe eleven", operation: describe, body: `{"services":["1","2","3","4","5","6","7","8","9","10","11"]}`, parts: []string{"services", "11", "10"}},
		{name: "describe in no cluster", operation: describe, body: `{"services":["web"],"cluster":"gone"}`, code: "ClusterNotFoundException"},
		{name: "describe bad name", operation: describe, body: `{"services":["web","a b"]}`, parts: []string{"service", `"a b"`}},
		{name: "describe more", operation: describe, body: `{"services":["web"],"include":["ALL"]}`, parts: []string{"include", "TAGS", `"ALL"`}},
		{name: "describe another cluster's", operation: describe, body: `{"services":["` + prefix + `service/closed/web"]}`, parts: []string{"Identifier is for cluster closed. Your cluster is default"}},
		{name: "list in no cluster", operation: list, body: `{"cluster":"gone"}`, code: "ClusterNotFoundException"},
		{name: "list 101", operation: list, body: `{"maxResults":101}`, parts: []string{"maxResults", "101"}},
		{name: "list 0", operation: list, body: `{"maxResults":0}`, parts: []string{"maxResults", "0"}},
		{name: "list from nowhere", operation: list, body: `{"nextToken":"x"}`, parts: []string{"nextToken"}},
		{name: "list launch type", operation: list, body: `{"launchType":"X"}`, parts: []string{"launchType", `"X"`}},
		{name: "list strategy", operation: list, body: `{"schedulingStrategy":"X"}`, parts: []string{"schedulingStrategy", `"X"`}},
		{name: "list by namespace", operation: "ListServicesByNamespace", body: `{"namespace":"n"}`, code: "UnsupportedFeatureException", parts: []string{"ListServicesByNamespace"}},
	}
}

func onDeployments() []badInput {
	const stop, list, describe, revisions = "StopServiceDeployment", "ListServiceDeployments", "DescribeServiceDeployments", "DescribeServiceRevisions"
	many := strings.TrimSuffix(strings.Repeat(`"`+prefix+`service-deployment/default/web/x",`, 21), ",")
	return []badInput{
		{name: "history of nothing", operation: list, body: `{}`, parts: []string{"service should not be empty."}},
		{name: "history of unknown", operation: list, body: `{"service":"gone"}`, code: "ServiceNotFoundException"},
		{name: "history in no cluster", operation: list, body: `{"service":"web","cluster":"gone"}`, code: "ClusterNotFoundException"},
		{name: "history by status", operation: list, body: `{"service":"web","status":["DONE"]}`, parts: []string{"status", "SUCCESSFUL", `"DONE"`}},
		{name: "history of 101", operation: list, body: `{"service":"web","maxResults":101}`, parts: []string{"maxResults", "101"}},
		{name: "no deployments", operation: describe, body: `{"serviceDeploymentArns":[]}`, parts: []string{"serviceDeploymentArns should not be empty."}},
		{name: "21 deployments", operation: describe, body: `{"serviceDeploymentArns":[` + many + `]}`, parts: []string{"serviceDeploymentArns", "21", "20"}},
		{name: "no ARN of a deployment", operation: describe, body: `{"serviceDeploymentArns":["x"]}`, parts: []string{"serviceDeploymentArns", `"x"`}},
		{name: "half an ARN of a deployment", operation: describe, body: `{"serviceDeploymentArns":["` + prefix + `service-deployment/default/web"]}`, parts: []string{"serviceDeploymentArns", "service deployment"}},
		{name: "a service is no deployment", operation: describe, body: `{"serviceDeploymentArns":["` + prefix + `service/default/web"]}`, parts: []string{"Unsupported resource type: service", "serviceDeploymentArns"}},
		{name: "no revisions", operation: revisions, body: `{"serviceRevisionArns":[]}`, parts: []string{"serviceRevisionArns should not be empty."}},
		{name: "a deployment is no revision", operation: revisions, body: `{"serviceRevisionArns":["` + prefix + `service-deployment/default/web/x"]}`, parts: []string{"Unsupported resource type: service-deployment", "serviceRevisionArns"}},
		{name: "stop nothing", operation: stop, body: `{}`, parts: []string{"serviceDeploymentArn should not be empty."}},
		{name: "stop what is none", operation: stop, body: `{"serviceDeploymentArn":"x"}`, parts: []string{"serviceDeploymentArn"}},
		{name: "stop one that is not there", operation: stop, body: `{"serviceDeploymentArn":"` + prefix + `service-deployment/default/web/x"}`, code: "ServiceDeploymentNotFoundException"},
		{name: "stop somehow", operation: stop, body: `{"stopType":"YOLO","serviceDeploymentArn":"x"}`, parts: []string{"stopType", "ABORT,ROLLBACK"}},
		{name: "abort", operation: stop, body: `{"stopType":"ABORT","serviceDeploymentArn":"x"}`, code: "UnsupportedFeatureException", parts: []string{"stopType ABORT", "ROLLBACK"}},
		{name: "continue", operation: "ContinueServiceDeployment", body: `{"serviceDeploymentArn":"x"}`, code: "UnsupportedFeatureException", parts: []string{"ContinueServiceDeployment"}},
	}
}

// TestBadServices sends requests of which one thing is bad to a region with a service, a daemon and a deleted cluster.
func TestBadServices(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.register("web")
	w.register("web")
	w.deregister("web:2")
	must(w.CreateService(t.Context(), newService("web", 2)))(t)
	must(w.CreateService(t.Context(), &client.CreateServiceInput{
		ServiceName: aws.String("daemon"), TaskDefinition: aws.String("web:1"), SchedulingStrategy: "DAEMON",
	}))(t)
	must(w.CreateCluster(t.Context(), &client.CreateClusterInput{ClusterName: aws.String("closed")}))(t)
	must(w.DeleteCluster(t.Context(), &client.DeleteClusterInput{Cluster: aws.String("closed")}))(t)
	cases := append(append(append(append(append(badNames(), badLaunches()...), badPlacements()...), badDeployments()...), append(badMonitoring(), onService()...)...), onDeployments()...)
	for member, given := range notHonoured() {
		for operation, body := range map[string]string{"CreateService": create(given), "UpdateService": `{"service":"web",` + given + `}`} {
			cases = append(cases, badInput{
				name: operation + " with " + member, operation: operation, body: body,
				code: "UnsupportedFeatureException", parts: []string{member, "is not supported by this version of maitred"},
			})
		}
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

// TestGoodServices checks that the requests of TestBadServices are bad for the one thing alone, and that what asks for
// nothing may be there.
func TestGoodServices(t *testing.T) {
	t.Parallel()
	const nothing = `"loadBalancers":[],"serviceRegistries":[],"serviceConnectConfiguration":{"enabled":false},"volumeConfigurations":[],` +
		`"vpcLatticeConfigurations":[],"enableExecuteCommand":false,"availabilityZoneRebalancing":"DISABLED","networkConfiguration":{},` +
		`"capacityProviderStrategy":[],"placementConstraints":[],"placementStrategy":[],"deploymentController":{"type":"ECS"},` +
		`"deploymentConfiguration":{"deploymentCircuitBreaker":{"enable":false,"rollback":true},"alarms":{"enable":false,"rollback":false,"alarmNames":[]},` +
		`"strategy":"ROLLING","bakeTimeInMinutes":0,"lifecycleHooks":[],"maximumPercent":200,"minimumHealthyPercent":100},"platformVersion":"","role":""`
	for _, body := range []string{
		create(`"desiredCount":0`), create(`"desiredCount":5000`), create(`"healthCheckGracePeriodSeconds":2147483647`),
		create(`"clientToken":"` + strings.Repeat("~", 36) + `"`), create(`"taskDefinition":"` + prefix + `task-definition/web:1"`),
		create(`"cluster":"` + prefix + `cluster/default"`), deployment(`"minimumHealthyPercent":0,"maximumPercent":1000`),
		create(`"placementStrategy":[{"type":"spread","field":"attribute:rack"},{"type":"binpack","field":"cpu"}]`), daemon(""), create(nothing),
	} {
		w := newWorld(t)
		w.register("web")
		if status, answer := w.send("CreateService", body); status != 200 {
			t.Errorf("%s\ngot %d %s", body, status, answer)
		}
		if status, answer := w.send("UpdateService", `{"service":"new",`+nothing[:strings.LastIndex(nothing, `,"role"`)]+`}`); status != 200 && !strings.Contains(body, "DAEMON") {
			t.Errorf("updated after %s\ngot %d %s", body, status, answer)
		}
	}
}
