package cli_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/cli"
	"github.com/maitred/maitred/internal/model"
	"github.com/maitred/maitred/internal/why"
)

// TestScaling writes how a service is scaled and a decision with its numbers.
func TestScaling(t *testing.T) {
	t.Parallel()
	story := why.Story{
		Kind: "service", Subject: "web", Now: "ACTIVE",
		Scaling: &why.Scaling{
			Min: 1, Max: 10, Desired: 3, Running: 2, Held: []string{"policy cpu: none of its alarms is in ALARM"},
			Policies: []why.PolicyNow{{
				Name: "cpu", Text: "keeps CPU at 50", Cooldown: "scale-out cool-down of 60 s until 12:01:10", Seconds: []float64{41, 40.5},
				Alarms: []why.AlarmNow{{Name: "high", Value: model.AlarmOK, Since: noon, Text: "CPU > 50", Points: []float64{41, 42}}},
			}},
			Schedules: []string{"scheduled action night sets the minimum to 2"},
		},
		Steps: []why.Step{{
			At: noon, Text: "the desired count is scaled from 1 to 3", Details: []string{"ceil(1 running × 150 / 50) = 3"},
			Because: []model.Cause{
				{Kind: model.CauseScaling, Subject: "policy cpu", At: noon}, {Kind: model.CauseSchedule, Subject: "night", At: noon, Detail: "rate(1 day)"},
			},
		}},
	}
	want := []string{
		"service web", "ACTIVE",
		"scaled between 1 and 10: 3 desired, 2 running",
		"  policy cpu keeps CPU at 50",
		"    scale-out cool-down of 60 s until 12:01:10",
		"    the last seconds, newest first: 41, 40.5",
		"    alarm high is OK since 12:00:00: CPU > 50; measured 41, 42",
		"  scheduled action night sets the minimum to 2",
		"not scaled: policy cpu: none of its alarms is in ALARM",
		"",
		"2026-01-01 12:00:00.000  the desired count is scaled from 1 to 3",
		"                           ceil(1 running × 150 / 50) = 3",
		"                          because scaling by policy cpu at 12:00:00.000",
		"                            because the time of scheduled action night came at 12:00:00.000: rate(1 day)",
		"",
	}
	if diff := cmp.Diff(want, strings.Split(cli.New(nil, nil).Story(story, 20), "\n")); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
