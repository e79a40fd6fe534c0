package why

import (
	"fmt"
	"slices"
	"strings"

	"github.com/maitred/maitred/internal/core"
	"github.com/maitred/maitred/internal/core/place"
	"github.com/maitred/maitred/internal/model"
)

type serviceSubject struct{ *model.Service }

func (s serviceSubject) name() string { return "service " + s.ARN }

func (s serviceSubject) tell(v Viewer) Story {
	story := Story{Subject: s.ARN, Kind: "service", Now: v.serviceNow(s.Service), Held: v.held(s.Service), Scaling: v.scaling(s.Service)}
	var steps []Step
	for t := range v.View.TasksOfService(s.ARN) {
		steps = append(steps, v.taskSteps(t)...)
	}
	scaled := v.activitySteps(scalablePath(s.Service), "")
	steps = append(steps, scaled...)
	told := s.Cause.Kind == model.CauseScaling && len(scaled) > 0
	for d := range v.View.Deployments(s.ARN) {
		steps = append(steps, deploymentSteps(d)...)
		told = told || d.Cause.ID == s.Cause.ID
	}
	if !told {
		steps = append(steps, Step{At: s.Cause.At, Text: "the service is changed", Because: s.Cause.Chain()})
	}
	for _, e := range slices.Backward(slices.Collect(v.View.Events(s.ARN))) {
		if said(e.Message) {
			steps = append(steps, Step{At: e.At, Text: e.Message})
		}
	}
	story.Steps = newestFirst(steps)
	return story
}

// said leaves out events that only list starts and stops, and those of scaling: tasks and activities tell those themselves,
// with their causes.
func said(message string) bool {
	if strings.Contains(message, ") Message: ") && strings.Contains(message, " Cause: ") {
		return false
	}
	for _, text := range []string{" has started ", " has stopped ", " stopped "} {
		if strings.Contains(message, ")"+text) {
			return false
		}
	}
	return true
}

// shortage explains for each machine why it does not take another task of the service.
func (v Viewer) shortage(s *model.Service) []string {
	d, ok := v.View.Deployment(s.ARN, s.Primary)
	if !ok {
		return nil
	}
	def, ok := v.View.TaskDefinition(d.TaskDefinition)
	if !ok {
		return nil
	}
	search, err := core.NewRoom(v.View, v.Connected).Search(place.Request{
		Cluster: s.Cluster, Service: s.ARN, Group: "service:" + s.Name, Demand: place.Demand(def, nil), Requires: def.Requires,
		Constraints: slices.Concat(def.Constraints, s.Constraints), Strategy: s.Strategy,
		Refuse: func(m *model.Machine) string { return v.Refuse(m, def) },
	})
	if err != nil {
		return []string{err.Error()}
	}
	var lines []string
	for _, verdict := range search.Explain().Verdicts {
		lines = append(lines, verdict.String())
	}
	if len(lines) == 0 {
		lines = []string{place.NoInstances}
	}
	return lines
}

type deploymentSubject struct {
	svc *model.Service
	d   *model.Deployment
}

func (s deploymentSubject) name() string { return "deployment " + s.d.ID }

func (s deploymentSubject) tell(v Viewer) Story {
	steps := deploymentSteps(s.d)
	for t := range v.View.TasksOfService(s.svc.ARN) {
		if t.Deployment == s.d.ID {
			steps = append(steps, v.taskSteps(t)...)
		}
	}
	now := fmt.Sprintf("%s of service %s, %s", s.d.Rollout, s.svc.Name, model.ShortID(s.d.TaskDefinition))
	if s.d.Rollback != nil {
		now += ", " + strings.ToLower(strings.ReplaceAll(string(s.d.Status), "_", " ")) + " to deployment " + s.d.Rollback.To
	}
	if s.d.Failed > 0 {
		now += ", " + count(s.d.Failed, "task") + " failed"
	}
	return Story{Subject: s.d.ID, Kind: "deployment", Now: now, Steps: newestFirst(steps)}
}

func deploymentSteps(d *model.Deployment) []Step {
	steps := []Step{{
		At: d.CreatedAt, Because: d.Cause.Chain(),
		Text: fmt.Sprintf("deployment %s of %s begins", d.ID, model.ShortID(d.TaskDefinition)),
	}}
	if d.Resumed != nil {
		steps = append(steps, Step{
			At: d.Resumed.At, Because: d.Resumed.Chain(),
			Text: fmt.Sprintf("deployment %s of %s is rolled out again", d.ID, model.ShortID(d.TaskDefinition)),
		})
	}
	if d.Failure != nil && d.Rollout == model.RolloutFailed {
		text := fmt.Sprintf("deployment %s fails: %s", d.ID, d.RolloutReason)
		steps = append(steps, Step{At: d.Failure.At, Text: text, Because: d.Failure.Chain()})
	}
	if !d.FinishedAt.IsZero() {
		text := fmt.Sprintf("deployment %s is %s, after %v", d.ID, d.Status, brief(d.FinishedAt.Sub(d.CreatedAt)))
		if d.StatusReason != "" {
			text += ": " + d.StatusReason
		}
		steps = append(steps, Step{At: d.FinishedAt, Text: text})
	}
	return steps
}
