package why_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/maitred/maitred/internal/model"
)

// TestRollbackStory tells what an alarm did: of the service, of the deployment that failed, and of the one in its place.
func TestRollbackStory(t *testing.T) {
	t.Parallel()
	const bad, good = "ecs-svc/0000000000000000001", "ecs-svc/0000000000000000000"
	alarm := model.Cause{Kind: model.CauseAlarm, Subject: "errors", At: at(29), Detail: "Threshold Crossed"}
	failure := model.Cause{Kind: model.CauseDeployment, Subject: bad, At: at(30), Detail: "alarm errors went into ALARM during the deployment", By: &alarm}
	failed := &model.Deployment{
		ID: bad, Token: "tttttttttttttttttttttt", Service: service, TaskDefinition: revision, Rollout: model.RolloutFailed, Current: true, CreatedAt: at(20),
		Status: model.DeploymentRollbackInProgress, RolloutReason: "ECS deployment failed: alarm detected.", Failure: &failure,
		Rollback: &model.Rollback{To: good, At: at(30)}, Cause: model.Cause{Kind: model.CauseAPI, Subject: "UpdateService", At: at(20)},
	}
	old := olderDeployment(older)
	old.Rollout, old.RollsBack, old.CreatedAt = model.RolloutInProgress, bad, at(1)
	old.Resumed = &model.Cause{Kind: model.CauseDeployment, Subject: good, At: at(30), Detail: "the service goes back from deployment " + bad, By: &failure}
	v := viewer(t, failed, old)
	for ref, want := range map[string]string{
		bad:  "FAILED of service web, web:1, rollback in progress to deployment " + good,
		good: "IN_PROGRESS of service web, web:0",
	} {
		if diff := cmp.Diff(want, tell(t, v, ref).Now); diff != "" {
			t.Errorf("%s (-want +got):\n%s", ref, diff)
		}
	}
	var found []string
	for _, s := range tell(t, v, "web").Steps {
		if strings.Contains(s.Text, "fails") || strings.Contains(s.Text, "again") {
			last := s.Because[len(s.Because)-1]
			found = append(found, s.Text+" because of "+string(last.Kind)+" "+last.Subject)
		}
	}
	want := []string{
		"deployment " + good + " of web:0 is rolled out again because of alarm errors",
		"deployment " + bad + " fails: ECS deployment failed: alarm detected. because of alarm errors",
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Errorf("steps (-want +got):\n%s", diff)
	}
}
