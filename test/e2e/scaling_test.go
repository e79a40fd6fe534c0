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

	"github.com/maitred/maitred/internal/testneeds"
)

// scaled is a service that the aws CLI has made scalable.
type scaled struct {
	t    *testing.T
	cli  cli
	api  string
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
	t.Run("schedule", func(t *testing.T) { t.Parallel(); scaleBySchedule(t, c, p.api) })
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
	s := &scaled{t, c, api, name}
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
		desired, tasks := counted(s.t, s.api, s.name)
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
	s := &scaled{t, c, api, worker}
	s.register(1, 4)
	c.ecs("tag-resource", "--resource-arn", c.ecs("describe-services", "--services", worker, "--query", "services[0].serviceArn", "--output", "text"),
		"--tags", "key=maitred:scaling,value=fast")
	_, balancer, _ := strings.Cut(b.balancer, "loadbalancer/")
	_, group, _ := strings.Cut(b.group, ":targetgroup/")
	s.track(object{"TargetValue": 300, "PredefinedMetricSpecification": object{
		"PredefinedMetricType": "ALBRequestCountPerTarget", "ResourceLabel": balancer + "/targetgroup/" + group,
	}})
	l := flood(t, "http://"+b.address, requests{name: "HTTP/1.1", connections: 3, transport: keepAlive})
	eventually(t, "desired count changes", func() bool { desired, _ := counted(t, api, worker); return desired > 1 })
	s.becomes(4)
	l.report() // which ends it: no request failed
	s.becomes(2)
	s.becomes(1)
	s.told("policy track")
}

// redisAt runs a server and gives its port.
func redisAt(t *testing.T) string {
	t.Helper()
	port := strconv.Itoa(freePort(t))
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
	eventually(t, "10 workers run", func() bool { desired, tasks := counted(t, api, s.name); return desired >= 10 && tasks == desired })
	t.Logf("10,000 things in a queue: 10 workers run after %v", time.Since(began).Round(time.Millisecond))
	if desired, _ := counted(t, api, s.name); desired != 10 {
		t.Errorf("%d workers for 10,000 things, of which each shall have 1,000", desired)
	}
	redisDo(t, port, "DEL", "jobs")
	for _, n := range []int{5, 3} {
		eventually(t, fmt.Sprintf("at most %d workers", n), func() bool { desired, _ := counted(t, api, s.name); return desired <= n })
	}
	s.told("policy track")
}

// scaleBySteps has step policies, and alarms on the length of a queue.
func scaleBySteps(t *testing.T, c cli, api string) {
	port := redisAt(t)
	s := newScaled(t, c, api, "worker-steps", "sleep 3600", 16, 1, 5, backlogTag(port))
	for _, p := range []struct{ name, op, steps, threshold string }{
		{"more", "GreaterThanThreshold", "MetricIntervalLowerBound=0,ScalingAdjustment=3", "100"},
		{"fewer", "LessThanThreshold", "MetricIntervalUpperBound=0,ScalingAdjustment=-3", "10"},
	} {
		arn := s.scaling("put-scaling-policy", "--policy-name", p.name, "--policy-type", "StepScaling",
			"--step-scaling-policy-configuration", "AdjustmentType=ChangeInCapacity,Cooldown=5,StepAdjustments=[{"+p.steps+"}]", "--query", "PolicyARN", "--output", "text")
		c.t = t
		c.aws("cloudwatch", "put-metric-alarm", "--alarm-name", s.name+"-"+p.name, "--namespace", "Maitred", "--metric-name", "Backlog",
			"--dimensions", "Name=ClusterName,Value=default", "Name=ServiceName,Value="+s.name, "--statistic", "Average", "--period", "10",
			"--evaluation-periods", "1", "--threshold", p.threshold, "--comparison-operator", p.op, "--alarm-actions", arn)
	}
	redisDo(t, port, "EVAL", fill, "1", "jobs", "500")
	s.becomes(4)
	if state := c.aws("cloudwatch", "describe-alarms", "--alarm-names", s.name+"-more", "--query", "MetricAlarms[0].StateValue", "--output", "text"); state != "ALARM" {
		t.Errorf("the alarm that made it is %s", state)
	}
	redisDo(t, port, "DEL", "jobs")
	s.becomes(1)
	s.told("monitor alarm worker-steps-more in state ALARM triggered policy more")
}

// scaleBySchedule has bounds that move at a time.
func scaleBySchedule(t *testing.T, c cli, api string) {
	s := newScaled(t, c, api, "by-the-clock", "sleep 3600", 16, 1, 5)
	at := time.Now().UTC().Add(5 * time.Second).Format("2006-01-02T15:04:05")
	s.scaling("put-scheduled-action", "--scheduled-action-name", "morning", "--schedule", "at("+at+")", "--scalable-target-action", "MinCapacity=3,MaxCapacity=4")
	s.becomes(3)
	s.told("scheduled action name morning was triggered")
	s.told("minimum capacity was set to 3")
}

// counted is how many tasks a service shall have and has.
func counted(t *testing.T, api, service string) (desired, tasks int) {
	t.Helper()
	out, err := client(api).DescribeServices(t.Context(), &ecs.DescribeServicesInput{Services: []string{service}})
	if err != nil || len(out.Services) != 1 {
		t.Fatalf("describe %s: %v", service, err)
	}
	return int(out.Services[0].DesiredCount), int(out.Services[0].RunningCount)
}
