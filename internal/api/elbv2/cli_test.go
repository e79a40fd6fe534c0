package elbv2_test

import (
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/api/apitest"
	"github.com/maitred/maitred/internal/model"
)

// TestWithTheCLI makes a load balancer with all that belongs to it, and takes it down again, by the unmodified aws CLI.
func TestWithTheCLI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := apitest.NewCLI(t, w.url, region, "elbv2")
	subnets := w.subnets()
	lb := c.Run("LoadBalancers[0].LoadBalancerArn", "create-load-balancer", "--name", "web", "--subnets", subnets[0], subnets[1], "--tags", "Key=a,Value=b", "Key=maitred:address,Value=127.0.0.7")
	c.Run("", "wait", "load-balancer-available", "--load-balancer-arns", lb)
	c.Want("127.0.0.7\tactive\tapplication", "LoadBalancers[0].[DNSName,State.Code,Type]",
		"describe-load-balancers", "--names", "web")
	var groups []string
	for _, name := range []string{"blue", "green"} {
		groups = append(groups, c.Run("TargetGroups[0].TargetGroupArn", "create-target-group", "--name", name, "--protocol", "HTTP", "--port", "8080", "--vpc-id", w.vpc(),
			"--target-type", "ip", "--health-check-path", "/up", "--matcher", "HttpCode=200-299"))
	}
	listener := c.Run("Listeners[0].ListenerArn", "create-listener", "--load-balancer-arn", lb, "--protocol", "HTTP", "--port", "80", "--default-actions", "Type=forward,TargetGroupArn="+groups[0])
	rule := c.Run("Rules[0].RuleArn", "create-rule", "--listener-arn", listener, "--priority", "10",
		"--conditions", `[{"Field":"query-string","QueryStringConfig":{"Values":[{"Key":"v","Value":"1"},{"Value":"*e*"}]}},{"Field":"path-pattern","Values":["/a/*"]}]`,
		"--actions", `[{"Type":"forward","Order":1,"ForwardConfig":{"TargetGroups":[{"TargetGroupArn":"`+groups[0]+`","Weight":1},{"TargetGroupArn":"`+groups[1]+`","Weight":2}]}}]`)
	c.Want("10\t2\t/a/*\t/a/*\t*e*", "Rules[0].[Priority,Actions[0].ForwardConfig.TargetGroups[1].Weight,Conditions[1].Values[0],Conditions[1].PathPatternConfig.Values[0],Conditions[0].QueryStringConfig.Values[1].Value]",
		"describe-rules", "--rule-arns", rule)
	c.Want("10\tdefault", "Rules[*].Priority",
		"describe-rules", "--listener-arn", listener)
	c.Run("", "set-rule-priorities", "--rule-priorities", "RuleArn="+rule+",Priority=5")
	c.Run("", "modify-target-group-attributes", "--target-group-arn", groups[0], "--attributes", "Key=deregistration_delay.timeout_seconds,Value=5")
	c.Run("", "register-targets", "--target-group-arn", groups[0], "--targets", "Id=127.0.0.1,Port=9001", "Id=127.0.0.1,Port=9002")
	w.sees("b1", model.TargetHealthy, "")
	c.Run("", "wait", "target-in-service", "--target-group-arn", groups[0])
	c.Run("", "deregister-targets", "--target-group-arn", groups[0], "--targets", "Id=127.0.0.1,Port=9002")
	c.Want("9001\thealthy\n9002\tdraining", "TargetHealthDescriptions[*].[Target.Port,TargetHealth.State]",
		"describe-target-health", "--target-group-arn", groups[0])
	c.Want("a\tb", "TagDescriptions[0].Tags[0].[Key,Value]",
		"describe-tags", "--resource-arns", lb)
	c.Want("TLSv1.3", "SslPolicies[0].SslProtocols",
		"describe-ssl-policies", "--names", "ELBSecurityPolicy-TLS13-1-3-2021-06")
	for code, args := range map[string][]string{
		"ResourceInUse":     {"delete-target-group", "--target-group-arn", groups[1]},
		"DuplicateListener": {"create-listener", "--load-balancer-arn", lb, "--protocol", "HTTP", "--port", "80", "--default-actions", "Type=fixed-response,FixedResponseConfig={StatusCode=200}"},
		"InvalidAction":     {"describe-capacity-reservation", "--load-balancer-arn", lb},
	} {
		if out, err := c.Try(args[0], args[1:]...); err == nil || !strings.Contains(out, "("+code+")") {
			t.Errorf("aws elbv2 %s: %v, %s, want %s", args[0], err, out, code)
		}
	}
	c.Run("", "delete-load-balancer", "--load-balancer-arn", lb)
	c.Run("", "wait", "load-balancers-deleted", "--load-balancer-arns", lb)
	for _, g := range groups {
		c.Run("", "delete-target-group", "--target-group-arn", g)
	}
}
