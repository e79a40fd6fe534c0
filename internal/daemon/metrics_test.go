package daemon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/maitred/maitred/internal/daemon"
	"github.com/maitred/maitred/internal/metrics"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// runHot serves requests that cost processor time, at $PORT.
func runHot() int {
	err := http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) {
		for begin := time.Now(); time.Since(begin) < 5*time.Millisecond; {
		}
		_, _ = io.WriteString(rw, "served")
	}))
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// measured is what was put.
type measured struct {
	mu   sync.Mutex
	data []metrics.Datum
	news chan struct{}
}

// Put implements metrics.Putter.
func (m *measured) Put(data []metrics.Datum) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.data = append(m.data, data...)
	close(m.news)
	m.news = make(chan struct{})
}

// until waits for data that is as wanted.
func (m *measured) until(t *testing.T, what string, so func(d *metrics.Datum) bool) {
	t.Helper()
	limit := time.After(time.Minute)
	for n := 0; ; {
		m.mu.Lock()
		data, news := m.data[n:], m.news
		n = len(m.data)
		m.mu.Unlock()
		for i := range data {
			if so(&data[i]) {
				return
			}
		}
		select {
		case <-news:
		case <-limit:
			t.Fatalf("there is no %s", what)
		}
	}
}

// api speaks to a server without signing anything.
type api struct {
	*testing.T
	endpoint string
}

func (a *api) send(req *http.Request) string {
	a.Helper()
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		a.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		a.Fatalf("%s %v: %s, %v", req.URL, req.Header, text, err)
	}
	return string(text)
}

func (a *api) ecs(operation string, in map[string]any) {
	a.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		a.Fatal(err)
	}
	req, _ := http.NewRequest(http.MethodPost, a.endpoint, bytes.NewReader(body))
	req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	req.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+operation)
	a.send(req)
}

// elb gives what a member of the answer has.
func (a *api) elb(action, member string, in url.Values) string {
	a.Helper()
	in.Set("Action", action)
	in.Set("Version", "2015-12-01")
	req, _ := http.NewRequest(http.MethodPost, a.endpoint, strings.NewReader(in.Encode()))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	text := a.send(req)
	found := regexp.MustCompile("<" + member + ">([^<]*)</").FindStringSubmatch(text)
	if found == nil {
		a.Fatalf("%s: there is no %s in %s", action, member, text)
	}
	return found[1]
}

// vpc gives the default VPC and its subnets.
func (a *api) vpc() (vpc string, subnets []string) {
	a.Helper()
	req, _ := http.NewRequest(http.MethodPost, a.endpoint, strings.NewReader("Action=DescribeSubnets&Version=2016-11-15"))
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	for _, found := range regexp.MustCompile("<(vpcId|subnetId)>([^<]*)</").FindAllStringSubmatch(a.send(req), -1) {
		if found[1] == "vpcId" {
			vpc = found[2]
		} else {
			subnets = append(subnets, found[2])
		}
	}
	return vpc, subnets
}

// balanced makes a service of one hot task behind a load balancer, and gives its URL and its target group.
func (a *api) balanced() (page, group string) {
	a.Helper()
	self, err := os.Executable()
	if err != nil {
		a.Fatal(err)
	}
	vpc, subnets := a.vpc()
	in := url.Values{"Name": {"hot"}}
	for i, subnet := range subnets {
		in.Set(fmt.Sprintf("Subnets.member.%d", i+1), subnet)
	}
	balancer := a.elb("CreateLoadBalancer", "LoadBalancerArn", in)
	address := a.elb("DescribeLoadBalancers", "DNSName", url.Values{})
	group = a.elb("CreateTargetGroup", "TargetGroupArn", url.Values{
		"Name": {"hot"}, "Protocol": {"HTTP"}, "Port": {"80"}, "TargetType": {"ip"}, "VpcId": {vpc}, "HealthCheckIntervalSeconds": {"5"},
		"HealthCheckTimeoutSeconds": {"2"},
	})
	port := strconv.Itoa(testneeds.Port(a.T))
	a.elb("CreateListener", "ListenerArn", url.Values{
		"LoadBalancerArn": {balancer}, "Protocol": {"HTTP"}, "Port": {port},
		"DefaultActions.member.1.Type": {"forward"}, "DefaultActions.member.1.TargetGroupArn": {group},
	})
	a.ecs("RegisterTaskDefinition", map[string]any{"family": "hot", "containerDefinitions": []any{map[string]any{
		"name": "hot", "image": self, "cpu": 64, "memory": 256, "portMappings": []any{map[string]any{"containerPort": 8080}},
		"environment": []any{map[string]any{"name": asRole, "value": "hot"}},
	}}})
	a.ecs("CreateService", map[string]any{
		"serviceName": "hot", "taskDefinition": "hot", "desiredCount": 1,
		"loadBalancers": []any{map[string]any{"targetGroupArn": group, "containerName": "hot", "containerPort": 8080}},
	})
	return "http://" + net.JoinHostPort(address, port) + "/", group
}

// up runs everything in this process until the test ends, and gives the API's endpoint.
func up(t *testing.T, change func(*daemon.Config)) string {
	t.Helper()
	return run(t, func(c *daemon.Config) {
		c.Server, c.Agent, c.Balancer = true, true, true
		change(c)
	}).API
}

// run runs the roles that it is told of in this process until the test ends.
func run(t *testing.T, change func(*daemon.Config)) daemon.Ready {
	t.Helper()
	r, _ := runUntil(t, change)
	return r
}

// runUntil runs roles until they are told to end, or the test ends.
func runUntil(t *testing.T, change func(*daemon.Config)) (r daemon.Ready, end func()) {
	t.Helper()
	c := daemon.Defaults()
	c.DataDir, c.Listen, c.Driver, c.MetricsListen = t.TempDir(), "127.0.0.1:0", "process", "127.0.0.1:0"
	c.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	ready, done := make(chan daemon.Ready, 1), make(chan error, 1)
	c.Announce = func(r daemon.Ready) { ready <- r }
	change(&c)
	ctx, cancel := context.WithCancel(context.Background())
	go func() { done <- daemon.Run(ctx, c) }()
	end = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the end: %v", err)
		}
	})
	t.Cleanup(end)
	select {
	case r := <-ready:
		return r, end
	case err := <-done:
		done <- nil
		t.Fatal(err)
	}
	return r, end
}

// TestMeasured: what a task uses and what it is asked are data within seconds, and there for Prometheus.
func TestMeasured(t *testing.T) {
	t.Parallel()
	data := &measured{news: make(chan struct{})}
	a := &api{t, up(t, func(c *daemon.Config) { c.Metrics = data })}
	page, group := a.balanced()
	until(t, page)
	var asked atomic.Int64
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for {
			select {
			case <-stop:
				return
			default:
				if ask(page) == nil {
					asked.Add(1)
				}
			}
		}
	}()
	_, groupName, _ := strings.Cut(group, ":targetgroup/")
	service := []model.Dimension{{Name: "ClusterName", Value: "default"}, {Name: "ServiceName", Value: "hot"}}
	targets := []model.Dimension{{Name: "TargetGroup", Value: "targetgroup/" + groupName}}
	for _, want := range []struct {
		name       string
		dimensions []model.Dimension
		so         func(d *metrics.Datum) bool
	}{
		{"CPUUtilization", service, func(d *metrics.Datum) bool { return d.Count == 1 && d.Sum > 50 && len(d.Values) == 1 }},
		{"MemoryUtilization", service, func(d *metrics.Datum) bool { return d.Count == 1 && d.Sum > 0 }},
		{"HealthyHostCount", targets, func(d *metrics.Datum) bool { return d.Stats == metrics.One(1) }},
		{"RunningTaskCount", service, func(d *metrics.Datum) bool { return d.Stats == metrics.One(1) }},
		{"DesiredTaskCount", service, func(d *metrics.Datum) bool { return d.Stats == metrics.One(1) }},
		{"RequestCount", targets, func(d *metrics.Datum) bool { return d.Sum > 3 }},
		{"RequestCountPerTarget", targets, func(d *metrics.Datum) bool { return d.Count == 1 && d.Sum > 3 }},
		{"HTTPCode_Target_2XX_Count", targets, func(d *metrics.Datum) bool { return d.Sum > 3 }},
		{"TargetResponseTime", targets, func(d *metrics.Datum) bool { return d.Count > 3 && d.Sum/d.Count >= 0.005 && len(d.Values) > 0 }},
	} {
		metric := model.Metric{Namespace: model.NamespaceFast, Name: want.name, Dimensions: want.dimensions}
		data.until(t, metric.String(), func(d *metrics.Datum) bool {
			return d.Metric.String() == metric.String() && d.Region == "us-east-1" && d.Resolution == 1 && want.so(d)
		})
	}
	close(stop)
	<-done
	req, _ := http.NewRequest(http.MethodGet, a.endpoint+"/metrics", http.NoBody)
	text := a.send(req)
	for _, line := range []string{
		`(?m)^maitred_requests_total\{.*target_group="targetgroup/hot/[0-9a-f]+"\} [1-9]`,
		`(?m)^maitred_task_cpu_seconds_total\{.*cluster="default",service="hot",family="hot".*\} [0-9.]*[1-9]`,
		`(?m)^maitred_service_running_tasks\{.*service="hot"\} 1$`,
		`(?m)^maitred_target_group_healthy_targets\{.*\} 1$`,
	} {
		if !regexp.MustCompile(line).MatchString(text) {
			t.Errorf("GET /metrics has no line like %s\n%s", line, text)
		}
	}
	var counted float64
	data.mu.Lock()
	for i := range data.data {
		if d := &data.data[i]; d.Metric.Name == "HTTPCode_Target_2XX_Count" && len(d.Dimensions) == 1 && d.Dimensions[0] == targets[0] && d.Resolution == 1 {
			counted += d.Sum
		}
	}
	data.mu.Unlock()
	if most := float64(asked.Load() + 1); counted > most {
		t.Errorf("%v answers were counted of %v", counted, most)
	}
}
