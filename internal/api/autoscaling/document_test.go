package autoscaling_test

import (
	"strings"
	"testing"

	"github.com/maitred/maitred/internal/api/autoscaling"
)

func TestReadPolicies(t *testing.T) {
	t.Parallel()
	const cpu = `{"PolicyName": "cpu", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 50,
		"PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"}, "ScaleInCooldown": 60}}`
	const full = `{"ServiceNamespace": "ecs", "ScalableDimension": "ecs:service:DesiredCount", "ResourceId": "service/default/web",
		"PolicyName": "steps", "PolicyType": "StepScaling", "StepScalingPolicyConfiguration": {"AdjustmentType": "ChangeInCapacity",
		"StepAdjustments": [{"MetricIntervalLowerBound": 0, "ScalingAdjustment": 1}]}}`
	for name, c := range map[string]struct{ document, want, err string }{
		"one":         {document: cpu, want: "cpu"},
		"list":        {document: " [" + cpu + "," + full + "]", want: "cpu steps"},
		"no JSON":     {document: "{", err: "policy 1"},
		"no name":     {document: `{}`, err: "policyName"},
		"no config":   {document: `{"PolicyName": "x"}`, err: "is missing"},
		"dynamodb":    {document: strings.Replace(full, `"ecs"`, `"dynamodb"`, 1), err: "ServiceNamespace has to be ecs"},
		"resource":    {document: strings.Replace(full, "service/default/web", "web", 1), err: "ResourceId has to be"},
		"wrong type":  {document: strings.Replace(full, `"StepScaling"`, `"TargetTrackingScaling"`, 1), err: "cannot be specified"},
		"second bad":  {document: "[" + cpu + ", {}]", err: "policy 2"},
		"not a list":  {document: "[" + cpu, err: "not a list"},
		"not a value": {document: strings.Replace(cpu, "50", `"fifty"`, 1), err: "policy 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := autoscaling.ReadPolicies([]byte(c.document))
			var names []string
			for _, p := range got {
				names = append(names, p.Name)
			}
			if text := strings.Join(names, " "); text != c.want {
				t.Errorf("got %q, want %q (%v)", text, c.want, err)
			}
			if (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
				t.Errorf("got the error %v, want %q", err, c.err)
			}
		})
	}
}

func FuzzReadPolicies(f *testing.F) {
	f.Add([]byte(`{"PolicyName": "cpu", "TargetTrackingScalingPolicyConfiguration": {"TargetValue": 50}}`))
	f.Add([]byte(`[{"PolicyName": "s", "StepScalingPolicyConfiguration": {"StepAdjustments": [{"ScalingAdjustment": 1}]}}]`))
	f.Fuzz(func(t *testing.T, document []byte) {
		policies, err := autoscaling.ReadPolicies(document)
		for _, p := range policies {
			if err == nil && (p.Name == "" || (p.Tracking == nil) == (p.Step == nil)) {
				t.Errorf("%q gives %+v", document, p)
			}
		}
	})
}
