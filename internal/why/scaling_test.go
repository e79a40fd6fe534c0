package why_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/core/scaling"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/why"
)

const (
	targetPath = "us-east-1/service/default/web"
	policyARN  = "arn:aws:autoscaling:us-east-1:123456789012:scalingPolicy:1:resource/ecs/service/default/web:policyName/cpu"
	alarmARN   = "arn:aws:cloudwatch:us-east-1:123456789012:alarm:high"
)

// scaled are the records of the service being scaled by CPU utilization, with more that a test adds.
func scaled(more ...model.Record) []model.Record {
	cpu := &model.Metric{Namespace: model.NamespaceECS, Name: "CPUUtilization"}
	alarm := func(name, comparison string, threshold float64, periods int) *model.Alarm {
		return &model.Alarm{
			ARN: strings.Replace(alarmARN, "high", name, 1), Name: name, Region: "us-east-1", ActionsEnabled: true, Metric: cpu,
			Statistic: model.StatAverage, Period: 60, EvaluationPeriods: periods, Threshold: threshold, Comparison: comparison,
			AlarmActions: []string{policyARN}, Policy: policyARN,
		}
	}
	return append([]model.Record{
		&model.ScalableTarget{ARN: "target", Region: "us-east-1", Resource: "service/default/web", Service: service, Min: 1, Max: 10},
		&model.ScalingPolicy{
			ARN: policyARN, Name: "cpu", Target: targetPath, Alarms: []string{"high", "low"},
			Tracking: &model.Tracking{
				Value: 50, Predefined: "ECSServiceAverageCPUUtilization", OutCooldown: time.Minute, InCooldown: 2 * time.Minute,
				Queries: []model.MetricQuery{{ID: "m", Metric: cpu, Statistic: model.StatAverage, Period: 60}},
			},
		},
		alarm("high", model.Greater, 50, 3), alarm("low", model.Less, 45, 15),
		inState("high", model.AlarmOK), inState("low", model.AlarmOK),
	}, more...)
}

func inState(alarm string, value model.AlarmValue) *model.AlarmState {
	return &model.AlarmState{
		Alarm: "us-east-1/" + alarm, Value: value, Since: at(5), UpdatedAt: at(5), Reason: "Threshold Crossed",
		Cause: model.Cause{Kind: model.CauseAlarm, Subject: alarm, At: at(5), Detail: "90, 80, 70"},
	}
}

// running makes the first task's successor one that runs.
func running() model.Record {
	return &model.Observed{Task: second, Machine: "m1", Status: model.TaskRunning, StartedAt: at(11)}
}

// measuring gives the alarms what they measure.
func measuring(v why.Viewer) why.Viewer {
	v.Points = func(a *model.Alarm) []float64 {
		if a.Name == "high" {
			return []float64{90.5, 80, 70}
		}
		return []float64{20, 10}
	}
	return v
}

func completed() model.Record {
	return &model.Deployment{
		ID: "ecs-svc/0000000000000000001", Token: "tttttttttttttttttttttt", Service: service, TaskDefinition: revision,
		Rollout: model.RolloutCompleted, Current: true, CreatedAt: at(0),
	}
}

// TestNotScaled says why the desired count stays what it is.
func TestNotScaled(t *testing.T) {
	t.Parallel()
	state := func(c model.Cooldown) model.Record {
		return &model.ScalingState{Target: targetPath, Cooldowns: map[string]model.Cooldown{"cpu": c}}
	}
	bounds := func(low, high int, s model.Suspended) model.Record {
		return &model.ScalableTarget{
			ARN: "target", Region: "us-east-1", Resource: "service/default/web", Service: service, Min: low, Max: high, Suspended: s,
		}
	}
	for name, test := range map[string]struct {
		records []model.Record
		want    []string
	}{
		"nothing triggers it": {nil, []string{"policy cpu: none of its alarms is in ALARM"}},
		"at the next look": {
			[]model.Record{inState("high", model.AlarmAlarm)},
			[]string{"not yet: at the next look the desired count becomes 2: ceil(1 running × 90.5 / 50) = 2"},
		},
		"at the maximum": {
			[]model.Record{inState("high", model.AlarmAlarm), bounds(1, 1, model.Suspended{})},
			[]string{"policy cpu: AlreadyAtMaxCapacity: 1 is the maximum: ceil(1 running × 90.5 / 50) = 2"},
		},
		"at the minimum": {
			[]model.Record{inState("low", model.AlarmAlarm)},
			[]string{"policy cpu: AlreadyAtMinCapacity: 1 is the minimum: ceil(1 running × 20 / 50) = 1"},
		},
		"suspended": {
			[]model.Record{inState("high", model.AlarmAlarm), bounds(1, 5, model.Suspended{Out: true})},
			[]string{"scaling out is suspended", "policy cpu: scaling out is suspended"},
		},
		"cool-down": {
			[]model.Record{inState("high", model.AlarmAlarm), state(model.Cooldown{Activity: 1, Began: at(10), From: 0, To: 2})},
			[]string{"policy cpu: scale-out cool-down of 60 s until 2026-01-01T12:01:10Z: of 1 more, 2 were added by then"},
		},
		"cool-down of what somebody took back": {
			[]model.Record{
				inState("high", model.AlarmAlarm), state(model.Cooldown{Activity: 1, Began: at(10), From: 0, To: 2}),
				&model.ScalingActivity{Target: targetPath, Number: 1, Desired: 2, Status: model.ActivitySuccessful},
			},
			[]string{"not yet: at the next look the desired count becomes 2: ceil(1 running × 90.5 / 50) = 2"},
		},
		"asleep when it is idle": {
			[]model.Record{bounds(0, 10, model.Suspended{}), sleepy("300")},
			[]string{
				"it sleeps when nothing was in flight for 300 s (tag maitred:scale-to-zero), also without a policy",
				"policy cpu: none of its alarms is in ALARM",
			},
		},
		"never asleep": {
			[]model.Record{sleepy("300")},
			[]string{"the tag maitred:scale-to-zero does nothing: the minimum is 1, not 0", "policy cpu: none of its alarms is in ALARM"},
		},
		"a tag that means nothing": {
			[]model.Record{tagged("maitred:scaling", "quick")},
			[]string{`the tag maitred:scaling does nothing: it is "quick", and only "fast" means anything`, "policy cpu: none of its alarms is in ALARM"},
		},
		"deployment": {
			[]model.Record{&model.Deployment{
				ID: "ecs-svc/0000000000000000001", Service: service, TaskDefinition: revision, Rollout: model.RolloutInProgress, Current: true,
			}},
			[]string{"a deployment is in progress: nothing is scaled in until it is over", "policy cpu: none of its alarms is in ALARM"},
		},
	} {
		v := measuring(viewer(t, append(scaled(running(), completed()), test.records...)...))
		if diff := cmp.Diff(test.want, tell(t, v, "web").Scaling.Held); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// sleepy is the service with the tag by which it may have no tasks.
func sleepy(idle string) model.Record { return tagged("maitred:scale-to-zero", idle) }

// tagged is the service with a tag.
func tagged(key, value string) model.Record {
	return &model.Service{
		ARN: service, Name: "web", Cluster: cluster, Region: "us-east-1", Status: model.Active, Scheduling: model.Replica, DesiredCount: 1,
		Primary: "ecs-svc/0000000000000000001", Tags: []model.Tag{{Key: key, Value: value}},
	}
}

// TestPolicies tells of today's policies and schedules, their alarms and what these measured last.
func TestPolicies(t *testing.T) {
	t.Parallel()
	two := 2
	v := measuring(viewer(t, scaled(
		inState("high", model.AlarmAlarm),
		&model.ScalingState{Target: targetPath, Cooldowns: map[string]model.Cooldown{"cpu": {Activity: 1, Began: at(10), From: 1, To: 2}}},
		&model.ScheduledAction{Name: "night", Target: targetPath, Schedule: "at(2026-01-02T00:00:00)", Min: &two, CreatedAt: at(0)},
	)...))
	got := tell(t, v, "web").Scaling
	want := &why.Scaling{
		Target: "target", Min: 1, Max: 10, Desired: 1,
		Policies: []why.PolicyNow{{
			ARN: policyARN, Name: "cpu", Text: "keeps ECSServiceAverageCPUUtilization at 50, cool-down out 60 s, in 120 s",
			Cooldown: "scale-out cool-down of 60 s until 12:01:10, after scaling from 1 to 2",
			Alarms: []why.AlarmNow{
				{
					ARN: alarmARN, Name: "high", Value: model.AlarmAlarm, Since: at(5), Reason: "Threshold Crossed",
					Text: "Average of AWS/ECS CPUUtilization > 50 in 3 of 3 periods of 60 s", Points: []float64{90.5, 80, 70},
				},
				{
					ARN: strings.Replace(alarmARN, "high", "low", 1), Name: "low", Value: model.AlarmOK, Since: at(5), Reason: "Threshold Crossed",
					Text: "Average of AWS/ECS CPUUtilization < 45 in 15 of 15 periods of 60 s", Points: []float64{20, 10},
				},
			},
		}},
		Schedules: []string{"scheduled action night, at(2026-01-02T00:00:00), sets the minimum to 2, next at 2026-01-02 00:00:00"},
		Held:      got.Held, // TestNotScaled
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestFastPolicy tells of what was measured in the last seconds.
func TestFastPolicy(t *testing.T) {
	t.Parallel()
	records := scaled(running(), completed())
	records[1].(*model.ScalingPolicy).Tracking.Fast = true
	v := viewer(t, records...)
	for value, want := range map[float64]string{
		40:  "policy cpu: the desired count is 1, and the last second was 40; it scales in when fewer tasks have sufficed for 60 s",
		120: "not yet: at the next look the desired count becomes 3: ceil(120 load of 3 s / 50) = 3",
	} {
		v.Seconds = func(p *model.ScalingPolicy, _ *model.Service, running int) scaling.Series {
			second := scaling.Second{At: v.Now.Add(-time.Second), Value: value, Tasks: float64(running)}
			return scaling.Series{Policy: p.Name, Points: []scaling.Second{second, second, second}}
		}
		got := tell(t, v, "web").Scaling
		if !slices.Equal(got.Held, []string{want}) || len(got.Policies[0].Seconds) != 3 || !strings.HasSuffix(got.Policies[0].Text, "looked at each second") {
			t.Errorf("at %v: got %+v, want %q", value, got, want)
		}
	}
}

// activities are a scale-out, one that was kept from it, and a scheduled action.
func activities() []model.Record {
	call := model.Cause{Kind: model.CauseAPI, Subject: "PutMetricData", At: at(12)}
	alarm := model.Cause{Kind: model.CauseAlarm, Subject: "high", At: at(13), Detail: "90.5, 80, 70", By: &call}
	return []model.Record{
		&model.ScalingActivity{
			Target: targetPath, Number: 1, StartedAt: at(13), EndedAt: at(17), Status: model.ActivitySuccessful, Desired: 2, Policy: "cpu",
			CauseText: "monitor alarm high in state ALARM triggered policy cpu", StatusMessage: "Successfully set desired count to 2.",
			Inputs: &model.ScalingInputs{
				Metric: "CPU", Points: []float64{90.5, 80, 70}, Value: 90.5, Threshold: 50, Running: 1, Desired: 1, Alarm: "high",
				Formula: "ceil(1 running × 90.5 / 50) = 2", Cooldown: "60 s from its success on", Result: 2,
			},
			Cause: model.Cause{Kind: model.CauseScaling, Subject: "cpu", At: at(13), By: &alarm},
		},
		&model.ScalingActivity{
			Target: targetPath, Number: 2, StartedAt: at(18), EndedAt: at(18), Status: model.ActivityFailed, Desired: -1, Policy: "cpu",
			CauseText: "monitor alarm high in state ALARM triggered policy cpu",
			NotScaled: []model.NotScaled{{Code: model.AtMaxCapacity, Current: -1, Min: -1, Max: 2}}, Cause: alarm,
		},
		&model.ScalingActivity{
			Target: targetPath, Number: 3, StartedAt: at(19), EndedAt: at(19), Status: model.ActivitySuccessful, Desired: -1,
			Description: "Setting min capacity to 2", CauseText: "scheduled action name night was triggered",
			StatusMessage: "Successfully set min capacity to 2", Cause: model.Cause{Kind: model.CauseSchedule, Subject: "night", At: at(19)},
		},
		&model.ServiceEvent{Service: service, ID: "e1", At: at(17), Message: "(service web) Message: Successfully set desired count to 2. Cause: monitor alarm"},
	}
}

// TestDecisions tells each decision with its numbers and its causes, and the event that says the same not again.
func TestDecisions(t *testing.T) {
	t.Parallel()
	v := viewer(t, scaled(activities()...)...)
	story := tell(t, v, "web")
	want := []why.Step{
		{
			At: at(19), Text: "Setting min capacity to 2: scheduled action name night was triggered",
			Details: []string{"Successful: Successfully set min capacity to 2"},
		},
		{
			At: at(18), Text: "nothing is scaled by policy cpu: monitor alarm high in state ALARM triggered policy cpu, " +
				"and 2 is the maximum (AlreadyAtMaxCapacity)",
		},
		{
			At: at(13), Text: "the desired count is scaled from 1 to 2 by policy cpu: monitor alarm high in state ALARM triggered policy cpu",
			Details: []string{
				"alarm high", "measured CPU: 90.5, 80, 70 (newest first), taken as 90.5, against 50", "1 running, 1 desired",
				"ceil(1 running × 90.5 / 50) = 2", "cool-down: 60 s from its success on",
				"Successful after 4s: Successfully set desired count to 2.",
			},
		},
	}
	got := slices.Clone(story.Steps[:min(3, len(story.Steps))])
	for i, kinds := range [][]model.CauseKind{
		{model.CauseSchedule}, {model.CauseAlarm, model.CauseAPI}, {model.CauseScaling, model.CauseAlarm, model.CauseAPI},
	} {
		var chain []model.CauseKind
		for _, c := range got[i].Because {
			chain = append(chain, c.Kind)
		}
		if !slices.Equal(chain, kinds) {
			t.Errorf("step %d: got the causes %q, want %q", i, chain, kinds)
		}
		got[i].Because = nil
	}
	if got[2].Inputs == nil || got[2].Inputs.Result != 2 {
		t.Errorf("got the inputs %+v, want those of the activity", got[2].Inputs)
	}
	got[2].Inputs = nil
	if diff := cmp.Diff(want, got, cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".failed" }, cmp.Ignore())); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, s := range story.Steps {
		if strings.Contains(s.Text, "Message: ") {
			t.Errorf("%q is told twice", s.Text)
		}
	}
}

// TestAlarmAndPolicy tells the stories of an alarm and of a policy, by name and by ARN.
func TestAlarmAndPolicy(t *testing.T) {
	t.Parallel()
	v := measuring(viewer(t, scaled(append(activities(),
		&model.AlarmEvent{Alarm: "us-east-1/high", Number: 1, Type: model.AlarmConfigured, At: at(1), Summary: "Alarm \"high\" created"},
		&model.AlarmEvent{Alarm: "us-east-1/high", Number: 2, Type: model.AlarmChanged, At: at(5), Summary: "Alarm updated from OK to ALARM"},
		inState("high", model.AlarmAlarm),
	)...)...))
	for _, ref := range []string{"high", alarmARN} {
		story := tell(t, v, ref)
		want := "ALARM since 12:00:05: Average of AWS/ECS CPUUtilization > 50 in 3 of 3 periods of 60 s; measured 90.5, 80, 70"
		if story.Kind != "alarm" || story.Subject != alarmARN || story.Now != want {
			t.Errorf("%s: got %+v, want %q", ref, story, want)
		}
		if len(story.Steps) != 2 || story.Steps[0].Text != "Alarm updated from OK to ALARM" || len(story.Steps[0].Because) != 1 || story.Steps[1].Because != nil {
			t.Errorf("%s: got the steps %+v", ref, story.Steps)
		}
	}
	for _, ref := range []string{"cpu", policyARN} {
		story := tell(t, v, ref)
		if story.Kind != "policy" || story.Subject != policyARN || len(story.Steps) != 2 || story.Scaling == nil {
			t.Errorf("%s: got %+v, want the two decisions of the policy", ref, story)
		}
	}
}

// TestTargets: what was measured of fewer targets than tasks run is not told as if all had a part in it.
func TestTargets(t *testing.T) {
	t.Parallel()
	v := viewer(t, scaled(running(), completed(), inState("high", model.AlarmAlarm))...)
	v.Points = func(*model.Alarm) []float64 { return []float64{90.5, 80, 70} }
	v.Targets = func(*model.Alarm) float64 { return 0.5 }
	want := []string{"policy cpu: AlreadyAtDesiredCapacity: as many as there are: ceil(0.5 of 1 running × 90.5 / 50) = 1"}
	if got := tell(t, v, "web").Scaling.Held; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestDeclaredCount tells both counts where a scaler has set another one than was declared.
func TestDeclaredCount(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		svc  model.Service
		want string
	}{
		{model.Service{DesiredCount: 8, Declared: 3, Scaled: true}, "0 of 8 running (8 by scaling, 3 declared), 1 pending"},
		{model.Service{DesiredCount: 3, Declared: 3, Scaled: true}, "0 of 3 running, 1 pending"},
		{model.Service{DesiredCount: 8, Declared: 8}, "0 of 8 running, 1 pending"},
	} {
		svc := test.svc
		svc.ARN, svc.Name, svc.Cluster, svc.Region, svc.Status, svc.Scheduling = service, "web", cluster, "us-east-1", model.Active, model.Replica
		if got := tell(t, viewer(t, &svc), "web").Now; !strings.Contains(got, test.want) {
			t.Errorf("got %q, want %q in it", got, test.want)
		}
	}
}
