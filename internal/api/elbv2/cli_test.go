package elbv2_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/testneeds"
)

// cli is the unmodified aws CLI pointed at a world.
type cli struct {
	t    *testing.T
	path string
	env  []string
}

// try runs `aws elbv2 …` and gives what it prints.
func (c cli) try(args ...string) (string, error) {
	cmd := exec.CommandContext(c.t.Context(), c.path, append([]string{"elbv2"}, args...)...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// run is try for what must succeed.
func (c cli) run(args ...string) string {
	c.t.Helper()
	out, err := c.try(args...)
	if err != nil {
		c.t.Fatalf("aws elbv2 %s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// want fails unless the output is as expected.
func (c cli) want(want string, args ...string) {
	c.t.Helper()
	if got := c.run(args...); got != want {
		c.t.Errorf("aws elbv2 %s: got %q, want %q", strings.Join(args, " "), got, want)
	}
}

// TestWithTheCLI makes a load balancer with all that belongs to it, and takes it down again, by the unmodified aws CLI.
func TestWithTheCLI(t *testing.T) {
	t.Parallel()
	path := testneeds.Command(t, "aws")
	w := newWorld(t)
	c := cli{t, path, append(os.Environ(), "AWS_ENDPOINT_URL="+w.url, "AWS_DEFAULT_REGION="+region, "AWS_REGION="+region, "AWS_ACCESS_KEY_ID=maitred",
		"AWS_SECRET_ACCESS_KEY=maitred", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")}
	subnets := w.subnets()
	text := func(query string) []string { return []string{"--query", query, "--output", "text"} }
	run := func(query string, args ...string) string { t.Helper(); return c.run(append(args, text(query)...)...) }
	lb := run("LoadBalancers[0].LoadBalancerArn", "create-load-balancer", "--name", "web", "--subnets", subnets[0], subnets[1], "--tags", "Key=a,Value=b", "Key=maitred:address,Value=127.0.0.7")
	c.run("wait", "load-balancer-available", "--load-balancer-arns", lb)
	c.want("127.0.0.7\tactive\tapplication", append([]string{"describe-load-balancers", "--names", "web"}, text("LoadBalancers[0].[DNSName,State.Code,Type]")...)...)
	var groups []string
	for _, name := range []string{"blue", "green"} {
		groups = append(groups, run("TargetGroups[0].TargetGroupArn", "create-target-group", "--name", name, "--protocol", "HTTP", "--port", "8080", "--vpc-id", w.vpc(),
			"--target-type", "ip", "--health-check-path", "/up", "--matcher", "HttpCode=200-299"))
	}
	listener := run("Listeners[0].ListenerArn", "create-listener", "--load-balancer-arn", lb, "--protocol", "HTTP", "--port", "80", "--default-actions", "Type=forward,TargetGroupArn="+groups[0])
	rule := run("Rules[0].RuleArn", "create-rule", "--listener-arn", listener, "--priority", "10",
		"--conditions", `[{"Field":"query-string","QueryStringConfig":{"Values":[{"Key":"v","Value":"1"},{"Value":"*e*"}]}},{"Field":"path-pattern","Values":["/a/*"]}]`,
		"--actions", `[{"Type":"forward","Order":1,"ForwardConfig":{"TargetGroups":[{"TargetGroupArn":"`+groups[0]+`","Weight":1},{"TargetGroupArn":"`+groups[1]+`","Weight":2}]}}]`)
	c.want("10\t2\t/a/*\t/a/*\t*e*", append([]string{"describe-rules", "--rule-arns", rule},
		text("Rules[0].[Priority,Actions[0].ForwardConfig.TargetGroups[1].Weight,Conditions[1].Values[0],Conditions[1].PathPatternConfig.Values[0],Conditions[0].QueryStringConfig.Values[1].Value]")...)...)
	c.want("10\tdefault", append([]string{"describe-rules", "--listener-arn", listener}, text("Rules[*].Priority")...)...)
	c.run("set-rule-priorities", "--rule-priorities", "RuleArn="+rule+",Priority=5")
	c.run("modify-target-group-attributes", "--target-group-arn", groups[0], "--attributes", "Key=deregistration_delay.timeout_seconds,Value=5")
	c.run("register-targets", "--target-group-arn", groups[0], "--targets", "Id=127.0.0.1,Port=9001", "Id=127.0.0.1,Port=9002")
	w.sees("b1", model.TargetHealthy, "")
	c.run("wait", "target-in-service", "--target-group-arn", groups[0])
	c.run("deregister-targets", "--target-group-arn", groups[0], "--targets", "Id=127.0.0.1,Port=9002")
	c.want("9001\thealthy\n9002\tdraining", append([]string{"describe-target-health", "--target-group-arn", groups[0]}, text("TargetHealthDescriptions[*].[Target.Port,TargetHealth.State]")...)...)
	c.want("a\tb", append([]string{"describe-tags", "--resource-arns", lb}, text("TagDescriptions[0].Tags[0].[Key,Value]")...)...)
	c.want("TLSv1.3", append([]string{"describe-ssl-policies", "--names", "ELBSecurityPolicy-TLS13-1-3-2021-06"}, text("SslPolicies[0].SslProtocols")...)...)
	for code, args := range map[string][]string{
		"ResourceInUse":     {"delete-target-group", "--target-group-arn", groups[1]},
		"DuplicateListener": {"create-listener", "--load-balancer-arn", lb, "--protocol", "HTTP", "--port", "80", "--default-actions", "Type=fixed-response,FixedResponseConfig={StatusCode=200}"},
		"InvalidAction":     {"describe-capacity-reservation", "--load-balancer-arn", lb},
	} {
		if out, err := c.try(args...); err == nil || !strings.Contains(out, "("+code+")") {
			t.Errorf("aws elbv2 %s: %v, %s, want %s", args[0], err, out, code)
		}
	}
	c.run("delete-load-balancer", "--load-balancer-arn", lb)
	c.run("wait", "load-balancers-deleted", "--load-balancer-arns", lb)
	for _, g := range groups {
		c.run("delete-target-group", "--target-group-arn", g)
	}
}
