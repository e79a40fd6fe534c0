package e2e

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ecs"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"

	"github.com/maitred/maitred/internal/testneeds"
)

// TestLoadBalancer is the whole story of a load balancer by the unmodified aws CLI.
func TestLoadBalancer(t *testing.T) {
	t.Parallel()
	s := newStory(t, "process", filepath.Join(built.dir, "guest"))
	s.targetType = "instance"
	s.tell()
}

// TestLoadBalancerOfContainers is the same story in containers, with each driver in its own network mode.
func TestLoadBalancerOfContainers(t *testing.T) {
	t.Run("oci", func(t *testing.T) {
		testneeds.Root(t)
		testneeds.Command(t, "runc")
		s := newStory(t, "oci", guestImage(t))
		s.targetType, s.mode = "ip", "awsvpc"
		s.tell()
	})
	t.Run("docker", func(t *testing.T) {
		t.Setenv("DOCKER_HOST", testneeds.Docker(t))
		s := newStory(t, "docker", guestImage(t))
		s.targetType, s.mode = "instance", "bridge"
		s.tell()
	})
}

// story is a load balancer and a service behind it, as somebody at a terminal makes them.
type story struct {
	*balanced // reads; the CLI writes

	cli              cli
	p                *process
	image            string
	targetType, mode string
	listener         string
}

func newStory(t *testing.T, driver, image string) *story {
	t.Helper()
	p := start(t, "up", "--data-dir", stateDir(t), "--listen", "127.0.0.1:0", "--driver", driver)
	s := &story{balanced: &balanced{t: t}, cli: newCLI(t, p.api), p: p, image: image}
	s.connect(p.api)
	return s
}

// text runs the CLI and gives what it tells of one thing.
func (s *story) text(query string, args ...string) string {
	s.t.Helper()
	return s.cli.aws(append(args, "--query", query, "--output", "text")...)
}

func (s *story) tell() {
	const n = 3
	s.front()
	s.define()
	s.serve(n)
	s.rules()
	l := flood(s.t, "http://"+s.address,
		requests{name: "HTTP/1.1", connections: 3, transport: keepAlive}, requests{name: "h2c", connections: 3, protocol: "HTTP/2.0", transport: h2c})
	eventually(s.t, "all tasks answer", func() bool { return len(l.reached()) == n })

	s.define()
	s.cli.ecs("update-service", "--service", worker, "--task-definition", "web")
	s.stable(n)
	l.forget()
	eventually(s.t, "all tasks of the new version answer", func() bool {
		by := l.reached()
		for who := range by {
			if !strings.HasPrefix(who, "2 ") {
				s.t.Errorf("%s answers after the update to version 2", who)
			}
		}
		return len(by) == n
	})
	for _, count := range []int{n + 2, 2} {
		s.cli.ecs("update-service", "--service", worker, "--desired-count", strconv.Itoa(count))
		s.stable(count)
	}
	task := s.text("taskArns[0]", "ecs", "list-tasks", "--service-name", worker)
	s.cli.ecs("stop-task", "--task", task)
	eventually(s.t, "the stopped task is over", func() bool { return *describe(s.t, s.c, []string{task})[0].LastStatus == "STOPPED" })
	s.stable(2)
	l.report()
	s.events()
	s.takeDown()
	s.p.interrupt()
	if s.t.Failed() {
		s.t.Logf("maitred said:\n%s", s.p.output())
	}
}

// front makes the load balancer, its target group and its listener.
func (s *story) front() {
	s.t.Helper()
	vpc, subnets := places(s.t, s.p.api)
	s.balancer = s.text("LoadBalancers[0].LoadBalancerArn", "elbv2", "create-load-balancer", "--name", "front", "--subnets", subnets[0], subnets[1])
	s.group = s.text("TargetGroups[0].TargetGroupArn", "elbv2", "create-target-group", "--name", "tasks", "--protocol", "HTTP", "--port", "8080",
		"--vpc-id", vpc, "--target-type", s.targetType, "--health-check-path", "/healthz", "--health-check-interval-seconds", "5",
		"--health-check-timeout-seconds", "2", "--healthy-threshold-count", "2")
	s.cli.aws("elbv2", "modify-target-group-attributes", "--target-group-arn", s.group, "--attributes", "Key=deregistration_delay.timeout_seconds,Value="+strconv.Itoa(int(drainDelay.Seconds())))
	port := strconv.Itoa(testneeds.Port(s.t))
	s.listener = s.text("Listeners[0].ListenerArn", "elbv2", "create-listener", "--load-balancer-arn", s.balancer, "--protocol", "HTTP", "--port", port,
		"--default-actions", "Type=forward,TargetGroupArn="+s.group)
	s.cli.aws("elbv2", "create-rule", "--listener-arn", s.listener, "--priority", "10", "--conditions", "Field=path-pattern,Values=/teapot*",
		"--actions", `[{"Type":"fixed-response","FixedResponseConfig":{"StatusCode":"418","ContentType":"text/plain","MessageBody":"short and stout"}}]`)
	s.cli.aws("elbv2", "create-rule", "--listener-arn", s.listener, "--priority", "20", "--conditions", "Field=host-header,Values=old.example",
		"--actions", `[{"Type":"redirect","RedirectConfig":{"Host":"new.example","Port":"80","StatusCode":"HTTP_301"}}]`)
	s.cli.aws("elbv2", "wait", "load-balancer-available", "--load-balancer-arns", s.balancer)
	s.address = s.text("LoadBalancers[0].DNSName", "elbv2", "describe-load-balancers", "--names", "front") + ":" + port
	eventually(s.t, "the listener accepts connections", func() bool { return !closed(s.address) })
}

// define registers the next version of the task definition.
func (s *story) define() {
	s.t.Helper()
	s.version++
	environment := []object{{"name": "VERSION", "value": strconv.Itoa(s.version)}}
	if s.mode == "" { // a plain process, which shall not listen where other machines reach it
		environment = append(environment, object{"name": "ADDRESS", "value": "127.0.0.1"})
	}
	definition := object{
		"family": "web", "containerDefinitions": []object{{
			"name": "app", "image": s.image, "command": []string{"web"}, "cpu": 16, "memory": 32, "environment": environment,
			"portMappings": []object{{"containerPort": 8080}},
		}},
	}
	if s.mode != "" {
		definition["networkMode"] = s.mode
	}
	text, err := json.Marshal(definition)
	s.must(err)
	s.cli.ecs("register-task-definition", "--cli-input-json", string(text))
}

// serve creates the service and waits as a script does.
func (s *story) serve(n int) {
	s.t.Helper()
	args := []string{
		"create-service", "--service-name", worker, "--task-definition", "web", "--desired-count", strconv.Itoa(n),
		"--load-balancers", "targetGroupArn=" + s.group + ",containerName=app,containerPort=8080", "--health-check-grace-period-seconds", "30",
	}
	if s.mode == "awsvpc" {
		_, subnets := places(s.t, s.p.api)
		group := s.text("GroupId", "ec2", "create-security-group", "--group-name", "web", "--description", "the web")
		s.cli.aws("ec2", "authorize-security-group-ingress", "--group-id", group, "--protocol", "tcp", "--port", "8080", "--cidr", "0.0.0.0/0")
		args = append(args, "--network-configuration", "awsvpcConfiguration={subnets=["+subnets[0]+"],securityGroups=["+group+"]}")
	}
	s.cli.ecs(args...)
	s.stable(n)
	s.cli.aws("elbv2", "wait", "target-in-service", "--target-group-arn", s.group)
	health := s.text("TargetHealthDescriptions[].TargetHealth.State", "elbv2", "describe-target-health", "--target-group-arn", s.group)
	if want := strings.TrimSpace(strings.Repeat("healthy\t", n)); health != want {
		s.t.Errorf("aws elbv2 describe-target-health tells %q, want %q", health, want)
	}
}

// stable waits as a script does, after somebody who looks more often has seen it: the CLI looks every 15 s.
func (s *story) stable(n int) {
	s.t.Helper()
	s.settled(n)
	s.cli.ecs("wait", "services-stable", "--services", worker)
}

// rules asks for what the rules answer without any task.
func (s *story) rules() {
	s.t.Helper()
	c := http.Client{Timeout: patience, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for _, want := range []struct {
		path, host, location string
		code                 int
	}{
		{"/teapots/1", "", "", http.StatusTeapot},
		{"/a?b=c", "old.example", "http://new.example:80/a?b=c", http.StatusMovedPermanently},
		{"/", "other.example", "", http.StatusOK},
	} {
		req, err := http.NewRequestWithContext(s.t.Context(), http.MethodGet, "http://"+s.address+want.path, http.NoBody)
		s.must(err)
		req.Host = want.host
		answer, err := c.Do(req)
		s.must(err)
		_ = answer.Body.Close()
		if answer.StatusCode != want.code || answer.Header.Get("Location") != want.location {
			s.t.Errorf("%s of %q: %s, Location %q; want %d, %q", want.path, want.host, answer.Status, answer.Header.Get("Location"), want.code, want.location)
		}
	}
}

// events looks for what ECS tells of targets.
func (s *story) events() {
	s.t.Helper()
	events := s.text("services[0].events[].message", "ecs", "describe-services", "--services", worker)
	for _, want := range []string{
		"(service " + worker + ") registered ", " targets in (target-group " + s.group + ")", "(service " + worker + ") deregistered ",
		"has begun draining connections on ",
	} {
		if !strings.Contains(events, want) {
			s.t.Errorf("no event tells %q:\n%s", want, events)
		}
	}
}

// takeDown deletes everything, and sees that nothing is left.
func (s *story) takeDown() {
	s.t.Helper()
	s.cli.ecs("delete-service", "--service", worker, "--force")
	eventually(s.t, "the service is no more", func() bool {
		out, err := s.c.DescribeServices(s.t.Context(), &ecs.DescribeServicesInput{Services: []string{worker}})
		s.must(err)
		return *out.Services[0].Status == "INACTIVE"
	})
	s.cli.ecs("wait", "services-inactive", "--services", worker)
	if left := s.text("length(TargetHealthDescriptions)", "elbv2", "describe-target-health", "--target-group-arn", s.group); left != "0" {
		s.t.Errorf("%s targets are left", left)
	}
	if code := s.code(); code != http.StatusServiceUnavailable {
		s.t.Errorf("a listener without targets answers %d, want 503", code)
	}
	s.cli.aws("elbv2", "delete-listener", "--listener-arn", s.listener)
	eventually(s.t, "the listener's port is closed", func() bool { return closed(s.address) })
	s.cli.aws("elbv2", "delete-target-group", "--target-group-arn", s.group)
	s.cli.aws("elbv2", "delete-load-balancer", "--load-balancer-arn", s.balancer)
	s.cli.aws("elbv2", "wait", "load-balancers-deleted", "--load-balancer-arns", s.balancer)
	groups, err := s.elb.DescribeTargetGroups(s.t.Context(), &elb.DescribeTargetGroupsInput{})
	s.must(err)
	balancers, err := s.elb.DescribeLoadBalancers(s.t.Context(), &elb.DescribeLoadBalancersInput{})
	s.must(err)
	if len(groups.TargetGroups)+len(balancers.LoadBalancers) != 0 {
		s.t.Errorf("%d target groups and %d load balancers are left", len(groups.TargetGroups), len(balancers.LoadBalancers))
	}
}

// code is the status with which the listener answers.
func (s *story) code() int {
	s.t.Helper()
	answer, err := http.Get("http://" + s.address + "/") //nolint:noctx // a test's own
	s.must(err)
	_ = answer.Body.Close()
	return answer.StatusCode
}
