package arn

import "testing"

func TestAlarm(t *testing.T) {
	t.Parallel()
	scope := Scope{Region: "eu-west-1", Account: "123456789012"}
	for _, name := range []string{"a", "TargetTracking-service/c/s-AlarmHigh-1", "a:b:c", "ü 5%"} {
		got, in, ok := AlarmName(scope.Alarm(name))
		if !ok || got != name || in != scope {
			t.Errorf("AlarmName(Alarm(%q)) = %q, %v, %v", name, got, in, ok)
		}
	}
	for _, bad := range []string{
		"", "a", "arn:aws:cloudwatch:eu-west-1:1:alarm", "arn:aws:cloudwatch:eu-west-1:1:alarm:", "arn:aws:ecs:eu-west-1:1:alarm:a",
		"arn:aws:cloudwatch:eu-west-1:1:dashboard:a",
	} {
		if _, _, ok := AlarmName(bad); ok {
			t.Errorf("AlarmName(%q) is taken for an alarm", bad)
		}
	}
}
