package ecs_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"

	"github.com/maitred/maitred/internal/arn"
)

// list is a JSON list of n times an element.
func list(n int, element string) string {
	return "[" + strings.TrimSuffix(strings.Repeat(element+",", n), ",") + "]"
}

const (
	invalid     = "InvalidParameterException"
	fault       = "ClientException"
	unsupported = "UnsupportedFeatureException"
	noCluster   = "ClusterNotFoundException"
)

// badWorld has a machine, and the task definitions web (bridge), vpc (awsvpc) and old (INACTIVE).
func badWorld(t *testing.T) taskWorld {
	t.Helper()
	f := newTaskWorld(t, "m1")
	f.define("web", 100)
	must(f.DeregisterTaskDefinition(t.Context(), &client.DeregisterTaskDefinitionInput{TaskDefinition: aws.String(f.define("old", 100))}))(t)
	if status, body := f.send("RegisterTaskDefinition", `{"family":"vpc","networkMode":"awsvpc",
		"containerDefinitions":[{"name":"app","image":"i","memory":64}],
		"placementConstraints":[{"type":"memberOf","expression":"attribute:a == b"}]}`); status != 200 {
		t.Fatal(body)
	}
	return f
}

func TestBadRunTask(t *testing.T) {
	t.Parallel()
	const awsvpc = `{"awsvpcConfiguration":{"subnets":["s"]}}`
	// run changes one thing in a request that is good; app and override change the override of its container.
	run := func(more string) string { return `{"taskDefinition":"web"` + more + `}` }
	override := func(more string) string {
		return run(`,"overrides":{"containerOverrides":[{"name":"app"}]` + more + `}`)
	}
	app := func(more string) string {
		return run(`,"overrides":{"containerOverrides":[{"name":"app"` + more + `}]}`)
	}
	refusedRuns := []badInput{
		{name: "no task definition", body: `{}`, parts: []string{"taskDefinition"}},
		{name: "unknown task definition", body: `{"taskDefinition":"none"}`, code: fault, parts: []string{"TaskDefinition not found."}},
		{name: "unknown revision", body: `{"taskDefinition":"web:7"}`, code: fault, parts: []string{"TaskDefinition not found."}},
		{name: "inactive task definition", body: `{"taskDefinition":"old:1"}`, parts: []string{"TaskDefinition is inactive"}},
		{name: "unknown cluster", body: run(`,"cluster":"none"`), code: noCluster, parts: []string{"Cluster not found."}},
		{name: "bad cluster", body: run(`,"cluster":"a b"`), parts: []string{"cluster", `"a b"`}},
		{name: "count 0", body: run(`,"count":0`), parts: []string{"count should be between 1 and 10", "0"}},
		{name: "count 11", body: run(`,"count":11`), parts: []string{"count should be between 1 and 10", "11"}},
		{name: "long token", body: run(`,"clientToken":"` + strings.Repeat("x", 65) + `"`), parts: []string{"clientToken", "64"}},
		{name: "token with a space", body: run(`,"clientToken":"a b"`), parts: []string{"clientToken"}},
		{name: "empty token", body: run(`,"clientToken":""`), parts: []string{"clientToken"}},
		{name: "launch type", body: run(`,"launchType":"MOON"`), parts: []string{"launchType should be one of", "MOON"}},
		{name: "launch type and strategy", body: run(`,"launchType":"EC2","capacityProviderStrategy":[{"capacityProvider":"FARGATE"}]`), parts: []string{
			"Specifying both a launch type and capacity provider strategy is not supported. Remove one and try again.",
		}},
		{name: "unknown provider", body: run(`,"capacityProviderStrategy":[{"capacityProvider":"x","weight":1}]`), parts: []string{
			"cannot contain a capacity provider that is not associated with the cluster", "capacityProviderStrategy[0]",
		}},
		{name: "provider without weight", body: run(`,"capacityProviderStrategy":[{"capacityProvider":"FARGATE"}]`), parts: []string{"weight", "capacityProviderStrategy"}},
		{name: "constraints with a provider", body: run(`,"capacityProviderStrategy":[{"capacityProvider":"FARGATE","weight":1}],"placementConstraints":[{"type":"distinctInstance"}]`), parts: []string{"placementConstraints"}},
		{name: "managed instances", body: run(`,"launchType":"MANAGED_INSTANCES"`), code: unsupported, parts: []string{"launchType", "MANAGED_INSTANCES"}},
		{name: "platform version on EC2", body: run(`,"platformVersion":"LATEST"`), parts: []string{"The platform version must be null when specifying an EC2 launch type", "platformVersion"}},
		{name: "unknown platform version", body: run(`,"launchType":"FARGATE","platformVersion":"9"`), code: "PlatformUnknownException", parts: []string{"platformVersion", "9"}},
		{name: "constraints on Fargate", body: run(`,"launchType":"FARGATE","placementConstraints":[{"type":"distinctInstance"}]`), parts: []string{"placementConstraints", "FARGATE"}},
		{name: "strategy on Fargate", body: run(`,"launchType":"FARGATE","placementStrategy":[{"type":"random"}]`), parts: []string{"placementStrategy", "FARGATE"}},
		{name: "group of a service", body: run(`,"group":"service:web"`), parts: []string{"group", "service:"}},
		{name: "long group", body: run(`,"group":"` + strings.Repeat("g", 256) + `"`), parts: []string{"group", "255"}},
		{name: "started by", body: run(`,"startedBy":"a b"`), parts: []string{"startedBy", "a b"}},
		{name: "long started by", body: run(`,"startedBy":"` + strings.Repeat("x", 129) + `"`), parts: []string{"startedBy", "128"}},
		{name: "long reference", body: run(`,"referenceId":"` + strings.Repeat("x", 1025) + `"`), parts: []string{"referenceId", "1024"}},
		{name: "tags of a service", body: run(`,"propagateTags":"SERVICE"`), parts: []string{"propagateTags", "SERVICE"}},
		{name: "propagate tags", body: run(`,"propagateTags":"ALL"`), parts: []string{"propagateTags should be one of", "ALL"}},
		{name: "reserved tag", body: run(`,"tags":[{"key":"aws:x","value":"v"}]`), parts: []string{"tags[0]", "aws:"}},
		{name: "tag twice", body: run(`,"tags":[{"key":"x"},{"key":"x"}]`), parts: []string{"tags[1]", "twice"}},
		{name: "Fargate on a bridge", body: run(`,"launchType":"FARGATE"`), parts: []string{"Task definition does not support launch_type FARGATE.", "network mode ‘awsvpc’"}},
		{name: "external awsvpc", body: `{"taskDefinition":"vpc","launchType":"EXTERNAL"}`, parts: []string{"Task definition does not support launch_type EXTERNAL.", "awsvpc"}},
		{name: "volumes", body: run(`,"volumeConfigurations":[{"name":"v"}]`), code: unsupported, parts: []string{"volumeConfigurations"}},

		{name: "network with bridge", body: run(`,"networkConfiguration":` + awsvpc), parts: []string{
			"Network Configuration is not valid for the given networkMode of this task definition.",
		}},
		{name: "no network with awsvpc", body: `{"taskDefinition":"vpc"}`, parts: []string{
			"Network Configuration must be provided when networkMode 'awsvpc' is specified.",
		}},
		{name: "empty network", body: run(`,"networkConfiguration":{}`), parts: []string{"networkConfiguration.awsvpcConfiguration"}},
		{name: "no subnets", body: run(`,"networkConfiguration":{"awsvpcConfiguration":{"subnets":[]}}`), parts: []string{"subnets can not be empty"}},
		{name: "17 subnets", body: run(`,"networkConfiguration":{"awsvpcConfiguration":{"subnets":` + list(17, `"s"`) + `}}`), parts: []string{"subnets", "17", "16"}},
		{name: "6 groups", body: run(`,"networkConfiguration":{"awsvpcConfiguration":{"subnets":["s"],"securityGroups":` + list(6, `"g"`) + `}}`), parts: []string{"securityGroups", "6", "5"}},
		{name: "public address", body: run(`,"networkConfiguration":{"awsvpcConfiguration":{"subnets":["s"],"assignPublicIp":"MAYBE"}}`), parts: []string{"assignPublicIp should be one of", "MAYBE"}},

		{name: "11 constraints", body: run(`,"placementConstraints":` + list(11, `{"type":"distinctInstance"}`)), parts: []string{"placementConstraints", "11", "10"}},
		{
			name: "11 constraints in all", parts: []string{"placementConstraints", "11", "10"},
			body: `{"taskDefinition":"vpc","networkConfiguration":` + awsvpc + `,"placementConstraints":` + list(10, `{"type":"distinctInstance"}`) + `}`,
		},
		{name: "constraint type", body: run(`,"placementConstraints":[{"type":"near"}]`), parts: []string{"placementConstraints[0].type", "near"}},
		{name: "no constraint type", body: run(`,"placementConstraints":[{}]`), parts: []string{"placementConstraints[0].type"}},
		{name: "distinct expression", body: run(`,"placementConstraints":[{"type":"distinctInstance","expression":"a"}]`), parts: []string{"placementConstraints[0].expression"}},
		{name: "bad expression", body: run(`,"placementConstraints":[{"type":"memberOf","expression":"attribute:x =="}]`), parts: []string{"placementConstraints[0].expression", "position"}},
		{name: "no expression", body: run(`,"placementConstraints":[{"type":"memberOf"}]`), parts: []string{"placementConstraints[0].expression"}},
		{name: "6 strategies", body: run(`,"placementStrategy":` + list(6, `{"type":"random"}`)), parts: []string{"placementStrategy", "6", "5"}},
		{name: "strategy type", body: run(`,"placementStrategy":[{"type":"near"}]`), parts: []string{"placementStrategy[0].type", "near"}},
		{name: "spread field", body: run(`,"placementStrategy":[{"type":"spread","field":"zone"}]`), parts: []string{"placement strategy spread", "zone"}},
		{name: "binpack field", body: run(`,"placementStrategy":[{"type":"binpack"}]`), parts: []string{"placement strategy binpack", "cpu or memory"}},
		{name: "random field", body: run(`,"placementStrategy":[{"type":"random","field":"cpu"}]`), parts: []string{"placementStrategy[0].field"}},

		{name: "long overrides", body: app(`,"command":["` + strings.Repeat("x", 8192) + `"]`), parts: []string{"overrides", "8192"}},
		{name: "unknown container", body: run(`,"overrides":{"containerOverrides":[{"name":"none"}]}`), parts: []string{
			"Override for container named none is not a container in the TaskDefinition.",
		}},
		{name: "no container", body: run(`,"overrides":{"containerOverrides":[{"command":["a"]}]}`), parts: []string{"overrides.containerOverrides[0].name"}},
		{name: "container twice", body: run(`,"overrides":{"containerOverrides":[{"name":"app"},{"name":"app"}]}`), parts: []string{"overrides.containerOverrides[1]", "twice"}},
		{name: "override cpu", body: override(`,"cpu":"64"`), parts: []string{"overrides.cpu", "64"}},
		{name: "override memory", body: override(`,"memory":"much"`), parts: []string{"overrides.memory", "much"}},
		{name: "storage", body: override(`,"ephemeralStorage":{"sizeInGiB":20}`), parts: []string{"overrides.ephemeralStorage.sizeInGiB should be between 21 and 200", "20"}},
		{name: "inference", body: override(`,"inferenceAcceleratorOverrides":[{"deviceName":"d"}]`), code: unsupported, parts: []string{"overrides.inferenceAcceleratorOverrides"}},
		{name: "environment file", body: app(`,"environmentFiles":[{"type":"s3","value":"v"}]`), parts: []string{"overrides.containerOverrides[0].environmentFiles[0].value", "ARN", `"v"`}},
		{name: "type of an environment file", body: app(`,"environmentFiles":[{"type":"ftp","value":"arn:aws:s3:::b/a.env"}]`), parts: []string{"environmentFiles[0].type should be one of [s3]", "ftp"}},
		{name: "11 environment files", body: app(`,"environmentFiles":` + list(11, `{"type":"s3","value":"arn:aws:s3:::b/a.env"}`)), parts: []string{"environmentFiles", "11", "10"}},
		{name: "GPUs", body: app(`,"resourceRequirements":[{"type":"GPU","value":"0"}]`), parts: []string{"overrides.containerOverrides[0].resourceRequirements[0].value", `"0"`}},
		{name: "GPUs twice", body: app(`,"resourceRequirements":[{"type":"GPU","value":"1"},{"type":"GPU","value":"1"}]`), parts: []string{"resourceRequirements[1]", "twice"}},
		{name: "resource type", body: app(`,"resourceRequirements":[{"type":"TPU","value":"1"}]`), parts: []string{"resourceRequirements[0].type", "TPU"}},
		{name: "another resource", body: app(`,"resourceRequirements":[{"type":"InferenceAccelerator","value":"d"}]`), code: unsupported, parts: []string{"overrides.containerOverrides[0].resourceRequirements[0]"}},
		{name: "all GPUs", body: app(`,"resourceRequirements":[{"type":"GPU","value":"ALL"}]`), code: unsupported, parts: []string{"overrides.containerOverrides[0].resourceRequirements[0]"}},
		{name: "variable without name", body: app(`,"environment":[{"value":"v"}]`), parts: []string{"overrides.containerOverrides[0].environment[0].name"}},
		{name: "container cpu", body: app(`,"cpu":-1`), parts: []string{"overrides.containerOverrides[0].cpu", "-1"}},
		{name: "container memory", body: app(`,"memory":5`), parts: []string{"overrides.containerOverrides[0].memory should be at least 6", "5"}},
		{name: "reservation above memory", body: app(`,"memoryReservation":101`), parts: []string{"overrides", "app", "memoryReservation 101"}},
	}
	for i := range refusedRuns {
		refusedRuns[i].operation = "RunTask"
		if refusedRuns[i].code == "" {
			refusedRuns[i].code = invalid
		}
	}
	refused(t, badWorld(t).world, refusedRuns)
}

func TestBadTaskRequests(t *testing.T) {
	t.Parallel()
	f := badWorld(t)
	task := arn.Task(defaultCluster, strings.Repeat("0", 32))
	elsewhere := arn.Task(prefix+"cluster/other", strings.Repeat("0", 32))
	abroad := strings.Replace(task, region, "eu-north-1", 1)
	startOn := func(instances, more string) string {
		return `{"taskDefinition":"web","containerInstances":` + instances + more + `}`
	}
	one := `["` + instance("m1") + `"]`
	tasks := func(list, more string) string { return `{"tasks":` + list + more + `}` }
	refused(t, f.world, []badInput{
		{"start nowhere", "StartTask", startOn("[]", ""), invalid, []string{"containerInstances can not be empty."}},
		{"start on 11", "StartTask", startOn(list(11, `"`+instance("m1")+`"`), ""), invalid, []string{"containerInstances", "11", "10"}},
		{"start on a word", "StartTask", startOn(`["m1"]`, ""), invalid, []string{"containerInstanceId length should be one of [32,36]", "m1"}},
		{"start on a task", "StartTask", startOn(`["`+task+`"]`, ""), invalid, []string{"containerInstances", "Unsupported resource type"}},
		{"start, long started by", "StartTask", startOn(one, `,"startedBy":"`+strings.Repeat("x", 37)+`"`), invalid, []string{"startedBy", "36"}},
		{"start, started by with a slash", "StartTask", startOn(one, `,"startedBy":"a/b"`), invalid, []string{"startedBy", "a/b"}},
		{"start, unknown container", "StartTask", startOn(one, `,"overrides":{"containerOverrides":[{"name":"none"}]}`), invalid, []string{"Override for container named none"}},
		{"start in no cluster", "StartTask", startOn(`["`+strings.Repeat("0", 32)+`"]`, `,"cluster":"none"`), noCluster, []string{"Cluster not found."}},

		{"stop nothing", "StopTask", `{}`, invalid, []string{"task should not be empty."}},
		{"stop an unknown task", "StopTask", `{"task":"` + task + `"}`, invalid, []string{"The referenced task was not found."}},
		{"stop a word", "StopTask", `{"task":"web"}`, invalid, []string{"taskId length should be one of [32,36]", "web"}},
		{"stop 32 characters", "StopTask", `{"task":"` + strings.Repeat("z", 32) + `"}`, invalid, []string{"task", "zzz"}},
		{"stop elsewhere", "StopTask", `{"task":"` + elsewhere + `"}`, invalid, []string{"Identifier is for cluster other. Your cluster is default", "task"}},
		{"stop abroad", "StopTask", `{"task":"` + abroad + `"}`, invalid, []string{"task", "eu-north-1"}},
		{"stop in no cluster", "StopTask", `{"cluster":"none","task":"` + strings.Repeat("0", 32) + `"}`, noCluster, []string{"Cluster not found."}},
		{"long reason", "StopTask", `{"task":"` + task + `","reason":"` + strings.Repeat("x", 1025) + `"}`, invalid, []string{"reason", "1024"}},

		{"describe nothing", "DescribeTasks", tasks("[]", ""), invalid, []string{"tasks can not be empty."}},
		{"describe 101", "DescribeTasks", tasks(list(101, `"`+task+`"`), ""), invalid, []string{"tasks", "101", "100"}},
		{"describe with more", "DescribeTasks", tasks(`["`+task+`"]`, `,"include":["ALL"]`), invalid, []string{"include", "ALL"}},
		{"describe in no cluster", "DescribeTasks", tasks(`["`+strings.Repeat("0", 32)+`"]`, `,"cluster":"none"`), noCluster, []string{"Cluster not found."}},
		{"describe a service", "DescribeTasks", tasks(`["`+arn.Service(defaultCluster, "s")+`"]`, ""), invalid, []string{"Unsupported resource type: service", "tasks"}},

		{"list in no cluster", "ListTasks", `{"cluster":"none"}`, noCluster, []string{"Cluster not found."}},
		{"list by status", "ListTasks", `{"desiredStatus":"DONE"}`, invalid, []string{"desiredStatus should be one of", "DONE"}},
		{"list by launch type", "ListTasks", `{"launchType":"MOON"}`, invalid, []string{"launchType should be one of", "MOON"}},
		{"list by two filters", "ListTasks", `{"startedBy":"me","family":"web"}`, invalid, []string{"startedBy should be the only filter", "family"}},
		{"list by daemon", "ListTasks", `{"daemonName":"d"}`, unsupported, []string{"daemonName"}},
		{"list of no service", "ListTasks", `{"serviceName":"none"}`, "ServiceNotFoundException", []string{"Service not found."}},
		{"list of no instance", "ListTasks", `{"containerInstance":"` + strings.Repeat("0", 32) + `"}`, invalid, []string{"containerInstance"}},
		{"list 101", "ListTasks", `{"maxResults":101}`, invalid, []string{"maxResults", "101", "100"}},
		{"list with a forged token", "ListTasks", `{"nextToken":"forged"}`, invalid, []string{"nextToken"}},

		{"protection without cluster", "GetTaskProtection", tasks(`["`+task+`"]`, ""), invalid, []string{"cluster should not be empty."}},
		{"protection of nothing", "GetTaskProtection", `{"cluster":"default"}`, invalid, []string{"tasks can not be empty."}},
		{"protection in no cluster", "GetTaskProtection", tasks(`["`+strings.Repeat("0", 32)+`"]`, `,"cluster":"none"`), noCluster, []string{"Cluster not found."}},
		{"protect 11", "UpdateTaskProtection", tasks(list(11, `"`+task+`"`), `,"cluster":"default","protectionEnabled":true`), invalid, []string{"tasks", "11", "10"}},
		{"protect for 0 minutes", "UpdateTaskProtection", tasks(`["`+task+`"]`, `,"cluster":"default","protectionEnabled":true,"expiresInMinutes":0`), invalid, []string{"expiresInMinutes", "2880"}},
		{"protect for 3 days", "UpdateTaskProtection", tasks(`["`+task+`"]`, `,"cluster":"default","protectionEnabled":true,"expiresInMinutes":4320`), invalid, []string{"expiresInMinutes", "4320"}},

		{"exec without command", "ExecuteCommand", `{"task":"` + task + `","interactive":true}`, invalid, []string{"command can not be empty."}},
		{"exec without task", "ExecuteCommand", `{"command":"sh","interactive":true}`, invalid, []string{"task can not be empty."}},
		{"exec that is not interactive", "ExecuteCommand", `{"task":"` + task + `","command":"sh"}`, invalid, []string{"Interactive is the only mode supported currently."}},
		{"exec in no cluster", "ExecuteCommand", `{"task":"` + strings.Repeat("0", 32) + `","cluster":"none","command":"sh","interactive":true}`, noCluster, []string{"Cluster not found."}},
		{"exec in a bad id", "ExecuteCommand", `{"task":"x","command":"sh","interactive":true}`, invalid, []string{"taskId"}},
		{"exec in no task", "ExecuteCommand", `{"task":"` + strings.Repeat("0", 32) + `","command":"sh","interactive":true}`, invalid, []string{"not found"}},
	})
}

func TestBadInstanceRequests(t *testing.T) {
	t.Parallel()
	f := badWorld(t)
	f.run("web", 1)
	m1, unknown := instance("m1"), strings.Repeat("0", 32)
	instances := func(list, more string) string { return `{"containerInstances":` + list + more + `}` }
	attribute := func(more string) string {
		return `{"attributes":[{"targetId":"` + m1 + `"` + more + `}]}`
	}
	refused(t, f.world, []badInput{
		{"describe nothing", "DescribeContainerInstances", instances("[]", ""), invalid, []string{"containerInstances can not be empty."}},
		{"describe 101", "DescribeContainerInstances", instances(list(101, `"`+m1+`"`), ""), invalid, []string{"containerInstances", "101", "100"}},
		{"describe with more", "DescribeContainerInstances", instances(`["`+m1+`"]`, `,"include":["ALL"]`), invalid, []string{"include", "ALL"}},
		{"describe a word", "DescribeContainerInstances", instances(`["m1"]`, ""), invalid, []string{"containerInstances", "m1"}},
		{"describe in no cluster", "DescribeContainerInstances", instances(`["`+unknown+`"]`, `,"cluster":"none"`), noCluster, []string{"Cluster not found."}},
		{"describe elsewhere", "DescribeContainerInstances", instances(`["`+m1+`"]`, `,"cluster":"other"`), invalid, []string{"Identifier is for cluster default. Your cluster is other"}},

		{"list in no cluster", "ListContainerInstances", `{"cluster":"none"}`, noCluster, []string{"Cluster not found."}},
		{"list by status", "ListContainerInstances", `{"status":"DONE"}`, invalid, []string{"status should be one of", "DONE"}},
		{"list by nonsense", "ListContainerInstances", `{"filter":"attribute:x =="}`, invalid, []string{"filter", "position"}},
		{"list by a look-around", "ListContainerInstances", `{"filter":"attribute:x =~ '(?=a)'"}`, invalid, []string{"filter"}},
		{"list none", "ListContainerInstances", `{"maxResults":0}`, invalid, []string{"maxResults", "100"}},
		{"list with a forged token", "ListContainerInstances", `{"nextToken":"forged"}`, invalid, []string{"nextToken"}},

		{"update to nothing", "UpdateContainerInstancesState", instances(`["`+m1+`"]`, ""), invalid, []string{"Container instance status should be one of [ACTIVE, DRAINING]"}},
		{"update to INACTIVE", "UpdateContainerInstancesState", instances(`["`+m1+`"]`, `,"status":"INACTIVE"`), invalid, []string{
			"Container instance status should be one of [ACTIVE, DRAINING]", "INACTIVE",
		}},
		{"update 11", "UpdateContainerInstancesState", instances(list(11, `"`+m1+`"`), `,"status":"DRAINING"`), invalid, []string{"containerInstances", "11", "10"}},
		{"update none", "UpdateContainerInstancesState", `{"status":"DRAINING"}`, invalid, []string{"containerInstances can not be empty."}},
		{"update in no cluster", "UpdateContainerInstancesState", instances(`["`+unknown+`"]`, `,"status":"DRAINING","cluster":"none"`), noCluster, []string{"Cluster not found."}},

		{"deregister nothing", "DeregisterContainerInstance", `{}`, invalid, []string{"containerInstance should not be empty."}},
		{"deregister with tasks", "DeregisterContainerInstance", `{"containerInstance":"` + m1 + `"}`, invalid, []string{"Found running tasks on the instance."}},
		{"deregister the unknown", "DeregisterContainerInstance", `{"containerInstance":"` + unknown + `"}`, invalid, []string{"The referenced container instance was not found."}},
		{"deregister in no cluster", "DeregisterContainerInstance", `{"containerInstance":"` + unknown + `","cluster":"none"}`, noCluster, []string{"Cluster not found."}},
		{"register", "RegisterContainerInstance", `{}`, unsupported, []string{"RegisterContainerInstance", "agent"}},
		{"poll", "DiscoverPollEndpoint", `{}`, unsupported, []string{"DiscoverPollEndpoint", "agent"}},
		{"submit", "SubmitTaskStateChange", `{}`, unsupported, []string{"SubmitTaskStateChange", "agent"}},

		{"no attributes", "PutAttributes", `{"attributes":[]}`, invalid, []string{"attributes can not be empty."}},
		{"11 attributes", "PutAttributes", `{"attributes":` + list(11, `{"name":"a"}`) + `}`, invalid, []string{"attributes", "11", "10"}},
		{"attribute without name", "PutAttributes", attribute(``), invalid, []string{"attributes[0].name"}},
		{"attribute with a space", "PutAttributes", attribute(`,"name":"a b"`), invalid, []string{"attributes[0].name", "a b"}},
		{"long attribute", "PutAttributes", attribute(`,"name":"` + strings.Repeat("a", 129) + `"`), invalid, []string{"attributes[0].name", "128"}},
		{"built-in attribute", "PutAttributes", attribute(`,"name":"ecs.os-type","value":"windows"`), invalid, []string{"attributes[0].name", "ecs."}},
		{"value with a space at its end", "PutAttributes", attribute(`,"name":"a","value":"b "`), invalid, []string{"attributes[0].value"}},
		{"value with a comma", "PutAttributes", attribute(`,"name":"a","value":"b,c"`), invalid, []string{"attributes[0].value", "b,c"}},
		{"attribute of nothing", "PutAttributes", `{"attributes":[{"name":"a"}]}`, invalid, []string{"attributes[0].targetId"}},
		{"attribute without type", "PutAttributes", `{"attributes":[{"name":"a","targetId":"` + unknown + `"}]}`, invalid, []string{"attributes[0].targetType"}},
		{"attribute of another type", "PutAttributes", attribute(`,"name":"a","targetType":"task"`), invalid, []string{"attributes[0].targetType", "task"}},
		{"attribute of the unknown", "PutAttributes", fmt.Sprintf(`{"attributes":[{"name":"a","targetType":"container-instance","targetId":%q}]}`, unknown), "TargetNotFoundException", []string{unknown}},
		{"attribute in no cluster", "PutAttributes", fmt.Sprintf(`{"cluster":"none","attributes":[{"name":"a","targetType":"container-instance","targetId":%q}]}`, unknown), noCluster, []string{"Cluster not found."}},
		{"delete with a value", "DeleteAttributes", attribute(`,"name":"a","value":"b"`), invalid, []string{"attributes[0].value"}},
		{"delete of the unknown", "DeleteAttributes", fmt.Sprintf(`{"attributes":[{"name":"a","targetType":"container-instance","targetId":%q}]}`, unknown), "TargetNotFoundException", []string{unknown}},
		{"attributes of no type", "ListAttributes", `{}`, invalid, []string{"targetType should be one of [container-instance]"}},
		{"attributes by value alone", "ListAttributes", `{"targetType":"container-instance","attributeValue":"v"}`, invalid, []string{"attributeValue", "attributeName"}},
		{"attributes in no cluster", "ListAttributes", `{"targetType":"container-instance","cluster":"none"}`, noCluster, []string{"Cluster not found."}},
	})
}
