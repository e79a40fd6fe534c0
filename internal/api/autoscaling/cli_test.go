package autoscaling_test

import (
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/api/apitest"
)

// TestWithTheCLI scales a service by the unmodified aws CLI.
func TestWithTheCLI(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	c := apitest.NewCLI(t, w.url, region, "application-autoscaling", "--service-namespace", "ecs")
	of := []string{"--resource-id", web, "--scalable-dimension", "ecs:service:DesiredCount"}
	on := func(args ...string) []string { return append(args, of...) }
	c.Run("", "register-scalable-target", on("--min-capacity", "4", "--max-capacity", "10", "--suspended-state", "DynamicScalingInSuspended=true")...)
	c.Want("4\t10\tTrue\tFalse", "ScalableTargets[0].[MinCapacity,MaxCapacity,SuspendedState.DynamicScalingInSuspended,SuspendedState.ScheduledScalingSuspended]",
		"describe-scalable-targets", "--resource-ids", web)
	c.Want("Setting desired count to 4.\tminimum capacity was set to 4\tInProgress", "ScalingActivities[0].[Description,Cause,StatusCode]", "describe-scaling-activities", "--resource-id", web)
	c.Want("2", "length(Alarms)", "put-scaling-policy", on("--policy-name", "cpu", "--policy-type", "TargetTrackingScaling", "--target-tracking-scaling-policy-configuration",
		`{"TargetValue":70.0,"ScaleOutCooldown":0,"PredefinedMetricSpecification":{"PredefinedMetricType":"ECSServiceAverageCPUUtilization"}}`)...)
	c.Run("", "put-scaling-policy", on("--policy-name", "steps", "--policy-type", "StepScaling", "--step-scaling-policy-configuration",
		`{"AdjustmentType":"ChangeInCapacity","StepAdjustments":[{"MetricIntervalLowerBound":0,"MetricIntervalUpperBound":15,"ScalingAdjustment":1},{"MetricIntervalLowerBound":15,"ScalingAdjustment":2}]}`)...)
	c.Want("cpu\t70\tNone\nsteps\tNone\t2", "ScalingPolicies[].[PolicyName,TargetTrackingScalingPolicyConfiguration.TargetValue,StepScalingPolicyConfiguration.StepAdjustments[1].ScalingAdjustment]",
		"describe-scaling-policies", "--resource-id", web)
	c.Run("", "put-scheduled-action", on("--scheduled-action-name", "morning", "--schedule", "cron(30 6 ? * MON-FRI *)", "--timezone", "Europe/Vienna",
		"--scalable-target-action", "MinCapacity=5,MaxCapacity=20", "--start-time", "2026-04-01T00:00:00Z")...)
	c.Want("morning\tcron(30 6 ? * MON-FRI *)\tEurope/Vienna\t5\t20", "ScheduledActions[0].[ScheduledActionName,Schedule,Timezone,ScalableTargetAction.MinCapacity,ScalableTargetAction.MaxCapacity]",
		"describe-scheduled-actions")
	for text, args := range map[string][]string{
		"(ValidationException) when calling the PutScheduledAction operation: The schedule 'never' is not valid":            on("put-scheduled-action", "--scheduled-action-name", "x", "--schedule", "never", "--scalable-target-action", "MinCapacity=1"),
		"(ObjectNotFoundException) when calling the DeleteScalingPolicy operation: No scaling policy found":                 on("delete-scaling-policy", "--policy-name", "no"),
		"(ValidationException) when calling the RegisterScalableTarget operation: Maximum capacity cannot be less than min": on("register-scalable-target", "--min-capacity", "11"),
	} {
		if out, err := c.Try(args[0], args[1:]...); err == nil || !strings.Contains(out, text) {
			t.Errorf("aws application-autoscaling %s: %v, %s, want %s", args[0], err, out, text)
		}
	}
	c.Run("", "delete-scheduled-action", on("--scheduled-action-name", "morning")...)
	c.Run("", "delete-scaling-policy", on("--policy-name", "cpu")...)
	c.Run("", "deregister-scalable-target", of...)
	c.Want("0", "length(ScalableTargets)", "describe-scalable-targets")
}
