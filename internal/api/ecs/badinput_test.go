package ecs_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/ecs"
)

// badInput is a request that is refused: what it sends, and parts of what it is told.
type badInput struct {
	name, operation, body string
	code                  string
	parts                 []string
}

// refused sends requests to one world, and checks that none of them changes anything.
func refused(t *testing.T, w *world, cases []badInput) {
	t.Helper()
	must(w.DescribeClusters(t.Context(), &client.DescribeClustersInput{}))(t) // makes the region
	rev := w.store.View().Revision()
	t.Cleanup(func() {
		if got := w.store.View().Revision(); got != rev {
			t.Errorf("the store went from revision %d to %d by requests that were refused", rev, got)
		}
	})
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			tc.check(t, w)
		})
	}
}

func (tc badInput) check(t *testing.T, w *world) {
	status, body := w.send(tc.operation, tc.body)
	var got struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("status %d, no JSON: %s", status, body)
	}
	if status != 400 || got.Type != tc.code {
		t.Errorf("got %d %s %q, want 400 %s", status, got.Type, got.Message, tc.code)
	}
	for _, p := range tc.parts {
		if !strings.Contains(got.Message, p) {
			t.Errorf("got message %q, want it to contain %q", got.Message, p)
		}
	}
}

// TestBadTaskDefinitions changes one thing at a time in a definition that is good.
func TestBadTaskDefinitions(t *testing.T) {
	t.Parallel()
	// task and app are members of the task definition and of its container app.
	register := func(task, app string) string {
		return fmt.Sprintf(`{"family":"f","containerDefinitions":[{"name":"app","image":"i","memory":64%s}]%s}`, app, task)
	}
	fargate := func(task, app string) string {
		return register(`,"requiresCompatibilities":["FARGATE"],"networkMode":"awsvpc","cpu":"256","memory":"512"`+task, app)
	}
	// two has another container besides app.
	two := func(app, other, task string) string {
		return fmt.Sprintf(`{"family":"f","containerDefinitions":[{"name":"app","image":"i","memory":64%s},{"name":"b","image":"i","memory":64%s}]%s}`,
			app, other, task)
	}
	const awsvpc, host, bridge, none = `,"networkMode":"awsvpc"`, `,"networkMode":"host"`, `,"networkMode":"bridge"`, `,"networkMode":"none"`
	long := strings.Repeat("x", 256)
	cases := []badInput{
		{name: "no family", body: `{"containerDefinitions":[{"name":"a","image":"i"}]}`, parts: []string{"Family should not be null or empty."}},
		{name: "bad family", body: `{"family":"a b","containerDefinitions":[{"name":"a","image":"i"}]}`, parts: []string{"Family", `"a b"`}},
		{name: "long family", body: `{"family":"` + long + `","containerDefinitions":[{"name":"a","image":"i"}]}`, parts: []string{"Family"}},
		{name: "no containers", body: `{"family":"f","containerDefinitions":[]}`, parts: []string{"containerDefinitions"}},
		{name: "eleven containers", body: `{"family":"f","containerDefinitions":[{},{},{},{},{},{},{},{},{},{},{}]}`, parts: []string{"containerDefinitions", "11", "10"}},
		{name: "no name", body: `{"family":"f","containerDefinitions":[{"image":"i"}]}`, parts: []string{"Container.name should not be null or empty."}},
		{name: "bad name", body: `{"family":"f","containerDefinitions":[{"name":"a.b","image":"i"}]}`, parts: []string{"Container.name", `"a.b"`}},
		{name: "no image", body: `{"family":"f","containerDefinitions":[{"name":"a"}]}`, parts: []string{"Container.image should not be null or empty."}},
		{name: "bad image", body: `{"family":"f","containerDefinitions":[{"name":"a","image":"a b"}]}`, parts: []string{"'image'", "'a'"}},
		{name: "long image", body: `{"family":"f","containerDefinitions":[{"name":"a","image":"` + long + `"}]}`, parts: []string{"'image'", "256", "255"}},
		{name: "bad digest", body: `{"family":"f","containerDefinitions":[{"name":"a","image":"a@sha256:12"}]}`, parts: []string{"'image'", "sha256:"}},
		{name: "names twice", body: strings.Replace(two("", "", ""), `"b"`, `"app"`, 1), parts: []string{"Container names must be unique within a task definition", "'app'"}},
		{name: "nothing essential", body: register("", `,"essential":false`), parts: []string{"Task definition doesn't have any essential container"}},
		{name: "too large", body: register("", `,"command":["`+strings.Repeat("x", 64<<10)+`"]`), parts: []string{"65536"}},

		{name: "no memory", body: `{"family":"f","containerDefinitions":[{"name":"a","image":"i"}]}`, parts: []string{
			"Invalid setting for container 'a'. At least one of 'memory' or 'memoryReservation' must be specified.",
		}},
		{name: "little memory", body: register("", `,"memoryReservation":5`), parts: []string{"'memoryReservation'", "at least 6", "got 5"}},
		{name: "memory below reservation", body: register("", `,"memoryReservation":65`), parts: []string{"'memory' must be greater than or equal to 'memoryReservation'"}},
		{name: "memory above the task's", body: register(`,"memory":"32"`, ""), parts: []string{"The 'memory' setting for container 'app' is greater than for the task."}},
		{name: "cpu above the task's", body: register(`,"cpu":"128"`, `,"cpu":129`), parts: []string{
			"The sum of all container 'cpu' values cannot be greater than the task-level 'cpu' value", "129",
		}},
		{name: "negative cpu", body: register("", `,"cpu":-1`), parts: []string{"'cpu'", "'app'", "-1"}},
		{name: "task cpu", body: register(`,"cpu":"127"`, ""), parts: []string{"Invalid 'cpu' setting for task.", "127"}},
		{name: "task cpu in words", body: register(`,"cpu":"one vCPU"`, ""), parts: []string{"Invalid 'cpu' setting for task.", "one vCPU"}},
		{name: "task memory", body: register(`,"memory":"2TB"`, ""), parts: []string{"Invalid 'memory' setting for task.", "2TB"}},

		{name: "network mode", body: register(`,"networkMode":"overlay"`, ""), parts: []string{"networkMode should be one of [bridge,host,awsvpc,none]", "overlay"}},
		{name: "pid mode", body: register(`,"pidMode":"all"`, ""), parts: []string{"pidMode should be one of [host,task]"}},
		{name: "ipc mode", body: register(`,"ipcMode":"all"`, ""), parts: []string{"ipcMode should be one of"}},
		{name: "compatibility", body: register(`,"requiresCompatibilities":["EKS"]`, ""), parts: []string{"requiresCompatibilities should be one of", "EKS"}},
		{name: "architecture", body: register(`,"runtimePlatform":{"cpuArchitecture":"MIPS"}`, ""), parts: []string{"runtimePlatform.cpuArchitecture", "MIPS"}},
		{name: "inference", body: register(`,"inferenceAccelerators":[{"deviceName":"d","deviceType":"t"}]`, ""), parts: []string{"inferenceAccelerators"}},
		{name: "ephemeral storage", body: fargate(`,"ephemeralStorage":{"sizeInGiB":20}`, ""), parts: []string{"ephemeralStorage.sizeInGiB", "21", "200"}},
		{name: "ephemeral storage on EC2", body: register(`,"requiresCompatibilities":["EC2"],"ephemeralStorage":{"sizeInGiB":30}`, ""), parts: []string{"ephemeralStorage", "FARGATE"}},
		{name: "constraint type", body: register(`,"placementConstraints":[{"type":"distinctInstance"}]`, ""), parts: []string{"placementConstraints[0].type", "memberOf"}},
		{name: "constraint expression", body: register(`,"placementConstraints":[{"type":"memberOf","expression":"attribute:"}]`, ""), parts: []string{"placementConstraints[0].expression"}},
		{name: "eleven constraints", body: register(`,"placementConstraints":[{},{},{},{},{},{},{},{},{},{},{}]`, ""), parts: []string{"placementConstraints", "11"}},

		{name: "ports with none", body: register(none, `,"portMappings":[{"containerPort":80}]`), parts: []string{"'portMappings'", "networkMode=none"}},
		{name: "container port", body: register("", `,"portMappings":[{"containerPort":70000}]`), parts: []string{"Invalid 'containerPort' setting for container 'app'.", "70000"}},
		{name: "no container port", body: register("", `,"portMappings":[{"hostPort":80}]`), parts: []string{"Invalid 'containerPort' setting for container 'app'."}},
		{name: "host port", body: register("", `,"portMappings":[{"containerPort":80,"hostPort":-1}]`), parts: []string{"'hostPort'", "-1"}},
		{name: "host port with awsvpc", body: register(awsvpc, `,"portMappings":[{"containerPort":80,"hostPort":81}]`), parts: []string{
			"When networkMode=awsvpc, the host ports and container ports in port mappings must match.",
		}},
		{name: "host port with host", body: register(host, `,"portMappings":[{"containerPort":80,"hostPort":0}]`), parts: []string{"When networkMode=host, the host ports"}},
		{name: "protocol", body: register("", `,"portMappings":[{"containerPort":80,"protocol":"sctp"}]`), parts: []string{"portMappings.protocol should be one of [tcp,udp]"}},
		{name: "two protocols", body: register("", `,"portMappings":[{"containerPort":80},{"containerPort":80,"protocol":"udp"}]`), parts: []string{"'containerPort'", "two protocols"}},
		{name: "port and range", body: register("", `,"portMappings":[{"containerPort":80,"containerPortRange":"1-2"}]`), parts: []string{"cannot specify both single port and port range"}},
		{name: "reversed range", body: register("", `,"portMappings":[{"containerPortRange":"20-10"}]`), parts: []string{"'containerPortRange'", "20-10"}},
		{name: "ranges overlap", body: register("", `,"portMappings":[{"containerPortRange":"10-20"},{"containerPortRange":"20-30"}]`), parts: []string{"'containerPortRange'", "20"}},
		{name: "range with host port", body: register("", `,"portMappings":[{"containerPortRange":"10-20","hostPort":10}]`), parts: []string{"hostPort"}},
		{name: "range with host", body: register(host, `,"portMappings":[{"containerPortRange":"10-20"}]`), parts: []string{"'containerPortRange'", "bridge or awsvpc"}},
		{name: "port name", body: register("", `,"portMappings":[{"containerPort":80,"name":"-x"}]`), parts: []string{"'portMappings.name'", "-x"}},
		{name: "port name twice", body: two(`,"portMappings":[{"containerPort":80,"name":"x"}]`, `,"portMappings":[{"containerPort":81,"name":"x"}]`, ""), parts: []string{"unique", "'x'"}},
		{name: "host port twice", body: two(`,"portMappings":[{"containerPort":80,"hostPort":8080}]`, `,"portMappings":[{"containerPort":81,"hostPort":8080}]`, ""), parts: []string{"'hostPort'", "8080/tcp", "'b'"}},

		{name: "no networking with awsvpc", body: register(awsvpc, `,"disableNetworking":true`), parts: []string{"Disable Networking is not supported on container when networkMode=awsvpc"}},
		{name: "links with awsvpc", body: two(`,"links":["b"]`, "", awsvpc), parts: []string{"Links is not supported on container when networkMode=awsvpc"}},
		{name: "hostname with awsvpc", body: register(awsvpc, `,"hostname":"h"`), parts: []string{"hostname", "networkMode=awsvpc"}},
		{name: "dns with awsvpc", body: register(awsvpc, `,"dnsServers":["1.1.1.1"]`), parts: []string{"dnsServers", "networkMode=awsvpc"}},
		{name: "a line after a zone in hosts", body: register("", `,"extraHosts":[{"hostname":"h","ipAddress":"fe80::1%eth0\n1.1.1.1 bank.example"}]`), parts: []string{"extraHosts[0].ipAddress should be an IP address", `\n1.1.1.1`}},
		{name: "a line after a zone in servers", body: register("", `,"dnsServers":["fe80::1%a\nsearch evil"]`), parts: []string{"dnsServers[0] should be an IP address"}},
		{name: "mount over the root", body: register(`,"volumes":[{"name":"v"}]`, `,"mountPoints":[{"sourceVolume":"v","containerPath":"/x/.."}]`), parts: []string{"mountPoints[0].containerPath: nothing can be mounted at"}},
		{name: "mount into proc", body: register(`,"volumes":[{"name":"v"}]`, `,"mountPoints":[{"sourceVolume":"v","containerPath":"/proc/self/attr"}]`), parts: []string{"mountPoints[0].containerPath: nothing can be mounted at"}},
		{name: "mount at two lines", body: register(`,"volumes":[{"name":"v"}]`, `,"mountPoints":[{"sourceVolume":"v","containerPath":"/a\n/etc/hosts"}]`), parts: []string{"mountPoints[0].containerPath: nothing can be mounted at"}},
		{name: "memory over proc", body: register("", `,"linuxParameters":{"tmpfs":[{"containerPath":"//proc/","size":1}]}`), parts: []string{"tmpfs[0].containerPath: nothing can be mounted at"}},
		{name: "hosts with awsvpc", body: register(awsvpc, `,"extraHosts":[{"hostname":"h","ipAddress":"1.1.1.1"}]`), parts: []string{"extraHosts", "networkMode=awsvpc"}},
		{name: "links with host", body: two(`,"links":["b"]`, "", host), parts: []string{"Links", "networkMode=host"}},
		{name: "link to nothing", body: register(bridge, `,"links":["b:alias"]`), parts: []string{"'links'", "Unknown container 'b'."}},

		{name: "depends on nothing", body: register("", `,"dependsOn":[{"containerName":"b","condition":"START"}]`), parts: []string{"'dependsOn'", "Unknown container 'b'."}},
		{name: "condition", body: two(`,"dependsOn":[{"containerName":"b","condition":"READY"}]`, "", ""), parts: []string{"dependsOn.condition should be one of [START,COMPLETE,SUCCESS,HEALTHY]"}},
		{name: "success of an essential", body: two(`,"dependsOn":[{"containerName":"b","condition":"SUCCESS"}]`, "", ""), parts: []string{
			"A dependency container with SUCCESS or COMPLETE condition cannot be an essential container", "'b'",
		}},
		{name: "healthy without a check", body: two(`,"dependsOn":[{"containerName":"b","condition":"HEALTHY"}]`, "", ""), parts: []string{
			"A dependency container with HEALTHY condition must have health check configured",
		}},
		{name: "cycle", body: two(`,"dependsOn":[{"containerName":"b","condition":"START"}]`, `,"dependsOn":[{"containerName":"app","condition":"START"}]`, ""), parts: []string{"dependsOn", "app -> b -> app"}},
		{name: "depends on itself", body: register("", `,"dependsOn":[{"containerName":"app","condition":"START"}]`), parts: []string{"app -> app"}},

		{name: "interval", body: register("", `,"healthCheck":{"command":["x"],"interval":4}`), parts: []string{"'healthCheck.interval'", "between 5 and 300", "4"}},
		{name: "timeout", body: register("", `,"healthCheck":{"command":["x"],"timeout":61}`), parts: []string{"'healthCheck.timeout'", "between 2 and 60"}},
		{name: "retries", body: register("", `,"healthCheck":{"command":["x"],"retries":11}`), parts: []string{"'healthCheck.retries'"}},
		{name: "start period", body: register("", `,"healthCheck":{"command":["x"],"startPeriod":301}`), parts: []string{"'healthCheck.startPeriod'"}},
		{name: "no health command", body: register("", `,"healthCheck":{}`), parts: []string{"'healthCheck.command'"}},
		{name: "empty health command", body: register("", `,"healthCheck":{"command":["CMD-SHELL"]}`), parts: []string{"'healthCheck.command'", "CMD-SHELL"}},
		{name: "restart period", body: register("", `,"restartPolicy":{"enabled":true,"restartAttemptPeriod":59}`), parts: []string{"'restartPolicy.restartAttemptPeriod'", "between 60 and 1800"}},
		{name: "restart enabled", body: register("", `,"restartPolicy":{}`), parts: []string{"'restartPolicy.enabled'"}},
		{name: "ignored exit codes", body: register("", `,"restartPolicy":{"enabled":true,"ignoredExitCodes":[`+strings.Repeat("1,", 50)+`1]}`), parts: []string{"'restartPolicy.ignoredExitCodes'", "51"}},
		{name: "ulimit name", body: register("", `,"ulimits":[{"name":"files","softLimit":1,"hardLimit":1}]`), parts: []string{"ulimits[0].name", "files"}},
		{name: "ulimit order", body: register("", `,"ulimits":[{"name":"nofile","softLimit":2,"hardLimit":1}]`), parts: []string{"'ulimits'", "nofile"}},
		{name: "swappiness", body: register("", `,"linuxParameters":{"swappiness":101}`), parts: []string{"'linuxParameters.swappiness'"}},
		{name: "environment name", body: register("", `,"environment":[{"value":"x"}]`), parts: []string{"environment[0].name"}},
		{name: "environment file type", body: register("", `,"environmentFiles":[{"value":"x","type":"http"}]`), parts: []string{"environmentFiles[0].type", "s3"}},
		{name: "GPUs", body: register("", `,"resourceRequirements":[{"type":"GPU","value":"none"}]`), parts: []string{"resourceRequirements[0].value"}},

		{name: "log driver", body: register("", `,"logConfiguration":{"logDriver":"none"}`), parts: []string{"logConfiguration.logDriver"}},
		{name: "log group", body: register("", `,"logConfiguration":{"logDriver":"awslogs"}`), parts: []string{"Log driver awslogs requires options: awslogs-group"}},
		{name: "log router", body: register("", `,"logConfiguration":{"logDriver":"awsfirelens"}`), parts: []string{"firelensConfiguration"}},
		{name: "secret without role", body: register("", `,"secrets":[{"name":"S","valueFrom":"v"}]`), parts: []string{
			"When you are specifying container secrets, you must also specify a value for 'executionRoleArn'",
		}},
		{name: "secret named as a variable", body: register(`,"executionRoleArn":"r"`, `,"secrets":[{"name":"S","valueFrom":"v"}],"environment":[{"name":"S"}]`), parts: []string{"secret name must be unique", "'S'"}},
		{name: "secret without a source", body: register(`,"executionRoleArn":"r"`, `,"secrets":[{"name":"S"}]`), parts: []string{"secrets[0].valueFrom"}},

		{name: "unknown volume", body: register("", `,"mountPoints":[{"sourceVolume":"v","containerPath":"/v"}]`), parts: []string{"Unknown volume 'v'."}},
		{name: "volume name", body: register(`,"volumes":[{"name":"a b"}]`, ""), parts: []string{"volumes[0].name"}},
		{name: "volume twice", body: register(`,"volumes":[{"name":"v"},{"name":"v"}]`, ""), parts: []string{"volumes[1].name", "unique"}},
		{name: "two kinds of volume", body: register(`,"volumes":[{"name":"v","host":{"sourcePath":"/"},"dockerVolumeConfiguration":{}}]`, ""), parts: []string{"volumes[0]", "host", "dockerVolumeConfiguration"}},
		{name: "volumes at launch", body: register(`,"volumes":[{"name":"v","configuredAtLaunch":true},{"name":"w","configuredAtLaunch":true}]`, ""), parts: []string{"configuredAtLaunch"}},
		{name: "unused volume at launch", body: register(`,"volumes":[{"name":"v","configuredAtLaunch":true}]`, ""), parts: []string{"Volumes [v] are not referenced by any of the containers"}},
		{name: "volumes from nothing", body: register("", `,"volumesFrom":[{"sourceContainer":"b"}]`), parts: []string{"'volumesFrom'", "'b'"}},
		{name: "proxy without awsvpc", body: register(`,"proxyConfiguration":{"containerName":"app"}`, ""), parts: []string{"proxyConfiguration", "awsvpc"}},
		{name: "proxy without ports", body: register(awsvpc+`,"proxyConfiguration":{"containerName":"app","properties":[{"name":"AppPorts","value":"80"}]}`, ""), parts: []string{"proxyConfiguration.properties", "ProxyIngressPort"}},

		{name: "fargate network", body: register(`,"requiresCompatibilities":["FARGATE"],"cpu":"256","memory":"512"`, ""), parts: []string{"Fargate only supports network mode ‘awsvpc’."}},
		{name: "fargate cpu", body: register(awsvpc+`,"requiresCompatibilities":["FARGATE"],"memory":"512"`, ""), parts: []string{"Fargate requires that 'cpu' be defined at the task level."}},
		{name: "fargate memory", body: register(awsvpc+`,"requiresCompatibilities":["FARGATE"],"cpu":"256"`, ""), parts: []string{"Fargate requires that 'memory' be defined at the task level."}},
		{name: "fargate sizes", body: register(awsvpc+`,"requiresCompatibilities":["FARGATE"],"cpu":"256","memory":"1536"`, ""), parts: []string{"No Fargate configuration exists for given values."}},
		{name: "fargate cpu size", body: register(awsvpc+`,"requiresCompatibilities":["FARGATE"],"cpu":"300","memory":"1024"`, ""), parts: []string{"Invalid 'cpu' setting for task."}},
		{name: "fargate image", body: strings.Replace(fargate("", ""), `"image":"i"`, `"image":"123456789012.dkr.ecr.eu-west-1.amazonaws.com/i"`, 1), parts: []string{
			"Fargate requires task definition to have execution role ARN to support ECR images.",
		}},
		{name: "fargate logs", body: fargate(`,"executionRoleArn":"r"`, `,"logConfiguration":{"logDriver":"awslogs","options":{"awslogs-group":"g","awslogs-region":"r"}}`), parts: []string{"awslogs-stream-prefix"}},
		{name: "fargate log driver", body: fargate("", `,"logConfiguration":{"logDriver":"syslog"}`), parts: []string{"'logConfiguration'", "syslog"}},
		{name: "fargate privileged", body: fargate("", `,"privileged":true`), parts: []string{"Fargate compatible task definitions do not support privileged"}},
		{name: "fargate host volume", body: fargate(`,"volumes":[{"name":"v","host":{"sourcePath":"/"}}]`, ""), parts: []string{"Fargate compatible task definitions do not support sourcePath"}},
		{name: "fargate pid mode", body: fargate(`,"pidMode":"host"`, ""), parts: []string{"Tasks using the Fargate launch type do not support pidMode 'host'. The supported value for pidMode is 'task'."}},
		{name: "fargate capability", body: fargate("", `,"linuxParameters":{"capabilities":{"add":["NET_ADMIN"]}}`), parts: []string{"SYS_PTRACE"}},
		{name: "fargate stop timeout", body: fargate("", `,"stopTimeout":121`), parts: []string{"'stopTimeout'", "between 2 and 120"}},
		{name: "external with awsvpc", body: register(awsvpc+`,"requiresCompatibilities":["EXTERNAL"]`, ""), parts: []string{"networkMode=awsvpc"}},
	}
	for i := range cases {
		cases[i].operation, cases[i].code = "RegisterTaskDefinition", "ClientException"
	}
	refused(t, newWorld(t), cases)
}

func TestBadRequests(t *testing.T) {
	t.Parallel()
	const invalid = "InvalidParameterException"
	elsewhere := "arn:aws:ecs:us-east-1:" + account + ":cluster/default"
	tags := func(n int) string {
		list := make([]string, n)
		for i := range list {
			list[i] = fmt.Sprintf(`{"key":"k%d","value":"v"}`, i)
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	onDefault := func(operation, rest string) (string, string) {
		return operation, `{"resourceArn":"` + prefix + `cluster/default",` + rest + `}`
	}
	tag := func(name, rest string, parts ...string) badInput {
		operation, body := onDefault("TagResource", rest)
		return badInput{name, operation, body, invalid, parts}
	}
	w := newWorld(t)
	w.register("kept")
	refused(t, w, []badInput{
		{"cluster name", "CreateCluster", `{"clusterName":"a b"}`, invalid, []string{"clusterName", `"a b"`}},
		{"empty cluster name", "CreateCluster", `{"clusterName":""}`, invalid, []string{"clusterName"}},
		{"long cluster name", "CreateCluster", `{"clusterName":"` + strings.Repeat("x", 256) + `"}`, invalid, []string{"clusterName", "255"}},
		{"setting name", "CreateCluster", `{"settings":[{"name":"x","value":"y"}]}`, invalid, []string{"settings.name", "containerInsights"}},
		{"setting value", "CreateCluster", `{"settings":[{"name":"containerInsights","value":"on"}]}`, invalid, []string{"settings.value", "[enabled,disabled,enhanced]"}},
		{"provider", "CreateCluster", `{"capacityProviders":["mine"]}`, "UnsupportedFeatureException", []string{"capacityProviders", "mine"}},
		{"exec logging", "CreateCluster", `{"clusterName":"x","configuration":{"executeCommandConfiguration":{"logging":"OVERRIDE"}}}`, invalid, []string{"configuration.executeCommandConfiguration.logging"}},
		{
			"default strategy", "PutClusterCapacityProviders",
			`{"cluster":"default","capacityProviders":["FARGATE"],"defaultCapacityProviderStrategy":[{"capacityProvider":"FARGATE"}]}`,
			"UnsupportedFeatureException",
			[]string{"defaultCapacityProviderStrategy", "launchType"},
		},
		{"no strategy", "PutClusterCapacityProviders", `{"cluster":"default","capacityProviders":[]}`, invalid, []string{"defaultCapacityProviderStrategy"}},
		{"include", "DescribeClusters", `{"include":["EVERYTHING"]}`, invalid, []string{"include should be one of [ATTACHMENTS,CONFIGURATIONS,SETTINGS,STATISTICS,TAGS]"}},
		{"many clusters", "DescribeClusters", `{"clusters":["a"` + strings.Repeat(`,"a"`, 100) + `]}`, invalid, []string{"clusters", "101", "100"}},
		{"blank cluster", "DescribeClusters", `{"clusters":[""]}`, invalid, []string{"Clusters can not be blank."}},
		{"other region", "DescribeClusters", `{"clusters":["` + elsewhere + `"]}`, invalid, []string{"cluster", "us-east-1", "eu-west-1"}},
		{"other type", "DescribeClusters", `{"clusters":["` + prefix + `service/a/b"]}`, invalid, []string{"Unsupported resource type: service"}},
		{"unknown cluster to update", "UpdateCluster", `{"cluster":"none"}`, "ClusterNotFoundException", []string{"Cluster not found."}},
		{"no cluster to update", "UpdateCluster", `{}`, invalid, []string{"cluster"}},
		{"no settings", "UpdateClusterSettings", `{"cluster":"default"}`, invalid, []string{"settings"}},
		{"unknown cluster to delete", "DeleteCluster", `{"cluster":"none"}`, "ClusterNotFoundException", []string{"Cluster not found."}},
		{"page of none", "ListClusters", `{"maxResults":0}`, invalid, []string{"maxResults", "between 1 and 100"}},
		{"page too large", "ListClusters", `{"maxResults":101}`, invalid, []string{"maxResults"}},
		{"forged token", "ListClusters", `{"nextToken":"AAAAAAAAAAAAAAAAAAAA"}`, invalid, []string{"nextToken"}},
		{"no token at all", "ListClusters", `{"nextToken":"?"}`, invalid, []string{"nextToken"}},

		{"no definition", "DescribeTaskDefinition", `{}`, invalid, []string{"taskDefinition"}},
		{"unknown definition", "DescribeTaskDefinition", `{"taskDefinition":"none"}`, "ClientException", []string{"Unable to describe task definition."}},
		{"unknown revision", "DescribeTaskDefinition", `{"taskDefinition":"kept:01"}`, "ClientException", []string{"Unable to describe task definition."}},
		{"family to deregister", "DeregisterTaskDefinition", `{"taskDefinition":"kept"}`, "ClientException", []string{"Revision is missing."}},
		{"unknown to deregister", "DeregisterTaskDefinition", `{"taskDefinition":"kept:9"}`, "ClientException", []string{"Unable to describe task definition."}},
		{"nothing to delete", "DeleteTaskDefinitions", `{"taskDefinitions":[]}`, invalid, []string{"taskDefinitions"}},
		{"too much to delete", "DeleteTaskDefinitions", `{"taskDefinitions":["a:1"` + strings.Repeat(`,"a:1"`, 10) + `]}`, invalid, []string{"taskDefinitions", "11", "10"}},
		{"status", "ListTaskDefinitions", `{"status":"GONE"}`, invalid, []string{"status should be one of [ACTIVE,INACTIVE,DELETE_IN_PROGRESS]"}},
		{"sort", "ListTaskDefinitions", `{"sort":"UP"}`, invalid, []string{"sort should be one of [ASC,DESC]"}},
		{"family status", "ListTaskDefinitionFamilies", `{"status":"GONE"}`, invalid, []string{"status should be one of [ACTIVE,INACTIVE,ALL]"}},
		{
			"tags of a definition", "RegisterTaskDefinition",
			`{"family":"f","tags":[{"key":"AWS:x"}],"containerDefinitions":[{"name":"a","image":"i","memory":6}]}`, invalid,
			[]string{"tags[0]", "aws:"},
		},

		tag("no tags", `"tags":[]`, "tags"),
		tag("many tags", `"tags":`+tags(51), "tags", "51", "50"),
		tag("tag without key", `"tags":[{"value":"v"}]`, "tags[0]", "key"),
		tag("long key", `"tags":[{"key":"`+strings.Repeat("x", 129)+`"}]`, "tags[0]", "128"),
		tag("long value", `"tags":[{"key":"k","value":"`+strings.Repeat("é", 257)+`"}]`, "tags[0]", "256"),
		tag("reserved key", `"tags":[{"key":"aws:x"}]`, "tags[0]", "aws:"),
		tag("key twice", `"tags":[{"key":"k"},{"key":"k"}]`, "tags[1]", `"k"`),
		tag("strange character", `"tags":[{"key":"k","value":"<"}]`, "tags[0]"),
		{"no resource", "TagResource", `{"tags":[{"key":"k"}]}`, invalid, []string{"resourceArn"}},
		{"no ARN", "ListTagsForResource", `{"resourceArn":"default"}`, invalid, []string{"resourceArn"}},
		{"short ARN", "ListTagsForResource", `{"resourceArn":"` + prefix + `service/web"}`, invalid, []string{"Long arn format must be used for tagging operations"}},
		{"unknown type", "ListTagsForResource", `{"resourceArn":"` + prefix + `moon/x"}`, invalid, []string{"resourceArn", "moon"}},
		{"unknown cluster", "TagResource", `{"resourceArn":"` + prefix + `cluster/none","tags":[{"key":"k"}]}`, "ClusterNotFoundException", []string{"Cluster not found."}},
		{"unknown service", "TagResource", `{"resourceArn":"` + prefix + `service/a/b","tags":[{"key":"k"}]}`, invalid, []string{"service was not found", "resourceArn"}},
		{"unknown task", "UntagResource", `{"resourceArn":"` + prefix + `task/a/b","tagKeys":["k"]}`, invalid, []string{"task was not found"}},
		{"no keys", "UntagResource", `{"resourceArn":"` + prefix + `cluster/default"}`, invalid, []string{"tagKeys"}},
		{"reserved keys", "UntagResource", `{"resourceArn":"` + prefix + `cluster/default","tagKeys":["aws:x"]}`, invalid, []string{"tagKeys", "aws:"}},

		{"account setting", "PutAccountSetting", `{"name":"x","value":"y"}`, invalid, []string{"name should be one of [awsvpcTrunking,", "x"}},
		{"account setting's value", "PutAccountSetting", `{"name":"awsvpcTrunking","value":"y"}`, invalid, []string{"value", "[enabled,disabled]"}},
		{"short ARNs", "PutAccountSettingDefault", `{"name":"taskLongArnFormat","value":"disabled"}`, invalid, []string{"value", "taskLongArnFormat"}},
		{"managed setting", "PutAccountSetting", `{"name":"guardDutyActivate","value":"on"}`, invalid, []string{"guardDutyActivate", "read-only"}},
		{"principal", "PutAccountSetting", `{"name":"awsvpcTrunking","value":"enabled","principalArn":"me"}`, invalid, []string{"principalArn", "me"}},
		{"setting to delete", "DeleteAccountSetting", `{"name":"x"}`, invalid, []string{"name"}},
		{"value without name", "ListAccountSettings", `{"value":"x"}`, invalid, []string{"value", "name"}},
		{"page of settings", "ListAccountSettings", `{"maxResults":11}`, invalid, []string{"maxResults", "between 1 and 10"}},
	})
}

// TestGoodTaskDefinitions are near to what is refused.
func TestGoodTaskDefinitions(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for name, body := range map[string]string{
		"sizes of the task only":   `"memory":"64","containerDefinitions":[{"name":"a","image":"i"}]`,
		"unused volume":            `"volumes":[{"name":"v"}],"containerDefinitions":[{"name":"a","image":"i","memory":6}]`,
		"dynamic ports":            `"containerDefinitions":[{"name":"a","image":"i","memory":6,"portMappings":[{"containerPort":80},{"containerPort":81}]}]`,
		"one port on two hosts'":   `"containerDefinitions":[{"name":"a","image":"i","memory":6,"portMappings":[{"containerPort":80,"hostPort":1},{"containerPort":80,"hostPort":2}]}]`,
		"unlimited":                `"containerDefinitions":[{"name":"a","image":"i","memory":6,"ulimits":[{"name":"core","softLimit":-1,"hardLimit":-1}]}]`,
		"linked":                   `"containerDefinitions":[{"name":"a","image":"i","memory":6,"links":["b:db"]},{"name":"b","image":"i","memory":6,"links":[]}]`,
		"empty members":            `"cpu":"","memory":"","containerDefinitions":[{"name":"a","image":"i","memory":6,"hostname":"","secrets":[],"healthCheck":null}]`,
		"shell":                    `"containerDefinitions":[{"name":"a","image":"i","memory":6,"healthCheck":{"command":["true"]}}]`,
		"after one that is over":   `"containerDefinitions":[{"name":"a","image":"i","memory":6,"dependsOn":[{"containerName":"b","condition":"COMPLETE"}]},{"name":"b","image":"i","memory":6,"essential":false}]`,
		"fargate that keeps ports": `"networkMode":"awsvpc","cpu":"1024","memory":"3072","requiresCompatibilities":["FARGATE","EC2"],"containerDefinitions":[{"name":"a","image":"i","portMappings":[{"containerPort":80,"hostPort":80}],"linuxParameters":{"initProcessEnabled":true,"capabilities":{"add":["SYS_PTRACE"]}}}]`,
	} {
		if status, answer := w.send("RegisterTaskDefinition", `{"family":"f",`+body+`}`); status != 200 {
			t.Errorf("%s: status %d: %s", name, status, answer)
		}
	}
}

// TestTokensBelongToTheirQuery takes a token to where it does not belong.
func TestTokensBelongToTheirQuery(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	for _, family := range []string{"a", "b", "c"} {
		w.register(family)
	}
	first := must(w.ListTaskDefinitions(t.Context(), &client.ListTaskDefinitionsInput{MaxResults: aws.Int32(1)}))(t)
	for name, in := range map[string]*client.ListTaskDefinitionsInput{
		"other family": {FamilyPrefix: aws.String("b")}, "other status": {Status: "INACTIVE"}, "other order": {Sort: "DESC"},
	} {
		in.NextToken = first.NextToken
		_, err := w.ListTaskDefinitions(t.Context(), in)
		if err == nil {
			t.Errorf("%s: the token was taken", name)
			continue
		}
		wantError(t, err, "InvalidParameterException", "nextToken", "ListTaskDefinitions")
	}
	_, err := w.in("us-east-1").ListTaskDefinitions(t.Context(), &client.ListTaskDefinitionsInput{NextToken: first.NextToken})
	wantError(t, err, "InvalidParameterException", "nextToken")
	_, err = w.ListTaskDefinitionFamilies(t.Context(), &client.ListTaskDefinitionFamiliesInput{NextToken: first.NextToken})
	wantError(t, err, "InvalidParameterException", "nextToken")
	next := must(w.ListTaskDefinitions(t.Context(), &client.ListTaskDefinitionsInput{NextToken: first.NextToken}))(t)
	if got := names(next.TaskDefinitionArns); got != "b:1 c:1" {
		t.Errorf("got %q after a:1, want b:1 c:1", got)
	}
}
