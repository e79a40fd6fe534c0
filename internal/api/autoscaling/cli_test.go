package autoscaling_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/testneeds"
)

// cli is the unmodified aws CLI pointed at a world.
type cli struct {
	t    *testing.T
	path string
	env  []string
}

// try runs `aws application-autoscaling …` for the service web and gives what it prints.
func (c cli) try(operation string, args ...string) (string, error) {
	args = append([]string{"application-autoscaling", operation, "--service-namespace", "ecs", "--output", "text"}, args...)
	cmd := exec.CommandContext(c.t.Context(), c.path, args...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

// run is try for what must succeed.
func (c cli) run(operation string, args ...string) string {
	c.t.Helper()
	out, err := c.try(operation, args...)
	if err != nil {
		c.t.Fatalf("aws application-autoscaling %s: %v\n%s", operation, err, out)
	}
	return out
}

// want fails unless the output is as expected.
func (c cli) want(want, query, operation string, args ...string) {
	c.t.Helper()
	if got := c.run(operation, append(args, "--query", query)...); got != want {
		c.t.Errorf("aws application-autoscaling %s: got %q, want %q", operation, got, want)
	}
}

// TestWithTheCLI scales a service by the unmodified aws CLI.
func TestWithTheCLI(t *testing.T) {
	t.Parallel()
	path := testneeds.Command(t, "aws")
	w := newWorld(t)
	c := cli{t, path, append(os.Environ(), "AWS_ENDPOINT_URL="+w.url, "AWS_DEFAULT_REGION="+region, "AWS_REGION="+region, "AWS_ACCESS_KEY_ID=maitred",
		"AWS_SECRET_ACCESS_KEY=maitred", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null")}
	of := []string{"--resource-id", web, "--scalable-dimension", "ecs:service:DesiredCount"}
	on := func(args ...string) []string { return append(args, of...) }
	c.run("register-scalable-target", on("--min-capacity", "4", "--max-capacity", "10", "--suspended-state", "DynamicScalingInSuspended=true")...)
	c.want("4\t10\tTrue\tFalse", "ScalableTargets[0].[MinCapacity,MaxCapacity,SuspendedState.DynamicScalingInSuspended,SuspendedState.ScheduledScalingSuspended]",
		"describe-scalable-targets", "--resource-ids", web)
	c.want("Setting desired count to 4.\tminimum capacity was set to 4\tInProgress", "ScalingActivities[0].[Description,Cause,StatusCode]", "describe-scaling-activities", "--resource-id", web)
	c.want("2", "length(Alarms)", "put-scaling-policy", on("--policy-name", "cpu", "--policy-type", "TargetTrackingScaling", "--target-tracking-scaling-policy-configuration",
		`{"TargetValue":70.0,"ScaleOutCooldown":0,"PredefinedMetricSpecification":{"PredefinedMetricType":"ECSServiceAverageCPUUtilization"}}`)...)
	c.run("put-scaling-policy", on("--policy-name", "steps", "--policy-type", "StepScaling", "--step-scaling-policy-configuration",
		`{"AdjustmentType":"ChangeInCapacity","StepAdjustments":[{"MetricIntervalLowerBound":0,"MetricIntervalUpperBound":15,"ScalingAdjustment":1},{"MetricIntervalLowerBound":15,"ScalingAdjustment":2}]}`)...)
	c.want("cpu\t70\tNone\nsteps\tNone\t2", "ScalingPolicies[].[PolicyName,TargetTrackingScalingPolicyConfiguration.TargetValue,StepScalingPolicyConfiguration.StepAdjustments[1].ScalingAdjustment]",
		"describe-scaling-policies", "--resource-id", web)
	c.run("put-scheduled-action", on("--scheduled-action-name", "morning", "--schedule", "cron(30 6 ? * MON-FRI *)", "--timezone", "Europe/Vienna",
		"--scalable-target-action", "MinCapacity=5,MaxCapacity=20", "--start-time", "2026-04-01T00:00:00Z")...)
	c.want("morning\tcron(30 6 ? * MON-FRI *)\tEurope/Vienna\t5\t20", "ScheduledActions[0].[ScheduledActionName,Schedule,Timezone,ScalableTargetAction.MinCapacity,ScalableTargetAction.MaxCapacity]",
		"describe-scheduled-actions")
	for text, args := range map[string][]string{
		"(ValidationException) when calling the PutScheduledAction operation: The schedule 'never' is not valid":            on("put-scheduled-action", "--scheduled-action-name", "x", "--schedule", "never", "--scalable-target-action", "MinCapacity=1"),
		"(ObjectNotFoundException) when calling the DeleteScalingPolicy operation: No scaling policy found":                 on("delete-scaling-policy", "--policy-name", "no"),
		"(ValidationException) when calling the RegisterScalableTarget operation: Maximum capacity cannot be less than min": on("register-scalable-target", "--min-capacity", "11"),
	} {
		if out, err := c.try(args[0], args[1:]...); err == nil || !strings.Contains(out, text) {
			t.Errorf("aws application-autoscaling %s: %v, %s, want %s", args[0], err, out, text)
		}
	}
	c.run("delete-scheduled-action", on("--scheduled-action-name", "morning")...)
	c.run("delete-scaling-policy", on("--policy-name", "cpu")...)
	c.run("deregister-scalable-target", of...)
	c.want("0", "length(ScalableTargets)", "describe-scalable-targets")
}
