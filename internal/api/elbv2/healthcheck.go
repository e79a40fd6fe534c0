package elbv2

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	client "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"

	"github.com/maitred/maitred/internal/model"
)

// The bounds of health checks ("CreateTargetGroup").
const (
	intervalLeast  = 5
	intervalMost   = 300
	timeoutLeast   = 2
	timeoutMost    = 120
	thresholdLeast = 2
	thresholdMost  = 10
	checkPathMax   = 1024
)

// The defaults of health checks ("Health checks for your target groups"). Where the API's own text differs about the
// timeout, it is about Network Load Balancers.
const (
	interval      = 30 * time.Second
	timeout       = 5 * time.Second
	timeoutHTTP   = 6 * time.Second // of a group for Network Load Balancers
	timeoutTCP    = 10 * time.Second
	healthyCount  = 5
	unhealthCount = 2
	trafficPort   = "traffic-port"
)

// healthCheck is what CreateTargetGroup and ModifyTargetGroup say of health checks; nil and "" are not given.
type healthCheck struct {
	enabled                               *bool
	interval, timeout, healthy, unhealthy *int32
	path, port                            *string
	protocol                              elb.ProtocolEnum
	matcher                               *elb.Matcher
}

func checkIn(in *client.CreateTargetGroupInput) healthCheck {
	return healthCheck{
		enabled: in.HealthCheckEnabled, interval: in.HealthCheckIntervalSeconds, timeout: in.HealthCheckTimeoutSeconds,
		healthy: in.HealthyThresholdCount, unhealthy: in.UnhealthyThresholdCount, path: in.HealthCheckPath, port: in.HealthCheckPort,
		protocol: in.HealthCheckProtocol, matcher: in.Matcher,
	}
}

// defaultCheck is the health check of a group that says nothing of it but, perhaps, the protocol.
func defaultCheck(g *model.TargetGroup, protocol elb.ProtocolEnum) model.TargetCheck {
	c := model.TargetCheck{Port: trafficPort, Interval: interval, Timeout: timeout, Healthy: healthyCount, Unhealthy: unhealthCount}
	setProtocol(g, &c, defaultProtocol(g, protocol))
	switch {
	case g.HTTP():
	case c.Protocol == "HTTP":
		c.Timeout = timeoutHTTP
	default:
		c.Timeout = timeoutTCP
	}
	return c
}

func defaultProtocol(g *model.TargetGroup, given elb.ProtocolEnum) string {
	switch {
	case given != "":
		return string(given)
	case g.HTTP():
		return "HTTP"
	}
	return "TCP"
}

// setProtocol changes the protocol of a health check, and gives it what that has and the one before had not.
func setProtocol(g *model.TargetGroup, c *model.TargetCheck, protocol string) {
	c.Protocol = protocol
	switch {
	case protocol == "TCP":
		c.Path, c.Matcher = "", ""
	case c.Path != "":
	case g.ProtocolVersion == "GRPC":
		c.Path, c.Matcher = "/AWS.ALB/healthcheck", "12"
	case g.HTTP():
		c.Path, c.Matcher = "/", "200"
	default:
		c.Path, c.Matcher = "/", "200-399"
	}
}

// apply changes what is given, and checks the outcome.
func (h healthCheck) apply(g *model.TargetGroup) error {
	if err := h.check(); err != nil {
		return err
	}
	c := g.Check
	if h.enabled != nil && !*h.enabled {
		return invalid("Health check enabled must be true for target groups with target type '%s'", g.TargetType)
	}
	if h.protocol != "" {
		allowed := []string{"HTTP", "HTTPS"}
		if !g.HTTP() {
			allowed = append(allowed, "TCP")
		}
		if !slices.Contains(allowed, string(h.protocol)) {
			return invalid("Health check protocol '%s' must be one of '%s' for target groups with the %s protocol", h.protocol, strings.Join(allowed, ", "), g.Protocol)
		}
		setProtocol(g, &c, string(h.protocol))
	}
	set := func(into *time.Duration, n *int32) {
		if n != nil {
			*into = time.Duration(*n) * time.Second
		}
	}
	set(&c.Interval, h.interval)
	set(&c.Timeout, h.timeout)
	if h.healthy != nil {
		c.Healthy = int(*h.healthy)
	}
	if h.unhealthy != nil {
		c.Unhealthy = int(*h.unhealthy)
	}
	if h.port != nil {
		c.Port = *h.port
	}
	if c.Timeout >= c.Interval {
		return invalid("Health check interval must be greater than the timeout")
	}
	if err := h.applyHTTP(g, &c); err != nil {
		return err
	}
	g.Check = c
	return nil
}

// check checks what can be checked without the group.
func (h healthCheck) check() error {
	port := aws.ToString(h.port)
	n, err := strconv.Atoi(port)
	if h.port != nil && port != trafficPort && (err != nil || n < 1 || n > portMax || strconv.Itoa(n) != port) {
		return invalid("Health check port '%.50s' must be '%s' or a number from 1 to %d", port, trafficPort, portMax)
	}
	return first(
		number("healthCheckIntervalSeconds", h.interval, intervalLeast, intervalMost),
		number("healthCheckTimeoutSeconds", h.timeout, timeoutLeast, timeoutMost),
		number("healthyThresholdCount", h.healthy, thresholdLeast, thresholdMost),
		number("unhealthyThresholdCount", h.unhealthy, thresholdLeast, thresholdMost),
		checkEnum("healthCheckProtocol", h.protocol),
	)
}

// applyHTTP changes what only checks by HTTP and HTTPS have.
func (h healthCheck) applyHTTP(g *model.TargetGroup, c *model.TargetCheck) error {
	if c.Protocol == "TCP" {
		switch {
		case h.path != nil:
			return invalid("A health check path cannot be specified for health checks with the TCP protocol")
		case h.matcher != nil && (h.matcher.HttpCode != nil || h.matcher.GrpcCode != nil):
			return invalid("A matcher cannot be specified for health checks with the TCP protocol")
		}
		return nil
	}
	if h.path != nil {
		if len(*h.path) > checkPathMax || !strings.HasPrefix(*h.path, "/") || strings.ContainsFunc(*h.path, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
			return invalid("Health check path '%.100s' must begin with '/' and have at most %d printable ASCII characters without spaces", *h.path, checkPathMax)
		}
		c.Path = *h.path
	}
	if h.matcher == nil || h.matcher.HttpCode == nil && h.matcher.GrpcCode == nil {
		return nil
	}
	return applyMatcher(g, c, h.matcher)
}

// The codes that can be successes ("Matcher").
const (
	codeLeast      = 200
	codeMost       = 499
	codeMostOthers = 599 // of a group for Network Load Balancers
	grpcMost       = 99
)

func applyMatcher(g *model.TargetGroup, c *model.TargetCheck, m *elb.Matcher) error {
	grpc := g.ProtocolVersion == "GRPC"
	if grpc && m.HttpCode != nil || !grpc && m.GrpcCode != nil {
		return invalid("A matcher must have a GRPC code for target groups with the protocol version GRPC, and an HTTP code for all others")
	}
	text, least, most := aws.ToString(m.HttpCode), codeLeast, codeMost
	switch {
	case grpc:
		text, least, most = *m.GrpcCode, 0, grpcMost
	case !g.HTTP():
		most = codeMostOthers
	}
	if !matcherValid(text, least, most) {
		return invalid("Health check matcher '%.100s' must be codes from %d to %d, as '200', '200,202' or '200-299'", text, least, most)
	}
	c.Matcher = text
	return nil
}

// matcherValid says whether a text lists codes and ranges of codes: "200", "200,202", "200-299".
func matcherValid(text string, least, most int) bool {
	for part := range strings.SplitSeq(text, ",") {
		from, to, ranged := strings.Cut(part, "-")
		a, ok := code(from, least, most)
		if !ok {
			return false
		}
		if b, ok := code(to, least, most); ranged && (!ok || b < a) {
			return false
		}
	}
	return true
}

func code(text string, least, most int) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= least && n <= most && strconv.Itoa(n) == text
}

func seconds(d time.Duration) *int32 { return aws.Int32(int32(d / time.Second)) }
