package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/maitred/maitred/internal/testneeds"
)

// scaled is a service that the aws CLI has made scalable.
type scaled struct {
	t    *testing.T
	cli  cli
	ecs  *ecs.Client
	name string
}

// TestAutoscaling has the unmodified aws CLI set up services that are scaled by what is measured of them, and loads them
// for real: counts go up as they should, and back.
func TestAutoscaling(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t))
	c := newCLI(t, p.api)
	t.Run("processor", func(t *testing.T) { t.Parallel(); scaleByProcessor(t, c, p.api) })
	t.Run("queue", func(t *testing.T) { t.Parallel(); scaleByQueue(t, c, p.api) })
	t.Run("steps", func(t *testing.T) { t.Parallel(); scaleBySteps(t, c, p.api) })
	t.Run("own metric", func(t *testing.T) { t.Parallel(); scaleByOwnMetric(t, c, p.api) })
	t.Run("schedule", func(t *testing.T) { t.Parallel(); scaleBySchedule(t, c, p.api) })
	t.Run("wrong tag", func(t *testing.T) { t.Parallel(); wrongBacklog(t, c, p.api) })
}

// TestAutoscalingByRequests has the count follow the requests to a load balancer. It counts all tasks that there are, so it
// has a maitred for itself.
func TestAutoscalingByRequests(t *testing.T) {
	t.Parallel()
	p := up(t, stateDir(t))
	scaleByRequests(t, newCLI(t, p.api), p.api)
}

// newScaled makes a service of shell scripts and registers it as a scalable target.
func newScaled(t *testing.T, c cli, api, name, script string, cpu, least, most int, tags ...string) *scaled {
	t.Helper()
	c.t = t
	s := &scaled{t, c, client(api), name}
	definition, err := json.Marshal([]object{{"name": "app", "image": "process", "command": []string{"/bin/sh", "-c", script}, "cpu": cpu, "memory": 16}})
	if err != nil {
		t.Fatal(err)
	}
	c.ecs("register-task-definition", "--family", name, "--container-definitions", string(definition))
	c.ecs(append([]string{
		"create-service", "--service-name", name, "--task-definition", name, "--desired-count", strconv.Itoa(least),
	}, tagging(tags)...)...)
	s.register(least, most)
	return s
}

func tagging(tags []string) []string {
	if len(tags) == 0 {
		return nil
	}
	return append([]string{"--tags"}, tags...)
}

func (s *scaled) target() []string {
	return []string{"--service-namespace", "ecs", "--scalable-dimension", "ecs:service:DesiredCount", "--resource-id", "service/default/" + s.name}
}

func (s *scaled) scaling(verb string, args ...string) string {
	s.t.Helper()
	return s.cli.aws(append(append([]string{"application-autoscaling", verb}, s.target()...), args...)...)
}

func (s *scaled) register(least, most int) {
	s.t.Helper()
	s.scaling("register-scalable-target", "--min-capacity", strconv.Itoa(least), "--max-capacity", strconv.Itoa(most))
}

// track puts a target tracking policy.
func (s *scaled) track(configuration object) {
	s.t.Helper()
	text, err := json.Marshal(configuration)
	if err != nil {
		s.t.Fatal(err)
	}
	s.scaling("put-scaling-policy", "--policy-name", "track", "--policy-type", "TargetTrackingScaling",
		"--target-tracking-scaling-policy-configuration", string(text))
}

// becomes waits for a count, and says how long it took.
func (s *scaled) becomes(n int) (took time.Duration) {
	s.t.Helper()
	began := time.Now()
	eventually(s.t, fmt.Sprintf("%s has %d tasks", s.name, n), func() bool {
		desired, tasks := counted(s.t, s.ecs, s.name)
		return desired == n && tasks == n
	})
	return time.Since(began)
}

// told checks that the activities say why, and `maitred why` too.
func (s *scaled) told(cause string) {
	s.t.Helper()
	causes := s.scaling("describe-scaling-activities", "--query", "ScalingActivities[].Cause", "--output", "text")
	if !strings.Contains(causes, cause) {
		s.t.Errorf("no activity of %s tells %q: %s", s.name, cause, causes)
	}
	codes := s.scaling("describe-scaling-activities", "--query", "ScalingActivities[].StatusCode", "--output", "text")
	if !strings.Contains(codes, "Successful") {
		s.t.Errorf("no activity of %s is Successful: %s", s.name, codes)
	}
}

// scaleByProcessor has tasks that keep a processor busy while a file is there.
func scaleByProcessor(t *testing.T, c cli, api string) {
	file := filepath.Join(t.TempDir(), "busy")
	script := "while :; do if [ -e " + file + " ]; then i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; else sleep 1; fi; done"
	s := newScaled(t, c, api, "busy", script, 256, 1, 3, `[{"key":"maitred:scaling","value":"fast"}]`)
	s.becomes(1)
	s.track(object{"TargetValue": 20, "PredefinedMetricSpecification": object{"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}})
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Logf("busy tasks: 3 run after %v", s.becomes(3).Round(time.Millisecond))
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	s.becomes(2)
	s.becomes(1)
	s.told("policy track")
	whyTells(t, api, "busy", "CPUUtilization", "track")
}

// scaleByRequests sends requests to a load balancer, more than one task shall have.
func scaleByRequests(t *testing.T, c cli, api string) {
	b := newBalanced(t, api, elbtypes.LoadBalancerTypeEnumApplication, 1, nil)
	c.t = t
	s := &scaled{t, c, client(api), worker}
	s.register(1, 4)
	c.ecs("tag-resource", "--resource-arn", c.ecs("describe-services", "--services", worker, "--query", "services[0].serviceArn", "--output", "text"),
		"--tags", "key=maitred:scaling,value=fast")
	_, balancer, _ := strings.Cut(b.balancer, "loadbalancer/")
	_, group, _ := strings.Cut(b.group, ":targetgroup/")
	s.track(object{"TargetValue": 300, "PredefinedMetricSpecification": object{
		"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": balancer + "/targetgroup/" + group,
	}})
	l := flood(t, "http://"+b.address, requests{name: "HTTP/1.1", connections: 3, transport: keepAlive})
	eventually(t, "desired count changes", func() bool { desired, _ := counted(t, s.ecs, worker); return desired > 1 })
	s.becomes(4)
	l.report() // which ends it: no request failed
	s.becomes(2)
	s.becomes(1)
	s.told("policy track")
}

// redisAt runs a server and gives its port.
func redisAt(t *testing.T) string {
	t.Helper()
	port := strconv.Itoa(testneeds.Port(t))
	cmd := exec.CommandContext(t.Context(), testneeds.Command(t, "redis-server"), "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "redis answers", func() bool { return !closed("127.0.0.1:" + port) })
	return port
}

// redisDo runs a command of Redis.
func redisDo(t *testing.T, port string, args ...string) {
	t.Helper()
	out, err := exec.Command(testneeds.Command(t, "redis-cli"), append([]string{"-p", port}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli %v: %v\n%s", args, err, out)
	}
}

// backlogTag says where the length of the queue is read.
func backlogTag(port string) string {
	return `[{"key":"maitred:backlog","value":"redis://127.0.0.1:` + port + `/0 list=jobs"}]`
}

const fill = "for i = 1, tonumber(ARGV[1]) do redis.call('RPUSH', KEYS[1], i) end"

// scaleByQueue has a queue of Redis with 10,000 things for workers of which each shall have 1,000.
func scaleByQueue(t *testing.T, c cli, api string) {
	port := redisAt(t)
	s := newScaled(t, c, api, "worker-queue", "sleep 3600", 16, 0, 20, backlogTag(port))
	s.track(object{"TargetValue": 1000, "CustomizedMetricSpecification": object{
		"Namespace": "Maitred", "MetricName": "BacklogPerTask", "Statistic": "Average",
		"Dimensions": []object{{"Name": "ClusterName", "Value": "default"}, {"Name": "ServiceName", "Value": s.name}},
	}})
	redisDo(t, port, "EVAL", fill, "1", "jobs", "10000")
	began := time.Now()
	eventually(t, "10 workers run", func() bool { desired, tasks := counted(t, s.ecs, s.name); return desired >= 10 && tasks == desired })
	t.Logf("10,000 things in a queue: 10 workers run after %v", time.Since(began).Round(time.Millisecond))
	if desired, _ := counted(t, s.ecs, s.name); desired != 10 {
		t.Errorf("%d workers for 10,000 things, of which each shall have 1,000", desired)
	}
	redisDo(t, port, "DEL", "jobs")
	// Half of them a minute, so not all the way here: the others go all the way.
	eventually(t, "at most 5 workers", func() bool { desired, _ := counted(t, s.ecs, s.name); return desired <= 5 })
	s.told("policy track")
}

// jobs is a queue of JetStream.
type jobs struct {
	t      *testing.T
	stream jetstream.JetStream
	url    string
}

// natsAt runs a server with an empty stream JOBS.
func natsAt(t *testing.T) *jobs {
	t.Helper()
	port := strconv.Itoa(testneeds.Port(t))
	cmd := exec.CommandContext(t.Context(), testneeds.Command(t, "nats-server"), "-a", "127.0.0.1", "-p", port, "-js", "-sd", t.TempDir())
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	eventually(t, "nats answers", func() bool { return !closed("127.0.0.1:" + port) })
	q := &jobs{t: t, url: "nats://127.0.0.1:" + port}
	conn, err := nats.Connect(q.url)
	q.must(err)
	t.Cleanup(conn.Close)
	q.stream, err = jetstream.New(conn)
	q.must(err)
	_, err = q.stream.CreateStream(t.Context(), jetstream.StreamConfig{Name: "JOBS", Subjects: []string{"jobs"}})
	q.must(err)
	return q
}

func (q *jobs) must(err error) {
	q.t.Helper()
	if err != nil {
		q.t.Fatal(err)
	}
}

func (q *jobs) add(n int) {
	q.t.Helper()
	for range n {
		_, err := q.stream.Publish(q.t.Context(), "jobs", nil)
		q.must(err)
	}
}

func (q *jobs) clear() {
	q.t.Helper()
	s, err := q.stream.Stream(q.t.Context(), "JOBS")
	q.must(err)
	q.must(s.Purge(q.t.Context()))
}

// step is a step policy and the alarm that has it carried out.
type step struct{ name, operator, steps, threshold string }

// steps puts step policies, and alarms of them on a metric that is looked at every ten seconds.
func (s *scaled) steps(namespace, metric string, dimensions []string, all ...step) {
	s.t.Helper()
	for _, p := range all {
		arn := s.scaling("put-scaling-policy", "--policy-name", p.name, "--policy-type", "StepScaling",
			"--step-scaling-policy-configuration", "AdjustmentType=ChangeInCapacity,Cooldown=5,StepAdjustments=["+p.steps+"]", "--query", "PolicyARN", "--output", "text")
		s.cli.aws(append([]string{
			"cloudwatch", "put-metric-alarm", "--alarm-name", s.name + "-" + p.name, "--namespace", namespace, "--metric-name", metric,
			"--statistic", "Average", "--period", "10", "--evaluation-periods", "1", "--threshold", p.threshold,
			"--comparison-operator", p.operator, "--alarm-actions", arn,
		}, dimensions...)...)
	}
}

// alarm is the state of one of its alarms.
func (s *scaled) alarm(policy string) string {
	s.t.Helper()
	return s.cli.aws("cloudwatch", "describe-alarms", "--alarm-names", s.name+"-"+policy, "--query", "MetricAlarms[0].StateValue", "--output", "text")
}

// scaleBySteps has step policies, and alarms on the length of a queue of NATS.
func scaleBySteps(t *testing.T, c cli, api string) {
	q := natsAt(t)
	q.add(500) // before anybody looks: means of fewer would take a smaller step first
	s := newScaled(t, c, api, "worker-steps", "sleep 3600", 16, 1, 4, `[{"key":"maitred:backlog","value":"`+q.url+` stream=JOBS"}]`)
	s.steps("Maitred", "Backlog", []string{"--dimensions", "Name=ClusterName,Value=default", "Name=ServiceName,Value=" + s.name},
		step{"more", "GreaterThanThreshold", "{MetricIntervalLowerBound=0,MetricIntervalUpperBound=100,ScalingAdjustment=1},{MetricIntervalLowerBound=100,ScalingAdjustment=3}", "100"},
		step{"fewer", "LessThanThreshold", "{MetricIntervalUpperBound=0,ScalingAdjustment=-3}", "10"})
	s.becomes(4)
	if state := s.alarm("more"); state != "ALARM" {
		t.Errorf("the alarm that made it is %s", state)
	}
	q.clear()
	s.becomes(1)
	s.told("monitor alarm worker-steps-more in state ALARM triggered policy more")
	s.told("monitor alarm worker-steps-fewer in state ALARM triggered policy fewer")
	whyTells(t, api, s.name, "worker-steps-more", "policy fewer")
}

// scaleByOwnMetric has step policies, and alarms on a metric that somebody puts.
func scaleByOwnMetric(t *testing.T, c cli, api string) {
	s := newScaled(t, c, api, "worker-own", "sleep 3600", 16, 1, 5)
	s.steps("Shop", "Orders", nil,
		step{"more", "GreaterThanOrEqualToThreshold", "{MetricIntervalLowerBound=0,ScalingAdjustment=2}", "50"},
		step{"fewer", "LessThanThreshold", "{MetricIntervalUpperBound=0,ScalingAdjustment=-2}", "5"})
	for _, x := range []struct {
		value string
		tasks int
	}{{"70", 3}, {"0", 1}} {
		eventually(t, fmt.Sprintf("%s orders need %d tasks", x.value, x.tasks), func() bool {
			s.cli.aws("cloudwatch", "put-metric-data", "--namespace", "Shop", "--metric-data",
				"MetricName=Orders,Value="+x.value+",StorageResolution=1")
			desired, tasks := counted(t, s.ecs, s.name)
			return desired == x.tasks && tasks == x.tasks
		})
	}
	s.told("monitor alarm worker-own-more in state ALARM triggered policy more")
}

// scaleBySchedule has bounds that move at a time, up and down.
func scaleBySchedule(t *testing.T, c cli, api string) {
	s := newScaled(t, c, api, "by-the-clock", "sleep 3600", 16, 1, 5)
	s.at("morning", "MinCapacity=3,MaxCapacity=4")
	s.becomes(3)
	s.at("evening", "MinCapacity=1,MaxCapacity=1")
	s.becomes(1)
	s.told("scheduled action name morning was triggered")
	s.told("minimum capacity was set to 3")
	s.told("maximum capacity was set to 1")
}

// at moves the bounds at a time that is not over before it is asked for, also by an aws CLI that takes long to start.
func (s *scaled) at(name, bounds string) {
	s.t.Helper()
	at := time.Now().UTC().Add(20 * time.Second).Format("2006-01-02T15:04:05")
	s.scaling("put-scheduled-action", "--scheduled-action-name", name, "--schedule", "at("+at+")", "--scalable-target-action", bounds)
}

// wrongBacklog has a queue that cannot be read, and then one that can: the events of the service tell both, once.
func wrongBacklog(t *testing.T, c cli, api string) {
	c.t = t
	s := newScaled(t, c, api, "worker-wrong", "sleep 3600", 16, 0, 5, backlogTag("1"))
	events := func() string {
		return c.ecs("describe-services", "--services", s.name, "--query", "services[0].events[].message", "--output", "text")
	}
	const wrong, well = "its backlog is not read, and nothing is scaled by it until it is", "its backlog is read again"
	eventually(t, "an event tells that the queue cannot be read", func() bool { return strings.Contains(events(), wrong) })
	whyTells(t, api, s.name, wrong, "connection refused")
	c.ecs("tag-resource", "--resource-arn", c.ecs("describe-services", "--services", s.name, "--query", "services[0].serviceArn", "--output", "text"),
		"--cli-input-json", `{"tags":`+backlogTag(redisAt(t))+`}`)
	eventually(t, "an event tells that the queue is read", func() bool { return strings.Contains(events(), well) })
	if all := events(); strings.Count(all, wrong) != 1 || strings.Count(all, well) != 1 {
		t.Errorf("it is told more than once: %s", all)
	}
}

// counted is how many tasks a service shall have and has.
func counted(t *testing.T, c *ecs.Client, service string) (desired, tasks int) {
	t.Helper()
	out, err := c.DescribeServices(t.Context(), &ecs.DescribeServicesInput{Services: []string{service}})
	if err != nil || len(out.Services) != 1 {
		t.Fatalf("describe %s: %v", service, err)
	}
	return int(out.Services[0].DesiredCount), int(out.Services[0].RunningCount)
}
